"""Stand-ins for what is slow: a runner that works at once, and a fit without data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gemmi
import numpy as np
from PySide6.QtCore import QObject, Signal

from app.models.readings import FramesReading, ProjectReading, Volumes
from app.window import MainWindow
from mdweights_core import jobs
from mdweights_core.errors import MdweightsError
from mdweights_core.jobs import Progress
from mdweights_core.lights import Light
from mdweights_core.meaning.result import Clusters, Feature, Meaning, SetComparison, States
from mdweights_core.meaning.settings import MeaningSettings
from mdweights_core.project import FitInputs
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.selection.result import Selection
from mdweights_core.weights.selection.settings import SelectionSettings
from mdweights_core.weights.settings import FitSettings, ValidationSettings
from mdweights_core.weights.validation.result import Bootstrap, Folds, Restarts, ThetaScan, Validation

INPUTS = FitInputs(map=Path("map.mtz"), frames=(Path("run.xtc"),), topology=Path("run.pdb"), d_min=2.0)
"""Of files that are only named."""


class InstantRunner(QObject):
    """Runs each job as it is submitted; `hold` keeps them until `release`."""

    job_started = Signal(str)
    progressed = Signal(object)
    finished = Signal(str, object, bool)
    failed = Signal(str, object)
    busy_changed = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.held: list[tuple[str, Callable[[], Any]]] | None = None
        self.names: list[str] = []
        self.stops: list[str | None] = []

    @property
    def is_busy(self) -> bool:
        return bool(self.held)

    def hold(self) -> None:
        self.held = []

    def release(self) -> None:
        held, self.held = self.held or [], None
        for name, factory in held:
            self.submit(name, factory)

    def submit(self, name: str, factory: Callable[[], Any]) -> None:
        if self.held is not None:
            self.held.append((name, factory))
            return
        self.names.append(name)
        try:
            result = jobs.run(factory(), self.progressed.emit)
        except MdweightsError as error:
            self.failed.emit(name, error)
        else:
            self.finished.emit(name, result, False)

    def stop(self, name: str | None = None) -> None:
        self.stops.append(name)


def a_fit(n_frames: int = 6, **changes: Any) -> Any:
    """What a `WeightFit` tells the panels."""
    shells = SimpleNamespace(
        d_max=np.array([9.0, 3.0]),
        d_min=np.array([3.0, 2.0]),
        n=np.array([50, 60]),
        n_free=np.array([5, 6]),
        cc_aniso=np.array([0.9, 0.5]),
        cc_aniso_free=np.array([0.8, 0.4]),
    )
    weights = np.arange(1, n_frames + 1, dtype=float)
    fields: dict[str, Any] = {
        "weights": weights / weights.sum(),
        "prior": np.full(n_frames, 1.0 / n_frames),
        "theta": 0.25,
        "influence": np.linspace(0.0, 1.0, n_frames),
        "scores": SimpleNamespace(cc=0.9, cc_aniso=0.7, cc_free=0.88, cc_aniso_free=0.6, shells=shells),
        "uniform": SimpleNamespace(cc=0.8, cc_aniso=0.5, cc_free=0.78, cc_aniso_free=0.4, shells=shells),
        "n_eff": 5.5,
        "n_eff_entropy": 5.8,
        "n_active": n_frames,
        "kkt_residual": 1e-6,
        "iterations": 4,
        "seconds": 1.5,
        "converged": True,
        "stopped": False,
        "outcome": "Converged after 4 iterations.",
        "warnings": (),
        "history": {key: np.array([0.0, 1.0]) for key in ("step", "seconds", "cc", "cc_aniso", "cc_free", "n_eff")},
    }
    return SimpleNamespace(**{**fields, **changes})


def a_project(
    path: Path,
    inputs: Any = None,
    n_frames: int = 6,
    *,
    validation: Validation | None = None,
    meaning: Meaning | None = None,
    selection: Selection | None = None,
    **changes: Any,
) -> ProjectReading:
    """A finished fit as the window gets it."""
    frames = SimpleNamespace(
        source=("/data/run.xtc",) * n_frames,
        index=np.arange(n_frames),
        time=np.arange(n_frames) * 2.0,
        drift=np.zeros((n_frames, 3)),
        cell=np.zeros((n_frames, 6)),
    )
    project = SimpleNamespace(
        path=path,
        inputs=inputs,
        predict_settings=PredictSettings(b_iso=12.5),
        fit_settings=FitSettings(theta=0.25),
        fit=a_fit(n_frames, **changes),
        frames=frames,
        validation=validation,
        meaning=meaning,
        selection=selection,
    )
    return ProjectReading(project, Volumes({}))  # type: ignore[arg-type]


def some_frames(n_frames: int = 6) -> FramesReading:
    """Frames without molecules."""
    names = tuple(f"f_{frame}.mtz" for frame in range(n_frames))
    return FramesReading("reflection files", names, cell=gemmi.UnitCell(20, 30, 40, 90, 90, 90))


def a_validation(n_frames: int = 6, **changes: Any) -> Validation:
    """A fit that is to be believed with care: one light of each state, and two good ones."""
    rng = np.random.default_rng(1)
    theta = np.geomspace(1e-3, 1e2, 6)
    held_out = np.array([0.55, 0.58, 0.61, 0.60, 0.52, 0.45])
    samples = np.full((4, n_frames), 1.0 / n_frames)
    samples[0, 0] = np.nan
    fields: dict[str, Any] = {
        "settings": ValidationSettings(folds=3, starts=4, thetas=6, samples=4),
        "score": "cc_aniso",
        "folds": Folds(np.array([0.6, 0.62, 0.58]), np.array([0.45, 0.44, 0.46]), samples[:3], 0.93),
        "restarts": Restarts(np.array([0.7, 0.7, 0.69, 0.7]), np.array([0.99, 0.98, 0.91, 0.99]), samples),
        "theta_scan": ThetaScan(
            theta,
            np.array([1.2, 1.0, 0.7, 0.3, 0.05, 0.001]),
            np.array([0.72, 0.71, 0.69, 0.63, 0.54, 0.46]),
            held_out,
            np.full(6, 0.02),
            np.array([1.5, 2.0, 3.0, 4.5, 5.8, 6.0]),
            3,
            0.45,
            np.tile(held_out[:, None], 3),
        ),
        "bootstrap": Bootstrap(
            2,
            1.5,
            np.linspace(0.01, 0.03, n_frames),
            0.6 + 0.02 * rng.standard_normal(4),
            np.array([3.0, 3.5, 4.0, 2.5]),
            samples,
            0.45 + 0.02 * rng.standard_normal(4),
        ),
        "influence": np.linspace(-0.01, 0.02, n_frames),
        "leave_one_out": np.linspace(0.01, -0.02, n_frames),
        "lights": (
            Light("held-out", "good", "0.600 (0.450 unweighted)", "The weights predict what they have not seen."),
            Light("starts", "weak", "0.98 between starts", "Which frames get the weight depends on the start."),
            Light("concentration", "bad", "1.5 of 6 frames", "The weights collapsed."),
            Light("theta", "good", "0.25 (proposed 1)", "This theta predicts as well."),
            Light("time", "none", "not known", "Frames were not drawn anew."),
            Light("influence", "good", "frame 5: -0.0200", "No frame stands out."),
        ),
        "conclusion": "weak",
        "verdict": "The data support about 4 effective frames; starts disagree: do not read single weights.",
        "seconds": 12.0,
    }
    return Validation(**{**fields, **changes})


def a_selection(**changes: Any) -> Selection:
    """Of six frames the second, then the fifth are left out; held out the second step is worse."""
    kept = np.array([True, False, True, True, False, True])
    path = {
        "step": np.arange(3.0),
        "seconds": np.array([0.0, 0.1, 0.2]),
        "n_kept": np.array([6.0, 5.0, 4.0]),
        "cc": np.array([0.80, 0.81, 0.82]),
        "cc_aniso": np.array([0.50, 0.60, 0.65]),
        "cc_free": np.array([0.78, 0.79, 0.80]),
        "cc_aniso_free": np.array([0.40, 0.55, 0.52]),
    }
    fields: dict[str, Any] = {
        "settings": SelectionSettings(min_frames=3),
        "score": "cc_aniso",
        "kept": kept,
        "order": np.array([0, 1, 0, 0, 2, 0]),
        "weights": kept / 4.0,
        "path": path,
        "n_work": 110,
        "n_free": 11,
        "outcome": "Ended after 2 deletions: no further one raises the anisotropic CC on the work set.",
        "stopped": False,
        "seconds": 0.2,
    }
    return Selection(**{**fields, **changes})


def a_meaning(n_frames: int = 6, **changes: Any) -> Meaning:
    """Weights that go with one distance, and with the state of one side chain."""
    frames = np.arange(n_frames)
    weights = (frames + 1.0) / (frames + 1.0).sum()
    energy = -2.4777 * np.log(weights * n_frames)
    energy[0] = np.inf
    bound = np.full(n_frames, np.nan)
    bound[0] = 5.0
    good, bad = (side / side.sum() for side in (frames.astype(float), frames[::-1].astype(float)))
    states = States(("-", "t"), np.array([0.5, 0.5]), np.array([0.29, 0.71]), np.array([0.1, 0.1]), 1)
    components = np.column_stack([frames - 2.5, np.cos(frames), np.sin(frames)])
    fields: dict[str, Any] = {
        "settings": MeaningSettings(),
        "pseudo_energy": energy,
        "pseudo_energy_error": np.full(n_frames, 0.4),
        "pseudo_energy_bound": bound,
        "features": (
            Feature("radius of gyration", "Å", "frame", 12.0 + 0.1 * frames, 0.95, 0.93, 5.0, 3.2, 0.001, 0.004),
            Feature("LEU 36 chi1", "", "angle", (frames > 2).astype(float), 0.8, 0.7, 4.0, 1.1, 0.3, 0.5, states),
            Feature("time", "ps", "frame", 2.0 * frames, -0.1, -0.1, 5.0, -0.2, 0.8, 0.9),
        ),
        "n_tried": {"frame": 2, "angle": 40},
        "clusters": Clusters(
            np.where(frames > 2, 0, 1).astype(np.int32),
            np.array([n_frames - 3, 3]),
            np.array([0.71, 0.29]),
            np.array([0.5, 0.5]),
            np.array([1.42, 0.58]),
            np.array([0.05, np.nan]),
            np.array([4, 1]),
            components,
            "Frames were put together by Ward's method into 2 clusters.",
        ),
        "sets": SetComparison(
            good,
            bad,
            ("ALA 1", "LEU 2", "GLY 3"),
            np.array([0.8, 0.6, 0.9]),
            np.array([1.1, 0.7, 0.9]),
            np.array([-0.3, -0.1, 0.0]),
            np.array([0.1, 0.05, 0.1]),
            np.arange(3),
            np.array([[0.0, 0.5, -0.7], [0.5, 0.0, 0.1], [-0.7, 0.1, 0.0]]),
            np.full((3, 3), 0.1),
            np.array([[0, 2], [0, 1]]),
            np.array([-0.7, 0.5]),
            np.array([0.1, 0.1]),
            np.array([12.4, 0.7, 6.0]),
            np.array([12.1, 0.4, 4.0]),
            np.array([0.1, 0.2, 1.0]),
            False,
        ),
        "sentences": ("Weight goes with the radius of gyration (Spearman 0.95, z = 3.2).",),
        "notes": ("4 molecules were superposed one by one.",),
        "seconds": 3.0,
    }
    return Meaning(**{**fields, **changes})


def give(result: Any) -> Any:
    """A job that returns `result`."""
    yield Progress("giving")
    return result


def with_fit(window: MainWindow, path: Path, n_frames: int = 6, **parts: Any) -> None:
    """Show a fit of so many frames."""
    session = window.session
    session.selection.set_n_frames(n_frames)
    session.marks.set_n_frames(n_frames)
    session.document.set_frames(some_frames(n_frames))
    for view in window.plots:  # what is drawn is tested with the plots
        view.set_slices = view.set_shells = view.set_history = lambda *_: None
    window.session.document.project_changed.disconnect(window._bindings[0]._on_project)
    session.document.set_project(a_project(path, n_frames=n_frames, **parts), unsaved=True)


def with_results(window: MainWindow, path: Path) -> None:
    """A fit of six frames with its validation and its meaning."""
    with_fit(window, path)
    results = a_project(path, validation=a_validation(), meaning=a_meaning())
    window.session.document.set_project(results, unsaved=False)
