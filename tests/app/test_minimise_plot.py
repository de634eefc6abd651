"""The plot of a minimisation: curves of each start, their median, and scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.plots.minima_plot import ENERGY, FORCE, MANY, REFERENCE, RMSD, MinimaPlot, Place, later, spread
from app.theme import DARK
from mdweights_core.minimize.settings import METHODS, YARDSTICKS


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


def shown(traces: list[dict[str, np.ndarray]], apart: float = 1.0) -> dict[Place, tuple[Any, tuple[float, float]]]:
    """Starts of one method, all as far from where they began."""
    return {(start, 0): (trace, (apart, np.nan)) for start, trace in enumerate(traces)}


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
    plot.append((0, 0), a_trace(2), (0.5, np.nan))
    plot.append((0, 0), a_trace(3), (0.7, np.nan))
    plot.set_chosen((0, 0))
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
    plot.set_traces(shown([a_trace(4, energy) for energy in range(MANY - 1)]), 0.1)
    assert not plot._sides[0].middle.isVisible()
    plot.set_traces(shown([a_trace(4, energy) for energy in range(MANY)]), 0.1)
    assert plot._sides[0].middle.isVisible()
    assert plot._sides[0].middle.getData()[1][-1] == 25 + np.median(range(MANY))
    assert plot._sides[0].band.isVisible()


def test_distances_to_a_reference_are_drawn_where_there_is_one(plot: MinimaPlot) -> None:
    plot.start(0.1, with_reference=True)
    plot.append((0, 0), a_trace(2), (0.5, 2.0))
    plot.append((0, 0), a_trace(3), (0.7, 1.5))
    plot.right.setCurrentIndex(plot.right.findData(REFERENCE))
    plot.set_chosen((0, 0))
    right = plot._sides[1]
    drawn = np.array(right.chosen.getData(), dtype=float)
    np.testing.assert_allclose(drawn, np.array([[2, 3], [2.0, 1.5]]))  # where it began none was told
    assert plot.summary.text().endswith("0.70 Å, 1.50 Å to the reference")
    plot.start(0.1)
    assert plot.right.findData(REFERENCE) < 0


def test_each_of_several_methods_has_its_colour_and_name(plot: MinimaPlot) -> None:
    traces = {(start, method): (a_trace(3, 10.0 * method), (0.1, np.nan)) for method in range(2) for start in range(6)}
    plot.set_traces(traces, 0.1, ("lbfgs", "openmm"))
    left = plot._sides[0]
    assert [label.text for _, label in plot.legend.items] == ["lbfgs", "openmm"]
    drawn = [curve.getData()[1] for curve in left.groups[:3]]
    assert np.nanmin(drawn[0]) == 100 / 3
    assert np.nanmin(drawn[1]) == 100 / 3 + 10
    assert np.isnan(drawn[0]).sum() == 6
    np.testing.assert_allclose(left.groups[0].getData()[0][:3], np.log10([1, 2, 3]))
    assert drawn[2] is None or len(drawn[2]) == 0
    assert not left.middle.isVisible()  # a median over methods means nothing
    pens = [(curve.opts["pen"].color().name(), curve.opts["pen"].style()) for curve in left.groups]
    assert len(set(pens)) == len(pens) == len(METHODS | YARDSTICKS)
    plot.set_traces(shown([a_trace(3)]), 0.1)
    assert not plot.legend.items


def test_a_start_without_evaluations_is_not_drawn(plot: MinimaPlot) -> None:
    plot.set_traces(shown([a_trace(3), a_trace(0)]), 0.1)
    assert plot.curves(ENERGY)[1, 0][0].size == 0
    plot.set_chosen((1, 0))
    assert plot._sides[0].chosen.getData()[0].size == 0
    assert plot.summary.text() == ""


def test_it_is_painted_in_the_theme_and_forgets_all(plot: MinimaPlot) -> None:
    plot.set_traces(shown([a_trace(3)]), 0.1)
    plot.apply_theme(DARK)
    assert plot._sides[0].chosen.opts["pen"].color().name() == DARK.accent
    plot.clear()
    assert plot.is_empty
    assert plot.curves(ENERGY) == {}
