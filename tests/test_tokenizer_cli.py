"""`python -m tokenizer`: the commands, and one clear line for each mistake."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tokenizer import Tokenizer
from tokenizer.cli import main

ROOT = Path(__file__).resolve().parents[1]
TEXT = "Tom has a hat.\r\n<|endoftext|>\nTom's hat is red.\n<|endoftext|>\nÉté, an été.\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    return tmp_path


def run(*arguments, stdin=b""):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tokenizer", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, env=environment, timeout=60)


def test_files_in_and_out(folder, capfdbinary):
    assert main(["train", "text.txt", "--vocab-size", "270", "--out", "t.json"]) == 0
    tok = Tokenizer.load("t.json")
    stories = ["Tom has a hat.", "Tom's hat is red.", "Été, an été.\n"]
    assert tok == Tokenizer.train(stories, 270)
    assert f"t.json: 270 tokens, sha256 {tok.sha256}".encode() in capfdbinary.readouterr().out

    assert main(["encode", "text.txt", "--tokenizer", "t.json"]) == 0
    out = capfdbinary.readouterr().out
    assert list(map(int, out.split())) == tok.encode(TEXT, special="special")
    (folder / "ids.txt").write_bytes(out)
    assert main(["decode", "ids.txt", "--tokenizer", "t.json"]) == 0
    assert capfdbinary.readouterr().out == TEXT.encode()

    assert main(["encode", "text.txt", "--tokenizer", "t.json", "--special", "text"]) == 0
    assert list(map(int, capfdbinary.readouterr().out.split())) == tok.encode(TEXT)


def test_standard_streams(folder):
    trained = run("train", "-", "--vocab-size", "270", stdin=TEXT.encode())
    assert (trained.returncode, trained.stdout[:15]) == (0, b"tokenizer.json:")
    encoded = run("encode", stdin=TEXT.encode())
    decoded = run("decode", stdin=encoded.stdout)
    assert decoded.stdout == TEXT.encode()
    assert encoded.stderr == decoded.stderr == b""


def test_several_files_are_trained_together(folder):
    (folder / "more.txt").write_bytes(b"Tim has a hen.")
    assert main(["train", "text.txt", "more.txt", "--vocab-size", "262"]) == 0
    both = Tokenizer.train([TEXT, "Tim has a hen."], 262)
    assert Tokenizer.load("tokenizer.json") == both
    assert both != Tokenizer.train([TEXT], 262)


def test_too_little_text_is_a_warning_line(folder, capsys):
    (folder / "text.txt").write_bytes(b"aab")
    assert main(["train", "text.txt", "--vocab-size", "300"]) == 0
    assert "warning: vocab_size=300 needs 43 merges" in capsys.readouterr().err
    assert Tokenizer.load("tokenizer.json").vocab_size == 259


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "nowhere.txt"], "nowhere.txt: no such file"),
        (["train", "."], ".: is a folder; expected a file"),
        (["train", "empty.txt"], "empty.txt: the file is empty"),
        (["train", "binary.txt"], "binary.txt: not UTF-8 text (byte 0xff)"),
        (["train", "text.txt", "--out", "no/t.json"], "there is no folder no; create it"),
        (["encode", "nowhere.txt"], "nowhere.txt: no such file"),
        (["encode", "binary.txt"], "binary.txt: not UTF-8 text (byte 0xff)"),
        (["encode", "text.txt", "--special", "refuse"], "special token <|endoftext|>"),
        (["encode", "text.txt", "--tokenizer", "nowhere.json"], "nowhere.json: no such file"),
        (["encode", "text.txt", "--tokenizer", "text.txt"], "text.txt: not JSON"),
        (["decode", "text.txt"], "text.txt: 'Tom' is not a token id"),
        (["decode", "ids.txt"], "token id 9999 must be a whole number from 0 to 257"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folder, capsys, arguments, message):
    Tokenizer(((97, 98),)).save("tokenizer.json")
    (folder / "empty.txt").touch()
    (folder / "binary.txt").write_bytes(b"fine\n\xff\n")
    (folder / "ids.txt").write_bytes(b"97 9999")
    before = sorted(os.listdir())
    kept = (folder / "tokenizer.json").read_bytes()
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)
    assert sorted(os.listdir()) == before
    assert (folder / "tokenizer.json").read_bytes() == kept


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "text.txt", "--vocab-size", "256"], "'256' must be a whole number from 257"),
        (["train", "text.txt", "--vocab-size", "16777217"], "to 16777216"),
        (["train", "text.txt", "--vocab-size", "many"], "'many' must be a whole number"),
        (["train"], "required: TEXT"),
        ([], "required: COMMAND"),
        (["encode", "--special", "maybe"], "maybe"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(folder, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_failure_while_writing_is_exit_code_1(folder, capsys, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    assert main(["train", "text.txt", "--vocab-size", "260"]) == 1
    assert "No space left" in capsys.readouterr().err
    assert os.listdir() == ["text.txt"]


def test_interruption_is_exit_code_130(folder, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Tokenizer, "train", interrupt)
    assert main(["train", "text.txt"]) == 130
    assert "nothing was written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "defaults"),
    [
        ("train", ["(default: 4096)", "(default: tokenizer.json)"]),
        ("encode", ["(default: -)", "(default: special)", "(default: tokenizer.json)"]),
        ("decode", ["(default: -)", "(default: tokenizer.json)"]),
    ],
)
def test_help_shows_every_default(capsys, command, defaults):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for default in defaults:
        assert default in shown
