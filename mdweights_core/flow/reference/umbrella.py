"""Umbrella sampling along a coordinate, of any target: many windows and walkers side by side, put together by MBAR.

Each set of walkers has one in every window. Walkers of neighbouring windows exchange their places by a Metropolis
test, so that what is slow beside the coordinate is crossed in whichever window that is easy (Sugita, Kitao, Okamoto,
J. Chem. Phys. 113, 6042 (2000)). The sets never meet: they are independent runs, and give the errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.mbar import mbar
from mdweights_core.flow.reference.chains import Course
from mdweights_core.flow.reference.moves import Restraint
from mdweights_core.flow.reference.settings import ChainSettings, Windows
from mdweights_core.flow.targets import Target
from mdweights_core.jobs import Clock, Job, Progress, Stopped

AS_NEAR = 1.0
"""Starts whose bias in a window is within this of the lowest, kT, are as good as the nearest."""

Array = jax.Array
Coordinate = Callable[[Array], Array]


@dataclass(frozen=True)
class UmbrellaRun:
    """What M sets of walkers in K windows did at T times.

    Attributes
    ----------
    windows : Windows
    coordinate : float64 [T, M, K]
        Values of the coordinate.
    energy : float64 [T, M, K]
        kT, without the bias.
    x : float [T, M, K, N]
        Configurations, in the precision of the starts.
    exchanged : float64 [K]
        Share of exchanges of each window with the next one that were accepted.
    evaluations : int
        Energies computed, most of them with forces.
    seconds : float
        With compilation.
    stopped : bool
    """

    windows: Windows
    coordinate: np.ndarray
    energy: np.ndarray
    x: np.ndarray
    exchanged: np.ndarray
    evaluations: int
    seconds: float
    stopped: bool = False

    def weights(self, sets: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Weights of all configurations in the target without restraints, float64 [T, sets, K], which sum to one."""
        values = self.coordinate[:, sets]
        of_each = np.full(len(self.windows), values[..., 0].size)
        logs = mbar(self.windows.bias(values.reshape(-1)), of_each).log_weights
        weights = np.exp(logs - logs.max())
        return (weights / weights.sum()).reshape(values.shape)

    def difference(self, is_above: np.ndarray) -> tuple[float, float]:
        """Free energy of one state relative to all else in kT, and its error from the sets.

        Parameters
        ----------
        is_above : bool [T, M, K]
            Which configurations are in the state.

        Returns
        -------
        (float, float)
            -ln p/(1 - p) of all sets together; standard error of the mean over sets, NaN for a single one.
        """
        each = [_difference(self.weights(np.array([m])), is_above[:, [m]]) for m in range(is_above.shape[1])]
        error = np.std(each, ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.nan
        return _difference(self.weights(), is_above), float(error)


def _difference(weights: np.ndarray, is_above: np.ndarray) -> float:
    p = weights[is_above].sum()
    return float(-np.log(p / (1 - p)))


def run_umbrella(
    target: Target,
    coordinate: Coordinate,
    windows: Windows,
    starts: np.ndarray,
    settings: ChainSettings,
    *,
    sets: int = 2,
    inertia: np.ndarray | None = None,
) -> Job[UmbrellaRun]:
    """Sample a target in windows along a coordinate; stopped, return the frames there are.

    Parameters
    ----------
    target : Target
    coordinate : function
        From a configuration [N] to a scalar, in JAX and hashable (a function of a module).
    windows : Windows
    starts : float32 or float64 [m, N]
        Each walker begins at one that is about the nearest to its window, and is drawn there in the burn-in.
    settings : ChainSettings
        Walkers of neighbouring windows may exchange every `stride` steps.
    sets : int
        M; two or more tell the error.
    inertia : float64 [N], optional
        Mass of each variable divided by kT, for Langevin dynamics.

    Raises
    ------
    BadInput
        Starts of no finite energy, or steps so long that walkers are lost.
    """
    if sets < 1:
        raise BadInput(f"{sets} sets of walkers are none")
    clock, stopped = Clock(), False
    course = _course(target, coordinate, windows, starts, settings, sets, inertia)
    pool = _Pool(course, coordinate, windows, sets)
    kept: list[tuple[np.ndarray, ...]] = []
    try:
        yield Progress("umbrella sampling", 0, settings.frames, "compiling the energy")
        yield from course.burn_in(clock)
        for frame in range(1, settings.frames + 1):
            course.advance(settings.stride)
            kept.append(pool.frame())
            pool.exchange(kept[-1][0])
            if clock.is_due():
                yield course.progress(frame)
    except Stopped:
        stopped = True
    shape = (0, sets, len(windows))
    empty = (np.zeros(shape), np.zeros(shape), np.zeros((*shape, starts.shape[1]), starts.dtype))
    values, energy, x = (np.stack(part) for part in zip(*kept, strict=True)) if kept else empty
    return UmbrellaRun(windows, values, energy, x, pool.exchanged, course.evaluations, clock.elapsed, stopped)


def _course(
    target: Target,
    coordinate: Coordinate,
    windows: Windows,
    starts: np.ndarray,
    settings: ChainSettings,
    sets: int,
    inertia: np.ndarray | None,
) -> Course:
    """Walkers m * K + k, each near its window."""
    values = np.asarray(jax.vmap(coordinate)(jnp.asarray(starts)))
    bias = windows.bias(values)  # [K, m]
    order = np.argsort(bias, axis=1, kind="stable")
    alike = np.sum(bias <= bias.min(axis=1, keepdims=True) + AS_NEAR, axis=1)  # these are dealt out to the sets in turn
    rank = np.arange(sets)[:, None] % alike
    chosen = np.take_along_axis(order.T, rank, axis=0).reshape(-1)
    restraint = Restraint(
        jnp.asarray(np.tile(windows.centres, sets)),
        jnp.asarray(np.tile(windows.stiffness, sets)),
        coordinate,
        windows.is_angle,
    )
    return Course(target, restraint, starts[chosen], settings, inertia)


class _Pool:
    """The walkers of a course as sets [M, K], which exchange between windows."""

    def __init__(self, course: Course, coordinate: Coordinate, windows: Windows, sets: int) -> None:
        self.course, self.windows, self.shape = course, windows, (sets, len(windows))
        self.rng = np.random.default_rng(course.settings.seed)
        self.rounds, self.tries, self.passed = 0, np.zeros(len(windows)), np.zeros(len(windows))
        self.coordinates = jax.jit(jax.vmap(coordinate))

    def frame(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates [M, K], energies without bias [M, K] and configurations [M, K, N]."""
        walkers = self.course.walkers
        values = np.asarray(self.coordinates(walkers.x), np.float64).reshape(self.shape)
        bias = np.diagonal(self.windows.bias(values), axis1=0, axis2=2)
        energy = np.asarray(walkers.energy, np.float64).reshape(self.shape) - bias
        return values, energy, np.asarray(walkers.x).reshape(*self.shape, -1)

    def exchange(self, values: np.ndarray) -> None:
        """Let neighbours exchange places by their coordinates [M, K]: even windows with the next one, or odd ones."""
        first, second = self._pairs()
        bias = self.windows.bias(values)  # of walker [m, j] in window k: [k, m, j]
        likelier = bias[first, :, first] + bias[second, :, second] - bias[first, :, second] - bias[second, :, first]
        passes = np.log(self.rng.uniform(size=likelier.shape)) < likelier  # [pairs, M]
        self.tries[first] += self.shape[0]
        self.passed[first] += passes.sum(axis=1)
        if passes.any():
            places = np.tile(np.arange(self.shape[1]), (self.shape[0], 1))
            pair, m = np.nonzero(passes)
            places[m, first[pair]], places[m, second[pair]] = second[pair], first[pair]
            flat = places + self.shape[1] * np.arange(self.shape[0])[:, None]
            self.course.rearrange(flat.reshape(-1))

    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours whose turn it is; those of the last window and the first only where angles close a ring."""
        self.rounds += 1
        k = self.shape[1]
        closes = self.windows.is_angle and k % 2 == 0 and k > 2
        first = np.arange(self.rounds % 2, k if closes else k - 1, 2)
        return first, (first + 1) % k

    @property
    def exchanged(self) -> np.ndarray:
        """Share of exchanges with the next window that were accepted, [K]; NaN where none was tried."""
        return np.divide(self.passed, self.tries, out=np.full(len(self.tries), np.nan), where=self.tries > 0)
