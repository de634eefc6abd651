"""What is done with files of parameters: choose a structure, read targets, write values, go on with an ensemble."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from app.commands.structure_commands import StructureCommands
from app.settings import Settings

if TYPE_CHECKING:
    from app.models.force_field_model import ForceFieldModel
    from app.models.session import Session
    from app.panels.force_field_page import ForceFieldPage
    from app.panels.force_field_panel import ForceFieldPanel

VALUES = "Tuned values (*.toml)"
DERIVATIVES = "Derivatives (*.csv)"


class ForceFieldCommands(StructureCommands):
    """Callbacks of the buttons of the Force field panel and tab."""

    def __init__(
        self,
        window: QWidget,
        session: Session,
        model: ForceFieldModel,
        may_discard: Callable[[], bool],
        settings: Settings,
    ) -> None:
        super().__init__(window, session, may_discard, settings)
        self._model = model

    def serve(self, panel: ForceFieldPanel, page: ForceFieldPage) -> None:
        """Do what the buttons of a panel and a page ask for."""
        self._model.frames_written.connect(self.open_frames)
        self.serve_structure(panel)
        page.targets_requested.connect(self.read_targets)
        page.frames_requested.connect(self.use_as_frames)
        page.save_requested.connect(self.save)

    @Slot()
    def read_targets(self) -> None:
        """Ask for a table of observed values."""
        path = self._dialogs.open_table("Read targets")
        if path is not None:
            self._model.read_targets(path)

    @Slot()
    def save(self) -> None:
        """Ask where to write tuned values or derivatives."""
        reading = self._model.reading
        is_tuned = reading is not None and reading.tuning is not None
        patterns = f"{VALUES};;{DERIVATIVES}" if is_tuned else DERIVATIVES
        suggested = f"{self._stem}_tuned.toml" if is_tuned else f"{self._stem}_derivatives.csv"
        path = self._dialogs.save_conformations("Save parameters", suggested, patterns)
        if path is not None:
            self._model.save(path)

    @Slot()
    def use_as_frames(self) -> None:
        """Ask where to write the ensemble, and open it as frames when it is there."""
        if not self._may_discard():
            return
        title = "Use the ensemble as frames: where to keep it"
        path = self._dialogs.save_conformations(title, f"{self._stem}_ensemble.xtc")
        if path is not None:
            self._model.write_frames(path)

    @Slot(object)
    def open_frames(self, files: tuple[Path, ...]) -> None:
        """Open an ensemble that was written as the frames of the document."""
        frames, *topology = files
        self._session.open_frames((frames,), topology[0] if topology else None)

    @property
    def _stem(self) -> str:
        reading = self._model.reading
        return "system" if reading is None else Path(reading.request.system.name).stem
