"""A few frames on a few reflections as blocks of double precision, and what they should give by the definitions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mdweights_core.weights.frames.blocks import BlockBuilder, FrameBlocks
from mdweights_core.weights.objectives.base import Metric


@dataclass(frozen=True, eq=False)
class SmallFrames:
    """Structure factors, and the blocks made of them."""

    f: np.ndarray  # complex128 [T, K, G], zero where there is no image
    share: np.ndarray  # [K, G]
    frames: FrameBlocks

    @property
    def is_bragg(self) -> bool:
        return self.frames.sign < 0

    def intensity(self, weights: np.ndarray) -> np.ndarray:
        """Of weights [..., T] of sum one: [..., G]."""
        bragg = np.abs(np.tensordot(weights, self.f, 1)) ** 2
        x = bragg if self.is_bragg else np.tensordot(weights, np.abs(self.f) ** 2, 1) - bragg
        return (x * self.share).sum(axis=-2)

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """D_t at weights [T]: x = sum_t w_t D_t, and dx/dw_t = D_t up to a constant: [T, G]."""
        mean = np.tensordot(weights, self.f, 1)
        if self.is_bragg:
            d = 2 * (mean.conj() * self.f).real - np.abs(mean) ** 2
        else:
            d = np.abs(self.f - mean) ** 2
        return (d * self.share).sum(axis=1)


def small_frames(
    n_frames: int = 9,
    n_copies: int = 3,
    n_groups: int = 37,
    *,
    block_size: int | None = 10,
    dtype: type = np.float64,
    sign: float = 1.0,
    bragg: float = 3.0,
    n_modes: int | None = None,
    scratch=None,
    seed: int = 0,
) -> SmallFrames:
    """Every fifth group has one image only; the centre is near the mean of the frames, but not it."""
    rng = np.random.default_rng(seed)
    n_modes = n_modes or 2 * n_frames
    shape = (n_copies, n_groups)
    modes = _normal(rng, (n_modes, *shape)) * np.exp(-rng.uniform(0, 1, n_groups))
    f = np.tensordot(rng.normal(size=(n_frames, n_modes)), modes, 1) / np.sqrt(n_modes) + bragg * _normal(rng, shape)
    there = np.ones(shape, dtype=bool)
    there[1:, ::5] = False
    f = f * there
    share = there / there.sum(axis=0)
    origin = (f.mean(axis=0) + 0.1 * _normal(rng, shape)) * there
    builder = BlockBuilder(n_frames, share, origin, dtype=dtype, block_size=block_size, scratch=scratch)
    builder.put(slice(0, n_frames), f - origin)
    frames = builder.finish()
    return SmallFrames(f, share, replace(frames, sign=sign))


def gram_of(columns: np.ndarray, metric: Metric) -> np.ndarray:
    """V D^T squared, by the definition of the metric."""
    v = np.sqrt(metric.weight)[:, None] * (np.eye(columns.shape[1]) - metric.left @ metric.right)
    return (columns @ v.T) @ (columns @ v.T).T


def random_weights(n_sets: int, n_frames: int, seed: int = 1) -> np.ndarray:
    """Sets of weights of sum one, some of them zero: [P, T]."""
    w = np.random.default_rng(seed).gamma(0.5, size=(n_sets, n_frames))
    w[:, ::4] = 0.0
    return w / w.sum(axis=1, keepdims=True)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)
