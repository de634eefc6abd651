"""Ensembles with known weights: collective modes plus independent noise, as complex structure factors."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.laue import laue_groups
from mdweights_core.crystal.shells import anisotropic_operator
from mdweights_core.weights.frames.blocks import FrameBlocks
from mdweights_core.weights.problem import WeightProblem


@dataclass(frozen=True)
class Truth:
    """A problem, its structure factors on P1 and the weights its map was made with."""

    problem: WeightProblem
    f_p1: np.ndarray
    weights: np.ndarray


def synthetic_problem(
    n_frames: int = 60,
    n_p1: int = 2000,
    *,
    n_modes: int = 10,
    n_true: int = 20,
    noise: float = 0.1,
    space_group: str = "P 1",
    ndiv: tuple[int, int, int] = (1, 1, 1),
    bragg: float = 3.0,
    seed: int = 0,
) -> Truth:
    """An ensemble on the `n_p1` lowest reflections of a cell, with an exact map plus noise (relative to its spread)."""
    rng = np.random.default_rng(seed)
    groups = laue_groups(_lattice(n_p1, space_group, ndiv))
    n, s2 = len(groups.p1), groups.p1.inverse_d**2
    decay = np.exp(-3 * s2 / s2.max())
    modes = _complex_normal(rng, (n_modes, n)) * decay
    f = _mode_amplitudes(rng, n_frames, n_modes) @ modes + 0.3 * _complex_normal(rng, (n_frames, n)) * decay
    f += bragg * _complex_normal(rng, (1, n)) * decay
    weights = np.zeros(n_frames)
    weights[rng.choice(n_frames, n_true, replace=False)] = rng.gamma(2.0, 1.0, n_true)
    weights /= weights.sum()
    exact = groups.average(weights @ np.abs(f) ** 2 - np.abs(weights @ f) ** 2)
    observed = exact + noise * exact.std() * rng.normal(size=len(groups))
    free = rng.random(len(groups)) < 0.1
    return Truth(problem_of(groups, f.astype(np.complex64), observed, free), f, weights)


def problem_of(groups, f_p1: np.ndarray, observed: np.ndarray, free: np.ndarray) -> WeightProblem:
    """A problem from structure factors on ``groups.p1``."""
    there = groups.copies >= 0
    f = np.where(there, f_p1[:, np.maximum(groups.copies, 0)], 0)
    origin = f.mean(axis=0).astype(np.complex64)
    share = (there / groups.multiplicity).astype(np.float32)
    n = len(f)
    return WeightProblem(
        groups=groups,
        observed=observed,
        sigma=None,
        free=free,
        frames=FrameBlocks.from_deviation((f - origin).astype(np.complex64), share, origin),
        operator=anisotropic_operator(groups.lattice.inverse_d, reference=~free),
        prior=np.full(n, 1.0 / n),
    )


def _lattice(n_p1: int, space_group: str, ndiv: tuple[int, int, int]) -> MillerLattice:
    cell = gemmi.UnitCell(40, 40, 55, 90, 90, 90)
    reach = int(np.ceil((2 * n_p1) ** (1 / 3))) // 2 + 3
    axis = np.arange(-reach, reach + 1)
    hkl = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    hkl = hkl[(hkl @ np.array([10_000, 100, 1])) > 0]
    lattice = MillerLattice(hkl, cell, gemmi.SpaceGroup(space_group), ndiv)
    return lattice.select(np.argsort(lattice.inverse_d, kind="stable")[:n_p1])


def _complex_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


def _mode_amplitudes(rng: np.random.Generator, n_frames: int, n_modes: int, memory: float = 0.8) -> np.ndarray:
    """Amplitudes that follow an AR(1) process in time, as slow modes of a simulation do."""
    q = rng.normal(size=(n_frames, n_modes))
    for t in range(1, n_frames):
        q[t] = memory * q[t - 1] + np.sqrt(1 - memory**2) * q[t]
    return q
