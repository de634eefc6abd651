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
from mdweights_core import jobs
from mdweights_core.errors import MdweightsError
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.settings import FitSettings


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


def a_project(path: Path, inputs: Any = None, n_frames: int = 6, **changes: Any) -> ProjectReading:
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
    )
    return ProjectReading(project, Volumes({}))  # type: ignore[arg-type]


def some_frames(n_frames: int = 6) -> FramesReading:
    """Frames without molecules."""
    names = tuple(f"f_{frame}.mtz" for frame in range(n_frames))
    return FramesReading("reflection files", names, cell=gemmi.UnitCell(20, 30, 40, 90, 90, 90))
