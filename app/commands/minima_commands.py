"""What is done with files of a minimisation: choose a structure, export conformations, go on with them as frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from app.commands.structure_commands import StructureCommands
from app.settings import Settings

if TYPE_CHECKING:
    from app.models.minima import MinimaModel
    from app.models.session import Session
    from app.panels.minima_page import MinimaPage
    from app.panels.minimise_panel import MinimisePanel


class MinimaCommands(StructureCommands):
    """Callbacks of the minimisation's buttons.

    Signals
    -------
    reference_chosen(object)
        A Path.
    """

    reference_chosen = Signal(object)

    def __init__(
        self,
        window: QWidget,
        session: Session,
        minima: MinimaModel,
        may_discard: Callable[[], bool],
        settings: Settings,
    ) -> None:
        super().__init__(window, session, may_discard, settings)
        self._minima = minima

    def serve(self, panel: MinimisePanel, page: MinimaPage) -> None:
        """Do what the buttons of a panel and a page ask for."""
        self._minima.frames_written.connect(self.open_frames)
        self.serve_structure(panel)
        panel.reference_requested.connect(self.choose_reference)
        self.reference_chosen.connect(panel.show_reference)
        page.frames_requested.connect(self.use_as_frames)
        page.export_requested.connect(self.export)
        page.save_requested.connect(self.save_comparison)

    @Slot()
    def choose_reference(self) -> None:
        """Ask for a structure that distances are told to."""
        path = self._dialogs.open_structure()
        if path is not None:
            self.reference_chosen.emit(path)

    @Slot()
    def save_comparison(self) -> None:
        """Ask where to write the table of compared minimisers."""
        path = self._dialogs.save_table("Save comparison: table, traces and plots", "minimisers.csv")
        if path is not None:
            self._minima.save_comparison(path)

    @Slot()
    def export(self) -> None:
        """Ask where to write the conformations."""
        path = self._ask("Export conformations")
        if path is not None:
            self._minima.write(path)

    @Slot()
    def use_as_frames(self) -> None:
        """Ask where to write the conformations, and open them as frames when they are there."""
        path = self._ask("Use conformations as frames: where to keep them") if self._may_discard() else None
        if path is not None:
            self._minima.write(path, becomes_frames=True)

    @Slot(object, object)
    def open_frames(self, frames: Path, topology: Path | None) -> None:
        """Open conformations that were written as the frames of the document."""
        self._session.open_frames((frames,), topology)

    def _ask(self, title: str) -> Path | None:
        reading = self._minima.reading
        stem = "frames" if reading is None else reading.request.structure.stem
        return self._dialogs.save_conformations(title, f"{stem}_minimised.pdb")
