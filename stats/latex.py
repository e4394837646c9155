r"""Tables of a document as LaTeX, one a file; each needs \usepackage{booktabs} and no more.

What LaTeX would take for a command is escaped, symbols become mathematics, accents commands; a
character that a plain LaTeX document cannot print is given by its number.
"""

from __future__ import annotations

import unicodedata

from stats.document import Document, Table
from stats.tables import cell_texts, is_numeric
from stats.wording import visible

ROWS_A_PAGE = 45
WIDE = 90  # characters of a row beyond which a text column of an article is too narrow
LONG_CELL = 28  # characters beyond which a column of texts has a fixed width and breaks

ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': r"{\ttfamily\char34}",  # \textquotedbl exists in newer encodings only
    "`": r"\textasciigrave{}",
    "[": "{[}",  # after \\ an opening bracket would be its argument
    "]": "{]}",
    "*": "{*}",
}
SYMBOLS = {
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "δ": r"$\delta$",
    "Δ": r"$\Delta$",
    "ε": r"$\varepsilon$",
    "η": r"$\eta$",
    "λ": r"$\lambda$",
    "μ": r"$\mu$",
    "ρ": r"$\rho$",
    "σ": r"$\sigma$",
    "Σ": r"$\Sigma$",
    "τ": r"$\tau$",
    "φ": r"$\varphi$",
    "χ": r"$\chi$",
    "ω": r"$\omega$",
    "²": r"$^{2}$",
    "³": r"$^{3}$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "−": r"$-$",
    "→": r"$\rightarrow$",
    "∞": r"$\infty$",
    "√": r"$\surd$",
    "°": r"$^{\circ}$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "ł": r"\l{}",
    "ı": r"\i{}",
    "\u00a0": "~",
    "\u202f": r"\,",
}
ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
}


def files(document: Document) -> dict[str, str]:
    """NAME -> LaTeX of every table of `document`."""
    return {content.name: table(content) for content in document.tables}


def table(content: Table) -> str:
    r"""`content` as a table environment: booktabs rules, caption, label tab:NAME.

    A wide one is scaled to the text's width where the document loads graphicx; one of more than
    45 rows is continued in further table environments.
    """
    names = [str(name) for name in content.frame.columns]
    rows = cell_texts(content.frame)
    longest = [max(len(text) for text in column) for column in zip(names, *rows, strict=True)]
    alignment = [
        "r"
        if is_numeric(content.frame.iloc[:, i])
        else (r"p{0.28\textwidth}" if longest[i] > LONG_CELL else "l")
        for i in range(len(names))
    ]
    is_wide = sum(min(length, LONG_CELL) + 2 for length in longest) > WIDE
    body = [_row(row, bold=number == content.bold_row) for number, row in enumerate(rows)]
    starts = range(0, max(len(body), 1), ROWS_A_PAGE)
    parts = [
        _environment(content, _row(names), body[at : at + ROWS_A_PAGE], alignment, is_wide, at > 0)
        for at in starts
    ]
    return "% needs \\usepackage{booktabs}\n" + "\n".join(parts)


def _environment(
    content: Table,
    header: str,
    body: list[str],
    alignment: list[str],
    is_wide: bool,
    continued: bool,
) -> str:
    lines = [r"\begin{table}[htbp]", r"\centering"]
    caption = content.caption or content.name.replace("_", " ")
    if continued:
        lines.append(rf"\caption{{{escape(caption)} (continued)}}")
    else:
        lines.append(rf"\caption{{{escape(caption)}}}")
        lines.append(rf"\label{{tab:{_label(content.name)}}}")
    lines.append(r"\footnotesize")
    if is_wide:
        lines += [
            r"% wide: scaled where graphicx is loaded; or set it sideways, as with pdflscape",
            r"\ifdefined\resizebox\else\def\resizebox#1#2#3{#3}\fi",
            r"\resizebox{\textwidth}{!}{%",
        ]
    lines += [rf"\begin{{tabular}}{{{''.join(alignment)}}}", r"\toprule", header, r"\midrule"]
    lines += [*body, r"\bottomrule", r"\end{tabular}" + ("}" if is_wide else "")]
    if content.note:
        lines += ["", rf"\smallskip {escape(content.note)}"]
    return "\n".join([*lines, r"\end{table}", ""])


def _row(cells: list[str], bold: bool = False) -> str:
    texts = [escape(cell) for cell in cells]
    if bold:
        texts = [rf"\textbf{{{text}}}" if text else "" for text in texts]
    return " & ".join(texts) + r" \\"


def escape(text: str) -> str:
    """`text` on one line, every character printed as itself by plain LaTeX."""
    text = visible(text).replace("\n", " ").replace("\t", " ")
    return "".join(_character(char) for char in unicodedata.normalize("NFC", text))


def _character(char: str) -> str:
    if char in ESCAPES:
        return ESCAPES[char]
    if char in SYMBOLS:
        return SYMBOLS[char]
    if " " <= char <= "~":
        return char
    parts = unicodedata.normalize("NFD", char)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in ACCENTS:
        return f"\\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    if 0x2400 <= ord(char) <= 0x2421:
        return rf"\texttt{{{unicodedata.name(char).removeprefix('SYMBOL FOR ').lower()}}}"
    return rf"\texttt{{U+{ord(char):04X}}}"


def _label(name: str) -> str:
    """A label takes letters, digits and hyphens without thought."""
    return "".join(char if char.isascii() and char.isalnum() else "-" for char in name)
