"""Bad input gives a ValueError of one line; texts made to be difficult give the right tokens."""

import json
import random
import tracemalloc
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tokenizer_json import SAMPLE

from tokenizer import END_OF_TEXT, Tokenizer, count, encode, huggingface_tokenizer_config, train
from tokenizer.count import PieceCounts, bounds_of
from tokenizer.pretokenize import PATTERN, pretokenize, split_stories
from tokenizer.tiktoken_ranks import read_ranks, write_ranks
from tokenizer.tokenizer_json import read_tokenizer_json
from tokenizer.train_naive import train_naive
from tokenizer.vocabulary import Vocabulary

pytestmark = pytest.mark.slow

reproducible = settings(derandomize=True, deadline=None, max_examples=150)


@pytest.fixture(scope="module")
def tok():
    return Tokenizer.train([SAMPLE, SAMPLE.lower()], vocab_size=400)


@pytest.fixture
def python_only(monkeypatch):
    monkeypatch.setattr("tokenizer.tokenizer._kernels_loaded", lambda: False)


# ---------------------------------------------------------------- difficult texts


def distinct_letters(n):
    """Letters that are all different, as far as there are so many."""
    letters = [c for c in map(chr, range(0x4E00, 0x9FA6))] + [
        chr(c) for c in range(0x20000, 0x2A6D0)
    ]
    return "".join((letters * (n // len(letters) + 1))[:n])


DIFFICULT = {
    "run": "a" * 3000,
    "runs": " ".join("a" * n for n in range(60)),
    "alternating": "ab" * 1500 + "a",
    "one giant word": "".join(random.Random(0).choices("abcdef", k=3000)),
    "no repeated pair": "".join(map(chr, range(33, 127))),
    "few words": "to be or not to be",
    "one character": "a",
    "all bytes of UTF-8": "".join(map(chr, [*range(0x250), *range(0x800, 0xD800, 97), 0x10FFFF])),
    "distinct letters": distinct_letters(600),
    "white space": " " * 1000 + "\n" * 500 + "\t \n" * 300 + "\u2003" * 100 + "x",
    "NULs": "\0" * 500 + "a\0" * 200,
    "marks": f"{END_OF_TEXT}\n" * 30 + "<|endoftext|" * 9,
}


def compiled_counts(texts):
    arrays = PieceCounts(capacity=1)
    for story in (story for text in texts for story in split_stories(text)):
        arrays.add(story.encode(), bounds_of([len(story.encode())]))
    return arrays


@pytest.mark.parametrize("name", DIFFICULT)
def test_three_trainers_agree_and_both_encoders_round_trip(name, monkeypatch):
    text = DIFFICULT[name]
    pieces = [piece.encode() for story in split_stories(text) for piece in pretokenize(story)]
    wanted = train_naive(pieces, 40)
    arrays = compiled_counts([text])
    assert arrays.as_counter() == Counter(pieces)
    assert train.train(Counter(pieces), 40) == wanted
    assert train.train_compiled(arrays, 40) == wanted
    tok = Tokenizer(tuple(wanted))
    compiled_ids = tok.encode(text)
    assert tok.decode(compiled_ids) == text
    monkeypatch.setattr("tokenizer.tokenizer._kernels_loaded", lambda: False)
    assert tok.encode(text) == compiled_ids
    assert tok.decode(compiled_ids) == text
    for merges_cut in (wanted[: len(wanted) // 2], []):
        half = Tokenizer(tuple(merges_cut))
        assert half.decode(half.encode(text)) == text


@pytest.mark.parametrize("name", ["few words", "no repeated pair", "one character", "run"])
def test_fewer_pairs_than_asked_for_is_a_warning(name):
    text = DIFFICULT[name]
    merges = train_naive([piece.encode() for piece in pretokenize(text)], 5000)
    if not merges:
        merges = []
    with pytest.warns(UserWarning, match=rf"5000 needs 4743 merges.*{len(merges)} only") as caught:
        tok = Tokenizer.train([text], 5000)
    assert len(caught) == 1
    assert tok.merges == tuple(merges)
    assert tok.vocab_size == 257 + len(merges) == tok.end_of_text + 1


class Counting(dict):
    """A dict that counts how often it is asked."""

    asked = 0

    def __contains__(self, key):
        Counting.asked += 1
        return super().__contains__(key)

    def get(self, key, default=None):
        Counting.asked += 1
        return super().get(key, default)


@pytest.mark.parametrize("name", ["run", "alternating", "one giant word", "distinct letters"])
def test_encoding_a_giant_piece_takes_no_quadratic_work(name):
    """The work is counted, not timed: look-ups of pairs for a piece of n bytes."""
    short = DIFFICULT[name].encode()
    merges = train.train({short: 1}, 40)
    merged_id = Counting({pair: rank for rank, pair in enumerate(merges, start=256)})
    for piece in (short, short * 8):
        Counting.asked = 0
        encode.encode_piece(piece, merged_id)
        assert Counting.asked <= 6 * len(piece)


@pytest.mark.parametrize("threads", [1, 2])
def test_very_long_pieces_go_through(threads):
    """10^5 distinct letters in a word, a million spaces, half a million NULs."""
    tok = Tokenizer.train(["a b  c   d\0\0\0" * 3 + distinct_letters(50)], 290)
    texts = [distinct_letters(100_000), " " * 1_000_000, "\0" * 500_000, "a" * 500_000]
    for text, ids in zip(texts, tok.encode_batch(texts, threads=threads), strict=True):
        assert tok.decode(ids) == text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:vocab_size")
def test_very_long_words_can_be_learnt_from():
    for text in (distinct_letters(100_000), " " * 300_000, "a" * 300_000):
        arrays = compiled_counts([text])
        merges = train.train_compiled(arrays, 30)
        assert merges == train.train(arrays.as_counter(), 30)
        tok = Tokenizer(tuple(merges))
        assert tok.decode(tok.encode(text)) == text


@reproducible
@given(st.binary(max_size=80) | st.text(max_size=40).map(str.encode))
def test_any_bytes_round_trip_by_both_encoders(tok, data):
    from tokenizer.compiled import CompiledDecoder, CompiledEncoder
    from tokenizer.encode import PieceEncoder

    compiled, _ = CompiledEncoder(tok.merges).encode([data], [-1])
    plain, _ = PieceEncoder(tok.merges, PATTERN, {}).encode([data], [-1])
    assert compiled.tolist() == plain.tolist() == tok.encode_bytes(data)
    assert bytes(CompiledDecoder(tok.tokens_by_rank).decode(compiled)) == data


def test_encoding_is_a_function_of_the_text_alone(tok, monkeypatch):
    """Whatever was encoded before, in whatever thread, with a store that is full or empty."""
    rng = random.Random(0)
    words = SAMPLE.split(" ")
    texts = [" ".join(rng.choices(words, k=rng.randrange(30))) for _ in range(200)]
    wanted = {text: Tokenizer(tok.merges).encode(text) for text in texts}
    monkeypatch.setattr("tokenizer.compiled._KEPT_PIECES", 128)
    small = Tokenizer(tok.merges)
    for encoder in (tok, small):
        shuffled = rng.sample(texts, len(texts))
        with ThreadPoolExecutor(4) as pool:
            for text, ids in zip(shuffled, pool.map(encoder.encode, shuffled), strict=True):
                assert ids == wanted[text]


def test_memory_of_encoding_does_not_grow_with_what_was_encoded(python_only, monkeypatch):
    """The store of pieces forgets; 20,000 different words leave no more than its limit."""
    monkeypatch.setattr(encode, "_KEPT_PIECES", 500)
    tok = Tokenizer(())
    tok.encode(" ".join(map(str, range(20_000))))
    assert len(tok._piece_encoder) <= 500


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocab_size": 256}, "vocab_size=256 must be from 257"),
        ({"vocab_size": 0}, "vocab_size=0 must be from 257"),
        ({"vocab_size": -5}, "vocab_size=-5 must be from 257"),
        ({"vocab_size": (1 << 24) + 1}, "to 16777216"),
        ({"vocab_size": 300.0}, "vocab_size must be whole numbers: 'float'"),
        ({"vocab_size": "300"}, "vocab_size must be whole numbers: 'str'"),
        ({"vocab_size": float("nan")}, "vocab_size must be whole numbers"),
        (
            {"vocab_size": 258, "special_tokens": ["<a>", "<b>", END_OF_TEXT]},
            r"vocab_size=258 must be from 259 \(the 256 bytes and 3 special tokens\)",
        ),
        ({"special_tokens": []}, "must end with '<|endoftext|>'".replace("|", r"\|")),
        ({"special_tokens": [END_OF_TEXT, "<a>"]}, "must end with"),
        ({"special_tokens": ["<a>", "<a>", END_OF_TEXT]}, "'<a>' is there twice"),
        ({"special_tokens": ["", END_OF_TEXT]}, "'' must be a str that is not empty"),
        ({"special_tokens": [b"<a>", END_OF_TEXT]}, "must be a str"),
        ({"special_tokens": ["\ud800", END_OF_TEXT]}, "holds a lone surrogate"),
        ({"special_tokens": ["a", END_OF_TEXT]}, "'a' is spelled like the ordinary token b'a'"),
        ({"special_tokens": END_OF_TEXT}, "is one str; write a list of str"),
        ({"pattern": "a*"}, r"pattern 'a\*' matches the empty text"),
        ({"pattern": ""}, "matches the empty text"),
        ({"pattern": "(a"}, "is no regular expression: missing"),
        ({"pattern": "(" * 3000 + ")" * 3000}, r"pattern '\(+\.\.\. is no regular expression"),
        ({"pattern": None}, "pattern None is no regular expression"),
        ({"texts": [""]}, "no text to train on"),
        ({"texts": "low"}, r"write \[text\]"),
    ],
)
def test_bad_argument_of_train_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        Tokenizer.train(**{"texts": ["low lower lowest"], "vocab_size": 260} | arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


NOT_IDS = [-1, 400, 1 << 31, 1 << 32, 1 << 70, 1.0, 0.5, float("nan"), True, False, "1", None, b"1"]
NOT_IDS += [[1], np.float64(1), np.bool_(True), np.int64(-1), np.uint64(1 << 40), np.str_("1")]


@pytest.mark.parametrize("wrong", NOT_IDS, ids=repr)
@pytest.mark.parametrize("compiled", [True, False])
def test_what_is_no_id_is_refused(tok, monkeypatch, wrong, compiled):
    monkeypatch.setattr("tokenizer.tokenizer._kernels_loaded", lambda: compiled)
    for ids in ([wrong], (97, wrong, 98), iter([97, wrong])):
        with pytest.raises(ValueError, match=r"^token id .* must be a whole number from 0 to 399$"):
            tok.decode(ids)


@pytest.mark.parametrize("dtype", [np.float64, np.bool_, np.complex128, np.str_, "M8[s]"])
def test_array_that_holds_no_ids_is_refused(tok, dtype):
    with pytest.raises(ValueError, match="must be a whole number from 0 to 399"):
        tok.decode(np.array([1, 0]).astype(dtype))


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "<u2", ">u2", "i4", "u4", "i8", "u8", object])
def test_arrays_of_any_whole_numbers_are_ids(tok, dtype):
    assert tok.decode(np.array([97, 98], dtype=dtype)) == "ab"
    assert tok.decode(np.array([97, 98], dtype=dtype)[::-1]) == "ba"
    assert tok.decode(np.array([], dtype=dtype)) == ""


def test_other_ways_to_give_ids(tok):
    assert tok.decode([0, 1]) == "\0\x01"
    assert tok.decode([np.int64(97), np.uint8(98)]) == "ab"
    assert (
        tok.decode([]) == tok.decode(()) == tok.decode(iter([])) == tok.decode(np.array([])) == ""
    )
    assert tok.decode(range(97, 99)) == "ab"
    with pytest.raises(ValueError, match=r"shape \(1, 2\); expected one dimension"):
        tok.decode(np.array([[97, 98]]))
    with pytest.raises(ValueError, match="token id 400 must be"):
        tok.token_bytes(400)
    with pytest.raises(ValueError, match="token id '9' must be"):
        tok.decode("97")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"merges": [(97.5, 98)]}, "merges must be whole numbers: 'float'"),
        ({"merges": [], "ids": range(256)}, "there are 256 ids for 257 tokens"),
        ({"merges": [], "ids": [*range(256), 255]}, "id 255 stands for two tokens"),
        ({"merges": [], "ids": [*range(256), -1]}, "id -1 must be from 0 to 16777215"),
        ({"merges": [], "ids": [*range(256), 1 << 24]}, "id 16777216 must be"),
        ({"merges": [], "ids": [*range(256), 300.0]}, "ids must be whole numbers"),
    ],
)
def test_impossible_vocabulary_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(**arguments)


def test_vocabulary_above_65536_gives_uint32():
    """Made up: all pairs of 256 bytes, and some more."""
    merges = [(left, right) for left in range(256) for right in range(256)]
    tok = Tokenizer(tuple(merges))
    assert tok.vocab_size == 256 + 65536 + 1
    text = "ab cd" * 30_000  # enough for the kernels
    for array in (tok.encode_array(text), tok.encode_array("ab cd"), tok.encode_array("")):
        assert array.dtype == np.uint32
    assert tok.encode("\x7f\x7f") == [256 + 127 * 257]
    assert tok.decode(tok.encode_array(text)) == text
    assert tok.encode(END_OF_TEXT, special="special") == [65792]
    at_most = Tokenizer(tuple(merges[: 65536 - 257]))
    assert at_most.vocab_size == 65536
    assert at_most.encode_array("ab").dtype == np.uint16
    assert at_most.encode_array(END_OF_TEXT, special="special").tolist() == [65535]


def test_config_names_special_tokens_that_are_there():
    merges, ids = (), (*range(1, 257), 0, 300)
    foreign = Tokenizer(merges, ("<s>", "</s>"), ids=ids)
    with pytest.raises(ValueError, match=r"eos_token='<\|endoftext\|>' must be one of .*<s>, </s>"):
        huggingface_tokenizer_config(foreign, 8)
    with pytest.raises(ValueError, match="bos_token='<x>' must be one of"):
        huggingface_tokenizer_config(foreign, 8, bos_token="<x>", eos_token="</s>")
    config = huggingface_tokenizer_config(foreign, 8, bos_token="<s>", eos_token="</s>")
    assert (config["bos_token"], config["eos_token"]) == ("<s>", "</s>")
    named = {number: token["content"] for number, token in config["added_tokens_decoder"].items()}
    assert named == {"0": "<s>", "300": "</s>"}
    assert huggingface_tokenizer_config(foreign, 8, eos_token="</s>")["bos_token"] == "</s>"
    with pytest.raises(ValueError, match="special tokens, of which it has none"):
        huggingface_tokenizer_config(Tokenizer((), ()), 8)


# ---------------------------------------------------------------- damaged files


def small_files():
    """A `tokenizer.json` and a table of ranks, short so that damage hits all parts of them."""
    tok = Tokenizer(((104, 105), (32, 256)), ("<a>", END_OF_TEXT))
    compact = json.dumps(json.loads(tok.to_json()), ensure_ascii=False)
    return compact.encode(), write_ranks(tok)


def damaged(data, rng):
    """`data` with bytes flipped, cut out, doubled or moved."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        i, n = rng.randrange(len(data)), rng.choice([1, 1, 2, 9, 200])
        j = rng.randrange(len(data))
        kind = rng.randrange(6)
        if kind == 0:
            data[i] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[i] = rng.choice(b'"{}[],:0123456789.-eE\\ntf\x00\xff')
        elif kind == 2:
            del data[i : i + n]
        elif kind == 3:
            data[i:i] = data[j : j + n]
        elif kind == 4:
            data[i : i + n], data[j : j + n] = data[j : j + n], data[i : i + n]
        else:
            del data[i:]
        if not data:
            return b""
    return bytes(data)


VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e300,
    10**30,
    "",
    "a",
    "\ud800",
    "Ġ",
    [],
    [[]],
    {},
    {"a": 1},
]
VALUES += [[1, 2, 3], "(" * 50, "ByteLevel", "BPE", ["a", "b"], {"type": "Sequence"}]


def with_other_values(content, rng):
    """A parsed file in which one or two values are others, or have gone, or come from elsewhere."""

    def places(value, found):
        for key in value if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            if isinstance(value[key], (dict, list)):
                places(value[key], found)
        return found

    content = json.loads(content)
    for _ in range(rng.choice([1, 1, 2])):
        where = places(content, [])
        # half of the time not in the vocab, which is most of the file
        outside = [place for place in where if len(place[0]) < 40]
        parent, key = rng.choice(where if rng.random() < 0.3 or not outside else outside)
        if rng.random() < 0.2:
            del parent[key]
        else:
            source, other = rng.choice(where)
            value = source[other] if source is not parent and rng.random() < 0.2 else None
            new = rng.choice(VALUES) if value is None else value
            parent[key] = json.loads(json.dumps(new))  # a copy
    return json.dumps(content).encode()


def load_or_refuse(read, data):
    """Whether it was refused: by a ValueError of one short line; else the result must work."""
    try:
        vocabulary = read(data)
    except ValueError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert "\n" not in message
        assert len(message) < 500
        return True
    tok = Tokenizer(**vocabulary)
    for special in ("text", "special"):
        assert tok.decode(tok.encode(" hi hi a1\n<a>", special=special)) == " hi hi a1\n<a>"
    return False


def check_json(data):
    return load_or_refuse(lambda d: _checked(read_tokenizer_json(d.decode())), data)


def _checked(parameters):
    Vocabulary(**parameters)
    return parameters


def check_ranks(data):
    def read(data):
        merges, ids = read_ranks(data)
        return _checked({"merges": merges, "special_tokens": (), "ids": ids})

    return load_or_refuse(read, data)


def test_damaged_files_are_refused_or_work():
    rng = random.Random(0)
    good_json, good_ranks = small_files()
    refused = [0, 0, 0]
    for _ in range(1000):
        refused[0] += check_json(damaged(good_json, rng))
        refused[1] += check_json(with_other_values(good_json, rng))
        refused[2] += check_ranks(damaged(good_ranks, rng))
    assert not check_json(good_json)
    assert not check_ranks(good_ranks)
    assert min(refused) > 500
    for end in range(0, len(good_json) - 1, 7):
        assert check_json(good_json[:end])


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 10**7,
        b'{"model":' * 10**6,
        b"\x00" * 10**7,
        b"\xff" * 10**7,
        b"9" * 10**7,
        b'"' + b"x" * 10**7,
        b'{"model": "' + b"x" * 10**7 + b'"}',
        bytes(range(256)) * 40_000,
    ],
    ids=lambda data: repr(data[:12]),
)
def test_ten_megabytes_of_garbage_are_refused(tmp_path, data):
    path = tmp_path / "garbage"
    path.write_bytes(data)
    for read in (Tokenizer.load, Tokenizer.load_tiktoken):
        with pytest.raises(ValueError, match="garbage: ") as caught:
            read(path)
        assert len(str(caught.value)) < 500


@pytest.mark.slow
def test_a_hundred_megabytes_of_garbage_are_refused(tmp_path):
    path = tmp_path / "garbage"
    path.write_bytes(random.Random(0).randbytes(10**6) * 100)
    tracemalloc.start()
    for read in (Tokenizer.load, Tokenizer.load_tiktoken):
        with pytest.raises(ValueError, match="garbage: "):
            read(path)
    assert tracemalloc.get_traced_memory()[1] < 10**9
    tracemalloc.stop()


def big(n=60_000):
    """A vocabulary of many tokens, as the parsed `tokenizer.json`."""
    merges = [(left, right) for left in range(97, 123) for right in range(97, 123)]
    tokens = {pair: 256 + i for i, pair in enumerate(merges)}
    for pair in [*tokens]:
        merges += [(tokens[pair], letter) for letter in range(97, 123)]
    merges = merges[:n]
    return json.loads(Tokenizer(tuple(merges)).to_json())


def test_checks_of_a_large_file_take_no_quadratic_work():
    """Ids, special tokens and merges that are there twice, at the end of many: at once refused."""
    content = big()
    n = len(content["model"]["vocab"])
    many = [dict(content["added_tokens"][0], content=f"<{i}>", id=n + i) for i in range(20_000)]
    content["added_tokens"] += many
    assert read_tokenizer_json(json.dumps(content))["special_tokens"][-1] == "<19999>"
    content["added_tokens"][-1]["content"] = "<19998>"
    with pytest.raises(ValueError, match=r'added_tokens\[20000\]: "<19998>" is there twice'):
        read_tokenizer_json(json.dumps(content))
    ids = [*range(100_000), 99_999]
    with pytest.raises(ValueError, match="id 99999 stands for two tokens"):
        Vocabulary((), tuple(f"<{i}>" for i in range(len(ids) - 256)), ids=tuple(ids))
    with pytest.raises(ValueError, match="'<49999>' is there twice"):
        Vocabulary((), (*(f"<{i}>" for i in range(50_000)), "<49999>"))


def test_loading_warns_of_nothing(tok, tmp_path):
    tok.save(tmp_path / "tokenizer.json")
    tok.save_tiktoken(tmp_path / "ranks")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Tokenizer.load(tmp_path / "tokenizer.json")
        Tokenizer.load_tiktoken(tmp_path / "ranks", special_tokens={END_OF_TEXT: 399})
    assert not caught


def test_count_pieces_has_the_same_threshold_for_all(monkeypatch):
    """Short texts are counted in a dict and long ones by the kernel, with equal results."""
    texts = [*DIFFICULT.values()]
    few = count.count_pieces(texts)
    monkeypatch.setattr(count, "COMPILE_FROM", 1)
    many = count.count_pieces(texts)
    assert isinstance(few, Counter)
    assert isinstance(many, PieceCounts)
    assert many.as_counter() == few
