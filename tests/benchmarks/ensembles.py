"""Weight problems of known weights, too large to be made at once: frames come in blocks, to memory or to disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.laue import laue_groups
from mdweights_core.crystal.shells import anisotropic_operator
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.weights.frames.blocks import BlockBuilder
from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.problem import WeightProblem

N_MODES = 30
NOISE = 0.1  # of the spread of the exact map
_OWN = 0.3  # what each frame has beside the modes, of one of these
_MEMORY = 0.8  # of a mode, from frame to frame
_AT_ONCE = 32 * 2**20  # bytes of complex64
_D_MIN = 2.0


def ensemble(n_frames: int, n_groups: int, scratch: Path | None = None) -> tuple[WeightProblem, np.ndarray]:
    """A problem of `n_groups` reflections in P1, and the weights [n_frames] its map was made with.

    Blocks of frames are on disk in the folder `scratch` where that is given. A fixed seed makes the same problem in
    memory and on disk.
    """
    rng = np.random.default_rng(0)
    groups = laue_groups(_lowest(n_groups))
    s2 = groups.lattice.inverse_d**2
    decay = np.exp(-3 * s2 / s2.max()).astype(np.float32)
    centre = 3 * decay * _normal(rng, (1, n_groups))
    builder = BlockBuilder(n_frames, np.ones((1, n_groups), dtype=np.float32), centre, scratch=scratch)
    for frames, deviation in _deviations(rng, n_frames, decay):
        builder.put(frames, deviation[:, None])
    blocks = builder.finish()
    weights = np.zeros(n_frames)
    true = rng.choice(n_frames, n_frames * 120 // 500, replace=False)
    weights[true] = rng.gamma(2.0, 1.0, len(true))
    weights /= weights.sum()
    exact = intensities(blocks, weights[None])[0]
    free = rng.random(n_groups) < 0.1
    problem = WeightProblem(
        groups=groups,
        observed=exact + NOISE * exact.std() * rng.normal(size=n_groups),
        sigma=None,
        free=free,
        frames=blocks,
        operator=anisotropic_operator(groups.lattice.inverse_d, reference=~free),
        prior=np.full(n_frames, 1.0 / n_frames),
    )
    return problem, weights


def _lowest(n: int) -> MillerLattice:
    """The `n` reflections of lowest resolution of a cubic cell that has a few more to 2 angstrom."""
    edge = 1.05 * _D_MIN * (1.5 * n / np.pi) ** (1 / 3)
    lattice = half_lattice(gemmi.UnitCell(edge, edge, edge, 90, 90, 90), gemmi.SpaceGroup("P 1"), _D_MIN)
    return lattice.select(np.argsort(lattice.inverse_d, kind="stable")[:n])


def _deviations(rng: np.random.Generator, n_frames: int, decay: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Some frames at a time, and their deviations from the centre, complex64 [n, G]."""
    modes = _normal(rng, (N_MODES, len(decay))) * decay
    q = rng.normal(size=(n_frames, N_MODES))
    for t in range(1, n_frames):
        q[t] = _MEMORY * q[t - 1] + np.sqrt(1 - _MEMORY**2) * q[t]
    step = max(1, _AT_ONCE // (8 * len(decay)))
    for first in range(0, n_frames, step):
        frames = slice(first, min(first + step, n_frames))
        own = _normal(rng, (frames.stop - first, len(decay)))
        own *= np.float32(_OWN) * decay
        own += q[frames].astype(np.complex64) @ modes
        yield frames, own


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    pairs = rng.standard_normal((*shape, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return pairs.view(np.complex64)[..., 0]
