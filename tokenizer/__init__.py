"""A byte-level BPE tokenizer and its trainer.

Reading order: files, byte_alphabet, pretokenize, train_naive, count, train, encode, vocabulary,
oniguruma, tokenizer_json, tiktoken_ranks, kernels, compiled, batching, token_ids, tokenizer,
huggingface; for the command line streams, progress, display, inspection, commands, cli. Explained
in docs/tokenizer.md.
"""

from tokenizer.huggingface import huggingface_tokenizer_config
from tokenizer.pretokenize import END_OF_TEXT, iter_stories, pretokenize, split_stories
from tokenizer.tokenizer import Tokenizer
from tokenizer.tokenizer_json import LARGEST_TOKENIZER_JSON

__all__ = [
    "END_OF_TEXT",
    "LARGEST_TOKENIZER_JSON",
    "Tokenizer",
    "huggingface_tokenizer_config",
    "iter_stories",
    "pretokenize",
    "split_stories",
]
