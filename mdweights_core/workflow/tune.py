"""The job of `mdweights tune`: parameters of a system fitted to targets, and its ensemble afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdweights_core.dynamics.observables.base import Observable
from mdweights_core.dynamics.result import Sensitivity
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.dynamics.tuning.ensemble import Ensemble
from mdweights_core.dynamics.tuning.job import tune
from mdweights_core.dynamics.tuning.result import Tuning
from mdweights_core.dynamics.tuning.settings import TuneSettings
from mdweights_core.dynamics.tuning.targets import Targets
from mdweights_core.jobs import Job
from mdweights_core.workflow.sensitivity_systems import Studied


@dataclass(frozen=True, eq=False)
class Tuned:
    """A fit of parameters and the ensemble at its end.

    Attributes
    ----------
    tuning : Tuning
    last : Sensitivity or None
        The last simulation, with the verdict on its derivatives; None where all came from a checkpoint.
    frames : float64 [S, N]
        Configurations with the tuned parameters, nm; none where they were not asked for, or the fit was stopped.
    """

    tuning: Tuning
    last: Sensitivity | None
    frames: np.ndarray


def tune_system(
    studied: Studied,
    observable: Observable,
    targets: Targets,
    settings: TuneSettings,
    simulation: SensitivitySettings,
    *,
    checkpoint: Path | None = None,
    with_frames: bool = False,
) -> Job[Tuned]:
    """Fit the parameters of a system; see `dynamics.tuning.job.tune`.

    Parameters
    ----------
    studied : Studied
    observable : Observable
    targets : Targets
        Of some of its numbers.
    settings : TuneSettings
    simulation : SensitivitySettings
    checkpoint : Path, optional
        File (.npz) that keeps the fit; beside it lies one of the simulation that is on its way.
    with_frames : bool
        Whether the ensemble with the tuned parameters is wanted, too.

    Raises
    ------
    BadInput
        See `tune`.
    """
    on_its_way = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.stem}.simulation.npz")
    ensemble = Ensemble(studied.simulated, observable, simulation, on_its_way)
    made_from = f"{studied.told} {simulation}"
    tuning = yield from tune(ensemble, targets, settings, checkpoint=checkpoint, made_from=made_from)
    frames = np.zeros((0, studied.simulated.n))
    if with_frames and tuning.end != "stopped":
        frames = yield from ensemble.frames_at(tuning.values, settings.seed + len(tuning.trace_chi2))
    return Tuned(tuning, ensemble.found, frames)
