"""Numbers as a person reads them: tokens in millions, p as APA writes it, lists with "and".

And texts from files made safe to show: see `visible`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable


def million(tokens: float) -> str:
    """4,000,000 -> "4.00 million"; small counts stay whole."""
    return f"{tokens / 1e6:.2f} million" if abs(tokens) >= 1e5 else f"{tokens:,.0f}"


def tokens_column(tokens: Iterable[float]) -> list[str]:
    """A column of counts in one unit, by the largest: "0.25 M" below a total of millions."""
    counts = [float(n) for n in tokens]
    unit, name = (1e6, "M") if max(counts, default=0.0) >= 5e5 else (1e3, "k")
    return [f"{n / unit:,.2f} {name}" if name == "M" else f"{n / unit:,.1f} {name}" for n in counts]


def number(value: float, digits: int = 4) -> str:
    """`digits` decimals for ordinary sizes, significant digits for tiny and huge ones."""
    if not math.isfinite(value):
        return "" if math.isnan(value) else str(value)
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.3g}"
    if abs(value) >= 1000:
        return f"{value:,.1f}"
    return f"{value:.{digits}f}"


def unit_fraction(value: float, digits: int = 3) -> str:
    """APA: a quantity that cannot exceed 1 has no zero before the point."""
    return f"{value:.{digits}f}".removeprefix("0")


def equals(name: str, value: float, digits: int = 3) -> str:
    """ "η² = .912"; and "η² > .999" where rounding would claim a 1 that it is not."""
    nearly = 1 - 10.0**-digits
    if nearly + 10.0**-digits / 2 <= value < 1:
        return f"{name} > {unit_fraction(nearly, digits)}"
    return f"{name} = {unit_fraction(value, digits)}"


def p_value(p: float) -> str:
    """APA: "p = .012", "p < .001"."""
    return "p < .001" if p < 0.001 else f"p = {unit_fraction(p)}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """1 -> "1 seed", 3 -> "3 seeds", 0 -> "no seed"."""
    if n == 0:
        return f"no {noun}"
    return f"1 {noun}" if n == 1 else f"{n:,} {plural or noun + 's'}"


def joined(items: Iterable[object]) -> str:
    """["1", "2", "3"] -> "1, 2 and 3"."""
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def span(low: float, high: float) -> str:
    """ "3" or "3 to 5"."""
    return f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"


def file_stem(name: str) -> str:
    """`name` as part of a file name or an id: whatever is not safe in both becomes "_"."""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "_"


def visible(text: str) -> str:
    """`text` with nothing in it that could hide or reorder its surroundings.

    Control characters become their pictures (NUL is "␀"), direction overrides and other unseen
    characters their names ("[U+202E]"), halves of surrogate pairs and noncharacters "\ufffd",
    which HTML and UTF-8 would refuse. Line breaks and tabs stay.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub(lambda found: _shown(ord(found[0])), text)


_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f]"
)


def _shown(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE:
        return "\ufffd"
    return f"[U+{code:04X}]"
