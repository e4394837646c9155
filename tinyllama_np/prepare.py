"""A study's folder: tokenizer, token files and study.json, made once and found again.

Everything is built in a hidden folder inside it first; study.json appears in its place last.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tinyllama_np.config import ConfigError, CorpusConfig, StudyConfig
from tinyllama_np.corpus.sources import iter_stories, open_source
from tinyllama_np.corpus.synthetic import generate_stories
from tinyllama_np.corpus.text import CorpusError, SelectedStories, select_stories
from tinyllama_np.corpus.tokens import unfinished, write_token_file
from tinyllama_np.environment import package_version
from tinyllama_np.job import STOP_FILE
from tinyllama_np.parameters import parameter_count
from tinyllama_np.storage import (
    LOCK_FILE,
    TEMPORARY_SUFFIX,
    flush_folder,
    keep_folder,
    move_folder,
    publish_file,
    remove_empty_folder,
    remove_file,
    remove_tree,
    sha256_file,
    sole_owner,
    write_text_atomic,
)
from tinyllama_np.study_file import (
    STUDY_FILE,
    check_same_study,
    describe_data,
    open_data,
    read_study,
)
from tokenizer import Tokenizer
from tokenizer.vocabulary import N_BYTES

Say = Callable[[str], None]

_MOVED_FIRST = ("data", "tokenizer.json")  # before study.json, which tells that all is there


@dataclass(frozen=True)
class Texts:
    """Where the text files lie on this machine; the study itself knows only names and hashes."""

    files: tuple[Path, ...] = ()
    valid_files: tuple[Path, ...] = ()

    def describe(self, corpus: CorpusConfig) -> CorpusConfig:
        """`corpus` with base name and SHA-256 of the files."""
        return dataclasses.replace(
            corpus, files=_identify(self.files), valid_files=_identify(self.valid_files)
        )


def _identify(paths: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    for path in paths:
        open_source(path).close()  # its messages say what is wrong with a path
    return tuple((path.name, sha256_file(path)) for path in paths)


def versions() -> dict[str, str]:
    """What tokenizer and token files were made with; each run records what it is computed with."""
    packages = ("tinyllama-np", "numpy", "numba", "llvmlite", "regex")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        **{name: package_version(name) for name in packages},
    }


def prepare_study(config: StudyConfig, texts: Texts, out: Path, say: Say, workers: int = 1) -> None:
    """Make the folder of a study: tokenizer, token files and study.json; or find it made already.

    Everything is built in a hidden folder inside `out` first, so that a text that cannot serve
    leaves nothing behind, and so that `out` may be a link, a mount point or the folder one is in.
    study.json comes into `out` last: where it is, the rest is. Where a process was killed while it
    encoded the text, its finished part is taken over.

    Parameters
    ----------
    config : StudyConfig
        Its `corpus` describes `texts`.
    texts : Texts
    out : Path
    say : callable
        Called with a line at each stage, and with what was found in the text.
    workers : int
        Threads that encode the text; nothing that is written depends on it.

    Raises
    ------
    ConfigError
        If `out` holds another study or something else.
    CorpusError
        If the text cannot serve.
    FolderInUseError
        If another process makes the same study.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; name a folder for the study")
    _check_vocabulary(config)
    staging = staging_folder(out)
    if (out / STUDY_FILE).exists() and not staging.exists():
        _check_found(config, out)
        return
    _check_unused(out)
    real = Path(os.path.realpath(out))
    new_folders = [place for place in (real, *real.parents) if not place.exists()]
    nothing_left = False
    try:
        keep_folder(out)
        with sole_owner(out):
            try:
                _prepare(config, texts, out, say, workers)
            except BaseException as error:  # while no other process can come between
                nothing_left = not _keep_work(error, out, say)
                if nothing_left:
                    remove_tree(staging)
                    if os.name != "nt":  # which removes no open file
                        _remove_only_lock(out)
                raise
    finally:
        if nothing_left and os.name == "nt":
            _remove_only_lock(out)
        for place in new_folders:
            with suppress(OSError):  # not empty: the study is in it
                remove_empty_folder(place)


def _check_found(config: StudyConfig, out: Path) -> None:
    """See that a study is the one that is asked for, and is whole."""
    check_same_study(config, out)
    open_data(out)


def _check_unused(out: Path) -> None:
    """Refuse a folder that holds anything but what a preparation left that was killed."""
    if not out.exists() or (out / STUDY_FILE).exists():
        return
    staging = staging_folder(out)
    ours = {LOCK_FILE, STOP_FILE, staging.name, "lost+found"}  # the last one: a disk's own
    if (staging / STUDY_FILE).exists():
        ours |= {*_MOVED_FIRST}
    foreign = any(path.name not in ours for path in out.iterdir())
    if foreign and not (out / STUDY_FILE).exists():  # now, since another process published it
        raise ConfigError(
            f"folder {out} holds files but no study.json; name a new or an empty folder"
        )


def _prepare(config: StudyConfig, texts: Texts, out: Path, say: Say, workers: int) -> None:
    """Build the study and publish it, from where a process may have been killed."""
    staging = staging_folder(out)
    if (out / STUDY_FILE).exists():  # killed at the very end, or another process made it meanwhile
        _check_found(config, out)
        remove_tree(staging)
        return
    if not _is_built(config, staging):
        keep_folder(staging)
        _take_back(out)
        _keep_only_shards(staging)
        _build(config, texts, staging, say, workers)
    _publish(staging, out)


def _is_built(config: StudyConfig, staging: Path) -> bool:
    """Whether all of this study is there and has only to be published."""
    try:
        check_same_study(config, staging)
    except ConfigError:
        return False
    return True


def _keep_work(error: BaseException, out: Path, say: Say) -> bool:
    """Whether what is prepared is worth to be gone on from, which is then said."""
    staging = staging_folder(out)
    interrupted = isinstance(error, KeyboardInterrupt) and _holds_shards(staging)
    if not interrupted and not (staging / STUDY_FILE).exists():
        return False
    say(
        f"what is prepared of the study lies in {staging}: the same command goes on from it; "
        "remove it to give up"
    )
    return True


def _remove_only_lock(out: Path) -> None:
    """Leave a folder without a study as it was found."""
    if {path.name for path in out.iterdir()} <= {LOCK_FILE, STOP_FILE}:
        remove_file(out / STOP_FILE)
        remove_file(out / LOCK_FILE)


def open_study(out: Path) -> StudyConfig:
    """The configuration of the study in the folder `out`, whose data is checked.

    Raises
    ------
    ConfigError
        If the folder holds no study, or one whose preparation never ended.
    CorpusError
        If tokenizer or token files are damaged, or not those that the study was made with.
    """
    if not (out / STUDY_FILE).exists():
        if staging_folder(out).exists():
            raise ConfigError(
                f"the study {out} was never prepared to its end; give the `study` command that "
                "began it again, which takes over what was encoded"
            )
        raise ConfigError(
            f"folder {out} holds no {STUDY_FILE}; name a study's folder "
            "(`tinyllama-np runs FOLDER` lists those in a folder)"
        )
    config = read_study(out).config
    open_data(out)
    return config


def staging_folder(out: Path) -> Path:
    """Where a study is built before it becomes the content of the folder `out`."""
    return out / f".study{TEMPORARY_SUFFIX}"


def _publish(staging: Path, out: Path) -> None:
    """Move a study that is built to where it belongs, or what is left of it to be moved."""
    for name in _MOVED_FIRST:
        if (staging / name).exists():
            move = move_folder if (staging / name).is_dir() else publish_file
            move(staging / name, out / name)
    flush_folder(out)  # a process may have been killed before it did
    publish_file(staging / STUDY_FILE, out / STUDY_FILE)
    remove_tree(staging)


def _take_back(out: Path) -> None:
    """Remove what a killed process had published of another study than is asked for now."""
    if (staging_folder(out) / STUDY_FILE).exists():
        for name in _MOVED_FIRST:
            path = out / name
            remove_tree(path) if path.is_dir() else remove_file(path)
        flush_folder(out)  # before study.json goes, without which these files would be foreign


def _holds_shards(staging: Path) -> bool:
    """Whether a part of the text is encoded, which the same command takes over."""
    data = staging / "data"
    return unfinished(data / "train.bin").exists() or unfinished(data / "valid.bin").exists()


def _keep_only_shards(staging: Path) -> None:
    """Of what a killed process left, keep what encoding can take over, and nothing else."""
    data = staging / "data"
    kept = {data, unfinished(data / "train.bin"), unfinished(data / "valid.bin")}
    there = [*staging.iterdir(), *(data.iterdir() if data.is_dir() else ())]
    for path in set(there) - kept:
        remove_tree(path) if path.is_dir() else remove_file(path)


def _build(config: StudyConfig, texts: Texts, folder: Path, say: Say, workers: int) -> None:
    train, valid = _stories(config.corpus, texts, say)
    say(f"training the tokenizer ({config.model.vocab_size} tokens) on {len(train):,} stories")
    tokenizer = _train_tokenizer(train, config.model.vocab_size)
    say("encoding the text")
    runs = [c.apply(config.model, config.train)[1] for c in config.conditions]
    limits = [run.train_tokens for run in runs]
    most = max((n for n in limits if n is not None), default=0)
    limit = None if None in limits else most
    data = folder / "data"
    # The small file first: after a kill, the large one goes on from its last shard.
    held_out = write_token_file(data / "valid.bin", valid, tokenizer, workers=workers)
    ring = write_token_file(data / "train.bin", train, tokenizer, max_tokens=limit, workers=workers)
    if ring.tokens < most:
        raise ConfigError(
            f"train_tokens={most} exceeds the {ring.tokens} tokens of the training text; "
            "give more text or ask for fewer"
        )
    longest = max(run.sequence_length for run in runs)
    for name, info in (("training", ring), ("validation", held_out)):
        if info.tokens <= longest:
            raise ConfigError(
                f"the {name} text has {info.tokens} tokens, but sequence_length={longest} needs "
                f"at least {longest + 1}; give more text or shorter sequences"
            )
    asked = max(run.valid_tokens for run in runs)
    if held_out.tokens <= asked:
        say(
            f"the validation text has {held_out.tokens:,} tokens, fewer than "
            f"valid_tokens={asked:,}: all of it is measured"
        )
    write_text_atomic(folder / "tokenizer.json", tokenizer.to_json())
    study = {
        "config": config.to_dict(),
        "config_hash": config.sha256,
        "parameters": parameter_count(config.model),
        "data": describe_data(tokenizer.sha256, ring, held_out),
        "versions": versions(),
    }
    write_text_atomic(folder / STUDY_FILE, json.dumps(study, indent=2) + "\n")
    say(
        f"text: {ring.tokens:,} training tokens in {ring.stories:,} stories, "
        f"{held_out.tokens:,} validation tokens"
    )


def _check_vocabulary(config: StudyConfig) -> None:
    """Refuse at once what the tokenizer would refuse after the text was read."""
    if config.model.vocab_size <= N_BYTES:
        raise ConfigError(
            f"vocab_size={config.model.vocab_size} must be at least {N_BYTES + 1}: "
            f"the {N_BYTES} bytes and <|endoftext|>"
        )


def _train_tokenizer(stories: Iterable[str], vocab_size: int) -> Tokenizer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of too little text: an error here
        try:
            tokenizer = Tokenizer.train(stories, vocab_size)
        except CorpusError:  # the text could not be read again
            raise
        except ValueError as error:
            raise ConfigError(str(error)) from None
    if tokenizer.vocab_size < vocab_size:  # the model would generate ids that stand for nothing
        raise ConfigError(
            f"vocab_size={vocab_size} exceeds the {tokenizer.vocab_size} tokens that the training "
            "text has pairs for; give more text or a smaller vocabulary"
        )
    return tokenizer


def _stories(
    corpus: CorpusConfig, texts: Texts, say: Say
) -> tuple[SelectedStories, SelectedStories]:
    if texts.files:
        read: Callable[[], Iterator[str]] = partial(iter_stories, texts.files, corpus.text_field)
    else:
        say(f"writing {corpus.synthetic_stories:,} stories (the embedded corpus)")
        stories = generate_stories(corpus.synthetic_stories, corpus.synthetic_seed)
        read = partial(iter, stories)
    train, valid = select_stories(
        read,
        partial(iter_stories, texts.valid_files, corpus.text_field) if texts.valid_files else None,
        valid_fraction=corpus.valid_fraction,
        seed=0,
        deduplicate=corpus.deduplicate,
    )
    if valid.overlap:
        say(f"{valid.overlap:,} validation stories left out: they stand in the training text too")
    for name, side in (("training", train), ("validation", valid)):
        if side.duplicates:
            done = "left out" if corpus.deduplicate else "kept (--deduplicate leaves them out)"
            say(f"{side.duplicates:,} {name} stories occurred before in that text: {done}")
    return train, valid
