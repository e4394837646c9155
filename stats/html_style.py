"""How report.html looks and behaves: colours of both themes, the style sheet, and the script.

The page is complete without the script, which adds the sorting of tables, the switch between
light and dark, and the hint where a table is wider than its place.
"""

from __future__ import annotations

from collections.abc import Mapping

LIGHT = {
    "ink": "#1d1f21",
    "soft": "#595e65",
    "page": "#fbfaf7",
    "card": "#ffffff",
    "line": "#dcdad3",
    "accent": "#00639c",
    "warn": "#9a4300",
    "warn-page": "#fff3e6",
    "best-page": "#eef4ea",
    "shade": "#00000038",
}
DARK = {
    "ink": "#e6e4df",
    "soft": "#a3a7ad",
    "page": "#17191b",
    "card": "#1f2225",
    "line": "#3a3e43",
    "accent": "#7cc4f0",
    "warn": "#ffb77a",
    "warn-page": "#2d2218",
    "best-page": "#202b22",
    "shade": "#00000090",
}
PRINT = {
    **dict.fromkeys(("page", "card", "warn-page"), "#ffffff"),
    **dict.fromkeys(("ink", "accent", "warn"), "#000000"),
    "soft": "#444444",
    "line": "#bbbbbb",
    "best-page": "#eeeeee",
}


def _variables(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


_COLOURS = f"""
:root {{ color-scheme: light; {_variables(LIGHT)} }}
@media (prefers-color-scheme: dark) {{
  :root:not([data-theme="light"]) {{ color-scheme: dark; {_variables(DARK)} }} }}
:root[data-theme="dark"] {{ color-scheme: dark; {_variables(DARK)} }}
"""

_LAYOUT = """
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); overflow-wrap: break-word;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
.sheet { max-width: 64rem; margin: 0 auto; padding: 2.2rem 1.25rem 4rem; }
h1, h2, h3 { line-height: 1.25; overflow-wrap: anywhere; text-wrap: balance; }
h1 { font-size: 1.9rem; margin: 0 3rem .4rem 0; letter-spacing: -.01em; }
h2 { font-size: 1.35rem; margin: 3rem 0 .8rem; padding-top: .9rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.8rem 0 .5rem; }
p, li, blockquote { overflow-wrap: anywhere; }
p, ul.list, blockquote { max-width: 44rem; }
p { margin: .6rem 0; }
a { color: var(--accent); }
.lead, .note, .apa, caption, figcaption, footer { color: var(--soft); }
.lead { margin-bottom: 1.2rem; }
.note { font-size: .88rem; }
.apa { display: block; font-size: .86rem; font-variant-numeric: tabular-nums; }
.notice { background: var(--warn-page); border-left: 4px solid var(--warn);
  padding: .6rem .9rem; margin: 1rem 0; border-radius: .2rem; }
ul.list { padding-left: 1.15rem; }
ul.list li { margin: .5rem 0; }
nav { font-size: .9rem; margin: 1.2rem 0 0; }
nav ul { display: flex; flex-wrap: wrap; gap: .15rem 1rem; margin: 0 0 .5rem; padding: 0;
  list-style: none; }
nav b { display: block; overflow-wrap: anywhere; }
nav a { display: inline-block; padding: .15rem 0; text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.4rem, 1fr)); gap: .7rem;
  margin: 1.4rem 0; padding: 0; list-style: none; }
.facts li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .65rem .8rem; }
.facts b { display: block; font-size: 1.2rem; font-variant-numeric: tabular-nums; }
.facts span { color: var(--soft); font-size: .82rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr));
  gap: 1.8rem 1.6rem; align-items: start; margin: 1.2rem 0; }
figure { margin: 0; max-width: 34rem; min-width: 0; }
figure .card { background: #fff; border: 1px solid var(--line); border-radius: .5rem;
  padding: .6rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { font-size: .9rem; margin-top: .5rem; }
figcaption b { color: var(--ink); }
blockquote { margin: .5rem 0 1.2rem; padding: .6rem 1rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; white-space: pre-wrap;
  font-family: Georgia, "Times New Roman", serif; }
blockquote .prompt { color: var(--soft); }
details { margin: 1.2rem 0; }
summary { cursor: pointer; color: var(--accent); }
footer { margin-top: 3rem; font-size: .85rem; }
.theme { position: absolute; top: 1rem; right: 1rem; }
.theme, th button { font: inherit; color: inherit; background: none; cursor: pointer; }
.theme { font-size: .85rem; color: var(--soft); border: 1px solid var(--line);
  border-radius: 1rem; padding: .2rem .8rem; }
@media (min-width: 78rem) {
  .sheet { max-width: 82rem; display: grid; grid-template-columns: 10.5rem minmax(0, 1fr);
    column-gap: 2.5rem; }
  .sheet > nav { position: sticky; top: 2rem; align-self: start; margin: .4rem 0 0;
    max-height: calc(100vh - 4rem); overflow-y: auto; }
  nav ul { flex-direction: column; margin-bottom: 1rem; }
  .sheet > header, main, footer { grid-column: 2; }
  .sheet > nav { grid-column: 1; grid-row: 1 / span 3; }
}
"""

_TABLES = """
.scroll { container-type: inline-size; overflow-x: auto; margin: 1.4rem 0 .3rem;
  background: linear-gradient(to right, var(--page) 60%, transparent) 0 / 3rem 100% local,
    linear-gradient(to left, var(--page) 60%, transparent) 100% / 3rem 100% local,
    linear-gradient(to right, var(--shade), transparent) 0 / .9rem 100% scroll,
    linear-gradient(to left, var(--shade), transparent) 100% / .9rem 100% scroll;
  background-repeat: no-repeat; }
table { border-collapse: separate; border-spacing: 0; font-size: .8125rem;
  line-height: 1.25rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: .9rem; line-height: 1.375rem; padding-bottom: .5rem; }
caption span { display: block; position: sticky; left: 0; max-width: calc(100vw - 3rem);
  max-width: min(44rem, 100cqi); overflow-wrap: anywhere; }
.hint { margin: 0 0 1.2rem; font-size: .82rem; color: var(--soft); }
th, td { padding: .25rem .42rem; text-align: left; vertical-align: top; max-width: 24rem;
  border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; border-bottom-width: 2px;
  vertical-align: bottom; }
tbody th { font-weight: 400; }
th:first-child { position: sticky; left: 0; z-index: 1; background: var(--page);
  max-width: max(8rem, 45cqi); padding-left: .2rem; }
th.n, td.n { text-align: right; }
th.n:first-child { text-align: left; }
td.n, tbody th.n { white-space: nowrap; }
tr.best > * { font-weight: 700; background: var(--best-page); }
th button { border: 0; padding: 0; text-align: inherit; font-weight: inherit;
  overflow-wrap: inherit; }
th button::after { content: "\\a0\\2195"; opacity: .45; }
th[aria-sort="ascending"] button::after { content: "\\a0\\2191"; opacity: 1; }
th[aria-sort="descending"] button::after { content: "\\a0\\2193"; opacity: 1; }
"""

_PRINT = f"""
@page {{ margin: 16mm 14mm; }}
@media print {{
  :root, :root[data-theme="dark"], :root:not([data-theme="light"]) {{
    color-scheme: light; {_variables(PRINT)} }}
  body {{ font-size: 10pt; }}
  .sheet {{ display: block; max-width: none; padding: 0; }}
  nav, .theme, .hint, summary, th button::after {{ display: none; }}
  p, ul.list, blockquote, caption span {{ max-width: none; }}
  h2 {{ margin-top: 1.4rem; }}
  h2, h3, caption {{ break-after: avoid; }}
  figure, tr, blockquote, li, .facts {{ break-inside: avoid; }}
  thead {{ display: table-header-group; }}
  details::details-content {{ content-visibility: visible; block-size: auto; }}
  .figures {{ display: block; }}
  figure {{ display: inline-block; width: 48%; margin: 0 1% 1rem 0; vertical-align: top; }}
  .scroll {{ container-type: normal; overflow: visible; background: none; }}
  table {{ font-size: 7pt; line-height: 1.35; width: 100%; }}
  caption {{ font-size: 9pt; }}
  th, td {{ padding: .12rem .25rem; max-width: none; }}
  td:last-child {{ overflow-wrap: anywhere; }}
  .apa, .note {{ font-size: 8.5pt; }}
  th:first-child {{ position: static; max-width: none; }}
}}
"""

CSS = _COLOURS + _LAYOUT + _TABLES + _PRINT

SCRIPT = r"""
"use strict";
(() => {
  const UNITS = { k: 1e3, M: 1e6, million: 1e6 };
  const NUMBER =
    /^([<>]\s*)?([-\u2212]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(%|k|M|million|nats)?$/i;

  // What a cell is sorted by: a number, a text, or null for an empty or undefined one.
  function keyOf(text) {
    if (text === "" || text === "undefined") return null;
    if (text === "inf") return Infinity;
    if (text === "-inf") return -Infinity;
    const found = NUMBER.exec(text);
    if (!found) return text;
    const value = Number(found[2].replace(/,/g, "").replace("\u2212", "-"))
      * (UNITS[found[3]] || 1);
    if (!found[1]) return value;
    const little = Math.abs(value) * 1e-9;  // "< .001" comes before ".001"
    return found[1][0] === "<" ? value - little : value + little;
  }

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a < b ? -1 : a > b ? 1 : 0;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }

  function sortable(table) {
    const body = table.tBodies[0];
    const original = Array.from(body.rows);
    if (original.length < 2) return;
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Sort by this column";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const order = { ascending: "descending", descending: null }[before];
        const now = before ? order : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (!now) { body.append(...original); return; }
        head.setAttribute("aria-sort", now);
        const sign = now === "ascending" ? 1 : -1;
        const keyed = original.map((row) => [keyOf(row.cells[column].textContent.trim()), row]);
        keyed.sort(([a], [b]) => {
          if (a === null || b === null) return (a === null) - (b === null);  // last both ways
          return sign * compare(a, b);
        });
        body.append(...keyed.map(([, row]) => row));
      });
    });
  }

  function hints() {
    document.querySelectorAll(".scroll").forEach((box) => {
      const wide = box.scrollWidth > box.clientWidth + 1;
      let hint = box.nextElementSibling;
      if (!hint || !hint.classList.contains("hint")) {
        hint = document.createElement("p");
        hint.className = "hint";
        hint.textContent = "\u2194 More columns: scroll the table sideways.";
        box.after(hint);
      }
      hint.hidden = !wide;
    });
  }

  function themeSwitch() {
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "theme";
    const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
    const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
    button.title = "Switch between light and dark";
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      label();
    });
    system.addEventListener("change", label);
    label();
    document.body.prepend(button);
  }

  themeSwitch();
  document.querySelectorAll("table").forEach(sortable);
  hints();
  addEventListener("resize", hints);
  document.querySelectorAll("details").forEach((d) => d.addEventListener("toggle", hints));
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((details) => { details.open = false; }));
})();
"""
