"""The whole job of one run: train a flow on a prepared system, then draw from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mdweights_core.errors import BadInput
from mdweights_core.flow.recipes import stages
from mdweights_core.flow.result import FlowSamples
from mdweights_core.flow.sample import sample
from mdweights_core.flow.settings import SampleSettings, Stage, TrainSettings
from mdweights_core.flow.systems import Prepared
from mdweights_core.flow.train import Trained, train
from mdweights_core.jobs import Job

MANY = 40
"""Variables, beyond which learning from energies is slowed down."""


def sample_system(
    prepared: Prepared, settings: SampleSettings = SampleSettings(), *, checkpoint: Path | None = None
) -> Job[tuple[Trained, FlowSamples]]:
    """Train and draw.

    Stopped while it trains, it draws nothing and returns no samples; the checkpoint keeps the training, and the same
    call goes on from there. A finished checkpoint is the trained flow: the same call draws from it at once, any number
    of configurations.

    Parameters
    ----------
    prepared : Prepared
    settings : SampleSettings
    checkpoint : Path, optional
        File (.npz) that keeps the training.

    Raises
    ------
    BadInput
        See `train`.
    """
    trained = yield from train(
        prepared.target,
        prepared.coordinates,
        training_of(prepared, settings),
        examples=prepared.examples,
        weights=prepared.weights,
        reaction=prepared.reaction,
        symmetry=prepared.symmetry,
        images=prepared.images,
        checkpoint=checkpoint,
    )
    count = 0 if trained.is_stopped else settings.samples
    drawn = yield from sample(
        trained,
        count,
        settings.seed,
        examples=prepared.examples,
        order=prepared.order,
        probe=settings.probe and count > 0,
    )
    return trained, drawn


def training_of(prepared: Prepared, settings: SampleSettings) -> TrainSettings:
    """The training that was chosen, or that fits what there is."""
    usual = "annealed" if prepared.examples is None else "mixed"
    name = settings.schedule or usual
    chosen = stages(name, settings.effort, settings.batch)
    if settings.spread:
        if not any(stage.by_energy for stage in chosen):
            raise BadInput(f"The schedule {name} generates nothing that could be spread", advice="Choose another one")
        chosen = tuple(replace(stage, by_reaction=settings.spread) if stage.by_energy else stage for stage in chosen)
    if prepared.coordinates.n > MANY:
        chosen = tuple(map(_gentler, chosen))
    return TrainSettings(settings.flow, chosen, settings.seed)


def _gentler(stage: Stage) -> Stage:
    """Half as fast where energies are learned from: of many variables they are uneven, and steps go astray."""
    uses_energy = stage.by_energy > 0 or stage.reuse > 0
    return replace(stage, learning_rate=0.5 * stage.learning_rate) if uses_energy else stage
