"""The Samples tab: how the flow learns, whether its draws can be believed, what they tell, and what becomes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QPushButton, QSlider, QSpinBox, QWidget

from app.models.sample_readings import SampleReading, SampleRequest
from app.models.samples import SamplesModel
from app.panels.forms import ElidedLabel
from app.panels.pages import page_bar, paged
from app.panels.sample_map import SampleMap
from app.panels.sample_path import SamplePath
from app.panels.sample_rounds import SampleRounds
from app.panels.sample_states import SampleStates
from app.panels.sample_trust import SampleTrust
from app.theme import Theme
from mdweights_core.jobs import Progress

PAGES = ("Training", "Energies", "Trust", "Free energy", "Two coordinates", "Path", "Rounds")
TRAINING, ENERGIES, TRUST, ROUNDS = 0, 1, 2, 6
FRAMES_TIP = "Write draws as frames with weights and open them as the frames of this document, to predict and fit from"
SAVE_TIP = "Write the samples: NPZ for mdweights free-energy, XTC or PDB with a table of weights"
COUNT_TIP = "Frames to choose by weight; each draw counts as often as it was chosen"
SLIDER_TIP = "Draws by their weight, the heaviest first"
FRAMES = 1000


@dataclass(frozen=True)
class SamplePlots:
    """What the pages are drawn with: plots of `app.plots.sample_*`."""

    training: Any
    weights: Any
    profile: Any
    map: Any
    path: Any


class SamplePage(QWidget):
    """Pages of one run, over a row that shows draws and writes them.

    Signals
    -------
    draw_chosen(int)
        Place of a draw by weight that is to be shown in the molecule view.
    place_changed(object, int)
        A path and the configuration of it that is to be shown.
    frames_requested(int), save_requested(int)
        So many draws (0: all) are to become frames, or a file.
    """

    draw_chosen = Signal(int)
    place_changed = Signal(object, int)
    frames_requested = Signal(int)
    save_requested = Signal(int)

    def __init__(self, samples: SamplesModel, plots: SamplePlots, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._samples, self._plots = samples, plots
        self.trust = SampleTrust()
        self.states, self.map = SampleStates(samples, plots.profile), SampleMap(samples, plots.map)
        self.path, self.rounds = SamplePath(samples, plots.path), SampleRounds(samples)
        self.pages = page_bar(PAGES, "Pages of the samples")
        self.slider, self.caption, self.count = QSlider(Qt.Orientation.Horizontal), ElidedLabel(), QSpinBox()
        self.frames_button, self.save_button = QPushButton("Use as frames…"), QPushButton("Save…")
        self._lay_out()
        self._connect()
        self._enable(None)

    def apply_theme(self, theme: Theme) -> None:
        """Paint what is no plot in the colours of `theme`."""
        self.trust.apply_theme(theme)

    def show_page(self, page: int) -> None:
        """Bring one page to the front."""
        self.pages.setCurrentIndex(page)

    # ---- building

    def _lay_out(self) -> None:
        views = (self._plots.training, self._plots.weights)
        parts = (*views, self.trust, self.states, self.map, self.path, self.rounds)
        self.count.setRange(0, 10**7)
        self.count.setValue(FRAMES)
        self.count.setSpecialValueText("all draws")
        self.count.setSuffix(" frames")
        for widget, name, tip in (
            (self.slider, "Draw", SLIDER_TIP),
            (self.count, "Frames to write", COUNT_TIP),
            (self.frames_button, "Use as frames", FRAMES_TIP),
            (self.save_button, "Save samples", SAVE_TIP),
        ):
            widget.setAccessibleName(name)
            widget.setToolTip(tip)
        below = (self.slider, self.caption, self.count, self.frames_button, self.save_button)
        paged(self, self.pages, parts, below)

    def _connect(self) -> None:
        samples = self._samples
        samples.started.connect(self._on_started)
        samples.stepped.connect(self._on_step)
        samples.found.connect(self._on_found)
        samples.rounds_found.connect(self._on_rounds)
        samples.running_changed.connect(self._on_running)
        self.slider.valueChanged.connect(self._on_draw)
        self.path.place_changed.connect(self.place_changed)
        self.frames_button.clicked.connect(self._on_frames)
        self.save_button.clicked.connect(self._on_save)

    def _enable(self, reading: SampleReading | None) -> None:
        has_draws = reading is not None and reading.judged is not None
        is_molecule = has_draws and reading is not None and reading.is_molecule
        for widget in (self.slider, self.count, self.frames_button):
            widget.setEnabled(is_molecule)
        self.save_button.setEnabled(has_draws)

    # ---- what happens

    @Slot(object)
    def _on_started(self, request: SampleRequest) -> None:
        self._plots.training.clear()
        self._plots.training.show_empty(f"Setting up {request.name}…")
        self.show_page(TRAINING)

    @Slot(object)
    def _on_step(self, progress: Progress) -> None:
        if "history" in progress.arrays:
            self._plots.training.set_history(progress.arrays["history"], progress.message)
        elif "weight_edges" in progress.arrays:
            if self._plots.weights.is_empty or self.pages.currentIndex() == TRAINING:
                self.show_page(ENERGIES)
            arrays = progress.arrays
            self._plots.weights.set_histograms(
                arrays, arrays["weight_edges"], arrays["weight_counts"], progress.message
            )

    @Slot(bool)
    def _on_running(self, running: bool) -> None:
        """Of a run that came to nothing no trace stays: what was found before is shown again."""
        if not running and self._plots.training.is_empty and self._samples.reading is not None:
            self._show_training(self._samples.reading)
        elif not running and self._plots.training.is_empty:
            self._plots.training.show_empty()

    @Slot(object)
    def _on_found(self, reading: SampleReading) -> None:
        self._show_training(reading)
        self.trust.show_reading(reading)
        self._enable(reading)
        weighing = reading.weighing
        if weighing is None:
            self._plots.weights.clear()
            return
        energies = {name: getattr(weighing.energies, name) for name in ("edges", "raw", "weighted", "reference")}
        words = f"{weighing.energies.above:.1%} of the draws lie above" if weighing.energies.above else ""
        self._plots.weights.set_histograms(energies, weighing.edges, weighing.counts, words)
        self.slider.blockSignals(True)
        self.slider.setRange(0, reading.sampled.samples.n_samples - 1)
        self.slider.setValue(0)
        self.slider.blockSignals(False)
        self.caption.show_text("")
        self.show_page(TRUST)

    @Slot(object)
    def _on_rounds(self, found: object) -> None:
        self.show_page(ROUNDS)

    def _show_training(self, reading: SampleReading) -> None:
        samples = reading.sampled.samples
        words = f"{len(samples.history):,} steps, {samples.training_energies:,} energies"
        self._plots.training.set_history(samples.history, words)

    @Slot(int)
    def _on_draw(self, place: int) -> None:
        reading = self._samples.reading
        if reading is None or reading.judged is None:
            return
        samples, draw = reading.sampled.samples, int(reading.order[place])
        log_share = samples.log_weights[draw] - reading.judged.evidence.weights.log_z
        self.caption.show_text(f"draw {draw}: {samples.u[draw]:.1f} kT, weight {math.exp(log_share):.3g} × mean")
        self.draw_chosen.emit(place)

    @Slot()
    def _on_frames(self) -> None:
        self.frames_requested.emit(self.count.value())

    @Slot()
    def _on_save(self) -> None:
        self.save_requested.emit(self.count.value())
