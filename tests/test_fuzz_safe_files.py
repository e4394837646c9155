"""What a file says is believed only as far as a file of its kind can be right."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest
from safetensors.numpy import save

from tinyllama_np.config import ConfigError, ModelConfig
from tinyllama_np.parameters import (
    check_params,
    init_params,
    parameter_count,
    parameter_shapes,
    tensor_count,
)
from tinyllama_np.safe_files import (
    DEEPEST_JSON,
    UnsafeFileError,
    file_inside,
    parse_json_object,
    read_bounded,
)
from tinyllama_np.safetensors_header import (
    LARGEST_METADATA,
    LONGEST_ENTRY,
    check_header,
    read_header,
)

SHAPES = {"a": (2, 3), "b": (4,)}
posix = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff{}", "not JSON"),
        (b"[1]", r"not a JSON object but \[1\]"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' is there twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": [-Infinity]}', "-Infinity is no number"),
        (b'{"a": 1e999}', "'1e999' is too large"),
        (b'{"a": ' + b"9" * 101 + b"}", "a number of 101 digits"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number of 5000 digits"),
        (b'{"a": "\\ud800"}', "half a character"),
        (b'{"\\udc00": 1}', "half a character"),
        (b'{"a": ' + b"[" * 64 + b"]" * 64 + b"}", "nested more than 64"),
        (b'{"a": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", "nested more than 64"),
    ],
)
def test_what_is_no_plain_json_is_refused_in_one_line(text, message):
    with pytest.raises(UnsafeFileError, match=message) as caught:
        parse_json_object(text)
    assert str(caught.value).isprintable()


def test_plain_json_comes_through():
    deep = json.loads("[" * (DEEPEST_JSON - 1) + "]" * (DEEPEST_JSON - 1))
    values = {"a": [1, -2.5, True, None, "é\U0001f600\\"], "b": {"c": 10**99}, "d": deep}
    assert parse_json_object(json.dumps(values).encode()) == values
    assert parse_json_object(json.dumps(values, ensure_ascii=False).encode()) == values


def test_a_file_is_read_up_to_its_bound(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 10)
    assert read_bounded(tmp_path / "a", 10) == b"x" * 10
    with pytest.raises(UnsafeFileError, match="more than 9 bytes"):
        read_bounded(tmp_path / "a", 9)
    with pytest.raises(UnsafeFileError, match="no regular file"):
        read_bounded(tmp_path, 9)
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "b", 9)


@posix
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnsafeFileError, match="no regular file"):
        read_bounded(tmp_path / "pipe", 9)


NAMES = ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a/b", "..\\x", "C:x", "c:\\x", "a\0b"]
NAMES += ["a\nb", "\ud800", "x" * 256, "é" * 128]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_in_its_folder(tmp_path, name):
    with pytest.raises(UnsafeFileError, match="no plain file name") as caught:
        file_inside(tmp_path, name)
    assert str(caught.value).isprintable()


def test_a_plain_name_is_taken(tmp_path):
    for name in ("config.json", "..x", "x" * 255, "é"):
        assert file_inside(tmp_path, name) == tmp_path / name


@posix
def test_a_link_may_not_lead_out_of_the_folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (tmp_path / "outside", folder / "inside"):
        path.write_text("x")
    (folder / "in").symlink_to("inside")
    (folder / "out").symlink_to("../outside")
    (folder / "through").symlink_to("out")
    assert file_inside(folder, "in").read_text() == "x"
    for name in ("out", "through"):
        with pytest.raises(UnsafeFileError, match="link that leads out"):
            file_inside(folder, name)


def tensors(**changes):
    """A safetensors file of SHAPES; `changes` replace its arrays."""
    arrays = {name: np.ones(shape, np.float32) for name, shape in SHAPES.items()}
    return save({**arrays, **changes}, metadata={"format": "pt"})


def with_header(change):
    """The same file with its header changed in place, and the length that belongs to it."""
    data = tensors()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def read(data):
    header, size = read_header(data, len(SHAPES))
    check_header(header, size, SHAPES)


def test_a_right_header_passes():
    read(tensors())
    read(with_header(lambda header: header.pop("__metadata__")))


LENGTHS = [0, 1, 1 << 31, (1 << 63) - 1, (1 << 64) - 1]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_header_of_another_length_is_never_read(length):
    data = tensors()
    with pytest.raises(UnsafeFileError, match="bytes"):
        read(length.to_bytes(8, "little") + data[8:])


def test_a_header_is_not_longer_than_its_tensors_need():
    most = LARGEST_METADATA + len(SHAPES) * LONGEST_ENTRY
    data = (most + 1).to_bytes(8, "little") + b"{" + b" " * (most + 100)
    with pytest.raises(UnsafeFileError, match=f"its header takes {most + 1:,} bytes"):
        read_header(data, len(SHAPES))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it has 0 bytes"),
        (b"\x01\0\0", "it has 3 bytes"),
        (tensors()[:-1], "its tensors take 40 bytes and 39 are there"),
        (tensors() + b"\0", "its tensors take 40 bytes and 41 are there"),
        (tensors(c=np.ones(1, np.float32)), "it has 'c'"),
        (tensors(b=np.ones(4, np.float64)), "b has dtype 'F64'; expected F32"),
        (tensors(b=np.ones(5, np.float32)), r"b has shape \[5\]; the configuration asks for \[4\]"),
        (with_header(lambda h: h.pop("b")), "it lacks b"),
        (with_header(lambda h: h["b"].pop("shape")), "b is {'dtype'"),
        (with_header(lambda h: h.update(b=5)), "b is 5; expected"),
        (with_header(lambda h: h["b"].update(dtype=["F32"])), "has dtype"),
        (with_header(lambda h: h["b"].update(shape=[4.0])), "has shape"),
        (with_header(lambda h: h["b"].update(shape=[True, 4])), "has shape"),
        (with_header(lambda h: h["b"].update(shape=[-2, -2])), "has shape"),
        (with_header(lambda h: h["b"].update(data_offsets=[24, 41])), "data_offsets"),
        (with_header(lambda h: h["b"].update(data_offsets=[0, 16])), "begins at byte"),
        (with_header(lambda h: h["b"].update(data_offsets=[28, 44])), "begins at byte 28"),
        (with_header(lambda h: h["b"].update(data_offsets=[-16, 0])), "data_offsets"),
        (with_header(lambda h: h.update(__metadata__={"a": 1})), "__metadata__"),
    ],
)
def test_a_header_that_announces_anything_else_is_refused(tmp_path, data, message):
    with pytest.raises(UnsafeFileError, match=message) as caught:
        read(data)
    assert str(caught.value).isprintable()


SIZES = {"vocab_size": 7, "hidden_size": 8, "intermediate_size": 5, "num_attention_heads": 2}


@pytest.mark.parametrize("tied", [True, False])
def test_the_counts_are_those_of_the_shapes(tied):
    config = ModelConfig(
        **SIZES, num_key_value_heads=1, num_hidden_layers=3, tie_word_embeddings=tied
    )
    shapes = parameter_shapes(config)
    assert tensor_count(config) == len(shapes)
    assert parameter_count(config) == sum(int(np.prod(shape)) for shape in shapes.values())


def test_an_absurd_number_of_layers_is_counted_not_made():
    config = ModelConfig(**SIZES, num_key_value_heads=1, num_hidden_layers=1)
    params = init_params(config)
    absurd = ModelConfig(**SIZES, num_key_value_heads=1, num_hidden_layers=10**15)
    assert tensor_count(absurd) == 9 * 10**15 + 2
    assert parameter_count(absurd) > 10**17
    with pytest.raises(ValueError, match="num_hidden_layers=1000000000000000"):
        check_params(params, absurd)


def test_a_whole_number_beyond_every_float_is_refused():
    with pytest.raises(ConfigError, match=r"rope_theta=1000.* must be a finite number"):
        ModelConfig(rope_theta=10**400)
