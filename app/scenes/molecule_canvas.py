"""The OpenGL side of the molecule view: one canvas, a handful of visuals, all updated in place."""

from __future__ import annotations

import numpy as np
import vispy.app
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget
from vispy import scene
from vispy.visuals.filters import Filter

from app.theme import LIGHT, Theme

vispy.app.use_app("pyside6")

_THIN, _MEAN = 1.0, 4.0
# sticks are as thick as their angstroms are on the screen, within these limits, pixels
_STICK_WIDTHS = (1.5, 14.0)
# the camera's depth runs over this many diagonals of the scene, so that moving the view clips nothing
_DEPTH = 2.0
_FOG = """
void fog() {
    float far = clamp((gl_FragCoord.z - 0.42) / 0.22, 0.0, 1.0);
    gl_FragColor.rgb = mix(gl_FragColor.rgb, $ground, 0.6 * far);
}
"""
_NOWHERE = np.zeros((2, 3), dtype=np.float32)


class MoleculeCanvas:
    """A canvas with sticks, joints, two bundles of thin lines, their means and the edges of a cell; angstrom."""

    def __init__(self, parent: QWidget) -> None:
        self.canvas = scene.SceneCanvas(keys=None, parent=parent, show=False)
        self.view = self.canvas.central_widget.add_view()
        self.camera = scene.cameras.TurntableCamera(fov=0.0, up="+z", elevation=15.0, azimuth=20.0)
        self.view.camera = self.camera
        self._mode = "frame"
        self._sticks = self._lines(_THIN)
        self._thickness, self._width = 0.0, 0.0
        self._atoms = (_NOWHERE, _NOWHERE)
        self._good, self._bad = self._lines(_THIN), self._lines(_THIN)
        self._good_mean, self._bad_mean = self._lines(_MEAN), self._lines(_MEAN)
        self._edges = self._lines(_THIN)
        self._joints = scene.visuals.Markers(parent=self.view.scene, scaling="fixed", antialias=0)
        self._joints.set_gl_state("opaque", depth_test=True)
        drawn = (self._sticks, self._joints, self._good, self._bad, self._good_mean, self._bad_mean, self._edges)
        self._sizes = dict.fromkeys(drawn, 0)
        self._fog = [Filter(fcode=_FOG) for _ in self._sizes]
        for visual, fog in zip(self._sizes, self._fog, strict=True):
            visual.attach(fog)
        self.apply_theme(LIGHT)
        self._show()
        self.canvas.events.draw.connect(self._follow_zoom)

    @property
    def widget(self) -> QWidget:
        """The widget to put into a layout."""
        return self.canvas.native

    def set_sticks(
        self, points: np.ndarray, colours: np.ndarray, atoms: np.ndarray, atom_colours: np.ndarray, thickness: float
    ) -> None:
        """Draw segments (float32 [2 n, 3], RGBA [2 n, 4]) and round joints at atoms (float32 [m, 3], RGBA [m, 4]).

        They are `thickness` angstrom thick, so that they keep their look in a small view and when zoomed.
        """
        self._thickness, self._width = thickness, self._wanted_width(thickness)
        self._atoms = (atoms, atom_colours)
        self._set_lines(self._sticks, points, colours, self._width)
        self._draw_joints()
        self._show()

    def set_sets(self, good: np.ndarray, bad: np.ndarray, theme: Theme, *, faint: bool) -> None:
        """Draw two bundles of segments, float32 [2 n, 3] each, in the colours of good and bad; `faint` under means."""
        alpha = 0.3 if faint else 0.9
        self._set_lines(self._good, good, _rgba(theme.good, alpha))
        self._set_lines(self._bad, bad, _rgba(theme.bad, alpha))
        self._show()

    def set_means(self, good: np.ndarray, bad: np.ndarray, theme: Theme) -> None:
        """Draw the means of the two bundles thicker, float32 [2 n, 3] each (none when empty)."""
        self._set_lines(self._good_mean, good, _rgba(theme.good, 1.0), _MEAN)
        self._set_lines(self._bad_mean, bad, _rgba(theme.bad, 1.0), _MEAN)
        self._show()

    def set_cell(self, edges: np.ndarray, theme: Theme) -> None:
        """Draw the edges of the unit cell, float32 [24, 3] (none when empty)."""
        self._set_lines(self._edges, edges, _rgba(theme.plot_foreground, 0.6))
        self._show()

    def show_mode(self, mode: str) -> None:
        """Show one ``frame``, or the two ``sets``."""
        self._mode = mode
        self._show()

    def look(self, azimuth: float, elevation: float) -> None:
        """Turn the camera, degrees."""
        self.camera.azimuth, self.camera.elevation, self.camera.roll = azimuth, elevation, 0.0

    def frame_box(self, low: np.ndarray, high: np.ndarray) -> None:
        """Centre the camera on a box (3-vectors, angstrom) and show all of it from any side."""
        self.camera.center = tuple(0.5 * (low + high))
        diagonal = max(float(np.linalg.norm(high - low)), 5.0)
        self.camera.scale_factor = 0.88 * diagonal
        self.camera.depth_value = _DEPTH * diagonal

    def on_screen(self, points: np.ndarray) -> np.ndarray:
        """Where points (float [n, 3], angstrom) are on the widget, logical pixels, float64 [n, 2]."""
        to_canvas = self._edges.get_transform("visual", "canvas")
        mapped = to_canvas.map(np.asarray(points, dtype=np.float64))
        return mapped[:, :2] / mapped[:, 3:4]

    def apply_theme(self, theme: Theme) -> None:
        """Take the ground of the theme; what is far away fades into it."""
        self.canvas.bgcolor = theme.plot_background
        for fog in self._fog:
            fog.fshader["ground"] = tuple(_rgba(theme.plot_background, 1.0)[:3].tolist())

    def image(self) -> QImage:
        """What is drawn now, as an image of its own."""
        pixels = np.ascontiguousarray(self.canvas.render(alpha=False))
        height, width = pixels.shape[:2]
        return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()

    def _follow_zoom(self, _event: object = None) -> None:
        """Keep the sticks as thick as their angstroms: pixels are all that lines of OpenGL know."""
        width = self._wanted_width(self._thickness)
        if self._sizes[self._sticks] and abs(width - self._width) > 0.1 * self._width:
            self._width = width
            self._sticks.set_data(width=width)
            self._draw_joints()

    def _wanted_width(self, thickness: float) -> float:
        per_angstrom = min(self.canvas.size) / max(float(self.camera.scale_factor), 1e-6)
        return float(np.clip(thickness * per_angstrom, *_STICK_WIDTHS))

    def _draw_joints(self) -> None:
        atoms, colours = self._atoms
        self._sizes[self._joints] = len(atoms)
        if len(atoms):
            self._joints.set_data(atoms, face_color=colours, edge_width=0.0, size=1.1 * self._width, symbol="disc")

    def update(self) -> None:
        """Ask for a repaint."""
        self.canvas.update()

    def close(self) -> None:
        """Give back the OpenGL context."""
        self.canvas.close()

    def _lines(self, width: float) -> scene.visuals.Line:
        line = scene.visuals.Line(pos=_NOWHERE, connect="segments", method="gl", width=width, parent=self.view.scene)
        line.set_gl_state("translucent", depth_test=True)
        return line

    def _set_lines(
        self, line: scene.visuals.Line, points: np.ndarray, colours: np.ndarray, width: float = _THIN
    ) -> None:
        self._sizes[line] = len(points)
        if len(points):
            line.set_data(pos=np.ascontiguousarray(points, dtype=np.float32), color=colours, width=width)

    def _show(self) -> None:
        frame = self._mode == "frame"
        of_frame = (self._sticks, self._joints)
        for visual, size in self._sizes.items():
            visual.visible = size > 0 and (visual is self._edges or (visual in of_frame) == frame)


def _rgba(colour: str, alpha: float) -> np.ndarray:
    return np.array([*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)), alpha], dtype=np.float32)
