"""How much work goes into the question whether a fit can be believed."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QCheckBox, QSpinBox, QWidget

from app.panels.fold import Fold
from app.panels.forms import add_row
from mdweights_core.weights.settings import ValidationSettings

WANTED = "Ask after each fit whether its weights can be believed; stopping this keeps the fit"
ROWS = (
    ("folds", "F&olds", "Parts of the reflections that are held out in turns; 0 for none, else at least 2"),
    ("starts", "Sta&rts", "Fits that begin at random weights; 0 for none"),
    ("thetas", "Thetas &tried", "Strengths of the entropy that are fitted to all but each fold; 0 for none"),
    ("samples", "Sa&mples", "Bootstrap samples of blocks of frames, and of reflections; 0 for none"),
    ("block", "&Block", "Neighbouring frames drawn together: as many as it takes to forget the first, unless given"),
)


class ValidationForm(Fold):
    """Shows and tells `ValidationSettings`; None where no validation is wanted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Validation", parent)
        self.wanted = QCheckBox("after each fit")
        self.wanted.setChecked(True)
        self.wanted.setToolTip(WANTED)
        self.rows.addRow("", self.wanted)
        self.fields: dict[str, QSpinBox] = {}
        for name, title, tip in ROWS:
            field = self.fields[name] = QSpinBox()
            field.setRange(0, 100_000)
            field.setSpecialValueText("none")
            add_row(self.rows, title, field, tip)
            field.valueChanged.connect(self._tell)
        self.fields["block"].setSpecialValueText("found")
        self.fields["block"].setSuffix(" frames")
        self.wanted.toggled.connect(self._tell)
        self.show_settings(ValidationSettings())

    def values(self) -> dict[str, Any]:
        """The settings as `ValidationSettings` takes them."""
        numbers: dict[str, Any] = {name: field.value() for name, field in self.fields.items()}
        return {**numbers, "block": numbers["block"] or None}

    def planned(self) -> dict[str, Any] | None:
        """The settings for the next fit; None where it is not to be validated."""
        return self.values() if self.wanted.isChecked() else None

    def show_settings(self, settings: ValidationSettings) -> None:
        """Show the settings of a validation."""
        for name, field in self.fields.items():
            field.setValue(getattr(settings, name) or 0)
        self._tell()

    @Slot()
    def _tell(self) -> None:
        values = self.values()
        told = [f"{values[name]} {name}" for name in ("folds", "starts", "samples") if values[name]]
        self.set_digest(", ".join(told) if self.wanted.isChecked() else "not after a fit")
