"""HTML, Markdown and LaTeX of a document: valid, escaped, legible in both themes."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from stats import html_page, html_style, latex, markdown
from stats.document import (
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
from stats.outputs import stems
from stats.tables import column_texts, is_numeric, readable
from stats.wording import file_stem, visible

NASTY = (
    "<script>alert(1)</script>",
    "</title></style></script><img src=x onerror=alert(1)>",
    "<!-- <b>bold</b> &amp; &lt; &#60;",
    '" onmouseover="alert(1)" \' x=\'',
    "a | b || c |",
    "**strong** _soft_ `code` ~~gone~~ $x_1^2$ $$y$$",
    "[link](javascript:alert(1)) ![img](https://example.org/x.png) https://example.org",
    "www.example.org someone@example.org :smile: <https://example.org>",
    "# heading",
    "- item",
    "1. first",
    "> quote",
    "```",
    "\\input{/etc/passwd} \\ % # _ { } ~ ^ & $",
    "one\ntwo\n\n# three\r\n| a |\r---\n- x",
    "nul \x00 bell \x07 escape \x1b[31m delete \x7f c1 \x9b",
    "left \u202e right \u2066 isolate \u2028 mark \ufeff half \ud800 none \ufffe",
    "x" * 3000,
    "",
)


def frame_of(name, texts):
    """Objects: where pyarrow is installed pandas keeps texts as UTF-8, without half characters."""
    frame = pd.DataFrame({0: pd.Series(texts, dtype=object), 1: [1.5, np.nan]})
    frame.columns = pd.Index([name, "value"], dtype=object)
    return frame


def document_of(text):
    """Every place of a document where a text from a file can stand, filled with it."""
    frame = frame_of(f"column {text}", [text, text])
    blocks = (
        Paragraph(text),
        Paragraph(text, "notice"),
        Paragraph(text, "note"),
        Heading(text),
        Findings((Finding(text, text), Finding(text))),
        Bullets((text, text)),
        Facts(((text, text),)),
        Table("one", frame, text, text, bold_row=1),
        Table("two", frame, folded=True),
        Picture("stem", b"<svg/>", text, text),
        Quotation(text, text),
    )
    section = Section("s-0", text, blocks, link=text or "link", group=text)
    return Document(text, blocks[:1], (section,), text)


class Page(HTMLParser):
    """Elements, attributes and text of a page; unclosed or crossed elements are errors."""

    VOID = ("meta", "img", "br")

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.text, self.errors = [], [], [], []
        self.feed(html)
        self.close()
        self.errors += self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.errors.append(f"an attribute twice in {tag}")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(tag)

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.errors.append(data)


def skeleton(page):
    """Elements with their attributes' names: what no text may change."""
    return [(tag, sorted(attrs)) for tag, attrs in page.elements]


PLAIN = Page(html_page.render(document_of("plain")))


@pytest.mark.parametrize("text", NASTY[:-1], ids=range(len(NASTY) - 1))
def test_no_text_changes_the_page(text):
    html = html_page.render(document_of(text))
    page = Page(html)
    assert page.errors == []
    assert skeleton(page) == skeleton(PLAIN)
    assert visible(text) in "".join(page.text)
    assert not set(html) & {chr(c) for c in range(32) if c not in (9, 10)}
    assert not re.search("[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]", html)
    html.encode("utf-8")


def test_an_empty_text_leaves_a_valid_page():
    assert Page(html_page.render(document_of(""))).errors == []


def test_the_page_is_valid_and_accessible():
    assert PLAIN.errors == []
    ids = Counter(attrs["id"] for _, attrs in PLAIN.elements if "id" in attrs)
    assert max(ids.values()) == 1
    links = [attrs["href"] for tag, attrs in PLAIN.elements if tag == "a"]
    assert links == ["#s-0"]
    assert {link[1:] for link in links} <= set(ids)
    assert ("html", {"lang": "en"}) in PLAIN.elements
    assert all(attrs.get("alt") for tag, attrs in PLAIN.elements if tag == "img")
    assert all(attrs["scope"] in ("col", "row") for tag, attrs in PLAIN.elements if tag == "th")
    assert [tag for tag, _ in PLAIN.elements].count("caption") == 1
    assert not [attrs for _, attrs in PLAIN.elements if "style" in attrs or "onclick" in attrs]


def test_the_page_names_a_policy_that_forbids_every_request():
    meta = [attrs for tag, attrs in PLAIN.elements if tag == "meta"]
    policy = next(attrs["content"] for attrs in meta if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    html = html_page.render(document_of("plain"))
    assert not re.findall(r"""(?:src|href|action)\s*=\s*["'](?!data:|#)""", html)
    assert not re.findall(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", html)


def test_markdown_shows_each_text_as_it_is():
    """Judged by a Markdown parser: the same tokens for every text, and the text in full."""
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
    kinds = ("heading_open", "table_open", "tr_open", "td_open", "bullet_list_open", "fence")
    kinds += ("blockquote_open", "ordered_list_open", "code_block", "hr", "list_item_open")
    inline = ("link_open", "image", "strong_open", "em_open", "s_open", "code_inline")
    inline += ("html_inline",)

    def shape(text):
        source = markdown.render(document_of(text))
        tokens = parser.parse(source)
        children = [child for token in tokens for child in token.children or []]
        counts = Counter(t.type for t in tokens if t.type in kinds)
        counts.update(c.type for c in children if c.type in inline)
        shown = "".join(c.content if c.type.startswith("text") else "" for c in children)
        return counts, shown, source

    expected, _, _ = shape("plain")
    for text in NASTY[:-1]:
        counts, shown, source = shape(text)
        if "\n\n" not in text:  # a quotation keeps its lines, so its paragraphs
            assert counts == expected, text
        assert " ".join(visible(text).split()) in shown, text
        assert not re.search(r"(?<!\\):(?://|smile)|www\.|(?<!\\)@|(?<!\\)\$", source), text


def test_markdown_stays_legible():
    assert markdown.line("val_loss, p < .001 (t) [2.5]") == r"val_loss, p < .001 (t) \[2.5\]"
    assert markdown.table(pd.DataFrame({"a_b": [-0.5, 0.25]})) == (
        "| a_b |\n| ---: |\n| -0.50 |\n| 0.25 |\n"
    )


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_latex_has_only_commands_of_ours(text):
    frame = frame_of(f"c {text}", [text, "b"])
    source = latex.table(Table("name", frame, text, text, bold_row=0))
    assert source.isascii()
    check_latex(source)
    assert len(re.findall(r"\\\\\n", source)) == 3


def check_latex(source):
    """Groups balance, $ come in pairs on a line, every command is known, no special is bare."""
    known = {"textbackslash", "textasciicircum", "textasciitilde", "textasciigrave", "ttfamily"}
    known |= {"char", "texttt", "begin", "end", "centering", "caption", "label", "footnotesize"}
    known |= {"toprule", "midrule", "bottomrule", "textbf", "textwidth", "smallskip", "ifdefined"}
    known |= {"resizebox", "else", "def", "fi", "varepsilon", "eta", "times", "leq", "ldots", "o"}
    known |= {"surd", "c", "v", "aa"}
    depth, dollars, at = 0, 0, 0
    body = "\n".join(row.split("% ")[0] if row[:2] == "% " else row for row in source.split("\n"))
    while at < len(body):
        char = body[at]
        if char == "\\":
            command = re.match(r"\\([A-Za-z]+|.)", body[at:], re.DOTALL)[1]
            assert not command[0].isalpha() or command in known, command
            at += len(command)
        elif char in "{}":
            depth += 1 if char == "{" else -1
            assert depth >= 0
        elif char == "$":
            dollars += 1
        elif char == "^":
            assert dollars % 2 == 1
        elif char == "\n":
            assert dollars % 2 == 0
        assert char not in '~_<>|"' or dollars % 2 == 1, body[max(0, at - 20) : at + 5]
        at += 1
    assert depth == 0
    assert source.count(r"\begin{") == source.count(r"\end{")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("η²G = .987, ε ≤ 1", r"$\eta$$^{2}$G = .987, $\varepsilon$ $\leq$ 1"),
        ("6 × 21 – 50 %", r"6 $\times$ 21 -- 50 \%"),
        ("Zoë, Çağlar, Łódź", r"Zo\"{e}, \c{C}a\u{g}lar, \texttt{U+0141}\'{o}d\'{z}"),
        ("狗", r"\texttt{U+72D7}"),
        ("a\x00b", r"a\texttt{null}b"),
        ("C:\\x_y", r"C:\textbackslash{}x\_y"),
    ],
)
def test_latex_symbols(text, expected):
    assert latex.escape(text) == expected


def test_a_long_table_continues_and_a_wide_one_is_scaled():
    texts = {f"text {i}": "some words " * 3 for i in range(4)}
    frame = pd.DataFrame({"interval": range(100), **texts})
    source = latex.table(Table("my_table", frame, "All of them."))
    assert source.count(r"\begin{table}") == 3
    assert source.count(r"\label{") == 1
    assert r"\label{tab:my-table}" in source
    assert source.count("(continued)") == 2
    assert source.count(r"\resizebox{\textwidth}{!}{%") == 3
    check_latex(source)
    narrow = latex.table(Table("t", frame[["interval"]].head(3)))
    assert "resizebox" not in narrow
    assert r"\begin{tabular}{r}" in narrow


def luminance(colour):
    """WCAG 2.1, relative luminance of "#rrggbb"."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """WCAG 2.1: 1 for equal colours, 21 for black on white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_formula():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)  # WebAIM's example


def themes():
    """The variables of each :root rule of the style sheet."""
    rules = re.findall(r":root[^{}]*\{([^{}]*--ink[^{}]*)\}", html_style.CSS)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})[0-9a-f]*;", rule)) for rule in rules]


@pytest.mark.parametrize("number", range(4))
def test_colours_can_be_read_in_every_theme(number):
    found = themes()
    assert len(found) == 4  # light, dark by preference, dark by choice, print
    assert found[1] == found[2]
    theme = found[number]
    for text in ("ink", "soft", "accent"):
        for ground in ("page", "card", "best-page"):
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
    assert contrast(theme["ink"], theme["warn-page"]) >= 4.5


def test_columns_share_their_decimals_and_blanks_are_empty():
    assert column_texts(pd.Series([1037.4875, 57.0173, np.nan])) == ["1,037.49", "57.02", ""]
    assert column_texts(pd.Series([0.25, 0.5, 1.0])) == ["0.25", "0.50", "1.00"]
    assert column_texts(pd.Series([13.926, 0.00429123, 0.0])) == ["13.926", "0.00429", "0.000"]
    assert column_texts(pd.Series([1.5e6, 2e-7])) == ["1.5e+06", "2e-07"]
    assert column_texts(pd.Series([6.0, 12.0])) == ["6", "12"]
    assert column_texts(pd.Series([1, pd.NA], dtype="Int64")) == ["1", ""]
    assert [readable(v) for v in (pd.NA, None, np.nan, pd.NaT)] == [""] * 4
    assert is_numeric(pd.Series(["< .001", ".031", "undefined", ""]))
    assert not is_numeric(pd.Series(["", ""]))
    assert not is_numeric(pd.Series([True, False]))


def test_condition_names_make_safe_and_distinct_file_names():
    assert stems(["anything/at all"]) == [""]
    assert stems(["baseline", "fresh"]) == ["baseline-", "fresh-"]
    assert stems(["a b", "a/b", "c"]) == ["a_b-0-", "a_b-1-", "c-"]
    assert file_stem("../../etc/passwd") == "_.._etc_passwd"
    assert file_stem("") == "_"
