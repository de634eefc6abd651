"""The minimisation inside the real window: where it is found, how it stops, how the window closes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from app.main import build_window
from app.models.minima_readings import MinimiseRequest
from app.panels.minima_tab import PAGES
from app.window import MainWindow
from mdweights_core.errors import BadInput


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    made = build_window(tmp_path / "scratch")
    made.show()
    yield made
    made.minima.is_running = False  # else closing asks
    made.close()
    made.deleteLater()


def test_it_is_found_in_the_menu_and_shown_in_its_tab(window: MainWindow) -> None:
    dock = window.docks.by_name["minimise"]
    dock.hide()
    window.menus.actions["frames.minimise"].trigger()
    assert dock.isVisible()
    assert window.workbench.tabs.currentWidget() is not window.workbench.minima_tab
    window.workbench.minima_tab.show_modes()
    window.minima.started.emit(MinimiseRequest(Path("a.pdb")))
    assert window.workbench.tabs.currentWidget() is window.workbench.minima_tab
    assert window.workbench.minima_tab.pages.tabText(window.workbench.minima_tab.pages.currentIndex()) == PAGES[0]


def test_a_file_that_is_not_there_is_told_in_the_banner(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    window.minimise_panel.show_structure(tmp_path / "none.pdb")
    with qtbot.waitSignal(window.minima.refused, timeout=60_000) as told:
        window.minimise_panel.start()
    assert isinstance(told.args[0], BadInput)
    assert window.banner.isVisible()
    assert "none.pdb" in window.minimise_panel.remarks.text()
    assert not window.minima.is_running


def test_closing_asks_before_a_minimisation_is_lost(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def no(parent: object, title: str, text: str, *_: object) -> QMessageBox.StandardButton:
        asked.append(text)
        return QMessageBox.StandardButton.No

    monkeypatch.setattr(QMessageBox, "question", no)
    window.minima.is_running = True
    assert not window.close()
    assert asked == ["A minimisation is running. Stop it and close?"]


def test_views_of_minima_are_painted_in_every_theme(window: MainWindow) -> None:
    for name in ("dark", "light"):
        window.set_theme(name)
        plots = window.plots
        assert {plots.minima.theme.name, plots.spectrum.theme.name, plots.mode_scatter.theme.name} == {name}
