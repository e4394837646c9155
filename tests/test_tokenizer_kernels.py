"""The compiled half against its readable twins: same pieces, counts, merges, tokens, bytes."""

import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from itertools import chain, islice
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer import Tokenizer, kernels, train
from tokenizer import compiled as compiled_module
from tokenizer import count as count_module
from tokenizer.compiled import CompiledDecoder, CompiledEncoder
from tokenizer.count import PieceCounts, bounds_of, count_pieces
from tokenizer.encode import PieceEncoder
from tokenizer.pretokenize import PATTERN, character_classes, pretokenize, split_stories

reproducible = settings(derandomize=True, deadline=None, max_examples=300)
# Few distinct characters of every kind, so that every boundary between two kinds is drawn often.
awkward = st.text(
    alphabet="aZé日'sdmtlvVeErR\u017f1٣Ⅷ \t\n\r\u00a0\u2028!\"-\U0001f600\u0301", max_size=60
)
# Whole characters, halves of them, overlong forms, a surrogate, what is above the last code point.
BROKEN = [b"a", b" ", b"'", b"s", b"\n", b"\xc3", b"\xa9", b"\xe2\x82", b"\xac", b"\xf0\x9f"]
BROKEN += [b"\x98\x80", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xe0\x80\x80"]
BROKEN += ["é".encode(), "日".encode()]
broken_text = st.lists(st.sampled_from(BROKEN), max_size=12).map(b"".join)


@numba.njit
def ends_of_pieces(text, classes):
    ends = np.empty(len(text), np.int64)
    n = i = 0
    while i < len(text):
        i = kernels.scan(text, i, len(text), classes)
        ends[n] = i
        n += 1
    return ends[:n]


def lengths(data):
    """Bytes of each piece that the kernel finds."""
    ends = ends_of_pieces(np.frombuffer(data, np.uint8), character_classes())
    return np.diff(ends, prepend=0).tolist()


def lengths_by_regex(data):
    """The same by the regular expression, any bytes as `Tokenizer.encode_bytes` defines them."""
    text = data.decode("utf-8", "surrogateescape")
    return [len(piece.encode("utf-8", "surrogateescape")) for piece in pretokenize(text)]


@pytest.mark.slow
@reproducible
@given(awkward | st.text(max_size=60))
def test_pieces_of_text(text):
    assert lengths(text.encode()) == lengths_by_regex(text.encode())


@reproducible
@given(st.binary(max_size=40) | broken_text)
def test_pieces_of_any_bytes(data):
    assert lengths(data) == lengths_by_regex(data)


@pytest.mark.slow
def test_pieces_around_every_character():
    """Every code point next to letters, digits, spaces, itself and an apostrophe."""
    everything = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    while block := list(islice(everything, 1 << 15)):
        data = "".join(f"a{c}a{c} {c}1{c}'{c}{c}\n" for c in block).encode()
        assert lengths(data) == lengths_by_regex(data)


@pytest.mark.parametrize("text", ["'ſ 'ſs x'ſx 'LL 'lL 'vE 'Re 're' ''s s's 'l 'v 'r 'le '", "'"])
def test_contractions(text):
    assert lengths(text.encode()) == lengths_by_regex(text.encode())


def counted(texts):
    """`count_pieces` through the kernel, whatever the size."""
    arrays = PieceCounts(capacity=1)
    for text in texts:
        for story in split_stories(text):
            arrays.add(story.encode(), bounds_of([len(story.encode())]))
    return arrays


@reproducible
@given(st.lists(awkward, max_size=6))
def test_counts(texts):
    """Also that the table grows: it starts with room for one piece."""
    assert counted(texts).as_counter() == count_pieces(texts)


def test_long_texts_go_through_the_kernel(monkeypatch):
    monkeypatch.setattr(count_module, "COMPILE_FROM", 100)
    monkeypatch.setattr(count_module, "BLOCK", 60)
    texts = ["one fish two fish " * 9, "red fish<|endoftext|>blue fish", "fish\n" * 40]
    found = count_pieces(texts)
    assert isinstance(found, PieceCounts)
    pieces = chain.from_iterable(
        pretokenize(story) for text in texts for story in split_stories(text)
    )
    assert found.as_counter() == Counter(piece.encode() for piece in pieces)
    assert isinstance(count_pieces(texts, r"\w+"), Counter)  # no kernel has another pattern


few_bytes = st.text("ab ", max_size=14) | st.text("abc", max_size=14)


@reproducible
@given(st.lists(few_bytes, max_size=12), st.integers(0, 60))
def test_learning(texts, n_merges):
    arrays = counted(texts)
    assert train.train_compiled(arrays, n_merges) == train.train(arrays.as_counter(), n_merges)


@pytest.mark.slow
def test_learning_makes_room():
    """Random words and one giant word: pairs, chains and tables outgrow what they start with."""
    rng = random.Random(0)
    words = [
        "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randrange(2, 9)))
        for _ in range(6000)
    ]
    for texts in ([" ".join(words)], ["".join(words)], ["a" * 3001], ["ab" * 1500 + "a"]):
        arrays = counted(texts)
        merges = train.train_compiled(arrays, 3000)
        assert merges == train.train(arrays.as_counter(), 3000)
        assert len(set(merges)) == len(merges)


def test_learning_reports_and_can_be_stopped(monkeypatch):
    calls = []
    arrays = counted(["some text to learn from"])
    n = len(train.train_compiled(arrays, 500, lambda *call: calls.append(call)))
    assert calls[-1] == (n, 500)

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.train_compiled(arrays, 500, interrupt)


def test_a_failure_in_the_thread_is_not_lost(monkeypatch):
    def fail(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(kernels, "learn", fail)
    with pytest.raises(MemoryError, match="no room"):
        train.train_compiled(counted(["text"]), 3)


SOME_MERGES = tuple(
    train.train(count_pieces(["a ab abc aabb sSs 's é日 1 11 111 \n\n!! " * 3, "aaaa aaa"]), 40)
)


@reproducible
@given(st.lists(awkward | few_bytes, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_encoding(texts, rng):
    parts = [text.encode() for text in texts]
    behind = [rng.choice([-1, 300]) for _ in parts]
    ours, ends = CompiledEncoder(SOME_MERGES).encode(parts, behind)
    theirs, their_ends = PieceEncoder(SOME_MERGES, PATTERN, {}).encode(parts, behind)
    assert ours.tolist() == theirs.tolist()
    assert ends.tolist() == their_ends.tolist()


@reproducible
@given(broken_text)
def test_encoding_any_bytes(data):
    ours = CompiledEncoder(SOME_MERGES).encode([data], [-1])[0]
    assert ours.tolist() == PieceEncoder(SOME_MERGES, PATTERN, {}).encode([data], [-1])[0].tolist()


@pytest.mark.parametrize("kept", ["_KEPT_PIECES", "_KEPT_BYTES", "_KEPT_TOKENS"])
def test_a_store_that_is_always_full_changes_nothing(monkeypatch, kept):
    parts = [("ab abc " + "a" * n + " sS's\n").encode() for n in range(80)]
    wanted = PieceEncoder(SOME_MERGES, PATTERN, {}).encode(parts, [-1] * 80)[0]
    monkeypatch.setattr(compiled_module, kept, 128)
    encoder = CompiledEncoder(SOME_MERGES)
    for _ in range(2):
        assert encoder.encode(parts, [-1] * 80)[0].tolist() == wanted.tolist()


def test_decoding():
    tokens = [b"", b"a", b"bc", b"0123456789abcdef", b"0123456789abcdefX", b"y" * 100]
    decoder = CompiledDecoder(tokens)
    rng = random.Random(0)
    for _ in range(50):
        ids = rng.choices(range(len(tokens)), k=rng.randrange(9))
        assert bytes(decoder.decode(np.array(ids, np.uint32))) == b"".join(tokens[i] for i in ids)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_and_blocks_change_nothing(monkeypatch, threads):
    monkeypatch.setattr("tokenizer.batching.BLOCK", 50)
    tok = Tokenizer(SOME_MERGES)
    texts = ["ab abc\naab " * n + "<|endoftext|>" + "sS's " * n for n in range(30)] + [""]
    for special in ("text", "special"):
        wanted = [tok.encode(text, special=special) for text in texts]
        assert tok.encode_batch(texts, special=special, threads=threads) == wanted
        ids, ends = tok.encode_ragged(iter(texts), special=special, threads=threads)
        assert ids.tolist() == list(chain.from_iterable(wanted))
        assert np.diff(ends, prepend=0).tolist() == [len(ids) for ids in wanted]


def real_text(name):
    folder = os.environ.get("TINYLLAMA_REAL_TEXT")
    if not folder:
        pytest.skip("TINYLLAMA_REAL_TEXT does not name the folder of train.txt and valid.txt")
    return (Path(folder) / name).read_bytes()


@pytest.mark.slow
def test_real_text():
    """All of it: pieces, counts, merges and tokens."""
    data, valid = real_text("train.txt"), real_text("valid.txt")
    assert lengths(data) == lengths_by_regex(data)
    arrays = count_pieces([data.decode()])
    assert isinstance(arrays, PieceCounts)
    merges = train.train(arrays.as_counter(), 4096 - 257)
    assert train.train_compiled(arrays, 4096 - 257) == merges
    ours = CompiledEncoder(merges).encode([valid], [-1])[0]
    theirs = PieceEncoder(merges, PATTERN, {}).encode([valid], [-1])[0]
    assert np.array_equal(ours, theirs)


@pytest.mark.slow
def test_kernels_work_where_nothing_compiled_can_be_kept(tmp_path):
    """No home, and a package folder that cannot be written to: a container, a cluster."""
    package = Path(kernels.__file__).parent
    shutil.copytree(package, tmp_path / "tokenizer", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tokenizer" / "__pycache__").write_text("a file in the way", encoding="utf-8")
    nowhere = str(tmp_path / "tokenizer" / "__pycache__" / "home")
    hidden = ("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES", "PYTHONPATH")
    environment = {name: text for name, text in os.environ.items() if name not in hidden}
    environment |= dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"), nowhere)
    code = (
        "import numpy as np; from tokenizer import kernels; "
        "print(kernels.__file__, kernels.enlarged(np.arange(3), 4)[:3])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "tokenizer" / "kernels.py"), "[0", "1", "2]"]
