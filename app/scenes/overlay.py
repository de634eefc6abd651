"""Words over the 3D picture: the caption in its corner and the letters of the cell's axes."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLabel, QWidget


class Overlay:
    """Labels that lie on `parent` and let the mouse through."""

    def __init__(self, parent: QWidget, letters: tuple[str, ...]) -> None:
        self.caption = _label(parent)
        self.caption.move(8, 6)
        self._letters = [_label(parent, letter) for letter in letters]

    def set_caption(self, text: str) -> None:
        """Write the caption; an empty one takes it away."""
        self.caption.setText(text)
        self.caption.adjustSize()
        self.caption.setVisible(bool(text))

    def place_letters(self, places: np.ndarray | None) -> None:
        """Centre the letters on `places`, float [n_letter, 2] in pixels; None takes them away."""
        for label in self._letters:
            label.setVisible(places is not None)
        for label, (x, y) in zip(self._letters, places if places is not None else (), strict=False):
            if np.isfinite((x, y)).all():
                place = QPoint(round(x - label.width() / 2), round(y - label.height() / 2))
                if label.pos() != place:
                    label.move(place)

    def set_colour(self, colour: str) -> None:
        """Write in `colour` from now on."""
        for label in (self.caption, *self._letters):
            label.setStyleSheet(f"color: {colour}; background: transparent;")

    def paint_on(self, painter: QPainter) -> None:
        """Write all that is seen on a picture of the parent."""
        for label in (self.caption, *self._letters):
            if label.isVisible():
                label.render(painter, label.pos(), renderFlags=QWidget.RenderFlag.DrawChildren)


def _label(parent: QWidget, text: str = "") -> QLabel:
    label = QLabel(text, parent)
    label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    label.adjustSize()
    label.hide()
    return label
