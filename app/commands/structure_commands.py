"""Asking for a structure and its coordinates, for what computes with its energy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.dialogs.files import FileDialogs
from app.settings import Settings

if TYPE_CHECKING:
    from app.models.session import Session
    from app.panels.energy_panel import EnergyPanel


class StructureCommands(QObject):
    """Callbacks of a panel's file fields; `may_discard` asks whether an unsaved fit may be dropped.

    Signals
    -------
    structure_chosen(object), coordinates_chosen(object)
        A Path.
    """

    structure_chosen = Signal(object)
    coordinates_chosen = Signal(object)

    def __init__(self, window: QWidget, session: Session, may_discard: Callable[[], bool], settings: Settings) -> None:
        super().__init__(window)
        self._session, self._may_discard = session, may_discard
        self._dialogs = FileDialogs(window, settings)

    def serve_structure(self, panel: EnergyPanel) -> None:
        """Ask for the files that a panel's fields name."""
        panel.structure_requested.connect(self.choose_structure)
        panel.coordinates_requested.connect(self.choose_coordinates)
        self.structure_chosen.connect(panel.show_structure)
        self.coordinates_chosen.connect(panel.show_coordinates)

    @Slot()
    def choose_structure(self) -> None:
        """Ask for a structure."""
        path = self._dialogs.open_structure()
        if path is not None:
            self.structure_chosen.emit(path)

    @Slot()
    def choose_coordinates(self) -> None:
        """Ask for the coordinates of parameters."""
        path = self._dialogs.open_coordinates()
        if path is not None:
            self.coordinates_chosen.emit(path)
