"""What a user may choose about reference simulations; imports without JAX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import BadInput

MOVES = {
    "langevin": "Langevin dynamics (BAOAB); its ensemble is exact in the limit of short steps",
    "hybrid": "Langevin dynamics with a Metropolis test (generalised hybrid Monte Carlo); exact",
    "metropolis": "random steps with a Metropolis test; exact, needs no forces",
}
"""Ways to move and what each is."""


@dataclass(frozen=True)
class ChainSettings:
    """How chains walk.

    Attributes
    ----------
    frames : int
        To keep of each walker.
    stride : int
        Steps between two of them.
    burn_in : int
        Steps before the first one.
    descent : int
        Steps down the gradient before all others, for starts of high energy.
    step : float
        Length of a step: a distance for "metropolis", else a time (ps, where inertia is in ps^2/nm^2).
    moves : str
        One of `MOVES`.
    friction : float
        Per unit of time.
    seed : int
    """

    frames: int
    stride: int = 10
    burn_in: int = 1000
    descent: int = 0
    step: float = 0.01
    moves: str = "langevin"
    friction: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.moves not in MOVES:
            raise BadInput(f"There is no way to move called '{self.moves}'", advice=f"Choose one of {', '.join(MOVES)}")
        for name in ("frames", "stride"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} is {getattr(self, name)}: 1 is the least")
        for name in ("burn_in", "descent"):
            if getattr(self, name) < 0:
                raise BadInput(f"{name} is {getattr(self, name)}: 0 is the least")
        if not 0 < self.step < float("inf") or not 0 <= self.friction < float("inf"):
            raise BadInput(
                f"Steps of {self.step:g} with a friction of {self.friction:g} cannot be taken",
                advice="Choose a step above 0 and a friction of 0 or more",
            )


@dataclass(frozen=True)
class Windows:
    """Restraints along a coordinate c, one a window: stiffness (c - centre)^2 / 2, or on a circle its periodic kin.

    Attributes
    ----------
    centres : float64 [K]
    stiffness : float64 [K]
        kT per squared unit of the coordinate.
    is_angle : bool
        Whether the coordinate is an angle in radian: stiffness (1 - cos(c - centre)).
    """

    centres: np.ndarray
    stiffness: np.ndarray
    is_angle: bool = False

    def __post_init__(self) -> None:
        for name in ("centres", "stiffness"):
            object.__setattr__(self, name, np.atleast_1d(np.asarray(getattr(self, name), dtype=np.float64)))
        if len(self.centres) < 1 or self.centres.shape != self.stiffness.shape:
            raise BadInput(
                f"{len(self.centres)} centres and {len(self.stiffness)} stiffnesses do not make windows",
                advice="Give one of each for every window",
            )
        if not (np.isfinite(self.centres).all() and np.isfinite(self.stiffness).all() and (self.stiffness >= 0).all()):
            raise BadInput("Windows need finite centres, and stiffnesses of 0 or more")

    @classmethod
    def even(cls, low: float, high: float, number: int, stiffness: float, *, is_angle: bool = False) -> Windows:
        """Return windows of one stiffness at even distances; round a circle the last is one step short of `high`."""
        return cls(np.linspace(low, high, number, endpoint=not is_angle), np.full(number, stiffness), is_angle)

    def bias(self, coordinate: np.ndarray) -> np.ndarray:
        """Bias in kT of values [...] in every window, float64 [K, ...]."""
        away = np.asarray(coordinate, dtype=np.float64)[None] - self.centres.reshape(-1, *[1] * np.ndim(coordinate))
        stiffness = self.stiffness.reshape(-1, *[1] * np.ndim(coordinate))
        return stiffness * (1 - np.cos(away) if self.is_angle else away**2 / 2)

    def __len__(self) -> int:
        return len(self.centres)
