"""Training speed over the time of a run: does it stay flat?

    python examples/plot_speed.py runs/paper/runs/baseline/seed-0 speed.png

Reads the run's timing.csv, writes the figure, and prints the median, the range and the slope:

    40 intervals, 10.7 minutes of training: median 6,443 tokens/s (5,857 to 6,811)
    the second half is 0.5 % faster than the first
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd


def main(run: Path, figure: Path) -> int:
    """Print and draw; returns the exit code."""
    try:
        timing = pd.read_csv(run / "timing.csv")
    except FileNotFoundError:
        print(f"error: {run} has no timing.csv; give a run's folder", file=sys.stderr)
        return 2
    timing = timing.dropna(subset=["tokens_per_s"])  # interval 0 comes before the first step
    if len(timing) < 2:
        print(f"error: {run} has {len(timing)} timed intervals, 2 are needed", file=sys.stderr)
        return 2
    speed = timing["tokens_per_s"]
    minutes = (timing["forward_backward_s"] + timing["optimizer_s"]).cumsum() / 60
    print(
        f"{len(timing)} intervals, {minutes.iloc[-1]:.1f} minutes of training: "
        f"median {speed.median():,.0f} tokens/s ({speed.min():,.0f} to {speed.max():,.0f})"
    )
    half = len(speed) // 2
    change = 100 * (speed.iloc[half:].median() / speed.iloc[:half].median() - 1)
    print(
        f"the second half is {abs(change):.1f} % {'slower' if change < 0 else 'faster'} "
        "than the first"
    )
    fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
    ax.plot(minutes, speed, marker="o", markersize=3, color="#0072B2")
    ax.set(
        xlabel="minutes of training",
        ylabel="tokens/s",
        ylim=(0, 1.15 * speed.max()),
        xlim=(0, None),
    )
    ax.axhline(speed.median(), linewidth=0.8, linestyle="--", color="0.5")
    ax.annotate(
        f"dashed: the median, {speed.median():,.0f} tokens/s",
        (1, 0.1),
        xycoords="axes fraction",
        ha="right",
        color="0.3",
    )
    ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(figure, dpi=150)
    plt.close(fig)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: python examples/plot_speed.py RUN_FOLDER FIGURE.png", file=sys.stderr)
        raise SystemExit(2)
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))
