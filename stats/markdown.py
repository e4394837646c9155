"""A document as Markdown that reads well on GitHub, and as it stands.

Every text is escaped, so that none can become a heading, a link, a table cell or HTML.
"""

from __future__ import annotations

import re

import pandas as pd

from stats.document import (
    Block,
    Bullets,
    Document,
    Facts,
    Finding,
    Findings,
    Heading,
    Paragraph,
    Picture,
    Quotation,
    Section,
    Table,
)
from stats.tables import cell_texts, is_numeric
from stats.wording import visible


def render(document: Document) -> str:
    """The whole document; a picture is linked as figures/STEM.png beside it."""
    pieces = [f"# {inline(document.title)}\n", *map(block, document.opening)]
    if links := _contents(document.sections):
        pieces.append(links)
    for section in document.sections:
        pieces.append(f'<a id="{anchor(section.anchor)}"></a>\n\n## {inline(section.title)}\n')
        pieces += map(block, section.blocks)
    if document.closing:
        pieces.append(f"---\n\n{line(document.closing)}\n")
    return "\n".join(pieces)


def _contents(sections: tuple[Section, ...]) -> str:
    """A line of links a group."""
    groups: dict[str, list[str]] = {}
    for section in sections:
        if section.link:
            link = f"[{inline(section.link)}](#{anchor(section.anchor)})"
            groups.setdefault(section.group, []).append(link)
    lines = [
        (f"- {line(group)}: " if group else "- ") + " · ".join(links)
        for group, links in groups.items()
    ]
    if len(lines) == 1:
        lines = [lines[0].removeprefix("- ")]
    return "".join(text + "\n" for text in lines)


def block(content: Block) -> str:
    """One block, ending in a line break."""
    match content:
        case Paragraph(text, "notice"):
            return f"> **Note:** {inline(text)}\n"
        case Paragraph(text, "note"):
            return f"*{inline(text)}*\n"
        case Paragraph(text):
            return f"{line(text)}\n"
        case Heading(text):
            return f"### {inline(text)}\n"
        case Findings(items):
            return "".join(_finding(item) for item in items)
        case Bullets(items):
            return "".join(f"- {line(text)}\n" for text in items)
        case Facts(pairs):
            return "".join(f"- {line(name)}: **{inline(value)}**\n" for name, value in pairs)
        case Table():
            return _captioned(content)
        case Picture(stem, _, title, caption):
            picture = f"![{inline(content.alt or title)}](figures/{_path(stem)}.png)"
            return f"{picture}\n\n**{inline(title)}** {inline(caption)}\n"
        case Quotation(prompt, text):
            return _quotation(prompt, text)


def _finding(finding: Finding) -> str:
    apa = f"\\\n  *{inline(finding.apa)}*" if finding.apa else ""
    return f"- {line(finding.sentence)}{apa}\n"


def _captioned(content: Table) -> str:
    parts = [table(content.frame, content.bold_row)]
    if content.caption:
        parts.insert(0, f"{line(content.caption)}\n")
    if content.note:
        parts.append(f"*{inline(content.note)}*\n")
    text = "\n".join(parts)
    if not content.folded:
        return text
    return f"<details><summary>{_summary(content)}</summary>\n\n{text}\n</details>\n"


def _summary(content: Table) -> str:
    return f"{len(content.frame):,} rows: {_html(content.name.replace('_', ' '))}"


def table(frame: pd.DataFrame, bold_row: int | None = None) -> str:
    """`frame` as a GitHub table, numbers flush right."""
    header = [inline(str(name)) for name in frame.columns]
    rule = ["---:" if is_numeric(frame.iloc[:, i]) else "---" for i in range(frame.shape[1])]
    rows = [[inline(text) for text in row] for row in cell_texts(frame)]
    if bold_row is not None:
        rows[bold_row] = [f"**{text}**" if text else "" for text in rows[bold_row]]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [header, rule, *rows])


def _quotation(prompt: str, text: str) -> str:
    """A block quote, the prompt bold; each line of the text one line of the quote."""
    # <b> and not **: whether those close depends on the letters around them
    start = f"<b>{inline(prompt)}</b>" if prompt.strip() else ""
    lines = [line(part) for part in visible(text).split("\n")]
    lines[0] = start + (" " if text[:1].isspace() and start else "") + lines[0]
    return "".join(f"> {part}\\\n" if part else ">\n" for part in lines[:-1]) + f"> {lines[-1]}\n"


def line(text: str) -> str:
    """`text` as the start of a line: no list, heading or quotation either."""
    text = inline(text)
    text = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", text)
    return re.sub(r"^([-+#=>])", r"\\\1", text)


def inline(text: str) -> str:
    """`text` without line breaks, no character of it taken for markup.

    A backslash stands only where Markdown could see more than the character, so that the file
    can be read as it is: "val_loss" and "p < .001" stay, "_so_" and "<b>" do not.
    """
    text = " ".join(visible(text).split())
    text = re.sub(r"[\\`*\[\]|~$@]|<(?! )|&(?=[\w#])", r"\\\g<0>", text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)
    text = re.sub(r":(?=\S)", r"\\:", text)  # links without brackets, and :emoji:
    return re.sub(r"(?i)\b(www)\.", r"\1\\.", text)


def anchor(name: str) -> str:
    """`name` as the target of a link."""
    return re.sub(r"[^\w.-]", "_", name)


def _path(stem: str) -> str:
    return re.sub(r"[^\w./-]", "_", stem)


def _html(text: str) -> str:
    text = " ".join(visible(text).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
