"""A document as one HTML file that needs no other: every text is escaped here and nowhere else.

The page names a content security policy under which a browser loads nothing from anywhere and
runs only the one script it carries, whatever a text from a file might contain.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from itertools import groupby

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
from stats.html_style import CSS, SCRIPT
from stats.tables import cell_texts, is_numeric
from stats.wording import visible


def render(document: Document) -> str:
    """The whole page."""
    opening = f"<h1>{_text(document.title)}</h1>\n{blocks(document.opening)}"
    sections = "".join(map(_section, document.sections))
    closing = f"<footer>{_prose(document.closing)}</footer>\n" if document.closing else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(document.title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f'<body>\n<div class="sheet">\n<header>\n{opening}</header>\n'
        f"{_contents(document.sections)}<main>\n{sections}</main>\n{closing}</div>\n"
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def policy() -> str:
    """Images from the page itself, this style sheet and this script; nothing else."""
    style, script = (
        base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
        for text in (CSS, SCRIPT)
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; "
        f"script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )


def _contents(sections: tuple[Section, ...]) -> str:
    linked = [section for section in sections if section.link]
    pieces = []
    for group, members in groupby(linked, key=lambda section: section.group):
        items = "".join(
            f'<li><a href="#{identifier(member.anchor)}">{_text(member.link)}</a></li>'
            for member in members
        )
        title = f"<b>{_text(group)}</b>" if group else ""
        pieces.append(f"{title}<ul>{items}</ul>\n")
    return f'<nav aria-label="Contents">{"".join(pieces)}</nav>\n' if pieces else ""


def _section(section: Section) -> str:
    return (
        f'<section id="{identifier(section.anchor)}">\n<h2>{_text(section.title)}</h2>\n'
        f"{blocks(section.blocks)}</section>\n"
    )


def blocks(contents: tuple[Block, ...]) -> str:
    """Blocks below each other; pictures that follow each other share a row where it is wide."""
    pieces = []
    for are_pictures, group in groupby(contents, key=lambda b: isinstance(b, Picture)):
        text = "".join(map(block, group))
        pieces.append(f'<div class="figures">\n{text}</div>\n' if are_pictures else text)
    return "".join(pieces)


def block(content: Block) -> str:
    """One block."""
    match content:
        case Paragraph(text, tone):
            css = "" if tone == "plain" else f' class="{tone}"'
            return f"<p{css}>{_prose(text)}</p>\n"
        case Heading(text):
            return f"<h3>{_text(text)}</h3>\n"
        case Findings(items):
            return _list([_finding(item) for item in items])
        case Bullets(items):
            return _list([_prose(item) for item in items])
        case Facts(pairs):
            facts = "".join(
                f"<li><b>{_text(value)}</b><span>{_text(name)}</span></li>" for name, value in pairs
            )
            return f'<ul class="facts">{facts}</ul>\n'
        case Table():
            return _table(content)
        case Picture():
            return _picture(content)
        case Quotation(prompt, text):
            # dir=auto: a text in another script runs its own way, inside its own box
            return (
                f'<blockquote dir="auto"><span class="prompt">{_text(prompt)}</span>'
                f"{_text(text)}</blockquote>\n"
            )


def _list(items: list[str]) -> str:
    return f'<ul class="list">\n{"".join(f"<li>{item}</li>{chr(10)}" for item in items)}</ul>\n'


def _finding(finding: Finding) -> str:
    apa = f' <span class="apa">{_prose(finding.apa)}</span>' if finding.apa else ""
    return f"{_prose(finding.sentence)}{apa}"


def _picture(picture: Picture) -> str:
    """On a white card; as an image, so that no id of one SVG meets another's."""
    data = base64.b64encode(picture.svg).decode("ascii")
    return (
        f'<figure><div class="card"><img alt="{_text(picture.alt or picture.title)}" '
        f'src="data:image/svg+xml;base64,{data}"></div>\n'
        f"<figcaption><b>{_text(picture.title)}</b> {_prose(picture.caption)}</figcaption>"
        "</figure>\n"
    )


def _table(content: Table) -> str:
    """In a box that scrolls sideways where the window is narrow; first cells head their rows."""
    frame = content.frame
    numeric = [is_numeric(frame.iloc[:, i]) for i in range(frame.shape[1])]
    css = [' class="n"' if flush else "" for flush in numeric]
    head = "".join(
        f'<th scope="col"{side}>{_text(str(name))}</th>'
        for name, side in zip(frame.columns, css, strict=True)
    )
    rows = []
    for number, row in enumerate(cell_texts(frame)):
        cells = [
            f'<th scope="row"{side}>{_text(text)}</th>'
            if i == 0
            else f"<td{side}>{_text(text)}</td>"
            for i, (text, side) in enumerate(zip(row, css, strict=True))
        ]
        best = ' class="best"' if number == content.bold_row else ""
        rows.append(f"<tr{best}>{''.join(cells)}</tr>\n")
    label = content.caption or content.name.replace("_", " ")
    caption = (
        f"<caption><span>{_prose(content.caption)}</span></caption>" if content.caption else ""
    )
    text = (
        f'<div class="scroll" id="table-{identifier(content.name)}" role="region" tabindex="0" '
        f'aria-label="{_text(label)}"><table>{caption}\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{''.join(rows)}</tbody></table></div>\n"
    )
    if content.note:
        text += f'<p class="note">{_prose(content.note)}</p>\n'
    if not content.folded:
        return text
    summary = f"{len(frame):,} rows: {content.name.replace('_', ' ')}"
    return f"<details><summary>{_text(summary)}</summary>\n{text}</details>\n"


def identifier(name: str) -> str:
    """`name` as an id: no space, nothing to be escaped."""
    return re.sub(r"[^\w.-]", "_", name)


def _text(text: str) -> str:
    """Escaped for content and for an attribute in double quotes."""
    return escape(visible(text), quote=True)


def _prose(text: str) -> str:
    """Escaped, with no line break inside "p < .001", "95 %", "F(1.58, 7.88)" or "[0.5, 0.7]"."""
    text = re.sub(r"(?<=[\d.]), (?=[-\d.,]+[)\]])", ",\u00a0", text)
    return re.sub(
        r" (=|&lt;|&gt;|%)( ?)", lambda m: f"&nbsp;{m[1]}{m[2] and '&nbsp;'}", _text(text)
    )
