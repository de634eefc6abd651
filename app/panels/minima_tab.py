"""The Minima tab: how conformations are minimised, and the slow modes of the molecule."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedWidget, QTabBar, QVBoxLayout, QWidget

from app.panels.minima_page import MinimaPage
from app.panels.modes_page import ModesPage

PAGES = ("Minimisation", "Slow modes")


class MinimaTab(QWidget):
    """Shows one of two pages."""

    def __init__(self, minima: MinimaPage, modes: ModesPage, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.minima, self.modes = minima, modes
        self.pages, self._stack = QTabBar(), QStackedWidget()
        for title, page in zip(PAGES, (minima, modes), strict=True):
            self.pages.addTab(title)
            self._stack.addWidget(page)
        self.pages.setDrawBase(False)
        self.pages.setExpanding(False)
        self.pages.setAccessibleName("Minimisation or slow modes")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.pages)
        layout.addWidget(self._stack, 1)
        self.pages.currentChanged.connect(self._stack.setCurrentIndex)

    @Slot()
    def show_minima(self) -> None:
        """Bring the minimisation to the front."""
        self.pages.setCurrentIndex(0)

    @Slot()
    def show_modes(self) -> None:
        """Bring the slow modes to the front."""
        self.pages.setCurrentIndex(1)
