"""What a user must know before believing fitted weights, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.weights.indexing import indexing_warning
from mdweights_core.weights.objectives import sigma_note, weighting_of
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.result import LOOSE_KKT, OVERFIT_WARNING, is_collapsed
from mdweights_core.weights.scores import Scores, held_out_error, kish
from mdweights_core.weights.settings import FitSettings, headline
from mdweights_core.weights.solvers import SolverState
from mdweights_core.weights.terms import ODD

_HEAVY = 0.25  # of the weight on one frame
_FALL = 0.01  # of the total CC
_SCORED = 3  # reflections that have a correlation


def judged(
    problem: WeightProblem,
    settings: FitSettings,
    state: SolverState,
    residual: float,
    intensities: np.ndarray,
    scores: tuple[Scores, Scores],
) -> tuple[SolverState, tuple[str, ...]]:
    """The end of a solver, which is no optimum where nothing agrees, and all that is to be said of its weights.

    Parameters
    ----------
    problem : WeightProblem
    settings : FitSettings
    state : SolverState
    residual : float
        Of the optimality conditions.
    intensities : float64 [2, n_group]
        Calculated with the weights, and with those of the prior.
    scores : (Scores, Scores)
        Of the same.
    """
    fitted, uniform = scores
    ending = optimality_warning(state, residual, settings.solver)
    if residual > _bound(state) and (agreement := getattr(fitted, headline(settings.objective))) <= 0:
        state, ending = _without_agreement(state, agreement, settings)
    free_error = held_out_error(problem, intensities[0], intensities[1], headline(settings.objective))
    weights = problem.of_frames(state.weights)
    return state, (
        *problem.notes,
        *_sigma_notes(problem, settings),
        *filter(None, [ending]),
        *fit_warnings(problem, weights, fitted, uniform, settings, state.raw_sum, free_error),
        *filter(None, [indexing_warning(problem, intensities[1], uniform.cc_aniso)]),
    )


def _bound(state: SolverState) -> float:
    """The residual above which a fit is no optimum; that of a strong entropy is theta times one of log weights."""
    return LOOSE_KKT * max(1.0, state.theta)


def _without_agreement(state: SolverState, agreement: float, settings: FitSettings) -> tuple[SolverState, str]:
    """A solver's end where nothing agrees, which is no optimum, and what to look for."""
    name = "total CC" if headline(settings.objective) == "cc" else "anisotropic CC"
    text = f"No weights were found that agree with the map: the {name} on the fitted reflections is {agreement:.3f}."
    warning = f"{text} Look at the map's column, its sign and its indexing, and at the frames' crystal."
    return replace(state, converged=False, outcome=text if state.converged else state.outcome), warning


def optimality_warning(state: SolverState, residual: float, solver: str) -> str | None:
    """What a solver that ended away from the optimum asks of the reader; None for an optimum."""
    if not state.converged or residual <= _bound(state):
        return None
    instead = "" if solver == "gauss-newton" else ", or finish with the solver gauss-newton"
    return (
        f"The solver ended away from the optimum (KKT residual {residual:.1e}): read groups of frames, not single "
        f"weights{instead}."
    )


def fit_warnings(
    problem: WeightProblem,
    weights: np.ndarray,
    scores: Scores,
    uniform: Scores,
    settings: FitSettings,
    raw_sum: float = 1.0,
    free_error: float = 0.0,
) -> Iterator[str]:
    """What a user must know before believing the weights, one sentence each.

    `free_error` is the standard error of the difference between the held-out scores: a fall within it says nothing.
    """
    yield from _odd_frames(problem)
    n_frames, n_work, n_eff = problem.n_fitted, problem.n_work, kish(weights)
    plain_name = "equal weights" if np.ptp(problem.prior) == 0 else "the weights before the fit"
    if n_frames == 2:
        yield "With two frames the diffuse map has the same shape whatever their weights: this fit means nothing."
    key = f"{headline(settings.objective)}_free"
    held_out, plain = getattr(scores, key), getattr(uniform, key)
    if plain - held_out > free_error:  # False for NaN
        yield (
            f"{OVERFIT_WARNING}on {counted(int(problem.free.sum()), 'held-out reflection')} the weights do worse "
            f"({held_out:.3f}) than {plain_name} ({plain:.3f}), by {plain - held_out:.3f} ± {free_error:.3f}. "
            "Raise theta, or do not use these weights."
        )
    if problem.free.sum() < _SCORED:
        yield "No reflections were held out, so nothing can tell a good fit from an overfitted one."
    if problem.n_units > 0.25 * n_work:
        yield (
            f"{problem.n_units} weights are fitted to {n_work} reflections: too few data per frame to trust single "
            "weights. Raise theta, or take fewer frames or higher resolution."
        )
    if is_collapsed(weights[problem.of_frames(problem.prior) > 0]):
        yield f"The weights collapsed onto about {n_eff:.1f} of {n_frames} frames. Raise theta to spread them."
    elif weights.max() > _HEAVY and n_frames > 4:
        heaviest = int(weights.argmax())
        yield f"Frame {heaviest} alone carries {100 * weights.max():.0f} % of the weight. Raise theta to spread it."
    if scores.cc < uniform.cc - _FALL and not problem.is_anisotropic:
        yield (
            f"The total CC fell from {uniform.cc:.3f} with {plain_name} to {scores.cc:.3f}: the weighted ensemble has "
            "the wrong fall-off with resolution. Raise theta."
        )
    if problem.is_anisotropic:
        yield "The observed map came without its isotropic part: only the anisotropic CC means anything."
    if abs(raw_sum - 1) > 0.005:
        yield (
            f"The prototype's weights summed to {raw_sum:.3f} instead of 1, so Bragg intensity leaked into its fit; "
            "all scores here are for the weights divided by their sum."
        )


def _sigma_notes(problem: WeightProblem, settings: FitSettings) -> Iterator[str]:
    if problem.sigma is None or "sigma" not in weighting_of(settings, problem.sigma):
        return
    note = sigma_note(problem.sigma, problem.groups.lattice.inverse_d)
    if note is not None:
        yield note


def _odd_frames(problem: WeightProblem) -> Iterator[str]:
    odd = np.flatnonzero(problem.each(problem.oddness) > ODD)
    if len(odd):
        named = ", ".join(map(str, odd[:5])) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
        yield (
            f"Frame {named}: up to {problem.oddness.max():.0f} times as far from the mean as others, as if of another "
            "origin, orientation or crystal. Look at it, or leave it out."
        )
