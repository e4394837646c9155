"""The command line: what it refuses, how it ends."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_study import (
    MODEL,
    TRAIN,
    InlineExecutor,
    stories,
    study_arguments,
    tree,
    write_text,
)

from stats import RunFolderError
from tinyllama_np import ModelConfig, TrainConfig, prepare
from tinyllama_np.cli import main
from tinyllama_np.commands.options import parse_duration
from tinyllama_np.interrupts import Interrupted
from tinyllama_np.train import _Run

ROOT = Path(__file__).parents[1]


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path / "text.txt")


@pytest.fixture
def cli(monkeypatch, capsys):
    """Run a command in this process, runs included; returns exit code, stdout and stderr lines."""
    monkeypatch.setattr("tinyllama_np.commands.carry_out.Workers", InlineExecutor)
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)
    monkeypatch.setattr("stats.analyse", lambda out: SimpleNamespace(text=lambda: "the verdict"))

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse's own
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return run


# ----------------------------------------------------------------------------------------- it works


def test_a_study_from_the_command_line(cli, text, tmp_path):
    out = tmp_path / "runs" / "tiny"
    code, stdout, stderr = cli(*study_arguments(text, out, seeds="3,7"))
    assert code == 0
    assert stdout == "the verdict\n"
    assert not any("rror" in line for line in stderr)
    values = json.loads((out / "study.json").read_text())
    assert values["config"]["seeds"] == [3, 7]
    assert values["config"]["model"] == MODEL.to_dict()
    assert values["config"]["train"] == json.loads(json.dumps(TRAIN.to_dict()))
    for seed in (3, 7):
        outcome = out / "runs" / "baseline" / f"seed-{seed}" / "outcome.json"
        assert json.loads(outcome.read_text())["status"] == "finished"
    assert (out / "intervals.csv").read_text().count("\n") == 1 + 2 * 6
    assert not (out / ".stop").exists()


def test_a_study_of_a_folder_of_json_lines(cli, tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, half in (("b.jsonl", stories()[:90]), ("a.jsonl.gz", stories()[80:])):
        lines = "".join(json.dumps({"story": story}) + "\n" for story in half).encode()
        (folder / name).write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    arguments = study_arguments(folder, tmp_path / "out", text_field="story")
    code, _, stderr = cli(*arguments, "--deduplicate")
    assert code == 0
    assert any(re.search(r"\d training stories occurred .*: left out", line) for line in stderr)
    values = json.loads((tmp_path / "out" / "study.json").read_text())["config"]["corpus"]
    assert [name for name, _ in values["files"]] == ["a.jsonl.gz", "b.jsonl"]
    assert (values["text_field"], values["deduplicate"]) == ("story", True)
    # the same folder named by a pattern is the same study, without --deduplicate it is another
    pattern = study_arguments(folder / "*.jsonl*", tmp_path / "out", text_field="story")
    assert cli(*pattern, "--deduplicate")[0] == 0
    code, _, stderr = cli(*pattern)
    assert code == 2
    assert "corpus.deduplicate is true there and false here" in stderr[-1]


def test_the_same_command_again_trains_nothing(cli, text, tmp_path, monkeypatch):
    arguments = study_arguments(text, tmp_path / "out")
    assert cli(*arguments)[0] == 0
    before = tree(tmp_path)
    monkeypatch.setattr("tinyllama_np.train._Run", None)
    code, stdout, _ = cli(*arguments)
    assert (code, stdout) == (0, "the verdict\n")
    assert tree(tmp_path) == before


def test_runs_that_no_statistic_can_take_are_told_in_one_line(cli, text, tmp_path, monkeypatch):
    def refuse(out):
        raise RunFolderError("intervals.csv has a val_loss above 700 nats")

    monkeypatch.setattr("stats.analyse", refuse)
    code, stdout, stderr = cli(*study_arguments(text, tmp_path / "out"))
    assert (code, stdout) == (1, "")
    assert stderr[-1] == (
        "error: the runs cannot be analysed: intervals.csv has a val_loss above 700 nats"
    )


def test_another_setting_in_the_same_folder(cli, text, tmp_path):
    assert cli(*study_arguments(text, tmp_path / "out"))[0] == 0
    before = tree(tmp_path)
    code, stdout, stderr = cli(
        *study_arguments(text, tmp_path / "out", learning_rate="0.5", seeds="2")
    )
    assert (code, stdout) == (2, "")
    assert len(stderr) == 1
    assert "train.learning_rate is 0.01 there and 0.5 here" in stderr[0]
    assert "seeds is [0] there and [0, 1] here" in stderr[0]
    assert tree(tmp_path) == before


@pytest.mark.parametrize("change", [{"threads": 2}, {"jobs": 2}, {"keep": "all"}])
def test_what_does_not_change_the_numbers_may_differ(cli, text, tmp_path, change):
    assert cli(*study_arguments(text, tmp_path / "out"))[0] == 0
    assert cli(*study_arguments(text, tmp_path / "out", **change))[0] == 0


@pytest.mark.slow
def test_what_an_ended_run_kept_stays(cli, text, tmp_path):
    arguments = study_arguments(text, tmp_path / "out")
    said = "--keep acts while a run goes on: ended ones keep the checkpoints they have"
    assert said not in cli(*arguments, "--keep=all")[2]
    before = tree(tmp_path)
    code, _, stderr = cli(*arguments, "--keep=last")
    assert (code, tree(tmp_path)) == (0, before)
    assert said in stderr
    assert said not in cli(*arguments, "--keep=all")[2]
    assert said not in cli(*arguments)[2]


def test_conditions(cli, text, tmp_path):
    out = tmp_path / "out"
    fresh = "fresh:train-tokens=all,learning_rate=3e-3,sample_tokens=0"
    code, *_ = cli(*study_arguments(text, out), "--condition=baseline", f"--condition={fresh}")
    assert code == 0
    conditions = json.loads((out / "study.json").read_text())["config"]["conditions"]
    assert conditions == [
        {"name": "baseline", "overrides": {}},
        {
            "name": "fresh",
            "overrides": {"train_tokens": None, "learning_rate": 0.003, "sample_tokens": 0},
        },
    ]
    assert sorted(p.name for p in (out / "runs").iterdir()) == ["baseline", "fresh"]


def test_a_time_limit_stops_and_the_same_command_goes_on(cli, text, tmp_path):
    code, stdout, stderr = cli(
        *study_arguments(text, tmp_path / "out", time_limit="0.000001s", seeds="2")
    )
    assert (code, stdout) == (0, "")
    assert stderr[-1].startswith(
        "stopped at 0% of the study's tokens by the time limit, without one step done since the "
        "start; give the same command again to continue"
    )
    code, stdout, _ = cli(*study_arguments(text, tmp_path / "out", seeds="2"))
    assert (code, stdout) == (0, "the verdict\n")
    cli(*study_arguments(text, tmp_path / "whole", seeds="2"))
    for seed in (0, 1):
        run = f"runs/baseline/seed-{seed}"
        a, b = tree(tmp_path / "out" / run), tree(tmp_path / "whole" / run)
        a.pop("timing.csv"), b.pop("timing.csv")
        assert a == b


def test_a_diverged_run_makes_the_exit_code_1_and_the_others_are_analysed(cli, text, tmp_path):
    code, stdout, stderr = cli(
        *study_arguments(text, tmp_path / "out"),
        "--condition=wild:learning_rate=1e30,warmup_steps=0",
        "--condition=tame",
    )
    assert (code, stdout) == (1, "the verdict\n")
    (line,) = [line for line in stderr if "diverged" in line]
    assert line.startswith("run wild/seed-0 diverged: step 2:")


def test_where_every_run_diverged_there_is_nothing_to_analyse(cli, text, tmp_path):
    code, stdout, stderr = cli(
        *study_arguments(text, tmp_path / "out", learning_rate="1e30", warmup_steps="0", seeds="2")
    )
    assert (code, stdout) == (1, "")
    (line,) = [line for line in stderr if "diverged" in line]
    assert line.startswith("runs baseline/seed-0, baseline/seed-1 diverged: step 2:")
    assert stderr[-1].startswith("no run finished, so there is no report; take a lower")
    assert "--divergence-retries" in stderr[-1]


def test_a_failed_run_makes_the_exit_code_1(cli, text, tmp_path, monkeypatch):
    def fail(job):
        raise MemoryError("no room")

    monkeypatch.setattr("tinyllama_np.study.train_run", fail)
    code, _, stderr = cli(*study_arguments(text, tmp_path / "out"))
    assert code == 1
    assert stderr[-2:] == [
        "run baseline/seed-0 failed: MemoryError: no room",
        "no run finished, so there is no report",
    ]


def test_a_stop_file_of_somebody_else_is_named(cli, text, tmp_path, monkeypatch):
    out = tmp_path / "out"
    arguments = study_arguments(text, out, seeds="2")
    take_step = _Run.take_step

    def stopping(run):
        if run.trainer.step == 5:
            (out / ".stop").touch()
        return take_step(run)

    monkeypatch.setattr(_Run, "take_step", stopping)
    code, stdout, stderr = cli(*arguments)
    assert (code, stdout) == (0, "")
    assert not [line for line in stderr if "continuing" in line]
    assert stderr[-1].startswith("stopped at 19% of the study's tokens by the file .stop; give")
    assert not (out / ".stop").exists()
    monkeypatch.undo()
    outcome = json.loads((out / "runs/baseline/seed-0/outcome.json").read_text())
    assert (outcome["status"], outcome["step"]) == ("stopped", 5)


@pytest.mark.slow
def test_a_stop_file_made_while_the_text_is_prepared(cli, text, tmp_path, monkeypatch):
    out = tmp_path / "out"
    arguments = study_arguments(text, out)
    build = prepare._build

    def stopping(*given):
        (out / ".stop").touch()
        build(*given)

    monkeypatch.setattr(prepare, "_build", stopping)
    code, stdout, stderr = cli(*arguments)
    assert (code, stdout) == (0, "")
    assert stderr[-1].startswith("stopped at 0% of the study's tokens by the file .stop, without")
    assert not (out / ".stop").exists()
    monkeypatch.undo()
    (out / ".stop").touch()  # of a process that was killed while it stopped
    os.utime(out / ".stop", (1e9, 1e9))
    assert cli(*arguments)[0] == 0
    assert not (out / ".stop").exists()
    assert (out / "intervals.csv").exists()
    (out / ".stop").touch()
    os.utime(out / ".stop", (1e9, 1e9))
    assert "all runs ended before: nothing to train" in cli(*arguments)[2]
    assert not (out / ".stop").exists()


def test_a_later_condition_of_the_kernels_is_compiled_by_one_worker(
    cli, text, tmp_path, monkeypatch
):
    def here(*_):
        raise Interrupted(signal.SIGINT)

    monkeypatch.setattr("tinyllama_np.commands.carry_out._compile", here)
    conditions = ("--condition=plain", "--condition=fast:backend=numba")
    assert cli(*study_arguments(text, tmp_path / "out"), *conditions)[0] == 130
    assert not (tmp_path / "out" / "runs").exists()


def test_an_interrupt_while_preparing_leaves_nothing(cli, text, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinyllama_np.prepare.Tokenizer.train", interrupted)
    before = tree(tmp_path)
    code, stdout, stderr = cli(*study_arguments(text, tmp_path / "a" / "out"))
    assert (code, stdout) == (130, "")
    assert not any("Traceback" in line for line in stderr)
    assert tree(tmp_path) == before


# ---------------------------------------------------------------------------------- what is refused


def refused(cli, tmp_path, arguments, *expected):
    """Exit code 2, one line of error that names what is wrong, and nothing written."""
    before = tree(tmp_path)
    code, stdout, stderr = cli(*arguments)
    assert code == 2, stderr
    assert stdout == ""
    errors = [line for line in stderr if line.startswith("error: ")]
    assert len(errors) == 1, stderr
    assert errors[0] == stderr[-1]
    for part in expected:
        assert part in errors[0]
    assert tree(tmp_path) == before
    assert not any("Warning" in line for line in stderr)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "does not exist|cannot be read"),
        (b"", "empty"),
        (b" \n<|endoftext|>\n", "empty"),
        (b"caf\xe9 and more", "not UTF-8"),
        ("A cat.".encode("utf-16"), "NUL|not UTF-8"),
        (b"One story alone.", "2 distinct stories"),
        (b"A cat.<|endoftext|>A dog.", "--vocab-size 280"),
    ],
)
def test_a_text_that_cannot_serve(cli, tmp_path, content, expected):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    arguments = study_arguments(path, tmp_path / "a" / "out")
    refused(cli, tmp_path, arguments)
    *_, line = cli(*arguments)[2]
    assert re.search(expected, line)
    if "vocab" not in expected and "distinct" not in expected:
        assert "bad.txt" in line


def test_a_folder_as_text(cli, tmp_path):
    (tmp_path / "texts").mkdir()
    arguments = study_arguments(tmp_path / "texts", tmp_path / "out")
    refused(cli, tmp_path, arguments, "texts")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", b'{"text": "A."}\n{"story": "B."}\n', ["line 2", "a.jsonl", "--text-field"]),
        ("a.txt.gz", b"not compressed", ["a.txt.gz", "gzip"]),
        ("a.parquet", b"PAR1", ["a.parquet"]),
        ("notes.md", b"A folder without texts.", ["texts holds no text file"]),
    ],
)
def test_a_folder_with_a_text_that_cannot_serve(cli, tmp_path, name, content, expected):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / name).write_bytes(content)
    arguments = study_arguments(tmp_path / "texts", tmp_path / "out")
    refused(cli, tmp_path, arguments, *expected)


def test_a_text_that_is_named_twice(cli, text, tmp_path):
    arguments = [*study_arguments(None, tmp_path / "out", corpus=None), "--corpus", text, text]
    refused(cli, tmp_path, arguments, "text.txt is named twice")


def test_a_validation_text_that_is_missing(cli, text, tmp_path):
    arguments = study_arguments(text, tmp_path / "out", valid=tmp_path / "gone.txt")
    refused(cli, tmp_path, arguments, "gone.txt")


def test_a_validation_text_inside_the_training_text(cli, text, tmp_path):
    arguments = study_arguments(text, tmp_path / "out", valid=text)
    refused(cli, tmp_path, arguments, "validation", "training text")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"preset": "huge"}, ["'huge'", "smoke, quick, paper"]),
        ({"num_attention_heads": 3}, ["--num-attention-heads 3", "hidden_size=8"]),
        ({"num_attention_heads": 4, "num_key_value_heads": 3}, ["--num-key-value-heads 3"]),
        ({"hidden_size": 6}, ["--hidden-size 6", "odd head size 3"]),
        ({"hidden_size": 0}, ["--hidden-size 0", "at least 1"]),
        ({"hidden_size": -8}, ["--hidden-size -8"]),
        ({"intermediate_size": 0}, ["--intermediate-size 0"]),
        ({"num_hidden_layers": -1}, ["--num-hidden-layers -1"]),
        ({"num_key_value_heads": 0}, ["--num-key-value-heads 0"]),
        ({"vocab_size": 0}, ["--vocab-size 0"]),
        ({"vocab_size": 256}, ["--vocab-size 256", "257"]),
        ({"vocab_size": 70000}, ["--vocab-size 70000"]),
        ({"vocab_size": 5000}, ["--vocab-size 5000"]),
        ({"hidden_size": "8.5"}, ["--hidden-size '8.5'", "whole number"]),
        ({"hidden_size": "wide"}, ["--hidden-size 'wide'", "whole number"]),
        ({"hidden_size": ""}, ["--hidden-size ''"]),
        ({"rms_norm_eps": 0}, ["--rms-norm-eps 0.0"]),
        ({"tie_word_embeddings": "yes"}, ["--tie-word-embeddings 'yes'", "true or false"]),
        ({"budget_tokens": 31}, ["--budget-tokens 31", "32"]),
        ({"budget_tokens": 0}, ["--budget-tokens 0"]),
        ({"budget_tokens": "1e6"}, ["--budget-tokens '1e6'", "whole number"]),
        ({"batch_size": 0}, ["--batch-size 0"]),
        ({"intervals": 15}, ["--intervals 15", "gives 13"]),
        ({"intervals": 1}, ["--intervals 1", "at least 2"]),
        ({"sequence_length": 17}, ["--sequence-length 17", "max_position_embeddings=16"]),
        ({"sequence_length": -1}, ["--sequence-length -1"]),
        ({"valid_tokens": 7}, ["--valid-tokens 7"]),
        ({"train_tokens": 8}, ["--train-tokens 8"]),
        ({"train_tokens": 10**6}, ["1000000"]),
        ({"learning_rate": 0}, ["--learning-rate 0.0"]),
        ({"learning_rate": "nan"}, ["--learning-rate nan", "finite"]),
        ({"learning_rate": "inf"}, ["--learning-rate inf", "finite"]),
        ({"learning_rate": "fast"}, ["--learning-rate 'fast'", "a number"]),
        ({"beta2": 1}, ["--beta2 1.0"]),
        ({"weight_decay": -0.1}, ["--weight-decay -0.1"]),
        ({"min_learning_rate_ratio": 2}, ["--min-learning-rate-ratio 2.0"]),
        ({"warmup_steps": -1}, ["--warmup-steps -1"]),
        ({"schedule": "cosin"}, ["--schedule 'cosin'", "cosine"]),
        ({"backend": "torch"}, ["--backend 'torch'", "numba"]),
        ({"init_seed": -1}, ["--init-seed -1"]),
        ({"sample_temperature": -1}, ["--sample-temperature -1.0"]),
        ({"valid_fraction": 0}, ["--valid-fraction 0.0"]),
        ({"valid_fraction": 1}, ["--valid-fraction 1.0"]),
        ({"valid_fraction": "nan"}, ["--valid-fraction nan"]),
        ({"divergence_retries": 21}, ["--divergence-retries 21 must be at most 20"]),
        ({"gradient_lanes": 5}, ["--gradient-lanes 5 must be at most 4", "batch_size=4"]),
        (
            {"sample_prompts": "é|\udcff"},
            ["sample_prompts='\\udcff' must be text that UTF-8 can hold"],
        ),
        ({"corpus": None, "stories": 0}, ["--stories 0 must be at least 2"]),
        ({"stories": 9}, ["--stories is for the embedded stories", "--corpus"]),
        ({"corpus": None, "text_field": "story"}, ["--text-field is for files", "--corpus"]),
        ({"valid": __file__, "valid_fraction": 0.4}, ["--valid-fraction", "without --valid"]),
        ({"seeds": "0"}, ["--seeds 0", "at least 1"]),
        ({"seeds": "-2"}, ["--seeds -2"]),
        ({"seeds": "1000000000"}, ["--seeds 1000000000", "at most 10000"]),
        ({"batch_size": 10**30}, ["--batch-size 1000000000", "64 bits"]),
        ({"seeds": "3,3"}, ["[3, 3]", "differ"]),
        ({"seeds": "1,-4"}, ["[1, -4]", "at least 0"]),
        ({"seeds": "a"}, ["--seeds 'a'"]),
        ({"seeds": "1.5"}, ["--seeds '1.5'"]),
        ({"seeds": ""}, ["--seeds ''"]),
        ({"seeds": "3,,5"}, ["--seeds '3,,5'"]),
        ({"condition": "a/b"}, ["'a/b'"]),
        ({"condition": ""}, ["''"]),
        ({"condition": ".."}, ["'..'"]),
        ({"condition": "x:width=3"}, ["width"]),
        ({"condition": "x:hidden_size"}, ["hidden_size", "FIELD=VALUE"]),
        ({"condition": "x:hidden_size=big"}, ["'big'"]),
        ({"condition": "x:hidden_size=6"}, ["'x'", "odd head size"]),
        ({"condition": "x:seed=6"}, ["'x'", "seed"]),
        ({"condition": "x:vocab_size=300"}, ["'x'", "vocab_size"]),
        ({"condition": "x:sequence_length=17,intervals=2"}, ["sequence_length=17"]),
        ({"condition": "x:train_tokens=1000000"}, ["1000000"]),
        ({"time_limit": "soon"}, ["--time-limit 'soon'", "90s"]),
        ({"time_limit": "0"}, ["--time-limit '0'"]),
        ({"time_limit": "-5m"}, ["--time-limit '-5m'"]),
        ({"time_limit": ""}, ["--time-limit ''"]),
        ({"time_limit": "nan"}, ["--time-limit 'nan'"]),
        ({"time_limit": "h"}, ["--time-limit 'h'"]),
        ({"time_limit": "9999999h"}, ["--time-limit '9999999h'", "at most 8760h"]),
        ({"time_limit": "30m1h"}, ["--time-limit '30m1h'", "1h30m"]),
        ({"time_limit": "1h30"}, ["--time-limit '1h30'"]),
        ({"jobs": 0}, ["--jobs 0"]),
        ({"jobs": -1}, ["--jobs -1"]),
        ({"threads": 0}, ["--threads 0"]),
    ],
    ids=str,
)
def test_settings_that_cannot_work(cli, text, tmp_path, changes, expected):
    refused(cli, tmp_path, study_arguments(text, tmp_path / "a" / "out", **changes), *expected)


def test_the_same_condition_twice(cli, text, tmp_path):
    arguments = [*study_arguments(text, tmp_path / "out"), "--condition=x", "--condition=x"]
    refused(cli, tmp_path, arguments, "['x', 'x']")


def test_seed_lists(cli, text, tmp_path):
    for given, seeds in (("0,", [0]), ("2", [0, 1]), ("5,2", [2, 5])):
        out = tmp_path / given
        assert cli(*study_arguments(text, out, seeds=given, time_limit="1e-6s"))[0] == 0
        assert json.loads((out / "study.json").read_text())["config"]["seeds"] == seeds


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("2.5h", 9000),
        ("2.5 h", 9000),
        ("1h30m", 5400),
        ("1H 30M 5s", 5405),
        (".5m", 30),
        ("1e-6s", 1e-6),
    ],
)
def test_times(given, seconds):
    assert parse_duration(given) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--jobs", "two"), ("--threads", "1.5"), ("--keep", "some"), ("--valid-fraction", "half")],
)
def test_argparse_names_the_value(cli, text, tmp_path, option, value):
    before = tree(tmp_path)
    code, stdout, stderr = cli(*study_arguments(text, tmp_path / "out"), option, value)
    assert (code, stdout) == (2, "")
    (line,) = stderr
    assert line.startswith(f"error: argument {option}: ")
    assert repr(value) in line
    assert line.endswith("; see tinyllama-np study --help")
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "error: the following arguments are required: COMMAND; see tinyllama-np --help"),
        (("train-all",), "error: argument COMMAND: invalid choice: 'train-all' (choose from"),
        (
            ("study", "--colour", "red"),
            "error: unknown arguments: --colour red; see tinyllama-np study --help",
        ),
        (
            ("resume",),
            "error: the following arguments are required: FOLDER; see tinyllama-np resume --help",
        ),
    ],
)
def test_usage(cli, arguments, expected):
    code, stdout, (line,) = cli(*arguments)
    assert (code, stdout) == (2, "")
    assert line.startswith(expected)


class ClosedPipe(io.StringIO):
    """What is read by `head` that has read enough."""

    def flush(self):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


class ClosedAtOnce(ClosedPipe):
    def write(self, text):
        self.flush()


def test_a_reader_that_has_read_enough(cli, text, tmp_path, monkeypatch):
    study = study_arguments(text, tmp_path / "out")
    assert cli(*study)[0] == 0
    for closed in (ClosedPipe, ClosedAtOnce):
        for command in (study, ["runs", tmp_path], ["--help"]):
            monkeypatch.setattr("sys.stdout", closed())
            code, _, stderr = cli(*command)
            assert code == 0
            assert not any("ipe" in line for line in stderr)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_while_the_commands_are_imported():
    program = """
import builtins, os, signal, sys
from tinyllama_np.cli import main
real = builtins.__import__
def importing(name, *rest):
    if name == "numpy" or name.endswith("corpus.download"):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException:
            raise ImportError from None  # as a compiled module may do
    return real(name, *rest)
builtins.__import__ = importing
sys.exit(main(["study"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "stopped before anything began; give the same command again to begin\n"


def test_out_is_a_file(cli, text, tmp_path):
    (tmp_path / "out").write_text("mine")
    refused(cli, tmp_path, study_arguments(text, tmp_path / "out"), "out is a file")
    refused(cli, tmp_path, study_arguments(text, tmp_path / "out" / "below"), "out")


def test_out_holds_foreign_files(cli, text, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    refused(cli, tmp_path, study_arguments(text, tmp_path / "out"), "out", "no study.json")


def test_out_may_be_an_empty_folder(cli, text, tmp_path):
    (tmp_path / "out").mkdir()
    assert cli(*study_arguments(text, tmp_path / "out"))[0] == 0


# --------------------------------------------------------------------------------------------- help


def help_of(capsys, *command):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_help_lists_the_commands(capsys):
    shown = help_of(capsys)
    assert "study" in shown
    assert "generate" in shown


def test_help_of_study_shows_every_setting_with_its_default(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "10000")
    shown = help_of(capsys, "study")
    for cls in (ModelConfig, TrainConfig):
        for field in dataclasses.fields(cls):
            option = "--" + field.name.replace("_", "-")
            if field.name == "seed":
                assert "--seed " not in shown
                continue
            assert f"{option} VALUE {field.metadata['help']} (" in shown, option
            if field.default is not None and not isinstance(field.default, tuple):
                assert f"{field.metadata['help']} ({field.default})" in shown, option
    options = shown.partition(" options: ")[2]
    own = "preset out corpus valid valid-fraction text-field deduplicate seeds condition jobs "
    own += "threads time-limit keep"
    for option in own.split():  # "--jobs N runs at the same time (processors / threads)"
        texts = re.findall(rf" --{option} .*?(?= --[a-z-]+ [A-Z{{]|$)", options)
        assert any(re.search(r"\([^)]+\)", text) for text in texts), option


def test_help_of_generate_shows_every_option_with_its_default(capsys):
    shown = help_of(capsys, "generate")
    for option, default in (
        ("--prompt", "(Once upon a time)"),
        ("--max-new-tokens", "(100"),
        ("--temperature", "(0.0)"),
        ("--seed", "(0)"),
    ):
        assert option in shown
        assert default in shown


# ----------------------------------------------------------------------------------------- generate


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generate")
    from tiny_study import finished_run

    return finished_run(folder).folder / "checkpoints" / "step-000013"


def test_generate_prints_prompt_and_continuation(cli, checkpoint):
    arguments = ("generate", checkpoint, "--prompt", "Zoë ", "--max-new-tokens", 5)
    code, stdout, stderr = cli(*arguments)
    assert (code, stderr) == (0, [])
    assert stdout.startswith("Zoë ")
    assert len(stdout) > len("Zoë \n")
    assert cli(*arguments)[1] == stdout


def test_generate_draws_by_seed(cli, checkpoint):
    def drawn(seed):
        return cli("generate", checkpoint, "--temperature", 2, "--seed", seed)[1]

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(5)}) > 1


def test_generate_from_nothing_begins_a_story(cli, checkpoint):
    assert cli("generate", checkpoint, "--prompt", "", "--max-new-tokens", 2)[0] == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--max-new-tokens", "-1"), "max_new_tokens=-1"),
        (("--max-new-tokens", "500"), "max_position_embeddings=16"),
        (("--prompt", "word " * 30), "max_position_embeddings=16"),
        (("--temperature", "-1"), "temperature=-1"),
        (("--temperature", "nan"), "temperature=nan"),
        (("--seed", "-1"), "--seed -1"),
    ],
)
def test_generate_refuses(cli, checkpoint, tmp_path, options, expected):
    refused(cli, tmp_path, ["generate", checkpoint, *options], expected)


@pytest.mark.parametrize("damage", ["missing", "empty", "weights", "tokenizer", "a file", "bit"])
def test_generate_refuses_what_is_no_checkpoint(cli, checkpoint, tmp_path, damage):
    folder = tmp_path / "copy"
    if damage == "a file":
        folder.write_text("x")
    elif damage == "empty":
        folder.mkdir()
    elif damage == "bit":  # every float is one: nothing but the manifest knows
        shutil.copytree(checkpoint, folder)
        data = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage != "missing":
        shutil.copytree(checkpoint, folder)
        name = "model.safetensors" if damage == "weights" else "tokenizer.json"
        (folder / name).write_bytes(b"\x00broken")
    refused(cli, tmp_path, ["generate", folder], "copy")
