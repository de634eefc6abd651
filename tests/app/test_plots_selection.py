"""The path of a selection, and the strip over the weights that shows which frames it keeps."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from pytestqt.qtbot import QtBot
from support.window_fakes import a_selection

from app.plots.selection_plot import SelectionPlot
from app.plots.weights_plot import WeightsPlot
from app.theme import DARK, LIGHT
from mdweights_core.weights.selection.settings import SelectionSettings

NAN = float("nan")


@pytest.fixture
def plot(qtbot: QtBot) -> SelectionPlot:
    made = SelectionPlot()
    qtbot.addWidget(made)
    made.resize(600, 300)
    return made


def names(plot: SelectionPlot) -> list[str]:
    return [label.text for _, label in plot.legend.items]


def test_both_curves_their_best_and_the_weights_are_shown(plot: SelectionPlot) -> None:
    assert plot.is_empty
    plot.set_selection(a_selection(), (0.7, 0.6))
    assert not plot.is_empty
    for curve, key in zip(plot._curves, ("cc_aniso", "cc_aniso_free"), strict=True):
        x, y = curve.getData()
        np.testing.assert_array_equal(x, [6, 5, 4])
        np.testing.assert_array_equal(y, a_selection().path[key])
    np.testing.assert_allclose(plot._best.getData(), [[4, 5], [0.65, 0.55]])
    assert [line.value() for line in plot._level_lines] == [0.7, 0.6]
    assert names(plot) == ["work", "held out", "best", "weights"]
    assert plot.plot.getAxis("left").labelText == "anisotropic CC"
    assert plot.box.state["xInverted"]  # frames go from left to right
    (left, right), (low, high) = plot.box.viewRange()
    assert left < 4 < 6 < right
    assert low < 0.4 < 0.7 < high


def test_without_held_out_reflections_there_is_one_curve(plot: SelectionPlot) -> None:
    path = a_selection().path | {"cc_aniso_free": np.full(3, NAN)}
    plot.set_selection(a_selection(path=path), (0.7, NAN))
    assert names(plot) == ["work", "best", "weights"]
    assert plot.best(held_out=True) is None
    assert "held out" not in plot.summary.text()


def test_the_path_is_shown_against_its_steps_too(plot: SelectionPlot) -> None:
    plot.set_selection(a_selection(), (NAN, NAN))
    plot.abscissa.setCurrentIndex(1)
    np.testing.assert_array_equal(plot._curves[0].getData()[0], [0, 1, 2])
    assert plot._axis.labelText == "deletion"
    assert not plot.box.state["xInverted"]
    plot.set_selection(a_selection(settings=SelectionSettings("genetic")), (NAN, NAN))
    assert [plot.abscissa.itemText(i) for i in range(plot.abscissa.count())] == ["generation"]
    np.testing.assert_array_equal(plot._curves[0].getData()[0], [0, 1, 2])
    plot.set_selection(a_selection(), (NAN, NAN))
    assert plot._axis.labelText == "frames kept"


def test_a_click_looks_at_the_nearest_step(qtbot: QtBot, plot: SelectionPlot) -> None:
    plot.set_selection(a_selection(), (0.7, 0.6))
    assert "4 frames" in plot.summary.text()
    with qtbot.waitSignal(plot.step_chosen) as chosen:
        plot.box.clicked.emit(QPointF(5.2, 0.5))
    assert chosen.args == [1]
    assert plot._cursor.value() == 5
    np.testing.assert_allclose(np.array(plot._dots.getData()), [[5, 5], [0.60, 0.55]])
    assert plot.summary.text() == "5 frames: 0.6000, held out 0.5500"


def test_a_path_of_equal_scores_is_not_blown_up(plot: SelectionPlot) -> None:
    path = a_selection().path | {"cc_aniso": np.full(3, 0.5), "cc_aniso_free": np.full(3, 0.5)}
    plot.set_selection(a_selection(path=path), (NAN, NAN))
    low, high = plot.box.viewRange()[1]
    assert high - low >= 0.005


def test_it_takes_the_theme_and_forgets(plot: SelectionPlot) -> None:
    plot.set_selection(a_selection(), (0.7, 0.6))
    plot.apply_theme(DARK)
    assert plot._curves[0].opts["pen"].color().name() == DARK.good
    plot.apply_theme(LIGHT)
    plot.clear()
    assert plot.is_empty
    assert plot.series("n_kept").size == 0


def test_the_strip_over_the_weights_has_gaps_where_frames_are_left_out(qtbot: QtBot) -> None:
    plot = WeightsPlot()
    qtbot.addWidget(plot)
    weights = np.array([0.1, 0.3, 0.2, 0.05, 0.15, 0.2])
    plot.set_weights(weights)
    assert not plot.kept_lane.isVisible()
    plot.set_kept(a_selection().kept)
    assert plot.kept_lane.isVisible()
    np.testing.assert_array_equal(plot.kept_lane._strip.opts["x"], [0, 2, 3, 5])
    plot.order.setCurrentIndex(2)  # by falling weight
    assert sorted(plot.kept_lane._strip.opts["x"]) == [1, 2, 4, 5]
    plot.set_kept(None)
    assert not plot.kept_lane.isVisible()
