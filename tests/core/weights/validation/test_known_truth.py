"""Fits whose truth is known: the verdict says what is the case, from strong data to none.

Six ratios of frames to reflections, three levels of noise, few or all frames with weight. A larger table is made by
``python tests/benchmarks/bench_validation.py``.
"""

from __future__ import annotations

import pytest
from support.known_truth import OVERFIT, SUPPORTED, confusion, grid, right, table_lines


@pytest.fixture(scope="module")
def cases():
    return list(grid(seeds=[0]))


def test_overfit_and_supported_weights_are_called_so(cases):
    """A border cannot be told from either side: where truth is clear more is right."""
    clear = [case for case in cases if case.is_clear]
    told = "\n".join(table_lines(cases))
    assert len(clear) > 0.6 * len(cases)
    assert right(cases, OVERFIT) > 0.75, told
    assert right(cases, SUPPORTED) > 0.88, told
    assert right(clear, OVERFIT) > 0.8, told
    assert right(clear, SUPPORTED) > 0.9, told


def test_overfit_weights_are_never_called_supported(cases):
    table = confusion(cases)
    assert table[0, 2] == 0
    assert table[2, 0] == 0
    assert (table.sum(axis=1)[[0, 2]] >= 3).all()


def test_strong_data_are_supported_and_weak_ones_overfit(cases):
    strong = [case for case in cases if case.ratio <= 0.05 and case.noise == 0.1 and case.spread < 1]
    weak = [case for case in cases if case.ratio >= 0.4 and case.noise == 2.0]
    assert {case.said for case in strong} == {SUPPORTED}
    assert sum(case.said == OVERFIT for case in weak) >= 0.6 * len(weak)
    assert all(case.validation.conclusion != "supported" for case in weak)
