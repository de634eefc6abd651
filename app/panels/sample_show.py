"""Draws and paths of a flow in the molecule view."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from app.models.minima_readings import PER_NM
from app.models.sample_readings import PathReading
from app.models.samples import SamplesModel
from app.panels.molecule_guest import MoleculeGuest
from app.workers.sample_tasks import laid_on


class SampleShow(QObject):
    """Shows in the molecule view what is looked at in the Samples tab."""

    def __init__(self, samples: SamplesModel, guest: MoleculeGuest, parent: QObject) -> None:
        super().__init__(parent)
        self._samples, self._guest = samples, guest

    @Slot(int)
    def show_draw(self, place: int) -> None:
        """Show the draw that is at this place by its weight."""
        reading = self._samples.reading
        if reading is None or reading.atoms is None or reading.start is None:
            return
        samples, draw = reading.sampled.samples, int(reading.order[place])
        x = laid_on(samples.x[draw][None], reading.start)[0]
        self._guest.left.emit()
        self._guest.show_swing(reading.atoms, PER_NM * x, f"draw {draw}, {samples.u[draw]:.1f} kT")

    @Slot(object, int)
    def show_place(self, path: PathReading, place: int) -> None:
        """Show one configuration of a path."""
        reading = self._samples.reading
        if reading is None or reading.atoms is None:
            return
        up = path.energies.u[place] - path.energies.u[0]
        words = f"{place + 1} of {len(path.x)} from {path.ends[0]} to {path.ends[1]}, {up:+.1f} kT"
        self._guest.left.emit()
        self._guest.show_swing(reading.atoms, PER_NM * path.x[place], words)
