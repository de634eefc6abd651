"""Coordinates as the output of a graph network on slow modes, after Dehmamy et al. (NeurIPS 2024).

Every layer mixes features of atoms along A = Psi diag(lambda) Psi^T, formed from slow modes and never written out, and
passes each atom's own on besides; a last linear layer makes three coordinates of them. What is optimised are the
weights and the features the first layer is given. Sizes, initial values and the fit to a start are the published
program's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.minimize.adam import Adam
from mdweights_core.minimize.base import Objective, descend
from mdweights_core.minimize.settings import MinimizeSettings
from mdweights_core.modes.backbone import Backbone

Array = jax.Array
_FIT_RATE, _FIT_PATIENCE, _FIT_DELTA = 1e-3, 20, 1e-6


@dataclass(frozen=True)
class Shape:
    """What a network looks like.

    Attributes
    ----------
    n_atoms : int
    widths : tuple of int
        Features given, and of each layer with a graph; the published ones are (8, 4) and (32, 16).
    is_residual : bool
        True to give the last layer the features of all layers.
    """

    n_atoms: int
    widths: tuple[int, ...]
    is_residual: bool = False

    @property
    def parts(self) -> list[tuple[int, ...]]:
        """Shapes of all arrays: features; weight, self-loops and bias of each layer; weight and bias of the last."""
        layers = [
            part
            for given, made in zip(self.widths[:-1], self.widths[1:], strict=True)
            for part in ((given, made), (given, made), (made,))
        ]
        last = sum(self.widths) if self.is_residual else self.widths[-1]
        return [(self.n_atoms, self.widths[0]), *layers, (last, 3), (3,)]

    @property
    def sizes(self) -> list[int]:
        """How many numbers each array has."""
        return [int(np.prod(part)) for part in self.parts]


def output(z: Array, modes: Array, shape: Shape) -> Array:
    """Coordinates [n_atoms, 3] of all weights and features z, with scaled modes [n_atoms, k]."""
    pieces = jnp.split(z, np.cumsum(shape.sizes)[:-1].tolist())
    arrays = [piece.reshape(part) for piece, part in zip(pieces, shape.parts, strict=True)]
    features, *layers = arrays[:-2]
    seen = [features]
    for weight, own, bias in zip(layers[::3], layers[1::3], layers[2::3], strict=True):
        features = jnp.tanh(modes @ (modes.T @ features) @ weight + features @ own + bias)
        seen.append(features)
    return (jnp.concatenate(seen, axis=1) if shape.is_residual else features) @ arrays[-2] + arrays[-1]


@partial(jax.jit, static_argnames="shape")
def _outputs(z: Array, modes: Array, shape: Shape) -> Array:
    return jax.vmap(lambda row: output(row, modes, shape))(z)


@partial(jax.jit, static_argnames="shape")
def _pulled_back(z: Array, gradient: Array, modes: Array, shape: Shape) -> Array:
    def one(row: Array, along: Array) -> Array:
        return jax.vjp(lambda at: output(at, modes, shape), row)[1](along)[0]

    return jax.vmap(one)(z, gradient)


class GraphNetwork:
    """Weights and features of a graph network as variables.

    Parameters
    ----------
    backbone : Backbone
        Slow modes and their couplings.
    widths : sequence of int
        Features of each layer: one number more than there are layers on the graph.
    is_residual : bool
        See `Shape`.
    fit_steps : int
        Steps of Adam that fit the output to a start; 0 to begin from random coordinates of the start's spread.
    seed : int
        Draws the initial values, other ones for every start.
    """

    def __init__(
        self,
        backbone: Backbone,
        widths: Sequence[int] = (8, 4),
        *,
        is_residual: bool = False,
        fit_steps: int = 0,
        seed: int = 0,
    ) -> None:
        self._shape = Shape(len(backbone.vectors), tuple(widths), is_residual)
        self._modes = jnp.asarray(backbone.vectors * np.sqrt(np.maximum(backbone.coupling, 0.0)))
        self._fit_steps, self._seed = fit_steps, seed
        self.n_variables = sum(self._shape.sizes)

    def coordinates(self, z: np.ndarray) -> np.ndarray:
        """Coordinates float64 [R, n_atoms, 3] of z float64 [R, n_variables]."""
        return np.array(_outputs(jnp.asarray(z), self._modes, self._shape))

    def pull_back(self, z: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradients [R, n_atoms, 3] as gradients in weights and features, [R, n_variables]."""
        return np.array(_pulled_back(jnp.asarray(z), jnp.asarray(gradient), self._modes, self._shape))

    def variables(self, x: np.ndarray) -> np.ndarray:
        """Initial values whose coordinates spread as x [R, n_atoms, 3] does, and fit it where that was asked for."""
        drawn = np.random.default_rng(self._seed)
        z = np.stack([self._drawn(drawn) for _ in x])
        spread = x.std(axis=(1, 2)) / self.coordinates(z).std(axis=(1, 2))
        begin = sum(self._shape.sizes[:-2])
        z[:, begin : begin + self._shape.sizes[-2]] *= spread[:, None]
        return self._fitted(z, x) if self._fit_steps else z

    def jacobian(self) -> None:
        """None: it is not the same everywhere."""
        return

    def _drawn(self, drawn: np.random.Generator) -> np.ndarray:
        """Initial values: Xavier's for weights on the graph, normal for self-loops, PyTorch's for the last layer."""
        features, *layers = self._shape.parts[:-2]
        last, offset = self._shape.parts[-2:]
        arrays = [drawn.normal(size=features) / np.sqrt(features[1])]
        for weight, own, bias in zip(layers[::3], layers[1::3], layers[2::3], strict=True):
            xavier = np.sqrt(2 / sum(weight)) * drawn.normal(size=weight)
            arrays += [xavier, drawn.normal(size=own), np.zeros(bias)]
        bound = last[0] ** -0.5
        arrays += [drawn.uniform(-bound, bound, size=last), drawn.uniform(-bound, bound, size=offset)]
        return np.concatenate([array.ravel() for array in arrays])

    def _fitted(self, z: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Adam on the mean square distance to x, which asks for no energies."""
        settings = MinimizeSettings(
            method="adam",
            learning_rate=_FIT_RATE,
            max_evaluations=self._fit_steps,
            patience=_FIT_PATIENCE,
            min_delta=_FIT_DELTA,
            tolerance=np.finfo(float).tiny,
        )

        def evaluate(row: int, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            apart = at - x[row]
            return np.mean(apart**2, axis=(1, 2)), 2 * apart / x[row].size

        fits = [Objective(partial(evaluate, row), self, 1) for row in range(len(x))]
        return np.concatenate(
            [descend(Adam(settings), fit, z[row, None], settings)[0].z for row, fit in enumerate(fits)]
        )
