"""The menus of the window, made from the table of actions, and which actions can be chosen now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMainWindow, QMenu

from app.models.session import Session
from app.settings import Settings
from app.shortcuts import ActionSpec, make_actions

TITLES = {
    "file": "&File",
    "edit": "&Edit",
    "frames": "F&rames",
    "fit": "F&it",
    "view": "&View",
    "help": "&Help",
}
OF_A_FIT = ("file.rerun", "fit.validate", "fit.explain", "fit.select")
OF_A_SELECTION = ("export.selection.csv", "export.selection.ndx")


class Menus(QObject):
    """Menus over `window`; `actions` by id are enabled as the session can do them.

    Parameters
    ----------
    window : QMainWindow
    session : Session
    specs : sequence of ActionSpec
        In the order of the menus.
    settings : Settings
        Knows the recent files.
    open_paths : callable
        What a recent file is opened with.
    """

    def __init__(
        self,
        window: QMainWindow,
        session: Session,
        specs: Sequence[ActionSpec],
        settings: Settings,
        open_paths: Callable[[Sequence[Path]], None],
    ) -> None:
        super().__init__(window)
        self._session, self._settings, self._open_paths = session, settings, open_paths
        self.actions = make_actions(specs, window)
        self._needs_fit = [self.actions[spec.id] for spec in specs if spec.needs_fit]
        self.recent, export = QMenu("Open &recent", window), QMenu("&Export", window)
        self._menus = {group: window.menuBar().addMenu(title) for group, title in TITLES.items()}
        for spec in specs:
            menu = export if spec.group == "export" else self._menus[spec.group]
            menu.addAction(self.actions[spec.id])
        self._place(self.recent, "file.save")
        self._place(export, "file.quit")
        self.recent.aboutToShow.connect(self.fill_recent)
        self._connect()
        self.refresh()

    def add_views(self, toggles: Iterable[QAction]) -> None:
        """Put what shows and hides parts of the window into the View menu."""
        view, before = self._menus["view"], self.actions["view.reset"]
        for toggle in toggles:
            view.insertAction(before, toggle)
        view.insertSeparator(before)

    @Slot()
    def refresh(self) -> None:
        """Enable what can be done now."""
        session, document = self._session, self._session.document
        has_fit, running = document.fitted is not None, session.fit.is_running
        is_free = has_fit and not running and not session.revisit.running
        has_selection = document.fitted is not None and document.fitted.project.selection is not None
        enabled = {
            **dict.fromkeys(OF_A_FIT, is_free),
            **dict.fromkeys(OF_A_SELECTION, has_selection),
            "fit.start": not running and document.draft.is_complete,
            "fit.resume": not running and document.can_resume,
            "fit.stop": running or bool(session.revisit.running),
            "frames.check": document.draft.is_complete,
        }
        for action in self._needs_fit:
            action.setEnabled(has_fit)
        for name, can_be_done in enabled.items():
            self.actions[name].setEnabled(can_be_done)

    @Slot()
    def fill_recent(self) -> None:
        """List the files that were opened last."""
        self.recent.clear()
        for path in self._settings.recent:
            action = QAction(path.name, self.recent)
            action.setToolTip(str(path))
            action.triggered.connect(_opener(self._open_paths, path))
            self.recent.addAction(action)
        if self.recent.isEmpty():
            self.recent.addAction("Nothing opened yet").setEnabled(False)

    def _place(self, inner: QMenu, before: str) -> None:
        menu, action = self._menus["file"], self.actions[before]
        menu.insertMenu(action, inner)
        menu.insertSeparator(action)

    def _connect(self) -> None:
        session, document = self._session, self._session.document
        for changed in (
            session.fit.running_changed,
            session.revisit.running_changed,
            document.draft_changed,
            document.project_changed,
            document.selection_changed,
        ):
            changed.connect(self._on_change)

    @Slot(object)
    def _on_change(self, what: object) -> None:
        self.refresh()


def _opener(open_paths: Callable[[Sequence[Path]], None], path: Path) -> Callable[[], None]:
    def call() -> None:
        open_paths([path])

    return call
