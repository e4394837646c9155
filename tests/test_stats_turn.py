"""Forecasts of the turn where the answer is known; they may lose, and must be seen to lose."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from stats_fake_run import trajectory

from stats import turn
from stats.matrix import Names
from stats.turn import predict_turns, turn_errors, turn_of

TURNS = [12, 13, 15, 17]
K = 21
TOKENS = np.arange(K) * 1e6


def frame_of(losses, trains):
    s, k = losses.shape
    return pd.DataFrame(
        {
            "seed": np.repeat(np.arange(s), k),
            "interval": np.tile(np.arange(k), s),
            "tokens_seen": np.tile(TOKENS[:k], s),
            "val_loss": losses.ravel(),
            "train_sample_loss": trains.ravel(),
        }
    )


def parabolas(growth=0.1):
    """Loss an exact parabola in log tokens that turns at TURNS; gap an exact line in tokens.

    The gap of every seed is `growth` x 10 at its own turn, so that it is the others' too.
    """
    losses, trains = [], []
    for at in TURNS:
        loss = np.full(K, 8.0)
        loss[1:] = 3 + 0.7 * np.log(TOKENS[1:] / (at * 1e6)) ** 2
        losses.append(loss)
        trains.append(loss - 10 * growth * np.arange(K) / at)
    return frame_of(np.array(losses), np.array(trains))


def errors_of(table, predictor, fraction=0.5):
    rows = table[(table["predictor"] == predictor) & (table["fraction"] == fraction)]
    return rows.sort_values("seed")["error"].to_numpy()


def check_known_turns():
    frame = parabolas()
    table = predict_turns(frame)
    assert table.drop_duplicates("seed")["turn"].tolist() == TURNS
    # floor(.25 x 21) = 5 intervals are 0..4; floor(.35 x 21) = 7; floor(.5 x 21) = 10
    assert table.drop_duplicates("fraction")["last_seen"].tolist() == [4, 6, 9]
    for fraction in (0.25, 0.35, 0.5):
        np.testing.assert_allclose(errors_of(table, "quadratic", fraction), 0, atol=1e-6)
        np.testing.assert_allclose(errors_of(table, "gap", fraction), 0, atol=1e-9)
        # medians of the others: of 13, 15, 17; 12, 15, 17; 12, 13, 17; 12, 13, 15
        np.testing.assert_allclose(errors_of(table, "median_of_others", fraction), [3, 2, 2, 4])
    np.testing.assert_allclose(errors_of(table, "now"), [3, 4, 6, 8])
    scores = turn_errors(table).set_index(["fraction", "predictor"])
    assert scores.loc[(0.5, "median_of_others"), "mean_error"] == 11 / 4
    assert scores.loc[(0.5, "now"), ["mean_error", "largest_error"]].tolist() == [21 / 4, 8]
    assert scores.loc[(0.5, "now"), "median_error"] == 5
    beats = scores["beats_baselines"].unstack()
    assert beats["quadratic"].all()
    assert beats["gap"].all()
    assert not beats[["median_of_others", "now"]].to_numpy().any()


def test_exact_trajectories_are_foretold_exactly():
    check_known_turns()


TRUE = {name: getattr(turn, name) for name in ("turn_of", "quadratic_turn", "gap_turn")}
PLANTED = {
    "turns counted from 1": ("turn_of", lambda loss: TRUE["turn_of"](loss) + 1),
    "tokens without the logarithm": (
        "quadratic_turn",
        lambda loss, tokens: np.log(
            np.abs(TRUE["quadratic_turn"](loss, np.exp(tokens / 1e6)) * 1e6)
        ),
    ),
    "the line goes through the first point of the gap": (
        "gap_turn",
        lambda gap, tokens, target: tokens[0] + target / np.polyfit(tokens, gap, 1)[0],
    ),
    "one interval more is seen": ("_last_seen", lambda fraction, k: int(fraction * k)),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug, monkeypatch):
    monkeypatch.setattr(turn, *PLANTED[bug])
    with pytest.raises(AssertionError):
        check_known_turns()


def test_the_gap_follows_the_least_squares_line():
    rng = np.random.default_rng(0)
    tokens, gap = np.sort(rng.random(9)), rng.random(9) + np.arange(9)
    slope, intercept = np.polyfit(tokens, gap, 1)
    assert turn.gap_turn(gap, tokens, 20.0) == pytest.approx((20 - intercept) / slope, rel=1e-10)
    assert turn.gap_turn(-gap, tokens, 20.0) == np.inf
    assert turn.quadratic_turn(np.array([3.0, 3.5, 3.0]), np.array([1.0, 2.0, 4.0])) == np.inf


def test_a_forecast_does_not_see_what_comes_after_now():
    """Whatever follows interval 9 in a seed, its own two forecasts from 0..9 stay as they are."""
    frame = parabolas()
    before = predict_turns(frame, [0.5])
    later = (frame["seed"] == 0) & (frame["interval"] > 9)
    frame.loc[later, "val_loss"] = np.linspace(9, 5, later.sum())
    after = predict_turns(frame, [0.5])
    own = (before["seed"] == 0) & before["predictor"].isin(["quadratic", "gap", "now"])
    pd.testing.assert_series_equal(before.loc[own, "predicted"], after.loc[own, "predicted"])


def test_a_seed_that_never_turns_teaches_and_scores_nothing():
    frame = parabolas()
    more = frame[frame["seed"] == 0].assign(seed=9, val_loss=np.linspace(8, 2, K))
    table = predict_turns(pd.concat([frame, more]), [0.5])
    assert table.loc[table["seed"] == 9, "error"].isna().all()
    assert table.loc[table["seed"] == 9, "turn"].isna().all()
    np.testing.assert_allclose(errors_of(table, "median_of_others")[:4], [3, 2, 2, 4])
    assert turn_errors(table)["seeds"].tolist() == [4, 4, 4, 4]


def test_a_turn_already_past_is_not_scored():
    table = predict_turns(parabolas(), [0.7])  # 14 seen, 0..13: seed 0 has turned at 12
    assert table.drop_duplicates("seed")["scored"].tolist() == [False, True, True, True]
    assert np.isnan(errors_of(table, "now", 0.7)[0])
    assert (table["predicted"] >= 13).all()  # what is asked is when from now on
    assert errors_of(table, "now", 0.7)[1:].tolist() == [0, 2, 4]


def test_they_lose_where_seeds_differ_by_noise_alone():
    pairs = [trajectory(np.random.default_rng([7, seed])) for seed in range(12)]
    table = predict_turns(frame_of(*map(np.array, zip(*pairs, strict=True))), [0.2])
    scores = turn_errors(table).set_index("predictor")
    assert not scores["beats_baselines"].any()
    assert scores.loc["quadratic", "mean_error"] > scores.loc["median_of_others", "mean_error"]


def test_rows_and_names_do_not_matter():
    frame = parabolas()
    shuffled = frame.sample(frac=1, random_state=0)
    table = predict_turns(frame)
    pd.testing.assert_frame_equal(predict_turns(shuffled), table)
    renamed = shuffled.set_axis(["run", "t", "n", "L", "T"], axis=1)
    names = Names(seed="run", interval="t", tokens="n", loss="L", train="T")
    pd.testing.assert_frame_equal(predict_turns(renamed, names=names), table)


def test_the_part_seen_is_rounded_down_but_for_the_error_of_the_product():
    assert turn._last_seen(0.5, 21) == 9  # the first 10 are 0..9
    assert turn._last_seen(0.29, 100) == 28  # 28.999999999999996 in floating point


def test_the_turn_is_the_earliest_of_equals_and_not_the_end():
    assert turn_of(np.array([3.0, 1, 2, 1])) == 1
    assert turn_of(np.array([3.0, 2, 1])) is None


@pytest.mark.parametrize(
    ("change", "fractions", "message"),
    [
        (lambda f: f, [], "fractions is empty"),
        (lambda f: f, [1.0], "fraction=1.0 must lie between"),
        (lambda f: f, [0.15], r"fraction=0.15 of 21 intervals leaves 2 after the first"),
        (lambda f: f[f["seed"] < 2], [0.5], r"2 seed\(s\) turn before their last interval"),
        (lambda f: f.drop(columns="train_sample_loss"), [0.5], "no column 'train_sample_loss'"),
        (lambda f: f.drop(index=30), [0.5], r"'val_loss' is missing .* \(1, 9\)"),
        (lambda f: pd.concat([f, f.iloc[:1]]), [0.5], r"duplicated .* \(0, 0\)"),
    ],
)
def test_what_cannot_be_foretold_is_refused(change, fractions, message):
    with pytest.raises(ValueError, match=message):
        predict_turns(change(parabolas()), fractions)
