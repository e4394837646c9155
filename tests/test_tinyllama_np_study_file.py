"""study.json: what is read from it, and what of it is not believed."""

from __future__ import annotations

import copy
import json

import pytest
from tiny_study import make_study, tiny_config, write_study_json

from tinyllama_np import trainer
from tinyllama_np.checkpoint import CheckpointError
from tinyllama_np.cli import main
from tinyllama_np.config import ConfigError, CorpusConfig, TrainConfig
from tinyllama_np.corpus.text import CorpusError
from tinyllama_np.prepare import open_study
from tinyllama_np.run_states import study_state
from tinyllama_np.storage import append_text
from tinyllama_np.study import run_jobs
from tinyllama_np.study_file import check_same_study, read_study
from tinyllama_np.train import train_run


@pytest.fixture
def values(tmp_path):
    """The content of the study.json in tmp_path."""
    values = {"config": json.loads(json.dumps(tiny_config(seeds=(3, 1)).to_dict()))}
    write_study_json(tmp_path, values)
    return values


def test_the_settings_come_back(tmp_path, values):
    study = read_study(tmp_path)
    assert study.config == tiny_config(seeds=(3, 1))
    assert study.config_hash == study.config.sha256 == values["config_hash"]
    check_same_study(study.config, tmp_path)


@pytest.mark.parametrize(
    ("part", "name", "default"),
    [
        ("corpus", "deduplicate", CorpusConfig.deduplicate),
        ("train", "matmul", TrainConfig.matmul),
    ],
)
def test_a_setting_that_came_later_has_its_default(tmp_path, values, part, name, default):
    del values["config"][part][name]
    write_study_json(tmp_path, values)
    study = read_study(tmp_path)
    assert getattr(getattr(study.config, part), name) == default
    assert study.config_hash == values["config_hash"]
    check_same_study(tiny_config(seeds=(3, 1)), tmp_path)


def test_a_setting_that_was_lost_or_changed_is_noticed(tmp_path, values):
    for change in ({"budget_tokens": 416}, {}):
        changed = copy.deepcopy(values)
        del changed["config"]["train"]["budget_tokens"]
        changed["config"]["train"] |= change
        (tmp_path / "study.json").write_text(json.dumps(changed))
        with pytest.raises(ConfigError, match="config_hash: it was changed"):
            read_study(tmp_path)


def test_a_setting_of_a_later_version_is_named(tmp_path, values):
    values["config"]["train"]["momentum"] = 0.5
    write_study_json(tmp_path, values)
    with pytest.raises(ConfigError, match="TrainConfig has no setting momentum"):
        read_study(tmp_path)


def test_differences_are_named_with_both_values(tmp_path, values):
    with pytest.raises(ConfigError, match=r"seeds is \[1, 3\] there and \[0\] here") as caught:
        check_same_study(tiny_config(learning_rate=0.5), tmp_path)
    assert "train.learning_rate is 0.01 there and 0.5 here" in str(caught.value)


BAD_SETTINGS = {
    "preset": [None, 3],
    "model": [None, [], {"hidden_size": 7}, {"hidden_size": "8"}, {"rope_theta": 10**400}],
    "train": [
        3,
        {"sample_prompts": 3},
        {"budget_tokens": 10**400},
        {"learning_rate": float("nan")},
    ],
    "seeds": [None, 3, [], [True], ["0"], list(range(10001)), [-1], [0, 0], {"a": 0}],
    "conditions": [None, [], 3, [3], [{}], [{"name": "a"}], [{"name": "..", "overrides": {}}]],
    "corpus": [None, [], {"files": 3}, {"files": [3]}, {"files": [["a"]]}],
}
BAD_TEXTS = ["", "{", "[]", "3", '{"config": 3}', "{}", "[" * 9999, "\0", '{"config": {}}']


def test_whatever_stands_there_is_refused_in_one_line(tmp_path, values):
    texts = list(BAD_TEXTS)
    for name, wrong in BAD_SETTINGS.items():
        for value in wrong:
            changed = copy.deepcopy(values)
            changed["config"][name] = value
            write_study_json(tmp_path, changed)
            texts.append((tmp_path / "study.json").read_text())
    for text in texts:
        (tmp_path / "study.json").write_text(text)
        with pytest.raises(ConfigError, match=r"study\.json cannot be used") as caught:
            read_study(tmp_path)
        assert "\n" not in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path, values):
    (tmp_path / "study.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be used"):
        read_study(tmp_path)
    with open(tmp_path / "study.json", "r+b") as stream:
        stream.truncate(1 << 40)  # a hole: takes no place
    with pytest.raises(ConfigError, match="more than 16,777,216 bytes"):
        read_study(tmp_path)
    (tmp_path / "study.json").unlink()
    with pytest.raises(ConfigError, match="No such file"):
        read_study(tmp_path)


# --------------------------------------------------------------------------- what it vouches for


def stopped_after_a_step(job):
    """A run that was begun and stopped by its study's stop file."""
    with pytest.MonkeyPatch.context() as patch:
        take_step = trainer.Trainer.take_step

        def stop(self):
            if self.step == 1:
                append_text(job.stop_file, "")
            return take_step(self)

        patch.setattr(trainer.Trainer, "take_step", stop)
        assert train_run(job)["status"] == "stopped"
    job.stop_file.unlink()


@pytest.mark.parametrize("name", ["train", "valid"])
def test_whole_data_of_another_study_is_not_trained_on(tmp_path, name, capsys):
    """Token file and record agree with each other and with the tokenizer, also with study.json."""
    config = tiny_config(train_tokens=None)
    out = make_study(tmp_path, config)
    (job,) = run_jobs(config, out)
    stopped_after_a_step(job)
    own = {path.name: path.read_bytes() for path in (out / "data").iterdir()}
    other = "valid" if name == "train" else "train"
    for ending in (".bin", ".json"):
        (out / "data" / (name + ending)).write_bytes(own[other + ending])
    found = rf"data/{name}\.bin is not the file that the study was made with \(stories"
    for again in (
        lambda: open_study(out),
        lambda: train_run(job),
        lambda: make_study(tmp_path, config),
    ):
        with pytest.raises(CorpusError, match=found):
            again()
    assert main(["verify", str(out)]) == 1
    assert "EDITED OR DAMAGED" in capsys.readouterr().out

    values = json.loads((out / "study.json").read_text())
    values["data"][name] = values["data"][other]
    write_study_json(out, values)
    open_study(out)
    with pytest.raises(CheckpointError, match=rf"step 1 was made with another data/{name}\.bin"):
        train_run(job)
    assert main(["verify", str(out), "--from", "0"]) == 1  # whose first step knows no checkpoint
    told = capsys.readouterr().out
    assert f"made with another data/{name}.bin" in told
    assert "memory" not in told


@pytest.mark.parametrize("section", [None, 3, {}, {"tokenizer": 3}, {"tokenizer": {"sha256": 3}}])
def test_data_that_nothing_vouches_for_is_not_trained_on(tmp_path, section):
    out = make_study(tmp_path)
    values = json.loads((out / "study.json").read_text())
    values["data"] = section
    write_study_json(out, values)
    older = not section or section == 3
    edited = r"tokenizer\.json is not the file .*study\.json says"
    with pytest.raises(CorpusError, match="written by an older version" if older else edited):
        open_study(out)
    state = study_state(out)
    assert state.is_damaged == bool(state.blocked) == older
