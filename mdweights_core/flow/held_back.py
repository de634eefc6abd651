"""Frames that are held back from the training, and tell whether the flow has learned the others by heart.

By example, a network can end with a narrow peak on each frame that it was shown. Its loss is then excellent, frames
that it was shown weigh too little, and so does what is estimated from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.flow.estimates.reference import mean_and_variance

FEWEST = 200
"""Frames of which some are held back; of fewer all are needed."""

_BLOCKS, _EVERY = 50, 10  # all frames in order of time, and which blocks of them are held back
_PLAIN, _ERRORS = 0.5, 3.0  # kT and standard errors that a difference must exceed to be told


@dataclass(frozen=True)
class Memory:
    """How much denser the flow lies on frames it was shown than on others.

    Attributes
    ----------
    gap : float
        Mean ln w of frames held back less that of frames shown, kT: positive where the flow knows those by heart.
    error : float
        Standard error.
    n_held : int
        Frames held back that were looked at.
    """

    gap: float
    error: float
    n_held: int

    @property
    def is_by_heart(self) -> bool:
        """Whether it is more than chance and matters."""
        return self.gap > _PLAIN and self.gap > _ERRORS * self.error

    @property
    def sentence(self) -> str:
        """What a user should know; empty where nothing is wrong."""
        if not self.is_by_heart:
            return ""
        return (
            f"Frames that were held back weigh {self.gap:.1f} ± {self.error:.1f} kT more than those the flow learned "
            f"from, which it knows by heart in part: estimates use the {counted(self.n_held, 'frame')} held back "
            "alone. Give more frames, train for less long with a smaller network, or by energy too."
        )


def held_back(count: int) -> np.ndarray:
    """Which of so many frames, in order of time and simulation, the flow is not to see: a tenth, bool [T].

    Blocks and not single frames: neighbours in time are alike, and would be known from one another.
    """
    if count < FEWEST:
        return np.zeros(count, dtype=bool)
    block = np.arange(count) * _BLOCKS // count
    return np.asarray(block % _EVERY == _EVERY // 2)


def memory(log_w: np.ndarray, is_held: np.ndarray, weights: np.ndarray | None, runs: np.ndarray) -> Memory:
    """Compare frames held back with frames shown.

    Parameters
    ----------
    log_w : float64 [T]
        ln w of frames in order of time.
    is_held : bool [T]
    weights : float64 [T], optional
        Of the frames; equal by default.
    runs : int [T]
        The simulation of each.
    """
    weights = np.ones(len(log_w)) if weights is None else weights
    (held, held_variance), (shown, shown_variance) = (
        mean_and_variance(log_w[chosen], weights[chosen], runs[chosen]) for chosen in (is_held, ~is_held)
    )
    return Memory(held - shown, float(np.sqrt(held_variance + shown_variance)), int(is_held.sum()))
