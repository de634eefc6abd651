"""Solvers of the weight problem behind one interface: `start`, then `step` until the state says it is done.

A step is some 150 ms of work, so that whoever drives the solver can show progress and stop it. Solvers print nothing.
"""

from __future__ import annotations

from mdweights_core.weights.solvers.base import SOLVERS, Solver, SolverSettings, SolverState
from mdweights_core.weights.solvers.first_order import LBFGS, Adam, AdamPrototype
from mdweights_core.weights.solvers.gauss_newton import GaussNewton

__all__ = [
    "LBFGS",
    "SOLVERS",
    "Adam",
    "AdamPrototype",
    "GaussNewton",
    "Solver",
    "SolverSettings",
    "SolverState",
    "make_solver",
]

_CLASSES: dict[str, type[Solver]] = {
    "gauss-newton": GaussNewton,
    "lbfgs": LBFGS,
    "adam": Adam,
    "adam-prototype": AdamPrototype,
}


def make_solver(name: str, settings: SolverSettings) -> Solver:
    """The solver called `name` (one of `SOLVERS`)."""
    return _CLASSES[name](settings)
