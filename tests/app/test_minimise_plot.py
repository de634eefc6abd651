"""The plot of a minimisation: curves of each start, their median, and scales."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.plots.minima_plot import ENERGY, FORCE, MANY, RMSD, MinimaPlot, later, spread
from app.theme import DARK


@pytest.fixture
def plot(qtbot: QtBot) -> MinimaPlot:
    made = MinimaPlot()
    qtbot.addWidget(made)
    return made


def a_trace(n: int, energy: float = 0.0) -> dict[str, np.ndarray]:
    count = np.arange(1.0, n + 1)
    return {
        "evaluations": count,
        "seconds": count / 10,
        "energy": energy + 100.0 / count,
        "rms_force": 10.0 ** (2 - count),
    }


def test_quartiles_keep_the_last_value_of_starts_at_their_end() -> None:
    x, found = spread([(np.array([1.0, 2.0]), np.array([9.0, k])) for k in (1.0, 2.0, 3.0)] + [
        (np.array([1.0, 4.0]), np.array([9.0, 0.0]))
    ])  # fmt: skip
    assert x[[0, -1]].tolist() == [0.0, 4.0]
    np.testing.assert_array_equal(found[:, x < 2], 9.0)
    between = (x >= 2) & (x < 4)
    np.testing.assert_allclose(found[1, between], 2.5)  # of 1, 2, 3, 9
    np.testing.assert_allclose(found[:, -1], np.quantile([0.0, 1.0, 2.0, 3.0], (0.25, 0.5, 0.75)))


def test_the_view_leaves_the_steep_begin_out() -> None:
    x = np.arange(1.0, 101)
    assert later(x, 1 / x).max() == 0.1
    assert later(np.array([1.0]), np.array([5.0])).tolist() == [5.0]


def test_energy_force_and_distance_are_drawn_against_evaluations_and_time(plot: MinimaPlot) -> None:
    plot.start(0.1)
    assert plot.is_empty
    plot.append(0, a_trace(2), 0.5)
    plot.append(0, a_trace(3), 0.7)
    plot.set_chosen(0)
    assert not plot.is_empty
    left, right = plot._sides
    np.testing.assert_allclose(left.chosen.getData()[1], [100, 50, 100 / 3])
    np.testing.assert_allclose(right.chosen.getData()[1], [1, 0, -1])  # logarithms
    assert right.level.value() == -1
    assert [side.plot.getAxis("left").labelText for side in plot._sides] == [ENERGY, FORCE]
    plot.right.setCurrentIndex(1)
    plot.abscissa.setCurrentIndex(1)
    np.testing.assert_allclose(right.chosen.getData(), [[0, 0.2, 0.3], [0, 0.5, 0.7]])
    assert right.plot.getAxis("left").labelText == RMSD
    assert not right.level.isVisible()
    assert plot.summary.text() == "33.33 kJ/mol, 0.1 kJ/mol/nm, 0.70 Å"


def test_many_starts_have_a_median(plot: MinimaPlot) -> None:
    plot.set_traces([a_trace(4, energy) for energy in range(MANY - 1)], np.ones(MANY - 1), 0.1)
    assert not plot._sides[0].middle.isVisible()
    plot.set_traces([a_trace(4, energy) for energy in range(MANY)], np.ones(MANY), 0.1)
    assert plot._sides[0].middle.isVisible()
    assert plot._sides[0].middle.getData()[1][-1] == 25 + np.median(range(MANY))
    assert plot._sides[0].band.isVisible()


def test_a_start_without_evaluations_is_not_drawn(plot: MinimaPlot) -> None:
    plot.set_traces([a_trace(3), a_trace(0)], np.array([0.1, np.nan]), 0.1)
    assert plot.curves(ENERGY)[1][0].size == 0
    plot.set_chosen(1)
    assert plot._sides[0].chosen.getData()[0].size == 0
    assert plot.summary.text() == ""


def test_it_is_painted_in_the_theme_and_forgets_all(plot: MinimaPlot) -> None:
    plot.set_traces([a_trace(3)], np.array([0.1]), 0.1)
    plot.apply_theme(DARK)
    assert plot._sides[0].chosen.opts["pen"].color().name() == DARK.accent
    plot.clear()
    assert plot.is_empty
    assert plot.curves(ENERGY) == {}
