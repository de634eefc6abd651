"""The main window: puts panels, docks and menus together, and says what may be dropped on it and how it closes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent, QShowEvent, QUndoStack
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QMainWindow,
    QMessageBox,
    QVBoxLayout,
    QWidget,
)

from app.commands.force_field_commands import ForceFieldCommands
from app.commands.minima_commands import MinimaCommands
from app.commands.sample_commands import SampleCommands
from app.commands.window_commands import WindowCommands
from app.dialogs.fault import FaultDialog
from app.dialogs.scattering import ScatteringDialog
from app.docks import Docks
from app.errors import Told, told
from app.menus import Menus
from app.models.document import Draft
from app.models.force_field_model import ForceFieldModel
from app.models.minima import MinimaModel
from app.models.molecules import MoleculeModel
from app.models.samples import SamplesModel
from app.models.session import Session
from app.panels.banner import Banner
from app.panels.belief import BeliefStrip
from app.panels.bindings import PlotBinding, SliceBinding
from app.panels.data_panel import DataPanel
from app.panels.fit_panel import FitPanel
from app.panels.force_field_panel import ForceFieldPanel
from app.panels.forms import ElidedLabel
from app.panels.frames_panel import FramesPanel
from app.panels.log_panel import LogPanel
from app.panels.minimise_panel import MinimisePanel
from app.panels.mode_swing import ModeSwing
from app.panels.molecule_guest import MoleculeGuest
from app.panels.molecule_panel import MoleculePanel
from app.panels.sample_panel import SamplePanel
from app.panels.sample_show import SampleShow
from app.panels.status import JobStatus, StatusBinding
from app.panels.workbench import Plots, Workbench
from app.settings import LAYOUT_VERSION, Settings
from app.theme import DARK, LIGHT, apply_theme, system_theme
from app.workers.job_runner import JobRunner
from mdweights_core.errors import DiskProblem
from mdweights_core.scattering.settings import Execution

DEFAULT_SIZE = QSize(1480, 900)


class MainWindow(QMainWindow):
    """Docks round the workbench, menus from the table of actions, and the two job runners' fate.

    Parameters
    ----------
    session : Session
    molecules : MoleculeModel
    engines : (MinimaModel, SamplesModel, ForceFieldModel)
    runners : sequence of JobRunner
        Shown in the status bar while busy, before all others the first, which fits; ended when the window closes.
    plots : Plots
    molecule_view : QWidget
    settings : Settings
    """

    closed = Signal(bool)

    def __init__(
        self,
        session: Session,
        molecules: MoleculeModel,
        engines: tuple[MinimaModel, SamplesModel, ForceFieldModel],
        runners: Sequence[JobRunner],
        plots: Plots,
        molecule_view: Any,
        settings: Settings,
    ) -> None:
        super().__init__()
        self.session, self.settings, self.runners, self.plots = session, settings, tuple(runners), plots
        minima, samples, force_field = self.engines = engines
        self.molecule_view, self.minima, self.samples, self.force_field = molecule_view, minima, samples, force_field
        self.undo_stack = QUndoStack(self)
        self._closes_after_save = False
        self.banner, self.belief, self.job_status = Banner(), BeliefStrip(session), JobStatus()
        self.message = ElidedLabel()
        self.workbench = Workbench(session, minima, samples, force_field, plots)
        self.data_panel, self.fit_panel = DataPanel(session), FitPanel(session)
        self.frames_panel, self.log_panel = FramesPanel(session), LogPanel()
        self.molecule_panel = MoleculePanel(session, molecules, molecule_view)
        self.minimise_panel, self.sample_panel = MinimisePanel(session, minima), SamplePanel(session, samples)
        self.force_field_panel = ForceFieldPanel(session, force_field)
        self.guest = MoleculeGuest(self.molecule_panel, minima, self)
        self.sample_show = SampleShow(samples, self.guest, self)
        self.workbench.modes_page.set_swing(ModeSwing(self.guest, self))
        self._bindings = (
            SliceBinding(session, plots.slices, self),
            PlotBinding(session, plots, self),
            StatusBinding(session, self.runners, self.job_status, self),
        )
        session.set_execution(settings.execution)
        self.scattering = ScatteringDialog(session, self)
        self.commands = WindowCommands(self, session, self.fit_panel, self.undo_stack, settings)
        self.minima_commands = MinimaCommands(self, session, minima, self.commands.may_discard, settings)
        self.sample_commands = SampleCommands(self, session, samples, self.commands.may_discard, settings)
        may_discard = self.commands.may_discard
        self.force_field_commands = ForceFieldCommands(self, session, force_field, may_discard, settings)
        self._lay_out()
        self.menus = Menus(self, session, self.commands.table(self), settings, self.commands.open_paths)
        self.menus.add_views(dock.toggleViewAction() for dock in self.docks.by_name.values())
        self._connect()
        self._restore()

    # ---- looks

    def set_theme(self, name: str) -> None:
        """Show the window in the ``light`` or ``dark`` theme and remember it."""
        self.settings.theme = name
        self._apply_theme(DARK if name == "dark" else LIGHT)

    def reset_layout(self) -> None:
        """Put all docks where they are at the first start."""
        self.restoreState(self._first_layout, LAYOUT_VERSION)
        self.docks.share_space()

    @Slot()
    def show_scattering(self) -> None:
        """Show the less common settings of structure factors."""
        self.scattering.open_form()

    @Slot()
    def check_frames(self) -> None:
        """Look at the frames anew and show what is seen."""
        self.workbench.show_check()
        self.session.inputs.check_frames()

    @Slot()
    def show_minimise(self) -> None:
        """Show what is to be minimised, and how."""
        self.docks.by_name["minimise"].show()
        self.docks.by_name["minimise"].raise_()

    @Slot()
    def show_sample(self) -> None:
        """Show what is to be sampled, and how."""
        self.docks.by_name["sample"].show()
        self.docks.by_name["sample"].raise_()

    @Slot()
    def show_force_field(self) -> None:
        """Show whose parameters are looked at, and how."""
        self.docks.by_name["force field"].show()
        self.docks.by_name["force field"].raise_()

    @Slot()
    def select_frames(self) -> None:
        """Select frames as the Selection tab says, and show it."""
        self.workbench.show_selection()
        self.workbench.selection_panel.select()

    def save_picture(self, path: Path) -> None:
        """Write what the window shows as a PNG, the 3D view included."""
        if not self.grab().save(str(path), "PNG"):
            self.tell(DiskProblem("The picture could not be written", where=path, advice="Choose another folder"))

    def _apply_theme(self, theme: Any) -> None:
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        apply_theme(application, theme)
        for view in (
            *self.plots,
            self.workbench.check_panel,
            self.workbench.selection_panel,
            self.workbench.sample_page,
            self.workbench.force_field_page,
            self.belief,
            self.molecule_view,
        ):
            view.apply_theme(theme)
        self.docks.apply_theme(theme)
        self.banner.setStyleSheet(f"Banner {{ border: 1px solid {theme.warning}; background: {theme.base}; }}")

    # ---- errors and messages

    @Slot(object)
    def tell(self, error: BaseException) -> None:
        """Tell the user an error: a sentence in the banner; a fault of the program in a dialog too."""
        words = told(error)
        self.banner.tell(words)
        self.log_panel.add(f"error: {words.where} {words.what}".replace("  ", " "))
        if words.is_fault:
            self._show_fault(words)

    @Slot(object)
    def _show_fault(self, words: Told) -> None:
        FaultDialog(words, self).show()

    @Slot(str)
    def _say(self, message: str) -> None:
        self.message.show_text(message)
        self.log_panel.add(message)

    # ---- building

    def _lay_out(self) -> None:
        centre = QWidget()
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.banner)
        layout.addWidget(self.workbench, 1)
        self.setCentralWidget(centre)
        self.setDockNestingEnabled(True)
        self.setAcceptDrops(True)
        self.setMinimumSize(960, 600)
        self.docks = Docks(
            self,
            data=self.data_panel,
            fit=self.fit_panel,
            minimise=self.minimise_panel,
            sample=self.sample_panel,
            force_field=self.force_field_panel,
            molecule=self.molecule_panel,
            frames=self.frames_panel,
            log=self.log_panel,
            belief=self.belief,
        )
        self.statusBar().addWidget(self.message, 1)
        self.statusBar().addPermanentWidget(self.job_status)

    def _connect(self) -> None:
        session, document = self.session, self.session.document
        session.failed.connect(self.tell)
        session.said.connect(self._say)
        session.project_opened.connect(self._on_project_path)
        session.marks.marks_changed.connect(self._on_marks)
        document.title_changed.connect(self._on_title)
        document.project_changed.connect(self._on_project)
        for model in (session.fit, session.revisit):
            model.running_changed.connect(self._on_running)
        document.draft_changed.connect(self._on_draft)
        self.banner.details_requested.connect(self._show_fault)
        self.fit_panel.started.connect(self.banner.hide)
        self.fit_panel.prior_requested.connect(self.commands.open_prior)
        self.fit_panel.bragg_requested.connect(self.commands.open_bragg)
        self.belief.light_clicked.connect(self.workbench.show_light)
        self.belief.validate_requested.connect(self.fit_panel.validate)
        self.plots.theta.theta_chosen.connect(self._on_theta)
        self.workbench.meaning_panel.energies_requested.connect(self.commands.open_energies)
        self.workbench.selection_panel.started.connect(self.banner.hide)
        self.workbench.selection_panel.marks_requested.connect(self.commands.mark_selection)
        self.workbench.selection_panel.fit_requested.connect(self.commands.fit_only)
        self.data_panel.failed.connect(self.tell)
        self.data_panel.map_requested.connect(self.commands.open_map)
        self.data_panel.frames_requested.connect(self.commands.open_frames)
        self.data_panel.topology_requested.connect(self.commands.open_topology)
        self.data_panel.settings_requested.connect(self.show_scattering)
        self.data_panel.check_requested.connect(self.check_frames)
        self.scattering.bragg_requested.connect(self.commands.fit_solvent)
        session.execution_changed.connect(self._on_execution)
        self.job_status.stop_requested.connect(self._on_stop)
        self._connect_engines()

    def _connect_engines(self) -> None:
        panels = (self.minimise_panel, self.sample_panel, self.force_field_panel)
        for model, panel in zip(self.engines, panels, strict=True):
            model.failed.connect(self.tell)
            model.said.connect(self._say)
            self.job_status.stop_requested.connect(model.stop)
            panel.started.connect(self.banner.hide)
        bench = self.workbench
        self.minima_commands.serve(self.minimise_panel, bench.minima_page)
        self.sample_commands.serve(self.sample_panel, bench.sample_page)
        self.force_field_commands.serve(self.force_field_panel, bench.force_field_page)
        bench.minima_page.overlay_requested.connect(self.guest.show_overlay)
        bench.sample_page.draw_chosen.connect(self.sample_show.show_draw)
        bench.sample_page.place_changed.connect(self.sample_show.show_place)

    def _restore(self) -> None:
        self._on_title(self.session.document.title)
        self.resize(DEFAULT_SIZE.boundedTo(self.screen().availableSize()))
        self._first_layout = self.saveState(LAYOUT_VERSION)
        self._needs_space = not self.settings.restore_layout(self)
        self._apply_theme({"light": LIGHT, "dark": DARK}.get(self.settings.theme or "") or system_theme())

    # ---- what happens

    @Slot(str)
    def _on_title(self, title: str) -> None:
        self.setWindowTitle(f"{title} \N{EN DASH} mdweights")
        if self._closes_after_save and not self.session.document.is_unsaved:
            QTimer.singleShot(0, self.close)

    @Slot(object)
    def _on_running(self, running: bool | str) -> None:
        """What was said before is no longer the news."""
        if running:
            self.message.show_text("")

    @Slot(float)
    def _on_theta(self, theta: float) -> None:
        self.fit_panel.offer_theta(theta)
        self._say(f"Theta {theta:.3g} is set for the next fit")

    @Slot(object)
    def _on_project(self, reading: object) -> None:
        self.undo_stack.clear()

    @Slot(object)
    def _on_project_path(self, path: Path) -> None:
        self.settings.add_recent([path])

    @Slot(object)
    def _on_marks(self, frames: object) -> None:
        if self.session.document.saved_path is not None:
            self.session.save_marks()

    @Slot(object)
    def _on_draft(self, draft: Draft) -> None:
        """What was said of a former document is no longer the news in a new one."""
        if draft == Draft():
            self.banner.hide()
            self.message.show_text("")

    @Slot(object)
    def _on_execution(self, execution: Execution) -> None:
        self.settings.execution = execution

    @Slot()
    def _on_stop(self) -> None:
        self.commands.stop()

    # ---- events

    def event(self, event: QEvent) -> bool:
        """Leave plain keys to the field or button that has the focus: Space presses it, letters choose in it."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier)
            if (
                plain
                and event.text()
                and isinstance(self.focusWidget(), QAbstractButton | QComboBox | QAbstractSpinBox)
            ):
                event.accept()
                return True
        return super().event(event)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._needs_space:  # sizes of docks are not kept before the window has its own
            self._needs_space = False
            self.docks.share_space()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _local_paths(event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = _local_paths(event.mimeData().urls())
        if paths:
            event.acceptProposedAction()
            self.commands.open_paths(paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._may_close():
            event.ignore()
            return
        self.session.save_marks()
        self.settings.save_layout(self)
        self.molecule_view.close_scene()
        ended = [runner.shutdown() for runner in self.runners]
        event.accept()
        self.closed.emit(all(ended))

    def _may_close(self) -> bool:
        document = self.session.document
        working = self.session.working or next((it.working for it in self.engines if it.working), "")
        if self._closes_after_save or not (document.is_unsaved or working):
            return True
        buttons = QMessageBox.StandardButton
        if not document.is_unsaved:
            answer = QMessageBox.question(self, "mdweights", f"{working} Stop it and close?")
            return answer == buttons.Yes
        text = f"The fit is not saved. {working} It will be stopped." if working else "The fit is not saved."
        if self.session.fit.hides_another:
            text = "The last fit is not saved, and another is running: it will be stopped."
        answer = QMessageBox.question(
            self, "mdweights", text, buttons.Save | buttons.Discard | buttons.Cancel, buttons.Save
        )
        if answer == buttons.Save:
            self._closes_after_save = self.commands.save()
        return answer == buttons.Discard


def _local_paths(urls: Sequence[QUrl]) -> list[Path]:
    return [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
