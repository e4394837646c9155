"""`python -m tokenizer`: the commands, and one clear line for each mistake."""

import io
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tokenizer import END_OF_TEXT, Tokenizer, iter_stories, progress, streams
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
    assert decoded.stderr == b""
    n = len(encoded.stdout.split())
    assert encoded.stderr.startswith(b"%d bytes, %d tokens, " % (len(TEXT.encode()), n))
    assert run("encode", "--quiet", stdin=TEXT.encode()).stderr == b""


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
        (["train", "binary.txt"], "binary.txt: not UTF-8 text (byte 0xff at 5)"),
        (["train", "text.txt", "--out", "no/t.json"], "there is no folder no; create it"),
        (["train", "text.txt", "--out", "."], "--out .: is a folder; expected a file"),
        (["train", "-", "-"], "stdin (-) is named twice"),
        (["train", "text.txt", "--vocab-size", "257", "--special", "<x>"], "must be from 258"),
        (["train", "text.txt", "--special", "<x>", "--special", "<x>"], "'<x>' is there twice"),
        (["train", "text.txt", "--pattern", "("], "pattern '(' is no regular expression"),
        (["encode", "text.txt", "--out", "no/ids"], "--out no/ids: there is no folder no"),
        (["encode", "text.txt", "--out", "."], "--out .: is a folder; expected a file"),
        (["encode", "text.txt", "--pattern", "gpt2"], "--pattern and --special-id are for .tikt"),
        (["decode", "odd.bin", "--format", "uint16"], "ends with 1 of the 2 bytes of an id"),
        (["inspect", "nowhere.txt"], "nowhere.txt: no such file"),
        (
            ["inspect", "text.txt", "--special", "refuse"],
            "the special token <|endoftext|> at byte 16",
        ),
        (["inspect", "--word", ""], "--word is empty"),
        (["encode", "nowhere.txt"], "nowhere.txt: no such file"),
        (["encode", "binary.txt"], "binary.txt: not UTF-8 text (byte 0xff at 5)"),
        (["encode", "text.txt", "--special", "refuse"], "token <|endoftext|> at byte 16"),
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
    (folder / "odd.bin").write_bytes(b"a\0b")
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
        (["encode", "--threads", "0"], "'0' must be a whole number from 1 to 256"),
        (["inspect", "--top", "-1"], "-1"),
        (["inspect", "--special-id", "<x>"], "'<x>' must be NAME=ID"),
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
    assert "interrupted; no file was written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "defaults"),
    [
        ("train", ["(default: 4096)", "(default: tokenizer.json)"]),
        ("encode", ["(default: -)", "(default: special)", "(default: tokenizer.json)"]),
        ("decode", ["(default: -)", "(default: tokenizer.json)"]),
        ("inspect", ["(default: 600)", "(default: 10)", "(default: special)", "(default: auto)"]),
    ],
)
def test_help_shows_every_default(capsys, command, defaults):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "examples:\n  python -m tokenizer " in out
    shown = " ".join(out.split())
    for default in defaults:
        assert default in shown


@pytest.mark.parametrize(("suffix", "dtype"), [("uint16", "<u2"), ("uint32", "<u4")])
def test_raw_ids(folder, capfdbinary, suffix, dtype):
    assert main(["train", "text.txt", "--vocab-size", "270"]) == 0
    assert main(["encode", "text.txt", "--format", suffix, "--out", "ids.bin"]) == 0
    tok = Tokenizer.load("tokenizer.json")
    ids = np.fromfile("ids.bin", dtype=dtype)
    assert ids.tolist() == tok.encode(TEXT, special="special")
    assert main(["decode", "ids.bin", "--format", suffix, "--out", "back.txt"]) == 0
    assert (folder / "back.txt").read_bytes() == TEXT.encode()
    capfdbinary.readouterr()
    assert main(["encode", "text.txt", "--format", suffix]) == 0
    assert capfdbinary.readouterr().out == (folder / "ids.bin").read_bytes()


def test_uint16_is_refused_where_it_is_too_small(folder, capsys):
    ids = (*range(256), 70_000)
    Tokenizer((), (END_OF_TEXT,), ids=ids).save("tokenizer.json")
    assert main(["encode", "text.txt", "--format", "uint16", "--out", "ids.bin"]) == 2
    assert "holds ids up to 65535" in capsys.readouterr().err
    assert not (folder / "ids.bin").exists()
    assert main(["encode", "text.txt", "--format", "uint32", "--out", "ids.bin"]) == 0


@pytest.mark.parametrize("threads", ["1", "3"])
def test_parts_and_threads_do_not_change_the_ids(folder, capsys, monkeypatch, threads):
    Tokenizer.train([TEXT], 270).save("tokenizer.json")
    monkeypatch.setattr(streams, "PART", 16)
    for special in ("special", "text"):
        assert main(["encode", "text.txt", "--special", special, "--threads", threads]) == 0
        expected = Tokenizer.load("tokenizer.json").encode(TEXT, special=special)
        assert list(map(int, capsys.readouterr().out.split())) == expected


def test_training_in_parts_is_training_on_the_stories(folder, capsys, monkeypatch):
    monkeypatch.setattr(streams, "PART", 16)
    (folder / "text.txt").write_bytes((TEXT + "\n" + END_OF_TEXT + "\n\n").encode() * 9)
    assert main(["train", "text.txt", "--vocab-size", "275"]) == 0
    with (folder / "text.txt").open(encoding="utf-8", newline="") as file:
        stories = list(iter_stories(file))
    tok = Tokenizer.train(stories, 275)
    assert Tokenizer.load("tokenizer.json") == tok
    n_tokens = sum(map(len, tok.encode_batch(stories)))
    n_bytes = sum(len(story.encode()) for story in stories)
    counts = f"{n_bytes:,} bytes of text, {n_tokens:,} tokens: {n_bytes / n_tokens:.3f} bytes"
    assert counts in capsys.readouterr().err


def test_special_tokens_and_pattern_of_training(folder, capsys):
    command = ["train", "text.txt", "--vocab-size", "265", "--special", "<a>", "--special", "<b>"]
    assert main([*command, "--pattern", r"\p{L}+|[^\p{L}]"]) == 0
    tok = Tokenizer.load("tokenizer.json")
    assert tok.special_tokens == ("<a>", "<b>", END_OF_TEXT)
    assert tok.pattern == r"\p{L}+|[^\p{L}]"
    stories = ["Tom has a hat.", "Tom's hat is red.", "Été, an été.\n"]
    assert tok == Tokenizer.train(
        stories, 265, special_tokens=("<a>", "<b>", END_OF_TEXT), pattern=r"\p{L}+|[^\p{L}]"
    )
    n_tokens = sum(map(len, tok.encode_batch(stories)))
    assert f" {n_tokens:,} tokens: " in capsys.readouterr().err


def test_tiktoken_ranks_out_and_in(folder, capsys):
    assert main(["train", "text.txt", "--vocab-size", "270", "--out", "r.tiktoken"]) == 0
    assert f"neither pattern nor specials ({END_OF_TEXT} = 269)" in capsys.readouterr().err
    assert main(["train", "text.txt", "--vocab-size", "270"]) == 0
    tok = Tokenizer.load("tokenizer.json")
    capsys.readouterr()
    ranks = ["--tokenizer", "r.tiktoken", "--special-id", f"{END_OF_TEXT}=269"]
    assert main(["encode", "text.txt", *ranks]) == 0
    assert list(map(int, capsys.readouterr().out.split())) == tok.encode(TEXT, special="special")
    assert main(["inspect", "--word", "hat", "--tokenizer", "r.tiktoken"]) == 0
    assert "hat: 3 bytes" in capsys.readouterr().out


def test_no_text_gives_no_ids(folder, capsys):
    Tokenizer(()).save("tokenizer.json")
    (folder / "text.txt").write_bytes(b"")
    assert main(["encode", "text.txt"]) == 0
    assert capsys.readouterr().out == "\n"
    assert main(["inspect", "text.txt"]) == 0
    assert "0 bytes, 0 tokens" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
@pytest.mark.parametrize("command", ["train", "encode", "decode"])
def test_a_full_disk_leaves_the_old_file(folder, command):
    """The limit on a file's size stands for the disk that is full."""
    Tokenizer.train([TEXT], 270).save("tokenizer.json")
    (folder / "text.txt").write_bytes(TEXT.encode() * 100)
    (folder / "ids.txt").write_bytes(b"97 " * 5000)
    (folder / "out").write_bytes(b"old")
    before = sorted(os.listdir())
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "from tokenizer.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    source = "ids.txt" if command == "decode" else "text.txt"
    done = subprocess.run(
        [sys.executable, "-B", "-c", limited, command, source, "--out", "out"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: File too large; no file was written" in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "out").read_bytes() == b"old"
    assert sorted(os.listdir()) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_stdout(folder):
    Tokenizer(()).save("tokenizer.json")
    command = [sys.executable, "-m", "tokenizer", "encode", "text.txt"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.endswith("No space left on device; the output is not complete\n")
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
def test_a_reader_that_leaves_is_no_error(folder):
    Tokenizer(()).save("tokenizer.json")
    (folder / "text.txt").write_bytes(TEXT.encode() * 20_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "tokenizer", "encode", "text.txt", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.read(10) == b"84 111 109"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    clock = iter(range(1000))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(sys, "stderr", Terminal())
    bar = progress.Progress()
    bar.show("counting", 1, 4, "1 of 4 MB")
    bar.show("counting", 0, 0, "8 MB")
    bar.clear()
    first, second, blank, _ = sys.stderr.getvalue().split("\r")[1:]
    assert first.startswith("counting [######..................]  25 %  1 of 4 MB, ")
    assert second.rstrip().startswith("counting 8 MB, ")
    assert len(second) == len(first)  # nothing of the longer line stays
    assert blank.strip() == ""

    monkeypatch.setattr(sys, "stderr", io.StringIO())
    lines = progress.Progress()
    for done in range(1, 10):
        lines.show("learning", done, 10, f"{done} of 10 merges")
    lines.clear()
    shown = sys.stderr.getvalue().splitlines()
    assert 0 < len(shown) < 9
    assert all(re.fullmatch(r"learning \d+ % \d of 10 merges, \d+ s", line) for line in shown)

    monkeypatch.setattr(sys, "stderr", io.StringIO())
    silent = progress.Progress(quiet=True)
    silent.show("learning", 1, 2, "")
    assert sys.stderr.getvalue() == ""


def test_raw_ids_are_not_for_a_terminal(folder, monkeypatch, capsys):
    Tokenizer(()).save("tokenizer.json")
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(["encode", "text.txt", "--format", "uint16"]) == 2
    assert "is not for a terminal; give --out FILE" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_train_reads_a_pipe_and_does_not_replace_one(tmp_path):
    text, out = tmp_path / "text", tmp_path / "out"
    os.mkfifo(text)
    os.mkfifo(out)
    got = []
    threads = [
        threading.Thread(target=text.write_text, args=("low lower lowest",)),
        threading.Thread(target=lambda: got.append(out.read_text())),
    ]
    for thread in threads:
        thread.start()
    assert main(["train", str(text), "--vocab-size", "260", "--out", str(out)]) == 0
    for thread in threads:
        thread.join()
    assert out.is_fifo()
    assert got == [Tokenizer.train(["low lower lowest"], 260).to_json()]


def test_train_does_not_write_to_stdout(tmp_path, capsys):
    text = tmp_path / "text"
    text.write_text("low lower lowest")
    assert main(["train", str(text), "--out", "-"]) == 2
    assert "--out -" in capsys.readouterr().err
