"""The Log dock: what the window said and the program logged, with times."""

from __future__ import annotations

import logging
from datetime import datetime

from PySide6.QtCore import QObject, QSize, Signal, Slot
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QPlainTextEdit, QWidget

MAX_LINES = 5000


class LogRelay(QObject):
    """Carries log records from any thread to the main one."""

    logged = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.handler = _Handler(self)

    def install(self) -> None:
        """Listen to the program's loggers."""
        logging.getLogger().addHandler(self.handler)

    def remove(self) -> None:
        """Stop listening."""
        logging.getLogger().removeHandler(self.handler)


class _Handler(logging.Handler):
    def __init__(self, relay: LogRelay) -> None:
        super().__init__(logging.INFO)
        self._relay = relay

    def emit(self, record: logging.LogRecord) -> None:
        self._relay.logged.emit(f"{record.levelname.lower()}: {record.getMessage()}")


class LogPanel(QPlainTextEdit):
    """Lines with the time they came."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setMaximumBlockCount(MAX_LINES)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setPlaceholderText("What happens is written here.")
        self.setAccessibleName("Log")
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)

    @Slot(str)
    def add(self, line: str) -> None:
        """Append a line."""
        self.appendPlainText(f"{datetime.now():%H:%M:%S}  {line}")

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        hint.setHeight(5 * self.fontMetrics().lineSpacing())
        return hint

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        hint.setHeight(2 * self.fontMetrics().lineSpacing())
        return hint
