"""The panels show what the files hold, take what the user says, and tell what to do when they are empty."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from support.window_fakes import InstantRunner, a_fit, a_project, some_frames

from app.models.document import Draft
from app.models.frames_table import KEYS
from app.models.marks import Mark
from app.models.readings import MapReading
from app.models.session import Session
from app.panels.data_panel import DataPanel
from app.panels.fit_panel import FitPanel
from app.panels.fit_summary import FitSummary
from app.panels.frames_box import FramesBox, parse_cell
from app.panels.frames_panel import FramesPanel
from app.panels.map_box import MapBox
from app.panels.status import JobStatus, duration
from mdweights_core.crystal.lattice import format_cell
from mdweights_core.errors import BadInput
from mdweights_core.io.maps.contents import ColumnSummary, MapSummary
from mdweights_core.jobs import Progress
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.storage.filling import Pace


def summary(**changes: object) -> MapSummary:
    columns = [("IDIFF", "J"), ("SIGIDIFF", "Q"), ("FreeR_flag", "I"), ("H", "H"), ("FC", "F")]
    fields = {
        "path": Path("/data/map.mtz"),
        "title": "",
        "cell": gemmi.UnitCell(48.5, 48.5, 63.4, 90, 90, 90),
        "space_group": gemmi.SpaceGroup("P 41"),
        "n_reflections": 12345,
        "d_min": 1.6,
        "d_max": 30.0,
        "columns": tuple(ColumnSummary(label, kind, "d", 12000, 0.0, 1.0) for label, kind in columns),
        "is_unmerged": False,
        "history": (),
        "intensity": "IDIFF",
        "sigma": "SIGIDIFF",
        "free": None,
        "frame_pair": None,
    }
    return MapSummary(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def map_box(qtbot: QtBot) -> MapBox:
    box = MapBox()
    qtbot.addWidget(box)
    return box


@pytest.fixture
def session(qapp: object, tmp_path: Path) -> Session:
    return Session(InstantRunner(), InstantRunner(), InstantRunner(), tmp_path)


def test_an_empty_map_box_says_what_to_do(map_box: MapBox) -> None:
    assert "Drop a file with diffuse intensities" in map_box.info.text()
    assert map_box.columns["column"].isHidden() or not map_box.columns["column"].isVisible()


def test_a_map_shows_cell_space_group_resolution_and_columns(map_box: MapBox) -> None:
    map_box.show_reading(MapReading(summary()))
    text = map_box.info.text()
    for words in ("48.50 48.50 63.40", "P 41", "12,345 reflections", "30.00 to 1.60 Å"):
        assert words in text
    column = map_box.columns["column"]
    assert [column.itemData(row) for row in range(column.count())] == [None, "IDIFF", "FC"]
    assert column.itemText(0) == "guess: IDIFF"
    assert map_box.columns["free_column"].itemText(0) == "guess: none"


def test_a_map_without_cell_and_with_a_problem(map_box: MapBox) -> None:
    nan = float("nan")
    held = summary(cell=None, space_group=None, d_min=nan, d_max=nan, is_unmerged=True)
    map_box.show_reading(MapReading(held, problem=BadInput("No column has intensities", advice="Choose one")))
    text = map_box.info.text()
    assert "no unit cell" in text
    assert "nan" not in text
    assert "unmerged" in text
    assert "No column has intensities. Choose one." in text


def test_a_map_that_tells_no_cell_asks_for_it(map_box: MapBox) -> None:
    nan = float("nan")
    held = summary(kind="Lunus lattice", cell=None, space_group=None, d_min=nan, d_max=nan, ndiv=(2, 2, 1))
    reading = MapReading(held, problem=BadInput("A Lunus lattice does not tell the unit cell", advice="Give it"))
    map_box.show_reading(reading)
    text = map_box.info.text()
    assert "Lunus lattice, indices in steps of 1/(2 × 2 × 1)" in text
    assert "▲ no unit cell in the file: type it into Cell, under Frames" in text
    assert "▲ no space group in the file: type it into Space group, below" in text
    assert "Give it" not in text  # said better above
    map_box.show_draft(Draft(cell=(20, 30, 40, 90, 90, 90), space_group="P 4"))
    assert "no unit cell in the file: the one typed is used" in map_box.info.text()
    assert "Give it" in map_box.info.text()
    assert not map_box.columns["free_column"].isEnabled()
    map_box.show_reading(MapReading(summary()))
    assert map_box.columns["free_column"].isEnabled()


def test_column_and_limit_choices_are_told(qtbot: QtBot, map_box: MapBox) -> None:
    map_box.show_reading(MapReading(summary()))
    column = map_box.columns["column"]
    column.setCurrentIndex(column.findData("FC"))
    with qtbot.waitSignal(map_box.edited) as edited:
        column.activated.emit(2)
    assert edited.args[0] == {"column": "FC", "sigma_column": None, "free_column": None}
    with qtbot.waitSignal(map_box.edited) as edited:
        map_box.d_min.setValue(2.5)
    assert edited.args[0] == {"d_min": 2.5, "d_max": None}
    map_box.reindex.setText(" k,h,-l ")
    with qtbot.waitSignal(map_box.edited) as edited:
        map_box.reindex.editingFinished.emit()
    assert edited.args[0] == {"reindex": "k,h,-l", "space_group": None}


def test_the_supercell_of_a_map_is_told_or_marked(qtbot: QtBot, map_box: MapBox) -> None:
    map_box.show_reading(MapReading(summary()))
    map_box.supercell.setText("2 2 3")
    with qtbot.waitSignal(map_box.edited) as edited:
        map_box.supercell.editingFinished.emit()
    assert edited.args[0] == {"map_supercell": (2, 2, 3)}
    map_box.supercell.setText("twice")
    with qtbot.waitSignal(map_box.failed) as failed:
        map_box.supercell.editingFinished.emit()
    assert "'twice' is not a supercell" in failed.args[0].sentence
    with qtbot.assertNotEmitted(map_box.failed):
        map_box.supercell.editingFinished.emit()  # leaving the field again says nothing new
    map_box.show_draft(Draft(d_min=2.0))  # something else was edited
    assert map_box.supercell.text() == "twice"
    map_box.show_draft(Draft(map_supercell=(2, 2, 3)))
    assert (map_box.supercell.text(), map_box.supercell.problem) == ("2 × 2 × 3", None)
    map_box.show_draft(Draft())
    assert map_box.supercell.text() == ""


def test_showing_a_draft_is_no_edit(qtbot: QtBot, map_box: MapBox) -> None:
    map_box.show_reading(MapReading(summary()))
    with qtbot.assertNotEmitted(map_box.edited):
        map_box.show_draft(Draft(column="FC", d_min=2.0, reindex="k,h,-l"))
    assert map_box.columns["column"].currentData() == "FC"
    assert (map_box.d_min.value(), map_box.reindex.text()) == (2.0, "k,h,-l")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("", None),
        ("48.5 48.5 63.4 90 90 90", (48.5, 48.5, 63.4, 90, 90, 90)),
        ("10,20,30,90,90,120", (10, 20, 30, 90, 90, 120)),
    ],
)
def test_a_cell_that_is_typed(text: str, cell: object) -> None:
    assert parse_cell(text) == cell


@pytest.mark.parametrize(
    "text", ["48.5 48.5", "a b c 90 90 90", "1 2 3 90 90 180", "0 2 3 90 90 90", "1 2 3 4 5 6 7", "nan 2 3 90 90 90"]
)
def test_a_cell_that_is_none(qtbot: QtBot, text: str) -> None:
    box = FramesBox()
    qtbot.addWidget(box)
    box.cell.setText(text)
    with qtbot.waitSignal(box.failed) as failed, qtbot.assertNotEmitted(box.edited):
        box.cell.editingFinished.emit()
    assert text in failed.args[0].sentence


def test_frames_that_are_fitted_are_typed_and_shown(qtbot: QtBot) -> None:
    box = FramesBox()
    qtbot.addWidget(box)
    box.only.setText("0-2, 9")
    with qtbot.waitSignal(box.edited) as edited:
        box.only.editingFinished.emit()
    assert edited.args[0] == {"only": (0, 1, 2, 9)}
    for text, why in (("some", "is not a list of frames"), ("4", "two frames at least")):
        box.only.setText(text)
        with qtbot.waitSignal(box.failed) as failed, qtbot.assertNotEmitted(box.edited):
            box.only.editingFinished.emit()
        assert why in failed.args[0].sentence
    box.show_draft(Draft(frames=(Path("run.nc"),), only=(0, 1, 2, 9)))
    assert (box.only.text(), box.only.problem) == ("0-2,9", None)
    box.show_draft(Draft(frames=(Path("run.nc"),)))
    assert box.only.text() == ""
    with qtbot.waitSignal(box.edited) as edited:
        box.only.editingFinished.emit()
    assert edited.args[0] == {"only": None}


def test_frames_without_and_with_a_reading(qtbot: QtBot) -> None:
    box = FramesBox()
    qtbot.addWidget(box)
    assert "No frames yet" in box.info.text()
    box.show_draft(Draft(frames=(Path("run.xtc"),)))
    assert "needs a topology" in box.info.text()
    box.show_reading(None)
    assert "needs a topology" in box.info.text()
    box.show_reading(some_frames(12))
    assert box.info.text() == f"12 frames as reflection files\n{format_cell(gemmi.UnitCell(20, 30, 40, 90, 90, 90))}"


def test_the_cell_can_be_typed_before_there_are_frames_where_the_map_asks_for_it(qtbot: QtBot) -> None:
    box = FramesBox()
    qtbot.addWidget(box)
    assert not box.cell.isVisibleTo(box)
    box.show_reading(None, asks_for_cell=True)
    assert box.cell.isVisibleTo(box)
    assert not box.b_iso.isVisibleTo(box)
    assert box.cell.placeholderText() == "a b c α β γ"
    problem = BadInput("The steps of the grid do not divide the axes of the cell")
    box.show_cell_problem(problem)
    assert box.cell.problem is problem
    box.show_cell_problem(None)
    assert box.cell.problem is None
    box.show_draft(Draft(frames=(Path("run.nc"),)))
    assert box.b_iso.isVisibleTo(box)


def test_a_cell_that_cannot_be_used_stays_to_be_mended(qtbot: QtBot) -> None:
    box = FramesBox()
    qtbot.addWidget(box)
    told: list[BadInput] = []
    box.failed.connect(told.append)
    box.cell.setText("48.5 48.5")
    box.cell.editingFinished.emit()
    box.cell.editingFinished.emit()  # the focus goes on: once is enough
    assert len(told) == 1
    box.show_draft(Draft(frames=(Path("run.nc"),), d_min=2.0))  # something else was edited
    assert box.cell.text() == "48.5 48.5"
    assert box.cell.problem is not None
    box.cell.setText("48.5 48.5 60 90 90 90")
    box.cell.editingFinished.emit()
    assert box.cell.problem is None


def test_the_frames_box_says_what_is_not_usual_and_how_the_frames_were_found(qtbot: QtBot) -> None:
    box = FramesBox()
    qtbot.addWidget(box)
    box.show_draft(Draft(frames=(Path("run.nc"),), scattering=PredictSettings(selection="protein", boxes="mean")))
    assert box.settings_note.text() == "protein, mean box"
    assert not box.verdict.isVisibleTo(box)
    box.show_check("Check: ▲ 1 warning")
    assert box.verdict.isVisibleTo(box)
    frames = some_frames()
    box.show_reading(frames)
    assert not box.check_button.isEnabled()
    assert not box.remove_drift.isEnabled()
    box.show_reading(replace(frames, settings=PredictSettings(radiation="neutron")))
    assert box.settings_note.text() == "neutrons"  # what they were computed with


def test_edits_in_the_data_panel_reach_the_document(qtbot: QtBot, session: Session) -> None:
    panel = DataPanel(session)
    qtbot.addWidget(panel)
    panel.frames_box.remove_drift.click()
    panel.frames_box.cell.setText("20 30 40 90 90 90")
    panel.frames_box.cell.editingFinished.emit()
    panel.frames_box.b_iso.setValue(15.0)
    assert session.document.draft.scattering.b_iso == 15.0
    assert not session.document.draft.scattering.remove_drift
    assert session.document.draft.cell == (20, 30, 40, 90, 90, 90)


def test_the_buttons_follow_the_session(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    panel = FitPanel(session)
    qtbot.addWidget(panel)

    def enabled() -> list[bool]:
        return [button.isEnabled() for button in (panel.start_button, panel.stop_button, panel.resume_button)]

    assert enabled() == [False, False, False]
    assert "Open a diffuse map" in panel.hint.text()
    draft = Draft(map=Path("m.mtz"), frames=(Path("f.nc"),))
    session.document.set_draft(draft)
    assert enabled() == [True, False, False]
    session.fit.start()
    assert enabled() == [False, True, False]
    panel.stop()
    assert (panel.stop_button.isEnabled(), panel.stop_button.text()) == (False, "Stopping…")
    session.fit.end()
    session.document.fitted_draft = draft
    session.document.set_project(a_project(tmp_path), unsaved=True)
    assert enabled() == [True, False, True]
    assert panel.form.theta.value() == 0.25


def test_while_a_fit_runs_the_numbers_are_called_those_of_the_one_before(
    qtbot: QtBot, session: Session, tmp_path: Path
) -> None:
    panel = FitPanel(session)
    qtbot.addWidget(panel)
    session.fit.start()
    assert panel.summary.title() == "Result"  # there was none before
    session.fit.end()
    session.document.set_project(a_project(tmp_path), unsaved=True)
    session.fit.start()
    assert panel.summary.title() == "Result of the fit before"
    session.fit.end()
    assert panel.summary.title() == "Result"


def test_the_summary_shows_fitted_beside_equal_weights(qtbot: QtBot) -> None:
    panel = FitSummary()
    qtbot.addWidget(panel)
    assert "No fit yet" in panel.text.text()
    panel.show_fit(a_fit(warnings=("The cell is odd.",)))
    assert panel.cells["cc_aniso_free", "fitted"].text() == "0.6000"
    assert panel.cells["cc_aniso_free", "equal"].text() == "0.4000"
    for words in ("5.5 of 6 frames", "4 steps", "1.0e-06", "Converged"):
        assert words in panel.text.text()
    assert panel.warnings.text().endswith(" The cell is odd.")
    panel.show_fit(a_fit())
    assert panel.warnings.isHidden()
    assert "direct summation" not in panel.text.text()
    assert panel.headings["equal"].text() == "equal"
    panel.show_fit(a_fit(prior=np.arange(1, 7) / 21.0))
    assert panel.headings["equal"].text() == "prior"
    panel.show_fit(a_fit(), 2.3e-5)
    assert "Structure factors within 2.3e-05 of direct summation" in panel.text.text()


def test_the_table_of_frames_follows_the_selection_and_leads_it(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    panel = FramesPanel(session)
    qtbot.addWidget(panel)
    assert "No frames yet" in panel.info.text()
    session.selection.set_n_frames(6)
    session.marks.set_n_frames(6)
    session.document.set_project(a_project(tmp_path), unsaved=True)
    panel.view.sortByColumn(KEYS.index("weight"), panel.view.horizontalHeader().sortIndicatorOrder().DescendingOrder)
    session.selection.select(4)
    assert panel.table.frame_at(panel.view.currentIndex().row()) == 4
    panel.view.selectRow(0)
    assert session.selection.frame == 5
    panel.view.selectAll()
    assert session.selection.brushed.tolist() == [0, 1, 2, 3, 4, 5]
    session.selection.set_brushed([1, 2, 4])
    rows = {index.row() for index in panel.view.selectionModel().selectedRows()}
    assert rows == {panel.table.row_of(frame) for frame in (1, 2, 4)}
    assert session.selection.frame == 5
    session.marks.assign(np.array([0]), Mark.DROP)
    panel.filter.setText("mark = drop")
    assert panel.table.rowCount() == 1
    assert panel.info.text() == "1 of 6 frames"
    panel.filter.setText("mark = bad")
    assert "bad is not a number" in panel.info.text()


def test_progress_with_a_message_and_without(qtbot: QtBot) -> None:
    status = JobStatus()
    qtbot.addWidget(status)
    status.start("fit")
    status.advance(Progress("weights", 2, 10, "Iteration 2"))
    assert (status.text.text(), status.bar.value(), status.bar.maximum()) == ("Iteration 2", 2, 10)
    status.advance(Progress("structure factors", 3, 9))
    assert status.text.text() == "Structure factors, 3 of 9"
    status.advance(Pace(0, 200).progress())
    assert status.text.text() == "0 of 200 frames"
    pace = Pace(100, 200)
    pace.done = 150
    status.advance(pace.progress(0.5))
    for words in ("150 of 200 frames", "frames/s", "left"):
        assert words in status.text.text()
    assert (status.bar.value(), status.bar.maximum()) == (150, 200)
    status.advance(Progress("saving"))
    assert (status.bar.minimum(), status.bar.maximum()) == (0, 0)
    qtbot.waitUntil(lambda: not status.isHidden())
    with qtbot.waitSignal(status.stop_requested):
        status.stop_button.click()
    status.show_stopping()
    status.advance(Progress("weights", 3, 10, "Iteration 3"))
    assert "Stopping" in status.text.text()
    assert not status.stop_button.isEnabled()
    status.end()
    assert status.isHidden()
    status.start("fit")
    status.advance(Progress("weights", 1, 10, "Iteration 1"))
    assert (status.text.text(), status.stop_button.isEnabled()) == ("Iteration 1", True)


def test_a_job_that_ends_at_once_is_not_shown(qtbot: QtBot) -> None:
    status = JobStatus()
    qtbot.addWidget(status)
    status.start("reading")
    status.end()
    qtbot.wait(350)
    assert status.isHidden()


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.4, "3 s"), (89, "89 s"), (200, "3 min"), (4830, "80 min"), (7260, "2 h 1 min")]
)
def test_times_as_people_read_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
