"""The composition root: builds models, runners, views and the window; nothing else constructs them."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from PySide6.QtCore import QObject, QSettings, QSize, QTimer, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from app.errors import ErrorRelay, start_logging
from app.models.force_field_model import ForceFieldModel
from app.models.minima import MinimaModel
from app.models.molecules import MoleculeModel
from app.models.samples import SamplesModel
from app.models.session import Session
from app.panels.log_panel import LogRelay
from app.panels.workbench import Plots
from app.plots.check_plot import CheckPlot
from app.plots.cluster_plot import ClusterPlot
from app.plots.convergence_plot import ConvergencePlot
from app.plots.feature_plot import FeaturePlot
from app.plots.force_field_agreement_plot import ForceFieldAgreementPlot
from app.plots.force_field_fit_plot import ForceFieldFitPlot
from app.plots.force_field_heat_plot import ForceFieldHeatPlot
from app.plots.minima_plot import MinimaPlot
from app.plots.sample_map_plot import SampleMapPlot
from app.plots.sample_path_plot import SamplePathPlot
from app.plots.sample_profile_plot import SampleProfilePlot
from app.plots.sample_training_plot import SampleTrainingPlot
from app.plots.sample_weights_plot import SampleWeightsPlot
from app.plots.scatter_plot import FrameScatter
from app.plots.selection_plot import SelectionPlot
from app.plots.sets_plot import SetsPlot
from app.plots.shell_plot import ShellPlot
from app.plots.slice_view import SliceTriptych
from app.plots.spectrum_plot import SpectrumPlot
from app.plots.theta_plot import ThetaPlot
from app.plots.validation_plot import ValidationPlot
from app.plots.weights_plot import WeightsPlot
from app.scenes.molecule_scene import MoleculeView
from app.settings import Settings
from app.window import MainWindow
from app.workers.job_runner import JobRunner
from mdweights_core.errors import MdweightsError

if TYPE_CHECKING:
    from mdweights_core.project import FitInputs

PICTURE_SIZE = QSize(1600, 1000)
QUIET_LOOKS = 10
KEEP_UNSAVED_S = 14 * 86400.0
ICON = Path(__file__).resolve().parents[1] / "resources" / "icons" / "mdweights.svg"


def main(argv: list[str], inputs: FitInputs | None = None) -> int:
    """Open the window and run until it is closed.

    Parameters
    ----------
    argv : list of str
        Files to open: map, frames, topology, or a .mdw project.
    inputs : FitInputs, optional
        A map and frames to start with.
    """
    application = make_application()
    start_logging()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python would see Ctrl+C only when the event loop comes back to it
    errors, lines = ErrorRelay(), LogRelay()
    restore_hook = errors.install()
    lines.install()
    scratch = make_scratch()
    window = build_window(scratch)
    errors.raised.connect(window.tell)
    lines.logged.connect(window.log_panel.add)
    ended: list[bool] = []
    window.closed.connect(ended.append)
    window.show()
    QTimer.singleShot(0, window.session.warm_up)
    _open(window, argv, inputs)
    code = application.exec()
    lines.remove()
    restore_hook()
    shutil.rmtree(scratch, ignore_errors=True)
    if ended == [False]:
        # XLA is still compiling on the fit's thread and cannot be interrupted; destroying a running QThread aborts.
        os._exit(code)
    return code


def make_application() -> QApplication:
    """The one application object, named for settings and the desktop."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    application = QApplication(["mdweights"])
    application.setApplicationName("mdweights")
    application.setDesktopFileName("mdweights")
    if ICON.is_file():
        application.setWindowIcon(QIcon(str(ICON)))
    return application


def make_scratch() -> Path:
    """A fresh folder in the user's cache for fits that are not saved yet."""
    parent = Path(platformdirs.user_cache_dir("mdweights", appauthor=False)) / "unsaved"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _clear_old(parent)
        return Path(tempfile.mkdtemp(dir=parent))
    except OSError:  # a home that cannot be written to: the system's temporary folder serves as well
        return Path(tempfile.mkdtemp(prefix="mdweights-"))


def _clear_old(parent: Path) -> None:
    """Remove what windows that ended badly left behind long ago."""
    for folder in parent.iterdir():
        if time.time() - folder.stat().st_mtime > KEEP_UNSAVED_S:
            shutil.rmtree(folder, ignore_errors=True)


def build_window(scratch: Path, settings: Settings | None = None) -> MainWindow:
    """Build the window and all it needs; nothing is shown and nothing is computed yet."""
    names = ("fit", "reader", "checker", "minimiser", "sampler", "force field")
    runners = fitter, reader, checker, minimiser, sampler, tuner = tuple(JobRunner(name) for name in names)
    session = Session(fitter, reader, checker, scratch)
    molecules = MoleculeModel(session, reader)
    minima = MinimaModel(session, minimiser, scratch)
    samples = SamplesModel(session, minima, sampler, scratch)
    force_field = ForceFieldModel(session, tuner, scratch)
    plots = Plots(
        slices=SliceTriptych(),
        weights=WeightsPlot(),
        convergence=ConvergencePlot(),
        shells=ShellPlot(),
        scatter=FrameScatter(),
        check=CheckPlot(),
        theta=ThetaPlot(),
        validation=ValidationPlot(),
        selection=SelectionPlot(),
        feature=FeaturePlot(),
        clusters=ClusterPlot(),
        sets=SetsPlot(),
        minima=MinimaPlot(),
        spectrum=SpectrumPlot(),
        mode_scatter=FrameScatter(),
        sample_training=SampleTrainingPlot(),
        sample_weights=SampleWeightsPlot(),
        sample_profile=SampleProfilePlot(),
        sample_map=SampleMapPlot(),
        sample_path=SamplePathPlot(),
        force_field_heat=ForceFieldHeatPlot(),
        force_field_agreement=ForceFieldAgreementPlot(),
        force_field_fit=ForceFieldFitPlot(),
    )
    models = (minima, samples, force_field)
    window = MainWindow(session, molecules, models, runners, plots, MoleculeView(), settings or Settings())
    for model in (*runners, session):
        model.setParent(window)
    return window


def _open(window: MainWindow, names: list[str], inputs: FitInputs | None) -> None:
    if inputs is not None:
        window.session.open_inputs(inputs)
    elif names:
        window.commands.open_paths([Path(name) for name in names])


def save_window_picture(project_path: Path, out: Path, theme: str = "light") -> None:
    """Open the real window on a finished project, wait until all of it is drawn, save it as a PNG and close it.

    Needs a display (a virtual one serves) and a process of its own.

    Parameters
    ----------
    project_path : Path
        Folder NAME.mdw.
    out : Path
        The PNG.
    theme : str
        ``light`` or ``dark``.
    """
    application = make_application()
    with tempfile.TemporaryDirectory(prefix="mdweights-") as folder:
        settings = Settings(QSettings(str(Path(folder) / "settings.ini"), QSettings.Format.IniFormat))
        window = build_window(Path(folder), settings)
        photographer = _Photographer(window, out)
        window.set_theme(theme)
        window.resize(PICTURE_SIZE)
        window.show()
        window.session.open_project(project_path)
        photographer.start()
        application.exec()
    if photographer.problem is not None:
        raise photographer.problem


class _Photographer(QObject):
    """Waits until nothing is read or drawn any more, takes the picture and closes the window."""

    def __init__(self, window: MainWindow, out: Path) -> None:
        super().__init__(window)
        self._window, self._out = window, out
        self._quiet = 0
        self.problem: Exception | None = None
        self._timer = QTimer(self, interval=100)
        self._timer.timeout.connect(self._look)
        window.session.failed.connect(self._on_failed)

    def start(self) -> None:
        """Begin to wait."""
        self._timer.start()

    @Slot()
    def _look(self) -> None:
        self._quiet = 0 if self._window.session.is_busy else self._quiet + 1
        if self._quiet >= QUIET_LOOKS:
            self._window.save_picture(self._out)
            self._end()

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        """A trajectory that moved away leaves a picture without molecules; without a project there is none."""
        if self._window.session.document.fitted is None:
            self.problem = error
            self._end()

    def _end(self) -> None:
        self._timer.stop()
        self._window.close()


def _from_command_line() -> int:
    parser = argparse.ArgumentParser(prog="python -m app.main", description="Open the mdweights window.")
    parser.add_argument("files", nargs="*", help="map, frames, topology, or a .mdw project")
    parser.add_argument("--picture", nargs=2, metavar=("PROJECT", "OUT"), help="save a picture of the window and quit")
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="of the picture")
    given = parser.parse_args()
    if given.picture:
        return _picture(Path(given.picture[0]), Path(given.picture[1]), given.theme)
    return main(given.files)


def _picture(project: Path, out: Path, theme: str) -> int:
    try:
        save_window_picture(project, out, theme)
    except MdweightsError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_from_command_line())
