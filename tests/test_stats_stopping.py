"""Stopping rules on a trajectory measured by hand, thresholds chosen by others; planted bugs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats import stopping, stopping_rules
from stats.matrix import Names, seed_matrix
from stats.stopping import (
    by_setting,
    choose_by_others,
    honest_means,
    leave_one_seed_out,
    replay,
)
from stats.stopping_rules import DEFAULT_RULES, StoppingRule

NAN, INF = np.nan, np.inf
# interval       0    1    2    3    4    5     6     7    8    9
LOSS = np.array([8.0, 4.0, 2.0, 2.1, 1.0, 1.05, 1.02, 1.1, 1.2, 0.8])
# best so far    8    4    2    2    1    1     1     1    1    .8
GL = [0, 0, 0, 5, 0, 5, 2, 10, 20, 0]  # per cent above the best so far
RISES = [0, 0, 0, 1, 0, 1, 0, 1, 2, 0]
SINCE_BEST = [0, 0, 0, 1, 0, 1, 2, 3, 4, 0]
TRAIN = np.array([NAN, 4.0, 3.0, 2.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5])
# strips of 2: (4, 3) has mean 3.5 and least 3: 1000 (3.5/3 - 1) = 500/3; (3, 2): 1000 (2.5/2 - 1)
PROGRESS = [NAN, NAN, 500 / 3, 250, 500, 0, 0, 500, 0, 0]
PQ = [NAN, NAN, 0, 5 / 250, 0, INF, INF, 10 / 500, INF, 0]

# (rule, interval of the stop or None, checkpoint kept, tokens wasted in millions, regret)
BY_HAND = [
    (StoppingRule("GL", 0), 3, 2, 1, 2 - 0.8),  # any rise above the best, but not the best itself
    (StoppingRule("PQ", 0, 2), 3, 2, 1, 2 - 0.8),
    (StoppingRule("GL", 4), 3, 2, 1, 2 - 0.8),
    (StoppingRule("GL", 6), 7, 4, 3, 1 - 0.8),
    (StoppingRule("GL", 50), None, 9, 0, 0),
    (StoppingRule("PQ", 0.015, 2), 3, 2, 1, 2 - 0.8),
    (StoppingRule("PQ", 1, 2), 5, 4, 1, 1 - 0.8),
    (StoppingRule("UP", 1), 3, 2, 1, 2 - 0.8),
    (StoppingRule("UP", 2), 8, 4, 4, 1 - 0.8),
    (StoppingRule("UP", 3), None, 9, 0, 0),
    (StoppingRule("patience", 1), 3, 2, 1, 2 - 0.8),
    (StoppingRule("patience", 2), 6, 4, 2, 1 - 0.8),
    (StoppingRule("patience", 4), 8, 4, 4, 1 - 0.8),
    (StoppingRule("patience", 5), None, 9, 0, 0),
    (StoppingRule("never"), None, 9, 0, 0),
]


def frame_of(losses, trains=None):
    losses = np.atleast_2d(losses)
    trains = losses if trains is None else np.atleast_2d(trains)
    s, k = losses.shape
    return pd.DataFrame(
        {
            "seed": np.repeat(np.arange(s), k),
            "interval": np.tile(np.arange(k), s),
            "tokens_seen": np.tile(np.arange(k) * 1_000_000, s),
            "val_loss": losses.ravel(),
            "train_sample_loss": trains.ravel(),
        }
    )


def check_by_hand():
    table = replay(frame_of(LOSS, TRAIN), [rule for rule, *_ in BY_HAND])
    for (_, row), (rule, stop, kept, wasted, regret) in zip(table.iterrows(), BY_HAND, strict=True):
        assert row["setting"] == rule.label
        assert row["stopped"] == (stop is not None), rule
        last = 9 if stop is None else stop
        assert (row["stop_interval"], row["best_interval"]) == (last, kept), rule
        assert row["tokens_spent"] == last * 10**6
        assert row["tokens_wasted"] == wasted * 10**6
        assert row["regret"] == pytest.approx(regret, abs=1e-12)


def test_the_quantities_behind_the_rules():
    np.testing.assert_allclose(stopping_rules.generalization_loss(LOSS), GL, atol=1e-12)
    np.testing.assert_allclose(stopping_rules.training_progress(TRAIN, 2), PROGRESS, atol=1e-12)
    np.testing.assert_allclose(stopping_rules.progress_quotient(LOSS, TRAIN, 2), PQ, atol=1e-12)
    assert stopping_rules.rises_in_a_row(LOSS).tolist() == RISES
    assert stopping_rules.intervals_without_best(LOSS).tolist() == SINCE_BEST


def test_several_seeds_at_once_are_each_by_itself():
    two = np.stack([LOSS, LOSS[::-1]])
    trains = np.stack([TRAIN, TRAIN])
    for got, alone in [
        (stopping_rules.generalization_loss(two), stopping_rules.generalization_loss),
        (stopping_rules.rises_in_a_row(two), stopping_rules.rises_in_a_row),
        (stopping_rules.intervals_without_best(two), stopping_rules.intervals_without_best),
        (
            stopping_rules.progress_quotient(two, trains, 3),
            lambda own: stopping_rules.progress_quotient(own, TRAIN, 3),
        ),
    ]:
        np.testing.assert_array_equal(got, [alone(own) for own in two])


def test_equalling_the_best_is_neither_a_rise_nor_a_new_best():
    flat = np.array([2.0, 1.0, 1.0, 1.0, 1.5])
    assert stopping_rules.rises_in_a_row(flat).tolist() == [0, 0, 0, 0, 1]
    assert stopping_rules.intervals_without_best(flat).tolist() == [0, 0, 1, 2, 3]


def test_replay_by_hand():
    check_by_hand()


def best_of_the_whole_run(loss):
    return np.broadcast_to(loss.min(axis=-1, keepdims=True), loss.shape)


def strip_one_too_early(train, strip):
    return np.roll(TRUE_PROGRESS(train, strip), -1)


TRUE_PROGRESS, TRUE_RISES = stopping_rules.training_progress, stopping_rules.rises_in_a_row
PLANTED = {
    "GL looks at the best of the whole run": ("best_so_far", best_of_the_whole_run),
    "UP counts intervals, not rises": ("rises_in_a_row", lambda loss: TRUE_RISES(loss) + 1),
    "UP counts rises since the start": (
        "rises_in_a_row",
        lambda loss: np.cumsum(np.diff(loss, prepend=loss[..., :1]) > 0, axis=-1),
    ),
    "the strip reaches into the next interval": ("training_progress", strip_one_too_early),
    "patience since the last fall": (
        "intervals_without_best",
        lambda loss: TRUE_RISES(loss),
    ),
    "regret against the best until the stop": (
        "regret",
        lambda loss, stop: loss[: stop + 1].min() - loss[: stop + 1].min(),
    ),
    "regret of the last checkpoint": ("regret", lambda loss, stop: loss[stop] - loss.min()),
    "the best of the whole run is kept": ("kept_checkpoint", lambda loss, stop: loss.argmin()),
    "the last checkpoint is kept": ("kept_checkpoint", lambda loss, stop: stop),
    "the stop itself is not looked at": (
        "kept_checkpoint",
        lambda loss, stop: int(loss[: max(stop, 1)].argmin()),
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug, monkeypatch):
    name, replacement = PLANTED[bug]
    monkeypatch.setattr(stopping if hasattr(stopping, name) else stopping_rules, name, replacement)
    with pytest.raises(AssertionError):
        check_by_hand()


LOSSES = st.lists(st.floats(0.5, 9, width=16), min_size=4, max_size=12)


@given(loss=LOSSES, train=st.lists(st.floats(0.5, 9, width=16), min_size=12, max_size=12))
@settings(max_examples=40, deadline=None)
def test_no_rule_sees_what_comes_after_its_stop(loss, train):
    whole, beside = np.array(loss), np.array(train)[: len(loss)]
    for rule in [*DEFAULT_RULES, StoppingRule("PQ", 0.1, 2)]:
        stop = rule.first_stop(whole, beside)
        for end in range(1, len(loss) + 1):
            expected = stop if stop is not None and stop < end else None
            assert rule.first_stop(whole[:end], beside[:end]) == expected


def check_choice_by_others():
    """Setting A costs 0, 0, 9 on three seeds, setting B 1, 1, 1.

    Without seed 2 A is the cheaper and costs seed 2 its 9. Without seed 0 (or 1) A costs 4.5 in
    the mean, so B is taken. Honest mean (1 + 1 + 9) / 3; hindsight takes B: 1.
    """
    rows = [
        {"rule": "GL", "setting": name, "threshold": threshold, "seed": seed, "regret": regret}
        for name, threshold, costs in (("A", 1.0, (0, 0, 9)), ("B", 2.0, (1, 1, 1)))
        for seed, regret in enumerate(costs)
    ]
    table = pd.DataFrame(rows).assign(
        stopped=True, stop_interval=3, best_interval=2, tokens_spent=0, tokens_wasted=0
    )
    held_out = leave_one_seed_out(table)
    assert held_out["setting"].tolist() == ["B", "B", "A"]
    assert held_out["cost"].tolist() == [1, 1, 9]
    assert held_out["cost_of_others"].tolist() == [1, 1, 0]
    means = honest_means(table).iloc[0]
    assert means["regret"] == pytest.approx(11 / 3, abs=1e-12)
    assert means["cost_in_hindsight"] == 1
    assert means["optimism"] == pytest.approx(8 / 3, abs=1e-12)
    assert (means["settings"], means["largest_regret"]) == ("B, A", 9)


def test_thresholds_are_chosen_by_the_other_seeds():
    check_choice_by_others()


def test_a_choice_that_sees_its_own_seed_is_caught(monkeypatch):
    def on_all(costs):
        best = costs.mean(axis=1).argmin()
        return np.full(costs.shape[1], best), np.full(costs.shape[1], costs[best].mean())

    monkeypatch.setattr(stopping, "choose_by_others", on_all)
    with pytest.raises(AssertionError):
        check_choice_by_others()


def test_of_equally_cheap_settings_the_first_is_taken():
    chosen, means = choose_by_others(np.array([[2.0, 1, 1], [1, 1, 1], [1, 1, 1]]))
    assert chosen.tolist() == [0, 1, 1]
    assert means.tolist() == [1, 1, 1]


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), price=st.sampled_from([0.0, 0.01, 1.0]))
@settings(max_examples=10, deadline=None)
def test_hindsight_is_never_dearer_and_shuffled_rows_change_nothing(seed, price):
    rng = np.random.default_rng(seed)
    losses = 3 + rng.random((4, 9)) + 0.2 * (np.arange(9) - 4) ** 2
    frame = frame_of(losses, losses[:, ::-1])
    rules = [StoppingRule(kind, n) for kind, n in product(("GL", "UP", "patience"), (1, 2, 3))]
    rules.append(StoppingRule("PQ", 0.05, 2))
    replayed = replay(frame, rules)
    means = honest_means(replayed, price)
    assert (means["optimism"] >= -1e-12).all()
    shuffled = replay(frame.sample(frac=1, random_state=seed), rules)
    pd.testing.assert_frame_equal(shuffled, replayed)
    pd.testing.assert_frame_equal(honest_means(shuffled, price), means)
    everything = by_setting(replayed, price).set_index("setting")["cost"]
    by_definition = replayed["regret"] + price * replayed["tokens_spent"] / 1e6
    np.testing.assert_allclose(
        everything, by_definition.groupby(replayed["setting"]).mean()[everything.index], rtol=1e-12
    )


def test_columns_may_have_other_names():
    names = Names(seed="run", interval="t", tokens="n", loss="L", train="T")
    frame = frame_of(LOSS, TRAIN)
    renamed = frame.set_axis(["run", "t", "n", "L", "T"], axis=1)
    rules = [rule for rule, *_ in BY_HAND]
    got = replay(renamed, rules, names)
    pd.testing.assert_frame_equal(got, replay(frame, rules))


def test_without_pq_no_training_loss_is_needed():
    table = replay(frame_of(LOSS).drop(columns="train_sample_loss"), [StoppingRule("UP", 2)])
    assert table["stop_interval"].tolist() == [8]
    with pytest.raises(ValueError, match="PQ needs the training loss"):
        StoppingRule("PQ", 1).first_stop(LOSS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="val_loss"), "no column 'val_loss'"),
        (lambda f: f.drop(columns="train_sample_loss"), "no column 'train_sample_loss'"),
        (lambda f: f.iloc[:0], "no rows"),
        (lambda f: f.drop(index=3), r"'val_loss' is missing or not finite .* \(0, 3\);"),
        (lambda f: pd.concat([f, f.iloc[[4, 5]]]), r"duplicated .* \(0, 4\), \(0, 5\)"),
        (lambda f: f.assign(val_loss=f["val_loss"].where(f.index != 2, INF)), r"cells \(0, 2\)"),
        (lambda f: f.assign(val_loss=-f["val_loss"]), "val_loss=-8.0 of seed 0 at interval 0"),
        (lambda f: f.assign(val_loss="much"), r"\(0, 7\) and 12 more"),
        (lambda f: f.assign(train_sample_loss=NAN), r"'train_sample_loss' .* \(0, 1\)"),
        (lambda f: f.assign(tokens_seen=7), "tokens_seen of seed 0 does not grow .* 0 to 1"),
        (lambda f: f.assign(tokens_seen=f["tokens_seen"] - 5), "tokens_seen=-5.0 must not be"),
        (lambda f: f.assign(interval="i" + f["interval"].astype(str)), "'interval' must .* 'i0'"),
        (lambda f: f.assign(seed=f["seed"].where(f.index != 2)), "'seed' has an empty cell"),
    ],
)
def test_a_bad_frame_is_refused(change, message):
    frame = frame_of(np.stack([LOSS, LOSS]), np.stack([TRAIN, TRAIN]))
    with pytest.raises(ValueError, match=message):
        replay(change(frame))


def test_bad_settings_are_refused():
    for arguments, message in [
        (("GL", -1), "GL threshold=-1 must be"),
        (("PQ", NAN), "PQ threshold=nan must be"),
        (("UP", 0), "UP threshold=0 must be a whole number"),
        (("patience", 1.5), "patience threshold=1.5 must be a whole number"),
        (("luck", 1), "kind='luck'"),
        (("PQ", 1, 1), "strip=1 must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            StoppingRule(*arguments)
    with pytest.raises(ValueError, match="rules is empty"):
        replay(frame_of(LOSS), [])
    with pytest.raises(ValueError, match=r"UP\(2\) more than once"):
        replay(frame_of(LOSS), [StoppingRule("UP", 2), StoppingRule("UP", 2)])
    table = replay(frame_of(LOSS), [StoppingRule("UP", 2)])
    with pytest.raises(ValueError, match=r"1 seed\(s\): leaving one out"):
        leave_one_seed_out(table)
    with pytest.raises(ValueError, match=r"price=-0.1 must be"):
        by_setting(table, -0.1)
    with pytest.raises(ValueError, match=r"1 seed\(s\) in the frame; this takes at least 2"):
        seed_matrix(frame_of(LOSS), "val_loss", least_seeds=2)
