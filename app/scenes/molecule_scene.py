"""The molecule: one frame, or the well-weighted frames laid over the badly weighted ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gemmi
import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QCloseEvent, QImage, QPainter, QPalette
from PySide6.QtWidgets import QLabel, QStackedLayout, QVBoxLayout, QWidget

from app.scenes import molecule_geometry as geometry
from app.scenes.molecule_controls import AXES, MoleculeControls
from app.scenes.overlay import Overlay
from app.scenes.probe import gl_problem
from app.theme import LIGHT, Theme
from mdweights_core.errors import BadInput, DiskProblem

if TYPE_CHECKING:
    from app.scenes.molecule_canvas import MoleculeCanvas

_MODELS_PER_SET = 40
# sets of molecules with this many CA (or P) atoms are laid over each other by their traces
_TRACE_OF_SETS = 10
# stretches longer than this in some frame were cut by the periodic boundary, angstrom: bonds, trace
_LONGEST = (3.0, 8.5)
# of sticks and of a trace, angstrom
_THICK = (0.5, 1.0)


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
        self.controls.suit(trace=geometry.prefers_trace(self._atoms))
        self._draw()

    def show_frame(self, positions: np.ndarray, cell: gemmi.UnitCell | None = None) -> None:
        """Show one frame: float [n_atoms, 3], angstrom, in its unit cell when that is known."""
        if self._atoms is None or len(positions) != len(self._atoms):
            return
        self._positions = np.array(positions, dtype=np.float32)
        is_other_cell = _edges_of(cell) != _edges_of(self._cell)
        self._cell = cell
        self._draw()
        if is_other_cell:
            self._frame_all()

    def show_sets(self, good: Sequence[np.ndarray], bad: Sequence[np.ndarray], caption: str = "") -> None:
        """Lay good models (blue) over bad (orange): float [n_atoms, 3] each, angstrom; at most 40 a set are drawn.

        Without a `caption` it is told how many they are.
        """
        self._sets_caption = caption
        n_atoms = 0 if self._atoms is None else len(self._atoms)
        self._sets = tuple(  # type: ignore[assignment]
            geometry.thin_evenly([np.array(m, dtype=np.float32) for m in models if len(m) == n_atoms], _MODELS_PER_SET)
            for models in (good, bad)
        )
        self._draw()

    def show_mode(self, mode: str) -> None:
        """Show one ``frame`` or the two ``sets``, without emitting."""
        self._mode = mode
        self.controls.mode_buttons[mode].setChecked(True)
        self._draw()

    def set_caption(self, text: str) -> None:
        """Write over the picture, such as ``frame 117, weight 0.0121``."""
        self._frame_caption = text
        self._write_caption()

    def clear(self) -> None:
        """Forget the atoms."""
        self._atoms = self._positions = self._cell = None
        self._sets, self._framed = ([], []), False
        self._frame_caption = self._sets_caption = ""
        self._pairs.clear()
        self._draw()

    # ---- state out

    @property
    def is_available(self) -> bool:
        """True when there is OpenGL to draw with."""
        return self._scene is not None

    @property
    def caption(self) -> str:
        """What is written over the picture."""
        return self._overlay.caption.text()

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
        self._overlay.paint_on(painter)
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
        self._overlay.set_colour(theme.plot_foreground)
        if self._scene is not None:
            self._scene.apply_theme(theme)
        self._draw()

    @Slot()
    def reset_view(self) -> None:
        """Show everything from the first direction."""
        self._look_from(np.array([0.34, -0.91, 0.26]))
        self._frame_all()

    @Slot(str)
    def look_along(self, axis: str) -> None:
        """Look down ``a``, ``b`` or ``c``: the axis points at the viewer."""
        axes = np.eye(3) if self._cell is None else geometry.cell_axes(self._cell)
        self._look_from(axes[AXES.index(axis)])

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
        self._frame_caption = self._sets_caption = ""
        self.controls = MoleculeControls(self)
        self.message = QLabel(self.empty_text)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(16)
        self.message.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(self.controls.top_row())
        self._overlay = Overlay(content if self._scene is None else self._scene.widget, AXES)
        if self._scene is not None:
            self._scene.widget.setAccessibleName("Molecule, drag to turn, wheel to zoom")
            self._scene.widget.setToolTip("Drag turns, wheel zooms, Shift and drag moves")
            column.addWidget(self._scene.widget, stretch=1)
            self._scene.canvas.events.draw.connect(self._place_letters)
        column.addLayout(self.controls.bottom_row())
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.message)
        self._pages.addWidget(content)
        self.controls.mode_chosen.connect(self._on_mode)
        self.controls.axis_chosen.connect(self.look_along)
        self.controls.reset_requested.connect(self.reset_view)
        self.controls.style_changed.connect(self._draw)

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
        trace = self.controls.is_trace
        colours = geometry.chain_colours(atoms) if self.controls.is_by_chain else geometry.element_colours(atoms)
        if self.theme.is_dark:
            colours = geometry.lightened(colours)
        pairs = self._pairs_of(positions, trace)
        points, paint = geometry.two_coloured(geometry.untorn(positions, pairs, _LONGEST[trace]), colours, pairs)
        shown = np.unique(pairs) if trace else np.flatnonzero(self._visible)
        scene.set_sticks(points, paint, positions[shown], colours[shown], _THICK[trace])

    def _draw_sets(self, scene: MoleculeCanvas) -> None:
        """Lay the models over each other by their trace where there is one, else by their bonds; a mere pair thick."""
        trace = self._is_traced_in_sets
        if self._is_pair:
            scene.set_sets(_joined([]), _joined([]), self.theme, faint=False)
            good_ends, bad_ends = (self._ends(models[0], trace) for models in self._sets)
            scene.set_means(good_ends, bad_ends, self.theme)
            return
        good, bad = ([self._ends(model, trace) for model in models] for models in self._sets)
        scene.set_sets(_joined(good), _joined(bad), self.theme, faint=trace)
        means = [self._mean_ends(models) if trace else _joined([]) for models in self._sets]
        scene.set_means(means[0], means[1], self.theme)

    @property
    def _is_pair(self) -> bool:
        """True when one model lies over one other."""
        return all(len(models) == 1 for models in self._sets)

    @property
    def _is_traced_in_sets(self) -> bool:
        return self._atoms is not None and (self.controls.is_trace or int(self._atoms.is_trace.sum()) >= _TRACE_OF_SETS)

    def _ends(self, positions: np.ndarray, trace: bool) -> np.ndarray:
        """End points of the bonds or of the trace, float32 [2 n, 3]."""
        return geometry.untorn(positions, self._pairs_of(positions, trace), _LONGEST[trace]).reshape(-1, 3)

    def _mean_ends(self, models: list[np.ndarray]) -> np.ndarray:
        """The trace through the mean of several models, float32 [2 n, 3]; of a single one there is no mean."""
        if len(models) < 2:
            return _joined([])
        return self._ends(geometry.mean_model(models, self._cell), trace=True)

    @property
    def _visible(self) -> np.ndarray:
        assert self._atoms is not None
        return geometry.visible(self._atoms, self.controls.hydrogens.isChecked(), self.controls.water.isChecked())

    def _pairs_of(self, positions: np.ndarray, trace: bool) -> np.ndarray:
        """Bonds or trace among the visible atoms, found once from the first positions seen."""
        assert self._atoms is not None
        key = (trace, self.controls.hydrogens.isChecked(), self.controls.water.isChecked())
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
        if self._mode == "frame" or self._sets_caption:
            text = self._frame_caption if self._mode == "frame" else self._sets_caption
        else:
            good, bad = (len(models) for models in self._sets)
            text = f"{good} good (blue), {bad} bad (orange)" if good + bad else "Mark frames to compare good with bad."
            if self._is_traced_in_sets and max(good, bad) > 1:
                text += ", means thick"
        self._overlay.set_caption(text)

    def _place_letters(self, _event: object = None) -> None:
        """Put a, b and c at the ends of the cell's axes."""
        if self._scene is not None:
            ends = None if self._cell is None else self._scene.on_screen(1.03 * geometry.cell_axes(self._cell))
            self._overlay.place_letters(ends)

    # ---- hand

    @Slot(str)
    def _on_mode(self, mode: str) -> None:
        if mode != self._mode:
            self.show_mode(mode)
            self.mode_changed.emit(mode)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty((0, 3), dtype=np.float32)


def _edges_of(cell: gemmi.UnitCell | None) -> tuple[float, ...]:
    return () if cell is None else tuple(cell.parameters)
