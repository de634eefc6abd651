"""The window starts empty, tells what to do, takes dropped files, obeys its keys and closes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QDialog, QFileDialog
from pytestqt.qtbot import QtBot
from support.check_fakes import a_check
from support.window_fakes import with_fit

from app.dialogs.fault import FaultDialog
from app.models.document import Draft
from app.models.marks import Mark
from app.window import MainWindow
from app.workers import tasks
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Progress


def drop(window: MainWindow, *paths: Path) -> QDropEvent:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(50, 50), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    window.dropEvent(event)
    return event


def test_an_empty_window_says_what_to_do_and_offers_nothing_that_cannot_be_done(window: MainWindow) -> None:
    assert window.banner.isHidden()
    assert "Drop a diffuse map" in window.plots.slices.empty_label.text()
    assert "Open a diffuse map" in window.fit_panel.hint.text()
    for name in ("fit.start", "fit.stop", "fit.resume", "file.save", "file.save_as", "export.mtz", "export.csv"):
        assert not window.menus.actions[name].isEnabled(), name
    for name in ("frames.next", "frames.keep", "edit.undo", "frames.deselect", "file.new", "view.reset"):
        window.menus.actions[name].trigger()
    assert window.banner.isHidden()


def test_every_action_has_a_title_and_no_shortcut_twice(window: MainWindow) -> None:
    keys = [key.toString() for action in window.menus.actions.values() for key in action.shortcuts()]
    assert len(keys) == len(set(keys))
    assert all(action.text() for action in window.menus.actions.values())


def test_a_small_screen_has_room_for_the_window(window: MainWindow) -> None:
    assert window.minimumSizeHint().width() <= 1280
    assert window.minimumSizeHint().height() <= 720


def test_all_tabs_are_seen_on_a_small_screen(qtbot: QtBot, window: MainWindow) -> None:
    window.resize(1280, 720)
    window.reset_layout()
    tabs = window.workbench.tabs
    qtbot.waitUntil(lambda: tabs.tabBar().tabRect(tabs.count() - 1).right() < tabs.width(), timeout=2000)
    assert [tabs.tabText(i).replace("&", "") for i in (0, 7, 8)] == ["Check", "Selection", "Meaning"]


def test_broken_files_give_a_sentence(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    for name, content in (("broken.mtz", b"MTZ not really"), ("empty.mtz", b""), ("noise.xtc", b"\x00" * 40)):
        path = tmp_path / name
        path.write_bytes(content)
        window.banner.hide()
        assert drop(window, path).isAccepted()
        qtbot.waitUntil(window.banner.isVisible, timeout=20_000)
        assert name in window.banner.label.text()
        assert window.banner.told is not None
        assert not window.banner.told.is_fault, window.banner.told.details
    assert not window.session.document.draft.is_complete


def test_a_file_of_unknown_kind_is_told(window: MainWindow, tmp_path: Path) -> None:
    drop(window, tmp_path / "paper.docx")
    assert "paper.docx" in window.banner.label.text()
    assert "trajectory" in window.banner.label.text()


def test_a_new_document_begins_without_the_errors_of_the_former(window: MainWindow) -> None:
    window.tell(BadInput("The map is no map"))
    window.session.said.emit("Saved as crystal.mdw")
    window.menus.actions["file.new"].trigger()
    assert window.banner.isHidden()
    assert window.message.toolTip() == ""


def test_text_dropped_on_the_window_is_not_taken(window: MainWindow) -> None:
    data = QMimeData()
    data.setText("hello")
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    event.setAccepted(False)
    window.dropEvent(event)
    assert not event.isAccepted()


def test_a_fault_of_the_program_opens_a_dialog_with_details(window: MainWindow) -> None:
    window.tell(ZeroDivisionError("1/0"))
    dialogs = [
        child for child in window.findChildren(FaultDialog) if "ZeroDivisionError" in child.details.toPlainText()
    ]
    assert len(dialogs) == 1
    assert not dialogs[0].isModal()
    dialogs[0].close()


def test_selecting_a_frame_anywhere_selects_it_everywhere(window: MainWindow, tmp_path: Path) -> None:
    with_fit(window, tmp_path)
    window.molecule_panel.slider.setValue(3)
    table = window.frames_panel
    assert table.table.frame_at(table.view.currentIndex().row()) == 3
    assert window.plots.weights.selected == 3
    assert window.molecule_panel.frame.value() == 3
    window.plots.weights.frame_selected.emit(5)
    assert (window.molecule_panel.slider.value(), window.session.selection.frame) == (5, 5)
    table.view.selectRow(1)
    assert window.plots.scatter.selected == 1


def test_keys_step_and_mark_and_undo(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    with_fit(window, tmp_path)
    view, marks = window.frames_panel.view, window.session.marks
    window.activateWindow()
    view.setFocus()
    qtbot.waitUntil(view.hasFocus)
    qtbot.keyClick(view, Qt.Key.Key_Space)
    qtbot.keyClick(view, Qt.Key.Key_Space)
    qtbot.keyClick(view, Qt.Key.Key_Space, Qt.KeyboardModifier.ShiftModifier)
    assert window.session.selection.frame == 1
    qtbot.keyClick(view, Qt.Key.Key_K)
    qtbot.keyClick(view, Qt.Key.Key_Space)
    qtbot.keyClick(view, Qt.Key.Key_D)
    assert marks.values.tolist() == [0, Mark.KEEP, Mark.DROP, 0, 0, 0]
    qtbot.keyClick(view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert marks.values.tolist() == [0, Mark.KEEP, 0, 0, 0, 0]
    window.session.selection.set_brushed([3, 4])
    qtbot.keyClick(view, Qt.Key.Key_U)
    assert marks.frames_with(Mark.UNSURE).tolist() == [3, 4]


def test_keys_walk_through_the_frames_by_weight(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    with_fit(window, tmp_path)
    weights = window.session.document.fitted.project.fit.weights
    view, met = window.frames_panel.view, []
    window.activateWindow()
    view.setFocus()
    qtbot.waitUntil(view.hasFocus)
    qtbot.keyClick(view, Qt.Key.Key_H, Qt.KeyboardModifier.ShiftModifier)
    for _ in weights:
        met.append(window.session.selection.frame)
        qtbot.keyClick(view, Qt.Key.Key_L)
    assert sorted(met) == list(range(len(weights)))
    assert (np.diff(weights[met]) <= 0).all()
    qtbot.keyClick(view, Qt.Key.Key_H)
    assert window.session.selection.frame == met[-2]


def test_letters_go_to_the_field_that_has_the_focus(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    with_fit(window, tmp_path)
    window.activateWindow()
    window.frames_panel.filter.setFocus()
    qtbot.waitUntil(window.frames_panel.filter.hasFocus)
    qtbot.keyClicks(window.frames_panel.filter, "mark = keep")
    assert window.frames_panel.filter.text() == "mark = keep"
    assert not window.session.marks.values.any()
    button = window.data_panel.map_box.open_button
    pressed: list[int] = []
    window.data_panel.map_box.open_requested.disconnect()
    window.data_panel.map_box.open_requested.connect(lambda: pressed.append(1))
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_Space)
    assert pressed == [1]
    assert window.session.selection.frame == 0


def test_the_theme_is_remembered_and_reaches_the_views(window: MainWindow) -> None:
    window.menus.actions["view.dark"].trigger()
    assert window.settings.theme == "dark"
    assert all(view.theme.name == "dark" for view in window.plots)
    window.menus.actions["view.light"].trigger()
    assert window.palette().window().color().lightness() > 128


def test_docks_come_back_where_they_were(window: MainWindow) -> None:
    dock = window.docks.by_name["fit"]
    dock.close()
    window.docks.by_name["log"].show()
    window.menus.actions["view.reset"].trigger()
    assert dock.isVisible()
    assert not window.docks.by_name["log"].isVisible()


def test_the_shortcut_sheet_shows_the_table(window: MainWindow) -> None:
    window.menus.actions["help.shortcuts"].trigger()
    sheet = next(child for child in window.findChildren(QDialog) if child.windowTitle() == "Keyboard shortcuts")
    for words in ("Mark keep", "Next frame", "Space", "Ctrl+Shift+S"):
        assert words in sheet.page.toPlainText()
    sheet.close()


def test_recent_files_are_offered(window: MainWindow, tmp_path: Path) -> None:
    window.menus.fill_recent()
    assert [action.text() for action in window.menus.recent.actions()] == ["Nothing opened yet"]
    (tmp_path / "x.mtz").touch()
    window.settings.add_recent([tmp_path / "x.mtz"])
    window.menus.fill_recent()
    assert [action.text() for action in window.menus.recent.actions()] == ["x.mtz"]


def test_the_picture_of_the_window_is_written(window: MainWindow, tmp_path: Path) -> None:
    window.save_picture(tmp_path / "window.png")
    assert (tmp_path / "window.png").stat().st_size > 5000
    window.save_picture(tmp_path / "no" / "folder.png")
    assert "could not be written" in window.banner.label.text()


def test_an_error_of_a_fit_is_told_and_another_can_start(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> Any:
        yield Progress("reading")
        raise BadInput("The frames are of another crystal", where="f.nc", advice="Check the cell")

    monkeypatch.setattr(tasks, "fit", failing)
    window.session.document.set_draft(Draft(map=Path("m.mtz"), frames=(Path("f.nc"),)))
    window.fit_panel.start()
    qtbot.waitUntil(window.banner.isVisible)
    assert window.banner.label.text().endswith("f.nc:  The frames are of another crystal.  Check the cell.")
    assert window.fit_panel.start_button.isEnabled()
    window.fit_panel.started.emit()
    assert window.banner.isHidden()


def test_marks_survive_in_a_saved_project(window: MainWindow, tmp_path: Path) -> None:
    with_fit(window, tmp_path)
    window.session.document.set_saved(tmp_path)
    window.session.selection.set_brushed(np.array([1, 2]))
    window.menus.actions["frames.drop"].trigger()
    assert "[1, 2]" in (tmp_path / "marks.json").read_text()


def test_the_check_is_in_front_until_there_is_a_fit(window: MainWindow, tmp_path: Path) -> None:
    tabs = window.workbench.tabs
    assert tabs.currentWidget() is window.workbench.check_panel
    window.session.check.finish(a_check())
    assert tabs.tabText(0) == "▲ Chec&k"
    assert not window.menus.actions["frames.check"].isEnabled()
    with_fit(window, tmp_path)
    assert tabs.currentWidget() is window.plots.weights
    window.session.document.set_draft(Draft(map=Path("m.mtz"), frames=(Path("f.nc"),)))
    window.data_panel.frames_box.check_button.setEnabled(True)
    window.data_panel.frames_box.check_button.click()
    assert tabs.currentWidget() is window.workbench.check_panel
    tabs.setCurrentWidget(window.plots.shells)
    window.session.fit.start()
    assert tabs.currentWidget() is window.plots.shells  # what was chosen stays
    window.session.fit.end()


def test_a_frame_clicked_in_the_check_is_selected_everywhere(window: MainWindow, tmp_path: Path) -> None:
    with_fit(window, tmp_path)
    window.session.check.finish(a_check(frames=np.array([0, 1, 3, 5])))
    window.plots.check.box.clicked.emit(QPointF(3.2, 0.0))
    assert (window.session.selection.frame, window.plots.weights.selected) == (3, 3)
    window.plots.check.frames_brushed.emit(np.array([1, 3]))
    assert window.session.selection.brushed.tolist() == [1, 3]
    assert window.plots.weights.brushed.tolist() == [1, 3]


def test_the_settings_of_the_scattering_open_beside_the_window(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.menus.actions["frames.scattering"].trigger()
    assert window.scattering.isVisible()
    assert not window.scattering.isModal()
    window.scattering.form.workers.setValue(2)
    assert window.settings.execution.workers == 2
    asked: list[str] = []
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *rest: asked.append(rest[3]) or ("", ""))
    window.scattering.form.fit_button.click()
    assert asked == ["Reflection files (*.mtz *.mtz.gz);;All files (*)"]
    window.scattering.close()


def test_all_kinds_of_maps_are_offered_and_written(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    patterns: list[str] = []
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *rest: patterns.append(rest[3]) or ("", ""))
    window.menus.actions["file.open_map"].trigger()
    assert all(f"*{ending}" in patterns[0] for ending in (".mtz", ".lat", ".hkl", ".nxs", ".ccp4", ".map", ".mrc"))
    titles = {kind: window.menus.actions[f"export.{kind}"].text() for kind in ("ccp4", "lat", "nxs")}
    assert all(("CCP4" in titles["ccp4"], "Lunus" in titles["lat"], "Checkpoint" in titles["nxs"]))


def test_while_a_fit_runs_its_progress_is_not_talked_over(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: object) -> Any:
        while True:
            yield Progress("structure factors", 12, 108, "12 of 108 frames")

    def endless() -> Any:
        while True:
            yield Progress("checking frames", 0, None, "Looked at 3 frames")

    monkeypatch.setattr(tasks, "fit", fit)
    window.session.document.set_draft(Draft(map=Path("m.mtz"), frames=(Path("f.nc"),)))
    window.fit_panel.start()
    qtbot.waitUntil(lambda: window.job_status.text.text() == "12 of 108 frames")
    checker = window.runners[2]
    checker.job_started.emit("checking the frames")
    checker.progressed.emit(Progress("checking frames", 0, None, "Looked at 3 frames"))
    assert window.job_status.text.text() == "12 of 108 frames"
    monkeypatch.setattr(tasks, "select", lambda *_: endless())
    checker.submit("choosing atoms", tasks.select)
    window.session.stop()
    qtbot.waitUntil(lambda: not window.session.fit.is_running)
    qtbot.waitUntil(lambda: window.job_status.text.text() == "Looked at 3 frames")
    checker.stop()
    qtbot.waitUntil(lambda: not window.session.is_busy)
    assert window.job_status.isHidden()
    assert window.job_status.text.text() == "Looked at 3 frames"


def test_files_of_prior_weights_bragg_data_and_energies_are_asked_for(
    window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {"Open prior weights": "prior.csv", "Open Bragg amplitudes": "bragg.mtz", "Open energies": "e.xvg"}
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda _, title, *rest: (str(tmp_path / chosen[title]), ""))
    window.fit_panel.form.prior.choose.click()
    window.fit_panel.form.bragg.choose.click()
    window.workbench.meaning_panel.menu.energies.trigger()
    draft = window.session.document.draft
    assert (draft.prior, draft.bragg) == (tmp_path / "prior.csv", tmp_path / "bragg.mtz")
    assert window.session.revisit.meaning_settings["energies"] == str(tmp_path / "e.xvg")
