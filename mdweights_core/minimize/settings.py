"""What a user may choose about a minimisation; imports without JAX and OpenMM."""

from __future__ import annotations

from dataclasses import dataclass

from mdweights_core.errors import BadInput, counted

METHODS = {
    "lbfgs-preconditioned": "L-BFGS on the curvature of bonds, angles, torsions, contacts",
    "lbfgs": "L-BFGS",
    "fire": "FIRE 2.0",
    "adam": "Adam",
}
"""Names of the minimisers and what each is."""

YARDSTICKS = {
    "openmm": "OpenMM's own minimiser",
    "modes": "L-BFGS on slow modes, x0 + Psi Z, then on all coordinates",
    "modes-literal": "L-BFGS on slow modes, X = Psi Z: leaves nothing of the shape of molecules",
    "graph-network": "Adam on a graph network of slow modes, then L-BFGS on all coordinates",
}
"""What they can be compared with."""

SPRING = 1000.0
"""Force constant of the springs that hold restrained atoms, kJ/mol/nm^2."""


@dataclass(frozen=True)
class MinimizeSettings:
    """How far a minimisation goes, and by which steps.

    Attributes
    ----------
    method : str
        One of `METHODS`, or of `YARDSTICKS` in comparisons.
    tolerance : float
        Rms of all free force components at which a start has converged, kJ/mol/nm.
    max_evaluations : int
        Gradients a start may take; a Hessian product counts as two.
    max_step : float
        The furthest a coordinate moves in one step, nm.
    memory : int
        Pairs of steps and gradient differences L-BFGS keeps; on a preconditioner no more than 4.
    learning_rate : float
        Step length of Adam, nm.
    min_delta : float
        Adam ends a start when its lowest energy has fallen by less than this, kJ/mol, at `patience` checks in a row.
    patience : int
        0 for no early stopping.
    check_every : int
        Steps of Adam between two checks.
    together : int, optional
        Starts that go side by side; by default one on a processor, 64 on a graphics card.
    """

    method: str = "lbfgs-preconditioned"
    tolerance: float = 0.1
    max_evaluations: int = 10_000
    max_step: float = 0.02
    memory: int = 20
    learning_rate: float = 1e-3
    min_delta: float = 1e-6
    patience: int = 5
    check_every: int = 1
    together: int | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS | YARDSTICKS:
            known = ", ".join(METHODS)
            raise BadInput(f"there is no minimiser called {self.method!r}", advice=f"Choose one of {known}")
        for name in ("tolerance", "max_step", "learning_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadInput(f"the {name.replace('_', ' ')} is {getattr(self, name):g}, but must be positive")
        for name in ("max_evaluations", "memory", "check_every"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name.replace('_', ' ')} is {getattr(self, name)}, but must be at least 1")
        if self.together is not None and self.together < 1:
            raise BadInput(f"{counted(self.together, 'start')} cannot go side by side", advice="Give at least 1")
        for name in ("min_delta", "patience"):
            if not getattr(self, name) >= 0:
                raise BadInput(f"{name.replace('_', ' ')} is {getattr(self, name):g}, but must be zero or positive")
