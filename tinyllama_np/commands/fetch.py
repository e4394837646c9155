"""`tinyllama-np fetch`: download a public text to train on."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tinyllama_np.commands import complain
from tinyllama_np.corpus.download import part_of
from tinyllama_np.corpus.text import CorpusError
from tinyllama_np.corpus.tinystories import DEFAULT_URL, FILES, FetchedFile, fetch
from tinyllama_np.corpus.web import FetchError
from tinyllama_np.progress import SECONDS_BETWEEN_LINES, format_seconds
from tinyllama_np.storage import FolderInUseError


def add_parser(commands: Any) -> None:
    """Add the command `fetch` to the command line."""
    parser = commands.add_parser(
        "fetch",
        help="download a public text to train on",
        description="Download the TinyStories texts (Hugging Face dataset roneneldan/TinyStories) "
        "and check them against what the server announces. Give the same command again to continue "
        "a download that broke off. A proxy is taken from http_proxy, https_proxy and no_proxy; "
        "HF_TOKEN, if set, is sent to huggingface.co only.",
    )
    parser.add_argument("text", choices=("tinystories",), help="which text")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("data/tinystories"),
        metavar="FOLDER",
        help="where to put the files (%(default)s)",
    )
    parser.add_argument(
        "--files",
        default="train,valid",
        metavar="LIST",
        help=f"which: {', '.join(FILES)}; v1 is the older text (%(default)s)",
    )
    parser.add_argument(
        "--revision",
        metavar="REV",
        help="branch, tag or commit (that of the files already there, else main)",
    )
    parser.add_argument(
        "--url",
        default=DEFAULT_URL,
        metavar="MIRROR",
        help="folder of the files on another server, with {revision} where a commit stands "
        "(%(default)s)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace files that are there and differ (no)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code."""
    names = [name.strip() for name in arguments.files.split(",")]
    bar = DownloadProgress()
    try:
        with bar:
            files = fetch(
                names,
                arguments.out,
                url=arguments.url,
                revision=arguments.revision,
                force=arguments.force,
                token=os.environ.get("HF_TOKEN"),
                say=bar.say,
                progress=bar.update,
            )
    except (CorpusError, FolderInUseError) as error:
        return complain(error)
    except (FetchError, OSError) as error:
        complain(error)
        return 1
    except KeyboardInterrupt:
        print(interrupted(arguments.out), file=sys.stderr)
        return 130
    print(summary(files, arguments.out))
    return 0


def interrupted(folder: Path) -> str:
    """What is kept of an interrupted download."""
    kept = [part for file in FILES.values() if (part := part_of(folder / file)).is_file()]
    if not kept:
        return "interrupted; nothing is kept"
    sizes = ", ".join(f"{part} ({part.stat().st_size / 1e6:,.1f} MB)" for part in kept)
    return f"interrupted; kept: {sizes}; give the same command again to continue"


def summary(files: dict[str, FetchedFile], folder: Path) -> str:
    """The files, what is known of them, and the command that trains on them."""
    lines = []
    for name, entry in files.items():
        check = "as announced" if entry.sha256_announced else "the server announced none"
        revision = entry.revision or "not named by the server"
        lines += [
            f"{folder / FILES[name]}  {entry.bytes / 1e6:,.1f} MB",
            f"    SHA-256 {entry.sha256} ({check}), revision {revision}",
        ]
    return "\n".join([*lines, "", *_commands(files, folder)])


def _commands(files: dict[str, FetchedFile], folder: Path) -> list[str]:
    found = []
    for version in ("", "-v1"):
        texts = [
            (option, shlex.quote(str(folder / FILES[name + version])))
            for option, name in (("--corpus", "train"), ("--valid", "valid"))
            if name + version in files
        ]
        if len(texts) == 1:  # a study splits one text by itself
            texts = [("--corpus", texts[0][1])]
        if texts:
            options = " ".join(f"{option} {path}" for option, path in texts)
            found.append(f"python examples/run_budget.py --preset paper {options}")
    return found


class DownloadProgress:
    """A bar for each file on a terminal, a line every few seconds elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._file = ""
        self._started = self._shown = 0.0
        self._first = self._total = 0

    def __enter__(self) -> DownloadProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def say(self, line: str) -> None:
        """A line that does not disturb the bar."""
        tqdm.write(line, file=sys.stderr)
        sys.stderr.flush()

    def update(self, file: str, done: int, total: int) -> None:
        """Show that `done` of the file's `total` bytes are there."""
        # an attempt that starts anew, or that continues another part, begins a new bar
        if file != self._file or total != self._total or (self._bar and done < self._bar.n):
            self._begin(file, done, total)
        self._bar.update(done - self._bar.n)
        now = time.monotonic()
        if self._bar.disable and (done == total or now - self._shown >= SECONDS_BETWEEN_LINES):
            self._shown = now
            print(self.line(done, now - self._started), file=sys.stderr, flush=True)
        self._bar.n = done  # a bar that is switched off does not count

    def line(self, done: int, seconds: float) -> str:
        """How far the file is after so many seconds of this download."""
        parts = [
            f"{done / max(1, self._total):4.0%}",
            self._file,
            f"{done / 1e6:,.1f} of {self._total / 1e6:,.1f} MB",
        ]
        rate = (done - self._first) / seconds if seconds > 0 else 0.0
        if rate > 0:
            parts.append(f"{rate / 1e6:,.1f} MB/s")
        if rate > 0 and done < self._total:
            parts.append(f"{format_seconds((self._total - done) / rate)} left")
        return "  ".join(parts)

    def _begin(self, file: str, done: int, total: int) -> None:
        self._close()
        self._file, self._first, self._total = file, done, total
        self._started = self._shown = time.monotonic()
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=file,
            unit="B",
            unit_scale=True,
            disable=not sys.stderr.isatty(),
            file=sys.stderr,
            dynamic_ncols=True,
        )
        self._bar.n = done

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
            self._file = ""
