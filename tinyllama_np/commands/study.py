"""`tinyllama-np study`: the main job, from nothing to the report."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

from tinyllama_np.commands import complain, say
from tinyllama_np.commands.carry_out import (
    add_run_options,
    carry_out,
    check_run_options,
    interruptible,
    runs_at_once,
)
from tinyllama_np.commands.options import (
    add_settings,
    given_settings,
    parse_condition,
    parse_seeds,
    with_settings,
)
from tinyllama_np.config import ConfigError, StudyConfig
from tinyllama_np.corpus.sources import expand_sources
from tinyllama_np.corpus.text import CorpusError
from tinyllama_np.disk_need import check_free_space, disk_need, token_files_at_least
from tinyllama_np.job import KEEP
from tinyllama_np.lanes import default_threads
from tinyllama_np.os_errors import explain
from tinyllama_np.prepare import Texts, prepare_study
from tinyllama_np.presets import PRESETS, preset
from tinyllama_np.study import run_jobs
from tinyllama_np.study_file import STUDY_FILE


def add_parser(commands: Any) -> None:
    """Add the command `study` to the command line."""
    parser = commands.add_parser(
        "study",
        help="train over several seeds, measure, and write the report",
        description="Train a model over several seeds under a fixed token budget, measure it at "
        "regular intervals, and end with tables, figures and a report. Give the same command "
        "again, or `resume` with the folder, to continue what was interrupted.",
    )
    parser.add_argument(
        "--preset",
        default="quick",
        metavar="NAME",
        help=f"where the settings come from: {', '.join(PRESETS)} (quick)",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="study folder (runs/PRESET)")
    parser.add_argument(
        "--corpus",
        nargs="+",
        default=[],
        metavar="FILE",
        help="training text: files, folders or patterns; plain text with <|endoftext|> between "
        "stories, .jsonl, both also .gz, .parquet (embedded stories)",
    )
    parser.add_argument(
        "--valid",
        nargs="+",
        default=[],
        metavar="FILE",
        help="validation text, likewise (a share of the corpus's stories)",
    )
    parser.add_argument(
        "--valid-fraction", type=float, metavar="X", help="that share, without --valid (0.1)"
    )
    parser.add_argument(
        "--text-field", metavar="NAME", help="field of .jsonl, column of .parquet (text)"
    )
    parser.add_argument(
        "--deduplicate",
        action="store_true",
        help="leave out stories that occurred before (they are counted and kept)",
    )
    parser.add_argument(
        "--stories", type=int, metavar="N", help="embedded stories, without --corpus (paper 12000)"
    )
    parser.add_argument(
        "--seeds", metavar="N|LIST", help="how many seeds, or which: 3,5,8 (6, smoke 3)"
    )
    parser.add_argument(
        "--condition",
        action="append",
        default=[],
        metavar="NAME:FIELD=VALUE,...",
        help="train every seed under these settings; may be given several times (baseline)",
    )
    add_run_options(parser)
    add_settings(parser)
    parser.set_defaults(run=run)


def study_config(arguments: argparse.Namespace, texts: Texts) -> StudyConfig:
    """The configuration that the command line describes."""
    _refuse_options_without_effect(arguments)
    config = with_settings(preset(arguments.preset), given_settings(arguments))
    corpus = config.corpus
    if arguments.valid_fraction is not None:
        corpus = dataclasses.replace(corpus, valid_fraction=arguments.valid_fraction)
    if arguments.stories is not None:
        corpus = dataclasses.replace(corpus, synthetic_stories=arguments.stories)
    if arguments.text_field is not None:
        corpus = dataclasses.replace(corpus, text_field=arguments.text_field)
    if arguments.deduplicate:
        corpus = dataclasses.replace(corpus, deduplicate=True)
    config = dataclasses.replace(config, corpus=texts.describe(corpus))
    if arguments.seeds is not None:
        config = dataclasses.replace(config, seeds=parse_seeds(arguments.seeds))
    if arguments.condition:
        conditions = tuple(parse_condition(text) for text in arguments.condition)
        config = dataclasses.replace(config, conditions=conditions)
    return config


def _refuse_options_without_effect(arguments: argparse.Namespace) -> None:
    """Whoever gives one expects it to change something."""
    if arguments.stories is not None and arguments.corpus:
        raise ConfigError("--stories is for the embedded stories; leave it or --corpus out")
    if arguments.text_field is not None and not (arguments.corpus or arguments.valid):
        raise ConfigError("--text-field is for files; name them with --corpus, or leave it out")
    if arguments.valid_fraction is not None and arguments.valid:
        raise ConfigError("--valid-fraction is for a study without --valid; leave one of them out")


def _with_option(message: str, arguments: argparse.Namespace) -> str:
    """`vocab_size=1 must ...` as `--vocab-size 1 must ...`, where that was given."""
    setting, _, rest = message.partition("=")
    option = {"synthetic_stories": "stories"}.get(setting, setting)
    given = getattr(arguments, option, None)
    if given is None or not rest.startswith((str(given), repr(given))):  # a condition's, say
        return message
    return f"--{option.replace('_', '-')} {rest}"


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code."""
    return interruptible(lambda: _run(arguments, time.time()))


def _run(arguments: argparse.Namespace, started: float) -> int:
    try:
        limit = check_run_options(arguments)
        texts = Texts(expand_sources(arguments.corpus), expand_sources(arguments.valid))
        config = study_config(arguments, texts)
        out = arguments.out or Path("runs") / config.preset
        if not (out / STUDY_FILE).exists():
            _check_free_space_for_new(config, out, arguments)
        prepare_study(config, texts, out, say, workers=default_threads())
    except OSError as error:
        return complain(explain(error, "the study"))
    except (ConfigError, CorpusError) as error:
        raise type(error)(_with_option(str(error), arguments)) from None
    return carry_out(config, out, arguments, started, limit)


def _check_free_space_for_new(
    config: StudyConfig, out: Path, arguments: argparse.Namespace
) -> None:
    """Refuse, before the text is encoded, a study whose runs would be refused after it."""
    jobs = run_jobs(config, out, keep_checkpoints=arguments.keep or KEEP[0])
    need = disk_need(jobs, runs_at_once(arguments))
    check_free_space(dataclasses.replace(need, size=need.size + token_files_at_least(config)), out)
