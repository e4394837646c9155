"""What a report says, apart from how it looks: one document, rendered as HTML, Markdown or LaTeX.

A section is a list of blocks; a block is a small frozen dataclass. The texts are plain: no renderer
may find markup in them, and each escapes for its own language, so that a path or a sample text
cannot change the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd


@dataclass(frozen=True)
class Finding:
    """A verdict in a plain sentence, and the same as a statistician prints it (APA), if any."""

    sentence: str
    apa: str = ""

    def __str__(self) -> str:
        return f"{self.sentence} {self.apa}".rstrip()


@dataclass(frozen=True)
class Paragraph:
    """Running text; `tone` is "plain", "lead" (opens a page), "note" (small) or "notice" (loud)."""

    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Findings:
    """Verdicts, one a line."""

    items: tuple[Finding, ...]


@dataclass(frozen=True)
class Bullets:
    """Sentences, one a line."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Few big numbers as (label, value)."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table with its caption.

    Attributes
    ----------
    name : str
        Also the name of its file, without suffix; unique in the document.
    frame : DataFrame
        Headings are the column names; numbers are formatted by the renderer.
    caption, note : str
        Above and below the table.
    bold_row : int, optional
        Position of the row to be set bold.
    folded : bool
        Closed until the reader opens it, where the format can do that.
    """

    name: str
    frame: pd.DataFrame
    caption: str = ""
    note: str = ""
    bold_row: int | None = None
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure: its file's stem in the folder figures/, the SVG, a title and what to look for.

    `alt` says to those who do not see it what it shows; the title does where it is empty.
    """

    stem: str
    svg: bytes
    title: str
    caption: str
    alt: str = ""


@dataclass(frozen=True)
class Quotation:
    """A text of a model, `prompt` set apart from what it wrote; line breaks count."""

    prompt: str
    text: str


Block: TypeAlias = Paragraph | Heading | Findings | Bullets | Facts | Table | Picture | Quotation


@dataclass(frozen=True)
class Section:
    """A part of the document under a heading of its own.

    Attributes
    ----------
    anchor : str
        What a link names; unique in the document.
    title : str
    blocks : tuple of Block
    link : str
        The short word for it in the contents, "" for none.
    group : str
        Links of one group stand together in the contents, under this word: a condition's name.
    """

    anchor: str
    title: str
    blocks: tuple[Block, ...]
    link: str = ""
    group: str = ""


@dataclass(frozen=True)
class Document:
    """`title` heads the page, `opening` follows before the contents, `closing` ends the page."""

    title: str
    opening: tuple[Block, ...]
    sections: tuple[Section, ...]
    closing: str = ""

    @property
    def tables(self) -> list[Table]:
        """Every table, in order."""
        blocks = [*self.opening, *(block for section in self.sections for block in section.blocks)]
        return [block for block in blocks if isinstance(block, Table)]
