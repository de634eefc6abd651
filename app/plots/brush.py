"""A view box in which a drag with Shift held selects, while an ordinary drag moves the view."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal


class BrushViewBox(pg.ViewBox):
    """Emits what was brushed and clicked in data coordinates; what that selects is the plot's business.

    Signals
    -------
    brushed(QRectF)
        A rectangle was dragged with Shift held.
    clicked(QPointF)
        The left button was pressed and let go without a drag.
    """

    brushed = Signal(QRectF)
    clicked = Signal(QPointF)

    def __init__(self) -> None:
        super().__init__(enableMenu=False)

    def mouseDragEvent(self, event: object, axis: int | None = None) -> None:
        """Rubber band with Shift, else what pyqtgraph does."""
        shift = event.modifiers() & Qt.KeyboardModifier.ShiftModifier  # type: ignore[attr-defined]
        if axis is not None or not shift or event.button() != Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            super().mouseDragEvent(event, axis)
            return
        event.accept()  # type: ignore[attr-defined]
        start, end = event.buttonDownPos(), event.pos()  # type: ignore[attr-defined]
        if event.isFinish():  # type: ignore[attr-defined]
            self.rbScaleBox.hide()
            self.brushed.emit(QRectF(self.mapToView(start), self.mapToView(end)).normalized())
        else:
            self.updateScaleBox(start, end)

    def mouseClickEvent(self, event: object) -> None:
        """Report a left click."""
        if event.button() == Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            event.accept()  # type: ignore[attr-defined]
            self.clicked.emit(self.mapToView(event.pos()))  # type: ignore[attr-defined]
