"""A part of a form that is folded away until it is needed, and tells in a few words what is in it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from app.panels.forms import ElidedLabel, form


class Fold(QWidget):
    """A heading with an arrow; a click shows or hides the rows below.

    Attributes
    ----------
    rows : QFormLayout
        Where fields go.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._digest, self._is_open = "", False
        self.button, self.words, self.content = QToolButton(), ElidedLabel(), QWidget()
        self.button.setText(title)
        self.button.setAutoRaise(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setArrowType(Qt.ArrowType.RightArrow)
        self.words.setForegroundRole(self.palette().ColorRole.PlaceholderText)
        self.words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.rows: QFormLayout = form(self.content)
        self.rows.setContentsMargins(18, 2, 2, 4)
        heading = QHBoxLayout()
        heading.setContentsMargins(0, 0, 2, 0)
        heading.addWidget(self.button)
        heading.addWidget(self.words, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(heading)
        layout.addWidget(self.content)
        self.button.clicked.connect(self._on_clicked)
        self.content.hide()

    @property
    def is_open(self) -> bool:
        """True while its rows are seen."""
        return self._is_open

    @property
    def digest(self) -> str:
        """What is said of the rows while they are hidden."""
        return self._digest

    def set_open(self, opened: bool) -> None:
        """Show or hide the rows."""
        self._is_open = opened
        self.button.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        self.content.setVisible(opened)
        self.set_digest(self._digest)

    def set_digest(self, text: str) -> None:
        """Say in a few words what is in the rows, beside the heading, while they are hidden."""
        self._digest = text
        self.words.show_text("" if self.is_open else text, text)

    @Slot()
    def _on_clicked(self) -> None:
        self.set_open(not self._is_open)
