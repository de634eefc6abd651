"""Observed, calculated and difference intensities in one plane of reciprocal space, side by side and linked."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from app.plots.base import PlotPanel, style_axis
from app.plots.intensity_scale import IntensityScale, format_number, limits
from app.plots.plane_choice import PlaneChoice, plane_name
from app.plots.plane_view import ColourBar, IndexAxis, PlaneView, ViewTitle, in_plane
from app.plots.readout import NOTHING, Readout
from app.theme import Theme, difference_colours, intensity_colours
from mdweights_core.crystal.volume import Slice


class SliceTriptych(PlotPanel):
    """Three linked views of one plane, with the numbers under the cursor.

    Signals
    -------
    slice_requested(str, int)
        The user wants another plane: zone (``hk``, ``hl``, ``kl``) and level.
    component_changed(str)
        The user wants ``total`` or ``anisotropic`` intensities; whoever owns them answers with `set_slices`.
    cursor_moved(int, int, int)
        The cursor stands on another reflection.
    """

    slice_requested = Signal(str, int)
    component_changed = Signal(str)
    cursor_moved = Signal(int, int, int)

    title = "Slices"
    empty_text = "Open a diffuse map to see slices."

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slices: tuple[Slice | None, Slice | None, Slice | None] = (None, None, None)
        self._sigma: Slice | None = None
        self._hkl: tuple[int, int, int] | None = None
        self._pinned, self._whole = False, True
        self._shape: tuple[str, tuple[int, ...]] | None = None
        self.views = [PlaneView(name) for name in ("observed", "calculated", "difference")]
        self.choice, self._readout = PlaneChoice(), Readout()
        self.body.insertWidget(0, self.choice)
        self.body.addWidget(self._readout)
        self._make_canvas()
        self._connect()
        self.apply_theme(self.theme)

    # ---- data in

    def set_slices(
        self,
        observed: Slice,
        calculated: Slice | None = None,
        difference: Slice | None = None,
        sigma: Slice | None = None,
    ) -> None:
        """Show one plane: observed, and where there are any calculated, difference and sigma of the same plane."""
        self._slices, self._sigma = (observed, calculated, difference), sigma
        self.choice.show_plane(observed.zone, observed.level)
        self._draw()
        shape = (observed.zone, observed.values.shape)
        if shape != self._shape:
            self._shape = shape
            self.reset_view()
        self.show_content()
        self._follow_level()

    def set_limits(self, limits: tuple[int, int, int]) -> None:
        """Take (h_max, k_max, l_max) of the map: they bound the level."""
        self.choice.set_limits(limits)

    def set_component(self, component: str) -> None:
        """Say which intensities are shown, ``total`` or ``anisotropic``, without emitting."""
        was_signed = self.choice.is_signed
        self.choice.show_component(component)
        if self.choice.is_signed != was_signed:
            self._draw()

    def clear(self) -> None:
        """Forget the slices."""
        self._slices, self._sigma, self._hkl, self._shape = (None, None, None), None, None, None
        self._set_pinned(False)
        super().clear()

    # ---- state out

    @property
    def plane(self) -> tuple[str, int]:
        """Zone and level the controls stand on."""
        return self.choice.plane

    @property
    def is_pinned(self) -> bool:
        """True while the read-out stays on a clicked reflection."""
        return self._pinned

    def readout(self) -> dict[str, str]:
        """The read-out as it is shown: caption to text."""
        return self._readout.texts()

    def show_cursor(self, h: int, k: int, l: int) -> None:
        """Put crosshair and read-out on a reflection of this plane; one outside the plane takes them away."""
        first = self._slices[0]
        if first is None:
            return
        u, v = in_plane(first, (h, k, l))
        inside = abs(u) <= first.u_max and abs(v) <= first.v_max
        self._hkl = (
            (h, k, l) if inside and first.hkl_at(*(u * first.axes[0] + v * first.axes[1])) == (h, k, l) else None
        )
        for view in self.views:
            if self._hkl is None:
                view.hide_cursor()
            else:
                view.show_cursor(h, k, l)
        self._write_readout()

    @Slot()
    def _refit(self) -> None:
        """Keep the whole plane in view while the widget changes its size, until the user zooms or moves."""
        if self._whole:
            self.reset_view()

    @Slot()
    def _leave_whole(self) -> None:
        self._whole = False

    @Slot()
    def reset_view(self) -> None:
        """Show the whole plane."""
        self._whole = True
        width, height = self.views[0].whole_range()
        self.views[0].setRange(xRange=(-width, width), yRange=(-height, height), padding=0.02)

    # ---- looks

    def apply_theme(self, theme: Theme) -> None:
        """Repaint with the colours of `theme`."""
        super().apply_theme(theme)
        for view in self.views:
            view.apply_theme(theme)
        for axis in (*self._index_axes, self._bar.axis, self._difference_bar.axis):
            style_axis(axis, theme)
        self._write_titles()

    # ---- building

    def _make_canvas(self) -> None:
        grid = self.canvas.ci
        self.canvas.setToolTip(
            "Drag to move, wheel to zoom, click to pin the read-out (the same place again to let go)"
        )
        left = IndexAxis("left")
        left.setWidth(48)
        left.linkToView(self.views[0])
        grid.addItem(left, row=1, col=0)
        self._index_axes = [left]
        self._titles = []
        for column, view in enumerate(self.views, start=1):
            title = ViewTitle(view.title)
            bottom = IndexAxis("bottom")
            bottom.linkToView(view)
            grid.addItem(title, row=0, col=column)
            grid.addItem(view, row=1, col=column)
            grid.addItem(bottom, row=2, col=column)
            grid.layout.setColumnStretchFactor(column, 1)
            self._titles.append(title)
            self._index_axes.append(bottom)
        for view in self.views[1:]:
            view.setXLink(self.views[0])
            view.setYLink(self.views[0])
        self._bar, self._difference_bar = (
            ColourBar("intensity (arbitrary units)", self),
            ColourBar("difference (arbitrary units)", self),
        )
        grid.addItem(self._bar.view, row=3, col=1, colspan=2)
        grid.addItem(self._bar.axis, row=4, col=1, colspan=2)
        grid.addItem(self._difference_bar.view, row=3, col=3)
        grid.addItem(self._difference_bar.axis, row=4, col=3)
        grid.layout.setRowStretchFactor(1, 1)
        grid.layout.setHorizontalSpacing(10)
        grid.layout.setVerticalSpacing(2)

    def _connect(self) -> None:
        level = self.choice.level
        self.choice.plane_chosen.connect(self.slice_requested)
        self.choice.component_chosen.connect(self.component_changed)
        self.choice.colours_changed.connect(self._draw)
        self.choice.whole_requested.connect(self.reset_view)
        for key, step in ((Qt.Key.Key_PageUp, level.stepUp), (Qt.Key.Key_PageDown, level.stepDown)):
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(step)
        self.views[0].sigRangeChanged.connect(self._follow_range)
        self.views[0].sigResized.connect(self._refit)
        for view in self.views:
            view.sigRangeChangedManually.connect(self._leave_whole)
        self.canvas.scene().sigMouseMoved.connect(self._move)
        self.canvas.scene().sigMouseClicked.connect(self._click)

    # ---- drawing

    @Slot()
    def _draw(self) -> None:
        observed, calculated, difference = self._slices
        if observed is None:
            return
        signed = self.choice.is_signed
        kind, contrast = self.choice.scale.currentText(), self.choice.contrast.currentText()
        shown = [plane.values for plane in (observed, calculated) if plane is not None]
        scale = IntensityScale(kind, *limits(shown, contrast, signed))
        colours = difference_colours() if signed else intensity_colours()
        residual = IntensityScale(kind, *limits([difference.values] if difference else [], contrast, True))
        missing = ("", "No calculated map yet.\nRun a fit to compare.", "No difference yet.")
        for view, plane, sentence in zip(self.views, self._slices, missing, strict=True):
            if plane is None:
                view.say(sentence)
            elif plane is difference:
                view.set_plane(plane, residual, difference_colours())
            else:
                view.set_plane(plane, scale, colours)
        self._bar.set_scale(scale, colours)
        self._difference_bar.set_scale(residual, difference_colours())
        self._difference_bar.set_visible(difference is not None)
        self._write_titles()
        for axis in self._index_axes:
            axis.set_axes(observed.axes, observed.zone[0 if axis.orientation == "bottom" else 1])

    def _write_titles(self) -> None:
        observed = self._slices[0]
        plane = "" if observed is None else f", {plane_name(observed.zone, observed.level)}"
        for label, view in zip(self._titles, self.views, strict=True):
            label.setText(f"{view.title}{plane}", color=self.theme.plot_foreground, size="10pt")

    @Slot()
    def _follow_range(self) -> None:
        low = self.views[0].viewRange()[1][0]
        for axis in self._index_axes:
            axis.set_lower_edge(low)

    # ---- cursor

    @Slot(object)
    def _move(self, where: QPointF) -> None:
        if not self._pinned:
            self._go_to(where)

    @Slot(object)
    def _click(self, event: object) -> None:
        if event.button() != Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            return
        before = self._hkl if self._pinned else None
        self._go_to(event.scenePos())  # type: ignore[attr-defined]
        self._set_pinned(self._hkl is not None and self._hkl != before)

    def _go_to(self, where: QPointF) -> None:
        observed = self._slices[0]
        view = next((view for view in self.views if view.sceneBoundingRect().contains(where)), None)
        if observed is None or view is None:
            return
        point = view.mapSceneToView(where)
        before, hkl = self._hkl, observed.hkl_at(point.x(), point.y())
        self.show_cursor(*hkl)
        if self._hkl is not None and self._hkl != before:
            self.cursor_moved.emit(*self._hkl)

    def _set_pinned(self, pinned: bool) -> None:
        self._pinned = pinned
        self._readout.show_pinned(pinned)

    def _follow_level(self) -> None:
        """Keep the cursor on the same place of the new plane."""
        observed = self._slices[0]
        if observed is None or self._hkl is None:
            return
        index = dict(zip("hkl", self._hkl, strict=True))
        third = next(letter for letter in "hkl" if letter not in observed.zone)
        index[third] = observed.level
        self.show_cursor(index["h"], index["k"], index["l"])

    def _write_readout(self) -> None:
        observed, calculated, difference = self._slices
        if self._hkl is None or observed is None:
            self._readout.show_texts(None)
            return
        d = observed.d_at(*self._hkl)
        texts = [
            observed.label(*self._hkl),
            f"{d:.2f} \N{ANGSTROM SIGN}" if np.isfinite(d) else NOTHING,
            *(format_number(_value(plane, self._hkl)) for plane in (observed, calculated, difference, self._sigma)),
        ]
        self._readout.show_texts(texts)


def _value(plane: Slice | None, hkl: tuple[int, int, int]) -> float:
    return float("nan") if plane is None else plane.value_at(*hkl)
