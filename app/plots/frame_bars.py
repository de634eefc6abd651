"""Where each frame stands on the weight plot's x axis, and which frames a stretch of it covers. No widgets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ORDERS = ("frame", "time", "sorted")


@dataclass(frozen=True, eq=False)
class FrameOrder:
    """Frames along an axis.

    Attributes
    ----------
    x : float64 [T]
        Middle of the bar of each frame.
    width : float
        Width of a bar.
    label : str
        Name and unit of the axis.
    """

    x: np.ndarray
    width: float
    label: str

    def nearest(self, x: float) -> int:
        """The frame whose bar is nearest to `x`."""
        return int(np.argmin(np.abs(self.x - x)))

    def between(self, low: float, high: float) -> np.ndarray:
        """Frames whose bars have their middle in [low, high], in the order of the axis: int64."""
        inside = np.flatnonzero((self.x >= low) & (self.x <= high))
        return inside[np.argsort(self.x[inside], kind="stable")]

    def neighbour(self, frame: int, step: int) -> int:
        """The frame `step` bars to the right of `frame`, or the last one there is."""
        along = np.argsort(self.x, kind="stable")
        place = int(np.flatnonzero(along == frame)[0]) + step
        return int(along[min(max(place, 0), len(along) - 1)])


def order_frames(order: str, weights: np.ndarray, time: np.ndarray | None) -> FrameOrder:
    """Lay frames out by number, by `time` (ps; ns when the run is long) or from the heaviest to the lightest."""
    if order == "sorted":
        rank = np.empty(len(weights))
        rank[np.argsort(-weights, kind="stable")] = np.arange(len(weights))
        return FrameOrder(rank, 0.8, "rank (frames by falling weight)")
    if order == "time" and time is not None and is_rising(time):
        factor, unit = (1e-3, "ns") if time[-1] - time[0] >= 1e4 else (1.0, "ps")
        x = np.asarray(time, dtype=float) * factor
        gap = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
        return FrameOrder(x, 0.8 * gap, f"time ({unit})")
    return FrameOrder(np.arange(len(weights), dtype=float), 0.8, "frame")


def is_rising(time: np.ndarray | None) -> bool:
    """True when every time is known and later than the one before: only then is it an axis."""
    return time is not None and len(time) > 1 and bool(np.isfinite(time).all() and (np.diff(time) > 0).all())
