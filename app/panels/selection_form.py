"""How whole frames are to be selected: method, limits, and what the genetic algorithm draws."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QGridLayout, QSpinBox, QWidget

from app.panels.forms import choice
from mdweights_core.weights.selection.settings import METHODS, MIN_FRAMES, SelectionSettings

METHOD_TITLES = {"greedy": "Greedy deletion", "genetic": "Genetic algorithm"}
METHOD_TIP = "Greedy deletion leaves out one frame after another; the genetic algorithm breeds sets of frames"
FIELDS = (
    ("min_frames", "at least ", "Frames that are kept in any case"),
    ("max_frames", "at most ", "Frames that are kept at most, even where leaving more out costs agreement"),
    ("generations", "generations ", "Generations of the genetic algorithm at most; 50 without a better set end it"),
    ("seed", "seed ", "Seed of the genetic algorithm: the same one gives the same frames"),
)
GENETIC = ("generations", "seed")
_ARROWS = 32  # pixels beside the text of a field


class SelectionForm(QWidget):
    """Shows and tells `SelectionSettings`: the limits beside the method, below them what only one method has."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.method = choice({name: METHOD_TITLES[name] for name in METHODS})
        self.method.setAccessibleName("Method of the selection")
        self.method.setToolTip(METHOD_TIP)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(3)
        grid.addWidget(self.method, 0, 0)
        self.fields: dict[str, QSpinBox] = {}
        for place, (name, before, tip) in enumerate(FIELDS):
            field = self.fields[name] = QSpinBox()
            field.setPrefix(before)
            field.setToolTip(tip)
            field.setAccessibleName(tip)
            field.setRange(0, 2**31 - 1)
            field.setFixedWidth(field.fontMetrics().horizontalAdvance("generations 00000") + _ARROWS)
            grid.addWidget(field, place // 2, 1 + place % 2)
        self.fields["min_frames"].setMinimum(MIN_FRAMES)
        self.fields["generations"].setMinimum(1)
        self.fields["max_frames"].setSpecialValueText("at most all")
        self.method.currentIndexChanged.connect(self._on_method)
        self.show_settings(SelectionSettings())

    def values(self) -> dict[str, Any]:
        """The settings as `SelectionSettings` takes them."""
        numbers: dict[str, Any] = {name: field.value() for name, field in self.fields.items()}
        return {**numbers, "method": self.method.currentData(), "max_frames": numbers["max_frames"] or None}

    def show_settings(self, settings: SelectionSettings) -> None:
        """Show the settings of a selection."""
        self.method.setCurrentIndex(self.method.findData(settings.method))
        for name, field in self.fields.items():
            field.setValue(getattr(settings, name) or 0)
        self._on_method()

    def show_seed(self, seed: int) -> None:
        """Offer the seed of a fit for its first selection."""
        self.fields["seed"].setValue(seed)

    @Slot()
    def _on_method(self) -> None:
        """Greedy deletion draws nothing and ends by itself."""
        for name in GENETIC:
            self.fields[name].setVisible(self.method.currentData() == "genetic")
