"""Solvers of the weight problem: generators that yield where they are after each piece of work.

Whoever drives a solver can show progress and stop it. Solvers print nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mdweights_core.weights.solvers.base import Solve, SolverState, Task, Term
from mdweights_core.weights.solvers.first_order import adam, adam_prototype, lbfgs
from mdweights_core.weights.solvers.gauss_newton import solve_many
from mdweights_core.weights.solvers.shared import SharedGrams

__all__ = ["SOLVERS", "SharedGrams", "Solve", "SolverState", "Task", "Term", "solve_many"]

SOLVERS: dict[str, Callable[[Sequence[Term], Sequence[Task], int], Solve]] = {
    "gauss-newton": solve_many,
    "lbfgs": lbfgs,
    "adam": adam,
    "adam-prototype": adam_prototype,
}
