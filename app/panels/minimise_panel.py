"""The Minimise dock: what to minimise and how, the buttons, and what was said of it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from app.models.minima import MinimaModel
from app.models.minima_readings import MinimaReading, MinimiseRequest
from app.models.session import Session
from app.panels.energy_fields import NO_STRUCTURE
from app.panels.energy_panel import EnergyPanel
from app.panels.minimise_form import MinimiseForm
from mdweights_core.errors import BadInput

TIPS = ("Minimise from the start", "Stop, and keep what is reached (Ctrl+.)", "Go on where it was stopped")


class MinimisePanel(EnergyPanel):
    """Settings of the next minimisation, Start / Stop / Resume, and remarks on the last one.

    Signals
    -------
    reference_requested()
        A file is to be asked for.
    """

    reference_requested = Signal()

    def __init__(self, session: Session, minima: MinimaModel, parent: QWidget | None = None) -> None:
        super().__init__(session, minima, MinimiseForm(), TIPS, "Minimisation", parent)
        self._minima = minima
        self.form.reference.requested.connect(self.reference_requested)
        self.form.reference.forgotten.connect(self._on_no_reference)
        minima.found.connect(self._on_found)
        self._on_document()

    # ---- acts

    def show_reference(self, path: Path | None) -> None:
        """Take a structure that distances are told to."""
        self.form.show_reference(path)

    @Slot()
    def start(self) -> None:
        """Minimise as the form says."""
        if not self._missing():
            self._ask(self._minima.start)

    def request(self) -> MinimiseRequest:
        """What the form asks for.

        Raises
        ------
        BadInput
            When values do not go together, or there are no such frames.
        """
        structure = self.form.energy.structure.path
        if structure is None:
            raise BadInput("There is no structure", advice=NO_STRUCTURE.removesuffix("."))
        atoms, beside = self.form.atoms(), self.form.comparison()
        if beside["compare"] and (atoms["fix"] or atoms["restrain"]):
            raise BadInput("Minimisers are compared without held atoms", advice="Hold none, or tick no minimisers")
        return MinimiseRequest(
            structure=structure,
            coordinates=self.form.energy.coordinates.path,
            frames=self._minima.choice(self.form.chosen, self.form.count.value()),
            energy=self.form.energy_settings(),
            settings=self.form.minimize_settings(),
            **atoms,
            **beside,
        )

    def _missing(self) -> str:
        return self._minima.missing(self.form.chosen) or self.form.energy.missing()

    @Slot()
    def _on_no_reference(self) -> None:
        self.show_reference(None)

    @Slot(object)
    def _on_found(self, reading: MinimaReading) -> None:
        self.remarks.setText("\n".join((*reading.molecule.remarks, *reading.result.notes)))
