"""What a verification found, as text for people and as plain values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tinyllama_np.progress import format_seconds
from tinyllama_np.safe_files import printable
from tinyllama_np.verify.comparison import Count, Verification
from tinyllama_np.verify.joined import JoinedIntervals
from tinyllama_np.verify.record import INTERVALS, RECOVERIES, SAMPLES, STEPS

_MOST_DIFFERENCES = 3  # told in a text beside the first; later ones follow from it


def told_seconds(seconds: float) -> str:
    """In few words."""
    return "under 1 s" if seconds < 1 else f"about {format_seconds(seconds)}"


def as_text(result: Verification) -> list[str]:
    """The report, by lines; parts of files in it cannot lead the terminal."""
    return [printable(line) for line in _lines(result)]


def _lines(result: Verification) -> list[str]:
    if not result.rows and not result.checkpoints and result.damage:
        return [f"{result.run}: nothing was trained again", *_verdict(result)]
    begin = (
        f"checkpoint step-{result.start:06d}" if result.from_checkpoint else "the initial weights"
    )
    took = f"{told_seconds(result.seconds)}, {result.threads} thread{'s' * (result.threads != 1)}"
    lines = [
        f"{result.run}: steps {result.start} to {result.end} trained again from {begin} ({took})",
        *_environment(result),
    ]
    for name in (STEPS, INTERVALS, SAMPLES, RECOVERIES):
        if name in result.rows:
            lines.append(f"  {name:<16}{_agreement(result.rows[name])}")
    for name, parts in result.checkpoints.items():
        told = []
        for wanted, plural, word in ((True, "agree", "agrees"), (False, "differ", "differs")):
            some = [part for part in parts if parts[part] is wanted]
            if some:
                told.append(f"{', '.join(some)} {plural if some[1:] else word}")
        lines.append(f"  checkpoint {name}: {'; '.join(told)}")
    if not result.weights_compared:
        wider = f" ({result.wider} for all)" if result.wider else ""
        lines.append(f"  no checkpoint in this stretch: no weights compared{wider}")
    return [*lines, *(f"  note: {note}" for note in result.notes), *_verdict(result)]


def _agreement(count: Count) -> str:
    if count.agree < count.compared:
        return f"{count.agree:,} of {count.compared:,} rows agree"
    return "1 row agrees" if count.agree == 1 else f"{count.agree:,} rows agree"


def _environment(result: Verification) -> list[str]:
    if result.environment is None:
        return ["  environment     that of the run is not recorded"]
    if not result.environment:
        return ["  environment     the same as recorded"]
    return ["  environment     differs:", *(f"    {found}" for found in result.environment)]


def _verdict(result: Verification) -> list[str]:
    damage = [f"  not what the run wrote: {damage}" for damage in result.damage]
    if result.verdict == "agrees":
        return ["AGREES in every byte" + " of these rows" * (not result.weights_compared)]
    if result.verdict == "damaged":
        rest = "what could be trained again agrees, but " if result.rows else ""
        remedy = result.remedy or (
            f"put it back as it was, or remove runs/{result.run} to train it again"
        )
        told = f"EDITED OR DAMAGED: {rest}a file is missing or not what the run wrote"
        return [*damage, told, f"  what to do? {remedy}"]
    first, *others = result.differences
    also = [f"  also {difference}" for difference in others]
    if also[_MOST_DIFFERENCES:]:
        more = f"  and {len(also) - _MOST_DIFFERENCES} more (--json tells them all)"
        also = [*also[:_MOST_DIFFERENCES], more]
    return [
        *damage,
        f"DIFFERS: {first}",
        *also,
        *(f"  why? {reason}" for reason in result.reasons()),
    ]


def told_joined(joined: JoinedIntervals | None, resume: str) -> list[str]:
    """How the study's own intervals.csv compares; `resume` is the command that mends it."""
    if joined is None:
        return [f"{INTERVALS} of the study: there is none (yet)"]
    if not joined.problems:
        return [f"{INTERVALS} of the study: {joined.rows:,} rows agree with those of the runs"]
    first, *others = joined.problems
    also = [f"  also {problem}" for problem in others[:_MOST_DIFFERENCES]]
    if others[_MOST_DIFFERENCES:]:
        also.append(f"  and {len(others) - _MOST_DIFFERENCES} more (--json tells them all)")
    return [
        f"EDITED OR DAMAGED: {INTERVALS} of the study: {first}",
        *also,
        f"  what to do? {resume} puts it together from the runs again, and analyses them",
    ]


def told_together(results: Sequence[Verification], runs: int, looked_for_all: bool) -> str:
    """How many of a study's runs were looked at, and agree."""
    if not looked_for_all:
        return f"{len(results)} of {runs} runs looked at (--all for all)"
    agreeing = [result for result in results if result.verdict == "agrees"]
    told = f"{len(agreeing)} of {runs} runs agree in every byte"
    if not all(result.weights_compared for result in agreeing):
        told += " of what was compared (--from 0 --to-end for all)"
    return told + (f"; {runs - len(results)} left out" if len(results) < runs else "")


def as_json(
    results: Sequence[Verification], runs_of_study: int, joined: JoinedIntervals | None
) -> dict[str, Any]:
    """The same as plain values."""
    runs = []
    for result in results:
        environment = result.environment
        told = None if environment is None else [vars(found) for found in environment]
        runs.append(
            {
                **{key: value for key, value in asdict(result).items() if key != "environment"},
                "environment_differences": told,
                "verdict": result.verdict,
                "weights_compared": result.weights_compared,
                "reasons": result.reasons(),
            }
        )
    agrees = all(result.verdict == "agrees" for result in results)
    return {
        "agrees": agrees and not (joined and joined.problems),
        "runs_of_study": runs_of_study,
        "study_intervals": None if joined is None else asdict(joined),
        "runs": runs,
    }
