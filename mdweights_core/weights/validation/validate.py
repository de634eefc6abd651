"""The validation as a job: everything is planned, fitted side by side, and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from mdweights_core.decorrelation import decorrelation_time
from mdweights_core.errors import BadInput, counted
from mdweights_core.jobs import Clock, Job, Progress, Stopped
from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.indexing import indexing_warning
from mdweights_core.weights.objectives import headline
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.result import WeightFit
from mdweights_core.weights.settings import ValidationSettings
from mdweights_core.weights.solvers.base import relative_entropy
from mdweights_core.weights.validation.bench import Bench, Trials
from mdweights_core.weights.validation.bootstrap import SAMPLE_TOLERANCE, collect_bootstrap, plan_bootstrap
from mdweights_core.weights.validation.folds import collect_folds, draw_folds, plan_folds
from mdweights_core.weights.validation.influence import FrameSeries, frame_series
from mdweights_core.weights.validation.lights import Evidence, six_lights
from mdweights_core.weights.validation.restarts import collect_restarts, plan_restarts
from mdweights_core.weights.validation.result import Bootstrap, Folds, Restarts, ThetaScan, Validation
from mdweights_core.weights.validation.theta_scan import collect_theta_scan, plan_theta_scan, theta_range
from mdweights_core.weights.validation.verdict import conclude

_NAMES = {"cc": "total CC", "cc_aniso": "anisotropic CC"}


def validate(
    problem: WeightProblem,
    fit: WeightFit,
    settings: ValidationSettings | None = None,
    *,
    runs: np.ndarray | None = None,
) -> Job[Validation]:
    """Ask whether the weights of a fit can be believed.

    Parameters
    ----------
    problem : WeightProblem
    fit : WeightFit
        Of that problem. Its seed is that of all that is drawn here.
    settings : ValidationSettings, optional
    runs : int [n_frames], optional
        Which trajectory each frame is of; blocks of frames do not reach from one into another. By default all are of
        one.

    Yields
    ------
    Progress
        Stage "validation": fits that are finished, of all.

    Returns
    -------
    Validation
        Also when stopped: with what is finished, and marked as such.

    Raises
    ------
    BadInput
        When there are fewer fitted Laue groups than folds, or `runs` is not of the frames.
    """
    settings = settings or ValidationSettings()
    if settings.folds > problem.n_work:
        raise BadInput(f"{settings.folds} folds cannot be made of {counted(problem.n_work, 'fitted reflection')}")
    if runs is not None and len(runs) != problem.n_frames:
        raise BadInput(f"{len(runs)} numbers of trajectories were given for {problem.n_frames} frames")
    work = _Work(problem, fit, settings, runs)
    complete = True
    try:
        yield from work.run()
    except Stopped:
        complete = False
    return work.validation(complete)


class _Work:
    """What was planned, and what is there."""

    def __init__(
        self, problem: WeightProblem, fit: WeightFit, settings: ValidationSettings, runs: np.ndarray | None
    ) -> None:
        self.problem, self.fit, self.settings, self.runs = problem, fit, settings, runs
        self.clock = Clock()
        self.series: FrameSeries | None = None
        self.plan: _Plan | None = None

    def run(self) -> Job[None]:
        """Plan and do everything, the most telling first."""
        total = n_fits(self.settings)
        yield Progress("validation", 0, total, "Influence of single frames")
        bench = Bench.of(self.problem, self.fit, self.runs)
        rng = np.random.default_rng(self.fit.settings.seed)
        self.series = yield from frame_series(bench, rng)
        self.plan = _Plan(bench, self.problem, self.series, self.settings, rng)
        before = 0
        for trials in self.plan.stages:
            yield from trials.run(_counter(before, total))
            before += len(trials.done)
        yield Progress("validation", total, total, "Reading the lights")

    def validation(self, complete: bool) -> Validation:
        """Everything that is finished, and what it tells."""
        problem, plan, series = self.problem, self.plan, self.series
        folds, restarts, scan, bootstrap = (None, None, None, None) if plan is None else plan.collected(problem)
        unknown = np.full(problem.n_frames, np.nan)
        leave_one_out = unknown if series is None else problem.each(series.leave_one_out)
        name = headline(self.fit.settings.objective)
        evidence = Evidence(
            weights=self.fit.weights,
            prior=self.fit.prior,
            theta=self.fit.theta,
            n_reflections=len(problem.observed),
            score_name=_NAMES[name],
            folds=folds,
            restarts=restarts,
            theta_scan=scan,
            bootstrap=bootstrap,
            leave_one_out=leave_one_out,
            caveats=tuple(_caveats(problem, self.fit)),
            falls_in_shells=name == "cc" and self.fit.scores.cc_aniso < self.fit.uniform.cc_aniso,
            tied_frames=self.fit.settings.tied_frames,
            has_bragg=self.fit.settings.bragg_weight > 0,
        )
        conclusion, verdict = conclude(evidence)
        return Validation(
            settings=self.settings,
            score=name,
            folds=folds,
            restarts=restarts,
            theta_scan=scan,
            bootstrap=bootstrap,
            influence=unknown if series is None else problem.of_frames(series.influence),
            leave_one_out=leave_one_out,
            lights=six_lights(evidence),
            conclusion=conclusion,
            verdict=verdict,
            seconds=self.clock.elapsed,
            complete=complete,
        )


def n_fits(settings: ValidationSettings) -> int:
    """How many fits a validation takes."""
    return settings.folds + settings.starts + settings.thetas * (1 + settings.folds) + settings.samples


def _counter(before: int, total: int) -> Callable[[int, str], Progress]:
    return lambda done, message: Progress("validation", before + done, total, message)


class _Plan:
    """All fits of a validation, in three batches that share their passes over the structure factors."""

    def __init__(
        self,
        bench: Bench,
        problem: WeightProblem,
        series: FrameSeries,
        settings: ValidationSettings,
        rng: np.random.Generator,
    ) -> None:
        self.bench = bench
        fold = _folds(bench, problem.groups.lattice.inverse_d, settings.folds, rng)
        self.tied = problem.n_fitted / problem.n_units
        self.decorrelation = decorrelation_time(series.slow, bench.runs) * self.tied
        self.block = settings.block or int(np.ceil(self.decorrelation))
        self.thetas = _thetas(bench, series, settings.thetas)
        self.folds = plan_folds(bench, fold)
        self.starts = plan_restarts(bench, settings.starts, rng)
        self.scan = plan_theta_scan(bench, self.thetas, fold)
        units = max(1, round(self.block / self.tied))
        self.samples = plan_bootstrap(bench, settings.samples, units, rng)
        self.stages = (
            Trials(bench, "Held-out folds and random starts", {**self.folds, **self.starts}),
            Trials(bench, "Strength of the entropy", self.scan),
            Trials(bench, "Samples of frames and reflections", self.samples, SAMPLE_TOLERANCE),
        )

    def collected(
        self, problem: WeightProblem
    ) -> tuple[Folds | None, Restarts | None, ThetaScan | None, Bootstrap | None]:
        """What is finished, as weights of frames."""
        first, second, third = (trials.done for trials in self.stages)
        folds = collect_folds(self.bench, self.folds, first)
        restarts = collect_restarts(self.bench, self.starts, first)
        scan = collect_theta_scan(self.bench, self.thetas, len(self.folds), self.scan, second)
        bootstrap = collect_bootstrap(self.bench, self.decorrelation, self.block, self.samples, third)
        return (
            folds and replace(folds, weights=problem.of_frames(folds.weights)),
            restarts and replace(restarts, weights=problem.of_frames(restarts.weights)),
            scan,
            bootstrap
            and replace(
                bootstrap,
                weights=problem.of_frames(bootstrap.weights),
                weight_error=problem.of_frames(bootstrap.weight_error),
            ),
        )


def _folds(bench: Bench, inverse_d: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each reflection, int [n_group]; -1 for those of the free set, and for all where there are no folds."""
    fold = np.full(len(inverse_d), -1)
    fitted = np.flatnonzero(bench.rows > 0)
    if n_folds:
        fold[fitted] = draw_folds(np.argsort(inverse_d[fitted], kind="stable"), n_folds, rng)
    return fold


def _thetas(bench: Bench, series: FrameSeries, n: int) -> np.ndarray:
    plain, fitted = bench.score_of(np.stack([bench.prior, bench.weights]))
    kl = relative_entropy(bench.weights, bench.prior)
    low, high = theta_range(series.gradient, bench.prior, float(fitted - plain), kl, bench.usual.theta)
    return np.geomspace(low, high, n)


def _caveats(problem: WeightProblem, fit: WeightFit) -> Iterator[str]:
    """What the fit itself tells against its weights."""
    if fit.stopped:
        yield "the fit was stopped before its end"
    elif not fit.converged:
        yield "the fit did not converge"
    before = intensities(problem.frames, problem.prior[None])[0]
    if indexing_warning(problem, before, fit.uniform.cc_aniso) is not None:
        yield "another indexing of the map fits better"
