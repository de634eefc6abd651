"""Two coordinates of samples at once, beside those of frames."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.models.sample_readings import MapReading2D, SampleReading
from app.models.samples import SamplesModel
from app.panels.forms import ElidedLabel, subtle
from app.panels.pages import stack
from app.panels.sample_states import CoordinateBox


class SampleMap(QWidget):
    """Asks for two coordinates and shows them; `plot` is a `SampleMapPlot`."""

    def __init__(self, samples: SamplesModel, plot: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._samples, self._plot = samples, plot
        self.first, self.second, self.words = CoordinateBox(samples), CoordinateBox(samples), ElidedLabel()
        row = QHBoxLayout()
        row.setContentsMargins(6, 2, 6, 2)
        for widget in (self.first, subtle("and"), self.second):
            row.addWidget(widget)
        row.addStretch(1)
        self.words.setContentsMargins(6, 0, 6, 2)
        stack(self, row, self.words, plot)
        samples.found.connect(self._on_found)
        samples.mapped.connect(self._on_map)
        for box in (self.first, self.second):
            box.currentIndexChanged.connect(self._ask)

    @Slot(object)
    def _on_found(self, reading: SampleReading) -> None:
        """The first two different coordinates, phi and psi where there are such."""
        self._plot.clear()
        self.words.show_text("")
        if self.first.name == self.second.name and self.second.count() > 1:
            self.second.blockSignals(True)
            self.second.setCurrentIndex(self.second.count() - 1 if reading.request.toy else 1)
            self.second.blockSignals(False)
        self._ask()

    @Slot()
    def _ask(self) -> None:
        if self.first.name and self.second.name and self.first.name != self.second.name:
            self._samples.map((self.first.name, self.second.name))

    @Slot(object)
    def _on_map(self, found: MapReading2D) -> None:
        images = {"frames": found.frames, "as drawn": found.raw, "as weighted": found.weighted}
        shares = {name: image.share for name, image in images.items() if image is not None}
        self._plot.set_maps(shares, found.weighted.first, found.weighted.second, found.titles)
        if found.distance is None:
            self.words.show_text("")
            return
        apart = found.distance
        self.words.show_text(
            f"frames and weighted samples: total variation {apart.total_variation:.3f}, by chance "
            f"{apart.by_chance:.3f}; Jensen-Shannon {apart.jensen_shannon:.3f}"
        )
