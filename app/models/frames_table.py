"""The table of frames: thousands of rows, sorted and filtered with NumPy, no widget per frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from app.models.marks import Mark
from mdweights_core.errors import BadInput

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()
KEPT = 0.0


@dataclass(frozen=True)
class Column:
    """What a column is called, how its numbers read, and what its header explains."""

    key: str
    title: str
    show: Callable[[float], str]
    tip: str


def _number(digits: int) -> Callable[[float], str]:
    return lambda value: "" if np.isnan(value) else f"{value:.{digits}g}"


def _selected(value: float) -> str:
    if np.isnan(value):
        return ""
    return "kept" if value == KEPT else f"out ({value:.0f})" if np.isfinite(value) else "out"


COLUMNS = (
    Column("frame", "Frame", lambda value: f"{value:.0f}", "Number of the frame, from 0"),
    Column("mark", "Mark", lambda value: Mark(int(value)).label, "Your verdict: keep (K), drop (D), unsure (U)"),
    Column("selection", "Selection", _selected, "Kept by the selection of frames, or in which deletion left out"),
    Column("weight", "Weight", _number(4), "Fitted weight; all weights sum to 1"),
    Column("relative", "w × T", _number(3), "Weight times the number of frames: 1 is the uniform weight"),
    Column("influence", "Influence", _number(3), "How much the fit score changes when this frame counts double"),
    Column("time", "Time (ps)", _number(7), "Simulation time in picoseconds"),
    Column("drift", "Drift (Å)", _number(3), "How far the frame was shifted to remove drift, in angstrom"),
    Column("source", "Source", str, "File the frame came from and its number in it"),
)
KEYS = tuple(column.key for column in COLUMNS)
_LIVE = ("weight", "relative")
_TERM = re.compile(r"^\s*(\w+)\s*(<=|>=|!=|=|<|>)\s*(\S+)\s*$")
_COMPARE: dict[str, Callable[..., np.ndarray]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "=": np.equal, "!=": np.not_equal,
}  # fmt: skip
FILTER_HELP = "weight > 0.01 and mark != drop"


class FramesTable(QAbstractTableModel):
    """Frames and what is known of each. Rows show the frames that pass the filter, in the chosen order."""

    shown_changed = Signal(int, int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._values: dict[str, np.ndarray] = {key: np.empty(0) for key in KEYS if key != "source"}
        self._source: list[str] = []
        self._rows = np.empty(0, dtype=np.int64)
        self._row_of = np.empty(0, dtype=np.int64)
        self._sorting = (KEYS.index("frame"), Qt.SortOrder.AscendingOrder)
        self._filter = ""

    def set_frames(
        self, source: Sequence[str], time: np.ndarray | None = None, drift: np.ndarray | None = None
    ) -> None:
        """Show other frames: their `source` texts, `time` [T] in ps and `drift` [T, 3] in angstrom where known."""
        n = len(source)
        unknown = np.full(n, np.nan)
        self.beginResetModel()
        self._source = list(source)
        self._values = {key: unknown.copy() for key in KEYS if key != "source"}
        self._values["frame"] = np.arange(n, dtype=float)
        self._values["mark"] = np.zeros(n)
        self._values["time"] = unknown if time is None else np.array(time, dtype=float)
        self._values["drift"] = unknown if drift is None else np.linalg.norm(drift, axis=1)
        self._arrange()
        self.endResetModel()
        self._tell_shown()

    def set_weights(self, weights: np.ndarray, influence: np.ndarray | None = None, *, final: bool = True) -> None:
        """Show weights [T]; while a fit runs (`final` False) rows keep their places."""
        self._values["weight"] = np.array(weights, dtype=float)
        self._values["relative"] = self._values["weight"] * len(weights)
        if influence is not None:
            self._values["influence"] = np.array(influence, dtype=float)
        self._changed_columns("weight", "influence")
        if final:
            self._rearrange()

    def clear_weights(self) -> None:
        """Forget weights and influence: the frames are new to the fit."""
        for key in (*_LIVE, "influence"):
            self._values[key] = np.full(self.n_frames, np.nan)
        self._changed_columns("weight", "influence")

    def set_marks(self, marks: np.ndarray) -> None:
        """Show the marks, int8 [T]."""
        if len(marks) == self.n_frames:
            self._values["mark"] = np.array(marks, dtype=float)
            self._changed_columns("mark", "mark")

    def set_selection(self, kept: np.ndarray | None, order: np.ndarray | None = None) -> None:
        """Show which frames are kept, bool [T], and in which deletion others went, int [T], 0 where not known."""
        left_out = np.full(self.n_frames, np.nan)
        if kept is not None and order is not None and len(kept) == self.n_frames:
            left_out = np.where(kept, KEPT, np.where(order > 0, order, np.inf))
        self._values["selection"] = left_out
        self._changed_columns("selection", "selection")
        self._rearrange()

    def set_filter(self, text: str) -> None:
        """Show only frames that pass: ``weight > 0.01 and mark = drop``, or a part of the source's name.

        Raises
        ------
        BadInput
            When the text compares something that is no column, or with no number.
        """
        self._passes(text)
        self._filter = text
        self._rearrange()

    @property
    def n_frames(self) -> int:
        """All frames, shown or not."""
        return len(self._source)

    def frame_at(self, row: int) -> int:
        """Frame shown in a row; -1 when there is none."""
        return int(self._rows[row]) if 0 <= row < len(self._rows) else -1

    def row_of(self, frame: int) -> int:
        """Row a frame is shown in; -1 when it is filtered out."""
        return int(self._row_of[frame]) if 0 <= frame < len(self._row_of) else -1

    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        column = COLUMNS[index.column()]
        frame = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (
                self._source[frame] if column.key == "source" else column.show(float(self._values[column.key][frame]))
            )
        if role == Qt.ItemDataRole.TextAlignmentRole and column.key not in ("source", "mark", "selection"):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section].title
        return COLUMNS[section].tip if role == Qt.ItemDataRole.ToolTipRole else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows by a column; frames without a value come last, equal ones in order of frame."""
        if 0 <= column < len(COLUMNS):
            self._sorting = (column, order)
            self._rearrange()

    def _rearrange(self) -> None:
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        frames = [self.frame_at(index.row()) for index in before]
        self._arrange()
        after = [self._index_of(frame, index.column()) for frame, index in zip(frames, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()
        self._tell_shown()

    def _index_of(self, frame: int, column: int) -> QModelIndex:
        row = self.row_of(frame)
        return self.index(row, column) if row >= 0 else QModelIndex()

    def _arrange(self) -> None:
        column, order = self._sorting
        ordered = self._order(KEYS[column], order == Qt.SortOrder.DescendingOrder)
        self._rows = ordered[self._passes(self._filter)[ordered]]
        self._row_of = np.full(self.n_frames, -1, dtype=np.int64)
        self._row_of[self._rows] = np.arange(len(self._rows))

    def _order(self, key: str, descending: bool) -> np.ndarray:
        if key == "source":
            return np.array(
                sorted(range(self.n_frames), key=self._source.__getitem__, reverse=descending), dtype=np.int64
            )
        values = self._values[key]
        return np.argsort(-values if descending else values, kind="stable")  # NaN sorts last either way

    def _passes(self, text: str) -> np.ndarray:
        passing = np.ones(self.n_frames, dtype=bool)
        for term in filter(str.strip, re.split(r"\band\b", text)):
            passing &= self._term(term)
        return passing

    def _term(self, term: str) -> np.ndarray:
        match = _TERM.match(term)
        if match is None:
            wanted = term.strip().lower()
            return np.array([wanted in source.lower() for source in self._source], dtype=bool)
        key, sign, value = match.groups()
        if key not in self._values:
            raise BadInput(f"There is no column called {key}", advice=f"Write for example: {FILTER_HELP}")
        with np.errstate(invalid="ignore"):
            return _COMPARE[sign](self._values[key], _filter_value(key, value))

    def _changed_columns(self, first: str, last: str) -> None:
        if len(self._rows):
            top, bottom = self.index(0, KEYS.index(first)), self.index(len(self._rows) - 1, KEYS.index(last))
            self.dataChanged.emit(top, bottom, [Qt.ItemDataRole.DisplayRole])

    def _tell_shown(self) -> None:
        self.shown_changed.emit(len(self._rows), self.n_frames)


def _filter_value(key: str, text: str) -> float:
    words = {(mark.label or "none"): float(mark) for mark in Mark}
    if key == "mark" and text.lower() in words:
        return words[text.lower()]
    if key == "selection" and text.lower() == "kept":
        return KEPT
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"{text} is not a number", advice=f"Write for example: {FILTER_HELP}") from None
