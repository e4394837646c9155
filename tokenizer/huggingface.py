"""`tokenizer_config.json`, which transformers reads beside `tokenizer.json`."""

from __future__ import annotations

from typing import Any

from tokenizer.pretokenize import END_OF_TEXT
from tokenizer.tokenizer import Tokenizer


def huggingface_tokenizer_config(tokenizer: Tokenizer, model_max_length: int) -> dict[str, Any]:
    """Content of `tokenizer_config.json`, so that `AutoTokenizer` does what `tokenizer` does.

    Parameters
    ----------
    tokenizer : Tokenizer
    model_max_length : int
        The model's context, in tokens.

    Returns
    -------
    dict
        Ready for `json.dumps`. No token is added to a text, and decoding changes no space.
    """
    if model_max_length < 1:
        raise ValueError(f"model_max_length={model_max_length} must be at least 1 token")
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model_max_length,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {
            str(tokenizer.end_of_text): {
                "content": END_OF_TEXT,
                "lstrip": False,
                "normalized": False,
                "rstrip": False,
                "single_word": False,
                "special": True,
            }
        },
    }
