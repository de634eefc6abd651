"""The middle of the window: slices above, plots of the frames and of the fit below, all bound to the models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QProxyStyle, QSplitter, QStyle, QStyleOption, QTabWidget, QVBoxLayout, QWidget

from app.models.force_field_model import ForceFieldModel
from app.models.minima import MinimaModel
from app.models.readings import ProjectReading
from app.models.samples import SamplesModel
from app.models.session import Session
from app.models.validity import Verdict
from app.panels.check_panel import CheckPanel
from app.panels.force_field_page import ForceFieldPage, ForceFieldPlots
from app.panels.meaning_panel import MeaningPanel
from app.panels.minima_page import MinimaPage
from app.panels.minima_tab import MinimaTab
from app.panels.modes_page import ModesPage
from app.panels.sample_page import SamplePage, SamplePlots
from app.panels.selection_panel import SelectionPanel

WELCOME = (
    "Drop a diffuse map (MTZ, CCP4, Lunus, mdx2) and the frames of a simulation here.\n\n"
    "To look around first: File, Open example (Ctrl+E)."
)
CHECK_TITLE = "Chec&k"
LIGHTS = {
    "held-out": "validation",
    "starts": "validation",
    "concentration": "weights",
    "theta": "theta",
    "time": "validation",
    "influence": "weights",
}
"""Which plot each light is read from."""

TAB_ROOM = 2  # pixels of a tab beside its title


@dataclass(frozen=True)
class Plots:
    """The views, made by the composition root; each has `clear` and `apply_theme`."""

    slices: Any
    weights: Any
    convergence: Any
    shells: Any
    scatter: Any
    check: Any
    theta: Any
    validation: Any
    selection: Any
    feature: Any
    clusters: Any
    sets: Any
    minima: Any
    spectrum: Any
    mode_scatter: Any
    sample_training: Any
    sample_weights: Any
    sample_profile: Any
    sample_map: Any
    sample_path: Any
    force_field_heat: Any
    force_field_agreement: Any
    force_field_fit: Any

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self, field.name) for field in fields(self)])

    @property
    def of_frames(self) -> tuple[Any, ...]:
        """Those in which frames are selected and brushed."""
        return self.weights, self.scatter, self.check, self.feature, self.mode_scatter

    @property
    def of_samples(self) -> SamplePlots:
        """Those of flow sampling."""
        return SamplePlots(
            self.sample_training, self.sample_weights, self.sample_profile, self.sample_map, self.sample_path
        )

    @property
    def of_force_field(self) -> ForceFieldPlots:
        """Those of parameters."""
        return ForceFieldPlots(self.force_field_heat, self.force_field_agreement, self.force_field_fit)


class _NarrowTabs(QProxyStyle):
    """Less room round the titles of tabs, so that all of them are seen on a screen of 1280 pixels."""

    def pixelMetric(
        self, metric: QStyle.PixelMetric, option: QStyleOption | None = None, widget: QWidget | None = None
    ) -> int:
        if metric == QStyle.PixelMetric.PM_TabBarTabHSpace:
            return TAB_ROOM
        return super().pixelMetric(metric, option, widget)


class Workbench(QWidget):
    """Lays the plots out: slices over tabs. Before a fit the check of the frames is in front, then the weights."""

    def __init__(
        self,
        session: Session,
        minima: MinimaModel,
        samples: SamplesModel,
        force_field: ForceFieldModel,
        plots: Plots,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._check, self._plots = session.check, plots
        self.check_panel = CheckPanel(session, plots.check)
        self.selection_panel = SelectionPanel(session, plots.selection)
        self.meaning_panel = MeaningPanel(session, plots.feature, plots.clusters, plots.sets)
        self.minima_page = MinimaPage(minima, plots.minima)
        self.modes_page = ModesPage(minima, plots.spectrum, plots.mode_scatter)
        self.minima_tab = MinimaTab(self.minima_page, self.modes_page)
        self.sample_page = SamplePage(samples, plots.of_samples)
        self.force_field_page = ForceFieldPage(force_field, plots.of_force_field)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        style = _NarrowTabs("Fusion")
        style.setParent(self.tabs)
        self.tabs.tabBar().setStyle(style)
        for widget, title in (
            (self.check_panel, CHECK_TITLE),
            (plots.weights, "&Weights"),
            (plots.convergence, "&Convergence"),
            (plots.shells, "S&hells"),
            (plots.scatter, "Sca&tter"),
            (plots.validation, "Va&lidation"),
            (plots.theta, "Thet&a"),
            (self.selection_panel, "Selecti&on"),
            (self.meaning_panel, "Meani&ng"),
            (self.minima_tab, "Mini&ma"),
            (self.sample_page, "Sam&ples"),
            (self.force_field_page, "For&ce"),
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
        minima.started.connect(self._on_minimise)
        samples.started.connect(self._on_sample)
        force_field.started.connect(self._on_force_field)
        force_field.loaded_changed.connect(self._on_force_field)
        session.check.changed.connect(self._on_check)
        session.fit.running_changed.connect(self._on_running)
        session.document.project_changed.connect(self._on_project)

    @Slot()
    def show_check(self) -> None:
        """Bring the check of the frames to the front."""
        self.tabs.setCurrentWidget(self.check_panel)

    @Slot()
    def show_selection(self) -> None:
        """Bring the selection of frames to the front."""
        self.tabs.setCurrentWidget(self.selection_panel)

    @Slot(object)
    def _on_minimise(self, request: object) -> None:
        self.tabs.setCurrentWidget(self.minima_tab)
        self.minima_tab.show_minima()

    @Slot(object)
    def _on_sample(self, request: object) -> None:
        self.tabs.setCurrentWidget(self.sample_page)

    @Slot(object)
    def _on_force_field(self, what: object) -> None:
        self.tabs.setCurrentWidget(self.force_field_page)

    @Slot(str)
    def show_light(self, name: str) -> None:
        """Bring the plot to the front that a light is read from; nothing for lights without one."""
        plot = LIGHTS.get(name)
        if plot is not None:
            self.tabs.setCurrentWidget(getattr(self._plots, plot))
        if name == "influence":
            self._plots.weights.show_influence()

    def _show_weights(self) -> None:
        """A fit is what is looked at now, but for a plot that was chosen."""
        if self.tabs.currentWidget() is self.check_panel:
            self.tabs.setCurrentWidget(self._plots.weights)

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
