"""`tokenizer_config.json`, which transformers reads beside `tokenizer.json`."""

from __future__ import annotations

from typing import Any

from tokenizer.pretokenize import END_OF_TEXT
from tokenizer.tokenizer import Tokenizer


def huggingface_tokenizer_config(
    tokenizer: Tokenizer,
    model_max_length: int,
    *,
    bos_token: str | None = None,
    eos_token: str = END_OF_TEXT,
) -> dict[str, Any]:
    """Content of `tokenizer_config.json`, so that `AutoTokenizer` does what `tokenizer` does.

    Parameters
    ----------
    tokenizer : Tokenizer
    model_max_length : int
        The model's context, in tokens.
    bos_token, eos_token : str
        The special tokens that begin and end a text, by default `<|endoftext|>` for both.
        transformers only takes note of them. A tokenizer of another library that has no
        `<|endoftext|>` needs its own named here: which one a model was trained with is not in a
        `tokenizer.json`.

    Returns
    -------
    dict
        Ready for `json.dumps`. No token is added to a text, and decoding changes no space.

    Raises
    ------
    ValueError
        If `model_max_length` is no length, or a token is not among the special tokens.
    """
    if model_max_length < 1:
        raise ValueError(f"model_max_length={model_max_length} must be at least 1 token")
    bos_token = eos_token if bos_token is None else bos_token
    for name, token in (("eos_token", eos_token), ("bos_token", bos_token)):
        if token not in tokenizer.special_ids:
            raise ValueError(
                f"{name}={token!r} must be one of the tokenizer's special tokens, "
                f"{', '.join(tokenizer.special_tokens) or 'of which it has none'}"
            )
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model_max_length,
        "bos_token": bos_token,
        "eos_token": eos_token,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {
            str(token_id): {
                "content": token,
                "lstrip": False,
                "normalized": False,
                "rstrip": False,
                "single_word": False,
                "special": True,
            }
            for token, token_id in tokenizer.special_ids.items()
        },
    }
