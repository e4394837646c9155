"""Stories from files: every format gives the same stories, and every fault is named."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyllama_np.corpus import sources
from tinyllama_np.corpus.sources import expand_sources, iter_stories, read_stories
from tinyllama_np.corpus.text import SEPARATOR, CorpusError

MARK = SEPARATOR.encode()
ROOT = Path(__file__).parents[1]

# What UTF-8 can express, without what a text file may not hold (NUL) or what means a story's end.
TEXTS = st.text(
    st.one_of(
        st.sampled_from("ab <|endoftext>\n\r\t\ufeff\u2028“é𝄞"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=40,
).filter(lambda text: SEPARATOR not in text)


def write(folder: Path, data: bytes, name: str = "text.txt") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def json_lines(texts: list[str], field: str = "text") -> bytes:
    return "".join(json.dumps({"n": 1, field: text}) + "\n" for text in texts).encode()


def plain(texts: list[str]) -> bytes:
    return SEPARATOR.join(texts).encode()


def write_parquet(path: Path, columns: dict[str, list[object]], **options: object) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(columns), path, **options)


# -------------------------------------------------------------------------------- what is read


def test_stories_are_stripped_and_kept_in_order(tmp_path: Path) -> None:
    first = write(tmp_path, b" One.\nTwo lines. \n<|endoftext|>\n\n<|endoftext|>Three.\n", "a.txt")
    second = write(tmp_path, "Vier: \u00e4\u00f6\u00fc.".encode(), "b.txt")
    assert read_stories([second, first]) == ["Vier: äöü.", "One.\nTwo lines.", "Three."]


def test_the_editor_that_saved_the_text_does_not_matter(tmp_path: Path) -> None:
    unix = write(tmp_path, b"One.\nTwo.\n<|endoftext|>\nThree.", "unix.txt")
    windows = write(tmp_path, b"\xef\xbb\xbfOne.\r\nTwo.\r\n<|endoftext|>\r\nThree.", "win.txt")
    lines = b'\xef\xbb\xbf{"text": "One.\\r\\nTwo."}\r\n\r\n{"text": "Three."}\r\n'
    assert read_stories([windows]) == read_stories([unix]) == ["One.\nTwo.", "Three."]
    assert read_stories([write(tmp_path, lines, "win.jsonl")]) == ["One.\nTwo.", "Three."]


def test_a_separator_in_the_middle_of_a_line_separates(tmp_path: Path) -> None:
    path = write(tmp_path, f"One.{SEPARATOR}Two.{SEPARATOR}".encode())
    assert read_stories([path]) == ["One.", "Two."]
    path = write(tmp_path, json_lines([f"One.{SEPARATOR}Two.", SEPARATOR]), "text.jsonl")
    assert read_stories([path]) == ["One.", "Two."]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(texts=st.lists(TEXTS, min_size=1, max_size=6), block=st.integers(1, 50))
def test_every_format_and_block_size_gives_the_same_stories(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], block: int
) -> None:
    folder = tmp_path_factory.mktemp("formats")
    # the definition, on the whole text at once; a mark at the start is no part of the text
    whole = plain(texts).decode().removeprefix("\ufeff").replace("\r\n", "\n")
    expected = [piece.strip() for piece in whole.split(SEPARATOR) if piece.strip()]
    texts = whole.split(SEPARATOR)
    half = len(plain(texts)) // 2
    members = gzip.compress(plain(texts)[:half]) + gzip.compress(plain(texts)[half:])
    paths = [
        write(folder, b"\xef\xbb\xbf" + plain(texts), "a.txt"),
        write(folder, b"\xef\xbb\xbf" + plain(texts), "any name"),
        write(folder, gzip.compress(plain(texts)), "a.txt.gz"),
        write(folder, members, "members.TXT.GZ"),
        write(folder, json_lines(texts), "a.jsonl"),
        write(folder, json_lines(texts).removesuffix(b"\n"), "b.ndjson"),
        write(folder, gzip.compress(json_lines(texts)), "a.jsonl.gz"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "BLOCK_BYTES", block)
        for path in paths:
            if path.name in ("a.txt", "any name") and plain(texts).startswith(b"\xef\xbb\xbf"):
                continue  # one mark is removed, a second one is text
            if expected:
                assert read_stories([path]) == expected, path.name
            else:
                with pytest.raises(CorpusError, match="holds no story"):
                    read_stories([path])


@settings(max_examples=20, deadline=None, derandomize=True)
@given(texts=st.lists(TEXTS, min_size=1, max_size=6))
def test_parquet_gives_the_same_stories(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    write_parquet(folder / "a.parquet", {"text": [*texts, "end"]}, row_group_size=2)
    lines = write(folder, json_lines([*texts, "end"]), "a.jsonl")
    assert read_stories([folder / "a.parquet"]) == read_stories([lines])


def test_the_text_field_has_a_name(tmp_path: Path) -> None:
    path = write(tmp_path, json_lines(["One."], "story"), "a.jsonl")
    assert read_stories([path], text_field="story") == ["One."]
    write_parquet(tmp_path / "a.parquet", {"n": [1], "story": ["One."]})
    assert read_stories([tmp_path / "a.parquet"], text_field="story") == ["One."]


def test_stories_stream(tmp_path: Path) -> None:
    """The first story is there before a fault further down is met."""
    path = write(tmp_path, (b"One." + MARK) * 40_000 + b"\xff", "a.txt")
    stories = iter_stories([path])
    assert next(stories) == "One."
    with pytest.raises(CorpusError, match=f"byte 0xff at offset {40_000 * 17};"):
        list(stories)


# ---------------------------------------------------------------------- files, folders, patterns


def names(files: tuple[Path, ...], folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in files]


def test_folders_and_patterns_are_replaced_by_their_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a.jsonl.gz", "c/d.parquet", "c/.e.txt", ".f/g.txt", "notes.md", "H.TXT"):
        write(tmp_path, b"x", name)
    found = ["H.TXT", "a.jsonl.gz", "b.txt", "c/d.parquet"]
    assert names(expand_sources([tmp_path]), tmp_path) == found
    assert names(expand_sources([tmp_path / "*.txt"]), tmp_path) == ["b.txt"]
    assert names(expand_sources([str(tmp_path / "**" / "*.p*")]), tmp_path) == ["c/d.parquet"]
    given = [tmp_path / "notes.md", tmp_path / "c", tmp_path / "b.txt"]
    assert names(expand_sources(given), tmp_path) == ["notes.md", "c/d.parquet", "b.txt"]
    assert expand_sources([]) == ()


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, b"x", "part [1].txt")
    assert expand_sources([path]) == (path,)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["empty"], r"folder .*empty holds no text file: expected files named \*\.txt, "),
        (["*.csv"], r"no text file matches .*\*\.csv"),
        (["emp*"], "no text file matches"),  # a folder, not a file
        (["a.txt", "../{name}/a.txt"], "a.txt is named twice"),
        (["a.txt", "*.txt"], "a.txt is named twice"),
    ],
)
def test_sources_that_name_nothing_or_twice(tmp_path: Path, paths: list[str], message: str) -> None:
    write(tmp_path, b"x", "a.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=message):
        expand_sources([tmp_path / path.format(name=tmp_path.name) for path in paths])


# ---------------------------------------------------------------------------------- what is refused

LONG = b"A long text. " * 20_000


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"", "holds no story"),
        ("a.txt", b" \n<|endoftext|>\n ", "holds no story"),
        ("a.txt", b"\xef\xbb\xbf", "holds no story"),
        ("a.txt", b"caf\xc3\xa9 caf\xe9.", r"not UTF-8: byte 0xe9 at offset 9; convert"),
        ("a.txt", b"\xef\xbb\xbfcaf\xe9.", r"not UTF-8: byte 0xe9 at offset 6;"),
        ("a.txt", LONG + b"\xc3" + MARK, rf"byte 0xc3 at offset {len(LONG)};"),
        ("a.txt", b"A." + MARK + LONG * 9 + b"\xe9.", rf"offset {15 + 9 * len(LONG)};"),
        ("a.txt", "Hi".encode("utf-16-le"), "NUL byte at offset 1: expected UTF-8"),
        ("a.txt", gzip.compress(LONG, mtime=1), r"let its name end in \.gz, which"),
        ("a.txt", b"PAR1\x15\x00\x15", r"NUL.*let its name end in \.parquet"),
        ("a.txt.gz", b"", "holds no story"),
        ("a.txt.gz", b"Not compressed.", r"no whole gzip file \(Not a gzipped file.*without \.gz"),
        ("a.txt.gz", gzip.compress(LONG)[:-20], "cut short: its gzip data has no end"),
        ("a.txt.gz", gzip.compress(LONG)[:-4], "cut short"),
        ("a.txt.gz", gzip.compress(LONG)[:-6] + b"abcdef", "no whole gzip file"),  # checksum
        ("a.txt.gz", gzip.compress(LONG)[:30] + b"\xff" * 50, "no whole gzip file"),
        ("a.txt.gz", gzip.compress(LONG) + b"junk", "no whole gzip file"),
        ("a.txt.gz", gzip.compress(b"caf\xe9"), "offset 3 of the decompressed text; convert"),
        ("a.jsonl", b"", "holds no story"),
        ("a.jsonl", b'{"text": " "}\n', "holds no story"),
        ("a.jsonl", b'{"text": "A"}\n\n{"text"', r"line 3 of .*a\.jsonl is not JSON \("),
        ("a.jsonl", b'{"text": "A"}\nA story.\n', r"line 2 .* is not JSON .*expected an object"),
        ("a.jsonl", b"[" * 100_000, "line 1 .* is not JSON"),
        ("a.jsonl", b'{"text": "A"}\n["A"]\n', "line 2 .* is not a JSON object"),
        ("a.jsonl", b'{"story": "A", "n": 2}', r"line 1 .* no field 'text' \(it has 'story', 'n'"),
        ("a.jsonl", b"{}", r"line 1 .* no field 'text' \(it has none\): .*--text-field"),
        ("a.jsonl", b'{"text": null}', "line 1 .* has text=None: expected a string"),
        ("a.jsonl", b'{"text": ["A"]}', "expected a string"),
        ("a.jsonl", b'{"text": "\\u0000"}', "line 1 .* NUL"),
        ("a.jsonl", b'{"text": "\\ud83d"}', "line 1 .* lone surrogate"),
        ("a.jsonl", b'{"text": "A"}\n{"text": "\xe9"}', "byte 0xe9 at offset 24"),
        ("a.json", b'[{"text": "A"}]', "one JSON value by its name"),
    ],
)
def test_unusable_files_are_refused_in_one_line(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    path = write(tmp_path, data, name)
    with pytest.raises(CorpusError, match=message) as error:
        read_stories([path])
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300 + len(str(path))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"story": ["A"]}, r"no column 'text' \(it has 'story'\)"),
        ({"text": ["A", None]}, "row 2 of .* has text=None"),
        ({"text": [1, 2]}, "row 1 of .* has text=1: expected a string"),
        ({"text": [" "]}, "holds no story"),
    ],
)
def test_unusable_parquet_columns(
    tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    write_parquet(tmp_path / "a.parquet", columns)
    with pytest.raises(CorpusError, match=message):
        read_stories([tmp_path / "a.parquet"])


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_damaged_parquet(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, {"text": ["A story."] * 100})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CorpusError, match=r"a\.parquet (is no whole parquet file|cannot be read)"):
        read_stories([path])


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, b"PAR1", "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(CorpusError, match=r"needs pyarrow .*python -m pip install pyarrow"):
        read_stories([path])


@pytest.mark.parametrize("name", ["nowhere.txt", "nowhere.jsonl.gz", "nowhere.parquet"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorpusError, match=f"{name} does not exist"):
        read_stories([tmp_path / name])


def test_folders_nothing_and_pipes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is a folder"):
        read_stories([tmp_path])
    with pytest.raises(CorpusError, match="no text file given"):
        read_stories([])
    with pytest.raises(CorpusError, match=r"cannot be read: embedded null byte|does not exist"):
        read_stories([Path("a\0b")])
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(CorpusError, match="no regular file"):
            read_stories([tmp_path / "pipe"])


# ------------------------------------------------------------------------------------------ memory

MEASURE = """
import resource, sys
from pathlib import Path
from tinyllama_np.corpus.sources import iter_stories
from tinyllama_np.corpus.text import select_stories
paths = [Path(sys.argv[1])]
next(iter_stories(paths))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
train, valid = select_stories(lambda: iter_stories(paths))
print(sum(map(len, train)), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def write_big(path: Path, megabytes: int) -> None:
    opener: Callable[..., object] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as stream:  # type: ignore[attr-defined]
        for n in range(megabytes * 500):
            text = f"Story {n} was long. " + "All of it was the same. " * 83
            jsonl = ".jsonl" in path.name
            stream.write(json_lines([text]) if jsonl else text.encode() + MARK)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss in kilobytes")
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.txt.gz"])
def test_memory_does_not_grow_with_the_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_big(path, 60)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    characters, kilobytes = map(int, done.stdout.split())
    assert characters > 50_000_000
    assert kilobytes < 25_000
