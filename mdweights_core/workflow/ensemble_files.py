"""Draws as frames and weights that `mdweights predict` and `mdweights fit --prior` take."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdweights_core.crystal.superposition import fit
from mdweights_core.errors import BadInput, counted
from mdweights_core.io.csv_files import write_csv
from mdweights_core.workflow.sampled import Sampled

NEGLIGIBLE = 1e-6
"""Share of the whole weight that the lightest draws, together, are left out for."""

_AT_ONCE = 4096
_HEADS = ("frame", "weight", "draw", "energy_kT")


@dataclass(frozen=True, eq=False)
class Chosen:
    """Draws that become frames.

    Attributes
    ----------
    draws : int [F]
    weights : float64 [F]
        Positive, of sum 1.
    note : str
        What was left out or repeated; empty for nothing.
    """

    draws: np.ndarray
    weights: np.ndarray
    note: str


def weighted_draws(log_weights: np.ndarray) -> Chosen:
    """All draws but the lightest, which have no share in any average.

    Raises
    ------
    BadInput
        When no draw has a weight.
    """
    weights = _shares(log_weights)
    order = np.argsort(weights, kind="stable")
    kept = np.sort(order[np.cumsum(weights[order]) > NEGLIGIBLE])
    left = len(weights) - len(kept)
    note = (
        f"{left} of {counted(len(weights), 'draw')}, with {NEGLIGIBLE:g} of the weight, are left out." if left else ""
    )
    return Chosen(kept, weights[kept] / weights[kept].sum(), note)


def resampled_draws(log_weights: np.ndarray, count: int, seed: int = 0) -> Chosen:
    """So many frames of equal weight, drawn by weight: each draw as often as it is worth, give or take one.

    Raises
    ------
    BadInput
        When no draw has a weight.
    """
    edges = np.cumsum(_shares(log_weights))
    places = (np.arange(count) + np.random.default_rng(seed).random()) / count * edges[-1]
    draws = np.minimum(np.searchsorted(edges, places), len(edges) - 1)
    repeats = count - len(np.unique(draws))
    note = f"{repeats} of {counted(count, 'frame')} repeat others: so few draws carry the weight." if repeats else ""
    return Chosen(draws, np.full(count, 1 / count), note)


def merged(chosen: Chosen) -> Chosen:
    """The same with every draw once, and the weights of its repeats together."""
    draws, place = np.unique(chosen.draws, return_inverse=True)
    return Chosen(draws, np.bincount(place, weights=chosen.weights), chosen.note)


def write_ensemble(sampled: Sampled, chosen: Chosen, frames: Path | None, weights: Path | None) -> list[Path]:
    """Write draws as frames (.pdb, .xtc), superposed on the structure, and their weights as CSV; the files.

    An XTC file's topology is written beside it.

    Raises
    ------
    BadInput
        For a toy system, which has no atoms.
    DiskProblem
        When a file cannot be written.
    """
    written: list[Path] = []
    if frames is not None:
        from openmm import app, unit

        from mdweights_core.minimize.frames import write_with_topology

        if not sampled.origin.structure:
            raise BadInput("These samples do not tell their atoms, and cannot be frames", advice="Sample a molecule")
        pdb = app.PDBFile(io.StringIO(sampled.origin.structure))
        structure = np.array(pdb.getPositions(asNumpy=True).value_in_unit(unit.nanometer))
        x = superposed(sampled.samples.x[chosen.draws].reshape(len(chosen.draws), -1, 3), structure)
        written += [path for path in write_with_topology(pdb.topology, x, frames) if path is not None]
    if weights is not None:
        energies = sampled.samples.u[chosen.draws]
        rows = zip(chosen.weights, chosen.draws, energies, strict=True)
        write_csv(weights, _HEADS, [(t, f"{w:.9g}", int(s), f"{u:.6f}") for t, (w, s, u) in enumerate(rows)])
        written.append(weights)
    return written


def superposed(x: np.ndarray, structure: np.ndarray) -> np.ndarray:
    """Conformations [F, n_atoms, 3] laid on a structure [n_atoms, 3], float32: a flow knows no place or direction."""
    made = np.empty(x.shape, dtype=np.float32)
    for begin in range(0, len(x), _AT_ONCE):
        part = x[begin : begin + _AT_ONCE]
        made[begin : begin + _AT_ONCE] = fit(part, structure).moved(part) + structure.mean(axis=0)
    return made


def _shares(log_weights: np.ndarray) -> np.ndarray:
    best = np.max(log_weights, initial=-np.inf)
    if not np.isfinite(best):
        raise BadInput("No draw has a weight", advice="Train longer, or give other examples")
    weights = np.exp(log_weights - best)
    return np.asarray(weights / weights.sum())
