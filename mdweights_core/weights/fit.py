"""The weight fit: drive a solver, watch it, and say what came out and whether to believe it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import BadInput, MdweightsError
from mdweights_core.jobs import Clock, Job, Progress, Stopped
from mdweights_core.weights.indexing import indexing_warning
from mdweights_core.weights.model import ModelArrays, gain_and_gradient, intensity, model_arrays
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.result import ACTIVE, HISTORY_KEYS, LOOSE_KKT, WeightFit, is_collapsed
from mdweights_core.weights.scores import Scores, coefficients, entropy_size, fit_scale, kish, score
from mdweights_core.weights.settings import DEFAULT_STEPS, FitSettings
from mdweights_core.weights.solvers import SolverSettings, SolverState, make_solver
from mdweights_core.weights.solvers.base import iterations


def fit_weights(
    problem: WeightProblem, settings: FitSettings | None = None, start_weights: np.ndarray | None = None
) -> Job[WeightFit]:
    """Fit one weight per frame.

    Parameters
    ----------
    problem : WeightProblem
    settings : FitSettings, optional
    start_weights : float64 [n_frames], optional
        Where to begin (a stopped fit is resumed this way). By default equal weights, but less for frames so odd that
        they would hide all others in the mean.

    Yields
    ------
    Progress
        Stage "weights"; values cc, cc_aniso, cc_free, cc_aniso_free, n_eff; array weights [n_frames].

    Returns
    -------
    WeightFit
        Also when stopped: with the weights reached, marked as such.

    Raises
    ------
    BadInput
        When the number of starting weights is not that of the frames.
    MdweightsError
        When the device's memory is not enough.
    """
    with _told_when_memory_ends():
        return (yield from _fit(problem, settings or FitSettings(), start_weights))


@contextmanager
def _told_when_memory_ends() -> Iterator[None]:
    """Graphics cards have less memory than the machine, and JAX then raises an error of its own."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise MdweightsError(
            f"The memory of the {jax.default_backend()} is not enough for these frames and reflections",
            advice="Set JAX_PLATFORMS=cpu to compute in the main memory, raise d_min, or take fewer frames",
        ) from error


def _fit(problem: WeightProblem, settings: FitSettings, start_weights: np.ndarray | None) -> Job[WeightFit]:
    watch = _Watch(problem)
    limit = settings.max_steps or DEFAULT_STEPS[settings.solver]
    yield Progress("weights", 0, limit, "Compiling")
    arrays = model_arrays(problem, anisotropic=settings.objective == "anisotropic-cc")
    weights = _start(problem, start_weights)
    prior = np.full(problem.n_frames, 1.0 / problem.n_frames)
    solver = make_solver(settings.solver, SolverSettings(settings.theta, prior, limit))
    state = solver.start(arrays, weights)
    stopped = False
    try:
        yield watch.look(state, arrays, limit)
        while not state.done:
            state = solver.step(arrays, state)
            yield watch.look(state, arrays, limit)
    except Stopped:
        stopped = not state.done
    return _conclude(problem, arrays, state, settings, prior, watch, stopped)


def _start(problem: WeightProblem, start_weights: np.ndarray | None) -> np.ndarray:
    if start_weights is None:
        start_weights = 1.0 / np.maximum(problem.oddness / _ODD, 1.0)
    if len(start_weights) != problem.n_frames:
        raise BadInput(f"{len(start_weights)} starting weights were given for {problem.n_frames} frames")
    return np.asarray(start_weights, dtype=np.float64) / np.sum(start_weights)


class _Watch:
    """Scores of every step, kept as history and handed out as progress."""

    def __init__(self, problem: WeightProblem) -> None:
        self.problem = problem
        self.clock = Clock()
        self.rows: list[dict[str, float]] = []

    def look(self, state: SolverState, arrays: ModelArrays, limit: int) -> Progress:
        calculated = np.asarray(intensity(jnp.asarray(state.weights), arrays))
        values = {**coefficients(self.problem, calculated), "n_eff": kish(state.weights)}
        self.rows.append({"step": state.iteration, "seconds": self.clock.elapsed, **values})
        message = f"Iteration {state.iteration}: anisotropic CC {values['cc_aniso']:.4f}, total {values['cc']:.4f}"
        return Progress("weights", state.iteration, limit, message, values, {"weights": state.weights.copy()})

    @property
    def history(self) -> dict[str, np.ndarray]:
        return {key: np.array([row[key] for row in self.rows], dtype=np.float64) for key in HISTORY_KEYS}


def _conclude(
    problem: WeightProblem,
    arrays: ModelArrays,
    state: SolverState,
    settings: FitSettings,
    prior: np.ndarray,
    watch: _Watch,
    stopped: bool,
) -> WeightFit:
    seconds = watch.clock.elapsed
    equal = np.full(problem.n_frames, 1.0 / problem.n_frames)
    calculated = np.asarray(intensity(jnp.asarray(state.weights), arrays))
    plain = np.asarray(intensity(jnp.asarray(equal), arrays))
    scores, uniform = score(problem, calculated), score(problem, plain)
    _, gradient = gain_and_gradient(jnp.asarray(state.weights), arrays, settings.theta, prior)
    _, at_equal = gain_and_gradient(jnp.asarray(equal), arrays, 0.0, prior)
    scale, offset = _scale(problem, calculated)
    equal_scale, equal_offset = _scale(problem, plain)
    residual = kkt_residual(state.weights, np.asarray(gradient))
    mean_f, mean_intensity = _averages(problem, state.weights, calculated)
    warnings = (
        *problem.notes,
        *filter(None, [_optimality_warning(state, residual)]),
        *fit_warnings(problem, state.weights, scores, uniform, settings, state.raw_sum),
        *filter(None, [indexing_warning(problem, plain, uniform.cc_aniso)]),
    )
    return WeightFit(
        weights=state.weights,
        scores=scores,
        uniform=uniform,
        n_eff=kish(state.weights),
        n_eff_entropy=entropy_size(state.weights),
        n_active=int((state.weights > ACTIVE / problem.n_frames).sum()),
        kkt_residual=residual,
        iterations=state.iteration,
        seconds=seconds,
        converged=state.converged,
        stopped=stopped,
        outcome=f"Stopped by the user after {iterations(state.iteration)}." if stopped else state.outcome,
        influence=_doubling(np.asarray(at_equal)),
        history=watch.history,
        warnings=warnings,
        settings=settings,
        groups=problem.groups,
        observed=problem.observed.astype(np.float32),
        observed_sigma=None if problem.sigma is None else problem.sigma.astype(np.float32),
        calculated=(scale * calculated + offset).astype(np.float32),
        uniform_calculated=(equal_scale * plain + equal_offset).astype(np.float32),
        free=problem.free,
        scale=scale,
        offset=offset,
        mean_f=mean_f,
        mean_intensity=mean_intensity,
        raw_sum=state.raw_sum,
    )


def _averages(problem: WeightProblem, weights: np.ndarray, diffuse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean F on the P1 lattice and the Laue-averaged mean of |F|^2 (diffuse plus |mean F|^2)."""
    mean = np.tensordot(weights.astype(np.float32), problem.deviation, 1) + problem.centre  # [n_copies, n_group]
    there = problem.groups.copies >= 0
    on_p1 = np.zeros(len(problem.groups.p1), dtype=np.complex64)
    on_p1[problem.groups.copies[there]] = mean[there]
    bragg = (problem.share * np.abs(mean) ** 2).sum(axis=0)
    return on_p1, (diffuse + bragg).astype(np.float32)


def _scale(problem: WeightProblem, calculated: np.ndarray) -> tuple[float, float]:
    work = ~problem.free
    return fit_scale(calculated[work], problem.observed[work])


def _doubling(gradient: np.ndarray) -> np.ndarray:
    """Change of CC when one frame's weight 1/T is doubled (then all divided by the sum), to first order."""
    return (gradient - gradient.mean()) / len(gradient)


def kkt_residual(weights: np.ndarray, gradient: np.ndarray) -> float:
    """Largest violation of the optimality conditions on the simplex.

    At a maximum the gradient equals its weighted mean on frames with weight and lies below it elsewhere.
    """
    reduced = gradient - weights @ gradient
    active = weights > ACTIVE / len(weights)
    inside = float(np.abs(reduced[active]).max(initial=0.0))
    return max(inside, float(reduced[~active].max(initial=0.0)))


_ODD = 10.0  # squared deviation from the mean, relative to the median frame's
_HEAVY = 0.25  # of the weight on one frame
_FALL = 0.01  # of the total CC


def _optimality_warning(state: SolverState, residual: float) -> str | None:
    if not state.converged or residual <= LOOSE_KKT:
        return None
    return (
        f"The solver ended away from the optimum (KKT residual {residual:.1e}): read groups of frames, not single "
        "weights, or finish with the solver gauss-newton."
    )


def fit_warnings(
    problem: WeightProblem,
    weights: np.ndarray,
    scores: Scores,
    uniform: Scores,
    settings: FitSettings,
    raw_sum: float = 1.0,
) -> Iterator[str]:
    """What a user must know before believing the weights, one sentence each."""
    yield from _odd_frames(problem)
    n_frames, n_work, n_eff = problem.n_frames, problem.n_work, kish(weights)
    if n_frames == 2:
        yield "With two frames the diffuse map has the same shape whatever their weights: this fit means nothing."
    key = "cc_aniso_free" if settings.objective == "anisotropic-cc" else "cc_free"
    held_out, plain = getattr(scores, key), getattr(uniform, key)
    if np.isfinite(held_out) and held_out < plain:
        yield (
            f"Overfit: on held-out reflections the weights do worse ({held_out:.3f}) than equal weights ({plain:.3f}). "
            "Raise theta, or do not use these weights."
        )
    if np.isnan(held_out):
        yield "No reflections were held out, so nothing can tell a good fit from an overfitted one."
    if n_frames > 0.25 * n_work:
        yield (
            f"{n_frames} weights are fitted to {n_work} reflections: too few data per frame to trust single weights. "
            "Raise theta, or take fewer frames or higher resolution."
        )
    if is_collapsed(weights):
        yield f"The weights collapsed onto about {n_eff:.1f} of {n_frames} frames. Raise theta to spread them."
    elif weights.max() > _HEAVY and n_frames > 4:
        heaviest = int(weights.argmax())
        yield f"Frame {heaviest} alone carries {100 * weights.max():.0f} % of the weight. Raise theta to spread it."
    if scores.cc < uniform.cc - _FALL and not problem.is_anisotropic:
        yield (
            f"The total CC fell from {uniform.cc:.3f} with equal weights to {scores.cc:.3f}: the weighted ensemble has "
            "the wrong fall-off with resolution. Raise theta."
        )
    if problem.is_anisotropic:
        yield "The observed map came without its isotropic part: only the anisotropic CC means anything."
    if abs(raw_sum - 1) > 0.005:
        yield (
            f"The prototype's weights summed to {raw_sum:.3f} instead of 1, so Bragg intensity leaked into its fit; "
            "all scores here are for the weights divided by their sum."
        )


def _odd_frames(problem: WeightProblem) -> Iterator[str]:
    odd = np.flatnonzero(problem.oddness > _ODD)
    if len(odd):
        named = ", ".join(map(str, odd[:5])) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
        yield (
            f"Frame {named}: up to {problem.oddness.max():.0f} times as far from the mean as others, as if of another "
            "origin, orientation or crystal. Look at it, or leave it out."
        )
