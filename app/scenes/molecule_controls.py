"""The rows of controls above and below the molecule. They say what the user wants and draw nothing."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QComboBox, QHBoxLayout, QToolButton

MODES = {"frame": "frame", "sets": "good and bad"}
AXES = ("a", "b", "c")


class MoleculeControls(QObject):
    """Two rows to be laid out by the view.

    Signals
    -------
    mode_chosen(str)
        One of `MODES`.
    axis_chosen(str)
        One of `AXES`: the direction to look along.
    reset_requested()
        Everything is to be seen again.
    style_changed()
        Style, colours, hydrogens or water are others now.
    """

    mode_chosen = Signal(str)
    axis_chosen = Signal(str)
    reset_requested = Signal()
    style_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.mode_buttons = {mode: _button(text, f"Show {text}", checkable=True) for mode, text in MODES.items()}
        self.axis_buttons = {axis: _button(axis, f"Look along {axis}") for axis in AXES}
        self.reset = _button("reset", "Show everything again")
        self.style_box = _box(("sticks", "trace"), "Style of the molecule")
        self.colour_box = _box(("by element", "by chain"), "Colours of the molecule")
        self.hydrogens, self.water = QCheckBox("hydrogens"), QCheckBox("water")
        self._group = QButtonGroup(self)
        for button in self.mode_buttons.values():
            self._group.addButton(button)
        self.mode_buttons["frame"].setChecked(True)
        self._connect()

    @property
    def is_trace(self) -> bool:
        """True when the chain is shown, False for sticks."""
        return self.style_box.currentIndex() == 1

    @property
    def is_by_chain(self) -> bool:
        """True for one colour per chain, False for colours of the elements."""
        return self.colour_box.currentIndex() == 1

    def suit(self, *, trace: bool) -> None:
        """Choose what a new molecule is shown as, without emitting: a trace by chain, or sticks by element."""
        for box in (self.style_box, self.colour_box):
            box.blockSignals(True)
            box.setCurrentIndex(int(trace))
            box.blockSignals(False)

    def top_row(self) -> QHBoxLayout:
        """Modes at the left, directions at the right."""
        row = _row()
        for button in self.mode_buttons.values():
            row.addWidget(button)
        row.addStretch(1)
        for button in (*self.axis_buttons.values(), self.reset):
            row.addWidget(button)
        return row

    def bottom_row(self) -> QHBoxLayout:
        """What is shown of the molecule, and how."""
        row = _row()
        for widget in (self.style_box, self.colour_box, self.hydrogens, self.water):
            row.addWidget(widget)
        row.addStretch(1)
        return row

    def _connect(self) -> None:
        self._group.buttonClicked.connect(self._on_mode)
        for button in self.axis_buttons.values():
            button.clicked.connect(self._on_axis)
        self.reset.clicked.connect(self.reset_requested)
        for box in (self.style_box, self.colour_box):
            box.currentIndexChanged.connect(self._on_style)
        for check in (self.hydrogens, self.water):
            check.toggled.connect(self._on_style)

    @Slot(QToolButton)
    def _on_mode(self, button: QToolButton) -> None:
        self.mode_chosen.emit(next(mode for mode, candidate in self.mode_buttons.items() if candidate is button))

    @Slot()
    def _on_axis(self) -> None:
        self.axis_chosen.emit(next(axis for axis, button in self.axis_buttons.items() if button is self.sender()))

    @Slot()
    def _on_style(self) -> None:
        self.style_changed.emit()


def _row() -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(6, 4, 6, 4)
    row.setSpacing(4)
    return row


def _box(items: tuple[str, ...], name: str) -> QComboBox:
    box = QComboBox()
    box.addItems(items)
    box.setAccessibleName(name)
    return box


def _button(text: str, tip: str, checkable: bool = False) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setAccessibleName(tip)
    button.setCheckable(checkable)
    return button
