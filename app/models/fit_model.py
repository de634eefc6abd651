"""How the running fit goes: its live curves and weights, between start and result."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, Signal

from mdweights_core.jobs import Clock, Progress

WEIGHTS_STAGE = "weights"


class FitModel(QObject):
    """Live state of a fit; cleared when another starts.

    `is_shown` tells that the weights of the fit that runs are those of the document: what still runs asks about them.
    """

    running_changed = Signal(bool)
    stopping = Signal()
    staged = Signal(object)
    stepped = Signal(int, float, object)
    weights_changed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.is_running = False
        self.is_stopping = self.is_shown = False
        self._clock: Clock | None = None

    def start(self) -> None:
        """A fit was asked for."""
        self.is_running, self.is_stopping, self.is_shown, self._clock = True, False, False, None
        self.running_changed.emit(True)

    def mark_stopping(self) -> None:
        """The fit was asked to stop and ends with its present step."""
        self.is_stopping = True
        self.stopping.emit()

    @property
    def hides_another(self) -> bool:
        """True while what the document shows is a fit before the one that runs."""
        return self.is_running and not self.is_shown

    def advance(self, progress: Progress) -> None:
        """Take a snapshot: its numbers and, where it has them, its weights; `staged` tells of all other stages."""
        if progress.stage != WEIGHTS_STAGE:
            self.staged.emit(progress)
            return
        if not self.is_running:  # of a fit that is run again to be compared: it is not what is looked at
            return
        self._clock = self._clock or Clock()
        if progress.values:
            self.stepped.emit(progress.step, self._clock.elapsed, dict(progress.values))
        if "weights" in progress.arrays:
            self.weights_changed.emit(np.array(progress.arrays["weights"], copy=True))

    def end(self) -> None:
        """The fit ended, one way or another."""
        self.is_running = self.is_stopping = self.is_shown = False
        self.running_changed.emit(False)
