"""Small flows of the double well that tests of training and drawing share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.energy.toys.registry import toy
from mdweights_core.flow.settings import FlowSettings, Stage, TrainSettings
from mdweights_core.flow.systems import Prepared, of_toy
from mdweights_core.flow.train import Trained

N_EXAMPLES = 4000  # and batches of 256 in all trainings: programs of one shape are compiled once
SMALL = FlowSettings(layers=2, width=16, depth=1, bins=6, marginal_bins=12)
TWO_STAGES = (
    Stage(60, by_example=1.0, batch=256, learning_rate=5e-3),
    Stage(120, by_example=1.0, by_energy=0.3, batch=256, learning_rate=5e-3, last_rate=0.05),
)


@dataclass(frozen=True)
class DoubleWell:
    """The double well with exact draws as examples, and a flow trained on them."""

    prepared: Prepared
    settings: TrainSettings
    trained: Trained


def prepared_double_well() -> Prepared:
    system = toy("double-well")
    return of_toy(system, system.make().sample(np.random.default_rng(3), N_EXAMPLES))
