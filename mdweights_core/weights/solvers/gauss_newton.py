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
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from mdweights_core.weights.frames.blocks import FrameBlocks
from mdweights_core.weights.frames.passes import Mixtures, contractions, gram, intensities, lines
from mdweights_core.weights.objectives.base import Linearisation
from mdweights_core.weights.solvers.base import Solve, SolverState, Task, Term, iterations, relative_entropy
from mdweights_core.weights.solvers.frozen import FrozenGain, FrozenTerm, with_secant
from mdweights_core.weights.solvers.shared import SharedGrams

TOLERANCE = 1e-7
"""Gain that a step must still promise; less, and a fit is done."""

BATCH_TOLERANCE = 1e-6
"""The same for many fits, whose spread is what matters."""

_COARSE_TOLERANCE = 1e-5
_COARSE_STEPS = 30
_SAMPLE = 8000  # reflections, at least
_PER_FRAME = 16  # reflections in the sample for each frame
_FEWEST_PER_FRAME = 4  # for Gram matrices that are used on all reflections
_SAMPLE_BYTES = 600 * 2**20
_KEPT_BYTES = 256 * 2**20  # of Gram matrices kept from one iteration to the next
_LOOK_SECONDS = 0.15
_MOST_COLUMNS = 1024
_NEWCOMERS = 64
_FEW = 800  # frames
_COLLAPSED = 0.97  # beyond it the correlation only creeps up while the rest of the weights goes to zero
_SAME_ENOUGH = 0.02  # weight moved, for which a Gram matrix need not be formed anew
_SAME_ENOUGH_IN_BATCH = 0.2
_ENOUGH = 0.3  # of the gain that a step promised
_LOWEST_THETA = 1e-6


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
    samples = [_Sample.of(term) for term in terms]
    if shared is None and all(sample.is_part for sample in samples):
        coarse, coarse_rows = [_Sample.whole(sample.term) for sample in samples], rows[:, samples[0].chosen]
        for moved in _improved(coarse, coarse, coarse_rows, fits, _COARSE_STEPS, _COARSE_TOLERANCE):
            fits = fits if moved is None else moved
            yield []
        fits = [fit.begun_anew() for fit in fits]
    states: list[SolverState] = []
    whole = [_Sample.whole(term) for term in terms]
    if tolerance is None:
        tolerance = TOLERANCE if len(tasks) == 1 else BATCH_TOLERANCE
    enough = shared is None and len(tasks) > 1 and all(sample.is_telling for sample in samples)
    for moved in _improved(whole, samples if enough else whole, rows, fits, limit, tolerance, shared):
        states = [] if moved is None else [fit.state for fit in moved]
        yield states
    return states


@dataclass(frozen=True, eq=False)
class _Sample:
    """A term on some of its reflections, or on all."""

    term: Term
    chosen: np.ndarray | slice

    @classmethod
    def of(cls, term: Term) -> _Sample:
        """A sample stratified by resolution; all reflections where these are few."""
        if _sample_size(term.frames) >= term.frames.n_groups:
            return cls.whole(term)
        chosen = _stratified(term)
        return cls(term.restricted(chosen), chosen)

    @classmethod
    def whole(cls, term: Term) -> _Sample:
        """All reflections."""
        return cls(term, slice(None))

    @property
    def is_part(self) -> bool:
        return not isinstance(self.chosen, slice)

    @property
    def is_telling(self) -> bool:
        """Enough reflections for a Gram matrix that other reflections agree with."""
        frames = self.term.frames
        return not self.is_part or frames.n_groups >= _FEWEST_PER_FRAME * frames.n_frames


def _sample_size(frames: FrameBlocks) -> int:
    wanted = max(_SAMPLE, _PER_FRAME * frames.n_frames)
    return int(min(wanted, _SAMPLE_BYTES // (4 * frames.n_frames * (2 * frames.n_copies + 1))))


def _stratified(term: Term) -> np.ndarray:
    """One of each run of neighbours in resolution, drawn with a fixed seed: rising numbers, int [n]."""
    n, size = _sample_size(term.frames), term.frames.n_groups
    order = np.arange(size) if term.order is None else term.order
    edges = np.linspace(0, size, n + 1).astype(np.int64)
    picked = edges[:-1] + np.floor(np.random.default_rng(0).random(n) * np.diff(edges)).astype(np.int64)
    return np.sort(order[picked])


@dataclass(frozen=True, eq=False)
class _Fit:
    """One task on its way."""

    task: Task
    state: SolverState

    @classmethod
    def of(cls, task: Task) -> _Fit:
        nothing = np.zeros(0)
        start = np.asarray(task.start, dtype=np.float64)
        theta = max(task.theta, _LOWEST_THETA) if task.n_eff_floor > 0 else task.theta
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
    parts: Sequence[_Sample],
    samples: Sequence[_Sample],
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
    same = _SAME_ENOUGH if len(fits) == 1 else _SAME_ENOUGH_IN_BATCH
    keep = 8 * len(fits) * weights.shape[1] ** 2 < _KEPT_BYTES
    grams = [
        [_Grams(sample, shared and shared.of_term(i), same, keep) for i, sample in enumerate(samples)] for _ in fits
    ]
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
        grams: Sequence[Sequence[_Grams]],
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
        best, theta = _maximum(frozen, now, fit.task, columns.chosen)
        frozen = replace(frozen, theta=theta)
        return columns.spread(best), float(frozen(best) - frozen(now)), theta

    def _columns(self, i: int, fit: _Fit) -> _Columns:
        w, allowed = fit.state.weights, fit.allowed
        if fit.state.theta > 0:
            return _Columns(w, np.flatnonzero(allowed))
        slopes = self._slopes(i, fit.state.theta)
        reduced = slopes - w @ slopes
        active = w > 0
        asking = np.flatnonzero(allowed & ~active & (reduced > 0))
        most = max(_NEWCOMERS, int(active.sum()) // 4)
        newcomers = asking[np.argsort(-reduced[asking], kind="stable")[:most]]
        chosen = np.union1d(np.flatnonzero(active), newcomers)
        if len(chosen) > _MOST_COLUMNS:
            chosen = np.sort(chosen[np.argsort(-reduced[chosen], kind="stable")[:_MOST_COLUMNS]])
        return _Columns(w, chosen)

    def _frozen(self, i: int, fit: _Fit, columns: _Columns) -> FrozenGain:
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
            text = f"Converged after {iterations(state.iteration)}."
            return replace(fit, state=replace(state, done=True, converged=True, outcome=text))
        if state.iteration >= limit:
            text = f"Stopped at the limit of {iterations(state.iteration)}."
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
        alpha, gain = _best_steps(gains, start, promised[going])
        for values, pair in zip(self.x, both, strict=True):
            values[going] = self._along(values[going], pair, alpha)
        for place, i in enumerate(going):
            w = np.maximum(self.weights[i] + alpha[place] * directions[place], 0.0)
            state = replace(fits[i].state, weights=w / w.sum(), theta=thetas[i], iteration=fits[i].state.iteration + 1)
            if gain[place] - start[place] < _ENOUGH * promised[i]:
                for grams in self.grams[i]:
                    grams.shared = None
            if alpha[place] == 0:
                text = f"No further gain after {iterations(state.iteration)}."
                state = replace(state, done=True, converged=bool(promised[i] < 100 * TOLERANCE), outcome=text)
            fits[i] = replace(fits[i], state=replace(state, gain=float(gain[place])))

    @staticmethod
    def _along(x: np.ndarray, pair: tuple[np.ndarray, np.ndarray], alpha: np.ndarray) -> np.ndarray:
        a = alpha[:, None]
        return x + a * pair[0] + a**2 * pair[1]


class _Grams:
    """Gram matrices of one term for one fit, formed anew when its weights have moved far."""

    def __init__(self, sample: _Sample, shared: SharedGrams | None, same_enough: float, keep: bool) -> None:
        self.sample, self.shared, self.same_enough, self.keep = sample, shared, same_enough, keep
        self._known: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def between(self, columns: _Columns, weights: np.ndarray, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The matrix between columns, for the weights [T] that have the intensity x [G]."""
        if self.shared is not None:
            return self.shared.between(columns.chosen, columns.mixtures.rest, weights)
        is_plain = len(columns) == len(columns.chosen)
        if self._known is not None and is_plain:
            then, chosen, matrix = self._known
            if np.abs(weights - then).sum() < self.same_enough and np.isin(columns.chosen, chosen).all():
                places = np.searchsorted(chosen, columns.chosen)
                return matrix[np.ix_(places, places)]
        part = self.sample.chosen
        metric = self.sample.term.objective.metric(x[part], rows[part])
        matrix = gram(self.sample.term.frames, weights, columns.mixtures, metric)
        if is_plain and self.keep:
            self._known = (weights, columns.chosen, matrix)
        return matrix


class _Columns:
    """The frames a frozen problem is solved over, and all others with weight taken together as one column."""

    def __init__(self, weights: np.ndarray, chosen: np.ndarray) -> None:
        self.chosen = chosen
        rest = weights.copy()
        rest[chosen] = 0.0
        mass = rest.sum()
        self.mixtures = Mixtures(chosen, rest[None] / mass if mass > 0 else np.zeros((0, len(weights))))

    def of(self, weights: np.ndarray) -> np.ndarray:
        """Weights of frames -> of columns."""
        others = weights.sum() - weights[self.chosen].sum()
        return np.append(weights[self.chosen], [others] * len(self.mixtures.rest))

    def __len__(self) -> int:
        return len(self.chosen) + len(self.mixtures.rest)

    def of_each(self, values: np.ndarray) -> np.ndarray:
        """A value per frame -> per column: that of mixtures is the mean."""
        return np.append(values[self.chosen], self.mixtures.rest @ values)

    def spread(self, columns: np.ndarray) -> np.ndarray:
        """Weights of columns -> of frames."""
        n = len(self.chosen)
        found = columns[n:] @ self.mixtures.rest
        found[self.chosen] += columns[:n]
        return found / found.sum()


def _maximum(frozen: FrozenGain, now: np.ndarray, task: Task, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """The best weights of a frozen problem; theta is raised until they keep the floor on effective frames."""
    best = frozen.maximum(now)
    if task.n_eff_floor <= 0:
        return best, frozen.theta
    crowding = np.ones(len(best)) if task.crowding is None else task.crowding[chosen]
    return _with_floor(frozen, best, task, crowding)


def _with_floor(frozen: FrozenGain, best: np.ndarray, task: Task, crowding: np.ndarray) -> tuple[np.ndarray, float]:
    """Bisect the logarithm of theta for the least that keeps Kish's number at the floor."""

    def kish(w: np.ndarray) -> float:
        return float(1.0 / (crowding @ w**2))

    def at(theta: float, near: np.ndarray) -> np.ndarray:
        return replace(frozen, theta=theta).maximum(near)

    floor = min(task.n_eff_floor, 0.999 * kish(frozen.prior / frozen.prior.sum()))
    lowest = max(task.theta, _LOWEST_THETA)
    low = high = frozen.theta
    found = best
    while kish(found) < floor and high < 1e6:
        low, high = high, 4 * high
        found = at(high, found)
    while low > lowest and kish(trial := at(low, found)) >= floor:
        high, found, low = low, trial, max(low / 4, lowest)
    for _ in range(12):
        if high / low < 1.002:
            break
        middle = float(np.sqrt(low * high))
        trial = at(middle, found)
        if kish(trial) >= floor:
            high, found = middle, trial
        else:
            low = middle
    return found, high


def _best_steps(
    gains: Callable[[np.ndarray], np.ndarray], start: np.ndarray, promised: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Step lengths of at most 1 and the gains there; 0 where nothing rises."""
    alpha = np.ones(len(start))
    best, best_gain = np.zeros(len(start)), start.copy()
    for _ in range(8):
        now = gains(alpha)
        better = now > best_gain
        best, best_gain = np.where(better, alpha, best), np.where(better, now, best_gain)
        short = best_gain - start < _ENOUGH * best * promised
        if not (short | (best == 0)).any():
            break
        # the parabola through the start, its slope (what was promised, to first order twice) and this trial
        bend = np.minimum(now - start - 2 * promised * alpha, -1e-300)
        alpha = np.clip(-promised * alpha**2 / bend, 0.1 * alpha, 0.6 * alpha)
    return best, best_gain
