"""How intensities become colours: scale, contrast and the numbers of a colour bar. Plain arithmetic, no widgets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCALES = ("linear", "sqrt", "log", "arcsinh")
CONTRASTS = {"min-max": 100.0, "99 %": 99.0, "95 %": 95.0}
# symmetric logarithm: this many decades below the limit the scale turns linear, so that zero has a place
_DECADES = 2.0
# arcsinh is linear below this part of the limit
_SOFTENING = 0.1


@dataclass(frozen=True)
class IntensityScale:
    """A monotonic map from intensity to colour position, odd about zero, defined for values <= 0 too.

    Attributes
    ----------
    kind : str
        ``linear``, ``sqrt``, ``log`` or ``arcsinh``. The logarithm is symmetric: sign(I) log10(1 + 100 |I| / limit).
    low, high : float
        Intensities at the two ends of the colour bar.
    """

    kind: str
    low: float
    high: float

    @property
    def limit(self) -> float:
        """The larger of the two ends in magnitude."""
        return max(abs(self.low), abs(self.high)) or 1.0

    def forward(self, intensity: np.ndarray | float) -> np.ndarray:
        """Position on the colour bar (any unit) of intensities of any sign; the shape of `intensity`, float64."""
        x = np.asarray(intensity, dtype=np.float64) / self.limit
        if self.kind == "sqrt":
            return np.sign(x) * np.sqrt(np.abs(x))
        if self.kind == "log":
            return np.sign(x) * np.log10(1.0 + 10.0**_DECADES * np.abs(x))
        if self.kind == "arcsinh":
            return np.arcsinh(x / _SOFTENING)
        return x

    @property
    def levels(self) -> tuple[float, float]:
        """Positions of the two ends."""
        low, high = self.forward(np.array([self.low, self.high]))
        return float(low), float(high)

    def ticks(self, n: int = 5) -> list[tuple[float, float]]:
        """About `n` round numbers along the bar: (position, intensity), rising."""
        chosen = _decade_numbers(self.low, self.high) if self.kind in ("log", "arcsinh") else None
        if chosen is None or len(chosen) < 3:
            chosen = _round_numbers(self.low, self.high, n)
        return _without_crowding([(float(self.forward(value)), value) for value in chosen], self.levels, n)


def limits(images: list[np.ndarray], contrast: str, symmetric: bool) -> tuple[float, float]:
    """Low and high intensity shared by `images`.

    Parameters
    ----------
    images : list of float [n_v, n_u]
        NaN where missing.
    contrast : str
        A key of `CONTRASTS`: which central part of the values the colours span.
    symmetric : bool
        True for values about zero: -high to high, high the percentile of the magnitudes.
    """
    values = np.concatenate([image[np.isfinite(image)].ravel() for image in images]) if images else np.empty(0)
    if values.size == 0:
        return (-1.0, 1.0) if symmetric else (0.0, 1.0)
    part = CONTRASTS[contrast]
    if symmetric:
        high = float(np.percentile(np.abs(values), part)) or 1.0
        return -high, high
    low, high = (float(v) for v in np.percentile(values, [100.0 - part, part] if part < 100.0 else [0.0, 100.0]))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def format_number(value: float) -> str:
    """A number short enough for a colour bar or a read-out; ``-`` when it is missing."""
    if not np.isfinite(value):
        return "-"
    size = abs(value)
    if size >= 1e6 or 0.0 < size < 1e-3:
        mantissa, power = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(power)}"
    return f"{value:.0f}" if size >= 1000.0 else f"{value:.4g}"


def nice_step(span: float, n: int) -> float:
    """A step of 1, 2 or 5 times a power of ten that divides `span` into about `n` parts."""
    raw = span / max(n, 1)
    power = 10.0 ** np.floor(np.log10(raw))
    return float(min((factor * power for factor in (1.0, 2.0, 5.0, 10.0)), key=lambda step: abs(step - raw)))


def _round_numbers(low: float, high: float, n: int) -> list[float]:
    step = nice_step(high - low, n)
    return [float(i * step) for i in range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)]


def _decade_numbers(low: float, high: float) -> list[float]:
    top = np.floor(np.log10(max(abs(low), abs(high)) or 1.0))
    decades = 10.0 ** np.arange(top - 2, top + 1)
    every = np.concatenate([-decades[::-1], [0.0], decades])
    return [float(value) for value in every if low <= value <= high]


def _without_crowding(
    ticks: list[tuple[float, float]], levels: tuple[float, float], n: int
) -> list[tuple[float, float]]:
    """Drop ticks that would stand closer than 0.6 of an even spacing, zero and the ends last."""
    room = 0.6 * (levels[1] - levels[0]) / max(n, 1)
    kept: list[tuple[float, float]] = []
    for position, value in sorted(ticks, key=lambda tick: (tick[1] != 0.0, -abs(tick[1]))):
        if all(abs(position - other) >= room for other, _ in kept):
            kept.append((position, value))
    return sorted(kept)
