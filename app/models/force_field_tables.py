"""Tables of parameters and of observables that the user fills in: an empty cell means that nothing is given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from app.models.force_field_readings import FREE, ObservableRow, ParameterRow

Index = QModelIndex | QPersistentModelIndex
Row = TypeVar("Row", ParameterRow, ObservableRow)
_ROOT = QModelIndex()
_ROLE = Qt.ItemDataRole
_FLAG = Qt.ItemFlag


@dataclass(frozen=True)
class Cell:
    """A column: the field of a row that it shows, and what may be done with it.

    Attributes
    ----------
    blank : float, optional
        What an empty cell means; None where it may not be empty.
    """

    field: str
    title: str
    tip: str
    is_fixed: bool = False
    blank: float | None = None


PARAMETERS = (
    Cell("name", "parameter", "What the energy calls it", is_fixed=True),
    Cell("is_chosen", "tuned", "Derivatives are taken by it, and it is tuned"),
    Cell("value", "value", "Where the simulation, or the fit, begins"),
    Cell("unit", "unit", "Of all numbers in this row", is_fixed=True),
    Cell("low", "from", "Least value that the fit may try; empty for none", blank=-math.inf),
    Cell("high", "to", "Largest value that the fit may try; empty for none", blank=math.inf),
    Cell("centre", "prior", "What was known before; empty for the value", blank=FREE),
    Cell("width", "±", "One standard deviation of the prior; empty for no prior", blank=FREE),
)
OBSERVABLES = (
    Cell("name", "observable", "A mean over the ensemble", is_fixed=True),
    Cell("value", "observed", "What it should be; empty for what is only looked at", blank=FREE),
    Cell("sigma", "±", "Standard error of the observed value", blank=FREE),
    Cell("is_held_out", "held out", "The fit does not see it; it tells whether the fit learnt noise"),
)


class EditTable(QAbstractTableModel, Generic[Row]):
    """Rows that are edited in place.

    Signals
    -------
    edited()
        There are other rows or values now.
    """

    edited = Signal()

    def __init__(self, cells: Sequence[Cell], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cells = tuple(cells)
        self._rows: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows as they are now."""
        return self._rows

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show other rows."""
        self.beginResetModel()
        self._rows = tuple(rows)
        self.endResetModel()
        self.edited.emit()

    def remove(self, places: Sequence[int]) -> None:
        """Take rows away."""
        self.set_rows([row for place, row in enumerate(self._rows) if place not in places])

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._cells)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole) -> Any:
        """Titles and what they mean."""
        if orientation == Qt.Orientation.Horizontal and role == _ROLE.DisplayRole:
            return self._cells[section].title
        if orientation == Qt.Orientation.Horizontal and role == _ROLE.ToolTipRole:
            return self._cells[section].tip
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Ticks are ticked, other cells that are not fixed are written in."""
        usual = _FLAG.ItemIsEnabled | _FLAG.ItemIsSelectable
        cell = self._cells[index.column()]
        if cell.is_fixed:
            return usual
        return usual | (_FLAG.ItemIsUserCheckable if self._is_tick(cell) else _FLAG.ItemIsEditable)

    def data(self, index: Index, role: int = _ROLE.DisplayRole) -> Any:
        """Text, tick, tooltip and alignment of a cell."""
        cell = self._cells[index.column()]
        value = getattr(self._rows[index.row()], cell.field)
        if role == _ROLE.CheckStateRole and self._is_tick(cell):
            return Qt.CheckState.Checked if value else Qt.CheckState.Unchecked
        if role in (_ROLE.DisplayRole, _ROLE.EditRole) and not self._is_tick(cell):
            return value if isinstance(value, str) else _written(value)
        if role == _ROLE.ToolTipRole:
            return value if isinstance(value, str) else cell.tip
        if role == _ROLE.TextAlignmentRole and isinstance(value, float):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def setData(self, index: Index, value: Any, role: int = _ROLE.EditRole) -> bool:
        """Take a number or a tick; words that are no number are refused."""
        cell = self._cells[index.column()]
        if role == _ROLE.CheckStateRole and self._is_tick(cell):
            taken: Any = Qt.CheckState(value) == Qt.CheckState.Checked
        elif role == _ROLE.EditRole and not self._is_tick(cell):
            taken = _read(str(value), cell)
        else:
            return False
        if taken is None:
            return False
        rows = list(self._rows)
        rows[index.row()] = replace(rows[index.row()], **{cell.field: taken})
        self._rows = tuple(rows)
        self.dataChanged.emit(index, index)
        self.edited.emit()
        return True

    def _is_tick(self, cell: Cell) -> bool:
        return cell.field.startswith("is_")


class ParameterTable(EditTable[ParameterRow]):
    """Parameters of the system."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(PARAMETERS, parent)

    def tick(self, ticked: bool) -> None:
        """Choose all parameters, or none."""
        self.set_rows([replace(row, is_chosen=ticked) for row in self.rows])


class ObservableTable(EditTable[ObservableRow]):
    """Observables, with what was observed."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(OBSERVABLES, parent)


def _written(value: float) -> str:
    return f"{value:.8g}" if math.isfinite(value) else ""


def _read(text: str, cell: Cell) -> float | None:
    """The number of a cell; None where there is none."""
    if not text.strip():
        return cell.blank
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
