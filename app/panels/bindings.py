"""What keeps the plots those of the document: slices, and the plots of the frames and of the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Slot

from app.models.readings import TOTAL, UNUSABLE, FramesReading, MapReading, ProjectReading, Volumes
from app.models.revisit import SELECT
from app.models.session import Session
from app.panels.workbench import WELCOME, Plots

if TYPE_CHECKING:
    from mdweights_core.jobs import Progress
    from mdweights_core.weights.selection.result import Selection
    from mdweights_core.weights.validation.result import Validation

FIRST_PLANE = ("hk", 0)
CURVES = ("cc", "cc_aniso", "cc_free", "cc_aniso_free")


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
        document.validation_changed.connect(self._on_validation)
        document.selection_changed.connect(self._on_frame_selection)
        fit.staged.connect(self._on_stage)
        session.revisit.running_changed.connect(self._on_revisit)
        for plot in plots.of_frames:
            plot.frame_selected.connect(selection.select)
            plot.frames_brushed.connect(self._on_plot_brushed)
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
        for plot in (self._plots.weights, self._plots.scatter, self._plots.mode_scatter):
            plot.set_marks(self._session.marks.values)

    @Slot(int)
    def _on_selected(self, frame: int) -> None:
        for plot in self._plots.of_frames:
            plot.set_selected(frame if frame >= 0 else None)

    @Slot(object)
    def _on_plot_brushed(self, frames: np.ndarray) -> None:
        """Take a brush; the plot it is drawn in is not told, or its brush would vanish under the user's hand."""
        self._brushing = self.sender()
        self._session.selection.set_brushed(frames)
        self._brushing = None

    @Slot(object)
    def _on_validation(self, validation: Validation | None) -> None:
        """Errors, influence, the scan of theta and the validation itself come with it, and leave with it."""
        fitted = self._session.document.fitted
        for plot in (self._plots.theta, self._plots.validation):
            plot.clear()
        if fitted is None:
            return
        fit = fitted.project.fit
        bootstrap = None if validation is None else validation.bootstrap
        self._plots.weights.set_errors(None if bootstrap is None else bootstrap.weight_error)
        self._plots.weights.set_influence(fit.influence)
        self._plots.scatter.set_columns(_columns(fitted))
        if validation is None:
            return
        self._plots.validation.set_validation(validation)
        if validation.theta_scan is not None:
            self._plots.theta.set_scan(validation.theta_scan, validation.score, fit.theta)

    @Slot(object)
    def _on_frame_selection(self, selection: Selection | None) -> None:
        self._plots.weights.set_kept(None if selection is None else selection.kept)

    @Slot(object)
    def _on_stage(self, progress: Progress) -> None:
        """Frames are seen to go while they are selected."""
        if "kept" in progress.arrays and self._session.revisit.running == SELECT:
            self._plots.weights.set_kept(progress.arrays["kept"])

    @Slot(str)
    def _on_revisit(self, name: str) -> None:
        """Of a selection that came to nothing no trace stays."""
        fitted = self._session.document.fitted
        if not name:
            self._on_frame_selection(None if fitted is None else fitted.project.selection)

    @Slot(object)
    def _on_brushed(self, frames: np.ndarray) -> None:
        for plot in self._plots.of_frames:
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
    validation = reading.project.validation
    if validation is not None:
        columns["change when left out"] = (np.asarray(validation.leave_one_out, dtype=float), "")
        if validation.bootstrap is not None:
            columns["error of weight"] = (np.asarray(validation.bootstrap.weight_error, dtype=float), "")
    return {name: entry for name, entry in columns.items() if np.isfinite(entry[0]).any()}
