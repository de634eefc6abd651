"""One plane of reciprocal space: its picture at the true angle, resolution rings, index axes and crosshair."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QObject, QSizeF, Qt, Slot
from PySide6.QtGui import QColor, QFontMetricsF, QTransform

from app.plots.base import glass
from app.plots.intensity_scale import IntensityScale, format_number, nice_step
from app.plots.resolution_rings import circle, ring_radius, ring_spacings
from app.theme import LIGHT, Theme
from mdweights_core.crystal.volume import Slice

# labels of rings nearer to each other than this cannot be read, pixels
_LABEL_ROOM = 20.0
# between numbers of a colour bar, pixels
_GAP = 8.0
# ring labels stand off both index axes, and steep enough to clear one another
_LABEL_ANGLE = np.radians(62.0)
_MINUS = "\N{MINUS SIGN}"


class PlaneView(pg.ViewBox):
    """A view box in 1/angstrom that draws one `Slice`; it knows nothing of the views beside it."""

    def __init__(self, title: str) -> None:
        super().__init__(lockAspect=True, enableMenu=False)
        self.title = title
        self.plane: Slice | None = None
        self._theme = LIGHT
        self._image = pg.ImageItem(axisOrder="row-major")
        self._missing = pg.ImageItem(axisOrder="row-major")
        self._rings: list[pg.PlotCurveItem] = []
        self._ring_labels: list[tuple[float, pg.TextItem]] = []
        self._ringed: tuple[object, ...] | None = None  # what the rings were drawn for
        self._index_axes = [pg.InfiniteLine(angle=0), pg.InfiniteLine(angle=90)]
        self._crosshair = [pg.InfiniteLine(angle=0), pg.InfiniteLine(angle=90)]
        self._halo, self._cell = pg.PlotCurveItem(), pg.PlotCurveItem()
        self._sentence = pg.TextItem(anchor=(0.5, 0.5))
        marks = (*self._index_axes, *self._crosshair, self._halo, self._cell)
        for depth, item in enumerate([self._image, self._missing, *marks]):
            item.setZValue(depth)
            self.addItem(item, ignoreBounds=item not in (self._image,))
        self.addItem(self._sentence, ignoreBounds=True)
        self.setAspectLocked(True)
        self.setBorder(None)
        self.hide_cursor()
        self.sigRangeChanged.connect(self._thin_labels)
        self.sigResized.connect(self._thin_labels)

    # ---- data

    def set_plane(self, plane: Slice, scale: IntensityScale, colours: np.ndarray) -> None:
        """Draw `plane` with the colour table `colours` (uint8 [256, 4]) over the ends of `scale`."""
        self.plane = plane
        missing = ~np.isfinite(plane.values)
        picture = scale.forward(np.where(missing, 0.0, plane.values)).astype(np.float32)
        self._image.setImage(np.ascontiguousarray(picture), levels=scale.levels, lut=colours, autoLevels=False)
        self._missing.setImage(self._cover(missing), levels=(0, 255), autoLevels=False)
        to_plane = plane_transform(plane)
        for item in (self._image, self._missing):
            item.setTransform(to_plane)
            item.show()
        self._sentence.setText("")
        self._draw_rings()
        self._draw_index_axes()

    def say(self, sentence: str) -> None:
        """Show `sentence` in the middle instead of a picture."""
        self.plane = None
        for item in (self._image, self._missing, *self._index_axes):
            item.hide()
        self._forget_rings()
        self.hide_cursor()
        self._sentence.setText(sentence, color=self._theme.subtle)

    def whole_range(self) -> tuple[float, float]:
        """Half width and half height of the plane, 1/angstrom; (1, 1) without data."""
        if self.plane is None:
            return 1.0, 1.0
        corners = plane_corners(self.plane)
        return float(np.abs(corners[:, 0]).max()), float(np.abs(corners[:, 1]).max())

    # ---- cursor

    def show_cursor(self, h: int, k: int, l: int) -> None:
        """Outline the cell of a reflection and run the crosshair through it, along both index directions."""
        if self.plane is None:
            return
        u, v = in_plane(self.plane, (h, k, l))
        centre = u * self.plane.axes[0] + v * self.plane.axes[1]
        for line in self._crosshair:
            line.setPos(pg.Point(*centre))
        signs = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5]])
        outline = centre + signs @ self.plane.axes
        for curve in (self._halo, self._cell):
            curve.setData(outline[:, 0], outline[:, 1])
        for item in (*self._crosshair, self._halo, self._cell):
            item.show()

    def hide_cursor(self) -> None:
        """Take the crosshair away."""
        for item in (*self._crosshair, self._halo, self._cell):
            item.hide()

    # ---- looks

    def apply_theme(self, theme: Theme) -> None:
        """Repaint lines, labels and missing cells."""
        self._theme = theme
        self.setBackgroundColor(theme.plot_background)
        for line in self._crosshair:
            line.setPen(pg.mkPen(theme.accent, width=1))
        for line in self._index_axes:
            line.setPen(pg.mkPen(glass(theme.plot_foreground, 70), width=1))
        self._cell.setPen(pg.mkPen(theme.accent, width=2))
        self._halo.setPen(pg.mkPen(theme.plot_background, width=5))
        self._sentence.setColor(theme.subtle)
        if self.plane is not None:
            self._missing.setImage(self._cover(~np.isfinite(self.plane.values)), levels=(0, 255), autoLevels=False)
            self._draw_rings()

    def _cover(self, missing: np.ndarray) -> np.ndarray:
        """An RGBA picture that hides the missing cells, uint8 [n_v, n_u, 4]."""
        cover = np.zeros((*missing.shape, 4), dtype=np.uint8)
        cover[missing] = QColor(self._theme.missing).getRgb()
        return cover

    def _draw_index_axes(self) -> None:
        """Lines v = 0 and u = 0 through the middle of the plane, and the crosshair, at the true angle."""
        assert self.plane is not None
        for index_axis, crosshair, step in zip(self._index_axes, self._crosshair, self.plane.axes, strict=True):
            angle = float(np.degrees(np.arctan2(step[1], step[0])))
            index_axis.setAngle(angle)
            crosshair.setAngle(angle)
            index_axis.show()

    def _draw_rings(self) -> None:
        """Rings of resolution; those that are there stay, as planes of one map have the same ones."""
        plane = self.plane
        if plane is None:
            return
        centre, reach = (-float(plane.origin[0]), -float(plane.origin[1])), largest_inverse_d(plane)
        wanted = (centre, reach, plane.height, self._theme)
        if wanted == self._ringed:
            return
        self._forget_rings()
        self._ringed = wanted
        for d in ring_spacings(reach, plane.height):
            radius = ring_radius(d, plane.height)
            if radius is not None:
                self._add_ring(d, radius, centre)
        self._thin_labels()

    def _add_ring(self, d: float, radius: float, centre: tuple[float, float]) -> None:
        # a dark line with a light one beside it is seen on any colour of the map
        for colour, spread in (("#000000", 1.0), ("#ffffff", 0.997)):
            ring = pg.PlotCurveItem(*circle(radius * spread, centre), pen=pg.mkPen(glass(colour, 110), width=1))
            ring.setZValue(2)
            self._rings.append(ring)
            self.addItem(ring, ignoreBounds=True)
        ground = QColor(self._theme.plot_background)
        ground.setAlpha(150)
        label = pg.TextItem(
            f"{d:g} \N{ANGSTROM SIGN}", color=self._theme.plot_foreground, anchor=(0.5, 0.5), fill=ground
        )
        small = label.textItem.font()
        small.setPointSizeF(0.8 * small.pointSizeF())
        label.setFont(small)
        label.setPos(centre[0] + radius * np.cos(_LABEL_ANGLE), centre[1] + radius * np.sin(_LABEL_ANGLE))
        label.setZValue(3)
        self._ring_labels.append((radius, label))
        self.addItem(label, ignoreBounds=True)

    @Slot()
    def _thin_labels(self) -> None:
        """Name only rings whose labels do not cover one another, the outermost first."""
        pixel = self.viewPixelSize()[1]
        last = np.inf
        for radius, label in sorted(self._ring_labels, key=lambda ring: -ring[0]):
            readable = last - radius >= _LABEL_ROOM * pixel
            label.setVisible(bool(readable))
            last = radius if readable else last

    def _forget_rings(self) -> None:
        for item in (*self._rings, *(label for _, label in self._ring_labels)):
            self.removeItem(item)
        self._rings.clear()
        self._ring_labels.clear()
        self._ringed = None


class IndexAxis(pg.AxisItem):
    """An axis whose ticks are whole Miller indices.

    The left axis counts v. Along the bottom axis stand the lines u = const where they cross the lower edge of the view,
    so the numbers are true on an oblique cell too.
    """

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self._axes = np.eye(2)
        self._lower_edge = 0.0
        self.enableAutoSIPrefix(False)

    def set_axes(self, axes: np.ndarray, letter: str) -> None:
        """Take the 2-D steps of u and v (1/angstrom, rows) and the letter of the index this axis counts."""
        self._axes = np.array(axes, dtype=float)
        self.setLabel(f"{letter} (r.l.u.)")
        self._repaint()

    def set_lower_edge(self, y: float) -> None:
        """Tell the bottom axis at which height (1/angstrom) it stands."""
        if y != self._lower_edge:
            self._lower_edge = y
            self._repaint()

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        """Positions of round whole indices between the limits, 1/angstrom (called by pyqtgraph)."""
        low, high = sorted((self._index(minVal), self._index(maxVal)))
        step = max(1, round(nice_step(max(high - low, 1e-6), max(2, int(size / 55)))))
        indices = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
        return [(step * self._step, [float(i * self._step + self._offset) for i in indices])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """The index at each position (called by pyqtgraph)."""
        return [str(round(self._index(value))).replace("-", _MINUS) for value in values]

    @property
    def _step(self) -> float:
        return float(self._axes[0, 0] if self.orientation == "bottom" else self._axes[1, 1])

    @property
    def _offset(self) -> float:
        if self.orientation != "bottom":
            return 0.0
        return float(self._lower_edge / self._axes[1, 1] * self._axes[1, 0])

    def _index(self, position: float) -> float:
        return (position - self._offset) / self._step

    def _repaint(self) -> None:
        self.picture = None
        self.update()


class ColourBar(QObject):
    """A horizontal colour bar with numbers: a view box for the colours over an axis for the numbers."""

    def __init__(self, label: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._scale = IntensityScale("linear", 0.0, 1.0)
        self.view = pg.ViewBox(enableMenu=False, enableMouse=False)
        self.view.setFixedHeight(10)
        self._image = pg.ImageItem(axisOrder="row-major")
        self.view.addItem(self._image)
        self.axis = pg.AxisItem("bottom", linkView=self.view)
        self.axis.enableAutoSIPrefix(False)
        self.axis.setLabel(label)
        self.axis.setStyle(hideOverlappingLabels=False)
        self.view.sigResized.connect(self._write_numbers)

    def set_scale(self, scale: IntensityScale, colours: np.ndarray) -> None:
        """Show `colours` (uint8 [256, 4]) between the ends of `scale`."""
        self._scale = scale
        low, high = scale.levels
        self._image.setImage(np.linspace(low, high, 256)[None, :], levels=(low, high), lut=colours, autoLevels=False)
        self._image.setRect(low, 0.0, high - low, 1.0)
        self.view.setRange(xRange=(low, high), yRange=(0.0, 1.0), padding=0)
        self._write_numbers()

    @Slot()
    def _write_numbers(self) -> None:
        """As many numbers as there is room for, at least two."""
        candidates = [self._numbers(n) for n in range(7, 1, -1)]
        several = [numbers for numbers in candidates if len(numbers) > 1] or candidates
        self.axis.setTicks([next(filter(self._have_room, several), several[-1])])

    def _numbers(self, n: int) -> list[tuple[float, str]]:
        """About `n` positions with their numbers; none hangs far over an end, where the next bar begins."""
        every = [(at, format_number(value).replace("-", _MINUS)) for at, value in self._scale.ticks(n)]
        edges = [self._edges(number) for number in every]
        inside = [left > -0.5 * _GAP and right < self.view.width() + 0.5 * _GAP for left, right in edges]
        return [number for number, keep in zip(every, inside, strict=True) if keep]

    def _have_room(self, numbers: list[tuple[float, str]]) -> bool:
        edges = [self._edges(number) for number in numbers]
        return all(before[1] + _GAP < after[0] for before, after in pairwise(edges))

    def _edges(self, number: tuple[float, str]) -> tuple[float, float]:
        """Where a number begins and ends, pixels from the left end of the bar."""
        low, high = self._scale.levels
        middle = (number[0] - low) / (high - low) * self.view.width()
        half = 0.5 * QFontMetricsF(self.axis.font()).horizontalAdvance(number[1])
        return middle - half, middle + half

    def set_visible(self, visible: bool) -> None:
        """Show or hide bar and numbers, keeping their room."""
        for item in (self.view, self.axis):
            item.setOpacity(1.0 if visible else 0.0)


class ViewTitle(pg.LabelItem):
    """A title that asks for height only: the widths of the views under titles must not follow the words."""

    def updateMin(self) -> None:
        self.setMinimumSize(0.0, self.itemRect().height())
        self.updateGeometry()

    def sizeHint(self, hint: Qt.SizeHint, constraint: QSizeF) -> QSizeF:
        if hint == Qt.SizeHint.MaximumSize:
            return QSizeF(-1.0, -1.0)
        return QSizeF(0.0, self.itemRect().height())


def plane_transform(plane: Slice) -> QTransform:
    """From (column, row) of the picture to 1/angstrom in the plane; the middle of a cell is its reflection."""
    (ux, uy), (vx, vy) = (tuple(map(float, step)) for step in plane.axes)
    first = -(plane.u_max + 0.5) * plane.axes[0] - (plane.v_max + 0.5) * plane.axes[1]
    return QTransform(ux, uy, vx, vy, float(first[0]), float(first[1]))


def plane_corners(plane: Slice) -> np.ndarray:
    """The four corners of the picture in 1/angstrom, float64 [4, 2]."""
    u, v = plane.u_max + 0.5, plane.v_max + 0.5
    return np.array([[-u, -v], [u, -v], [u, v], [-u, v]]) @ plane.axes


def in_plane(plane: Slice, hkl: tuple[int, int, int]) -> tuple[int, int]:
    """The two indices that run in the plane."""
    index = dict(zip("hkl", hkl, strict=True))
    return index[plane.zone[0]], index[plane.zone[1]]


def largest_inverse_d(plane: Slice) -> float:
    """1/d of the farthest measured reflection of the plane (of its edge when none is), 1/angstrom."""
    rows, columns = np.nonzero(np.isfinite(plane.values))
    if rows.size == 0:
        return float(np.hypot(np.abs(plane_corners(plane)).min(axis=0).min(), plane.height))
    points = np.column_stack([columns - plane.u_max, rows - plane.v_max]) @ plane.axes + plane.origin
    return float(np.sqrt((points**2).sum(axis=1).max() + plane.height**2))
