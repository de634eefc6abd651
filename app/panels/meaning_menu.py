"""The button over the meaning of weights: look again, compare what, with which energies, at which temperature."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QMenu, QToolButton, QWidget, QWidgetAction

from app.models.marks import Mark
from app.models.session import Session
from mdweights_core.meaning.settings import MeaningSettings

TIP = "Look for what the weights go with; the arrow opens what is compared, energies and temperature"
BY_MARKS_TIP = "Mark frames keep (K) and drop (D), at least one of each, to compare them"


class MeaningMenu(QToolButton):
    """Press it to look for the meaning of the weights; its menu holds how.

    Signals
    -------
    energies_requested()
        A file of energies is to be asked for.
    """

    energies_requested = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setText("Explain")
        self.setToolTip(TIP)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        self.by_weight = QAction("Compare frames that gained weight with those that lost it", self)
        self.by_marks = QAction("Compare frames marked keep with those marked drop", self)
        self.energies, self.no_energies = QAction(self), QAction("Leave energies out", self)
        self.temperature = QDoubleSpinBox()
        self._fill()
        self.clicked.connect(self.explain)
        self.energies.triggered.connect(self.energies_requested)
        self.no_energies.triggered.connect(self._on_no_energies)
        self.temperature.valueChanged.connect(self._on_temperature)
        session.marks.marks_changed.connect(self._on_marks)
        session.document.project_changed.connect(self._on_change)
        session.fit.running_changed.connect(self._on_change)
        session.revisit.running_changed.connect(self._on_change)
        session.revisit.meaning_settings_changed.connect(self._on_settings)
        self._on_settings({})
        self.refresh()

    @Slot()
    def explain(self) -> None:
        """Look for the meaning of the weights."""
        self._session.revisit.explain(by_marks=self.by_marks.isChecked())

    @Slot()
    def refresh(self) -> None:
        """Enable what can be done now."""
        session = self._session
        free = session.document.fitted is not None and not session.fit.is_running and not session.revisit.running
        self.setEnabled(free)
        both = all(len(session.marks.frames_with(mark)) for mark in (Mark.KEEP, Mark.DROP))
        self.by_marks.setEnabled(both)
        self.by_marks.setToolTip("" if both else BY_MARKS_TIP)
        if not both:
            self.by_weight.setChecked(True)

    def _fill(self) -> None:
        group = QActionGroup(self)
        for action in (self.by_weight, self.by_marks):
            action.setCheckable(True)
            group.addAction(action)
            self._menu.addAction(action)
        self.by_weight.setChecked(True)
        self._menu.addSeparator()
        self._menu.addAction(self.energies)
        self._menu.addAction(self.no_energies)
        self._menu.addSeparator()
        self.temperature.setRange(1.0, 2000.0)
        self.temperature.setDecimals(1)
        self.temperature.setSuffix(" K")
        self.temperature.setKeyboardTracking(False)
        self.temperature.setAccessibleName("Temperature of the simulation")
        self.temperature.setToolTip("Temperature of the simulation: gives pseudo-energies their scale")
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(24, 2, 8, 2)
        row.addWidget(QLabel("Temperature"))
        row.addWidget(self.temperature, 1)
        holder = QWidgetAction(self)
        holder.setDefaultWidget(line)
        self._menu.addAction(holder)
        self.setMenu(self._menu)

    @Slot(object)
    def _on_settings(self, settings: Mapping[str, Any]) -> None:
        energies = settings.get("energies")
        self.energies.setText(f"Energies: {Path(energies).name}…" if energies else "Energies of the frames…")
        self.energies.setToolTip(energies or "A table with one row of numbers per frame (CSV, XVG or columns)")
        self.no_energies.setVisible(bool(energies))
        self.temperature.blockSignals(True)
        self.temperature.setValue(settings.get("temperature", MeaningSettings.temperature))
        self.temperature.blockSignals(False)

    @Slot()
    def _on_no_energies(self) -> None:
        self._session.revisit.set_meaning(energies=None)

    @Slot(float)
    def _on_temperature(self, temperature: float) -> None:
        self._session.revisit.set_meaning(temperature=temperature)

    @Slot(object)
    def _on_marks(self, frames: object) -> None:
        self.refresh()

    @Slot(object)
    def _on_change(self, what: object) -> None:
        self.refresh()
