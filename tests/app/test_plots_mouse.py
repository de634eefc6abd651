"""What the hand does to the plots: real mouse events at real places."""

from collections.abc import Iterator

import gemmi
import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.plots.base import PlotPanel
from app.plots.scatter_plot import FrameScatter
from app.plots.slice_view import SliceTriptych
from app.plots.weights_plot import WeightsPlot
from mdweights_core.crystal.volume import ReciprocalVolume

SHIFT = Qt.KeyboardModifier.ShiftModifier
PLAIN = Qt.KeyboardModifier.NoModifier
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


@pytest.fixture(autouse=True)
def every_move_counts() -> Iterator[None]:
    """pyqtgraph drops moves that follow too soon on one another."""
    rate = pg.getConfigOption("mouseRateLimit")
    pg.setConfigOption("mouseRateLimit", 0)
    yield
    pg.setConfigOption("mouseRateLimit", rate)


class Hand:
    """Sends mouse events to the canvas of a plot, at places given in data coordinates of one of its views."""

    def __init__(self, plot: PlotPanel, view: pg.ViewBox) -> None:
        self._view, self._target = view, plot.canvas.viewport()

    def move(self, x: float, y: float, held: Qt.MouseButton = NONE, keys: Qt.KeyboardModifier = PLAIN) -> None:
        self._send(QEvent.Type.MouseMove, x, y, NONE, held, keys)

    def click(self, x: float, y: float) -> None:
        self._send(QEvent.Type.MouseButtonPress, x, y, LEFT, LEFT, PLAIN)
        self._send(QEvent.Type.MouseButtonRelease, x, y, LEFT, NONE, PLAIN)

    def drag(self, start: tuple[float, float], end: tuple[float, float], keys: Qt.KeyboardModifier) -> None:
        self._send(QEvent.Type.MouseButtonPress, *start, LEFT, LEFT, keys)
        for part in np.linspace(0.1, 1.0, 10):
            x, y = (np.array(start) + part * (np.array(end) - np.array(start))).tolist()
            self.move(x, y, LEFT, keys)
        self._send(QEvent.Type.MouseButtonRelease, *end, LEFT, NONE, keys)

    def _send(self, kind: QEvent.Type, x: float, y: float, button: Qt.MouseButton, held: object, keys: object) -> None:
        where = self._view.mapViewToScene(QPointF(x, y))
        event = QMouseEvent(kind, where, QPointF(self._target.mapToGlobal(where)), button, held, keys)
        QApplication.sendEvent(self._target, event)


def show(widget: QWidget, qtbot: QtBot) -> None:
    qtbot.addWidget(widget)
    widget.resize(900, 420)
    with qtbot.waitExposed(widget):
        widget.show()


@pytest.fixture
def weights(qtbot: QtBot) -> WeightsPlot:
    plot = WeightsPlot()
    plot.set_weights(np.array([0.05, 0.2, 0.1, 0.3, 0.05, 0.3]))
    show(plot, qtbot)
    return plot


@pytest.fixture
def scatter(qtbot: QtBot) -> FrameScatter:
    plot = FrameScatter()
    plot.set_columns(
        {"time": (np.arange(6.0), "ps"), "drift": (np.array([0, 3, 1, 4, 2, np.nan]), "\N{ANGSTROM SIGN}")}
    )
    show(plot, qtbot)
    return plot


# ---- slices


def test_the_cursor_of_every_view_finds_its_reflection(qtbot: QtBot) -> None:
    triptych = SliceTriptych()
    values = np.arange(13.0**3, dtype=np.float32).reshape(13, 13, 13)
    plane = ReciprocalVolume(values, gemmi.UnitCell(30, 35, 40, 75, 112, 100)).slice("hl", 2)
    triptych.set_slices(plane, plane, plane)
    show(triptych, qtbot)
    seen: list[tuple[int, int, int]] = []
    triptych.cursor_moved.connect(lambda *hkl: seen.append(hkl))
    for view, (u, v) in zip(triptych.views, [(4, 3), (-2, 5), (0, -6)], strict=True):
        x, y = (u + 0.3) * plane.axes[0] + (v - 0.3) * plane.axes[1]
        Hand(triptych, view).move(x, y)
    assert seen == [(4, 2, 3), (-2, 2, 5), (0, 2, -6)]
    assert triptych.readout()["h k l"] == "0 2 -6"
    assert all(view._cell.isVisible() for view in triptych.views)


def test_a_click_pins_the_read_out_and_another_there_lets_go(qtbot: QtBot) -> None:
    triptych = SliceTriptych()
    cell = gemmi.UnitCell(40, 40, 40, 90, 90, 90)
    plane = ReciprocalVolume(np.ones((9, 9, 9), dtype=np.float32), cell).slice("hk", 0)
    triptych.set_slices(plane)
    show(triptych, qtbot)
    hand = Hand(triptych, triptych.views[0])
    hand.click(0.05, 0.025)
    hand.move(-0.05, 0.0)
    assert triptych.is_pinned
    assert triptych.readout()["h k l"] == "2 1 0"
    hand.click(0.05, 0.025)
    hand.move(-0.05, 0.0)
    assert not triptych.is_pinned
    assert triptych.readout()["h k l"] == "-2 0 0"


# ---- weights


@pytest.mark.parametrize(("order", "x", "frame"), [(0, 2.2, 2), (0, 4.9, 5), (2, 0.1, 3), (2, 2.0, 1)])
def test_a_click_selects_the_frame_of_the_bar(weights: WeightsPlot, order: int, x: float, frame: int) -> None:
    weights.order.setCurrentIndex(order)
    chosen: list[int] = []
    weights.frame_selected.connect(chosen.append)
    Hand(weights, weights.box).click(x, 0.1)
    assert chosen == [frame]
    assert weights.selected == frame


def test_shift_and_drag_brushes_frames(weights: WeightsPlot) -> None:
    brushed: list[np.ndarray] = []
    weights.frames_brushed.connect(brushed.append)
    Hand(weights, weights.box).drag((0.6, 0.1), (3.4, 0.2), SHIFT)
    assert [frames.tolist() for frames in brushed] == [[1, 2, 3]]
    brushed[0][:] = 0  # what was handed out is a copy
    assert weights.brushed.tolist() == [1, 2, 3]


def test_a_plain_drag_moves_the_view_and_brushes_nothing(weights: WeightsPlot) -> None:
    brushed: list[np.ndarray] = []
    weights.frames_brushed.connect(brushed.append)
    before = weights.box.viewRange()[0][0]
    Hand(weights, weights.box).drag((3.0, 0.1), (1.0, 0.1), PLAIN)
    assert weights.box.viewRange()[0][0] > before + 1.0
    assert brushed == []


def test_brushing_in_sorted_order_takes_the_heaviest(weights: WeightsPlot) -> None:
    weights.order.setCurrentIndex(2)
    Hand(weights, weights.box).drag((-0.5, 0.1), (2.4, 0.2), SHIFT)
    assert weights.brushed.tolist() == [1, 3, 5]


# ---- scatter


def test_a_click_selects_the_nearest_frame(scatter: FrameScatter) -> None:
    chosen: list[int] = []
    scatter.frame_selected.connect(chosen.append)
    Hand(scatter, scatter.box).click(2.9, 3.8)
    assert chosen == [3]
    assert scatter.selected == 3


def test_shift_and_drag_brushes_frames_in_the_rectangle(scatter: FrameScatter) -> None:
    brushed: list[np.ndarray] = []
    scatter.frames_brushed.connect(brushed.append)
    Hand(scatter, scatter.box).drag((0.5, 0.5), (4.5, 3.5), SHIFT)
    assert [frames.tolist() for frames in brushed] == [[1, 2, 4]]
