"""Small parts the panels share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QAction, QColor, QFontMetrics, QIcon, QPainter, QPalette, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QWidget,
)

from mdweights_core.errors import BadInput, MdweightsError

T = TypeVar("T")


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


def subtle(text: str = "") -> QLabel:
    """A caption that steps back."""
    label = QLabel(text)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label


def form(parent: QWidget | None = None) -> QFormLayout:
    """A form that stays readable in a narrow dock."""
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(8)
    layout.setVerticalSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


def add_row(layout: QFormLayout, title: str, row: QWidget, tip: str, field: QWidget | None = None) -> None:
    """Add a field (the chief one of a `row` of several) with its label, tooltip and name for screen readers."""
    field = field or row
    label = QLabel(title)
    label.setBuddy(field)
    for widget in (label, field):
        widget.setToolTip(tip)
    field.setAccessibleName(title.replace("&", ""))
    field.setAccessibleDescription(tip)
    layout.addRow(label, row)


def beside(field: QWidget, other: QWidget) -> QWidget:
    """A field with something small at its right."""
    pair = QWidget()
    row = QHBoxLayout(pair)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(4)
    row.addWidget(field, 1)
    row.addWidget(other)
    return pair


class Entry(QLineEdit):
    """A line of text that shows when it cannot be used: in another colour, with a sign whose tooltip says why."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._problem: MdweightsError | None = None
        self._sign: QAction | None = None
        self._is_painting = False

    @property
    def problem(self) -> MdweightsError | None:
        """Why the text cannot be used; None when nothing is known against it."""
        return self._problem

    def mark(self, problem: MdweightsError | None) -> None:
        """Say why the text cannot be used; None takes the mark away."""
        self._problem = problem
        self._paint()

    def take(self, parse: Callable[[str], T], use: Callable[[T], None], tell: Callable[[BadInput], None]) -> None:
        """Hand what is typed to `use`, as `parse` reads it; what cannot be used is marked, and told once."""
        try:
            value = parse(self.text())
        except BadInput as problem:
            is_known = self._problem is not None and self._problem.sentence == problem.sentence
            self.mark(problem)
            if not is_known:  # leaving the field says the same again
                tell(problem)
            return
        self.mark(None)
        use(value)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._problem is not None and not self._is_painting:
            self._paint()

    def _paint(self) -> None:
        if self._sign is not None:
            self.removeAction(self._sign)
            self._sign.deleteLater()
            self._sign = None
        palette = QPalette()
        if self._problem is not None:
            warning = palette.color(QPalette.ColorRole.BrightText)
            palette.setColor(QPalette.ColorRole.Text, warning)
            self._sign = self.addAction(_square(warning), QLineEdit.ActionPosition.TrailingPosition)
            self._sign.setToolTip(self._problem.sentence)
        self._is_painting = True
        self.setPalette(palette)
        self._is_painting = False


def _square(colour: QColor) -> QIcon:
    """The sign of what does not work, as in the status bar."""
    picture = QPixmap(64, 64)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.fillRect(14, 14, 36, 36, colour)
    painter.end()
    return QIcon(picture)


def choice(titles: Mapping[str, str]) -> QComboBox:
    """A field to choose one of a few words, each shown by its title."""
    box = QComboBox()
    for word, title in titles.items():
        box.addItem(title, word)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    return box


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
