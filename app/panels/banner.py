"""A strip at the top of the window for errors: nothing modal, nothing lost."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from app.errors import Told


class Banner(QFrame):
    """Shows the latest error as what, where and advice, until it is closed or the next action succeeds."""

    details_requested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAccessibleName("Error")
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details_button, self.close_button = QPushButton("Details…"), QPushButton("Close")
        self._told: Told | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.details_button)
        layout.addWidget(self.close_button)
        self.close_button.clicked.connect(self.hide)
        self.details_button.clicked.connect(self._on_details)
        self.hide()

    @property
    def told(self) -> Told | None:
        """The error shown last."""
        return self._told

    def tell(self, told: Told) -> None:
        """Show an error."""
        self._told = told
        parts = [f"{told.where}:" if told.where else "", f"{told.what}.", f"{told.advice}." if told.advice else ""]
        self.label.setText("\N{BLACK SQUARE}  " + "  ".join(part for part in parts if part))
        self.details_button.setVisible(told.is_fault)
        self.show()

    @Slot()
    def _on_details(self) -> None:
        self.details_requested.emit(self._told)
