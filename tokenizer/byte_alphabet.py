"""A printable character for each byte: how GPT-2's file formats write tokens as text.

Tokens are byte strings, and JSON holds text. Every byte that is a visible character of Latin-1
stands for itself; the other 68 (controls, space, ...) take the code points from 256 on, in order.
So the space (byte 32) becomes "Ġ" and the newline (byte 10) "Ċ".

The convention is that of Radford et al. (2019), "Language Models are Unsupervised Multitask
Learners"; Hugging Face calls it ByteLevel.
"""

from __future__ import annotations

_VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = [byte for byte in range(256) if byte not in _VISIBLE]

BYTE_TO_CHARACTER: dict[int, str] = {byte: chr(byte) for byte in _VISIBLE} | {
    byte: chr(256 + i) for i, byte in enumerate(_HIDDEN)
}


def to_printable(token: bytes) -> str:
    """Write a token in the byte alphabet: ``to_printable(b" the") == "Ġthe"``."""
    return "".join(BYTE_TO_CHARACTER[byte] for byte in token)
