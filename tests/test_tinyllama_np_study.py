"""A study: its folder, its conditions, and that order, workers and breaks do not show in it."""

from __future__ import annotations

import csv
import dataclasses
import errno
import gzip
import hashlib
import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from tiny_study import (
    BASELINE,
    InlineExecutor,
    finish,
    make_study,
    prepared,
    stories,
    tiny_config,
    tree,
    write_study_json,
    write_text,
)

from tinyllama_np import Condition, ConfigError, StudyConfig, prepare, train
from tinyllama_np.checkpoint import checkpoint_folders, load_model
from tinyllama_np.corpus.shards import ShardStore
from tinyllama_np.corpus.text import CorpusError
from tinyllama_np.corpus.tokens import write_token_file
from tinyllama_np.prepare import Texts, prepare_study, staging_folder
from tinyllama_np.storage import FolderInUseError, sole_owner
from tinyllama_np.study import collect_intervals, run_jobs, run_study
from tinyllama_np.train import train_run

FRESH = Condition("fresh", {"train_tokens": 900})
DEEP = Condition("deep-3", {"num_hidden_layers": 3, "learning_rate": 0.003, "intervals": 4})


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


# ---------------------------------------------------------------------------------- the folder


def test_the_folder_of_a_prepared_study(tmp_path):
    out = make_study(tmp_path)
    assert sorted(tree(out)) == [
        ".lock",
        "data",
        "data/train.bin",
        "data/train.json",
        "data/valid.bin",
        "data/valid.json",
        "study.json",
        "tokenizer.json",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study", "text.txt"]  # no staging left


def test_study_json_describes_the_study_and_names_no_path(tmp_path):
    out = make_study(tmp_path, tiny_config(seeds=(3, 5), conditions=(BASELINE, FRESH)))
    values = json.loads((out / "study.json").read_text(encoding="utf-8"))
    config = StudyConfig.from_dict(values["config"])
    assert config.seeds == (3, 5)
    assert config.conditions == (BASELINE, FRESH)
    assert values["config_hash"] == config.sha256
    assert values["parameters"] == 3240
    assert config.corpus.files[0][0] == "text.txt"
    assert values["data"]["train"]["tokens"] == 900
    for name, data in tree(out).items():
        assert data is None or str(tmp_path).encode() not in data, name


def test_the_same_text_elsewhere_gives_the_same_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b b").mkdir()
    assert tree(make_study(tmp_path / "a")) == tree(make_study(tmp_path / "b b"))


def test_embedded_stories_need_no_file(tmp_path):
    config = tiny_config()
    corpus = dataclasses.replace(config.corpus, synthetic_stories=60)
    config = dataclasses.replace(config, corpus=corpus)
    lines = []
    prepare_study(config, Texts(), tmp_path / "study", lines.append)
    assert (tmp_path / "study" / "data" / "train.bin").stat().st_size == 2 * 200
    assert any("60 stories" in line for line in lines)


def test_a_validation_text_of_its_own(tmp_path):
    text, valid = write_text(tmp_path / "a.txt", 150), write_text(tmp_path / "b.txt", 200)
    texts = Texts((text,), (valid,))
    config = tiny_config(train_tokens=None)
    config = dataclasses.replace(config, corpus=texts.describe(config.corpus))
    lines = []
    prepare_study(config, texts, tmp_path / "study", lines.append)
    found = json.loads((tmp_path / "study" / "study.json").read_text())
    assert found["data"]["train"]["stories"] == 150  # all: none is kept for validation
    assert found["data"]["valid"]["stories"] == 50  # those that are not in the training text
    assert any("150 validation stories left out" in line for line in lines)
    assert found["config"]["corpus"]["valid_files"][0][0] == "b.txt"


def of_texts(files, **corpus):
    texts = Texts(tuple(files))
    config = tiny_config(train_tokens=None)
    corpus = dataclasses.replace(config.corpus, **corpus)
    return dataclasses.replace(config, corpus=texts.describe(corpus)), texts


def data_of(folder, files, workers=1, say=lambda line: None, **corpus):
    """The token files and the tokenizer of a study of these files."""
    prepare_study(*of_texts(files, **corpus), folder, say, workers=workers)
    found = tree(folder)
    return {name: found[name] for name in found if name != "study.json"}


def test_the_format_of_the_text_and_the_workers_do_not_show(tmp_path):
    plain = write_text(tmp_path / "a.txt")
    lines = [json.dumps({"story": story}) + "\n" for story in stories()]
    (tmp_path / "a.jsonl").write_text("".join(lines[:70]), encoding="utf-8")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress("".join(lines[70:]).encode()))
    parts = (tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz")
    expected = data_of(tmp_path / "plain", [plain])
    assert data_of(tmp_path / "json", parts, workers=3, text_field="story") == expected


def test_duplicates_are_counted_and_left_out_on_request(tmp_path):
    once, again = write_text(tmp_path / "a.txt"), write_text(tmp_path / "b.txt", 80)
    said, records = [], {}
    for name, deduplicate in (("kept", False), ("left-out", True)):
        data = data_of(tmp_path / name, [once, again], say=said.append, deduplicate=deduplicate)
        records[name] = [json.loads(data[f"data/{side}.json"]) for side in ("train", "valid")]
    for name, dropped in (("kept", 0), ("left-out", 80)):
        assert sum(record["duplicates"] for record in records[name]) == 80
        assert sum(record["duplicates_dropped"] for record in records[name]) == dropped
        assert sum(record["stories"] for record in records[name]) == 280 - dropped
        assert [record["overlap"] for record in records[name]] == [0, 0]
    notices = [line for line in said if "occurred before" in line]
    assert [line.split(": ")[1] for line in notices[::2]] == [
        "kept (--deduplicate leaves them out)",
        "left out",
    ]
    left_out, once_only = tree(tmp_path / "left-out"), data_of(tmp_path / "once", [once])
    for name in ("tokenizer.json", "data/train.bin", "data/valid.bin"):
        assert left_out[name] == once_only[name]


def test_a_study_from_before_these_settings_is_the_same_study(tmp_path):
    out = make_study(tmp_path)
    values = json.loads((out / "study.json").read_text())
    for name in ("text_field", "deduplicate"):
        del values["config"]["corpus"][name]
    write_study_json(out, values)
    make_study(tmp_path)
    config, texts = of_texts([tmp_path / "text.txt"], deduplicate=True)
    with pytest.raises(ConfigError, match="deduplicate is false there and true here"):
        prepare_study(config, texts, out, lambda line: None)


class Killed(BaseException):
    """What a kill is to the code: nothing is cleaned up behind it."""


def test_a_process_that_was_killed_while_it_encoded_is_taken_over(tmp_path, monkeypatch):
    text = write_text(tmp_path / "a.txt")
    expected = data_of(tmp_path / "expected", [text])
    monkeypatch.setattr(
        prepare, "write_token_file", partial(write_token_file, shard_characters=999)
    )

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        append = ShardStore.append
        patch.setattr(
            ShardStore,
            "append",
            lambda self, *shard: killed() if len(self.shards) == 5 else append(self, *shard),
        )
        patch.setattr(prepare, "remove_tree", lambda folder: None)
        with pytest.raises(Killed):
            data_of(tmp_path / "new", [text])
    staging = staging_folder(tmp_path / "new")
    for foreign in (staging / "samples", staging / "data" / ".old.bin.partial"):
        foreign.mkdir()  # of another version, say
        (foreign / "file").write_text("x")
    (staging / "data" / "notes").write_text("x")
    taken_over = []
    keep = ShardStore.keep
    monkeypatch.setattr(
        ShardStore, "keep", lambda self, count: (taken_over.append(count), keep(self, count))
    )
    assert data_of(tmp_path / "new", [text]) == expected
    assert taken_over == [0, 5]  # of valid.bin, which was finished and is made again; of train.bin
    assert not staging.exists()


def test_two_processes_do_not_make_the_same_study(tmp_path):
    out = tmp_path / "study"
    staging_folder(out).mkdir(parents=True)
    before = tree(tmp_path)
    named = f"folder {out} is in use by process"
    with sole_owner(out), pytest.raises(FolderInUseError, match=named):
        make_study(tmp_path)
    left = {*tree(tmp_path)} - {*before}
    assert left == {"study/.lock", "text.txt"}
    make_study(tmp_path)  # the other one was killed
    assert not staging_folder(out).exists()


def test_a_disk_that_fills_leaves_no_study(tmp_path, monkeypatch):
    config, texts = of_texts([write_text(tmp_path / "text.txt")])

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tinyllama_np.storage.Disk.write", full)
    with pytest.raises(OSError, match=r"No space left on device: .*valid\.bin"):
        prepare_study(config, texts, tmp_path / "study", lambda line: None)
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


# -------------------------------------------------------------------------------- what is refused


def refused(tmp_path, config, message, error=ConfigError, texts=None):
    """`prepare_study` refuses in one line and leaves nothing behind."""
    texts = texts or Texts((write_text(tmp_path / "text.txt"),))
    before = tree(tmp_path)
    with pytest.raises(error, match=message) as caught:
        prepare_study(config, texts, tmp_path / "new" / "study", lambda line: None)
    assert "\n" not in str(caught.value)
    assert tree(tmp_path) == before


def test_more_train_tokens_than_the_text_has(tmp_path):
    refused(tmp_path, tiny_config(train_tokens=10**6), "1000000", CorpusError)


def test_more_train_tokens_than_the_text_has_beside_a_condition_that_takes_all(tmp_path):
    conditions = (Condition("all", {"train_tokens": None}), Condition("more"))
    config = tiny_config(conditions=conditions, train_tokens=10**6)
    refused(tmp_path, config, "train_tokens=1000000", ValueError)


def test_more_tokens_in_the_vocabulary_than_the_text_has_pairs_for(tmp_path):
    """Ids that no text has would be generated and could not be decoded."""
    refused(tmp_path, tiny_config(model={"vocab_size": 5000}), "vocab_size=5000", ValueError)


def test_a_vocabulary_smaller_than_the_bytes(tmp_path):
    refused(tmp_path, tiny_config(model={"vocab_size": 256}), "vocab_size=256", ConfigError)


def test_fewer_validation_tokens_than_a_sequence():
    with pytest.raises(ConfigError, match="valid_tokens=7"):
        tiny_config(valid_tokens=7)
    with pytest.raises(ConfigError, match="'long': valid_tokens=64"):
        tiny_config(conditions=(Condition("long", {"sequence_length": 65, "intervals": 2}),))


def test_a_validation_text_shorter_than_a_sequence(tmp_path):
    (tmp_path / "valid.txt").write_text("Hi.")
    texts = Texts((write_text(tmp_path / "text.txt"),), (tmp_path / "valid.txt",))
    refused(tmp_path, tiny_config(), "validation text has", ConfigError, texts)


def test_another_study_in_the_folder(tmp_path):
    out = make_study(tmp_path)
    before = tree(out)
    with pytest.raises(ConfigError) as caught:
        make_study(tmp_path, tiny_config(seeds=(0, 1), learning_rate=0.25, model={"rope_theta": 9}))
    message = str(caught.value)
    assert "\n" not in message
    for difference in (
        "train.learning_rate is 0.01 there and 0.25 here",
        "model.rope_theta is 10000.0 there and 9.0 here",
        "seeds is [0] there and [0, 1] here",
        "; seeds cannot be added to a study, they all train in a new folder",
    ):
        assert difference in message
    assert "batch_size" not in message
    with pytest.raises(ConfigError, match=r"give the same settings to continue it$"):
        make_study(tmp_path, tiny_config(learning_rate=0.25))
    assert tree(out) == before


def test_seeds_in_another_order_are_the_same_study(tmp_path):
    """Also where they were written down as they were given, as studies did at first."""
    out = make_study(tmp_path, tiny_config(seeds=(5, 0, 2)))
    made = tree(out)
    make_study(tmp_path, tiny_config(seeds=(2, 5, 0)))
    assert tree(out) == made
    values = json.loads((out / "study.json").read_text())
    assert values["config"]["seeds"] == [0, 2, 5]
    values["config"]["seeds"] = [5, 0, 2]
    settings = json.dumps(values["config"], sort_keys=True).encode()
    values["config_hash"] = hashlib.sha256(settings).hexdigest()
    (out / "study.json").write_text(json.dumps(values))
    make_study(tmp_path, tiny_config(seeds=(2, 5, 0)))
    with pytest.raises(ConfigError, match=r"seeds is \[0, 2, 5\] there and \[0, 2\] here"):
        make_study(tmp_path, tiny_config(seeds=(2, 0)))


def test_another_text_under_the_same_name(tmp_path):
    make_study(tmp_path)
    write_text(tmp_path / "text.txt", 199)
    with pytest.raises(ConfigError, match=r"corpus\.files"):
        make_study(tmp_path)


def test_damaged_data_is_not_trained_on(tmp_path):
    out = make_study(tmp_path)
    with open(out / "data" / "train.bin", "r+b") as stream:
        stream.write(b"\x05")
    with pytest.raises(CorpusError, match="SHA-256"):
        make_study(tmp_path)


def test_data_made_with_another_tokenizer_is_not_trained_on(tmp_path):
    out = make_study(tmp_path)
    other = make_study(tmp_path / "other", tiny_config(model={"vocab_size": 281}))
    shutil.copy(other / "tokenizer.json", out / "tokenizer.json")
    with pytest.raises(CorpusError, match=r"study/tokenizer\.json is not the file that the study"):
        make_study(tmp_path)
    with pytest.raises(CorpusError, match=r"study/tokenizer\.json is not the file that the study"):
        train_run(run_jobs(tiny_config(), out)[0])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"config": 3}', "{}"])
def test_a_study_json_that_is_none(tmp_path, content):
    out = make_study(tmp_path)
    (out / "study.json").write_text(content)
    with pytest.raises(ConfigError) as caught:
        make_study(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_crash_while_preparing_leaves_no_half_study(tmp_path, monkeypatch):
    def crash(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "versions", crash)  # the last thing before study.json
    with pytest.raises(KeyboardInterrupt):
        make_study(tmp_path)
    monkeypatch.undo()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["text.txt"]
    staging = staging_folder(tmp_path / "study")  # what a killed process would leave
    staging.mkdir(parents=True)
    (staging / "tokenizer.json").write_text("half")
    make_study(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study", "text.txt"]


# ---------------------------------------------------------------------------- order and workers


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Two conditions with two seeds, one run after the other."""
    config = tiny_config(seeds=(0, 4), conditions=(BASELINE, DEEP))
    out, jobs = prepared(tmp_path_factory.mktemp("expected"), config)
    return config, out, finish(jobs)


def test_every_condition_is_run_with_every_seed(expected):
    config, out, _ = expected
    jobs = run_jobs(config, out)
    names = [(job.condition, job.train.seed) for job in jobs]
    assert names == [("baseline", 0), ("baseline", 4), ("deep-3", 0), ("deep-3", 4)]
    assert [job.folder.relative_to(out).as_posix() for job in jobs[1:3]] == [
        "runs/baseline/seed-4",
        "runs/deep-3/seed-0",
    ]


def test_overrides_reach_their_runs_only(expected):
    config, out, _ = expected
    for job in run_jobs(config, out):
        deep = job.condition == "deep-3"
        (folder,) = checkpoint_folders(job.folder / "checkpoints")
        assert load_model(folder)[0].num_hidden_layers == (3 if deep else 2)
        lines = (job.folder / "steps.csv").read_text().splitlines()
        assert lines[-1].split(",")[3] == ("0.003" if deep else "0.01")
        assert len((job.folder / "intervals.csv").read_text().splitlines()) == (5 if deep else 7)


def test_the_order_of_the_runs_does_not_show(tmp_path, expected):
    config, out, wanted = expected
    again = tmp_path / "again"
    shutil.copytree(out, again, ignore=shutil.ignore_patterns("runs"))
    assert finish(run_jobs(config, again)[::-1])[::-1] == wanted


@pytest.mark.slow
def test_runs_at_the_same_time_do_not_show(tmp_path, expected):
    config, out, wanted = expected
    again = tmp_path / "again"
    shutil.copytree(out, again, ignore=shutil.ignore_patterns("runs"))
    with ThreadPoolExecutor(3) as executor:
        assert finish(run_jobs(config, again), executor) == wanted


def test_a_study_that_was_asked_to_stop_goes_on_exactly(tmp_path, expected):
    config, out, wanted = expected
    again = tmp_path / "again"
    shutil.copytree(out, again, ignore=shutil.ignore_patterns("runs"))
    jobs = run_jobs(config, again)
    with ThreadPoolExecutor(1) as executor:
        outcomes = run_study(jobs, executor, stop_requested=lambda: True, poll_seconds=0.001)
    assert "stopped" in {outcome["status"] for outcome in outcomes}
    assert not jobs[0].stop_file.exists()
    jobs[0].stop_file.touch()  # left by a killed process: it stops nobody
    assert finish(jobs) == wanted


@pytest.mark.slow
def test_a_stop_file_of_somebody_else_stops_the_study(tmp_path, monkeypatch, expected):
    config, out, wanted = expected
    again = tmp_path / "again"
    shutil.copytree(out, again, ignore=shutil.ignore_patterns("runs"))
    jobs = run_jobs(config, again)
    take_step = train._Run.take_step

    def stopping(run):
        if run.trainer.step == 5:
            jobs[0].stop_file.touch()
        return take_step(run)

    said = []
    with monkeypatch.context() as patch:
        patch.setattr(train._Run, "take_step", stopping)
        outcomes = run_study(jobs, InlineExecutor(), say=said.append, poll_seconds=0.01)
    assert [outcome["status"] for outcome in outcomes] == ["stopped"] * 4
    assert [outcome["step"] for outcome in outcomes] == [5, 0, 0, 0]
    assert said == []
    assert not jobs[0].stop_file.exists()
    assert finish(jobs) == wanted


def test_a_study_is_not_trained_twice(expected, monkeypatch):
    config, out, _ = expected
    before = tree(out)
    monkeypatch.setattr("tinyllama_np.train._Run", None)
    finish(run_jobs(config, out))
    assert tree(out) == before


def test_the_studys_intervals_are_those_of_its_runs(expected):
    config, out, _ = expected
    jobs = run_jobs(config, out)
    text = collect_intervals(jobs, out).read_text(encoding="utf-8")
    (out / "intervals.csv").unlink()
    parts = [(job.folder / "intervals.csv").read_text(encoding="utf-8") for job in jobs]
    header = parts[0].split("\n")[0] + "\n"
    assert text == header + "".join(part.removeprefix(header) for part in parts)
    found = list(csv.DictReader(io.StringIO(text)))
    keys = {(row["condition"], row["seed"], row["interval"]) for row in found}
    assert len(keys) == len(found) == 2 * 6 + 2 * 4


def test_progress_is_reported_up_to_the_end(tmp_path):
    _, jobs = prepared(tmp_path, tiny_config(seeds=(0, 1)))
    seen = []
    run_study(jobs, InlineExecutor(), report=seen.append, poll_seconds=0.01)
    assert seen[-1] == 2 * 416
    assert seen == sorted(seen)


# ------------------------------------------------------------------------------------- conditions


@pytest.mark.slow
def test_fewer_train_tokens_train_as_a_study_of_their_own_would(tmp_path):
    """A condition takes the beginning of the training text, closed by an end of text."""
    conditions = (FRESH, Condition("few"), Condition("all", {"train_tokens": None}))
    _, jobs = prepared(tmp_path / "three", tiny_config(conditions=conditions))
    of_three = dict(zip(("fresh", "few", "all"), finish(jobs), strict=True))
    _, jobs = prepared(tmp_path / "alone", tiny_config(conditions=(Condition("few"),)))
    assert finish(jobs) == [of_three["few"]]
    _, jobs = prepared(tmp_path / "all", tiny_config(conditions=conditions[-1:]))
    assert finish(jobs) == [of_three["all"]]
    model = "checkpoints/step-000013/model.safetensors"
    assert len({files[model] for files in of_three.values()}) == 3


def test_the_ring_of_a_condition_ends_with_an_end_of_text(tmp_path):
    from tinyllama_np.trainer import training_ring

    tokens = np.arange(50, dtype=np.uint16)
    ring = training_ring(tokens, 20, 279)
    assert ring.tolist() == [*range(19), 279]
    assert training_ring(tokens, None, 279).tolist() == [*range(49), 279]
    assert tokens[19] == 19  # the text itself is left alone
