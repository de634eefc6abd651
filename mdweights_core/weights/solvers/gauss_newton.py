"""Gauss-Newton over the simplex, for many fits at once.

With the mean structure factors m frozen the intensity is linear in the weights, x = sum_t w_t D_t with
D_t = |F_t - m|^2, and its derivative along the simplex is exact. The frozen problem is solved exactly (`frozen`), and
the step towards its solution is taken as far as the true gain keeps rising.

Five things make it fast. A fit is first brought near its end on samples of the reflections, in which strong ones are
drawn more often (`sampling`). The Gram matrix of the D_t, by far the dearest part, holds only frames with weight and
those that ask for some (column generation). It is formed over the sample only, and corrected to be exact at the present
weights; one fit alone goes on with all reflections where steps are not as good as promised. All fits of a batch share
every pass over the structure factors. And what a pass found is kept (`places`): mean structure factors move with the
weights, and the end of a line search is the beginning of the next iteration. Value, gradient and line search are always
those of all reflections, so that what comes out is their optimum whatever the Gram matrix was.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.weights.frames.passes import contractions
from mdweights_core.weights.frames.threads import one_blas_thread
from mdweights_core.weights.solvers.base import Solve, SolverState, Task, Term, relative_entropy
from mdweights_core.weights.solvers.columns import Columns, promising
from mdweights_core.weights.solvers.frozen import FrozenGain, FrozenTerm, corrected
from mdweights_core.weights.solvers.grams import Grams, grams_of_fits
from mdweights_core.weights.solvers.places import Place, Way, total_gain
from mdweights_core.weights.solvers.sampling import Sample, coarser
from mdweights_core.weights.solvers.shared import SharedGrams
from mdweights_core.weights.solvers.steps import LOWEST_THETA, best_steps, maximum

TOLERANCE = 1e-7
"""Gain that a step must still promise; less, and a fit is done."""

BATCH_TOLERANCE = 1e-6
"""The same for many fits, whose spread is what matters."""

_COARSE_TOLERANCE = 1e-5
_COARSE_PROMISE = 1e-3  # of the last step on a sample, whose own error is larger than what is left then
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
        Taken in place of each task's own, as long as they serve; a sample of the sample is then not worked on. They
        tell how far to go, not where: value and gradient are those of each task's own reflections.

    Yields
    ------
    list of SolverState
        One for each task, after each iteration; an empty list while a sample of the reflections is worked on.
    """
    fits, rows = [_Fit.of(task) for task in tasks], np.stack([task.rows for task in tasks])
    samples = [Sample.of(term, rows) for term in terms]
    for fewer, counts in coarser(samples, rows)[0 if shared is None else -1 :]:
        for moved in _improved(fewer, fewer, counts, fits, _COARSE_STEPS, _COARSE_TOLERANCE, shared):
            fits = fits if moved is None else moved
            yield []
            if all(fit.promise < _COARSE_PROMISE for fit in fits):
                break
        fits = [fit.begun_anew() for fit in fits]
    states: list[SolverState] = []
    whole = [Sample.whole(term) for term in terms]
    if tolerance is None:
        tolerance = TOLERANCE if len(tasks) == 1 else BATCH_TOLERANCE
    enough = shared is None and all(sample.is_telling for sample in samples)
    for moved in _improved(whole, samples if enough else whole, rows, fits, limit, tolerance, shared):
        states = [] if moved is None else [fit.state for fit in moved]
        yield states
    return states


@dataclass(frozen=True, eq=False)
class _Fit:
    """One task on its way, with what its next step promises to gain and what the one before did."""

    task: Task
    state: SolverState
    promise: float = np.inf
    before: float = np.inf

    @classmethod
    def of(cls, task: Task) -> _Fit:
        nothing = np.zeros(0)
        start = np.asarray(task.start, dtype=np.float64)
        theta = max(task.theta, LOWEST_THETA) if task.n_eff_floor > 0 else task.theta
        return cls(task, SolverState(start, nothing, -np.inf, nothing, theta))

    def begun_anew(self) -> _Fit:
        """The same weights, not done."""
        return _Fit(self.task, replace(self.state, iteration=0, done=False, converged=False, outcome=""))

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
    terms, fits = [part.term for part in parts], list(fits)
    rows_of = [term.rows_of(rows) for term in terms]
    grams = grams_of_fits(samples, parts, shared, len(fits), len(fits[0].state.weights))
    with _few_threads(len(fits[0].state.weights)):
        place = Place.at(terms, rows_of, np.stack([fit.state.weights for fit in fits]))
    live = np.arange(len(fits))
    while len(live):
        batch = _Batch(terms, [grams[i] for i in live], [r[live] for r in rows_of], [fits[i] for i in live], place)
        moved, place = yield from batch.step(limit, tolerance)
        for i, fit in zip(live, moved, strict=True):
            fits[i] = fit
        live = live[[not fit.state.done for fit in moved]]
        yield list(fits)


def _few_threads(n_frames: int) -> AbstractContextManager[object]:
    """Small products and factorisations are many times slower on threads that XLA's keep waiting for a core."""
    return one_blas_thread() if n_frames < _FEW else nullcontext()


class _Batch:
    """One iteration of several fits."""

    def __init__(
        self,
        terms: Sequence[Term],
        grams: Sequence[Sequence[Grams]],
        rows: Sequence[np.ndarray],
        fits: list[_Fit],
        place: Place,
    ) -> None:
        self.terms, self.grams, self.rows, self.fits, self.place = terms, grams, rows, fits, place
        self.weights = np.stack([fit.state.weights for fit in fits])

    def step(self, limit: int, tolerance: float) -> Generator[None, None, tuple[list[_Fit], Place]]:
        """Fits after one iteration, and the place of those that are not done; yields now and then amid the work."""
        with self._few_threads():
            self._contract()
        targets, promised, thetas = yield from self._targets()
        with self._few_threads():
            gains = total_gain(self.terms, self.place.linear)
            self.fits = [
                self._ended(self._seen(i, *here), limit, tolerance)
                for i, here in enumerate(zip(gains, thetas, promised, strict=True))
            ]
            going = np.flatnonzero([not fit.state.done for fit in self.fits])
            return self.fits, self._search(going, targets[going]) if len(going) else self.place

    def _few_threads(self) -> AbstractContextManager[object]:
        return _few_threads(self.weights.shape[1])

    def _contract(self) -> None:
        """What values are made of per frame: b and N w of every term."""
        self.overlap, self.image = [], []
        for term, linear, means in zip(self.terms, self.place.linear, self.place.means, strict=True):
            b, q = contractions(term.frames, self.weights, np.stack([linear.response, linear.image]), means)
            self.overlap.append(b)
            self.image.append(q)

    def _seen(self, i: int, value: float, theta: float, promise: float) -> _Fit:
        """Fit `i` with intensity, gain and gradient of where it is, at a theta; `value` is that of the terms."""
        fit = self.fits[i]
        gain = float(value) - (theta * fit.entropy if theta > 0 else 0.0)
        state = replace(fit.state, x=self.place.x[0][i], gain=gain, gradient=self._slopes(i, theta), theta=theta)
        return replace(fit, state=state, promise=float(promise), before=fit.promise)

    def _slopes(self, i: int, theta: float) -> np.ndarray:
        """Gradient of the gain in the weights of fit `i` at a theta: float64 [T]."""
        fit = self.fits[i]
        total = np.zeros(len(fit.state.weights))
        for term, lin, b, q in zip(self.terms, self.place.linear, self.overlap, self.image, strict=True):
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
            self.terms,
            self.grams[i],
            self.rows,
            self.place.x,
            self.place.linear,
            self.overlap,
            self.image,
            strict=True,
        ):
            matrix = grams.between(columns, fit.state.weights, x[i], rows[i])
            image = columns.of_each(q[i])
            model, slope = corrected(matrix, now, image), term.weight * float(lin.slope[i])
            terms.append(FrozenTerm(model, columns.of_each(b[i]), slope, lin.power))
        return FrozenGain(terms, fit.state.theta, columns.of(fit.task.prior))

    def _ended(self, fit: _Fit, limit: int, tolerance: float) -> _Fit:
        state = fit.state
        if state.theta == 0 and state.weights.max() > _COLLAPSED:
            text = (
                f"The correlation keeps rising as all weight moves onto frame {int(state.weights.argmax())}: there is "
                "no optimum."
            )
            return replace(fit, state=replace(state, done=True, outcome=text))
        if fit.promise < tolerance:
            text = f"Converged after {counted(state.iteration, 'iteration')}."
            return replace(fit, state=replace(state, done=True, converged=True, outcome=text))
        if state.iteration >= limit:
            text = f"Stopped at the limit of {counted(state.iteration, 'iteration')}."
            return replace(fit, state=replace(state, done=True, outcome=text))
        return fit

    def _search(self, going: np.ndarray, targets: np.ndarray) -> Place:
        """Go towards the targets as far as the true gain rises; a fit that cannot is done. The place of the others."""
        weights, fits = self.weights[going], [self.fits[i] for i in going]
        directions = targets - weights
        way = Way(self.terms, [rows[going] for rows in self.rows], self.place.of(going), weights, directions)

        def gains(alpha: np.ndarray) -> np.ndarray:
            return total_gain(self.terms, way.linear(alpha)) - self._entropies(fits, _moved(weights, directions, alpha))

        start, promised = (np.array(values) for values in zip(*((f.state.gain, f.promise) for f in fits), strict=True))
        alpha, gain = best_steps(gains, start, promised)
        end = way.end(alpha)
        moved = zip(going, fits, _moved(weights, directions, alpha), alpha, gain, strict=True)
        for place, (i, fit, w, length, reached) in enumerate(moved):
            for grams in self.grams[i]:
                grams.judge(fit.promise, fit.before, reached - fit.state.gain)
            state = replace(
                fit.state, weights=w, x=end.x[0][place], gain=float(reached), iteration=fit.state.iteration + 1
            )
            if length == 0:
                text = f"No further gain after {counted(state.iteration, 'iteration')}."
                state = replace(state, done=True, outcome=text, converged=fit.promise < 100 * TOLERANCE)
            self.fits[i] = replace(fit, state=state)
        return end.of(np.flatnonzero(alpha > 0))

    @staticmethod
    def _entropies(fits: Sequence[_Fit], weights: np.ndarray) -> np.ndarray:
        """theta KL(w || prior) of each fit at weights [P, T]."""
        pairs = ((fit.state.theta, fit.task.prior, w) for fit, w in zip(fits, weights, strict=True))
        return np.array([theta * relative_entropy(w, prior) if theta > 0 else 0.0 for theta, prior, w in pairs])


def _moved(weights: np.ndarray, directions: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Weights [P, T] after steps of lengths alpha [P]: not negative, of sum one."""
    moved = np.maximum(weights + alpha[:, None] * directions, 0.0)
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))
