"""The Minima tab: how conformations are minimised, and the slow modes of the molecule."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from app.panels.minima_page import MinimaPage
from app.panels.modes_page import ModesPage
from app.panels.pages import page_bar, paged

PAGES = ("Minimisation", "Slow modes")


class MinimaTab(QWidget):
    """Shows one of two pages."""

    def __init__(self, minima: MinimaPage, modes: ModesPage, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.minima, self.modes = minima, modes
        self.pages = page_bar(PAGES, "Minimisation or slow modes")
        paged(self, self.pages, (minima, modes))

    @Slot()
    def show_minima(self) -> None:
        """Bring the minimisation to the front."""
        self.pages.setCurrentIndex(0)

    @Slot()
    def show_modes(self) -> None:
        """Bring the slow modes to the front."""
        self.pages.setCurrentIndex(1)
