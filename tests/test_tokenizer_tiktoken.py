"""Files of ranks: what is written gives tiktoken's ids, and what tiktoken wrote is read alike."""

import base64
import os
import random
import sys
import types
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tokenizer_json import SAMPLE

from tokenizer import END_OF_TEXT, Tokenizer
from tokenizer.pretokenize import PATTERN
from tokenizer.tiktoken_ranks import merges_of, read_ranks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the imported library's own imports
    tiktoken = pytest.importorskip("tiktoken")
    from tiktoken._educational import bpe_train
    from tiktoken.load import dump_tiktoken_bpe, load_tiktoken_bpe

reproducible = settings(derandomize=True, deadline=None, max_examples=200)
SPECIALS = {END_OF_TEXT: 2000, "<|start|>": 1999}
# cl100k's as tiktoken has it, which Hugging Face's engine would read differently
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
TEXTS = [SAMPLE, SAMPLE.upper(), f"{SAMPLE}{END_OF_TEXT}<|start|>{SAMPLE}", "", "a" * 600, " " * 99]


def encoding(ranks, pattern, specials):
    return tiktoken.Encoding(
        "test", pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials
    )


def assert_same(tok, theirs, texts=TEXTS):
    for text in texts:
        ids = theirs.encode(text, allowed_special="all")
        assert tok.encode(text, special="special") == ids
        assert tok.decode(ids) == theirs.decode(ids) == text
        assert tok.encode(text) == theirs.encode_ordinary(text)
        assert tok.encode_bytes(text.encode()) == tok.encode(text)


@pytest.fixture(scope="module")
def ranks():
    """By tiktoken's own trainer, which nobody calls fast."""
    return bpe_train(SAMPLE + SAMPLE.lower(), 420, PATTERN, visualise=None)


def test_our_ranks_out(tmp_path):
    tok = Tokenizer.train([SAMPLE, SAMPLE.lower()], vocab_size=420)
    path = tmp_path / "ours.tiktoken"
    tok.save_tiktoken(path)
    loaded = load_tiktoken_bpe(str(path))
    assert list(loaded.values()) == list(range(419))
    assert_same(tok, encoding(loaded, PATTERN, {END_OF_TEXT: tok.end_of_text}), TEXTS[:2])
    assert Tokenizer.load_tiktoken(path, special_tokens={END_OF_TEXT: 419}) == tok
    assert [entry.name for entry in tmp_path.iterdir()] == ["ours.tiktoken"]


def test_rustbpe_learns_the_same_ranks():
    rustbpe = pytest.importorskip("rustbpe")
    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(iter([SAMPLE, SAMPLE.lower()]), 300, pattern=PATTERN)
    ranks = {bytes(token): rank for token, rank in trainer.get_mergeable_ranks()}
    assert len(merges_of([token for token in ranks if len(token) > 1])) == len(ranks) - 256


def changed(ranks, how):
    """Ranks as files of others have them: bytes in another order, ids left out."""
    rng = random.Random(0)
    if how == "permuted bytes":  # as GPT-2's
        order = [*range(256)]
        rng.shuffle(order)
        return {t: order[i] if i < 256 else i for t, i in ranks.items()}
    if how == "gaps":
        return {t: 3 * i + 7 for t, i in ranks.items()}
    if how == "bytes last":
        return {t: i + 1000 if i < 256 else i - 200 for t, i in ranks.items()}
    return dict(ranks)


@pytest.mark.parametrize("pattern", [PATTERN, CL100K], ids=["ours", "cl100k"])
@pytest.mark.parametrize("how", ["as they are", "permuted bytes", "gaps", "bytes last"])
def test_their_ranks_in(tmp_path, monkeypatch, ranks, how, pattern):
    # tiktoken writes through this package, which opens remote files as well
    monkeypatch.setitem(sys.modules, "blobfile", types.SimpleNamespace(BlobFile=open))
    theirs = changed(ranks, how)
    path = tmp_path / "theirs.tiktoken"
    dump_tiktoken_bpe(theirs, str(path))
    tok = Tokenizer.load_tiktoken(path, pattern=pattern, special_tokens=SPECIALS)
    assert tok.special_ids == SPECIALS
    assert tok.vocab_size == 2001
    assert_same(tok, encoding(theirs, pattern, SPECIALS))
    for token, rank in theirs.items():
        assert tok.token_bytes(rank) == token
    tok.save_tiktoken(tmp_path / "again.tiktoken")
    assert load_tiktoken_bpe(str(tmp_path / "again.tiktoken")) == theirs
    if pattern == PATTERN:  # the other format, ids and all
        tok.save(tmp_path / "tokenizer.json")
        assert Tokenizer.load(tmp_path / "tokenizer.json") == tok


def test_text_that_the_pattern_leaves_out_is_kept(tmp_path, ranks):
    path = tmp_path / "ranks"
    path.write_bytes(written(ranks))
    tok = Tokenizer.load_tiktoken(path, pattern=r"\p{L}+")
    theirs = encoding(ranks, r"\p{L}+", {})
    assert theirs.decode(theirs.encode_ordinary("ab, cd!")) == "abcd"
    assert tok.decode(tok.encode("ab, cd!")) == "ab, cd!"
    assert tok.encode("abcd") == theirs.encode_ordinary("abcd")


@pytest.fixture(scope="module")
def permuted(ranks):
    return Tokenizer(*_parts(changed(ranks, "permuted bytes")))


@reproducible
@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_any_bytes_round_trip(permuted, data):
    assert permuted.decode_bytes(permuted.encode_bytes(data)) == data


def _parts(ranks):
    merges, ids = read_ranks(written(ranks))
    return merges, (), PATTERN, ids


def written(ranks):
    return b"".join(base64.b64encode(t) + b" %d\n" % rank for t, rank in ranks.items())


def test_lines_may_stand_in_any_order_and_end_in_any_way(ranks):
    lines = written(ranks).splitlines()
    random.Random(0).shuffle(lines)
    assert read_ranks(b"\r\n".join(lines)) == read_ranks(b"\n\n".join(lines)) == _parts(ranks)[::3]


def test_order_that_ranks_cannot_say_is_refused(tmp_path):
    tok = Tokenizer(((97, 98), (99, 100)), (), PATTERN, (*range(256), 300, 299))
    with pytest.raises(ValueError, match=r"do not rise .* save a tokenizer\.json instead"):
        tok.save_tiktoken(tmp_path / "ranks")
    assert not list(tmp_path.iterdir())


BYTES = {bytes([i]): i for i in range(256)}


def lines(more, without=None):
    return written({t: i for t, i in BYTES.items() if t != without} | more)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "256 of the 256 bytes are no token, the first is 0x00"),
        (b"\n \n", "256 of the 256 bytes"),
        (lines({}, b"a"), "1 of the 256 bytes are no token, the first is 0x61"),
        (lines({}) + b"YQ== 300", r"line 257: token b'a' is there twice"),
        (lines({b"ab": 97}), "rank 97 is there twice"),
        (lines({b"abc": 256}), r"token b'abc' is not made by merging two .*\(they leave 3\)"),
        (lines({b"abc": 256, b"ab": 257}), r"b'abc' is not made by merging two"),
        (lines({b"ab": 256, b"bc": 257, b"abcd": 258}), r"\(they leave 3\)"),
        (lines({}) + b"YWI 256", r"line 257 is b'YWI 256'; expected a token in base64"),
        (lines({}) + b"YW!I 256", "line 257 is"),
        (lines({}) + b"YWI= -1", "line 257 is"),
        (lines({}) + b"YWI= +256", "line 257 is"),
        (lines({}) + b"YWI= 2_56", "line 257 is"),
        (lines({}) + b"YWI= 1.5", "line 257 is"),
        (lines({}) + b"YWI= NaN", "line 257 is"),
        (lines({}) + b"YWI= ", "line 257 is"),
        (lines({}) + b"YWI= 256 7", "line 257 is"),
        (lines({}) + b"YWI= " + b"9" * 5000, "line 257 is"),
        (lines({b"ab": 1 << 24}), "id 16777216 must be from 0 to 16777215"),
        (lines({b"ab": 2000}), "id 2000 stands for two tokens"),
        (b"\x00\xff\xfe" * 1000, "line 1 is"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "line 1 is"),
        (b"x" * 10**6, "line 1 is"),
        (b'{"model": {"type": "BPE"}}', "line 1 is"),
    ],
)
def test_file_that_is_no_table_of_ranks_is_refused(tmp_path, data, message):
    path = tmp_path / "bad.tiktoken"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        Tokenizer.load_tiktoken(path, special_tokens=SPECIALS)
    assert "bad.tiktoken" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_bad_special_tokens_and_patterns_are_refused(tmp_path, ranks):
    path = tmp_path / "ranks"
    path.write_bytes(written(ranks))
    for arguments, message in (
        ({"special_tokens": {"": 500}}, "must be a str that is not empty"),
        ({"special_tokens": {"<s>": -1}}, "id -1 must be from 0"),
        ({"special_tokens": {"<s>": 97}}, "id 97 stands for two tokens"),
        ({"special_tokens": {"<s>": 1.5}}, "ids must be whole numbers"),
        ({"special_tokens": {"a": 500}}, "special token 'a' is spelled like the ordinary token"),
        ({"pattern": "a*"}, "matches the empty text"),
        ({"pattern": "("}, "is no regular expression"),
    ):
        with pytest.raises(ValueError, match=message):
            Tokenizer.load_tiktoken(path, **arguments)


def test_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    path = tmp_path / "ranks"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        Tokenizer(()).save_tiktoken(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ranks"]
    assert path.read_bytes() == b"old"
