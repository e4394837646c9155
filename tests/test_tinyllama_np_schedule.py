"""The learning rate: its values at the places that matter, and that it has no memory."""

from __future__ import annotations

import math

import pytest

from tinyllama_np.config import SCHEDULES, TrainConfig
from tinyllama_np.schedule import learning_rate

PEAK = 0.8


def settings(schedule="constant", steps=100, **changes):
    values = {
        "budget_tokens": steps * 8,
        "batch_size": 2,
        "sequence_length": 4,
        "valid_tokens": 64,
        "learning_rate": PEAK,
        "schedule": schedule,
        "warmup_steps": 20,
        "min_learning_rate_ratio": 0.25,
        "decay_fraction": 0.3,
    }
    return TrainConfig(**{**values, **changes})


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warm_up_is_linear_to_the_peak(schedule):
    config = settings(schedule)
    assert learning_rate(1, config) == pytest.approx(PEAK / 20)
    assert learning_rate(10, config) == pytest.approx(PEAK / 2)
    assert learning_rate(20, config) == PEAK


@pytest.mark.parametrize(
    ("schedule", "at_60", "at_100"),
    [
        ("constant", PEAK, PEAK),
        ("cosine", PEAK * (0.25 + 0.75 * 0.5), PEAK * 0.25),  # step 60 is half of 20..100
        ("linear", PEAK * (1 - 0.75 * 0.5), PEAK * 0.25),
        ("wsd", PEAK, PEAK * 0.25),
    ],
)
def test_middle_and_end(schedule, at_60, at_100):
    config = settings(schedule)
    assert learning_rate(60, config) == pytest.approx(at_60, rel=1e-12)
    assert learning_rate(100, config) == pytest.approx(at_100, rel=1e-12)


def test_cosine_is_a_cosine_and_not_a_line():
    config = settings("cosine")
    expected = PEAK * (0.25 + 0.75 * 0.5 * (1 + math.cos(math.pi / 4)))
    assert learning_rate(40, config) == pytest.approx(expected, rel=1e-12)


def test_wsd_is_constant_and_then_falls_in_a_line():
    config = settings("wsd")  # the last 30 % of 100 steps
    assert learning_rate(70, config) == PEAK
    assert learning_rate(71, config) == pytest.approx(PEAK * (1 - 0.75 / 30))
    assert learning_rate(85, config) == pytest.approx(PEAK * (1 - 0.75 / 2))
    falls = [learning_rate(s, config) - learning_rate(s + 1, config) for s in range(70, 100)]
    assert max(falls) - min(falls) < 1e-12


def test_wsd_decay_does_not_cut_the_warm_up():
    config = settings("wsd", decay_fraction=1.0)
    assert learning_rate(20, config) == PEAK
    assert learning_rate(60, config) == pytest.approx(PEAK * (1 - 0.75 / 2))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_warm_up_the_first_step_is_near_the_peak(schedule):
    config = settings(schedule, warmup_steps=0)
    assert PEAK * 0.99 <= learning_rate(1, config) <= PEAK
    ratio = 1.0 if schedule == "constant" else 0.25
    assert learning_rate(100, config) == pytest.approx(PEAK * ratio)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [99, 100, 1000])
def test_warm_up_as_long_as_the_run(schedule, warmup):
    config = settings(schedule, warmup_steps=warmup)
    rates = [learning_rate(step, config) for step in range(1, 101)]
    assert rates[:99] == [PEAK * step / warmup for step in range(1, 100)]
    assert 0 < rates[-1] <= PEAK


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_pure_function_of_the_step(schedule):
    config = settings(schedule)
    forwards = [learning_rate(step, config) for step in range(1, 101)]
    backwards = [learning_rate(step, config) for step in range(100, 0, -1)]
    assert forwards == backwards[::-1]
    assert all(0 < rate <= PEAK for rate in forwards)


def test_no_step_after_the_end_is_below_the_final_rate():
    assert learning_rate(500, settings("linear")) == pytest.approx(PEAK * 0.25)
