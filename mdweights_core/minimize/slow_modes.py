"""Minimisation that begins on slow modes: stages of more and more of them, and the published settings to compare with.

Where the start is far from any order (the Gaussian start of the loops), what is far apart along the graph has to be
brought together first. Few modes do that, then more, and in the end all coordinates. Soft modes are scaled up by their
eigenvalues, so that they move as readily as stiff ones. On molecules near their minimum this gains nothing
(docs/benchmarks.md); their bonds would not survive a start without `origin`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mdweights_core.minimize.cartesian import FreeAtoms
from mdweights_core.minimize.graph_network import GraphNetwork
from mdweights_core.minimize.linear import Clamped, LinearModes
from mdweights_core.minimize.settings import MinimizeSettings
from mdweights_core.minimize.stages import Stage
from mdweights_core.modes.backbone import Backbone

SHARES = (1 / 10, 1 / 5, 1 / 3)
"""Modes of the stages before the last, as shares of the number of atoms."""

EFFORT = (0.2, 0.2, 0.3, 0.3)
"""Evaluations of the stages, as shares of all."""

_FLOOR = 2e-3  # eigenvalue, as a share of the largest, below which modes are scaled alike
_MAX_STEP = 0.3
_MEMORY = 20

PUBLISHED_CLAMP = 0.1
PUBLISHED_STEPS = 60_000


def slow_mode_stages(
    backbone: Backbone,
    max_evaluations: int,
    *,
    origin: np.ndarray | None = None,
    shares: Sequence[float] = SHARES,
    effort: Sequence[float] = EFFORT,
    tolerance: float = 1e-8,
) -> list[Stage]:
    """L-BFGS on the slowest modes, then on more of them, then on all.

    Parameters
    ----------
    backbone : Backbone
        With as many modes as atoms.
    max_evaluations : int
        Gradients of a start, all stages together; what the modes cost comes on top.
    origin : float64 [n_atoms, 3], optional
        x0 of x = x0 + Psi Z. Without it the literal X = Psi Z, whose first stage keeps the spread of the start.
    shares, effort : sequences of float
        See `SHARES` and `EFFORT`.
    tolerance : float
        Rms force at which a stage ends before its evaluations are used up, kJ/mol/nm.
    """
    n = len(backbone.vectors)
    scale = (backbone.values / backbone.values[-1] / _FLOOR + 1) ** -0.5
    counts = [*(max(1, round(n * share)) for share in shares), n]
    stages = []
    for place, (count, part) in enumerate(zip(counts, effort, strict=True)):
        is_literal = origin is None and place == 0
        modes = LinearModes(backbone.vectors[:, :count], origin=origin, scale=scale[:count], keeps_spread=is_literal)
        settings = MinimizeSettings(
            method="lbfgs",
            tolerance=tolerance,
            max_evaluations=max(1, int(part * max_evaluations)),
            max_step=_MAX_STEP,
            memory=_MEMORY,
        )
        stages.append(Stage(modes, settings))
    return stages


def published_linear_stages(
    backbone: Backbone, *, learning_rate: float = 0.02, factor: float = 10.0, min_delta: float = 1e-6
) -> list[Stage]:
    """X = Psi Z, then all coordinates, by Adam with the published early stopping and cut-off of gradients.

    Parameters
    ----------
    backbone : Backbone
        With as many modes as are used: a third, a quarter or a fifth of the atoms were published.
    learning_rate, factor : float
        Of the second stage (0.05, 0.02, 0.01), and what the first stage's is times it (1, 10).
    min_delta : float
        Early stopping of the second stage (1e-6, 1e-7); ten times as much in the first.
    """
    modes = LinearModes(backbone.vectors, keeps_spread=True)
    first = _published_adam(learning_rate * factor, 10 * min_delta)
    return [Stage(Clamped(modes, PUBLISHED_CLAMP), first), _all_coordinates(backbone, learning_rate, min_delta)]


def published_network_stages(
    backbone: Backbone,
    *,
    width: int = 8,
    learning_rate: float = 0.02,
    factor: float = 10.0,
    min_delta: float = 1e-6,
    seed: int = 0,
) -> list[Stage]:
    """A graph network of one layer, width and half of it, then all coordinates, as `published_linear_stages`.

    The first stage's learning rate is a tenth of `learning_rate` times `factor`; widths of 8 and 32 were published.
    """
    network = GraphNetwork(backbone, (width, width // 2), seed=seed)
    first = _published_adam(learning_rate / 10 * factor, 10 * min_delta)
    return [Stage(Clamped(network, PUBLISHED_CLAMP), first), _all_coordinates(backbone, learning_rate, min_delta)]


def _all_coordinates(backbone: Backbone, learning_rate: float, min_delta: float) -> Stage:
    free = FreeAtoms(np.zeros((len(backbone.vectors), 3)))
    return Stage(Clamped(free, PUBLISHED_CLAMP), _published_adam(learning_rate, min_delta))


def _published_adam(learning_rate: float, min_delta: float) -> MinimizeSettings:
    return MinimizeSettings(
        method="adam",
        learning_rate=learning_rate,
        min_delta=min_delta,
        patience=20,
        check_every=20,
        max_evaluations=PUBLISHED_STEPS,
        tolerance=np.finfo(float).tiny,
    )
