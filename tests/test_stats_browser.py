"""The report in a real browser: no error, no overflow, sorting, both themes; Chromium, headless.

The page under test carries no hook. A copy gets one more script at its end, which clicks and
measures and writes what it found into the page, from where `--dump-dom` brings it back.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import pandas as pd
import pytest
from stats_fake_run import fake_run_folder

from stats import analyse, figures, html_page, html_style
from stats.document import Document, Paragraph, Picture, Quotation, Section, Table

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None, reason="no chromium, chromium-browser or google-chrome on PATH"
    ),
]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--disable-dev-shm-usage", "--enable-logging=stderr", "--v=0"),
)
DARK = "--blink-settings=preferredColorScheme=0"
LIGHT = "--blink-settings=preferredColorScheme=1"

# what every page is asked: problems so far, and elements that stick out of the window
QUESTIONS = r"""
const answers = {};
const shown = (name) => getComputedStyle(document.body).getPropertyValue(name);
const inScroller = (node) => node.parentElement && node.parentElement.closest(".scroll");
answers.window = innerWidth;
answers.page = document.documentElement.scrollWidth;
answers.outside = Array.from(document.body.querySelectorAll("*"))
  .filter((node) => !inScroller(node))
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
  .map((node) => node.tagName + "." + node.className);
answers.requests = performance.getEntriesByType("resource")
  .map((entry) => entry.name).filter((name) => !name.startsWith("data:"));
answers.background = shown("background-color");
answers.hidden = Array.from(document.querySelectorAll(".hint")).filter((p) => p.hidden).length;
addEventListener("load", () => {
  answers.images = Array.from(document.images).every((i) => i.complete && i.naturalWidth > 0);
});
"""
SORTING = r"""
const table = document.querySelector("#table-numbers table");
const columns = Array.from(table.tHead.rows[0].cells);
const column = (i) => Array.from(table.tBodies[0].rows).map((row) => row.cells[i].textContent);
answers.sorted = columns.map((head, i) => [0, 1, 2].map(() => {
  head.querySelector("button").click();
  return [columns.map((c) => c.getAttribute("aria-sort")), column(i)];
}));
"""
SWITCH = r"""
document.querySelector("button.theme").click();
answers.switched = shown("background-color");
document.querySelector("button.theme").click();
answers.back = shown("background-color");
"""
DONE = "parent.answers.push(answers);"
WIDTHS = (375, 1000, 1400)


def ask(page, tmp_path, questions="", *flags, widths=(1000,)):
    """What the page answers at each width, and what it wrote to the console.

    It is laid out in frames, for a headless window is never narrower than 500 pixels. The page's
    own policy lets no other script run, so it is loosened in the copy for this one.
    """
    loose, changes = re.subn(r"script-src 'sha256-[^']*'", "script-src 'unsafe-inline'", page)
    assert changes == 1
    script = f"<script>{QUESTIONS}{questions}{DONE}</script></body>"
    copy = html.escape(loose.replace("</body>", script), quote=True)
    frames = "".join(f'<iframe width="{w}" height="900" srcdoc="{copy}"></iframe>' for w in widths)
    report_back = "onload = () => { document.title = 'answers:' + JSON.stringify(answers); };"
    outer = tmp_path / "outer.html"
    outer.write_text(
        '<!DOCTYPE html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        "<style>iframe { border: 0 }</style><title>none</title>"
        f"<script>var answers = []; {report_back}</script>{frames}",
        encoding="utf-8",
    )
    dom, console = browse(outer, tmp_path, "--window-size=1500,1000", *flags)
    found = re.search(r"<title>answers:(.*?)</title>", dom, re.DOTALL)
    assert found, console
    answers = sorted(json.loads(html.unescape(found[1])), key=lambda answer: answer["window"])
    assert [answer["window"] for answer in answers] == list(widths)
    return answers, console


def browse(path, tmp_path, *flags):
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [BROWSER, *FLAGS, profile, *flags, "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a made-up study, with two conditions and a name that is markup."""
    folder = fake_run_folder(
        tmp_path_factory.mktemp("study") / "run",
        conditions=("repeated", '<b>fresh</b> & "new"'),
        seeds=3,
    )
    few = {"loss": figures.FIGURES["loss"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "FIGURES", few)  # drawing is most of the time
        return analyse(folder).report


def test_the_report_opens_without_a_word(report, tmp_path):
    """The untouched page, under the policy that forbids every request."""
    dom, console = browse(report, tmp_path)
    assert console == []
    assert '<button type="button" class="theme"' in dom  # its own script ran
    assert 'title="Sort by this column"' in dom


LIGHT_PAGE, DARK_PAGE = (
    "rgb({}, {}, {})".format(*(int(theme["page"][i : i + 2], 16) for i in (1, 3, 5)))
    for theme in (html_style.LIGHT, html_style.DARK)
)


def test_nothing_is_wider_than_the_window(report, tmp_path):
    page = report.read_text(encoding="utf-8")
    all_answers, console = ask(page, tmp_path, SWITCH, LIGHT, widths=WIDTHS)
    assert console == []
    for answers in all_answers:
        assert answers["page"] <= answers["window"]
        assert answers["outside"] == []
        assert answers["requests"] == []
        assert answers["images"]
        colours = [answers[key] for key in ("background", "switched", "back")]
        assert colours == [LIGHT_PAGE, DARK_PAGE, LIGHT_PAGE]
    narrow, _, wide = all_answers
    assert narrow["hidden"] < wide["hidden"]  # fewer tables fit, more say that they scroll


def test_dark_is_what_the_system_says(report, tmp_path):
    (answers,), _ = ask(report.read_text(encoding="utf-8"), tmp_path, SWITCH, DARK)
    colours = [answers[key] for key in ("background", "switched", "back")]
    assert colours == [DARK_PAGE, LIGHT_PAGE, DARK_PAGE]


NUMBERS = pd.DataFrame(
    {
        "p": ["undefined", ".031", "< .001", "> .999", ".002", ".001"],
        "tokens": [1_003_520, 999, 20_000_768, 0, 53_248, 7],
        "loss": [2.5, float("nan"), -1.0, 10.25, 8.3, 0.0],
        "name": ["seed 10", "seed 9", "a", "b", "", "C"],
        "size": ["1.00 million", "250 k", "9 M", "3.5 M", "20 k", "0.5 M"],
    }
)
ASCENDING = {
    "p": ["< .001", ".001", ".002", ".031", "> .999", "undefined"],
    "tokens": ["0", "7", "999", "53,248", "1,003,520", "20,000,768"],
    "loss": ["-1.00", "0.00", "2.50", "8.30", "10.25", ""],
    "name": ["a", "b", "C", "seed 9", "seed 10", ""],
    "size": ["20 k", "250 k", "0.5 M", "1.00 million", "3.5 M", "9 M"],
}


def test_tables_sort_as_a_reader_expects(tmp_path):
    document = Document("t", (Table("numbers", NUMBERS, "Numbers."),), ())
    (answers,), console = ask(html_page.render(document), tmp_path, SORTING)
    assert console == []
    html_order = [row["p"] for row in NUMBERS.to_dict("records")]
    for number, (name, expected) in enumerate(ASCENDING.items()):
        (up, first), (down, second), (none, third) = answers["sorted"][number]
        aria = [None] * len(ASCENDING)
        assert up == [*aria[:number], "ascending", *aria[number + 1 :]]
        assert down == [*aria[:number], "descending", *aria[number + 1 :]]
        assert none == aria
        assert first == expected
        last = [text for text in expected if text in ("", "undefined")]
        assert second == [*reversed(expected[: len(expected) - len(last)]), *last]
        if name == "p":
            assert third == html_order


def test_hostile_texts_run_nothing_and_widen_nothing(tmp_path):
    """The policy is loosened here: escaping alone must hold."""
    text = "</script><script>document.body.dataset.hit = 1</script>\u202e\x00" + "w" * 5000
    attack = '" onerror="document.body.dataset.hit = 1" x=\''
    frame = pd.DataFrame({text: [text, attack], attack: [1, 2]})
    blocks = (
        Paragraph(text),
        Table("t", frame, text, attack, folded=True),
        Table("u", frame, text),
        Picture("p", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", text, text),
        Quotation(text, attack),
    )
    document = Document(text, blocks[:1], (Section(attack, text, blocks, text, text),), text)
    hit = "answers.hit = document.body.dataset.hit || 0;"
    hit += "answers.scripts = document.scripts.length;"
    page = html_page.render(document)
    (answers,), console = ask(page, tmp_path, hit, widths=(375,))
    assert console == []
    assert (answers["hit"], answers["scripts"]) == (0, 2)
    assert answers["page"] <= 375
    assert answers["outside"] == []
