"""The main window: what lies where, what may be dropped on it, and how it closes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent, QShowEvent, QUndoStack
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QMainWindow,
    QMenu,
    QMessageBox,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from app.commands.window_commands import WindowCommands
from app.dialogs.fault import FaultDialog
from app.dialogs.scattering import ScatteringDialog
from app.errors import Told, told
from app.models.document import Draft
from app.models.molecules import MoleculeModel
from app.models.session import STOPPABLE, Session
from app.panels.banner import Banner
from app.panels.belief import BeliefStrip
from app.panels.bindings import PlotBinding, SliceBinding
from app.panels.data_panel import DataPanel
from app.panels.fit_panel import FitPanel
from app.panels.forms import ElidedLabel
from app.panels.frames_panel import FramesPanel
from app.panels.log_panel import LogPanel
from app.panels.molecule_panel import MoleculePanel
from app.panels.status import JobStatus
from app.panels.workbench import Plots, Workbench
from app.settings import LAYOUT_VERSION, Settings
from app.shortcuts import make_actions
from app.theme import DARK, LIGHT, apply_theme, paint_dock_buttons, system_theme
from app.workers.job_runner import JobRunner
from mdweights_core.errors import DiskProblem
from mdweights_core.jobs import Progress
from mdweights_core.scattering.settings import Execution

LEFT, RIGHT, BOTTOM = (
    Qt.DockWidgetArea.LeftDockWidgetArea,
    Qt.DockWidgetArea.RightDockWidgetArea,
    Qt.DockWidgetArea.BottomDockWidgetArea,
)
MENUS = {
    "file": "&File",
    "edit": "&Edit",
    "frames": "F&rames",
    "fit": "F&it",
    "view": "&View",
    "help": "&Help",
}
DEFAULT_SIZE = QSize(1480, 900)


class MainWindow(QMainWindow):
    """Docks round the workbench, menus from the table of actions, and the two job runners' fate.

    Parameters
    ----------
    session : Session
    molecules : MoleculeModel
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
        runners: Sequence[JobRunner],
        plots: Plots,
        molecule_view: Any,
        settings: Settings,
    ) -> None:
        super().__init__()
        self.session, self.settings, self.runners, self.plots = session, settings, tuple(runners), plots
        self.molecule_view = molecule_view
        self.undo_stack = QUndoStack(self)
        self._closes_after_save = False
        self.banner, self.belief, self.job_status = Banner(), BeliefStrip(session), JobStatus()
        self.message = ElidedLabel()
        self.workbench = Workbench(session, plots)
        self.data_panel, self.fit_panel = DataPanel(session), FitPanel(session)
        self.frames_panel, self.log_panel = FramesPanel(session), LogPanel()
        self.molecule_panel = MoleculePanel(session, molecules, molecule_view)
        self._bindings = (SliceBinding(session, plots.slices, self), PlotBinding(session, plots, self))
        session.set_execution(settings.execution)
        self.scattering = ScatteringDialog(session, self)
        self.commands = WindowCommands(self, session, self.fit_panel, self.undo_stack, settings)
        self._lay_out()
        self._make_menus()
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
        self._share_space()

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
            self.belief,
            self.molecule_view,
        ):
            view.apply_theme(theme)
        for dock in self.docks.values():
            paint_dock_buttons(dock, theme)
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
        self.docks = {
            "data": self._dock("Data", self.data_panel, LEFT),
            "fit": self._dock("Fit", self.fit_panel, LEFT),
            "molecule": self._dock("Molecule", self.molecule_panel, RIGHT),
            "frames": self._dock("Frames", self.frames_panel, RIGHT),
            "log": self._dock("Log", self.log_panel, BOTTOM),
        }
        self.docks["log"].hide()
        self._place_belief()
        self.statusBar().addWidget(self.message, 1)
        self.statusBar().addPermanentWidget(self.job_status)

    def _place_belief(self) -> None:
        """Under all docks, over the status bar, where it cannot be moved away."""
        bar = QToolBar("Whether to believe the weights", self)
        bar.setObjectName("belief")
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        bar.toggleViewAction().setVisible(False)
        bar.addWidget(self.belief)
        self.addToolBar(Qt.ToolBarArea.BottomToolBarArea, bar)

    def _dock(self, title: str, widget: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(title.lower())
        dock.setWidget(widget)
        self.addDockWidget(area, dock)
        return dock

    def _make_menus(self) -> None:
        specs = self.commands.table(self)
        self.actions_by_id = make_actions(specs, self)
        self._needs_fit = [self.actions_by_id[spec.id] for spec in specs if spec.needs_fit]
        menus = {group: self.menuBar().addMenu(title) for group, title in MENUS.items()}
        self.recent_menu, export_menu = QMenu("Open &recent", self), QMenu("&Export", self)
        for spec in specs:
            menu = export_menu if spec.group == "export" else menus[spec.group]
            menu.addAction(self.actions_by_id[spec.id])
        self._place(menus["file"], self.recent_menu, "file.save")
        self._place(menus["file"], export_menu, "file.quit")
        for dock in self.docks.values():
            menus["view"].insertAction(self.actions_by_id["view.reset"], dock.toggleViewAction())
        menus["view"].insertSeparator(self.actions_by_id["view.reset"])
        self.recent_menu.aboutToShow.connect(self._fill_recent)
        self._refresh_actions()

    def _place(self, menu: QMenu, inner: QMenu, before: str) -> None:
        menu.insertMenu(self.actions_by_id[before], inner)
        menu.insertSeparator(self.actions_by_id[before])

    def _connect(self) -> None:
        session, document = self.session, self.session.document
        session.failed.connect(self.tell)
        session.said.connect(self._say)
        session.project_opened.connect(self._on_project_path)
        session.marks.marks_changed.connect(self._on_marks)
        document.title_changed.connect(self._on_title)
        document.project_changed.connect(self._on_project)
        session.fit.running_changed.connect(self._refresh_actions)
        session.revisit.running_changed.connect(self._refresh_actions)
        session.fit.running_changed.connect(self._on_running)
        session.fit.stopping.connect(self.job_status.show_stopping)
        document.draft_changed.connect(self._refresh_actions)
        document.selection_changed.connect(self._refresh_actions)
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
        self.data_panel.failed.connect(self.tell)
        self.data_panel.map_requested.connect(self.commands.open_map)
        self.data_panel.frames_requested.connect(self.commands.open_frames)
        self.data_panel.topology_requested.connect(self.commands.open_topology)
        self.data_panel.settings_requested.connect(self.show_scattering)
        self.data_panel.check_requested.connect(self.check_frames)
        self.scattering.bragg_requested.connect(self.commands.fit_solvent)
        session.execution_changed.connect(self._on_execution)
        self.job_status.stop_requested.connect(self._on_stop)
        fitter, *others = self.runners
        fitter.job_started.connect(self._on_job_started)
        fitter.progressed.connect(self.job_status.advance)
        for runner in others:
            runner.job_started.connect(self._on_side_job_started)
            runner.progressed.connect(self._on_side_progress)
        for runner in self.runners:
            runner.busy_changed.connect(self._on_busy)

    def _restore(self) -> None:
        self._on_title(self.session.document.title)
        self.resize(DEFAULT_SIZE.boundedTo(self.screen().availableSize()))
        self._first_layout = self.saveState(LAYOUT_VERSION)
        self._needs_space = not self.settings.restore_layout(self)
        self._apply_theme({"light": LIGHT, "dark": DARK}.get(self.settings.theme or "") or system_theme())

    def _share_space(self) -> None:
        left, right = [self.docks["data"], self.docks["fit"]], [self.docks["molecule"], self.docks["frames"]]
        widths = [min(310, self.width() // 4), min(400, self.width() * 27 // 100)]
        self.resizeDocks([left[0], right[0]], widths, Qt.Orientation.Horizontal)
        self.resizeDocks(left, [400, 460], Qt.Orientation.Vertical)
        self.resizeDocks(right, [420, 360], Qt.Orientation.Vertical)

    # ---- what happens

    @Slot(str)
    def _on_title(self, title: str) -> None:
        self.setWindowTitle(f"{title} \N{EN DASH} mdweights")
        if self._closes_after_save and not self.session.document.is_unsaved:
            QTimer.singleShot(0, self.close)

    @Slot(bool)
    def _on_running(self, running: bool) -> None:
        """What was said of the fit before is no longer the news."""
        if running:
            self.message.show_text("")

    @Slot(float)
    def _on_theta(self, theta: float) -> None:
        self.fit_panel.offer_theta(theta)
        self._say(f"Theta {theta:.3g} is set for the next fit")

    @Slot(object)
    def _on_project(self, reading: object) -> None:
        self.undo_stack.clear()
        self._refresh_actions()

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

    @Slot()
    def _refresh_actions(self) -> None:
        session = self.session
        for action in self._needs_fit:
            action.setEnabled(session.document.fitted is not None)
        running = session.fit.is_running
        free = session.document.fitted is not None and not running and not session.revisit.running
        for name in ("file.rerun", "fit.validate", "fit.explain", "fit.select"):
            self.actions_by_id[name].setEnabled(free)
        has_selection = session.document.fitted is not None and session.document.fitted.project.selection is not None
        for name in ("export.selection.csv", "export.selection.ndx"):
            self.actions_by_id[name].setEnabled(has_selection)
        self.actions_by_id["fit.start"].setEnabled(not running and session.document.draft.is_complete)
        self.actions_by_id["fit.resume"].setEnabled(not running and session.document.can_resume)
        self.actions_by_id["fit.stop"].setEnabled(running or bool(session.revisit.running))
        self.actions_by_id["frames.check"].setEnabled(session.document.draft.is_complete)

    @Slot(str)
    def _on_job_started(self, name: str) -> None:
        self.job_status.start(name)
        self.job_status.stop_button.setVisible(self.session.fit.is_running or name in STOPPABLE)

    @Slot(str)
    def _on_side_job_started(self, name: str) -> None:
        """Where a fit runs its progress is what is shown."""
        if not self.runners[0].is_busy:
            self._on_job_started(name)

    @Slot(object)
    def _on_side_progress(self, progress: Progress) -> None:
        if not self.runners[0].is_busy:
            self.job_status.advance(progress)

    @Slot(object)
    def _on_execution(self, execution: Execution) -> None:
        self.settings.execution = execution

    @Slot(bool)
    def _on_busy(self, busy: bool) -> None:
        running = [runner.current for runner in self.runners if runner.current is not None]
        if not running:
            self.job_status.end()
        elif not busy and not self.runners[0].is_busy:  # what went on beside the fit comes to the front
            self._on_job_started(running[0])

    @Slot()
    def _on_stop(self) -> None:
        self.commands.stop()

    @Slot()
    def _fill_recent(self) -> None:
        self.recent_menu.clear()
        for path in self.settings.recent:
            action = QAction(path.name, self.recent_menu)
            action.setToolTip(str(path))
            action.triggered.connect(_opener(self.commands.open_paths, path))
            self.recent_menu.addAction(action)
        if self.recent_menu.isEmpty():
            self.recent_menu.addAction("Nothing opened yet").setEnabled(False)

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
            self._share_space()

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
        if self._closes_after_save or not (document.is_unsaved or self.session.fit.is_running):
            return True
        buttons = QMessageBox.StandardButton
        if not document.is_unsaved:
            answer = QMessageBox.question(self, "mdweights", "A fit is running. Stop it and close?")
            return answer == buttons.Yes
        text = "The fit is not saved."
        if self.session.fit.is_running:
            text = "The last fit is not saved, and another is running: it will be stopped."
        answer = QMessageBox.question(
            self, "mdweights", text, buttons.Save | buttons.Discard | buttons.Cancel, buttons.Save
        )
        if answer == buttons.Save:
            self._closes_after_save = self.commands.save()
        return answer == buttons.Discard


def _local_paths(urls: Sequence[QUrl]) -> list[Path]:
    return [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]


def _opener(open_paths: Callable[[Sequence[Path]], None], path: Path) -> Callable[[], None]:
    def call() -> None:
        open_paths([path])

    return call
