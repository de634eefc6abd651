"""A mode that swings in the molecule view while it can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.models.minima_readings import PER_NM
from app.panels.molecule_guest import MoleculeGuest

if TYPE_CHECKING:
    from app.models.mode_readings import ModesReading

PICTURES, INTERVAL_MS = 24, 50


class ModeSwing(QObject):
    """Plays one full swing along a mode in a loop.

    Signals
    -------
    playing_changed(bool)
    """

    playing_changed = Signal(bool)

    def __init__(self, guest: MoleculeGuest, parent: QObject) -> None:
        super().__init__(parent)
        self._guest = guest
        self._reading: ModesReading | None = None
        self._mode, self._amplitude, self._at = 0, 1.0, 0
        self._pictures = np.empty((0, 0, 3))
        self._timer = QTimer(self, interval=INTERVAL_MS)
        self._timer.timeout.connect(self._show_next)
        guest.left.connect(self.pause)

    @property
    def is_playing(self) -> bool:
        """True while it swings."""
        return self._timer.isActive()

    def set_mode(self, reading: ModesReading | None, mode: int) -> None:
        """Take another mode; a swing goes on with it, and ends when there is none."""
        self._reading, self._mode = reading, mode
        if reading is None:
            self.pause()
        self._make()

    def set_amplitude(self, amplitude: float) -> None:
        """How far atoms move at the turning points, root mean square, angstrom."""
        self._amplitude = amplitude
        self._make()

    @Slot()
    def play(self) -> None:
        """Begin to swing, if there is a mode."""
        if len(self._pictures) and not self.is_playing:
            self._timer.start()
            self.playing_changed.emit(True)

    @Slot()
    def pause(self) -> None:
        """Stay where it is."""
        if self.is_playing:
            self._timer.stop()
            self.playing_changed.emit(False)

    def _make(self) -> None:
        if self._reading is None or self._mode < 0:
            self._pictures = np.empty((0, 0, 3))
            return
        from mdweights_core.modes.trajectories import animated

        rms = self._amplitude / PER_NM
        self._pictures = PER_NM * animated(self._reading.modes, self._mode, n_frames=PICTURES, rms=rms)

    @Slot()
    def _show_next(self) -> None:
        if self._reading is None or not self._guest.is_seen:
            self.pause()
            return
        self._at = (self._at + 1) % PICTURES
        caption = f"mode {self._mode + 1}, {self._amplitude:.1f} Å at the turning points"
        self._guest.show_swing(self._reading.atoms, self._pictures[self._at], caption)
