"""Two studies side by side, or two conditions of one: what differs, by how much, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stats.comparability import comparability, configuration_differences, configuration_sentence
from stats.comparison_tables import (
    equivalence_tests,
    interval_differences,
    long_rows,
    reach,
    seed_measures,
    summary_differences,
    trajectory_sign_flip,
    trajectory_tests,
)
from stats.measures import MeasureSettings
from stats.pairing import Aligned, Side, align, open_sides

MEASURES = {
    "val_loss": "nats a token",
    "bits_per_byte": "bits a byte",
    "val_perplexity": "",
    "train_sample_loss": "nats a token",
}
DESCRIPTIONS = {
    "val_loss": "validation loss",
    "bits_per_byte": "validation loss",
    "val_perplexity": "validation perplexity",
    "train_sample_loss": "loss on the training sample",
}


@dataclass(frozen=True)
class Comparison:
    """What `compare` found. Differences are B minus A.

    Attributes
    ----------
    names : tuple of two str
        What A and B are called.
    measure : str
        The compared column.
    paired : bool
        Whether the seeds are pairs.
    identical : bool
        Whether every compared value is equal.
    confidence : float
    notices : tuple of str
        What to know before any number: left-out runs, seeds and places, measures not comparable.
    configuration_sentence : str
    configuration : DataFrame
        `stats.comparability.configuration_differences`.
    by_interval, trajectory, sign_flip, seeds, summary, reach, equivalence, rows : DataFrame
        As the functions of `stats.comparison_tables` give them; `equivalence` is empty without a
        margin. `rows` holds every compared value.
    refusals : tuple of str
        Analyses of variance that could not be done, and why.
    """

    names: tuple[str, str]
    measure: str
    paired: bool
    identical: bool
    confidence: float
    notices: tuple[str, ...]
    configuration_sentence: str
    configuration: pd.DataFrame
    by_interval: pd.DataFrame
    trajectory: pd.DataFrame
    sign_flip: pd.DataFrame
    seeds: pd.DataFrame
    summary: pd.DataFrame
    reach: pd.DataFrame
    equivalence: pd.DataFrame
    rows: pd.DataFrame
    refusals: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """Of the measure, "" for perplexity."""
        return MEASURES[self.measure]

    @property
    def unexplained(self) -> bool:
        """Whether pairs of seeds differ though no recorded setting or version does."""
        known = "No study.json" not in self.configuration_sentence
        return self.paired and known and self.configuration.empty and not self.identical

    @property
    def difference_curve(self) -> pd.DataFrame:
        """For a figure: interval, tokens_seen, difference, low, high."""
        return self.by_interval[["interval", "tokens_seen", "difference", "low", "high"]]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table that has rows, by the name of its file."""
        every = {
            "configuration": self.configuration,
            "by_interval": self.by_interval,
            "trajectory": self.trajectory,
            "sign_flip": self.sign_flip,
            "summary": self.summary,
            "seeds": self.seeds,
            "reach": self.reach,
            "equivalence": self.equivalence,
            "values": self.rows,
        }
        return {name: table for name, table in every.items() if len(table)}


def compare(
    a: str | Path,
    b: str | Path | None = None,
    *,
    conditions: str | Sequence[str] | None = None,
    measure: str | None = None,
    paired: bool | None = None,
    interpolate: bool = False,
    margin: float | None = None,
    target: float | None = None,
    ss_type: int = 2,
    settings: MeasureSettings | None = None,
    drop_incomplete: bool = False,
) -> Comparison:
    """Compare two run folders, or two conditions of one.

    Parameters
    ----------
    a, b : path
        Run folders; without `b` two conditions of `a`.
    conditions : str or two str, optional
        One name for both folders, or A's and B's.
    measure : {"val_loss", "bits_per_byte", "val_perplexity", "train_sample_loss"}, optional
        Default val_loss; bits_per_byte, with a notice, where tokenizer or text differ and both
        have it.
    paired : bool, optional
        None pairs by seed where at least two match; True insists on pairs, False compares
        independent samples.
    interpolate : bool
        Read B off straight lines at A's places.
    margin : float, optional
        Differences within +- margin, in the measure's unit, are to count as none: adds two
        one-sided tests.
    target : float, optional
        The loss whose tokens are compared, see `stats.comparison_tables.reach`.
    ss_type : {2, 3}
        For unpaired sides of different size, see `stats.rm_anova`.
    settings : MeasureSettings, optional
        Of these `confidence` and `backslide_tolerance` are used.
    drop_incomplete : bool
        Leave out seeds with missing cells instead of refusing.

    Raises
    ------
    ValueError
        A folder cannot be read or the two have no values in common; the message names which.
    """
    settings = settings or MeasureSettings()
    if measure is not None and measure not in MEASURES:
        raise ValueError(f"measure={measure!r} must be one of {', '.join(MEASURES)}")
    if target is not None and not np.isfinite(target):
        raise ValueError(f"target={target} must be a number, in the unit of the measure")
    if ss_type not in (2, 3):
        raise ValueError(f"ss_type={ss_type!r} must be 2 or 3")
    sides = open_sides(a, b, conditions, drop_incomplete=drop_incomplete)
    names = (sides[0].label, sides[1].label)
    notices = [f"{s.label}: {text}" for s in _distinct(sides) for text in s.run.notices]
    judged = comparability(*sides)
    notices += judged.notices
    if measure is None:
        measure = _measure(sides, judged.same_tokens, notices)
    elif not judged.same_tokens and measure != "bits_per_byte":
        notices.append(f"{measure} is compared on request, though it does not mean the same.")
    aligned = align(*sides, measure, paired=paired, interpolate=interpolate)
    notices += aligned.notices
    rows = long_rows(aligned, names, measure)
    seeds = seed_measures(
        aligned,
        sides,
        backslide_tolerance=settings.backslide_tolerance,
        bits_per_byte=_bits(sides, measure, aligned, interpolate),
    )
    configuration = configuration_differences(*sides)
    trajectory, refusals = trajectory_tests(rows, measure, paired=aligned.paired, ss_type=ss_type)
    return Comparison(
        names=names,
        measure=measure,
        paired=aligned.paired,
        identical=aligned.seeds_a == aligned.seeds_b and np.array_equal(aligned.a, aligned.b),
        confidence=settings.confidence,
        notices=tuple(notices),
        configuration_sentence=configuration_sentence(configuration, *sides),
        configuration=configuration,
        by_interval=interval_differences(aligned, settings.confidence),
        trajectory=trajectory,
        sign_flip=trajectory_sign_flip(aligned),
        seeds=seeds,
        summary=summary_differences(
            seeds, names, paired=aligned.paired, confidence=settings.confidence
        ),
        reach=reach(aligned, names, target),
        equivalence=pd.DataFrame()
        if margin is None
        else equivalence_tests(seeds, names, margin, paired=aligned.paired),
        rows=rows,
        refusals=refusals,
    )


def _distinct(sides: tuple[Side, Side]) -> list[Side]:
    """Two conditions of one folder share its notices."""
    return [sides[0]] if sides[0].run is sides[1].run else list(sides)


def _measure(sides: tuple[Side, Side], same_tokens: bool, notices: list[str]) -> str:
    if same_tokens:
        return "val_loss"
    lacking = [s.label for s in sides if not np.isfinite(s.rows["bits_per_byte"]).all()]
    if lacking:
        notices.append(
            f"bits_per_byte, which could be compared, is not in {' and '.join(lacking)}: what "
            "follows compares val_loss and should not be read as a ranking."
        )
        return "val_loss"
    notices.append("So bits_per_byte is compared instead of val_loss.")
    return "bits_per_byte"


def _bits(
    sides: tuple[Side, Side], measure: str, aligned: Aligned, interpolate: bool
) -> Aligned | None:
    """Bits per byte at the same places, where both sides have it throughout."""
    if measure == "bits_per_byte":
        return None
    if not all(np.isfinite(side.rows["bits_per_byte"]).all() for side in sides):
        return None
    return align(*sides, "bits_per_byte", paired=aligned.paired, interpolate=interpolate)
