"""A field of a form that holds one file, or none."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from app.panels.forms import ElidedLabel


class FileRow(QWidget):
    """Name of a file, a button that asks for one, and another that forgets it.

    Signals
    -------
    requested()
        A file is to be asked for.
    forgotten()
        There is to be none.
    """

    requested = Signal()
    forgotten = Signal()

    def __init__(self, none: str, what: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._none = none
        self.path: Path | None = None
        self.label, self.choose, self.forget = ElidedLabel(), QToolButton(), QToolButton()
        self.choose.setText("…")
        self.choose.setToolTip(f"Choose {what}")
        self.choose.setAccessibleName(f"Choose {what}")
        self.forget.setText("\N{MULTIPLICATION SIGN}")
        self.forget.setToolTip(f"Use no {what}")
        self.forget.setAccessibleName(f"Use no {what}")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addWidget(self.label, 1)
        row.addWidget(self.forget)
        row.addWidget(self.choose)
        self.choose.clicked.connect(self._on_choose)
        self.forget.clicked.connect(self._on_forget)
        self.show_path(None)

    def show_path(self, path: Path | None) -> None:
        """Show a file, or that there is none, without emitting."""
        self.path = path
        if path is None:
            self.label.show_text(self._none, self._none)
        else:
            self.label.show_text(path.name, str(path))
        self.label.setEnabled(path is not None)
        self.forget.setVisible(path is not None)

    @Slot()
    def _on_choose(self) -> None:
        self.requested.emit()

    @Slot()
    def _on_forget(self) -> None:
        self.forgotten.emit()
