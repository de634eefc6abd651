"""Gauss-Newton over the simplex, for many fits at once.

With the mean structure factors m frozen the intensity is linear in the weights, x = sum_t w_t D_t with
D_t = |F_t - m|^2, and its derivative along the simplex is exact. The frozen problem is solved exactly (`frozen`), and
the step towards its solution is taken as far as the true gain keeps rising.

Four things make it fast. A fit is first brought to its end on a sample of the reflections, stratified by resolution.
The Gram matrix of the D_t, by far the dearest part, holds only frames with weight and those that ask for some (column
generation). All fits of a batch share every pass over the structure factors. And their Gram matrices are formed over
the sample only, and seldom; each is corrected to be exact at the present weights: value, gradient and line search are
always those of all reflections, so that what comes out is their optimum whatever the Gram matrix was.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from mdweights_core.errors import counted
from mdweights_core.weights.frames.passes import contractions, intensities, lines
from mdweights_core.weights.objectives.base import Linearisation
from mdweights_core.weights.solvers.base import Solve, SolverState, Task, Term, relative_entropy
from mdweights_core.weights.solvers.columns import Columns, promising
from mdweights_core.weights.solvers.frozen import FrozenGain, FrozenTerm, with_secant
from mdweights_core.weights.solvers.grams import Grams, grams_of_fits
from mdweights_core.weights.solvers.sampling import Sample
from mdweights_core.weights.solvers.shared import SharedGrams
from mdweights_core.weights.solvers.steps import ENOUGH, LOWEST_THETA, best_steps, maximum

TOLERANCE = 1e-7
"""Gain that a step must still promise; less, and a fit is done."""

BATCH_TOLERANCE = 1e-6
"""The same for many fits, whose spread is what matters."""

_COARSE_TOLERANCE = 1e-5
_COARSE_STEPS = 30
_LOOK_SECONDS = 0.15
_FEW = 800  # frames
_COLLAPSED = 0.97  # beyond it the correlation only creeps up while the rest of the weights goes to zero


def solve_many(
    terms: Sequence[Term],
    tasks: Sequence[Task],
    limit: int = 100,
    tolerance: float | None = None,
    shared: SharedGrams | None = None,
) -> Solve:
    """Maximise the weighted sum of the terms less theta KL for every task.

    Parameters
    ----------
    terms : sequence of Term
        The first one is the diffuse map, whose reflections the tasks' `rows` are.
    tasks : sequence of Task
    limit : int
        Iterations at most.
    tolerance : float, optional
        Gain that a step must still promise; by default `TOLERANCE` for one task, `BATCH_TOLERANCE` for several.
    shared : SharedGrams, optional
        Taken in place of each task's own, as long as they serve; then samples of the reflections are not worked on.
        They tell how far to go, not where: value and gradient are those of each task's own reflections.

    Yields
    ------
    list of SolverState
        One for each task, after each iteration; an empty list while a sample of the reflections is worked on.
    """
    fits, rows = [_Fit.of(task) for task in tasks], np.stack([task.rows for task in tasks])
    samples = [Sample.of(term) for term in terms]
    if shared is None and all(sample.is_part for sample in samples):
        coarse, coarse_rows = [Sample.whole(sample.term) for sample in samples], rows[:, samples[0].chosen]
        for moved in _improved(coarse, coarse, coarse_rows, fits, _COARSE_STEPS, _COARSE_TOLERANCE):
            fits = fits if moved is None else moved
            yield []
        fits = [fit.begun_anew() for fit in fits]
    states: list[SolverState] = []
    whole = [Sample.whole(term) for term in terms]
    if tolerance is None:
        tolerance = TOLERANCE if len(tasks) == 1 else BATCH_TOLERANCE
    enough = shared is None and len(tasks) > 1 and all(sample.is_telling for sample in samples)
    for moved in _improved(whole, samples if enough else whole, rows, fits, limit, tolerance, shared):
        states = [] if moved is None else [fit.state for fit in moved]
        yield states
    return states


@dataclass(frozen=True, eq=False)
class _Fit:
    """One task on its way."""

    task: Task
    state: SolverState

    @classmethod
    def of(cls, task: Task) -> _Fit:
        nothing = np.zeros(0)
        start = np.asarray(task.start, dtype=np.float64)
        theta = max(task.theta, LOWEST_THETA) if task.n_eff_floor > 0 else task.theta
        return cls(task, SolverState(start, nothing, -np.inf, nothing, theta))

    def begun_anew(self) -> _Fit:
        """The same weights, not done."""
        return replace(self, state=replace(self.state, iteration=0, done=False, converged=False, outcome=""))

    @cached_property
    def allowed(self) -> np.ndarray:
        n = len(self.task.start)
        return np.ones(n, dtype=bool) if self.task.allowed is None else self.task.allowed

    @property
    def entropy(self) -> float:
        """KL(w || prior)."""
        return relative_entropy(self.state.weights, self.task.prior)


def _improved(
    parts: Sequence[Sample],
    samples: Sequence[Sample],
    rows: np.ndarray,
    fits: list[_Fit],
    limit: int,
    tolerance: float,
    shared: SharedGrams | None = None,
) -> Iterator[list[_Fit] | None]:
    """Iterate until every fit is done, Gram matrices over `samples`: fits after each iteration, None amid one."""
    terms = [part.term for part in parts]
    fits, weights = list(fits), np.stack([fit.state.weights for fit in fits])
    x = [intensities(term.frames, weights) for term in terms]
    grams = grams_of_fits(samples, shared, len(fits), weights.shape[1])
    while True:
        going = np.array([i for i, fit in enumerate(fits) if not fit.state.done])
        if not len(going):
            return
        batch = _Batch(
            terms, [grams[i] for i in going], rows[going], [fits[i] for i in going], [values[going] for values in x]
        )
        moved, new_x = yield from batch.step(limit, tolerance)
        for place, i in enumerate(going):
            fits[i] = moved[place]
        for values, new in zip(x, new_x, strict=True):
            values[going] = new
        yield list(fits)


class _Batch:
    """One iteration of several fits."""

    def __init__(
        self,
        terms: Sequence[Term],
        grams: Sequence[Sequence[Grams]],
        rows: np.ndarray,
        fits: list[_Fit],
        x: list[np.ndarray],
    ) -> None:
        self.terms, self.grams, self.fits, self.x = terms, grams, fits, x
        self.rows = [term.rows_of(rows) for term in terms]
        self.weights = np.stack([fit.state.weights for fit in fits])

    def step(self, limit: int, tolerance: float) -> Generator[None, None, tuple[list[_Fit], list[np.ndarray]]]:
        """Fits after one iteration, and their intensities per term; yields now and then amid the work."""
        with self._few_threads():
            self._linearise()
        targets, promised, thetas = yield from self._targets()
        self.fits = [
            replace(fit, state=replace(fit.state, theta=theta)) for fit, theta in zip(self.fits, thetas, strict=True)
        ]
        with self._few_threads():
            fits = [
                self._seen(i, value, theta)
                for i, (value, theta) in enumerate(zip(self._sums(self.linear), thetas, strict=True))
            ]
            at_end = [self._ended(fit, promise, limit, tolerance) for fit, promise in zip(fits, promised, strict=True)]
            going = np.array([i for i, fit in enumerate(at_end) if not fit.state.done], dtype=np.int64)
            if len(going):
                self._search(at_end, going, targets, promised, thetas)
        return at_end, self.x

    def _few_threads(self) -> threadpool_limits:
        """Small products and factorisations are many times slower on threads that XLA's keep waiting for a core."""
        return threadpool_limits(1 if self.weights.shape[1] < _FEW else None, user_api="blas")

    def _linearise(self) -> None:
        """Values, and what they are made of per frame: b and N w of every term."""
        self.linear: list[Linearisation] = []
        self.overlap, self.image = [], []
        for term, rows, x in zip(self.terms, self.rows, self.x, strict=True):
            linear = term.objective.linearise(x, rows)
            b, q = contractions(term.frames, self.weights, np.stack([linear.response, linear.image]))
            self.linear.append(linear)
            self.overlap.append(b)
            self.image.append(q)

    def _sums(self, linear: Sequence[Linearisation]) -> np.ndarray:
        return sum(term.weight * lin.gain for term, lin in zip(self.terms, linear, strict=True))  # type: ignore

    def _seen(self, i: int, value: float, theta: float) -> _Fit:
        """Fit `i` with intensity, gain and gradient of where it is, at a theta; `value` is that of the terms."""
        fit = self.fits[i]
        gain = float(value) - (theta * fit.entropy if theta > 0 else 0.0)
        state = replace(fit.state, x=self.x[0][i], gain=gain, gradient=self._slopes(i, theta), theta=theta)
        return replace(fit, state=state)

    def _slopes(self, i: int, theta: float) -> np.ndarray:
        """Gradient of the gain in the weights of fit `i` at a theta: float64 [T]."""
        fit = self.fits[i]
        total = np.zeros(len(fit.state.weights))
        for term, lin, b, q in zip(self.terms, self.linear, self.overlap, self.image, strict=True):
            factor = term.weight * lin.slope[i] * lin.rho[i] ** (lin.power - 1)
            total += factor * (b[i] / np.sqrt(lin.norm2[i]) - lin.rho[i] * q[i] / lin.norm2[i])
        if theta > 0:
            total -= theta * np.log(np.maximum(fit.state.weights, 1e-300) / fit.task.prior)
        return total

    def _targets(self) -> Generator[None, None, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Where each fit wants to go, what it hopes to gain there, and theta, which a floor may have raised."""
        targets, promised = np.empty_like(self.weights), np.empty(len(self.fits))
        thetas, looked = np.empty(len(self.fits)), time.monotonic()
        for i in range(len(self.fits)):
            with self._few_threads():
                targets[i], promised[i], thetas[i] = self._target(i)
            if time.monotonic() - looked > _LOOK_SECONDS:
                looked = time.monotonic()
                yield
        return targets, promised, thetas

    def _target(self, i: int) -> tuple[np.ndarray, float, float]:
        fit = self.fits[i]
        columns = self._columns(i, fit)
        frozen = self._frozen(i, fit, columns)
        now = columns.of(fit.state.weights)
        best, theta = maximum(frozen, now, fit.task, columns.chosen)
        frozen = replace(frozen, theta=theta)
        return columns.spread(best), float(frozen(best) - frozen(now)), theta

    def _columns(self, i: int, fit: _Fit) -> Columns:
        w = fit.state.weights
        if fit.state.theta > 0:
            return Columns(w, np.flatnonzero(fit.allowed))
        return Columns(w, promising(w, fit.allowed, self._slopes(i, fit.state.theta)))

    def _frozen(self, i: int, fit: _Fit, columns: Columns) -> FrozenGain:
        now, terms = columns.of(fit.state.weights), []
        for term, grams, rows, x, lin, b, q in zip(
            self.terms, self.grams[i], self.rows, self.x, self.linear, self.overlap, self.image, strict=True
        ):
            matrix = grams.between(columns, fit.state.weights, x[i], rows[i])
            image = columns.of_each(q[i])
            scale = (now @ image) / max(now @ matrix @ now, 1e-300)
            matrix = with_secant(scale * matrix, now, image)
            terms.append(FrozenTerm(matrix, columns.of_each(b[i]), term.weight * float(lin.slope[i]), lin.power))
        return FrozenGain(terms, fit.state.theta, columns.of(fit.task.prior))

    def _ended(self, fit: _Fit, promise: float, limit: int, tolerance: float) -> _Fit:
        state = fit.state
        if state.theta == 0 and state.weights.max() > _COLLAPSED:
            text = (
                f"The correlation keeps rising as all weight moves onto frame {int(state.weights.argmax())}: there is "
                "no optimum."
            )
            return replace(fit, state=replace(state, done=True, outcome=text))
        if promise < tolerance:
            text = f"Converged after {counted(state.iteration, 'iteration')}."
            return replace(fit, state=replace(state, done=True, converged=True, outcome=text))
        if state.iteration >= limit:
            text = f"Stopped at the limit of {counted(state.iteration, 'iteration')}."
            return replace(fit, state=replace(state, done=True, outcome=text))
        return fit

    def _search(
        self, fits: list[_Fit], going: np.ndarray, targets: np.ndarray, promised: np.ndarray, thetas: np.ndarray
    ) -> None:
        """Go towards the targets as far as the true gain rises; a fit that cannot is done."""
        directions = targets[going] - self.weights[going]
        both = [lines(term.frames, self.weights[going], directions) for term in self.terms]

        def gains(alpha: np.ndarray) -> np.ndarray:
            x = [self._along(values[going], pair, alpha) for values, pair in zip(self.x, both, strict=True)]
            linear = [
                term.objective.linearise(values, rows[going])
                for term, values, rows in zip(self.terms, x, self.rows, strict=True)
            ]
            found = self._sums(linear)
            for place, i in enumerate(going):
                if thetas[i] > 0:
                    w = np.maximum(self.weights[i] + alpha[place] * directions[place], 0.0)
                    found[place] -= thetas[i] * relative_entropy(w / w.sum(), fits[i].task.prior)
            return found

        start = self._sums(self.linear)[going]
        start -= [thetas[i] * self.fits[i].entropy if thetas[i] > 0 else 0.0 for i in going]
        alpha, gain = best_steps(gains, start, promised[going])
        for values, pair in zip(self.x, both, strict=True):
            values[going] = self._along(values[going], pair, alpha)
        for place, i in enumerate(going):
            w = np.maximum(self.weights[i] + alpha[place] * directions[place], 0.0)
            state = replace(fits[i].state, weights=w / w.sum(), theta=thetas[i], iteration=fits[i].state.iteration + 1)
            if gain[place] - start[place] < ENOUGH * promised[i]:
                for grams in self.grams[i]:
                    grams.give_up_shared()
            if alpha[place] == 0:
                text = f"No further gain after {counted(state.iteration, 'iteration')}."
                state = replace(state, done=True, converged=bool(promised[i] < 100 * TOLERANCE), outcome=text)
            fits[i] = replace(fits[i], state=replace(state, gain=float(gain[place])))

    @staticmethod
    def _along(x: np.ndarray, pair: tuple[np.ndarray, np.ndarray], alpha: np.ndarray) -> np.ndarray:
        a = alpha[:, None]
        return x + a * pair[0] + a**2 * pair[1]
