import time

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.models.marks import Mark
from app.plots.scatter_plot import FrameScatter
from app.plots.weights_plot import WeightsPlot
from app.theme import DARK, LIGHT

WEIGHTS = np.array([0.05, 0.2, 0.1, 0.3, 0.05, 0.3])


@pytest.fixture
def plot(qtbot: QtBot) -> WeightsPlot:
    widget = WeightsPlot()
    qtbot.addWidget(widget)
    widget.resize(700, 300)
    return widget


def show(widget: WeightsPlot | FrameScatter, qtbot: QtBot) -> None:
    with qtbot.waitExposed(widget):
        widget.show()


def colour_of_bar(plot: WeightsPlot, frame: int) -> QColor:
    where = plot.box.mapViewToScene(QPointF(frame + 0.2, 0.5 * WEIGHTS[frame])).toPoint()
    return plot.canvas.grab().toImage().pixelColor(where)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_bars_wear_the_colours_of_their_marks_and_of_the_brush(plot: WeightsPlot, qtbot: QtBot, theme: object) -> None:
    plot.apply_theme(theme)
    plot.set_weights(WEIGHTS)
    plot.set_marks(np.array([Mark.NONE, Mark.KEEP, Mark.DROP, Mark.NONE, Mark.UNSURE, Mark.KEEP], dtype=np.int8))
    plot.set_brushed(np.array([3, 5]))
    show(plot, qtbot)
    colours = [colour_of_bar(plot, frame).name() for frame in range(6)]
    assert colours == [theme.neutral, theme.good, theme.bad, theme.accent, theme.subtle, theme.accent]


def test_marks_have_shapes_of_their_own(plot: WeightsPlot) -> None:
    plot.set_weights(WEIGHTS)
    plot.set_marks(np.array([Mark.NONE, Mark.KEEP, Mark.DROP, Mark.UNSURE, Mark.NONE, Mark.KEEP], dtype=np.int8))
    assert [points.getData()[0].tolist() for points in plot._mark_points] == [[1, 5], [2], [3]]
    assert len({points.opts["symbol"] for points in (*plot._mark_points, plot._pointer)}) == 4


def test_marked_points_have_the_shapes_of_the_bars(scatter: FrameScatter, plot: WeightsPlot) -> None:
    scatter.set_columns({"a": (np.arange(5.0), "")})
    scatter.set_marks(np.array([Mark.UNSURE, Mark.KEEP, Mark.NONE, Mark.DROP, Mark.UNSURE], dtype=np.int8))
    assert [dots.getData()[0].tolist() for dots in scatter._dots] == [[2], [1], [3], [0, 4]]
    of_bars = [points.opts["symbol"] for points in plot._mark_points]
    assert [dots.opts["symbol"] for dots in scatter._dots[1:]] == of_bars


def test_the_marker_follows_the_frame_into_another_order(plot: WeightsPlot) -> None:
    plot.set_weights(WEIGHTS)
    plot.set_selected(2)
    assert plot._cursor.value() == 2
    plot.order.setCurrentIndex(2)
    assert plot._cursor.value() == 3  # behind the frames 3, 5 and 1
    plot.set_selected(None)
    assert not plot._cursor.isVisible()
    plot.set_selected(99)
    assert plot.selected is None


def test_arrow_keys_step_along_the_axis(plot: WeightsPlot, qtbot: QtBot) -> None:
    plot.set_weights(WEIGHTS)
    plot.order.setCurrentIndex(2)
    show(plot, qtbot)
    plot.activateWindow()
    plot.canvas.setFocus()
    qtbot.waitUntil(plot.canvas.hasFocus)
    chosen: list[int] = []
    plot.frame_selected.connect(chosen.append)
    plot.set_selected(3)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left):
        qtbot.keyClick(plot.canvas, key)
    assert chosen == [5, 1, 5]


def test_escape_takes_the_brush_away(plot: WeightsPlot, qtbot: QtBot) -> None:
    plot.set_weights(WEIGHTS)
    show(plot, qtbot)
    plot.activateWindow()
    plot.canvas.setFocus()
    qtbot.waitUntil(plot.canvas.hasFocus)
    plot.set_brushed(np.array([1, 2]))
    brushed: list[np.ndarray] = []
    plot.frames_brushed.connect(brushed.append)
    qtbot.keyClick(plot.canvas, Qt.Key.Key_Escape)
    assert [len(frames) for frames in brushed] == [0]


def test_the_uniform_line_is_one_over_the_number_of_frames(plot: WeightsPlot) -> None:
    plot.set_weights(WEIGHTS)
    assert plot._line.value() == pytest.approx(1 / 6)
    plot.set_weights(WEIGHTS, uniform=0.2)
    assert plot._line.value() == 0.2


def test_true_weights_are_ticks_that_can_be_hidden(plot: WeightsPlot) -> None:
    truth = WEIGHTS[::-1].copy()
    plot.set_hidden(truth)
    plot.set_weights(WEIGHTS)
    _, y = plot._truth.getData()
    assert y.tolist() == np.repeat(truth, 2).tolist()
    plot.truth.setChecked(False)
    assert not plot._truth.isVisible()
    plot.set_weights(np.full(4, 0.25))  # another run has no such truth
    assert plot._hidden is None


def test_error_bars_span_two_sigma(plot: WeightsPlot) -> None:
    plot.set_weights(WEIGHTS, errors=np.array([0.01, 0.02, np.nan, 0.01, 0.01, 0.03]))
    np.testing.assert_allclose(plot._error_bars.opts["height"], [0.02, 0.04, 0.0, 0.02, 0.02, 0.06])


def test_time_is_offered_only_when_it_rises(plot: WeightsPlot) -> None:
    plot.set_weights(WEIGHTS, time=np.arange(6.0))
    plot.order.setCurrentIndex(1)
    assert plot.plot.getAxis("bottom").labelText == "time (ps)"
    plot.set_weights(WEIGHTS, time=np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0]))
    assert plot.order.currentIndex() == 0
    assert not plot.order.model().item(1).isEnabled()
    assert plot.plot.getAxis("bottom").labelText == "frame"


def test_what_is_given_is_copied(plot: WeightsPlot) -> None:
    mine = WEIGHTS.copy()
    plot.set_weights(mine)
    mine[:] = 0.0
    assert plot._bars[0].opts["height"].max() == pytest.approx(0.3)


def test_a_hundred_thousand_frames_stay_quick(plot: WeightsPlot, qtbot: QtBot) -> None:
    weights = np.random.default_rng(0).dirichlet(np.full(100_000, 0.3))
    show(plot, qtbot)
    begin = time.perf_counter()
    plot.set_weights(weights, errors=0.1 * weights)
    plot.set_selected(77_000)
    QApplication.processEvents()
    assert time.perf_counter() - begin < 3.0
    assert not plot._error_bars.isVisible()


def test_weights_come_and_go(plot: WeightsPlot) -> None:
    assert plot.is_empty
    assert "Run a fit" in plot.empty_label.text()
    plot.set_weights(WEIGHTS)
    plot.set_selected(1)
    assert not plot.is_empty
    plot.clear()
    assert plot.is_empty
    assert plot.selected is None
    plot.set_weights(np.empty(0))
    assert plot.is_empty


# ---- scatter


@pytest.fixture
def scatter(qtbot: QtBot) -> FrameScatter:
    widget = FrameScatter()
    qtbot.addWidget(widget)
    widget.resize(500, 400)
    return widget


def test_axes_carry_name_and_unit(scatter: FrameScatter) -> None:
    scatter.set_columns({"time": (np.arange(4.0), "ps"), "weight": (np.full(4, 0.25), "")})
    assert scatter.plot.getAxis("bottom").labelText == "time (ps)"
    assert scatter.plot.getAxis("left").labelText == "weight"


def test_the_choice_survives_new_columns(scatter: FrameScatter) -> None:
    columns = {name: (np.arange(4.0), "") for name in ("time", "weight", "drift")}
    scatter.set_columns(columns)
    scatter.vertical.setCurrentText("drift")
    scatter.set_columns({"rmsd": (np.arange(4.0), ""), **columns})
    assert (scatter.horizontal.currentText(), scatter.vertical.currentText()) == ("time", "drift")
    scatter.set_columns({"rmsd": (np.arange(4.0), "")})
    assert (scatter.horizontal.currentText(), scatter.vertical.currentText()) == ("rmsd", "rmsd")


def test_frames_without_a_value_are_counted_not_drawn(scatter: FrameScatter) -> None:
    scatter.set_columns({"time": (np.arange(4.0), "ps"), "drift": (np.array([0.0, np.nan, 2.0, np.nan]), "")})
    assert scatter._dots[0].getData()[0].tolist() == [0.0, 2.0]
    assert scatter.summary.text() == "4 frames, 2 without a value"


def test_a_crowd_is_counted_into_cells(scatter: FrameScatter) -> None:
    rng = np.random.default_rng(0)
    scatter.set_columns({"a": (rng.normal(size=30_000), ""), "b": (rng.normal(size=30_000), "")})
    counted = np.expm1(scatter._density.image)
    assert counted.sum() == pytest.approx(30_000, rel=1e-4)
    assert len(scatter._dots[0].getData()[0]) == 0
    scatter.set_columns({"a": (np.arange(3.0), "")})
    assert not scatter._density.isVisible()


def test_selection_and_brush_are_shown_and_forgotten_with_the_frames(scatter: FrameScatter) -> None:
    scatter.set_columns({"a": (np.arange(4.0), "")})
    scatter.set_selected(2)
    scatter.set_brushed(np.array([0, 3, 9]))
    assert scatter._ring.getData()[0].tolist() == [2.0]
    assert scatter._brushed_dots.getData()[0].tolist() == [0.0, 3.0]
    scatter.set_columns({"a": (np.arange(7.0), "")})
    assert len(scatter._ring.getData()[0]) == 0
    scatter.clear()
    assert scatter.is_empty


def test_small_numbers_keep_their_size_on_the_axis_when_it_is_named_again(scatter: FrameScatter, qtbot: QtBot) -> None:
    show(scatter, qtbot)
    for _ in range(2):
        scatter.set_columns({"time": (np.arange(5.0), "ps"), "drift": (np.arange(5.0) * 1e-4, "Å")})
        QApplication.processEvents()
    scatter.apply_theme(DARK)
    assert scatter.plot.getAxis("left").autoSIPrefixScale == 1.0
