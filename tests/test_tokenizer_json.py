"""`tokenizer.json` means the same to Hugging Face and tiktoken; other files are refused."""

import json
import unicodedata
import warnings

import pytest

from tokenizer import END_OF_TEXT, Tokenizer, huggingface_tokenizer_config
from tokenizer.pretokenize import PATTERN
from tokenizer.tokenizer_json import read_tokenizer_json

SAMPLE = """\
Mia's cat can't swim, but it'll try! "WE'RE HERE," it's said -- 3 times, 1234567 times...
    four spaces,\ttabs\t\tand  two  spaces ;  a blank line:\n\n\n
trailing space \r\nWindows line\r\n(brackets) [x] {y} <z> a_b c-d e/f 50% $9.99 #1 @me
Čtyři žluté kočky, l'été à Zürich, \u00bfqu\u00e9? \u0416\u0451\u043b\u0442\u044b\u0439 \u043a\u043e\u0442.
日本語のテキスト、한국어 텍스트, \u0939\u093f\u0928\u094d\u0926\u0940, \u0639\u0631\u0628\u064a, 12\u0663\u0664\u0665 \u2167
\U0001f431\U0001f408\u200d\u2b1b e\u0301 \u00a0nbsp\u2003em\u2028line \x00\x1c\x7f\ufeff it\u2019s 'S'Ll'vE \u017f'\u017f
"""  # noqa: E501


@pytest.fixture(scope="module")
def tok():
    return Tokenizer.train([SAMPLE, SAMPLE.lower()], vocab_size=400)


def assert_same(hf, tok, text):
    """Same ids and same text back, with and without the marker in the text."""
    ids = tok.encode(text, special="special")
    assert hf.encode(text).ids == ids
    assert hf.decode(ids, skip_special_tokens=False) == tok.decode(ids) == text


def test_tokenizers_library_gives_the_same_ids(tok, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    tok.save(tmp_path / "tokenizer.json")
    hf = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert hf.get_vocab_size() == tok.vocab_size
    assert hf.token_to_id(END_OF_TEXT) == tok.end_of_text
    for text in [SAMPLE, f"{SAMPLE}{END_OF_TEXT}\n{SAMPLE}", "", "a", " ", "a" * 999, "\n" * 99]:
        assert_same(hf, tok, text)
    for end in range(len(SAMPLE)):
        assert_same(hf, tok, SAMPLE[max(end - 12, 0) : end])


def test_tokenizers_library_splits_every_kind_of_character_alike(tok):
    """Two regex engines, two Unicode tables: compared on what Unicode 3.2 had already."""
    tokenizers = pytest.importorskip("tokenizers")
    hf = tokenizers.Tokenizer.from_str(tok.to_json())
    characters = [
        c for c in map(chr, range(0x3400)) if unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs")
    ]
    assert len(characters) > 8000
    text = "".join(f"a{c}a{c} {c}1{c}'{c}a\n" for c in characters)
    assert hf.encode(text).ids == tok.encode(text)


def test_file_written_by_the_tokenizers_library_is_read(tok):
    tokenizers = pytest.importorskip("tokenizers")
    rewritten = tokenizers.Tokenizer.from_str(tok.to_json()).to_str()
    assert rewritten != tok.to_json()
    assert isinstance(json.loads(rewritten)["model"]["merges"][0], list)  # the other spelling
    assert load(rewritten) == tok


def test_tiktoken_gives_the_same_ids(tok):
    tiktoken = pytest.importorskip("tiktoken")
    encoding = tiktoken.Encoding(
        "ours",
        pat_str=PATTERN,
        mergeable_ranks={tok.token_bytes(i): i for i in range(tok.end_of_text)},
        special_tokens={END_OF_TEXT: tok.end_of_text},
    )
    assert encoding.encode_ordinary(SAMPLE) == tok.encode(SAMPLE)


@pytest.mark.slow  # importing transformers takes seconds
@pytest.mark.parametrize("beside_a_model", [True, False])
def test_auto_tokenizer_gives_the_same_ids_and_adds_none(tok, tmp_path, beside_a_model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the imported library's own imports
        transformers = pytest.importorskip("transformers")
    tok.save(tmp_path / "tokenizer.json")
    files = {"tokenizer_config.json": huggingface_tokenizer_config(tok, model_max_length=100_000)}
    if beside_a_model:  # the model's type must not make AutoTokenizer take the type's tokenizer
        files["config.json"] = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    hf = transformers.AutoTokenizer.from_pretrained(str(tmp_path))
    assert (hf.vocab_size, len(hf)) == (tok.vocab_size, tok.vocab_size)
    assert hf.bos_token_id == hf.eos_token_id == tok.end_of_text
    assert hf.model_max_length == 100_000
    for text in [SAMPLE, "Hello , world . don 't", f"a{END_OF_TEXT}b", ""]:
        ids = tok.encode(text, special="special")
        assert hf(text)["input_ids"] == ids
        assert hf.decode(ids) == text
    hf.save_pretrained(str(tmp_path / "again"))
    assert Tokenizer.load(tmp_path / "again" / "tokenizer.json") == tok


def test_model_max_length_is_checked(tok):
    with pytest.raises(ValueError, match="model_max_length=0 must be at least 1"):
        huggingface_tokenizer_config(tok, 0)


def test_text_of_the_file_is_known():
    """Changing a byte of it changes the hash that names a tokenizer in every run folder."""
    tok = Tokenizer(((104, 105), (32, 256)))
    content = json.loads(tok.to_json())
    assert content["model"]["merges"] == ["h i", "Ġ hi"]
    assert {content["model"]["vocab"][key] for key in ("Ā", "hi", "Ġhi", END_OF_TEXT)} == {
        0, 256, 257, 258
    }  # fmt: skip
    assert tok.to_json().isascii()
    assert tok.sha256 == "a00c320e0964ecbe0686d02cf8f5560584a6d368d05e114d98407ebe222dbb09"


def load(text):
    return Tokenizer(**read_tokenizer_json(text))


def change(*path, to):
    """Return a change of a parsed tokenizer.json: the value at `path` becomes `to`."""

    def apply(content):
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = to

    return apply


def rename_token(content):
    vocab = content["model"]["vocab"]
    vocab["extra"] = vocab.pop(END_OF_TEXT)


def add_tokens(*tokens):
    """Return a change: more added tokens, as (content, id, normalized)."""

    def apply(content):
        content["added_tokens"] += [
            {
                "id": token_id,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": normalized,
                "special": True,
            }
            for token, token_id, normalized in tokens
        ]

    return apply


def no_merges(content):
    content["model"]["merges"] = []


def double_merge(content):
    content["model"]["merges"].append(content["model"]["merges"][0])


def merge_before_its_parts(content):
    content["model"]["merges"].reverse()


def only_dead_pairs(content):
    """XZ is merged first, so XZ is never side by side with QX or ZJ: `QXZJ` cannot come about."""
    model = content["model"]
    for i, name in enumerate(("XZ", "QX", "ZJ", "QXZ", "QXZJ"), start=400):
        model["vocab"][name] = i
    model["merges"] += ["X Z", "Q X", "Z J", "QX Z", "QX ZJ", "QXZ J"]


SPLIT = ("pre_tokenizer", "pretokenizers", 0)
BYTE_LEVEL = ("pre_tokenizer", "pretokenizers", 1)


REFUSED = [
    (change("version", to="2.0"), 'version is "2.0"'),
    (change("model", "type", to="Unigram"), 'model.type is "Unigram".*only "BPE"'),
    (change("model", to=None), '"model" is null; expected a JSON object'),
    (change("normalizer", to={"type": "NFC"}), 'normalizer is {"type": "NFC"}'),
    (change("padding", to={"length": 8}), "padding is"),
    (change("truncation", to={"max_length": 8}), "truncation is"),
    (change("model", "dropout", to=0.1), "model.dropout is 0.1"),
    (change("model", "byte_fallback", to=True), "model.byte_fallback is true"),
    (change("model", "ignore_merges", to=1), "model.ignore_merges is 1"),
    (change("model", "end_of_word_suffix", to="</w>"), "model.end_of_word_suffix"),
    (change("model", "merges", to=None), "model.merges is null; expected a list"),
    (change("model", "merges", 0, to="q zzz"), 'merge 0 is "q zzz"; expected two tokens'),
    (change("model", "merges", 0, to="a"), 'merge 0 is "a"; expected two tokens'),
    (change("model", "merges", 0, to=["a", 1]), r'merge 0 is \["a", 1\]; expected two tokens'),
    (change("model", "merges", 0, to=7), "merge 0 is 7; expected two tokens"),
    (double_merge, r"merge \[.*\] is there twice"),
    (merge_before_its_parts, r"merge \d+ uses .*, which no merge before it makes"),
    (no_merges, "of the vocab is no byte, not made by any merge and not among added_tokens"),
    (change("model", "vocab", to=[]), r"model.vocab is \[\]; expected a JSON object"),
    (change("model", "vocab", "new", to=400), 'token "new" of the vocab is no byte, not made'),
    (change("model", "vocab", "a", to=-1), 'token "a" has id -1; expected a whole number'),
    (change("model", "vocab", "a", to=True), 'token "a" has id true; expected a whole number'),
    (change("model", "vocab", "a", to=1.5), 'token "a" has id 1.5; expected a whole number'),
    (change("model", "vocab", "a", to="1"), 'token "a" has id "1"; expected a whole number'),
    (change("model", "vocab", "a", to=98), "id 98 stands for two tokens"),
    (change("model", "vocab", "a", to=1 << 24), "id 16777216 must be from 0 to 16777215"),
    (change("model", "vocab", "a", to=10**40), "must be from 0 to 16777215"),
    (lambda content: content["model"]["vocab"].pop("a"), "1 of the 256 bytes .* the first is 0x61"),
    (rename_token, r'token "<\|endoftext\|>" has id 400 in Hugging Face'),
    (only_dead_pairs, 'token "QXZJ" is made by 2 merges, and by none that'),
    (change("pre_tokenizer", to=None), '"pre_tokenizer" is null'),
    (change("pre_tokenizer", to={"type": "ByteLevel"}), "ByteLevel.add_prefix_space is null"),
    (change("pre_tokenizer", to={"type": "Whitespace"}), 'pre_tokenizer.type is "Whitespace"'),
    (change("pre_tokenizer", "pretokenizers", to=3), "pre_tokenizer.pretokenizers is 3"),
    (change("pre_tokenizer", "pretokenizers", to=[]), r"pre_tokenizer has the steps \[\]"),
    (change(*SPLIT, to={"type": "Digits"}), r'has the steps \["Digits", "ByteLevel"\]'),
    (change(*SPLIT, "pattern", to={"Regex": r"\w+"}), r"has '\\\\w\+' at character 0"),
    (change(*SPLIT, "pattern", to={"Regex": "a**"}), r"has '\*' at character 2"),
    (change(*SPLIT, "pattern", to={"Regex": "a*"}), r"pattern 'a\*' matches the empty text"),
    (change(*SPLIT, "pattern", to={"Regex": "(a"}), "is no regular expression: missing"),
    (change(*SPLIT, "pattern", to={"Regex": "(" * 2000 + ")" * 2000}), "is no regular expression"),
    (change(*SPLIT, "pattern", to={"Regex": "a" * 5000}), "has 5000 characters"),
    (change(*SPLIT, "pattern", to={"String": ""}), "Split.pattern is"),
    (change(*SPLIT, "behavior", to="Removed"), 'Split.behavior is "Removed"'),
    (change(*SPLIT, "invert", to=True), "Split.invert is true"),
    (change(*BYTE_LEVEL, "add_prefix_space", to=True), "add_prefix_space is true"),
    (change(*BYTE_LEVEL, "use_regex", to=True), "use_regex is true"),
    (change("decoder", to={"type": "WordPiece"}), 'decoder.type is "WordPiece"'),
    (change("post_processor", to={"type": "Bert"}), 'post_processor.type is "Bert"'),
    (change("post_processor", to={"type": "Sequence"}), "post_processor.processors is null"),
    (change("added_tokens", to=None), "added_tokens is null; expected a list"),
    (change("added_tokens", 0, to=5), r"added_tokens\[0\] is 5; expected a JSON object"),
    (change("added_tokens", 0, "id", to=0), r'"<\|endoftext\|>" has id 399 in the vocab and 0 in'),
    (change("added_tokens", 0, "id", to=399.0), "a whole number as id"),
    (change("added_tokens", 0, "content", to=""), "expected a content"),
    (change("added_tokens", 0, "content", to="<s>"), 'token "<s>" has id 400 in Hugging Face'),
    (change("added_tokens", 0, "lstrip", to=True), r"added_tokens\[0\].lstrip is true"),
    (change("added_tokens", 0, "normalized", to=None), r"added_tokens\[0\].normalized is null"),
    (add_tokens((END_OF_TEXT, 399, False)), "is there twice"),
    (add_tokens(("<a>", 500, False)), '"<a>" has id 400 in Hugging Face\'s reading and 500'),
    (add_tokens(("a", 97, False)), 'token "a" is made by merges and among added_tokens'),
    (
        add_tokens(("Ġ", 32, False)),
        'token "Ġ".* is made by merges and|"\\\\u0120" is made by merges',
    ),
    (add_tokens(("|>!", 400, True)), "may overlap one whose"),
    (add_tokens(("<|end", 400, True)), "begin alike and differ"),
    (add_tokens(("\ud800", 400, False)), "lone surrogate"),
]


@pytest.mark.parametrize(("damage", "message"), REFUSED)
def test_file_that_means_something_else_is_refused(tok, tmp_path, damage, message):
    content = json.loads(tok.to_json())
    damage(content)
    path = tmp_path / "other.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        Tokenizer.load(path)
    assert "other.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"[1]", r"the file is \[1\]; expected a JSON object"),
        (b"\xff", "can't decode byte 0xff"),
        (b'{"model": {}}', '"decoder" is null'),
        (b'{"model": NaN}', "NaN is no number of JSON"),
        (b'{"model": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"model": {}, "model": {}}', 'the name "model" is there twice'),
        (b'{"model": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b'{"model": ' + b"[" * 900 + b"]" * 900 + b"}", r'"model" is \[\[\["..."|nested too deep'),
        (b"[" * 10**6, "nested too deeply"),
        (b'{"a":' * 10**6, "nested too deeply"),
        (b"\0" * 10**6, "not JSON"),
    ],
)
def test_file_that_is_no_tokenizer_is_refused(tmp_path, data, message):
    path = tmp_path / "other.json"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        Tokenizer.load(path)


def test_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Tokenizer.load(tmp_path / "nowhere.json")
