"""Patterns of signs: every one once, the observed first, whatever the size of the blocks."""

import itertools

import numpy as np
import pytest

from stats import flips
from stats.flips import sign_patterns


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_all_patterns_are_visited_once(both, at_once):
    blocks = list(sign_patterns(5, at_once, cells=5, both=both))
    assert max(len(block) for block in blocks) <= at_once
    found = [tuple(row) for row in np.concatenate(blocks)]
    assert found[0] == (1,) * 5
    everything = set(itertools.product((1, -1), repeat=5))
    wanted = everything if both else {row for row in everything if row[0] == 1}
    assert set(found) == wanted
    assert len(found) == len(wanted)


def test_one_seed():
    assert [block.tolist() for block in sign_patterns(1, 9, cells=1)] == [[[1.0]]]
    assert np.concatenate(list(sign_patterns(1, 9, cells=1, both=True))).tolist() == [[1.0], [-1.0]]


@pytest.mark.parametrize(
    ("cells", "count"), [(20 * 21, 20_000), (1000 * 500, 4_000), (1000 * 1000, 2_000)]
)
def test_drawn_patterns_are_fewer_for_huge_studies(cells, count):
    blocks = list(sign_patterns(20, 700, cells=cells))
    assert blocks[0].tolist() == [[1.0] * 20]
    rows = np.concatenate(blocks)
    assert rows.shape == (1 + count, 20)
    assert set(np.unique(rows)) == {-1.0, 1.0}
    again = np.concatenate(list(sign_patterns(20, 5000, cells=cells)))
    np.testing.assert_array_equal(rows, again)  # a fixed generator, whatever the blocks


def test_more_than_sixteen_seeds_are_drawn(monkeypatch):
    assert sum(len(block) for block in sign_patterns(16, 1 << 12, cells=16)) == 1 << 15
    monkeypatch.setattr(flips, "MAX_EXACT", 3)
    assert sum(len(block) for block in sign_patterns(4, 1 << 12, cells=4)) == 20_001
