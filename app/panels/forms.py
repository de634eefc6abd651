"""Small parts the panels share."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFontMetrics, QPalette, QResizeEvent
from PySide6.QtWidgets import QDoubleSpinBox, QFormLayout, QLabel, QSizePolicy, QWidget


class ElidedLabel(QLabel):
    """A label that shortens a long file name in its middle and shows all of it as a tooltip."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._full = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.show_text(text)

    def show_text(self, text: str, tip: str = "") -> None:
        """Show `text`; `tip` is the tooltip, by default the same."""
        self._full = text
        self.setToolTip(tip or text)
        self._elide()

    def minimumSizeHint(self) -> QSize:
        return QSize(40, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        self.setText(
            QFontMetrics(self.font()).elidedText(self._full, Qt.TextElideMode.ElideMiddle, max(self.width(), 40))
        )


def note(text: str = "") -> QLabel:
    """A wrapped, quiet label that text can be copied from."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def form(parent: QWidget | None = None) -> QFormLayout:
    """A form that stays readable in a narrow dock."""
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(8)
    layout.setVerticalSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


def add_row(layout: QFormLayout, title: str, field: QWidget, tip: str) -> None:
    """Add a field with its label, tooltip and the name a screen reader says."""
    label = QLabel(title)
    label.setBuddy(field)
    for widget in (label, field):
        widget.setToolTip(tip)
    field.setAccessibleName(title.replace("&", ""))
    field.setAccessibleDescription(tip)
    layout.addRow(label, field)


def resolution_box() -> QDoubleSpinBox:
    """A field for a d spacing in angstrom; its lowest value means "no limit"."""
    box = QDoubleSpinBox()
    box.setRange(0.0, 999.0)
    box.setDecimals(2)
    box.setSingleStep(0.1)
    box.setSuffix(" Å")
    box.setSpecialValueText("no limit")
    box.setKeyboardTracking(False)
    return box
