"""Columns of a frozen problem: frames with weight and frames that ask for some (column generation)."""

from __future__ import annotations

import numpy as np

from mdweights_core.weights.frames.passes import Mixtures

_MOST_COLUMNS = 1024
_NEWCOMERS = 64  # at once; or a quarter of the frames with weight, where that is more


class Columns:
    """The frames a frozen problem is solved over, and all others with weight taken together as one column.

    Parameters
    ----------
    weights : float64 [n_frames]
        Present ones; those of the other frames tell how these are mixed.
    chosen : int [n]
        Frames with a column of their own, rising.

    Attributes
    ----------
    chosen : int [n]
    mixtures : Mixtures
        The same frames, and the mixture of the others where these have weight.
    """

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


def promising(weights: np.ndarray, allowed: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Frames with weight and the keenest of those that ask for some: rising numbers, int [n].

    Parameters
    ----------
    weights : float64 [n_frames]
    allowed : bool [n_frames]
        Frames that may have a weight.
    slopes : float64 [n_frames]
        Gradient of the gain in the weights.
    """
    reduced = slopes - weights @ slopes
    active = weights > 0
    asking = np.flatnonzero(allowed & ~active & (reduced > 0))
    most = max(_NEWCOMERS, int(active.sum()) // 4)
    newcomers = asking[np.argsort(-reduced[asking], kind="stable")[:most]]
    chosen = np.union1d(np.flatnonzero(active), newcomers)
    if len(chosen) > _MOST_COLUMNS:
        chosen = np.sort(chosen[np.argsort(-reduced[chosen], kind="stable")[:_MOST_COLUMNS]])
    return chosen
