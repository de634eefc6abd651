"""The less common settings of structure factors: which atoms, of which crystal, in which solvent, computed where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.panels.forms import Entry, add_row, choice, form, note
from app.panels.scattering_text import (
    BOXES,
    MOLECULES,
    RADIATIONS,
    SOLVENTS,
    parse_b_elements,
    parse_error,
    parse_supercell,
    show_b_elements,
    show_error,
    show_supercell,
)
from mdweights_core.errors import BadInput, MdweightsError
from mdweights_core.scattering.settings import LARGEST_B, USUAL_DENSITY, Execution, PredictSettings

SELECTIONS = ("", "protein", "not water", "protein and not element H", "name CA", "chainid 0 and resid 1 to 20")
ERRORS = ("1e-3", "1e-4", "1e-5", "1e-6")
SCHEDULERS = ("threads", "processes", "tcp://localhost:8786")
DEVICES = {"auto": "whichever is faster", "cpu": "processor", "gpu": "graphics card"}
NOT_USED = "\N{BLACK UP-POINTING TRIANGLE} The open frames are structure factors already: this changes them no more."


@dataclass(frozen=True)
class _Field:
    """A widget that shows one setting.

    `state` is what stands in it, `value` what that means (BadInput when nothing), `line` where a mark can be put.
    """

    show: Callable[[Any], None]
    state: Callable[[], Any]
    value: Callable[[], Any]
    line: Entry | None = None


class ScatteringForm(QWidget):
    """Takes settings as they are edited. What makes no sense is marked and stays to be mended; the rest counts.

    Signals
    -------
    edited(PredictSettings), execution_edited(Execution)
        What holds now.
    selection_edited(str)
        Other atoms were chosen.
    bragg_requested()
        The bulk solvent is to be fitted.
    """

    edited = Signal(object)
    execution_edited = Signal(object)
    selection_edited = Signal(str)
    bragg_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings, self._execution = PredictSettings(), Execution()
        self._shown: dict[str, Any] = {}
        self._is_showing = False
        self._found: MdweightsError | None = None
        self.problem = note()
        self.selected = note()
        self.hint = note(NOT_USED)
        self._make_fields()
        self._lay_out()
        self._fields, self._where = self._bind(), self._bind_execution()
        self._connect()
        self.show_settings(self._settings)
        self.show_execution(self._execution)
        self.show_applies(True)

    # ---- data in

    def show_settings(self, settings: PredictSettings) -> None:
        """Show settings; a field with something unusable keeps that until its own setting is another."""
        former, self._settings = self._settings, settings
        if settings.radiation != former.radiation or not self._shown:
            self._follow_radiation(settings)
        self._show(self._fields, former, settings)
        self._follow_solvent()
        if not settings.selection:
            self.show_selected(None)

    def reset(self) -> None:
        """Show the settings as they are in all fields, also in those with something unusable."""
        self._shown.clear()
        self.show_settings(self._settings)
        self.show_execution(self._execution)

    def show_execution(self, execution: Execution) -> None:
        """Show where structure factors are computed."""
        former, self._execution = self._execution, execution
        self._show(self._where, former, execution)

    def show_selected(self, result: int | MdweightsError | None) -> None:
        """Tell how many atoms the selection chooses, or why none; None: not known."""
        if result is not None:
            self._mark(self._fields["selection"], result if isinstance(result, MdweightsError) else None)
        self.selected.setText(f"{result:,} atoms scatter" if isinstance(result, int) else "")
        self.selected.setVisible(bool(self.selected.text()))

    def show_found(self, problem: MdweightsError | None) -> None:
        """Tell what a look at the frames found against the settings as they are."""
        self._found = problem
        self._tell()

    def show_applies(self, applies: bool) -> None:
        """Say whether the open frames are computed with these settings at all."""
        self.hint.setVisible(not applies)
        for box in self._boxes:
            box.setEnabled(applies)

    # ---- building

    def _make_fields(self) -> None:
        self.selection = _editable(SELECTIONS, "all atoms")
        self.altloc, self.supercell, self.b_elements = Entry(), Entry(), Entry()
        self.altloc.setMaxLength(1)
        self.altloc.setPlaceholderText("the one of most occupancy")
        self.supercell.setPlaceholderText("found from box and cell")
        self.b_elements.setPlaceholderText("none; or H=5, C=2")
        self.occupancy = QCheckBox("Occ&upancies of the topology")
        self.occupancy.setToolTip("Take the occupancy of each atom from the topology (PDB, mmCIF)")
        self.b_topology = QCheckBox("B factors of the &topology")
        self.b_topology.setToolTip("Add the B factor that the topology gives each atom (PDB, mmCIF)")
        self.expand = QCheckBox("&Expand the symmetry")
        self.expand.setToolTip("The frames hold one asymmetric unit: the space group makes the whole cell of it")
        self.radiation, self.boxes = choice(RADIATIONS), choice(BOXES)
        self.molecules, self.solvent, self.device = choice(MOLECULES), choice(SOLVENTS), choice(DEVICES)
        self.error, self.scheduler = _editable(ERRORS, "1e-4"), _editable(SCHEDULERS, "threads")
        self.k_sol = _number(2.0, 3, 0.01, " e/Å³")
        self.b_sol = _number(LARGEST_B, 1, 1.0, " Å²")
        self.workers = QSpinBox()
        self.workers.setRange(0, 100_000)
        self.workers.setSpecialValueText("all cores")
        self.workers.setKeyboardTracking(False)
        self.fit_button = QPushButton("Fit to &Bragg amplitudes…")
        self.fit_button.setToolTip("Choose an MTZ with Bragg amplitudes of this crystal: both numbers are fitted")

    def _lay_out(self) -> None:
        atoms, rays, cell = QGroupBox("Atoms"), QGroupBox("Scattering"), QGroupBox("Crystal")
        solvent, computing = QGroupBox("Bulk solvent"), QGroupBox("Computing")
        self._boxes = (atoms, rays, cell, solvent)
        rows = _rows(atoms)
        add_row(rows, "&Selection", self.selection, "Atoms that scatter, in mdtraj's language: protein, not water…")
        rows.addRow("", self.selected)
        add_row(rows, "&Conformer", self.altloc, "Letter of the alternative conformer taken where atoms have several")
        rows.addRow("", self.occupancy)
        rows = _rows(rays)
        add_row(rows, "&Radiation", self.radiation, "What is scattered: it decides the form factors")
        add_row(rows, "B by e&lement", self.b_elements, "B factors added to all atoms of an element, Å²: H=5, C=2")
        rows.addRow("", self.b_topology)
        add_row(rows, "Error o&f F", self.error, "Relative error of structure factors aimed at; smaller takes longer")
        rows = _rows(cell)
        add_row(rows, "Su&percell", self.supercell, "Cells of the crystal in the frames' box along a, b and c: 2 2 1")
        add_row(rows, "Bo&x", self.boxes, "The box in which positions become fractional")
        add_row(rows, "&Molecules", self.molecules, "Whether molecules that the box cuts are put together again")
        rows.addRow("", self.expand)
        rows = _rows(solvent)
        add_row(rows, "Sol&vent", self.solvent, "A flat solvent for frames that were stripped of their water")
        add_row(rows, "&Density", self.k_sol, "What scatters per volume of solvent; water has 0.334 electrons")
        add_row(rows, "B &of solvent", self.b_sol, "B factor that smooths the edge of the solvent, Å²")
        rows.addRow("", self.fit_button)
        rows = _rows(computing)
        add_row(rows, "Sc&heduler", self.scheduler, "threads or processes here, or a Dask scheduler: tcp://host:8786")
        add_row(rows, "&Workers", self.workers, "Frames computed at the same time")
        add_row(rows, "Dev&ice", self.device, "Where each frame is computed")
        grid = QGridLayout()
        for place, box in {(0, 0): atoms, (1, 0): rays, (0, 1): cell, (1, 1): solvent, (2, 0): computing}.items():
            grid.addWidget(box, *place, 1, 2 if box is computing else 1)
        for column in (0, 1):
            grid.setColumnStretch(column, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.hint)
        layout.addLayout(grid)
        layout.addWidget(self.problem)
        layout.addStretch(1)
        self.problem.hide()
        self.problem.setForegroundRole(QPalette.ColorRole.WindowText)
        self.problem.setAccessibleName("What cannot be used")

    def _bind(self) -> dict[str, _Field]:
        return {
            "selection": _text(self.selection, str, str.strip),
            "altloc": _text(self.altloc, str, str.strip),
            "occupancy_from_topology": _flag(self.occupancy),
            "radiation": _choice(self.radiation),
            "b_elements": _text(self.b_elements, show_b_elements, parse_b_elements),
            "b_from_topology": _flag(self.b_topology),
            "relative_error": _text(self.error, show_error, parse_error),
            "supercell": _text(self.supercell, show_supercell, parse_supercell),
            "boxes": _choice(self.boxes),
            "molecules": _choice(self.molecules),
            "expand_symmetry": _flag(self.expand),
            "solvent": _choice(self.solvent),
            "k_sol": _Field(self._show_density, self.k_sol.value, self._density),
            "b_sol": _Field(self.b_sol.setValue, self.b_sol.value, self.b_sol.value),
        }

    def _bind_execution(self) -> dict[str, _Field]:
        workers = _Field(
            lambda n: self.workers.setValue(n or 0), self.workers.value, lambda: self.workers.value() or None
        )
        return {
            "scheduler": _text(self.scheduler, str, str.strip),
            "workers": workers,
            "device": _choice(self.device),
        }

    def _connect(self) -> None:
        for field in self._fields.values():
            if field.line is not None:
                field.line.editingFinished.connect(self._on_edited)
        for combo in (self.selection, self.error, self.radiation, self.boxes, self.molecules, self.solvent):
            combo.activated.connect(self._on_edited)
        for box in (self.occupancy, self.b_topology, self.expand):
            box.clicked.connect(self._on_edited)
        for spin in (self.k_sol, self.b_sol):
            spin.valueChanged.connect(self._on_edited)
        for combo in (self.scheduler, self.device):
            combo.activated.connect(self._on_execution)
        line = self._where["scheduler"].line
        assert line is not None
        line.editingFinished.connect(self._on_execution)
        self.workers.valueChanged.connect(self._on_execution)
        self.fit_button.clicked.connect(self._on_fit)

    # ---- hand

    @Slot()
    def _on_edited(self) -> None:
        if self._is_showing:
            return
        former = self._settings
        is_other = self.radiation.currentData() != former.radiation  # and sees another density
        settings = self._taken(self._fields, replace(former, k_sol=None) if is_other else former)
        if settings == former:
            return
        self._settings = settings
        if is_other:
            self._follow_radiation(settings)
            self._show({"k_sol": self._fields["k_sol"]}, former, settings)
        self._follow_solvent()
        self.edited.emit(settings)
        if settings.selection != former.selection:
            self.show_selected(None)
            self.selection_edited.emit(settings.selection)

    @Slot()
    def _on_execution(self) -> None:
        execution = self._taken(self._where, self._execution)
        if execution != self._execution:
            self._execution = execution
            self.execution_edited.emit(execution)

    @Slot()
    def _on_fit(self) -> None:
        self.bragg_requested.emit()

    def _taken(self, fields: dict[str, _Field], settings: Any) -> Any:
        """The settings with all that was edited and can be used."""
        if self._is_showing:
            return settings
        for name, field in fields.items():
            if field.state() == self._shown[name]:
                continue
            self._shown[name] = field.state()
            try:
                settings = replace(settings, **{name: field.value()})
            except BadInput as problem:
                self._mark(field, problem)
            else:
                self._mark(field, None)
        return settings

    def _mark(self, field: _Field, problem: MdweightsError | None) -> None:
        if field.line is not None:
            field.line.mark(problem)
            self._tell()

    def _tell(self) -> None:
        """All that cannot be used, in sentences: first what stands in the fields."""
        lines = [field.line for field in (*self._fields.values(), *self._where.values()) if field.line is not None]
        told = [line.problem.sentence for line in lines if line.problem is not None]
        if self._found is not None and self._found.sentence not in told:
            told.append(self._found.sentence)
        self.problem.setText("\n".join(f"\N{BLACK SQUARE} {sentence}" for sentence in told))
        self.problem.setVisible(bool(told))

    def _show(self, fields: dict[str, _Field], former: Any, settings: Any) -> None:
        self._is_showing = True  # fields that change now were not edited
        for name, field in fields.items():
            value = getattr(settings, name)
            if name not in self._shown or value != getattr(former, name):
                field.show(value)
                self._shown[name] = field.state()
                self._mark(field, None)
        self._is_showing = False

    def _follow_radiation(self, settings: PredictSettings) -> None:
        """Ask for the solvent's density in what this radiation scatters from."""
        is_usual = settings.radiation == "xray"
        least = -2.0 if settings.radiation == "neutron" else 0.0
        self.k_sol.blockSignals(True)
        # below the least stands that nothing was given, which only X-rays can do without
        self.k_sol.setMinimum(least if is_usual else least - self.k_sol.singleStep())
        self.k_sol.setSpecialValueText("" if is_usual else "to be given")
        self.k_sol.setSuffix(f" {settings.density_unit}")
        self.k_sol.blockSignals(False)
        self._shown.pop("k_sol", None)

    def _show_density(self, density: float | None) -> None:
        usual = USUAL_DENSITY if self.k_sol.specialValueText() == "" else self.k_sol.minimum()
        self.k_sol.setValue(usual if density is None else density)

    def _density(self) -> float | None:
        is_given = self.k_sol.specialValueText() == "" or self.k_sol.value() > self.k_sol.minimum()
        return self.k_sol.value() if is_given else None

    def _follow_solvent(self) -> None:
        for field in (self.k_sol, self.b_sol):
            field.setEnabled(self._settings.solvent == "mask")


def _rows(box: QGroupBox) -> QFormLayout:
    rows = form(box)
    rows.setContentsMargins(8, 8, 8, 8)
    return rows


def _editable(items: tuple[str, ...], placeholder: str) -> QComboBox:
    box = QComboBox()
    box.setLineEdit(Entry())
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    box.addItems(list(items))
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    line = box.lineEdit()
    assert line is not None
    line.setPlaceholderText(placeholder)
    return box


def _number(highest: float, decimals: int, step: float, suffix: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0.0, highest)
    box.setDecimals(decimals)
    box.setSingleStep(step)
    box.setSuffix(suffix)
    box.setKeyboardTracking(False)
    return box


def _text(widget: Entry | QComboBox, write: Callable[[Any], str], read: Callable[[str], Any]) -> _Field:
    line = widget.lineEdit() if isinstance(widget, QComboBox) else widget
    assert isinstance(line, Entry)

    def show(value: Any) -> None:
        line.setText(write(value))
        line.setCursorPosition(0)

    return _Field(show, line.text, lambda: read(line.text()), line)


def _choice(box: QComboBox) -> _Field:
    return _Field(lambda word: box.setCurrentIndex(box.findData(word)), box.currentData, box.currentData)


def _flag(box: QCheckBox) -> _Field:
    return _Field(box.setChecked, box.isChecked, box.isChecked)
