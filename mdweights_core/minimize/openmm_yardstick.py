"""OpenMM's own minimiser, to compare with: L-BFGS in single or mixed precision on a platform of its choice.

It does not tell its evaluations, only its iterations, of which each is one evaluation or more: what is reported here is
a lower bound.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import openmm

UNLIMITED = 0


@dataclass(frozen=True, eq=False)
class Course:
    """How OpenMM's minimiser came along with one start.

    Attributes
    ----------
    x : float64 [n_atoms, 3]
        In the end, nm.
    iterations : int64 [k]
    seconds : float64 [k]
    energy, rms_force : float64 [k]
        As OpenMM has them in its precision, kJ/mol and kJ/mol/nm; empty when it was not watched.
    total_seconds : float
        Context and all.
    """

    x: np.ndarray
    iterations: np.ndarray
    seconds: np.ndarray
    energy: np.ndarray
    rms_force: np.ndarray
    total_seconds: float


def openmm_minimize(
    system: openmm.System,
    x: np.ndarray,
    tolerance: float,
    *,
    max_iterations: int = UNLIMITED,
    platform: str = "CPU",
    threads: int | None = None,
    watched: bool = True,
) -> Course:
    """Minimise with `openmm.LocalEnergyMinimizer`.

    Parameters
    ----------
    system : openmm.System
    x : float64 [n_atoms, 3]
        nm.
    tolerance : float
        Rms force, kJ/mol/nm.
    max_iterations : int
        0 for no limit.
    platform : str
    threads : int, optional
        Of the CPU platform; all by default.
    watched : bool
        Keep energies and forces of all iterations, which costs it some time.
    """
    import openmm

    begun = time.perf_counter()
    watch = _watch(begun) if watched else None
    properties = {"Threads": str(threads)} if platform == "CPU" and threads else {}
    chosen = openmm.Platform.getPlatformByName(platform)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), chosen, properties)
    context.setPositions(np.asarray(x))
    openmm.LocalEnergyMinimizer.minimize(context, tolerance, max_iterations, *([watch] if watch else []))
    end = context.getState(getPositions=True).getPositions(asNumpy=True)
    found = np.array(end.value_in_unit(openmm.unit.nanometer), dtype=np.float64)
    lines = np.array(watch.lines if watch else [], dtype=np.float64).reshape(-1, 3)
    return Course(
        found, np.arange(1, len(lines) + 1), lines[:, 0], lines[:, 1], lines[:, 2], time.perf_counter() - begun
    )


def _watch(begun: float) -> Any:
    """A reporter that keeps seconds, energy and rms force of every iteration."""
    import openmm

    class Watch(openmm.MinimizationReporter):
        def __init__(self) -> None:
            super().__init__()
            self.lines: list[tuple[float, float, float]] = []

        def report(self, iteration: int, x: Any, gradient: Any, numbers: Any) -> bool:
            rms_force = float(np.sqrt(np.mean(np.square(gradient))))
            self.lines.append((time.perf_counter() - begun, float(numbers["system energy"]), rms_force))
            return False

    return Watch()
