"""Settings of a fit: plain values, checked, importable without JAX."""

from __future__ import annotations

from dataclasses import dataclass

from mdweights_core.errors import BadInput

OBJECTIVES: dict[str, str] = {
    "anisotropic-cc": "anisotropic correlation (shell means removed)",
    "cc": "total correlation",
}
MIN_REFLECTIONS = 50
"""Fewer unique reflections are not fitted."""

DEFAULT_STEPS: dict[str, int] = {"gauss-newton": 100, "lbfgs": 500, "adam": 500, "adam-prototype": 500}


@dataclass(frozen=True)
class FitSettings:
    """How weights are fitted.

    Attributes
    ----------
    objective : str
        One of `OBJECTIVES`.
    solver : str
        One of `DEFAULT_STEPS`.
    theta : float
        Strength of the relative entropy KL(w || uniform); 0 leaves it out.
    free_fraction : float
        Part of the Laue groups held out when the map carries no free set; 0 for none.
    seed : int
        Of that draw.
    max_steps : int, optional
        Iterations at most; by default the solver's own.
    """

    objective: str = "anisotropic-cc"
    solver: str = "gauss-newton"
    theta: float = 0.0
    free_fraction: float = 0.1
    seed: int = 0
    max_steps: int | None = None

    def __post_init__(self) -> None:
        _one_of("objective", self.objective, OBJECTIVES)
        _one_of("solver", self.solver, DEFAULT_STEPS)
        if not 0 <= self.theta < float("inf"):
            raise BadInput(f"theta is {self.theta:g}, but must be zero or positive")
        if not 0 <= self.free_fraction < 0.9:
            raise BadInput(f"the free fraction is {self.free_fraction:g}, but must lie between 0 and 0.9")
        if self.seed < 0:
            raise BadInput(f"the seed is {self.seed}, but must be zero or positive")
        if self.max_steps is not None and self.max_steps < 1:
            raise BadInput(f"the number of steps is {self.max_steps}, but must be at least 1")


def _one_of(what: str, value: str, known: dict[str, object] | dict[str, str] | dict[str, int]) -> None:
    if value not in known:
        raise BadInput(f"there is no {what} called {value!r}", advice=f"Choose one of {', '.join(known)}")
