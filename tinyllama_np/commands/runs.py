"""`tinyllama-np runs`: the studies in a folder, how far their runs are, what they need to go on."""

from __future__ import annotations

import argparse
import json
import os
import stat
import statistics
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyllama_np.commands import complain, resume_command
from tinyllama_np.config import StudyConfig
from tinyllama_np.disk_need import format_bytes
from tinyllama_np.job import DIVERGED, FAILED, FINISHED
from tinyllama_np.lanes import default_threads
from tinyllama_np.progress import format_seconds
from tinyllama_np.run_state import RunState
from tinyllama_np.run_states import (
    StudyState,
    UnreadableStudy,
    find_studies,
    study_state,
)
from tinyllama_np.safe_files import printable

WIDTH = 100
_MOST_REFUSED = 3  # told one by one
COLUMNS = ("run", "state", "tokens", "done", "best so far", "checkpoint", "written", "size")


def add_parser(commands: Any) -> None:
    """Add the command `runs` to the command line."""
    parser = commands.add_parser(
        "runs",
        help="list studies: how far each run is, and what it needs to go on",
        description="List the study in a folder, or the studies up to three levels below it: the "
        "state of each run, tokens, best interval, newest checkpoint, and the command that "
        "continues, or what hinders that. Only reads. Ends with 1 where a study is damaged.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="study folder, or one of many")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code."""
    folder: Path = arguments.folder
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_folder = False
    except OSError as error:
        return complain(f"{folder} cannot be read: {error.strerror or error}")
    if not is_folder:
        return complain(f"{folder} is no folder; name a study's folder or one that holds studies")
    refused: list[str] = []
    found = find_studies(
        folder, refused=lambda path, reason: refused.append(f"{path} cannot be read: {reason}")
    )
    for problem in refused[:_MOST_REFUSED] if found else ():
        print(f"warning: {printable(problem)}", file=sys.stderr)
    if refused[_MOST_REFUSED:] and found:
        print(f"warning: and {len(refused) - _MOST_REFUSED} more folders", file=sys.stderr)
    if not found and refused:
        more = f" (and {len(refused) - 1} more)" if refused[1:] else ""
        return complain(f"{printable(refused[0])}{more}; no study was found where it could be seen")
    if not found:
        return complain(
            f"{folder} holds no study: no study.json in it or up to three levels below; "
            "name a study's folder or one that holds studies"
        )
    studies = [study_state(path) for path in found]
    code = int(any(study.is_damaged for study in studies))
    if arguments.json:
        print(json.dumps({"studies": [as_json(study) for study in studies]}, indent=2))
        return code
    for number, study in enumerate(studies):
        if number:
            print()
        print("\n".join(described(study, time.time())))
    return code


def described(study: StudyState | UnreadableStudy, now: float) -> list[str]:
    """The lines that are shown of a study."""
    if isinstance(study, UnreadableStudy):
        return _wrapped(f"{study.folder}: {study.error}", indent="")
    config = study.config
    runs = f"{_count(len(config.conditions), 'condition')} x {_count(len(config.seeds), 'seed')}"
    lines = _wrapped(
        f"{study.folder}: preset {config.preset}, configuration {study.config_hash[:8]}, {runs}, "
        f"{_budget(study)} tokens a run, text: {', '.join(_texts(config))}",
        indent="",
    )
    lines += _table([COLUMNS, *(_row(state, now) for state in study.runs)])
    for problem in study.damage:
        lines += _wrapped(problem)
    remarks: dict[str, list[str]] = {}  # runs by what is to be said of them
    for state in study.runs:
        for remark in _remarks(state):
            remarks.setdefault(remark, []).append(state.name)
    for remark, names in remarks.items():
        others = f" and {_count(len(names) - 1, 'other')}" if len(names) > 1 else ""
        lines += _wrapped(f"{names[0]}{others}: {remark}")
    return lines + _wrapped(_needed(study))


def _row(state: RunState, now: float) -> tuple[str, ...]:
    best = state.best
    return (
        state.name,
        state.state,
        _tokens(state.tokens_seen),
        f"{100 * state.tokens_seen // state.tokens} %",  # never 100 before the end
        f"{best.interval} ({_tokens(best.tokens_seen)}): {best.val_loss:.4f}" if best else "",
        "" if state.checkpoint is None else f"step {state.checkpoint}",
        "" if state.written is None else f"{_age(now - state.written)} ago",
        format_bytes(state.size) if state.size else "",
    )


def _remarks(state: RunState) -> list[str]:
    """What is to be said of a run beside its row."""
    remarks = list(state.damage)
    if state.state == DIVERGED:
        remarks.append(f"diverged and would not go on. {state.message}")
    if state.state == FAILED:
        again = f"step {state.checkpoint}" if state.checkpoint is not None else "the beginning"
        remarks.append(f"failed, and would go on from {again}. {state.message}")
    return remarks


def _needed(study: StudyState) -> str:
    """What continues the study, and how long it takes."""
    left = _left(study)
    at_work = study.process or next((run.process for run in study.runs if run.process), None)
    if at_work:
        return f"{at_work} is at work in it{': ' + left if left else ''}"
    if study.all_blocked:
        reasons = list(dict.fromkeys(study.all_blocked))
        if reasons[_MOST_REFUSED:]:
            reasons[_MOST_REFUSED:] = [f"{len(reasons) - _MOST_REFUSED} more are mended"]
        return f"cannot go on until {', and '.join(reasons)}{f'  ({left})' if left else ''}"
    if left:
        return f"to continue: {resume_command(study.folder)}  ({left})"
    if not study.has_ended:
        return f"to conclude: {resume_command(study.folder)}  (all steps are taken)"
    finished = any(run.state == FINISHED for run in study.runs)
    if finished and not os.path.isfile(study.folder / "report.md"):
        return f"nothing is left to train; to analyse: {resume_command(study.folder)}"
    return "nothing is left to do"


def _left(study: StudyState) -> str:
    if not study.tokens_left:
        return ""
    text = f"{study.tokens_left:,} tokens left"
    seconds = seconds_left(study)
    if seconds is None:
        return text
    together = min(default_threads(), sum(run.tokens_left > 0 for run in study.runs))
    pace = f" with {together} runs at a time" if together > 1 else ""
    return f"{text}, about {format_seconds(seconds / together)}{pace}"


def seconds_left(study: StudyState) -> float | None:
    """Of all runs one after the other; None where no run has a speed yet.

    A run without one takes the median operations a second of those that have one.
    """
    applied = [
        (c.name, c.apply(study.config.model, study.config.train)) for c in study.config.conditions
    ]
    cost = {
        name: model.training_flops_per_token(train.sequence_length)
        for name, (model, train) in applied
    }
    known = [run.tokens_per_s * cost[run.condition] for run in study.runs if run.tokens_per_s]
    if not known:
        return None
    typical = statistics.median(known)
    return sum(
        run.tokens_left / (run.tokens_per_s or typical / cost[run.condition]) for run in study.runs
    )


def as_json(study: StudyState | UnreadableStudy) -> dict[str, Any]:
    """The same as plain values; what does not exist is null."""
    if isinstance(study, UnreadableStudy):
        return {"folder": str(study.folder), "error": study.error}
    left = study.tokens_left
    idle = study.has_ended or study.process is not None or bool(study.all_blocked)
    return {
        "folder": str(study.folder),
        "preset": study.config.preset,
        "config_hash": study.config_hash,
        "conditions": [condition.name for condition in study.config.conditions],
        "seeds": list(study.config.seeds),
        "texts": _texts(study.config),
        "process": study.process,
        "tokens_left": left,
        "seconds_left": seconds_left(study),
        "command": None if idle else resume_command(study.folder),
        "damage": list(study.damage),
        "cannot_go_on_until": list(study.all_blocked),
        "runs": [
            {
                **vars(run),
                "best": vars(run.best) if run.best else None,
                "damage": list(run.damage),
                "blocked": list(run.blocked),
            }
            for run in study.runs
        ],
    }


def _texts(config: StudyConfig) -> list[str]:
    corpus = config.corpus
    names = [name for name, _ in (*corpus.files, *corpus.valid_files)]
    return names or [f"{corpus.synthetic_stories:,} embedded stories"]


def _budget(study: StudyState) -> str:
    budgets = sorted({run.tokens for run in study.runs})
    return " to ".join(f"{n:,}" for n in dict.fromkeys((budgets[0], budgets[-1])))


def _tokens(count: int) -> str:
    return f"{count:,}" if count < 1_000_000 else f"{count / 1e6:.2f} M"


def _age(seconds: float) -> str:
    """In few characters: `42 s`, `12 min`, `5 h` or `3 days`."""
    for most, size, unit in ((90, 1, "s"), (5400, 60, "min"), (172_800, 3600, "h")):
        if seconds < most:
            return f"{max(0, seconds) / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = (COLUMNS.index(name) for name in ("tokens", "done", "checkpoint", "written", "size"))
    numbers = set(right)
    return [
        "  ".join(
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    """A paragraph of text that may come from anywhere: no control characters, no endless line."""
    shown = "".join(c if c.isprintable() else " " for c in text[:2000])
    return textwrap.wrap(
        shown,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
