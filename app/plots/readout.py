"""The row of numbers under the slices: the reflection under the cursor."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from app.plots.base import figures_font, subtle_label

_SIGMA, _DELTA = "\N{GREEK SMALL LETTER SIGMA}", "\N{GREEK CAPITAL LETTER DELTA}"
# caption, what it means, how many characters its numbers take
_FIELDS = (
    ("h k l", "Miller indices", 10),
    ("d", "Spacing d, angstrom", 7),
    ("I obs", "Observed intensity, arbitrary units", 7),
    ("I calc", "Calculated intensity on the observed scale", 7),
    (f"{_DELTA}I", "Observed minus calculated intensity", 7),
    (f"{_SIGMA}(I)", "Standard uncertainty of the observed intensity", 6),
)
NOTHING = "-"


class Readout(QWidget):
    """Captions with numbers of fixed width, so that nothing dances, and at the right whether they are pinned."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 0, 6, 4)
        row.setSpacing(0)
        self._fields: dict[str, QLabel] = {}
        for caption, meaning, width in _FIELDS:
            name, field = subtle_label(caption), QLabel(NOTHING)
            field.setFont(figures_font(field))
            field.setMinimumWidth(field.fontMetrics().horizontalAdvance("0" * width))
            field.setAccessibleName(f"{meaning}, under the cursor")
            for label in (name, field):
                label.setToolTip(meaning)
            row.addWidget(name)
            row.addSpacing(5)
            row.addWidget(field)
            row.addSpacing(5)
            self._fields[caption] = field
        self._pin = subtle_label()
        row.addStretch(1)
        row.addWidget(self._pin)

    def show_texts(self, texts: list[str] | None) -> None:
        """Show one text per field, or dashes for None."""
        for field, text in zip(self._fields.values(), texts or [NOTHING] * len(self._fields), strict=True):
            field.setText(text)

    def show_pinned(self, pinned: bool) -> None:
        """Say whether the numbers stay when the mouse moves on."""
        self._pin.setText("pinned" if pinned else "")

    def texts(self) -> dict[str, str]:
        """What is shown: caption to text."""
        return {caption: field.text() for caption, field in self._fields.items()}
