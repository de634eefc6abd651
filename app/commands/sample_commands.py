"""What is done with files of flow sampling: choose a structure, write samples, go on with them as frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from app.commands.structure_commands import StructureCommands
from app.dialogs.files import CONFORMATIONS, SAMPLES
from app.settings import Settings

if TYPE_CHECKING:
    from app.models.sample_readings import SampleRequest
    from app.models.samples import SamplesModel
    from app.models.session import Session
    from app.panels.sample_page import SamplePage
    from app.panels.sample_panel import SamplePanel


class SampleCommands(StructureCommands):
    """Callbacks of the sampling's buttons."""

    def __init__(
        self,
        window: QWidget,
        session: Session,
        samples: SamplesModel,
        may_discard: Callable[[], bool],
        settings: Settings,
    ) -> None:
        super().__init__(window, session, may_discard, settings)
        self._samples = samples

    def serve(self, panel: SamplePanel, page: SamplePage) -> None:
        """Do what the buttons of a panel and a page ask for."""
        self._samples.frames_written.connect(self.open_frames)
        self.serve_structure(panel)
        panel.rounds_requested.connect(self.iterate)
        page.frames_requested.connect(self.use_as_frames)
        page.save_requested.connect(self.save)
        page.rounds.project_requested.connect(self.open_project)

    @Slot(int)
    def save(self, count: int) -> None:
        """Ask where to write samples: all of them as NPZ, or `count` (0: all) as frames."""
        reading = self._samples.reading
        is_molecule = reading is not None and reading.is_molecule
        pattern = f"{SAMPLES};;{CONFORMATIONS}" if is_molecule else SAMPLES
        path = self._dialogs.save_conformations("Save samples", f"{self._stem}_samples.npz", pattern)
        if path is not None:
            self._samples.write(path, count)

    @Slot(int)
    def use_as_frames(self, count: int) -> None:
        """Ask where to write `count` (0: all) draws, and open them as frames when they are there."""
        if not self._may_discard():
            return
        title = "Use draws as frames: where to keep them"
        path = self._dialogs.save_conformations(title, f"{self._stem}_sampled.xtc")
        if path is not None:
            self._samples.write(path, count, becomes_frames=True)

    @Slot(object, int, int)
    def iterate(self, request: SampleRequest, rounds: int, frames: int) -> None:
        """Ask for a folder, and sample and fit in rounds there."""
        path = self._dialogs.open_folder("Folder that keeps the rounds; rounds that are there are gone on with")
        if path is not None:
            self._samples.iterate(request, rounds, frames, path)

    @Slot(object)
    def open_project(self, path: Path) -> None:
        """Open the fit of a round."""
        if self._may_discard():
            self._session.open_project(path)

    @Slot(object)
    def open_frames(self, files: tuple[Path, ...]) -> None:
        """Open draws that were written as the frames of the document, with their weights as prior ones."""
        frames, *topology, weights = files
        self._session.open_frames((frames,), topology[0] if topology else None)
        self._session.inputs.edit(prior=weights)

    @property
    def _stem(self) -> str:
        reading = self._samples.reading
        return "system" if reading is None else Path(reading.request.name).stem
