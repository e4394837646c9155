"""Small pieces of HTML. Every text that comes from a file is escaped here and nowhere else."""

from __future__ import annotations

import base64
import re
from html import escape

import pandas as pd

from stats.tables import is_numeric, readable

CSS = """
:root { color-scheme: light dark; --ink: #1d1f21; --soft: #5c6168; --page: #fbfaf7; --card: #fff;
  --line: #dcdad3; --accent: #0072b2; --warn: #9a4300; --warn-page: #fff3e6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e4df; --soft: #a3a7ad; --page: #17191b;
  --card: #1f2225; --line: #3a3e43; --accent: #7cc4f0; --warn: #ffb77a; --warn-page: #2d2218; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.55;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3rem 0 .8rem; padding-top: .9rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.8rem 0 .5rem; }
p, ul.verdict, figcaption, blockquote, .notice { max-width: 46rem; }
p { margin: .6rem 0; }
a { color: var(--accent); }
.lead { color: var(--soft); margin-bottom: 1.2rem; }
nav { font-size: .9rem; margin: 1rem 0 0; }
nav a { margin-right: 1rem; white-space: nowrap; text-decoration: none; }
nav a:hover { text-decoration: underline; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.4rem, 1fr)); gap: .7rem;
  margin: 1.4rem 0; padding: 0; list-style: none; }
.facts li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .65rem .8rem; }
.facts b { display: block; font-size: 1.2rem; font-variant-numeric: tabular-nums; }
.facts span { color: var(--soft); font-size: .82rem; }
ul.verdict { padding-left: 1.15rem; }
ul.verdict li { margin: .45rem 0; }
.notice { background: var(--warn-page); border-left: 4px solid var(--warn); color: var(--ink);
  padding: .6rem .9rem; margin: 1rem 0; border-radius: .2rem; }
figure { margin: 1.6rem 0; max-width: 46rem; }
figure .card { background: #fff; border: 1px solid var(--line); border-radius: .5rem;
  padding: .6rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .5rem; }
figcaption b { color: var(--ink); }
.scroll { overflow-x: auto; margin: .4rem 0 1.2rem; }
table { border-collapse: collapse; font-size: .82rem; min-width: 100%;
  font-variant-numeric: tabular-nums; }
p.caption { color: var(--soft); font-size: .9rem; margin: 1.6rem 0 0; }
th, td { padding: .25rem .5rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; border-bottom-width: 2px; vertical-align: bottom; }
th.n, td.n { text-align: right; }
td.n { white-space: nowrap; }
td.n:first-child, th.n:first-child { text-align: left; }
tr.best td { font-weight: 700; }
blockquote { margin: .5rem 0 1.2rem; padding: .6rem 1rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; white-space: pre-wrap;
  overflow-wrap: anywhere; font-family: Georgia, "Times New Roman", serif; }
blockquote .prompt { color: var(--soft); }
code { font-size: .9em; }
details summary { cursor: pointer; color: var(--accent); margin: .6rem 0; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media print {
  :root { --ink: #000; --soft: #444; --page: #fff; --card: #fff; --line: #bbb; --accent: #000;
    --warn: #000; --warn-page: #fff; }
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; } nav { display: none; }
  h2, h3 { break-after: avoid; } figure, tr, blockquote { break-inside: avoid; }
  .scroll { overflow: visible; } table { font-size: 7.5pt; } th, td { padding: .15rem .3rem; }
}
"""


def page(title: str, body: str) -> str:
    """A whole document that needs no other file."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def section(anchor: str, heading: str, body: str) -> str:
    """A section with its heading and the anchor the contents link to."""
    return f'<section id="{escape(anchor)}">\n<h2>{escape(heading)}</h2>\n{body}\n</section>\n'


def paragraph(text: str, css: str = "") -> str:
    """Escaped text in a p element."""
    return f"<p{f' class={css!r}' if css else ''}>{_prose(text)}</p>\n"


def _prose(text: str) -> str:
    """Escaped, with no line break inside "p < .001" or "95 %"."""
    return re.sub(
        r" (=|&lt;|&gt;|%)( ?)", lambda m: f"&nbsp;{m[1]}{m[2] and '&nbsp;'}", escape(text)
    )


def bullets(lines: list[str], css: str) -> str:
    """Escaped lines in a ul element."""
    return f'<ul class="{css}">\n{"".join(f"<li>{_prose(x)}</li>" for x in lines)}\n</ul>\n'


def facts(pairs: list[tuple[str, str]]) -> str:
    """A row of big figures with small labels."""
    items = "".join(f"<li><b>{escape(v)}</b><span>{escape(k)}</span></li>" for k, v in pairs)
    return f'<ul class="facts">{items}</ul>\n'


def figure(svg: bytes, alt: str, title: str, caption: str) -> str:
    """A figure on a white card; as an image, so that no id of one SVG meets another's."""
    data = base64.b64encode(svg).decode("ascii")
    return (
        f'<figure><div class="card"><img alt="{escape(alt)}" '
        f'src="data:image/svg+xml;base64,{data}"></div>'
        f"<figcaption><b>{escape(title)}</b> {escape(caption)}</figcaption></figure>\n"
    )


def table(frame: pd.DataFrame, caption: str = "", bold_row: int | None = None) -> str:
    """`frame` as a table that scrolls sideways where the window is narrow."""
    columns = list(frame.columns)
    side = [' class="n"' if _flush_right(frame[name]) else "" for name in columns]
    head = "".join(
        f"<th{css}>{escape(str(name))}</th>" for name, css in zip(columns, side, strict=True)
    )
    rows = []
    for number, row in enumerate(frame.itertuples(index=False, name=None)):
        cells = "".join(
            f"<td{css}>{escape(readable(v))}</td>" for v, css in zip(row, side, strict=True)
        )
        rows.append(f"<tr{' class=best' if number == bold_row else ''}>{cells}</tr>\n")
    title = f'<p class="caption">{escape(caption)}</p>\n' if caption else ""
    return (
        f'{title}<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{''.join(rows)}</tbody></table></div>\n"
    )


def _flush_right(column: pd.Series) -> bool:
    """Numbers, and texts that were numbers: p values, percentages."""
    texts = [str(value) for value in column]
    return is_numeric(column) or all(
        re.fullmatch(r"((< |> )?[-.\d,e+]*|undefined)", t) for t in texts
    )


def quotation(prompt: str, text: str) -> str:
    """A sample text, its prompt set apart, line breaks kept."""
    return f'<blockquote><span class="prompt">{escape(prompt)}</span>{escape(text)}</blockquote>\n'
