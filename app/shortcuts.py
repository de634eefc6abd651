"""The one table of actions: menus, keys and the shortcut sheet are all made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget


@dataclass(frozen=True)
class ActionSpec:
    """One thing the user can do.

    Attributes
    ----------
    id : str
        Name in the code: ``file.open_map``; the part before the dot is its menu.
    title : str
        Text in the menu.
    callback : callable
        What is done.
    keys : tuple of str
        Shortcuts in portable form; the first is shown in the menu.
    tip : str
        A sentence for the status bar and the tooltip.
    needs_fit : bool
        Enabled only when there is a fit.
    """

    id: str
    title: str
    callback: Callable[[], object]
    keys: tuple[str, ...] = ()
    tip: str = ""
    needs_fit: bool = False

    @property
    def group(self) -> str:
        """The menu it belongs to."""
        return self.id.partition(".")[0]


def make_actions(specs: Iterable[ActionSpec], owner: QWidget) -> dict[str, QAction]:
    """One QAction per entry of the table, by id."""
    return {spec.id: _make(spec, owner) for spec in specs}


def _make(spec: ActionSpec, owner: QWidget) -> QAction:
    action = QAction(spec.title, owner)
    action.setObjectName(spec.id)
    action.setShortcuts([QKeySequence(key) for key in spec.keys])
    action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
    action.setStatusTip(spec.tip)
    action.setToolTip(spec.tip or spec.title.replace("&", ""))
    action.triggered.connect(_without_argument(spec.callback))
    return action


def _without_argument(callback: Callable[[], object]) -> Callable[[], None]:
    """Drop the `checked` argument of QAction.triggered."""

    def call() -> None:
        callback()

    return call


def sheet(specs: Iterable[ActionSpec]) -> list[tuple[str, str, str]]:
    """(menu, title, keys) of every action with a shortcut, as the shortcut sheet shows them."""
    rows = []
    for spec in specs:
        if spec.keys:
            keys = " or ".join(QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in spec.keys)
            rows.append((spec.group.capitalize(), spec.title.replace("&", "").rstrip(".…"), keys))
    return rows
