"""The molecule: one frame, or the well-weighted frames laid over the badly weighted ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gemmi
import numpy as np
from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtGui import QCloseEvent, QImage, QPainter, QPalette
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.scenes import molecule_geometry as geometry
from app.scenes.probe import gl_problem
from app.theme import LIGHT, Theme
from mdweights_core.errors import BadInput, DiskProblem

if TYPE_CHECKING:
    from app.scenes.molecule_canvas import MoleculeCanvas

_MODES = {"frame": "frame", "sets": "good and bad"}
_MODELS_PER_SET = 40
# sets of molecules with this many CA (or P) atoms are laid over each other by their traces
_TRACE_OF_SETS = 10
# stretches longer than this in some frame were cut by the periodic boundary, angstrom: bonds, trace
_LONGEST = (3.0, 8.5)
_AXES = ("a", "b", "c")


class MoleculeView(QWidget):
    """A molecule that can be turned; a sentence in its place where there is no OpenGL.

    Signals
    -------
    mode_changed(str)
        The user switched to ``frame`` or ``sets``.
    """

    mode_changed = Signal(str)

    empty_text = "Open a trajectory to see its molecules."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Molecule")
        self.theme = LIGHT
        self._atoms: geometry.AtomTable | None = None
        self._positions: np.ndarray | None = None
        self._cell: gemmi.UnitCell | None = None
        self._sets: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        self._pairs: dict[tuple[bool, bool, bool], np.ndarray] = {}
        self._mode = "frame"
        self._framed = False
        self.problem = gl_problem()
        self._scene = self._make_scene()
        self._make_layout()
        self.apply_theme(self.theme)

    # ---- data in

    def set_atoms(
        self,
        elements: Iterable[str],
        names: Iterable[str],
        residue_names: Iterable[str],
        chains: Iterable[str],
        residue_numbers: Iterable[int],
    ) -> None:
        """Take the atoms, [n_atoms] each; positions follow with `show_frame`."""
        self._atoms = geometry.AtomTable.of(elements, names, residue_names, chains, residue_numbers)
        self._positions, self._sets, self._framed = None, ([], []), False
        self._pairs.clear()
        trace = geometry.prefers_trace(self._atoms)
        for box, row in ((self.style_box, int(trace)), (self.colour_box, int(trace))):
            box.blockSignals(True)
            box.setCurrentIndex(row)
            box.blockSignals(False)
        self._draw()

    def show_frame(self, positions: np.ndarray, cell: gemmi.UnitCell | None = None) -> None:
        """Show one frame: float [n_atoms, 3], angstrom, in its unit cell when that is known."""
        if self._atoms is None or len(positions) != len(self._atoms):
            return
        self._positions = np.array(positions, dtype=np.float32)
        self._cell = cell
        self._draw()

    def show_sets(self, good: Sequence[np.ndarray], bad: Sequence[np.ndarray]) -> None:
        """Lay good models (blue) over bad (orange): float [n_atoms, 3] each, angstrom; at most 40 a set are drawn."""
        n_atoms = 0 if self._atoms is None else len(self._atoms)
        self._sets = tuple(  # type: ignore[assignment]
            geometry.thin_evenly([np.array(m, dtype=np.float32) for m in models if len(m) == n_atoms], _MODELS_PER_SET)
            for models in (good, bad)
        )
        self._draw()

    def show_mode(self, mode: str) -> None:
        """Show one ``frame`` or the two ``sets``, without emitting."""
        self._mode = mode
        self._mode_buttons[mode].setChecked(True)
        self._draw()

    def set_caption(self, text: str) -> None:
        """Write over the picture, such as ``frame 117, weight 0.0121``."""
        self._frame_caption = text
        self._write_caption()

    def clear(self) -> None:
        """Forget the atoms."""
        self._atoms = self._positions = self._cell = None
        self._sets, self._framed, self._frame_caption = ([], []), False, ""
        self._pairs.clear()
        self._draw()

    # ---- state out

    @property
    def is_available(self) -> bool:
        """True when there is OpenGL to draw with."""
        return self._scene is not None

    @property
    def mode(self) -> str:
        """``frame`` or ``sets``."""
        return self._mode

    def grab_image(self) -> QImage:
        """The picture with its caption and axis letters; the widget as it looks where there is no OpenGL."""
        if self._scene is None or not self.has_content:
            return self.grab().toImage()
        image = self._scene.image()
        ratio = image.width() / max(self._scene.widget.width(), 1)
        image.setDevicePixelRatio(ratio)
        painter = QPainter(image)
        for label in (self.caption, *self._letters):
            if label.isVisible():
                label.render(painter, label.pos(), renderFlags=QWidget.RenderFlag.DrawChildren)
        painter.end()
        return image

    def export_image(self, path: str | Path) -> None:
        """Write the picture to a PNG file; `BadInput` for other endings, `DiskProblem` when it cannot be written."""
        if Path(path).suffix.lower() != ".png":
            raise BadInput("the molecule is written as .png only", where=path, advice="Change the file's ending")
        if not self.grab_image().save(str(path)):
            raise DiskProblem("the figure could not be written", where=path, advice="Choose another folder")

    @property
    def has_content(self) -> bool:
        """True when there is something to draw."""
        return self._atoms is not None and (self._positions is not None or any(self._sets))

    # ---- looks

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        self.theme = theme
        for label in (self.caption, *self._letters):
            label.setStyleSheet(f"color: {theme.plot_foreground}; background: transparent;")
        if self._scene is not None:
            self._scene.apply_theme(theme)
        self._draw()

    @Slot()
    def reset_view(self) -> None:
        """Show everything from the first direction."""
        self._look_from(np.array([0.34, -0.91, 0.26]))
        self._frame_all()

    def look_along(self, axis: str) -> None:
        """Look down ``a``, ``b`` or ``c``: the axis points at the viewer."""
        axes = np.eye(3) if self._cell is None else geometry.cell_axes(self._cell)
        self._look_from(axes[_AXES.index(axis)])

    def closeEvent(self, event: QCloseEvent) -> None:
        self.close_scene()
        super().closeEvent(event)

    def close_scene(self) -> None:
        """Give back the OpenGL context; the view stays, empty. For the window's own closing."""
        if self._scene is not None:
            scene, self._scene = self._scene, None
            self.problem = "the window is closing"
            self._pages.setCurrentWidget(self.message)
            scene.close()

    # ---- building

    def _make_scene(self) -> MoleculeCanvas | None:
        if self.problem is not None:
            return None
        try:
            from app.scenes.molecule_canvas import MoleculeCanvas

            return MoleculeCanvas(self)
        except (ImportError, OSError, RuntimeError, AttributeError, ValueError) as error:
            self.problem = str(error).splitlines()[0] if str(error) else type(error).__name__
            return None

    def _make_layout(self) -> None:
        self._frame_caption = ""
        self.message = QLabel(self.empty_text)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(16)
        self.message.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(self._make_top_row())
        over = content if self._scene is None else self._scene.widget
        self.caption = _overlay(over)
        self.caption.move(8, 6)
        self._letters = [_overlay(over, letter) for letter in _AXES]
        if self._scene is not None:
            self._scene.widget.setAccessibleName("Molecule, drag to turn, wheel to zoom")
            self._scene.widget.setToolTip("Drag turns, wheel zooms, Shift and drag moves")
            column.addWidget(self._scene.widget, stretch=1)
            self._scene.canvas.events.draw.connect(self._place_letters)
        column.addLayout(self._make_bottom_row())
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.message)
        self._pages.addWidget(content)

    def _make_top_row(self) -> QHBoxLayout:
        row = _row()
        group = QButtonGroup(self)
        self._mode_buttons = {mode: _button(text, f"Show {text}", checkable=True) for mode, text in _MODES.items()}
        for mode, button in self._mode_buttons.items():
            group.addButton(button)
            button.setChecked(mode == self._mode)
            row.addWidget(button)
        group.buttonClicked.connect(self._switch_mode)
        row.addStretch(1)
        self._axis_buttons = {axis: _button(axis, f"Look along {axis}") for axis in _AXES}
        for button in self._axis_buttons.values():
            button.clicked.connect(self._look_along_sender)
            row.addWidget(button)
        self.reset = _button("reset", "Show everything again")
        self.reset.clicked.connect(self.reset_view)
        row.addWidget(self.reset)
        return row

    def _make_bottom_row(self) -> QHBoxLayout:
        self.style_box = _box(("sticks", "trace"), "Style of the molecule")
        self.colour_box = _box(("by element", "by chain"), "Colours of the molecule")
        self.hydrogens, self.water = QCheckBox("hydrogens"), QCheckBox("water")
        row = _row()
        for widget in (self.style_box, self.colour_box, self.hydrogens, self.water):
            row.addWidget(widget)
        row.addStretch(1)
        for box in (self.style_box, self.colour_box):
            box.currentIndexChanged.connect(self._draw)
        for check in (self.hydrogens, self.water):
            check.toggled.connect(self._draw)
        return row

    # ---- drawing

    @Slot()
    def _draw(self) -> None:
        if self._scene is None:
            self.message.setText(f"3D view is not available: {self.problem}. Everything else works.")
            return
        if not self.has_content:
            self.message.setText(self.empty_text)
            self._pages.setCurrentWidget(self.message)
            return
        self._pages.setCurrentIndex(1)
        self._draw_frame(self._scene)
        self._draw_sets(self._scene)
        edges = np.empty((0, 3)) if self._cell is None else geometry.cell_edges(geometry.cell_axes(self._cell))
        self._scene.set_cell(edges, self.theme)
        self._scene.show_mode(self._mode)
        if not self._framed:
            self._framed = True
            self.reset_view()
        self._write_caption()
        self._scene.update()

    def _draw_frame(self, scene: MoleculeCanvas) -> None:
        atoms, positions = self._atoms, self._positions
        if atoms is None or positions is None:
            return
        colours = (
            geometry.element_colours(atoms) if self.colour_box.currentIndex() == 0 else geometry.chain_colours(atoms)
        )
        pairs = self._pairs_of(positions, self._is_trace)
        points, paint = geometry.two_coloured(
            geometry.untorn(positions, pairs, _LONGEST[self._is_trace]), colours, pairs
        )
        shown = np.unique(pairs) if self._is_trace else np.flatnonzero(self._visible)
        scene.set_sticks(points, paint, positions[shown], colours[shown])

    def _draw_sets(self, scene: MoleculeCanvas) -> None:
        """Lay the models over each other: by their trace where there is one, else by their bonds."""
        assert self._atoms is not None
        trace = self._is_trace or int(self._atoms.is_trace.sum()) >= _TRACE_OF_SETS
        bundles = []
        for models in self._sets:
            ends = [geometry.untorn(m, self._pairs_of(m, trace), _LONGEST[trace]).reshape(-1, 3) for m in models]
            bundles.append(np.concatenate(ends) if ends else np.empty((0, 3), dtype=np.float32))
        scene.set_sets(bundles[0], bundles[1], self.theme)

    @property
    def _is_trace(self) -> bool:
        return self.style_box.currentIndex() == 1

    @property
    def _visible(self) -> np.ndarray:
        assert self._atoms is not None
        return geometry.visible(self._atoms, self.hydrogens.isChecked(), self.water.isChecked())

    def _pairs_of(self, positions: np.ndarray, trace: bool) -> np.ndarray:
        """Bonds or trace among the visible atoms, found once from the first positions seen."""
        assert self._atoms is not None
        key = (trace, self.hydrogens.isChecked(), self.water.isChecked())
        if key not in self._pairs:
            if trace:
                self._pairs[key] = geometry.trace(self._atoms, positions)
            else:
                hidden = np.where(self._visible[:, None], positions, np.nan)
                self._pairs[key] = geometry.bonds(hidden, self._atoms)
        return self._pairs[key]

    def _frame_all(self) -> None:
        if self._scene is None or not self.has_content:
            return
        models = [m for m in (self._positions, *self._sets[0], *self._sets[1]) if m is not None]
        shown = self._visible
        points = np.concatenate([m[shown] for m in models]) if shown.any() else np.concatenate(models)
        if self._cell is not None:
            points = np.concatenate([points, geometry.cell_edges(geometry.cell_axes(self._cell))])
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            self._scene.frame_box(points.min(axis=0), points.max(axis=0))

    def _look_from(self, direction: np.ndarray) -> None:
        if self._scene is not None:
            self._scene.look(*geometry.view_angles(direction))
            self._scene.update()

    def _write_caption(self) -> None:
        if self._mode == "frame":
            text = self._frame_caption
        else:
            good, bad = (len(models) for models in self._sets)
            text = f"{good} good (blue), {bad} bad (orange)" if good + bad else "Mark frames to compare good with bad."
        self.caption.setText(text)
        self.caption.adjustSize()
        self.caption.setVisible(bool(text))

    def _place_letters(self, _event: object = None) -> None:
        """Put a, b and c at the ends of the cell's axes."""
        if self._scene is None:
            return
        for label in self._letters:
            label.setVisible(self._cell is not None)
        if self._cell is None:
            return
        ends = 1.03 * geometry.cell_axes(self._cell)
        for label, (x, y) in zip(self._letters, self._scene.on_screen(ends), strict=True):
            place = QPoint(round(x - label.width() / 2), round(y - label.height() / 2))
            if np.isfinite((x, y)).all() and label.pos() != place:
                label.move(place)

    # ---- hand

    @Slot(QToolButton)
    def _switch_mode(self, button: QToolButton) -> None:
        mode = next(mode for mode, candidate in self._mode_buttons.items() if candidate is button)
        if mode != self._mode:
            self.show_mode(mode)
            self.mode_changed.emit(mode)

    @Slot()
    def _look_along_sender(self) -> None:
        self.look_along(next(axis for axis, button in self._axis_buttons.items() if button is self.sender()))


def _overlay(parent: QWidget, text: str = "") -> QLabel:
    label = QLabel(text, parent)
    label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    label.adjustSize()
    label.hide()
    return label


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
