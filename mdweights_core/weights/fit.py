"""The weight fit: drive a solver, watch it, and say what came out and whether to believe it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import jax
import numpy as np

from mdweights_core.errors import BadInput, MdweightsError, counted
from mdweights_core.jobs import Clock, Job, Progress, Stopped
from mdweights_core.weights.caveats import judged
from mdweights_core.weights.frames.passes import Means, contractions, intensities, intensities_and_means
from mdweights_core.weights.frames.threads import one_blas_thread
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.result import ACTIVE, HISTORY_KEYS, WeightFit
from mdweights_core.weights.scores import (
    BraggScores,
    bragg_scores,
    coefficients,
    entropy_size,
    fit_scale,
    kish,
    score,
)
from mdweights_core.weights.settings import DEFAULT_STEPS, FitSettings
from mdweights_core.weights.solvers import SOLVERS, SolverState, Task, Term
from mdweights_core.weights.solvers.base import relative_entropy
from mdweights_core.weights.terms import fewer, fit_task, fit_terms


def fit_weights(
    problem: WeightProblem, settings: FitSettings | None = None, start_weights: np.ndarray | None = None
) -> Job[WeightFit]:
    """Fit one weight per frame.

    Parameters
    ----------
    problem : WeightProblem
    settings : FitSettings, optional
    start_weights : float64 [n_frames], optional
        Where to begin (a stopped fit is resumed this way). By default the prior, or equal weights where
        neither theta nor a floor lets it count, but less for frames so odd that they would hide all others in the mean.

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
    watch, limit = _Watch(problem), settings.max_steps or DEFAULT_STEPS[settings.solver]
    yield Progress("weights", 0, limit, "Compiling")
    terms = fit_terms(problem, settings)
    state, stopped = _Reached(fit_task(problem, settings, _start(problem, start_weights))), False
    try:
        state.now = replace(state.now, x=_begun(problem, state.task.start))
        yield watch.look(state.now, 0, limit)
        yield from _solved(terms, state, settings, limit, watch)
        while (task := fewer(state.task, state.now.weights, settings.max_frames)) is not None:
            state.task, state.before = task, state.before + state.now.iteration
            yield from _solved(terms, state, settings, limit, watch)
    except Stopped:
        stopped = True  # also between the rounds of a fit to few frames, and where the last step was the last of all
    fit = _conclude(problem, terms, state, settings, watch, stopped)
    return fit if start_weights is None else replace(fit, start=np.asarray(start_weights, dtype=np.float64))


def _begun(problem: WeightProblem, start: np.ndarray) -> np.ndarray:
    """Intensity at the weights [n_units] a fit begins with, which mostly are those of the prior."""
    if np.allclose(start, problem.prior, rtol=1e-12, atol=0.0):
        return problem.usual
    return intensities(problem.frames, start[None])[0]


class _Reached:
    """The task at hand and how far its solver has come."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.now = SolverState(task.start, np.zeros(0), -np.inf, np.zeros(0), task.theta)
        self.before = 0  # iterations of earlier rounds

    @property
    def count(self) -> int:
        """Iterations of all rounds."""
        return self.before + self.now.iteration


def _solved(terms: list[Term], reached: _Reached, settings: FitSettings, limit: int, watch: _Watch) -> Job[None]:
    """Drive the solver to its end."""
    for states in SOLVERS[settings.solver](terms, [reached.task], limit):
        if states:
            reached.now = states[0]
            yield watch.look(reached.now, reached.before, limit)
        else:
            yield Progress("weights", reached.before, limit, "On a sample of reflections")


def _start(problem: WeightProblem, start_weights: np.ndarray | None) -> np.ndarray | None:
    if start_weights is None:
        return None
    if len(start_weights) != problem.n_frames:
        raise BadInput(f"{len(start_weights)} starting weights were given for {problem.n_frames} frames")
    return problem.of_units(np.asarray(start_weights, dtype=np.float64))


class _Watch:
    """Scores of every step, kept as history and handed out as progress."""

    def __init__(self, problem: WeightProblem) -> None:
        self.problem = problem
        self.clock = Clock()
        self.rows: list[dict[str, float]] = []

    def look(self, state: SolverState, before: int, limit: int) -> Progress:
        step = before + state.iteration
        weights = self.problem.of_frames(state.weights)
        with one_blas_thread():
            values = {**coefficients(self.problem, state.x), "n_eff": kish(weights)}
        self.rows.append({"step": step, "seconds": self.clock.elapsed, **values})
        message = f"Iteration {step}: anisotropic CC {values['cc_aniso']:.4f}, total {values['cc']:.4f}"
        return Progress("weights", step, max(limit, step), message, values, {"weights": weights.copy()})

    @property
    def history(self) -> dict[str, np.ndarray]:
        return {key: np.array([row[key] for row in self.rows], dtype=np.float64) for key in HISTORY_KEYS}


def _conclude(
    problem: WeightProblem,
    terms: list[Term],
    reached: _Reached,
    settings: FitSettings,
    watch: _Watch,
    stopped: bool,
) -> WeightFit:
    seconds, both = watch.clock.elapsed, np.stack([reached.now.weights, problem.prior])
    found = [intensities_and_means(term.frames, both) for term in terms]
    x = [values for values, _ in found]
    calculated, plain = x[0]
    scores, uniform = score(problem, calculated), score(problem, plain)
    gains, gradients = _objective(terms, reached.task, both, found)
    slopes = _with_entropy(gradients[0], reached.now, reached.task)
    residual = kkt_residual(reached.now.weights, slopes, reached.task.allowed)
    state, warnings = judged(problem, settings, reached.now, residual, x[0], (scores, uniform))
    scale, offset, on_scale = _scaled(problem, calculated)
    mean_f, mean_intensity = _averages(problem, found[0][1], calculated)
    weights = problem.of_frames(state.weights)
    return WeightFit(
        weights=weights,
        prior=problem.of_frames(problem.prior),
        scores=scores,
        uniform=uniform,
        n_eff=kish(weights),
        n_eff_entropy=entropy_size(weights),
        n_active=int((weights > ACTIVE / problem.n_fitted).sum()),
        gain=float(gains[0]) - _entropy_cost(state, reached.task),
        theta=state.theta,
        kkt_residual=residual,
        iterations=reached.count,
        seconds=seconds,
        converged=state.converged,
        stopped=stopped,
        outcome=f"Stopped by the user after {counted(reached.count, 'iteration')}." if stopped else state.outcome,
        influence=problem.of_frames(_doubling(gradients[1], problem.prior)),
        multipliers=problem.each(state.weights @ slopes - slopes),
        history=watch.history,
        warnings=warnings,
        settings=settings,
        groups=problem.groups,
        observed=problem.observed.astype(np.float32),
        observed_sigma=None if problem.sigma is None else problem.sigma.astype(np.float32),
        calculated=on_scale,
        uniform_calculated=_scaled(problem, plain)[2],
        free=problem.free,
        scale=scale,
        offset=offset,
        mean_f=mean_f,
        mean_intensity=mean_intensity,
        raw_sum=state.raw_sum,
        bragg=_on_bragg(problem, both, x),
    )


def _on_bragg(problem: WeightProblem, both: np.ndarray, x: list[np.ndarray]) -> BraggScores | None:
    """Agreement with the Bragg amplitudes; their intensities `x` are known already where they were fitted."""
    if problem.bragg is None:
        return None
    on_bragg = x[1] if len(x) > 1 else intensities(problem.bragg.frames, both)
    return bragg_scores(problem.bragg.data.intensity, problem.bragg.data.free, *on_bragg)


def _objective(
    terms: list[Term], task: Task, weights: np.ndarray, found: list[tuple[np.ndarray, Means]]
) -> tuple[np.ndarray, np.ndarray]:
    """Objective, without the entropy, and its gradient at sets of weights [P, n_units].

    Parameters
    ----------
    found : list of (float64 [P, G], Means)
        Intensities and mean structure factors of these weights, per term.

    Returns
    -------
    float64 [P], [P, n_units]
    """
    gains, gradients = np.zeros(len(weights)), np.zeros_like(weights)
    for term, (values, means) in zip(terms, found, strict=True):
        rows = np.broadcast_to(task.rows if term.rows is None else term.rows, (len(weights), term.frames.n_groups))
        linear = term.objective.linearise(values, rows)
        gains += term.weight * linear.gain
        gradients += term.weight * contractions(term.frames, weights, linear.gradient[None], means)[0]
    return gains, gradients


def _entropy_cost(state: SolverState, task: Task) -> float:
    """theta KL(w || prior)."""
    return state.theta * relative_entropy(state.weights, task.prior) if state.theta > 0 else 0.0


def _with_entropy(gradient: np.ndarray, state: SolverState, task: Task) -> np.ndarray:
    if state.theta == 0:
        return gradient
    return gradient - state.theta * np.log(np.maximum(state.weights, 1e-300) / task.prior)


def _averages(problem: WeightProblem, means: Means, diffuse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean F on the P1 lattice and the Laue-averaged mean of |F|^2 (diffuse plus |mean F|^2)."""
    mean = means.on_images(problem.frames, 1)[0] + problem.frames.origin  # [n_copies, n_group]
    there = problem.groups.copies >= 0
    on_p1 = np.zeros(len(problem.groups.p1), dtype=np.complex64)
    on_p1[problem.groups.copies[there]] = mean[there]
    bragg = (problem.frames.share * np.abs(mean) ** 2).sum(axis=0)
    return on_p1, (diffuse + bragg).astype(np.float32)


def _scaled(problem: WeightProblem, calculated: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Scale and offset fitted on the work set, and the intensity brought to the observed one's: float32 [n_group]."""
    work = ~problem.free
    scale, offset = fit_scale(calculated[work], problem.observed[work])
    return scale, offset, (scale * calculated + offset).astype(np.float32)


def _doubling(gradient: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Change of the objective when one weight of the prior is doubled (then all divided by the sum), to first order."""
    return prior * (gradient - prior @ gradient)


def kkt_residual(weights: np.ndarray, gradient: np.ndarray, allowed: np.ndarray | None = None) -> float:
    """Largest violation of the optimality conditions on the simplex.

    At a maximum the gradient equals its weighted mean on frames with weight and lies below it elsewhere, but for frames
    that are not `allowed` one.
    """
    reduced = gradient - weights @ gradient
    active = weights > ACTIVE / len(weights)
    inside = float(np.abs(reduced[active]).max(initial=0.0))
    barred = active if allowed is None else active | ~allowed
    return max(inside, float(reduced[~barred].max(initial=0.0)))
