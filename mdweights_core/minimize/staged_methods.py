"""Reparametrisations by name, to compare with on molecules: slow modes or a graph network first, then all coordinates.

Modes are those of the graph Laplacian whose couplings are the positive curvature of bonds, angles and torsions at the
start, which asks for no gradients; a third of them is used, with three tenths of the evaluations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mdweights_core.energy.base import Energy
from mdweights_core.energy.curvature import stiffness_matrix
from mdweights_core.jobs import Job
from mdweights_core.minimize.base import End, Evaluate, Reparametrisation
from mdweights_core.minimize.cartesian import FreeAtoms
from mdweights_core.minimize.evaluation import evaluator
from mdweights_core.minimize.graph_network import GraphNetwork
from mdweights_core.minimize.linear import LinearModes
from mdweights_core.minimize.result import Minimisation
from mdweights_core.minimize.run import Run
from mdweights_core.minimize.settings import MinimizeSettings
from mdweights_core.minimize.stages import Stage, minimize_in_stages
from mdweights_core.modes.backbone import Backbone, backbone_modes, block_norms

_SHARE = 0.3  # of the evaluations, in the first stage
_FIT_STEPS = 1000  # that fit the network to the start, as published
_WIDTHS = (32, 16)

_Maker = Callable[[Backbone, np.ndarray], Reparametrisation]
_FIRST: dict[str, tuple[_Maker, str]] = {
    "modes": (lambda backbone, x: LinearModes(backbone.vectors, origin=x), "lbfgs"),
    "modes-literal": (lambda backbone, x: LinearModes(backbone.vectors), "lbfgs"),
    "graph-network": (lambda backbone, x: GraphNetwork(backbone, _WIDTHS, fit_steps=_FIT_STEPS), "adam"),
}


def minimize_staged(
    energy: Energy, starts: np.ndarray, settings: MinimizeSettings, reference: np.ndarray | None = None
) -> Job[Minimisation]:
    """Minimise by one of the reparametrisations that settings name; the second stage is L-BFGS.

    The trace of a start tells the lowest energy so far, and the rms force there.

    Parameters
    ----------
    energy : Energy
    starts : float64 [S, n_atoms, 3]
        nm.
    settings : MinimizeSettings
    reference : float64 [n_atoms, 3], optional
        nm.
    """
    run = Run.begin(starts)
    for row, x in enumerate(run.x.copy()):
        watch = _Watch(evaluator(energy))
        end = yield from minimize_in_stages(watch, x[None], _stages(energy, x, settings))
        run.x[row], run.traces[row] = end.x[0], watch.lines
        run.ends[row] = str(end.ends[0])
        if end.ends[0] is End.STOPPED:
            break
    return run.result(starts, reference, settings, ())


def _stages(energy: Energy, x: np.ndarray, settings: MinimizeSettings) -> list[Stage]:
    backbone = backbone_modes(block_norms(stiffness_matrix(energy, x)), max(1, len(x) // 3))
    maker, method = _FIRST[settings.method]
    first = max(1, int(_SHARE * settings.max_evaluations))
    rest = max(1, settings.max_evaluations - first)
    return [
        Stage(maker(backbone, x), replace(settings, method=method, max_evaluations=first)),
        Stage(FreeAtoms(x), replace(settings, method="lbfgs", max_evaluations=rest)),
    ]


class _Watch:
    """An evaluator that keeps the lowest energy so far, and the rms force there, after every evaluation."""

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate, self._begun = evaluate, time.perf_counter()
        self._lowest = (np.inf, np.nan)
        self.lines: list[tuple[float, ...]] = []

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, gradients = self._evaluate(x)
        if values[0] <= self._lowest[0]:
            self._lowest = (float(values[0]), float(np.sqrt(np.mean(gradients[0] ** 2))))
        self.lines.append((len(self.lines) + 1.0, time.perf_counter() - self._begun, *self._lowest))
        return values, gradients
