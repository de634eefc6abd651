"""What was seen in the frames before anything is computed: its verdict, its sentences, its curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRectF
from pytestqt.qtbot import QtBot
from support.check_fakes import REMARKS, a_check
from support.window_fakes import InstantRunner, some_frames

from app.models.check_model import CheckModel, CheckState
from app.models.readings import UNUSABLE, MapReading
from app.models.session import Session
from app.models.validity import Verdict
from app.panels.check_panel import NO_ATOMS, RUNNING, CheckPanel, short_time, size
from app.plots.check_plot import CheckPlot
from app.theme import DARK, LIGHT
from mdweights_core.errors import BadInput


@pytest.fixture
def plot(qtbot: QtBot) -> CheckPlot:
    made = CheckPlot()
    qtbot.addWidget(made)
    made.resize(500, 300)
    return made


@pytest.fixture
def panel(qtbot: QtBot, tmp_path: Path) -> CheckPanel:
    session = Session(InstantRunner(), InstantRunner(), InstantRunner(), tmp_path)
    made = CheckPanel(session, CheckPlot())
    qtbot.addWidget(made)
    made.session = session  # type: ignore[attr-defined]
    return made


def show(plot: CheckPlot, **changes: object) -> None:
    check = a_check(**changes)
    plot.set_check(check.frames, check.time, check.drift, check.boxes)


# ---- the model


def test_the_gravest_remark_is_the_verdict(qapp: object) -> None:
    model = CheckModel()
    assert (model.verdict, model.summary) == (None, "")
    model.start()
    assert (model.verdict, model.summary) == (None, "looking at the frames…")
    model.finish(a_check())
    assert (model.verdict, model.summary) == (Verdict.CAUTION, "▲ 1 warning")
    model.finish(a_check(remarks=REMARKS[:2]))
    assert (model.verdict, model.summary) == (Verdict.GOOD, "● frames and map fit together")
    model.fail(BadInput("The selection chooses nothing"))
    assert (model.verdict, model.state) == (Verdict.BAD, CheckState.FAILED)
    assert model.result is None
    model.finish(None)
    assert (model.state, model.summary) == (CheckState.NONE, "")


def test_the_former_result_stays_while_another_look_goes_on(qapp: object) -> None:
    model = CheckModel()
    model.finish(a_check())
    model.start()
    assert model.result is not None
    model.clear()
    assert model.result is None


# ---- the tab


def test_remarks_stand_in_the_order_of_their_gravity_with_sign_and_colour(panel: CheckPanel) -> None:
    panel.session.check.finish(a_check())  # type: ignore[attr-defined]
    signs = [sign.text() for sign, _ in panel.remarks.lines]
    assert signs == ["▲", "○", "●"]
    assert "The box is &lt; the cell" in panel.remarks.lines[0][1].text()
    for theme in (LIGHT, DARK):
        panel.apply_theme(theme)
        colours = [sign.styleSheet() for sign, _ in panel.remarks.lines]
        assert colours == [f"color: {colour}" for colour in (theme.bad, theme.subtle, theme.good)]


def test_what_it_takes_stands_above(panel: CheckPanel) -> None:
    panel.session.check.finish(a_check())  # type: ignore[attr-defined]
    assert {name: label.text() for name, label in panel.costs.items()} == {
        "frames": "8",
        "atoms": "608",
        "reflections": "13,184",
        "on disk": "11.6 MB",
        "per frame": "3.1 ms",
        "in all": "5 min",
    }
    assert "2 GB are free" in panel.costs["on disk"].toolTip()


def test_the_empty_tab_says_what_is_missing(panel: CheckPanel) -> None:
    session, label = panel.session, panel._plot.empty_label  # type: ignore[attr-defined]
    assert label.text() == CheckPlot.empty_text
    session.document.set_map(MapReading(None, problem=BadInput("No cell")))  # type: ignore[arg-type]
    assert label.text() == UNUSABLE
    session.document.set_frames(some_frames())
    assert label.text() == NO_ATOMS
    session.check.start()
    assert label.text() == RUNNING
    session.check.fail(BadInput("The box is not 2 x 2 x 2 cells", advice="Leave the supercell out"))
    assert panel.remarks.lines[0][0].text() == "■"
    assert panel.remarks.lines[0][1].text() == "The box is not 2 x 2 x 2 cells. Leave the supercell out."
    session.check.finish(a_check())
    assert not panel._plot.is_empty


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0031, "3.1 ms"), (0.42, "420 ms"), (4.24, "4.2 s"), (300, "5 min"), (float("nan"), "–")]
)
def test_short_times(seconds: float, text: str) -> None:
    assert short_time(seconds) == text


@pytest.mark.parametrize(("n_bytes", "text"), [(5_000, "5 kB"), (11_600_000, "11.6 MB"), (3.2e12, "3.2 TB")])
def test_sizes(n_bytes: float, text: str) -> None:
    assert size(n_bytes) == text


# ---- the curves


def test_the_drift_is_drawn_as_its_size_and_its_parts(plot: CheckPlot) -> None:
    show(plot)
    x, y = plot.points()
    assert x.tolist() == [0, 2, 4, 6]
    assert y.tolist() == [0, 5, 10, 15]
    assert [curve.getData()[1][-1] for curve in plot._curves] == [15, 9, 12, 0]
    assert plot.plot.getAxis("left").labelText == "drift (Å)"
    assert plot.summary.text() == "up to 15 Å"


def test_boxes_are_drawn_relative_to_their_mean(plot: CheckPlot) -> None:
    show(plot)
    plot.quantity.setCurrentIndex(1)
    np.testing.assert_allclose(plot._curves[1].getData()[1], [-1, 0, 0, 1], atol=1e-9)
    assert "%" in plot.plot.getAxis("left").labelText
    assert plot.summary.text() == "up to 1 % from the mean"
    plot.quantity.setCurrentIndex(2)
    assert "°" in plot.plot.getAxis("left").labelText
    assert plot.summary.text() == "all boxes alike"


def test_times_are_an_axis_where_they_rise(plot: CheckPlot) -> None:
    show(plot)
    plot.order.setCurrentIndex(1)
    assert plot.points()[0].tolist() == [0, 20, 40, 60]
    assert plot.plot.getAxis("bottom").labelText == "time (ps)"
    show(plot, time=np.full(4, np.nan))
    assert plot.order.currentIndex() == 0
    assert not plot.order.model().item(1).isEnabled()


def test_frames_without_boxes_offer_no_boxes(plot: CheckPlot) -> None:
    show(plot)
    plot.quantity.setCurrentIndex(1)
    show(plot, boxes=np.full((4, 6), np.nan))
    assert plot.quantity.currentText() == "drift"
    assert [plot.quantity.model().item(row).isEnabled() for row in range(3)] == [True, False, False]


def test_a_click_selects_the_nearest_frame_that_was_looked_at(plot: CheckPlot) -> None:
    chosen: list[int] = []
    plot.frame_selected.connect(chosen.append)
    plot.box.clicked.emit(QPointF(3.0, 1.0))  # nothing is there yet
    show(plot)
    plot.box.clicked.emit(QPointF(4.4, 1.0))
    assert chosen == [4]
    assert plot._ring.getData()[0].tolist() == [4]
    plot.set_selected(5)  # not looked at
    assert len(plot._ring.getData()[0]) == 0


def test_a_brush_covers_a_stretch(plot: CheckPlot) -> None:
    brushed: list[np.ndarray] = []
    plot.frames_brushed.connect(brushed.append)
    show(plot)
    plot.box.brushed.emit(QRectF(1.0, 0.0, 4.0, 1.0))
    assert brushed[0].tolist() == [2, 4]
    plot.set_brushed(np.array([3, 6]))
    assert plot._brushed_dots.getData()[0].tolist() == [6]


def test_noise_in_the_last_digits_is_drawn_flat_and_true(plot: CheckPlot, qtbot: QtBot) -> None:
    with qtbot.waitExposed(plot):
        plot.show()
    for theme in (LIGHT, DARK):
        show(plot, drift=np.outer(np.arange(4), [1e-4, 0, 0]))
        plot.apply_theme(theme)
        low, high = plot.box.viewRange()[1]
        assert high - low >= 0.1
        assert plot.plot.getAxis("left").autoSIPrefixScale == 1.0


def test_one_frame_is_enough(plot: CheckPlot) -> None:
    show(plot, frames=np.array([0]), time=np.zeros(1), drift=np.zeros((1, 3)), boxes=np.full((1, 6), np.nan))
    low, high = plot.box.viewRange()[0]
    assert high > low
    plot.clear()
    assert plot.is_empty
    assert len(plot.points()[0]) == 0
