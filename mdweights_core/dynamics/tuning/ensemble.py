"""A Langevin simulation as a simulator, whose frames are reweighted while enough of them count.

Reweighted numbers are those of the last simulation plus what reweighting its kept frames changes, so that these need
not tell the whole, and errors are those of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics import covariance
from mdweights_core.dynamics.accumulate import Delivered, Sums, delivered, gathered, jackknife_error
from mdweights_core.dynamics.job import sensitivity
from mdweights_core.dynamics.models.base import Simulated
from mdweights_core.dynamics.models.parameters import Parameter
from mdweights_core.dynamics.observables.base import Observable
from mdweights_core.dynamics.result import VERIFIED, Sensitivity
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.dynamics.tuning.simulator import Response
from mdweights_core.jobs import Job, Stopped

_MOST_FRAMES = 4096
_MOST_NUMBERS = 32_000_000  # of coordinates that are kept
_PARTS = ("theta", "frames", "last", "values", "value_errors", "jacobian", "jacobian_errors", "noise")

Array = jax.Array


@dataclass(frozen=True, eq=False)
class _Kept:
    """What is left of the last simulation.

    Attributes
    ----------
    theta : float64 [P]
    frames : float64 [T, R, N]
        Configurations of all replicas at some times.
    last : float64 [R, N]
        Where the replicas ended.
    values, value_errors : float64 [M]
    jacobian, jacobian_errors : float64 [M, P]
    noise : float64 [B, M]
        Of the values; see `Response`.
    """

    theta: np.ndarray
    frames: np.ndarray
    last: np.ndarray
    values: np.ndarray
    value_errors: np.ndarray
    jacobian: np.ndarray
    jacobian_errors: np.ndarray
    noise: np.ndarray


class Ensemble:
    """Observables of a simulated ensemble, with derivatives by the estimator that the simulation recommends.

    Each simulation goes on from where the last one ended.

    Parameters
    ----------
    simulated : Simulated
    observable : Observable
    settings : SensitivitySettings
        Its frames are chosen here where it keeps none.
    checkpoint : Path, optional
        File (.npz) that keeps a simulation on its way.
    """

    def __init__(
        self,
        simulated: Simulated,
        observable: Observable,
        settings: SensitivitySettings,
        checkpoint: Path | None = None,
    ) -> None:
        self._simulated, self._observable, self._checkpoint = simulated, observable, checkpoint
        self._settings = settings if settings.frames else replace(settings, frames=_frames(settings, simulated.n))
        self._kept: _Kept | None = None
        self.found: Sensitivity | None = None
        """The last simulation, with the verdict on its derivatives."""

    @property
    def observables(self) -> tuple[str, ...]:
        """Names [M], with units."""
        return tuple(self._observable.names)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Of the model."""
        return self._simulated.parameters

    def simulate(self, theta: np.ndarray, seed: int) -> Job[Response]:
        """Simulate at theta [P]; a simulation that was stopped leaves its checkpoint and no response."""
        found = yield from sensitivity(
            self._simulated,
            self._observable,
            replace(self._settings, seed=seed),
            theta=theta,
            starts=self._starts(),
            checkpoint=self._checkpoint,
        )
        if found.stopped:
            raise Stopped
        if self._checkpoint is not None:
            self._checkpoint.unlink(missing_ok=True)
        self.found, best = found, found.best
        frames = found.frames.reshape(-1, found.replicas, self._simulated.n)
        noise = self._noise(theta, frames, found.value_errors)
        self._kept = _Kept(
            np.array(theta), frames, found.last, found.values, found.value_errors, best.jacobian, best.error, noise
        )
        why, *others = found.notes or ("",)
        notes = tuple(others) if found.verdict == VERIFIED else (f"Derivatives are {found.verdict}: {why}", *others)
        steps = found.steps * found.replicas
        return Response(
            found.values, found.value_errors, best.jacobian, best.error, steps=steps, notes=notes, noise=noise
        )

    def reweighted(self, theta: np.ndarray, share: float) -> Response | None:
        """The last simulation at other parameters, if at least `share` of its frames still count; None otherwise."""
        kept, kt = self._kept, float(self._simulated.kt)
        if kept is None or not kt or not kept.frames.size:
            return None
        energies = [np.asarray(_energies(self._simulated.model, kept.frames, at)) for at in (kept.theta, theta)]
        weights, effective = weights_of((energies[1] - energies[0]) / kt)
        if effective < share:
            return None
        now = self._reweighted(theta, kept.frames, weights)
        before = self._reweighted(kept.theta, kept.frames, np.ones_like(weights))
        value_errors = jackknife_error((now.values - before.values)[1:])
        jacobian_errors = jackknife_error((now.jacobians - before.jacobians)[1:])
        return Response(
            kept.values + now.values[0] - before.values[0],
            np.hypot(kept.value_errors, value_errors),
            kept.jacobian + now.jacobians[0] - before.jacobians[0],
            np.hypot(kept.jacobian_errors, jacobian_errors),
            effective=min(effective, np.nextafter(1.0, 0.0)),
            noise=np.concatenate([kept.noise, _scatter(now.values[1:] - before.values[1:])]),
        )

    def frames_at(self, theta: np.ndarray, seed: int) -> Job[np.ndarray]:
        """Configurations [S, N] of the ensemble at theta [P]: of the last simulation, or of another one."""
        if self._kept is None or not np.array_equal(self._kept.theta, theta):
            yield from self.simulate(theta, seed)
        assert self._kept is not None
        return self._kept.frames.reshape(-1, self._simulated.n)

    def memory(self) -> Mapping[str, np.ndarray]:
        """What is left of the last simulation."""
        return {} if self._kept is None else {name: getattr(self._kept, name) for name in _PARTS}

    def remember(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take back what `memory` gave."""
        self._kept = _Kept(**{name: arrays[name] for name in _PARTS}) if arrays else None

    def _starts(self) -> np.ndarray | None:
        """Where replicas begin: at zero temperature always at the same place, for their way is what is seen."""
        return None if self._kept is None or not float(self._simulated.kt) else self._kept.last

    def _noise(self, theta: np.ndarray, frames: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """Rows of the values' covariance: as values of kept frames go together over blocks, as large as `errors`."""
        if not frames.size or not float(self._simulated.kt):
            return np.zeros((0, len(errors)))
        rows = _scatter(self._reweighted(theta, frames, np.ones(frames.shape[:2])).values[1:])
        size = np.linalg.norm(rows, axis=0)
        return rows * np.divide(errors, size, out=np.zeros_like(size), where=size > 0)

    def _reweighted(self, theta: np.ndarray, frames: np.ndarray, weights: np.ndarray) -> Delivered:
        model, at = self._simulated.model, jnp.asarray(theta)
        sums = _weighted_sums(model, self._observable, at, frames, weights, self._settings.blocks)
        return delivered(self._observable, at, gathered([sums]), "covariance", float(self._simulated.kt))


def _scatter(left_out: np.ndarray) -> np.ndarray:
    """Rows [B, M] whose products, summed, are the jackknife covariance of values [B, M] with a block left out."""
    return np.sqrt((len(left_out) - 1) / len(left_out)) * (left_out - left_out.mean(axis=0))


def weights_of(reduced: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights exp(-u) of frames by reduced energy differences u of any shape, and the share that counts (Kish)."""
    weights = np.exp(-(reduced - reduced.min()))
    return weights / weights.mean(), float(weights.sum() ** 2 / (weights**2).sum() / weights.size)


def _frames(settings: SensitivitySettings, n: int) -> int:
    """How many configurations of each replica are kept."""
    most = min(_MOST_FRAMES, _MOST_NUMBERS // n) // settings.replicas
    return max(1, min(settings.samples, most))


@jax.jit
def _energies(model: Any, frames: Array, theta: Array) -> Array:
    """Energies [T, R]."""
    return jax.lax.map(lambda rows: jax.lax.map(lambda x: model.energy(x, theta), rows), frames)


@partial(jax.jit, static_argnames="blocks")
def _weighted_sums(model: Any, observable: Any, theta: Array, frames: Array, weights: Array, blocks: int) -> Sums:
    """What the covariance estimator needs, from frames [T, R, N] with weights [T, R], in blocks of replicas."""

    def seen(x: Array) -> tuple[Array, Array, Array]:
        f_theta = jax.jacfwd(observable.features, argnums=1)(x, theta)
        return observable.features(x, theta), f_theta, covariance.forces(model, x, theta)

    def added(sums: Sums, row: tuple[Array, Array]) -> tuple[Sums, None]:
        w = row[1].reshape(blocks, -1)
        f, f_theta, e = (part.reshape(*w.shape, *part.shape[1:]) for part in jax.vmap(seen)(row[0]))
        more = Sums(
            count=w.sum(axis=1),
            kinetic=jnp.zeros(blocks),
            f=jnp.einsum("br,brk->bk", w, f),
            f_theta=jnp.einsum("br,brkp->bkp", w, f_theta),
            e=jnp.einsum("br,brp->bp", w, e),
            fe=jnp.einsum("br,brk,brp->bkp", w, f, e),
        )
        return jax.tree.map(jnp.add, sums, more), None

    k, p = observable.n_features, len(theta)
    shapes = {"f": (k,), "f_theta": (k, p), "e": (p,), "fe": (k, p)}
    empty = Sums(
        jnp.zeros(blocks), jnp.zeros(blocks), **{name: jnp.zeros((blocks, *shape)) for name, shape in shapes.items()}
    )
    return jax.lax.scan(added, empty, (frames, weights))[0]
