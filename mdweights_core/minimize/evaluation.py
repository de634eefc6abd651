"""An energy as what minimisers ask for: energies and gradients of some conformations, in NumPy."""

from __future__ import annotations

import hashlib

import jax
import numpy as np

from mdweights_core.energy.base import Energy, value_and_gradient, values_and_gradients
from mdweights_core.minimize.base import Evaluate


def evaluator(energy: Energy, *, batched: bool | None = None) -> Evaluate:
    """Energies and gradients of a batch of conformations.

    Parameters
    ----------
    energy : Energy
    batched : bool, optional
        All of a batch in one call, which fills a graphics card; a processor is as fast with one after another, and
        compiles once. By default whatever suits the device.
    """
    together = jax.default_backend() != "cpu" if batched is None else batched

    def one_by_one(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = [value_and_gradient(energy, row) for row in x]
        return np.array([float(value) for value, _ in found]), np.stack([np.asarray(g) for _, g in found])

    def all_at_once(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = 1 << (len(x) - 1).bit_length()  # few sizes, so that few are compiled
        padded = np.concatenate([x, np.repeat(x[-1:], size - len(x), axis=0)])
        values, gradients = values_and_gradients(energy, padded)
        return np.array(values[: len(x)]), np.array(gradients[: len(x)])

    return all_at_once if together else one_by_one


def energy_fingerprint(energy: Energy) -> str:
    """Short text that changes when the energy does: SHA-256 of its structure and all its parameters."""
    leaves, tree = jax.tree.flatten(energy)
    digest = hashlib.sha256(str(tree).encode())
    for leaf in leaves:
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
