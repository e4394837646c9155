"""What training a tokenizer costs as the text and the vocabulary grow: measured, and drawn.

    python examples/plot_tokenizer_cost.py OUT train.txt valid.txt      some minutes
    python examples/plot_tokenizer_cost.py OUT                          draws OUT/cost.csv again

Writes OUT/cost.csv and OUT/cost.png. The texts are taken end to end and cut behind a story at
1/8, 2/8, ... of their size. One thread; the settings take turns, so that a slow moment of the
machine does not hit one of them alone.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from tokenizer.count import PieceCounts, count_pieces
from tokenizer.pretokenize import split_stories
from tokenizer.train import train, train_compiled

RUNS = 5
PARTS = 8  # of the text
VOCAB_SIZE = 4096
VOCAB_SIZES = (512, 1024, 2048, 4096, 6144, 8192, 10240, 12000)
COUNTING = "cutting and counting the text"
KERNEL = "learning the merges, compiled"
PYTHON = "learning the merges, Python"
# Okabe and Ito's palette; the markers tell the lines apart without colours
LOOKS = {
    COUNTING: {"color": "#0072B2", "marker": "o"},
    PYTHON: {"color": "#D55E00", "marker": "s"},
    KERNEL: {"color": "#009E73", "marker": "^"},
}


def measure(texts: Sequence[Path]) -> pd.DataFrame:
    """Seconds of each part of the work, the median and range of `RUNS` runs."""
    stories = split_stories("".join(path.read_text(encoding="utf-8") for path in texts))
    sizes = [len(story.encode("utf-8")) for story in stories]
    total = sum(sizes)
    rows: list[dict[str, Any]] = []
    work: list[Callable[[], object]] = []

    def add(what: str, vocab_size: int, megabytes: float, n_bytes: int, f: Any) -> None:
        rows.append(
            {
                "what": what,
                "text_mb": round(megabytes, 3),
                "distinct_kb": round(n_bytes / 1e3, 1),
                "vocab_size": vocab_size,
            }
        )
        work.append(f)

    count, used = 0, 0
    for part in range(1, PARTS + 1):
        while count < len(stories) and used < total * part / PARTS:
            used += sizes[count]
            count += 1
        counts = count_pieces(stories[:count])
        if not isinstance(counts, PieceCounts):
            raise ValueError(f"the texts hold {total:,} bytes; {PARTS} MB or more are needed")
        counter = counts.as_counter()
        megabytes, n_bytes = used / 1e6, counts.n_bytes
        wanted = VOCAB_SIZES if part == PARTS else (VOCAB_SIZE,)
        add(COUNTING, 0, megabytes, n_bytes, lambda n=count: count_pieces(stories[:n]))
        for size in wanted:
            merges = size - 257
            add(KERNEL, size, megabytes, n_bytes, lambda c=counts, m=merges: train_compiled(c, m))
            add(PYTHON, size, megabytes, n_bytes, lambda c=counter, m=merges: train(c, m))
    seconds: list[list[float]] = [[] for _ in work]
    for run in range(RUNS):
        print(f"run {run + 1} of {RUNS}", file=sys.stderr, flush=True)
        for f, taken in zip(work, seconds, strict=True):
            start = time.perf_counter()
            f()
            taken.append(time.perf_counter() - start)
    frame = pd.DataFrame(rows)
    frame["median_s"] = [round(statistics.median(taken), 4) for taken in seconds]
    frame["least_s"] = [round(min(taken), 4) for taken in seconds]
    frame["most_s"] = [round(max(taken), 4) for taken in seconds]
    return frame


def draw(frame: pd.DataFrame, path: Path) -> None:
    """Above seconds against the text, below against the vocabulary."""
    plt.rcParams.update({"font.size": 8, "axes.titlesize": 8, "legend.fontsize": 7})
    fig, (above, below) = plt.subplots(2, 1, figsize=(3.5, 4.8), layout="constrained")
    largest = frame["text_mb"].max()
    for what, look in LOOKS.items():
        of_what = frame[frame["what"] == what]
        by_text = of_what[of_what["vocab_size"].isin([0, VOCAB_SIZE])]
        _line(above, by_text["text_mb"], by_text, what, look)
        by_size = of_what[(of_what["text_mb"] == largest) & (of_what["vocab_size"] > 0)]
        if len(by_size):
            _line(below, by_size["vocab_size"], by_size, what, look)
    above.set(xlabel="text (MB)", title=f"{VOCAB_SIZE:,} tokens")
    below.set(xlabel="vocabulary (tokens)", title=f"{largest:.1f} MB of text")
    below.xaxis.set_major_formatter("{x:,.0f}")
    for ax in (above, below):
        ax.set(ylabel="time (s)", xlim=(0, None), ylim=(0, None))
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(y=0.15)
    fig.legend(*above.get_legend_handles_labels(), frameon=False, loc="outside upper center")
    fig.savefig(path, dpi=150)
    plt.close(fig)


def _line(ax: Any, x: pd.Series[float], rows: pd.DataFrame, what: str, look: Any) -> None:
    down, up = rows["median_s"] - rows["least_s"], rows["most_s"] - rows["median_s"]
    ax.errorbar(
        x, rows["median_s"], [down, up], label=what, markersize=3.5, linewidth=1, capsize=2,
        elinewidth=0.7, **look,
    )  # fmt: skip


def main(out: Path, texts: Sequence[Path]) -> int:
    """Measure if there are texts, and draw; returns the exit code."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if texts:
            measure(texts).to_csv(out / "cost.csv", index=False)
        draw(pd.read_csv(out / "cost.csv"), out / "cost.png")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print("usage: python examples/plot_tokenizer_cost.py OUT [TEXT ...]", file=sys.stderr)
        raise SystemExit(2)
    raise SystemExit(main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
