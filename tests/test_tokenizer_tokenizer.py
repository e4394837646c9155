"""The public class: round trips, special tokens, arrays, saving, errors."""

import doctest
import hashlib
import importlib
import os
import pickle
import pkgutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizer
import tokenizer.encode as encode_module
import tokenizer.tokenizer as tokenizer_module
from tokenizer import END_OF_TEXT, Tokenizer

STORIES = [
    "The fox said, \"I'll find 12 eggs.\" It didn't; the hen hid them.\n\nThe hen laughed.",
    "The hen and the fox had tea. They said the tea was the best tea.",
    "Ein Fuchs läuft über die Brücke. 日本の狐 \U0001f98a",
]
reproducible = settings(derandomize=True, deadline=None, max_examples=200)


@pytest.fixture(scope="module")
def tok():
    return Tokenizer.train(STORIES, vocab_size=320)


def test_worked_example_of_the_documentation():
    tok = Tokenizer.train(["low lower lowest"], vocab_size=264)
    assert [tok.token_bytes(i).decode() for i in range(256, 264)] == [
        "lo",
        "low",
        " low",
        " lowe",
        "st",
        " lower",
        " lowest",
        "<|endoftext|>",
    ]
    assert tok.encode("slower lowest") == [115, 257, 101, 114, 262]
    assert tok.decode([115, 257, 101, 114, 262]) == "slower lowest"


def test_ids_are_bytes_then_merges_then_end_of_text(tok):
    assert tok.vocab_size == 320
    assert tok.end_of_text == 319
    assert [tok.token_bytes(i) for i in range(256)] == [bytes([i]) for i in range(256)]
    for new_id, (left, right) in enumerate(tok.merges, start=256):
        assert tok.token_bytes(new_id) == tok.token_bytes(left) + tok.token_bytes(right)
    assert tok.token_bytes(319) == b"<|endoftext|>"


def test_byte_lengths_leave_out_the_special_token(tok):
    lengths = tok.token_byte_lengths()
    assert lengths.dtype == np.int64
    assert lengths.shape == (320,)
    assert lengths[tok.end_of_text] == 0
    text = END_OF_TEXT.join(STORIES)
    ids = tok.encode(text, special="special")
    assert lengths[ids].sum() == sum(len(story.encode()) for story in STORIES)


@reproducible
@given(text=st.text())
def test_text_round_trip(tok, text):
    assert tok.decode(tok.encode(text)) == text


@reproducible
@given(data=st.binary() | st.text().map(str.encode))
def test_bytes_round_trip(tok, data):
    ids = tok.encode_bytes(data)
    assert tok.decode_bytes(ids) == data
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    assert ids == tok.encode(text)


def test_stray_byte_is_cut_like_a_punctuation_mark(tok):
    with_mark = tok.encode("then!then")  # "!" is part of no merge
    assert len(with_mark) < 9
    assert tok.encode_bytes(b"then\xffthen") == [255 if i == ord("!") else i for i in with_mark]


@reproducible
@given(ids=st.lists(st.integers(0, 319)))
def test_any_ids_can_be_decoded(tok, ids):
    assert tok.decode_bytes(ids) == b"".join(tok.token_bytes(i) for i in ids)
    assert tok.decode(np.array(ids, dtype=np.int64)) == tok.decode(ids)


def test_half_a_character_decodes_to_the_replacement_character(tok):
    assert tok.decode(["é".encode()[0]]) == "\ufffd"


def test_end_of_text_inside_a_text(tok):
    text = f"the{END_OF_TEXT}hen"
    ids = tok.encode(text)
    assert tok.end_of_text not in ids
    assert tok.decode(ids) == text
    parts = [tok.encode("the"), tok.encode("hen")]
    assert tok.encode(text, special="special") == [*parts[0], tok.end_of_text, *parts[1]]
    with pytest.raises(ValueError, match=r"special token <\|endoftext\|> at character 3"):
        tok.encode(text, special="refuse")
    assert tok.encode("the", special="refuse") == parts[0]
    with pytest.raises(ValueError, match="special='maybe'"):
        tok.encode(text, special="maybe")


def test_array_is_the_list_and_belongs_to_the_caller(tok):
    array = tok.encode_array(STORIES[0])
    assert array.dtype == np.uint16
    assert array.tolist() == tok.encode(STORIES[0])
    array[:] = 0
    assert tok.encode_array(STORIES[0]).any()
    assert tok.encode_array("").shape == (0,)


def test_what_was_encoded_before_does_not_matter(monkeypatch, tok):
    """A store of two pieces, cleared all the time, gives what a full one gives."""
    wanted = [tok.encode(story) for story in STORIES]
    monkeypatch.setattr(encode_module, "_KEPT_PIECES", 2)
    small = Tokenizer(tok.merges)
    monkeypatch.setattr(tokenizer_module, "_kernels_loaded", lambda: False)
    assert [small.encode(story) for story in STORIES] == wanted
    assert len(small._piece_encoder) <= 2
    giant = "x" * 1000
    assert small.encode(giant) == tok.encode(giant)
    assert giant not in small._piece_encoder


def test_merges_do_not_depend_on_the_order_of_texts_and_never_cross_them(tok):
    assert Tokenizer.train(reversed(STORIES), 320) == tok
    assert Tokenizer.train([END_OF_TEXT.join(STORIES)], 320) == tok
    assert Tokenizer.train(iter(STORIES), 320).sha256 == tok.sha256
    assert Tokenizer.train(STORIES, 319).merges == tok.merges[:-1]


def test_smallest_vocabulary_has_no_merges():
    tok = Tokenizer.train(["the the"], vocab_size=257)
    assert tok.merges == ()
    assert tok.encode("the") == [116, 104, 101]
    assert tok.end_of_text == 256


def test_too_little_text_is_a_warning_and_a_smaller_vocabulary():
    with pytest.warns(UserWarning, match=r"vocab_size=300 needs 43 merges.* for 2 only.* 259 tok"):
        tok = Tokenizer.train(["aab"], vocab_size=300)
    assert tok.vocab_size == 259
    assert tok.end_of_text == 258
    assert tok.decode([258]) == END_OF_TEXT


@pytest.mark.parametrize(
    ("texts", "vocab_size", "message"),
    [
        (["a"], 256, r"vocab_size=256 must be from 257 .* to 16777216"),
        (["a"], 16777217, r"vocab_size=16777217 must be"),
        ([], 300, r"no text to train on"),
        (["", END_OF_TEXT], 300, r"no text to train on"),
        ("abc", 300, r"write \[text\]"),
        (["\udcff"], 300, r"lone surrogate"),
    ],
)
def test_bad_training_input_is_refused(texts, vocab_size, message):
    with pytest.raises(ValueError, match=message):
        Tokenizer.train(texts, vocab_size)


@pytest.mark.parametrize("ids", [[-1], [320], [5, 1000, 5]])
def test_unknown_id_is_refused(tok, ids):
    wrong = max(ids) if max(ids) > 5 else -1
    with pytest.raises(ValueError, match=f"token id {wrong} must be a whole number from 0 to 319"):
        tok.decode(ids)


@pytest.mark.parametrize(("text", "told"), [(b"ab", "bytes.*encode_bytes"), (None, "NoneType")])
def test_what_is_no_text_is_named(tok, text, told):
    with pytest.raises(TypeError, match=told):
        tok.encode(text)


def test_lone_surrogate_is_refused(tok):
    with pytest.raises(ValueError, match=r"lone surrogate '\\udc80'"):
        tok.encode("a\udc80")


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        ([(97, 257)], r"merge 0 is \(97, 257\); it makes token 256"),
        ([(-1, 97)], r"merge 0 is \(-1, 97\)"),
        ([(97, 98), (97, 98)], r"makes b'ab', which is token 256 already"),
        ([(97, 98), (98, 99), (256, 99), (97, 257)], r"b'abc', which is token 258 already"),
    ],
)
def test_impossible_merges_are_refused(merges, message):
    with pytest.raises(ValueError, match=message):
        Tokenizer(tuple(merges))


def test_save_and_load_give_the_same_tokenizer_and_bytes(tok, tmp_path):
    path = tmp_path / "tokenizer.json"
    tok.save(path)
    loaded = Tokenizer.load(path)
    assert loaded == tok
    assert loaded.to_json() == tok.to_json()
    assert path.read_bytes() == tok.to_json().encode()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == tok.sha256
    loaded.save(str(path))  # replaces
    assert [entry.name for entry in tmp_path.iterdir()] == ["tokenizer.json"]


def test_interrupted_save_leaves_the_old_file(tok, tmp_path, monkeypatch):
    path = tmp_path / "tokenizer.json"
    path.write_text("old", encoding="utf-8")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        tok.save(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["tokenizer.json"]
    assert path.read_text(encoding="utf-8") == "old"


def test_can_be_sent_to_another_process(tok):
    tok.encode(STORIES[0])
    received = pickle.loads(pickle.dumps(tok))
    assert received == tok
    assert received.encode(STORIES[1]) == tok.encode(STORIES[1])


def test_repr_is_short(tok):
    assert repr(tok) == f"<Tokenizer of 320 tokens, sha256 {tok.sha256[:12]}>"


def test_examples_in_docstrings():
    names = [m.name for m in pkgutil.iter_modules(tokenizer.__path__) if m.name != "__main__"]
    results = [doctest.testmod(importlib.import_module(f"tokenizer.{name}")) for name in names]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) >= 4


def real_text(name):
    folder = os.environ.get("TINYLLAMA_REAL_TEXT")
    if not folder:
        pytest.skip("TINYLLAMA_REAL_TEXT does not name the folder of train.txt and valid.txt")
    return (Path(folder) / name).read_bytes().decode()


def test_real_text_round_trip_and_compression():
    train, valid = real_text("train.txt")[:2_000_000], real_text("valid.txt")[:500_000]
    tok = Tokenizer.train([train], vocab_size=4096)
    assert tok.end_of_text == 4095
    ids = tok.encode(valid, special="special")
    assert tok.decode(ids) == valid
    assert ids.count(tok.end_of_text) == valid.count(END_OF_TEXT)
    assert 3.8 < len(valid.encode()) / len(ids) < 4.3  # bytes a token
