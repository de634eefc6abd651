"""What all fits of a validation share: the problem, how it was fitted, and the correlation that scores them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from mdweights_core.jobs import Clock, Job, Progress
from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.objectives import headline
from mdweights_core.weights.objectives.correlation import Correlation
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.result import WeightFit
from mdweights_core.weights.settings import DEFAULT_STEPS
from mdweights_core.weights.solvers import SharedGrams, SolverState, Task, Term, solve_many
from mdweights_core.weights.terms import fewer, fit_task, fit_terms, rounding

_BATCH_BYTES = 512 * 2**20
"""For the arrays of a batch. It does not follow the memory there is: which fits share a batch changes their last
digits, and the same job is to give the same numbers.
"""
_ARRAYS = 14
"""Of float64 [P, G] that a batch of P fits needs at a time: intensities, rows, lines, linearisations, what becomes of
them."""

_SAME = 1e-6  # of the mean weight
_LIMIT = DEFAULT_STEPS["gauss-newton"]
_FEW = 0.2  # of the fits of a batch: they may go on

Key = tuple[Hashable, ...]


@dataclass(frozen=True, eq=False)
class Bench:
    """A fit as something that can be repeated.

    Attributes
    ----------
    terms : sequence of Term
        What was fitted; the first one is the diffuse map.
    score : Correlation
        Of the diffuse map, every reflection alike.
    usual : Task
        The fit as it was: its reflections, start, prior, theta and floor.
    weights : float64 [n_units]
        The fit's.
    most : int or None
        Units that may have a weight at most.
    runs : int [n_units]
        Number of the trajectory each unit is of; neighbours in time have neighbouring places.
    """

    terms: Sequence[Term]
    score: Correlation
    usual: Task
    weights: np.ndarray
    most: int | None
    runs: np.ndarray

    @classmethod
    def of(cls, problem: WeightProblem, fit: WeightFit, runs: np.ndarray | None) -> Bench:
        """The `fit` of a `problem`; `runs` int [n_frames] tells the trajectory of each frame, by default one."""
        settings = fit.settings
        operator = problem.operator if headline(settings.objective) == "cc_aniso" else None
        equal = np.ones(len(problem.observed))
        return cls(
            terms=fit_terms(problem, settings),
            score=Correlation(problem.observed, equal, operator, rounding(problem)),
            usual=fit_task(problem, settings),
            weights=problem.of_units(fit.weights),
            most=settings.max_frames,
            runs=_runs_of_units(problem, runs),
        )

    @property
    def rows(self) -> np.ndarray:
        """1 on the reflections that were fitted, else 0: float64 [n_group]."""
        return self.usual.rows

    @cached_property
    def shared(self) -> SharedGrams | None:
        """Gram matrices at the weights of the fit and at the prior ones, for all repetitions."""
        return SharedGrams.at(self.terms, np.stack([self.weights, self.prior]))

    @property
    def at_once(self) -> int:
        """Fits that are done side by side."""
        return max(1, _BATCH_BYTES // (_ARRAYS * 8 * len(self.rows)))

    @property
    def prior(self) -> np.ndarray:
        """Prior weights: float64 [n_units]."""
        return self.usual.prior

    def score_of(self, weights: np.ndarray) -> np.ndarray:
        """Score of sets of weights [P, n_units] on the reflections that were fitted: float64 [P]."""
        rows = np.broadcast_to(self.rows, (len(weights), len(self.rows)))
        return self.score.held_out_gain(intensities(self.terms[0].frames, weights), rows, rows)


@dataclass(frozen=True, eq=False)
class Trial:
    """A fit to be done, and where it is scored.

    Attributes
    ----------
    task : Task
    held_out : float64 [n_group]
        1 on the reflections of the score; shell means are those of the task's.
    """

    task: Task
    held_out: np.ndarray

    @property
    def waiting(self) -> Trial:
        """With counts of reflections as small integers: a validation plans a hundred fits."""
        return self._as(np.uint8)

    @property
    def ready(self) -> Trial:
        """With counts of reflections as they are worked with."""
        return self._as(np.float64)

    def _as(self, dtype: type) -> Trial:
        return Trial(replace(self.task, rows=np.asarray(self.task.rows, dtype)), np.asarray(self.held_out, dtype))


@dataclass(frozen=True, eq=False)
class Tried:
    """What a trial came to.

    Attributes
    ----------
    weights : float64 [n_frames]
    score : float
        On the reflections that were held out.
    uniform : float
        That of the prior weights on the same reflections.
    is_unfinished : bool
        True where the limit of iterations came before the optimum.
    """

    weights: np.ndarray
    score: float
    uniform: float
    is_unfinished: bool = False


@dataclass(eq=False)
class Trials:
    """Fits that are done side by side, so that they share every pass over the structure factors.

    What is finished stays in `done` when the work is broken off. `tolerance` is that of `solve_many`.
    """

    bench: Bench
    message: str
    planned: Mapping[Key, Trial]
    tolerance: float | None = None
    done: dict[Key, Tried] = field(default_factory=dict)

    def run(self, progress: Callable[[int, str], Progress]) -> Job[None]:
        """Do them; `progress` is told how many are finished, and what runs."""
        keys, size = list(self.planned), self.bench.at_once
        for first in range(0, len(keys), size):
            yield from self._batch({key: self.planned[key].ready for key in keys[first : first + size]}, progress)

    def _batch(self, trials: Mapping[Key, Trial], progress: Callable[[int, str], Progress]) -> Job[None]:
        """Fits that share their passes; those with too many frames are repeated with fewer."""
        tasks = {key: trial.task for key, trial in trials.items()}
        yield progress(len(self.done), self.message)
        while tasks:
            states: dict[Key, SolverState] = {}
            try:
                yield from self._solved(tasks, states, progress)
            finally:
                ended = {key: state for key, state in states.items() if state.done}
                smaller = {key: fewer(tasks[key], state.weights, self.bench.most) for key, state in ended.items()}
                self._keep(trials, {key: state for key, state in ended.items() if smaller[key] is None})
            tasks = {key: task for key, task in smaller.items() if task is not None}

    def _solved(
        self, tasks: Mapping[Key, Task], states: dict[Key, SolverState], progress: Callable[[int, str], Progress]
    ) -> Job[None]:
        """Fits to their end; a few that come to the limit go on from there, as long again."""
        yield from self._driven(tasks, states, progress)
        late = {key: replace(tasks[key], start=state.weights) for key, state in states.items() if _is_late(state)}
        if 0 < len(late) <= max(1, _FEW * len(tasks)):
            yield from self._driven(late, states, progress)

    def _driven(
        self, tasks: Mapping[Key, Task], states: dict[Key, SolverState], progress: Callable[[int, str], Progress]
    ) -> Job[None]:
        clock = Clock()
        solve = solve_many(self.bench.terms, list(tasks.values()), _LIMIT, self.tolerance, self.bench.shared)
        for found in solve:
            states.update(zip(tasks, found, strict=False))  # nothing is found amid an iteration
            if clock.is_due():
                yield progress(len(self.done) + sum(state.done for state in states.values()), self.message)

    def _keep(self, trials: Mapping[Key, Trial], states: Mapping[Key, SolverState]) -> None:
        """Score the fits that have come to their end."""
        if not states:
            return
        scores, uniform = self._scores([trials[key] for key in states], np.stack([s.x for s in states.values()]))
        for (key, state), score, plain in zip(states.items(), scores, uniform, strict=True):
            self.done[key] = Tried(state.weights, float(score), float(plain), _is_late(state))

    def _scores(self, trials: list[Trial], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, held_out = (np.stack(part) for part in zip(*((t.task.rows, t.held_out) for t in trials), strict=True))
        priors, which = np.unique([trial.task.prior for trial in trials], axis=0, return_inverse=True)
        plain = intensities(self.bench.terms[0].frames, priors)[which.ravel()]
        score = self.bench.score
        return score.held_out_gain(x, rows, held_out), score.held_out_gain(plain, rows, held_out)


def _is_late(state: SolverState) -> bool:
    """True for a fit that ended at the limit."""
    return state.done and not state.converged and state.iteration >= _LIMIT


def finished(tried: Mapping[Key, Tried], least: int) -> tuple[dict[Key, Tried], int]:
    """Those that reached their optimum, and how many did not: these would scatter for that alone.

    All of them where fewer than `least` reached it.
    """
    there = {key: one for key, one in tried.items() if not one.is_unfinished}
    return (there if len(there) >= least else dict(tried)), len(tried) - len(there)


def _runs_of_units(problem: WeightProblem, runs: np.ndarray | None) -> np.ndarray:
    if runs is None:
        return np.zeros(problem.n_units, dtype=np.int64)
    if problem.unit is None:
        return runs
    fitted = np.flatnonzero(problem.unit >= 0)
    first = np.unique(problem.unit[fitted], return_index=True)[1]
    return runs[fitted[first]]


def agreement(weights: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Pearson correlation of `weights` [n_frames] with each row of `others` [n, n_frames]: float64 [n].

    Equal weights have no pattern: 0 beside any other, 1 beside themselves.
    """
    centred, rows = weights - weights.mean(), others - others.mean(axis=1, keepdims=True)
    norm = np.sqrt((rows**2).sum(axis=1) * (centred @ centred))
    same = np.abs(others - weights).max(axis=1, initial=0.0) < _SAME / len(weights)
    found = np.divide(rows @ centred, norm, out=np.zeros(len(others)), where=norm > 0)
    return np.where(same, 1.0, found)
