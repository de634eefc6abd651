"""What takes the molecule view for a while: conformations before and after, or a mode that swings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from app.panels.molecule_panel import MoleculePanel

if TYPE_CHECKING:
    from app.models.minima import MinimaModel
    from mdweights_core.io.frames.atoms import Atoms


class MoleculeGuest(QObject):
    """Shows in `panel` what is no frame, until a frame is selected or the panel is asked for one.

    Signals
    -------
    left()
        Frames are shown again, or something else than a motion.
    """

    left = Signal()

    def __init__(self, panel: MoleculePanel, minima: MinimaModel, parent: QObject) -> None:
        super().__init__(parent)
        self._panel, self._minima = panel, minima
        self._atoms: Atoms | None = None
        panel.returned.connect(self._on_returned)
        minima.chosen_changed.connect(self._on_chosen)

    @property
    def is_seen(self) -> bool:
        """True while the molecule view is on the screen."""
        return self._panel.isVisible() and not self._panel.window().isMinimized()

    @Slot()
    def show_overlay(self) -> None:
        """Lay the chosen start after minimisation over what it was before."""
        reading, start = self._minima.reading, self._minima.chosen
        if reading is None or start < 0:
            return
        self.left.emit()
        before, after = reading.pair(start)
        distance = np.sqrt(np.mean(np.sum((after - before) ** 2, axis=1)))
        caption = f"{reading.name(start)}: after (blue), before (orange), {distance:.2f} Å"
        self._enter(reading.atoms)
        view = self._panel.lend()
        view.show_sets([after], [before], caption)
        view.show_mode("sets")

    def show_swing(self, atoms: Atoms, positions: np.ndarray, caption: str) -> None:
        """Show one picture of a motion: positions float [n_atoms, 3], angstrom."""
        self._enter(atoms)
        view = self._panel.lend()
        view.set_caption(caption)
        view.show_frame(positions)
        if view.mode != "frame":
            view.show_mode("frame")

    def _enter(self, atoms: Atoms) -> None:
        if atoms is not self._atoms:
            self._panel.lend().clear()
            self._atoms = atoms
            self._panel.show_atoms(atoms)

    @Slot()
    def _on_returned(self) -> None:
        self._atoms = None
        self.left.emit()

    @Slot(int)
    def _on_chosen(self, start: int) -> None:
        self.show_overlay()
