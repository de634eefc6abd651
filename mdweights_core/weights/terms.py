"""What a problem and the settings of a fit make a solver work on: terms, and the task itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.weights.objectives import bragg_objective, make_objective
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.scores import kish
from mdweights_core.weights.settings import FitSettings
from mdweights_core.weights.solvers.base import Task, Term

ODD = 10.0
"""Squared deviation from the centre, relative to the median frame's, above which a frame is of another kind."""

_NOISE = 1e-6  # of the usual intensity: what single precision leaves
_KEPT = 0.8  # of the frames with weight, when only some may have one


def fit_terms(problem: WeightProblem, settings: FitSettings) -> list[Term]:
    """The diffuse map, and Bragg intensities beside it where the settings give these a weight.

    Raises
    ------
    BadInput
        When Bragg intensities are to be fitted and there are none, or the objective does not suit the map.
    """
    inverse_d = problem.groups.lattice.inverse_d
    noise, work = rounding(problem), ~problem.free
    objective = make_objective(settings, problem.observed, problem.sigma, inverse_d, problem.operator, noise, work=work)
    order = np.argsort(inverse_d, kind="stable")
    diffuse = Term(problem.frames, objective, 1.0 - settings.bragg_weight, order=order, usual=problem.usual)
    if settings.bragg_weight == 0:
        return [diffuse]
    if problem.bragg is None:
        raise BadInput(
            "there are no Bragg amplitudes to fit beside the diffuse map",
            advice="Give --bragg, or a Bragg weight of 0",
        )
    data, frames = problem.bragg.data, problem.bragg.frames
    bragg_d = data.groups.lattice.inverse_d
    return [
        diffuse,
        Term(
            frames,
            bragg_objective(data.intensity, data.sigma, bragg_d),
            settings.bragg_weight,
            rows=(~data.free).astype(np.float64),
            order=np.argsort(bragg_d, kind="stable"),
        ),
    ]


def rounding(problem: WeightProblem) -> float:
    """Root mean square intensity that is nothing but rounding."""
    return _NOISE * float(np.sqrt(np.mean(problem.usual**2)))


def fit_task(problem: WeightProblem, settings: FitSettings, start: np.ndarray | None = None) -> Task:
    """The fit to the work set, from `start` [n_units] or from the prior with odd frames held back.

    A frame of another origin or crystal would hide all others in the mean. Where theta is zero and there is no floor
    the prior says nothing of the optimum, and one with hardly any weight on most frames would hold them there: equal
    weights take its place.

    Raises
    ------
    BadInput
        When one frame only may have a weight, or the floor on the effective frames is above their number.
    """
    n = problem.n_units
    if settings.max_frames == 1 and problem.n_units == problem.n_fitted:
        raise BadInput(
            "one frame alone has no diffuse intensity, whatever its weight", advice="Let more frames have a weight"
        )
    if start is None:
        counts = settings.theta > 0 or settings.n_eff_floor > 0
        usual = problem.prior if counts else problem.of_units(np.full(problem.n_frames, 1.0 / problem.n_frames))
        start = usual / np.maximum(problem.oddness / ODD, 1.0)
    return Task(
        rows=(~problem.free).astype(np.float64),
        start=start / start.sum(),
        prior=problem.prior,
        theta=settings.theta,
        n_eff_floor=_possible_floor(problem, settings.n_eff_floor),
        crowding=None if n == problem.n_fitted else problem.of_units(problem.of_frames(np.ones(n)) ** 2),
    )


def fewer(task: Task, weights: np.ndarray, most: int | None) -> Task | None:
    """The task with the lightest fifth of its frames barred, but not fewer than `most`; None when these are few."""
    active = int((weights > 0).sum())
    if most is None or active <= most:
        return None
    kept = np.argsort(-weights, kind="stable")[: max(most, int(_KEPT * active))]
    allowed = np.zeros(len(weights), dtype=bool)
    allowed[kept] = True
    start = np.where(allowed, weights, 0.0)
    return replace(task, allowed=allowed, start=start / start.sum())


def _possible_floor(problem: WeightProblem, floor: float) -> float:
    most = kish(problem.of_frames(problem.prior))
    if floor > most:
        raise BadInput(
            f"a floor of {floor:g} effective frames is above the {most:.1f} that the frames have before the fit",
            advice="Lower --n-eff-floor",
        )
    return floor
