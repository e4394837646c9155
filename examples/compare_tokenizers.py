"""The tokenizer beside Hugging Face's tokenizers, tiktoken and rustbpe: same text, same pattern.

    python examples/compare_tokenizers.py train.txt                  all of it, a minute or two
    python examples/compare_tokenizers.py train.txt --only encode decode --runs 9
    python examples/compare_tokenizers.py train.txt --vocab-size 4096 12000 --markdown

Peers that are not installed are left out. Before any clock runs, the ids that the peers make of
the text with our vocabulary are compared with ours, and the text must come back. Then the sides
take turns in one process. Ours starts each run as a new tokenizer that has met no piece yet; the
peers keep whatever they keep. The table gives medians with their range, and the ratio of medians:
above 1 ours is faster.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizer import END_OF_TEXT, Tokenizer, split_stories
from tokenizer.pretokenize import PATTERN

PARTS = ("train", "encode", "batch", "decode")
PEERS = ("tokenizers", "tiktoken", "rustbpe")


@dataclass
class Row:
    """One comparison: what each side took, in seconds, by run."""

    what: str
    seconds: dict[str, list[float]]
    note: str = ""


def available() -> list[str]:
    """The peers that can be imported."""
    return [name for name in PEERS if importlib.util.find_spec(name) is not None]


def peer_module(name: str) -> Any:
    """A peer, untyped: not every machine has it."""
    return importlib.import_module(name)


# ------------------------------------------------------------------------------------- the peers


def train_tokenizers(stories: Sequence[str], vocab_size: int) -> Any:
    """Hugging Face's trainer; it uses as many threads as RAYON_NUM_THREADS says."""
    tokenizers = peer_module("tokenizers")
    pre_tokenizers = tokenizers.pre_tokenizers
    peer = tokenizers.Tokenizer(tokenizers.models.BPE())
    split = pre_tokenizers.Split(tokenizers.Regex(PATTERN), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    peer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    peer.train_from_iterator(stories, trainer)
    return peer


def train_rustbpe(stories: Sequence[str], vocab_size: int) -> Any:
    """rustbpe's trainer, which has no special tokens."""
    peer = peer_module("rustbpe").Tokenizer()
    peer.train_from_iterator(iter(stories), vocab_size - 1, pattern=PATTERN)
    return peer


def load_tokenizers(ours: Tokenizer) -> Any:
    """Hugging Face's tokenizer with our vocabulary."""
    return peer_module("tokenizers").Tokenizer.from_str(ours.to_json())


def load_tiktoken(ours: Tokenizer) -> Any:
    """tiktoken's with our vocabulary."""
    ranks = {ours.token_bytes(i): i for i in range(ours.end_of_text)}
    return peer_module("tiktoken").Encoding(
        "ours",
        pat_str=PATTERN,
        mergeable_ranks=ranks,
        special_tokens={END_OF_TEXT: ours.end_of_text},
    )


# -------------------------------------------------------------------------------- the comparison


def alternate(sides: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, list[float]]:
    """Seconds of each side, which take turns; the order is reversed from run to run."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for run in range(runs):
        for name in list(sides) if run % 2 == 0 else reversed(list(sides)):
            start = time.perf_counter()
            result = sides[name]()
            seconds[name].append(time.perf_counter() - start)
            del result
    return seconds


def expect_equal(what: str, ours: Any, theirs: Any) -> None:
    """Stop with an error if the two differ."""
    if ours != theirs:
        at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), -1)
        raise ValueError(f"{what}: the results differ, first at {at}; nothing was timed")


def compare_training(text: str, options: argparse.Namespace, peers: Sequence[str]) -> list[Row]:
    """Training rows, one for each vocabulary size."""
    stories = split_stories(text)
    Tokenizer.train(stories, 300)  # loads the kernels, or compiles them
    rows = []
    for vocab_size in options.vocab_size:
        sides: dict[str, Callable[[], Any]] = {
            "ours": lambda size=vocab_size: Tokenizer.train(stories, size)  # type: ignore[misc]
        }
        for name, train in (("tokenizers", train_tokenizers), ("rustbpe", train_rustbpe)):
            if name in peers:
                sides[name] = lambda t=train, size=vocab_size: t(stories, size)  # type: ignore[misc]
        rows.append(Row(f"training, {vocab_size:,} tokens", alternate(sides, options.runs)))
    return rows


def compare_encoding(
    text: str, ours: Tokenizer, options: argparse.Namespace, peers: Sequence[str]
) -> list[Row]:
    """One text, one thread."""
    if "tiktoken" not in peers:
        return []
    peer = load_tiktoken(ours)
    expect_equal("tiktoken encode", ours.encode(text), peer.encode_ordinary(text))

    def fresh() -> Tokenizer:
        return replace(ours)

    lists = {
        "ours": lambda: fresh().encode(text),
        "tiktoken": lambda: peer.encode_ordinary(text),
    }
    arrays = {
        "ours": lambda: fresh().encode_array(text),
        "tiktoken": lambda: peer.encode_to_numpy(text, disallowed_special=()),
    }
    return [
        Row("encoding to a list, 1 thread", alternate(lists, options.runs)),
        Row("encoding to an array, 1 thread", alternate(arrays, options.runs)),
    ]


def compare_batch(
    text: str, ours: Tokenizer, options: argparse.Namespace, peers: Sequence[str]
) -> list[Row]:
    """Many texts, several threads."""
    stories = split_stories(text)
    threads = options.threads
    expected = ours.encode_batch(stories, threads=threads)
    lists: dict[str, Callable[[], Any]] = {
        "ours": lambda: replace(ours).encode_batch(stories, threads=threads)
    }
    if "tokenizers" in peers:
        hugging_face = load_tokenizers(ours)
        theirs = [encoding.ids for encoding in hugging_face.encode_batch(stories)]
        expect_equal("tokenizers encode_batch", expected, theirs)
        lists["tokenizers"] = lambda: hugging_face.encode_batch(stories)
        lists["tokenizers, fast"] = lambda: hugging_face.encode_batch_fast(stories)
    if "tiktoken" in peers:
        openai = load_tiktoken(ours)
        theirs = openai.encode_ordinary_batch(stories, num_threads=threads)
        expect_equal("tiktoken encode_ordinary_batch", expected, theirs)
        lists["tiktoken"] = lambda: openai.encode_ordinary_batch(stories, num_threads=threads)
    note = f"{len(stories):,} texts"
    return [Row(f"encoding a batch, {threads} threads", alternate(lists, options.runs), note)]


def compare_decoding(
    text: str, ours: Tokenizer, options: argparse.Namespace, peers: Sequence[str]
) -> list[Row]:
    """All ids of the text, back to a str."""
    if "tiktoken" not in peers:
        return []
    peer = load_tiktoken(ours)
    array = ours.encode_array(text)
    ids = array.tolist()
    expect_equal("decode", ours.decode(ids), text)
    expect_equal("tiktoken decode", peer.decode(ids), text)
    from_list = {"ours": lambda: replace(ours).decode(ids), "tiktoken": lambda: peer.decode(ids)}
    from_array = {
        "ours": lambda: replace(ours).decode(array),
        "tiktoken": lambda: peer.decode(array.tolist()),
    }
    return [
        Row("decoding a list", alternate(from_list, options.runs)),
        Row("decoding an array", alternate(from_array, options.runs)),
    ]


# ------------------------------------------------------------------------------------- the table


def spread(values: Sequence[float], megabytes: float, in_seconds: bool) -> str:
    """Median and range: seconds, or MB/s of text."""
    shown = sorted(values if in_seconds else [megabytes / value for value in values])
    digits = 2 if in_seconds else 1
    middle, low, high = statistics.median(shown), shown[0], shown[-1]
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def table(rows: Sequence[Row], megabytes: float) -> list[tuple[str, ...]]:
    """Heading and cells: one line for each peer of each row."""
    found: list[tuple[str, ...]] = [("what", "unit", "peer", "ours", "theirs", "ratio")]
    for row in rows:
        in_seconds = row.what.startswith("training")
        ours = row.seconds["ours"]
        for peer in (name for name in row.seconds if name != "ours"):
            theirs = row.seconds[peer]
            ratio = statistics.median(theirs) / statistics.median(ours)
            found.append(
                (
                    row.what + (f" ({row.note})" if row.note else ""),
                    "s" if in_seconds else "MB/s",
                    peer,
                    spread(ours, megabytes, in_seconds),
                    spread(theirs, megabytes, in_seconds),
                    f"{ratio:.2f}",
                )
            )
    return found


def print_table(rows: Sequence[tuple[str, ...]], markdown: bool) -> None:
    """Aligned columns, or a Markdown table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"| {' | '.join(row)} |" if markdown else "  ".join(cells).rstrip(), flush=True)
        if markdown and number == 0:
            print("|" + "---|" * len(row))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", 1)[0],
        epilog="The Rust peers' threads follow RAYON_NUM_THREADS, which is set to --threads.",
    )
    parser.add_argument("text", type=Path, metavar="TEXT", help=f"UTF-8, {END_OF_TEXT} between")
    parser.add_argument(
        "--vocab-size", type=int, nargs="+", default=[4096, 12000], metavar="N",
        help="train these (4096 12000); the first is used to encode and decode",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=5, help="runs of each side (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="for batches (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="only these (all)")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    options = parser.parse_args(arguments)
    for name in ("runs", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)} must be at least 1")
    return options


def main(arguments: Sequence[str]) -> int:
    """Compare and print; returns the exit code."""
    options = parse(arguments)
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)
    peers = available()
    if not peers:
        print(f"error: none of {', '.join(PEERS)} is installed", file=sys.stderr)
        return 2
    try:
        text = options.text.read_bytes().decode("utf-8")
        megabytes = len(text.encode("utf-8")) / 1e6
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in peers)
        print(
            f"{options.text.name}, {megabytes:.2f} MB; {versions}; median (range) of "
            f"{options.runs} alternating runs\n",
            file=sys.stderr,
        )
        rows = compare_training(text, options, peers) if "train" in options.only else []
        ours = Tokenizer.train(split_stories(text), options.vocab_size[0])
        for part, compare in (
            ("encode", compare_encoding),
            ("batch", compare_batch),
            ("decode", compare_decoding),
        ):
            if part in options.only:
                rows += compare(text, ours, options, peers)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print_table(table(rows, megabytes), options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
