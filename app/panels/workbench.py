"""The middle of the window: slices above, plots of the frames and of the fit below, all bound to the models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtWidgets import QSplitter, QTabWidget, QVBoxLayout, QWidget

from app.models.readings import TOTAL, UNUSABLE, FramesReading, MapReading, ProjectReading, Volumes
from app.models.session import Session
from app.models.validity import Verdict
from app.panels.check_panel import CheckPanel

WELCOME = (
    "Drop a diffuse map (MTZ, CCP4, Lunus, mdx2) and the frames of a simulation here.\n\n"
    "To look around first: File, Open example (Ctrl+E)."
)
CHECK_TITLE = "Chec&k"
FIRST_PLANE = ("hk", 0)
CURVES = ("cc", "cc_aniso", "cc_free", "cc_aniso_free")


@dataclass(frozen=True)
class Plots:
    """The views, made by the composition root; each has `clear` and `apply_theme`."""

    slices: Any
    weights: Any
    convergence: Any
    shells: Any
    scatter: Any
    check: Any

    def __iter__(self) -> Any:
        return iter((self.slices, self.weights, self.convergence, self.shells, self.scatter, self.check))


class Workbench(QWidget):
    """Lays the plots out: slices over tabs. Before a fit the check of the frames is in front, then the weights."""

    def __init__(self, session: Session, plots: Plots, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._check, self._weights = session.check, plots.weights
        self.check_panel = CheckPanel(session, plots.check)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        for widget, title in (
            (self.check_panel, CHECK_TITLE),
            (plots.weights, "&Weights"),
            (plots.convergence, "&Convergence"),
            (plots.shells, "S&hells"),
            (plots.scatter, "Sca&tter"),
        ):
            self.tabs.addTab(widget, title)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.addWidget(plots.slices)
        splitter.addWidget(self.tabs)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        splitter.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)
        session.check.changed.connect(self._on_check)
        session.fit.running_changed.connect(self._on_running)
        session.document.project_changed.connect(self._on_project)

    @Slot()
    def show_check(self) -> None:
        """Bring the check of the frames to the front."""
        self.tabs.setCurrentWidget(self.check_panel)

    def _show_weights(self) -> None:
        """A fit is what is looked at now, but for a plot that was chosen."""
        if self.tabs.currentWidget() is self.check_panel:
            self.tabs.setCurrentWidget(self._weights)

    @Slot()
    def _on_check(self) -> None:
        """The tab wears a sign when there is something to be seen."""
        verdict = self._check.verdict
        sign = f"{verdict.value} " if verdict in (Verdict.CAUTION, Verdict.BAD) else ""
        self.tabs.setTabText(self.tabs.indexOf(self.check_panel), f"{sign}{CHECK_TITLE}")

    @Slot(bool)
    def _on_running(self, running: bool) -> None:
        if running:
            self._show_weights()

    @Slot(object)
    def _on_project(self, reading: ProjectReading | None) -> None:
        if reading is not None:
            self._show_weights()


class SliceBinding(QObject):
    """Keeps the slices those of the document, in the plane and the component the user chose."""

    def __init__(self, session: Session, slices: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._slices = session, slices
        self._volumes: Volumes | None = None
        self._plane = FIRST_PLANE
        self._component = TOTAL
        slices.slice_requested.connect(self._on_plane)
        slices.component_changed.connect(self._on_component)
        slices.cursor_moved.connect(self._on_cursor)
        session.document.map_changed.connect(self._on_map)
        session.document.project_changed.connect(self._on_project)
        session.selection.cursor_changed.connect(self._on_shared_cursor)
        self._show(None)

    @Slot(object)
    def _on_map(self, reading: MapReading | None) -> None:
        if self._session.document.fitted is None:
            self._show(None if reading is None else reading.volumes)
            if reading is not None and reading.volumes is None:
                self._slices.show_empty(UNUSABLE)

    @Slot(object)
    def _on_project(self, reading: ProjectReading | None) -> None:
        chart = self._session.document.map
        self._show(reading.volumes if reading is not None else None if chart is None else chart.volumes)

    def _show(self, volumes: Volumes | None) -> None:
        self._volumes = volumes
        if volumes is None:
            self._slices.clear()
            self._slices.show_empty(WELCOME)
            return
        self._slices.set_limits(volumes.components[self._component]["observed"].limits)
        self._slices.set_component(self._component)
        self._draw()

    @Slot(str, int)
    def _on_plane(self, zone: str, level: int) -> None:
        self._plane = (zone, level)
        self._draw()

    @Slot(str)
    def _on_component(self, component: str) -> None:
        self._component = component
        self._draw()

    def _draw(self) -> None:
        if self._volumes is not None:
            self._slices.set_slices(*self._volumes.slices(self._component, *self._plane))

    @Slot(int, int, int)
    def _on_cursor(self, h: int, k: int, l: int) -> None:
        self._session.selection.set_cursor((h, k, l))

    @Slot(object)
    def _on_shared_cursor(self, hkl: tuple[int, int, int] | None) -> None:
        if hkl is not None:
            self._slices.show_cursor(*hkl)


class PlotBinding(QObject):
    """Keeps the plots below those of the frames and the fit."""

    def __init__(self, session: Session, plots: Plots, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._plots = session, plots
        self._brushing: object = None
        document, fit, selection = session.document, session.fit, session.selection
        document.frames_changed.connect(self._on_frames)
        document.project_changed.connect(self._on_project)
        fit.running_changed.connect(self._on_running)
        fit.stepped.connect(self._on_step)
        fit.weights_changed.connect(self._on_live_weights)
        session.marks.marks_changed.connect(self._on_marks)
        plots.weights.frame_selected.connect(selection.select)
        plots.weights.frames_brushed.connect(self._on_weights_brushed)
        plots.scatter.frame_selected.connect(selection.select)
        plots.scatter.frames_brushed.connect(self._on_scatter_brushed)
        plots.check.frame_selected.connect(selection.select)
        plots.check.frames_brushed.connect(self._on_check_brushed)
        selection.frame_changed.connect(self._on_selected)
        selection.brushed_changed.connect(self._on_brushed)

    @Slot(object)
    def _on_frames(self, reading: FramesReading | None) -> None:
        if reading is None or self._session.document.fitted is None:
            self._plots.weights.clear()
            self._plots.scatter.clear()

    @Slot(object)
    def _on_project(self, reading: ProjectReading | None) -> None:
        if reading is None:
            for plot in (self._plots.weights, self._plots.convergence, self._plots.shells, self._plots.scatter):
                plot.clear()
            return
        fit, frames = reading.project.fit, reading.project.frames
        self._show_weights(fit.weights, np.asarray(frames.time))
        self._plots.weights.set_hidden(reading.hidden)
        self._plots.convergence.set_history(fit.history)
        self._plots.convergence.set_uniform({key: getattr(fit.uniform, key) for key in CURVES})
        self._plots.shells.set_shells(fit.scores.shells, fit.uniform.shells)
        self._plots.scatter.set_columns(_columns(reading))
        self._on_marks(None)
        self._on_selected(self._session.selection.frame)

    @Slot(bool)
    def _on_running(self, running: bool) -> None:
        if running:
            self._plots.convergence.clear()

    @Slot(int, float, object)
    def _on_step(self, step: int, seconds: float, values: dict[str, float]) -> None:
        self._plots.convergence.append(step, seconds, values)

    @Slot(object)
    def _on_live_weights(self, weights: np.ndarray) -> None:
        frames = self._session.document.frames
        self._show_weights(weights, None if frames is None else frames.time)

    def _show_weights(self, weights: np.ndarray, time: np.ndarray | None) -> None:
        self._plots.weights.set_weights(weights, None, time, 1.0 / len(weights))
        self._plots.weights.reset_view()

    @Slot(object)
    def _on_marks(self, frames: object) -> None:
        for plot in (self._plots.weights, self._plots.scatter):
            plot.set_marks(self._session.marks.values)

    @Slot(int)
    def _on_selected(self, frame: int) -> None:
        self._plots.weights.set_selected(frame if frame >= 0 else None)
        self._plots.scatter.set_selected(frame if frame >= 0 else None)
        self._plots.check.set_selected(frame if frame >= 0 else None)

    @Slot(object)
    def _on_weights_brushed(self, frames: np.ndarray) -> None:
        self._brush(self._plots.weights, frames)

    @Slot(object)
    def _on_scatter_brushed(self, frames: np.ndarray) -> None:
        self._brush(self._plots.scatter, frames)

    @Slot(object)
    def _on_check_brushed(self, frames: np.ndarray) -> None:
        self._brush(self._plots.check, frames)

    def _brush(self, plot: object, frames: np.ndarray) -> None:
        """Take a brush; the plot it is drawn in is not told, or its brush would vanish under the user's hand."""
        self._brushing = plot
        self._session.selection.set_brushed(frames)
        self._brushing = None

    @Slot(object)
    def _on_brushed(self, frames: np.ndarray) -> None:
        for plot in (self._plots.weights, self._plots.scatter, self._plots.check):
            if plot is not self._brushing:
                plot.set_brushed(frames)


def _columns(reading: ProjectReading) -> dict[str, tuple[np.ndarray, str]]:
    """What the scatter plot can put on its axes: name to values and unit."""
    fit, frames = reading.project.fit, reading.project.frames
    columns = {
        "frame": (np.arange(len(fit.weights), dtype=float), ""),
        "weight": (np.asarray(fit.weights, dtype=float), ""),
        "influence": (np.asarray(fit.influence, dtype=float), ""),
        "time": (np.asarray(frames.time, dtype=float), "ps"),
        "drift": (np.linalg.norm(frames.drift, axis=1), "Å"),
    }
    return {name: entry for name, entry in columns.items() if np.isfinite(entry[0]).any()}
