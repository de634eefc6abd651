"""What is made once for the same reflections, and let go of when there is too much of it."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.weights.objectives import kept as module
from mdweights_core.weights.objectives.kept import Kept


@pytest.fixture
def asked():
    """Rows that were made something for."""
    return []


@pytest.fixture
def make(asked):
    return lambda rows: asked.append(rows.tolist()) or float(rows.sum())


def test_equal_rows_are_made_once_and_others_are_not_taken_for_them(make, asked):
    kept = Kept()
    one, other = np.array([1.0, 2.0]), np.array([2.0, 1.0])
    assert [kept.of(rows, make) for rows in (one, one.copy(), np.array([1.0, 3.0]), other[::-1])] == [3, 3, 4, 3]
    assert asked == [[1, 2], [1, 3]]


def test_the_last_ones_used_are_kept(make, asked, monkeypatch):
    monkeypatch.setattr(module, "_MOST_NUMBERS", 4)
    kept = Kept()
    a, b, c = (np.array([i, 0.0]) for i in (1, 2, 3))
    for rows in (a, b, a, c, a, b):
        kept.of(rows, make)
    assert asked == [[1, 0], [2, 0], [3, 0], [2, 0]]


def test_one_is_kept_however_long(make, asked, monkeypatch):
    monkeypatch.setattr(module, "_MOST_NUMBERS", 1)
    kept, rows = Kept(), np.arange(5.0)
    assert kept.of(rows, make) == kept.of(rows, make) == 10
    assert len(asked) == 1
