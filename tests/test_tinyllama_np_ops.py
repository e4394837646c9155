"""Every backward pass against central differences; planted mistakes are caught."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from examples_of_ops import EXAMPLES, attention_example, errors_of
from planted_bugs_in_ops import PLANTED_BUGS, attention_backward_by_heads

import tinyllama_np.ops


@pytest.mark.parametrize("name", EXAMPLES)
def test_backward_matches_central_differences(name):
    errors = errors_of(EXAMPLES[name]())
    assert max(errors.values()) < 1e-8, errors  # measured: at most 3e-10


@pytest.mark.parametrize(
    ("example", "wrong_backward"),
    [pytest.param(name, bug, id=f"{name}: {bug.__name__}") for name, bug in PLANTED_BUGS],
)
def test_check_catches_planted_bug(example, wrong_backward):
    errors = errors_of(EXAMPLES[example](), wrong_backward)
    assert max(errors.values()) > 1e-3, errors


def test_frame_of_planted_attention_bugs_is_right():
    """So that each of those bugs is the one thing it says, and not a mistake of the frame."""
    errors = errors_of(attention_example(), attention_backward_by_heads)
    assert max(errors.values()) < 1e-8, errors


def test_every_op_has_an_example_and_planted_bugs():
    names = {path.stem for path in Path(inspect.getfile(tinyllama_np.ops)).parent.glob("*.py")}
    names -= {"__init__", "adamw"}  # the optimizer's step has no backward pass
    assert names == {name.split(",")[0] for name in EXAMPLES}
    assert names == {name.split(",")[0] for name, _ in PLANTED_BUGS}


@pytest.mark.parametrize("name", EXAMPLES)
def test_passes_leave_their_inputs_alone(name):
    example = EXAMPLES[name]()
    before = {key: array.copy() for key, array in example.arrays.items()}
    dout = example.dout.copy()
    out, cache = example.forward()
    first = example.backward(example.dout, cache)
    second = example.backward(example.dout, cache)  # the cache was not used up
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(example.forward()[0], out)
    np.testing.assert_array_equal(example.dout, dout)
    for key, array in example.arrays.items():
        np.testing.assert_array_equal(array, before[key])
