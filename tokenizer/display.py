"""Tokens for the eye: white space and odd bytes made visible, cuts as colours or as lines."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

# Backgrounds of the 256-colour palette with black text: light blue and light orange, which also
# differ to colour-blind eyes; special tokens are white on dark grey.
_COLOURS = ("\033[48;5;153;38;5;16m", "\033[48;5;222;38;5;16m")
_SPECIAL = "\033[48;5;240;38;5;231m"
_RESET = "\033[0m"


@dataclass(frozen=True)
class Style:
    """How to draw.

    Parameters
    ----------
    colour : bool
    unicode : bool
        Whether the output can show more than ASCII.
    width : int
        Columns.
    """

    colour: bool = False
    unicode: bool = True
    width: int = 80

    @property
    def bar(self) -> str:
        """What stands between two tokens without colours."""
        return "│" if self.unicode else "|"

    @property
    def space(self) -> str:
        """A visible space."""
        return "·" if self.unicode else "_"

    def visible(self, token: bytes) -> str:
        """A token in one line of visible characters: ``visible(b" a\\n") == "·a↵"``.

        Bytes that are no whole character, and characters that show nothing, are written \\xe2.
        """
        shown = []
        for character in token.decode("utf-8", "surrogateescape"):
            if "\udc80" <= character <= "\udcff":
                shown.append(f"\\x{ord(character) - 0xDC00:02x}")
            elif character == " ":
                shown.append(self.space)
            elif character in "\n\r\t":
                pictures = {"\n": "↵", "\r": "␍", "\t": "→"}
                escapes = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
                shown.append((pictures if self.unicode else escapes)[character])
            elif not character.isprintable() or (not self.unicode and not character.isascii()):
                shown.append("".join(f"\\x{byte:02x}" for byte in character.encode("utf-8")))
            else:
                shown.append(character)
        return "".join(shown)

    def paint(self, text: str, number: int, special: bool = False) -> str:
        """`text` in the colour of the token with this number in the row."""
        if not self.colour:
            return text
        return f"{_SPECIAL if special else _COLOURS[number % 2]}{text}{_RESET}"

    def heading(self, text: str) -> str:
        """`text`, bold if there are colours."""
        return f"\033[1m{text}{_RESET}" if self.colour else text


def style_for(stream: TextIO, colour: str, width: int) -> Style:
    """The style for a stream; `colour` is "auto", "always" or "never".

    "auto" is colour on a terminal, unless NO_COLOR is set (https://no-color.org) or it is dumb.
    """
    wanted = colour == "always" or (
        colour == "auto"
        and stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )
    try:
        "·│↵␍→█".encode(stream.encoding or "ascii")
        has_unicode = True
    except UnicodeEncodeError:
        has_unicode = False
    return Style(wanted, has_unicode, max(20, width))


def columns(text: str) -> int:
    """Columns that `text` takes on a terminal: wide characters two, combining marks none."""
    return sum(
        0
        if unicodedata.combining(character)
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def padded(text: str, width: int) -> str:
    """`text` filled up with spaces to `width` columns."""
    return text + " " * max(0, width - columns(text))


def clipped(text: str, width: int) -> str:
    """`text`, shortened to `width` columns if it is longer."""
    if columns(text) <= width:
        return text
    kept = ""
    for character in text:
        if columns(kept + character) > width - 3:
            break
        kept += character
    return kept + "..."


def cut_lines(tokens: Sequence[tuple[bytes, bool]], style: Style) -> list[str]:
    """The tokens (bytes, whether special) end to end, wrapped, a line break where the text has one.

    With colours a cut is a change of the background, without it is a line between two tokens.
    """
    lines, line, used = [], "", 0
    for number, (token, special) in enumerate(tokens):
        shown = style.visible(token)
        bar = "" if style.colour or not used else style.bar
        if used and used + columns(bar + shown) > style.width:
            lines.append(line)
            line, used, bar = "", 0, ""
        while columns(shown) > style.width:  # one long token
            fits = next(
                n for n in range(len(shown), 0, -1) if columns(shown[:n]) <= style.width - used
            )
            lines.append(line + style.paint(shown[:fits], number, special))
            shown, line, used = shown[fits:], "", 0
        line += bar + style.paint(shown, number, special)
        used += columns(bar + shown)
        if token.endswith(b"\n"):
            lines.append(line)
            line, used = "", 0
    return [*lines, line] if line else lines


def cut_lines_with_ids(tokens: Sequence[tuple[int, bytes, bool]], style: Style) -> list[str]:
    """As `cut_lines`, with the id below each token (id, bytes, whether special)."""
    lines: list[str] = []
    above, below, used = "", "", 0
    for number, (token_id, token, special) in enumerate(tokens):
        shown = clipped(style.visible(token), style.width)
        width = max(columns(shown), len(str(token_id)))
        gap = 1 if used else 0
        if used and used + gap + width > style.width:
            lines += [above.rstrip(), below.rstrip()]
            above, below, used, gap = "", "", 0, 0
        between = " " if style.colour else style.bar
        above += between * gap + style.paint(shown, number, special)
        above += " " * (width - columns(shown))
        below += " " * gap + str(token_id).ljust(width)
        used += gap + width
        if token.endswith(b"\n"):
            lines += [above.rstrip(), below.rstrip()]
            above, below, used = "", "", 0
    return [*lines, above.rstrip(), below.rstrip()] if used else lines


def terminal_width(stream: TextIO) -> int:
    """Columns of the terminal, 80 if there is none."""
    try:
        return int(os.environ.get("COLUMNS", "")) or 80
    except ValueError:
        pass
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def print_lines(lines: Sequence[str]) -> None:
    """Write lines to stdout; what its encoding lacks is written as an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    text = "".join(line + "\n" for line in lines)
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
