"""The job of `mdweights sample`: a flow trained and drawn from, with what its draws are of."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.crystal.superposition import fit
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.errors import BadInput
from mdweights_core.flow.held_back import held_back, memory
from mdweights_core.flow.result import FlowSamples, evenly, looked_at
from mdweights_core.flow.settings import SampleSettings
from mdweights_core.jobs import Job
from mdweights_core.workflow.examples import Examples, remarks_on_energies
from mdweights_core.workflow.sampled import Origin, Sampled

if TYPE_CHECKING:
    from mdweights_core.energy.setup import Molecule
    from mdweights_core.flow.systems import Prepared
    from mdweights_core.flow.train import Trained

SPREAD = 1.0
"""Weight of the entropy along a coordinate, where one was named."""


@dataclass(frozen=True, eq=False)
class Task:
    """A system ready to be sampled, and what is known of it.

    Attributes
    ----------
    prepared : Prepared
    origin : Origin
        Without frames.
    examples : Examples or None
        What `prepared` holds, with the simulation of each.
    """

    prepared: Prepared
    origin: Origin
    examples: Examples | None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said before the work."""
        return (*(() if self.examples is None else self.examples.notes), *self.prepared.remarks)


def molecule_task(
    molecule: Molecule,
    energy: EnergySettings,
    kelvin: float,
    examples: Examples | None = None,
    *,
    kind: str = "internal",
    spread_along: str = "",
) -> Task:
    """Make a molecule ready.

    Parameters
    ----------
    molecule : Molecule
    energy : EnergySettings
        What its energy was made by.
    kelvin : float
    examples : Examples, optional
    kind : str
        Of the coordinates.
    spread_along : str
        Coordinate that the training is to spread along; none where empty.

    Raises
    ------
    BadInput
        See `flow.systems.of_molecule`; frames whose energies are no numbers.
    """
    from mdweights_core.flow.systems import of_molecule

    if examples is None:
        frames, weights = None, None
    else:
        frames, weights = examples.x.reshape(len(examples.x), -1, 3), examples.weights
    field = " with ".join(filter(None, (energy.force_field, ", ".join(molecule.changes))))
    told = f"{field} in {'vacuo' if energy.solvent == 'none' else energy.solvent}, {kelvin:g} K"
    structure = pdb_text(molecule.topology, _as_frames_lie(molecule.x, examples))
    origin = Origin(structure=structure, temperature=kelvin, energy=told)
    prepared = of_molecule(molecule, kelvin, frames, weights, kind=kind)
    if spread_along:
        prepared = replace(prepared, reaction=_reaction(spread_along, origin, prepared))
    return _looked_at(Task(prepared, origin, examples))


def _as_frames_lie(x: np.ndarray, examples: Examples | None) -> np.ndarray:
    """A structure [n_atoms, 3] laid on the frame of most weight, the first of them: draws go to where frames were."""
    if examples is None:
        return x
    frame = examples.x[0 if examples.weights is None else int(np.argmax(examples.weights))].reshape(-1, 3)
    return fit(x[None], frame).moved(x[None])[0] + frame.mean(axis=0)


def toy_task(name: str, examples: Examples | None = None, *, spread: bool = False) -> Task:
    """Make a toy system ready."""
    from mdweights_core.energy.toys.registry import toy
    from mdweights_core.flow.systems import of_toy

    prepared = of_toy(toy(name), None if examples is None else examples.x)
    if not spread:
        prepared = replace(prepared, reaction=None)
    elif prepared.reaction is None:
        raise BadInput("There is nothing to tell how far to spread", advice="Give --examples N")
    return _looked_at(Task(prepared, Origin(toy=name), examples))


def _looked_at(task: Task) -> Task:
    remarks = (*task.prepared.remarks, *remarks_on_energies(task.prepared))
    return replace(task, prepared=replace(task.prepared, remarks=remarks))


def train_and_draw(
    task: Task, settings: SampleSettings, *, reference: Examples | None = None, checkpoint: Path | None = None
) -> Job[tuple[Trained, Sampled]]:
    """Train and draw; see `flow.job.sample_system`. Stopped while it trains, it returns no samples.

    Parameters
    ----------
    task : Task
    settings : SampleSettings
    reference : Examples, optional
        Frames of the target's own ensemble; by default the examples, unless they carry weights. A tenth of the
        examples is then held back from the training, to see whether the others are learned by heart.
    checkpoint : Path, optional
    """
    from mdweights_core.flow.evaluate import trained_log_weights
    from mdweights_core.flow.job import sample_system

    if task.prepared.reaction is not None:
        settings = replace(settings, spread=SPREAD)
    held = _held_back(task, reference)
    trained, samples = yield from sample_system(_without(task.prepared, held), settings, checkpoint=checkpoint)
    if task.examples is not None:
        samples = replace(samples, training_energies=samples.training_energies + task.examples.energies)
    origin = task.origin
    if reference is not None:
        chosen = looked_at(len(reference.x))
        origin = _with_frames(origin, reference, reference.x, chosen, trained_log_weights(trained, reference.x))
    elif task.examples is not None and samples.n_samples:
        samples, origin = _with_examples(task, trained, samples, held)
    return trained, Sampled(samples, origin)


def _held_back(task: Task, reference: Examples | None) -> np.ndarray:
    """Which examples are not to be learned from, bool [T]: none where other frames are there to compare with."""
    count = 0 if task.prepared.examples is None else len(task.prepared.examples)
    return held_back(count) if reference is None else np.zeros(count, dtype=bool)


def _without(prepared: Prepared, held: np.ndarray) -> Prepared:
    if not held.any():
        return prepared
    assert prepared.examples is not None
    weights = None if prepared.weights is None else prepared.weights[~held]
    return replace(prepared, examples=prepared.examples[~held], weights=weights)


def _with_examples(task: Task, trained: Trained, samples: FlowSamples, held: np.ndarray) -> tuple[FlowSamples, Origin]:
    """Look at examples that were learned from and held back; weighted ones are of another ensemble, and no reference.

    Those held back alone are the reference where the others are known by heart, else a tenth of it.
    """
    from mdweights_core.flow.evaluate import trained_log_weights

    examples, x = task.examples, task.prepared.examples
    assert examples is not None
    assert x is not None
    shown, kept = np.flatnonzero(~held), np.flatnonzero(held)
    chosen = shown[looked_at(len(shown))]
    log_weights = np.full(len(x), np.nan)
    log_weights[chosen] = samples.example_log_weights
    if len(kept):
        as_dense = round(len(kept) * len(chosen) / len(shown))  # as chosen ones lie in time
        kept = kept[looked_at(len(kept))]
        log_weights[kept] = trained_log_weights(trained, x[kept])
        both = np.union1d(chosen, kept)
        weights = None if examples.weights is None else examples.weights[both]
        known = memory(log_weights[both], held[both], weights, examples.runs[both])
        chosen = kept if known.is_by_heart else np.union1d(chosen, kept[evenly(len(kept), as_dense)])
        samples = replace(samples, notes=(*samples.notes, *filter(None, [known.sentence])))
    if examples.weights is not None:
        return samples, task.origin
    return samples, _with_frames(task.origin, examples, x, chosen, log_weights[chosen])


def _with_frames(
    origin: Origin, frames: Examples, x: np.ndarray, chosen: np.ndarray, log_weights: np.ndarray
) -> Origin:
    """With the chosen ones of configurations x, which are those frames, as the flow sees them."""
    return replace(
        origin,
        frames=x[chosen].astype(np.float32),
        frame_log_weights=log_weights,
        frame_weights=np.ones(len(chosen)) if frames.weights is None else frames.weights[chosen],
        frame_runs=frames.runs[chosen],
        frame_numbers=chosen,
        frames_know_populations=frames.know_populations,
    )


def _reaction(text: str, origin: Origin, prepared: Prepared) -> Any:
    from mdweights_core.flow.reaction import Reaction
    from mdweights_core.workflow.along import along

    measured = along(text, origin, prepared.target.n)
    if measured.period:
        return Reaction(measured.measure, -np.pi, np.pi)
    if prepared.examples is None:
        raise BadInput(f"There are no frames to tell the range of {measured.label}", advice="Give --frames")
    values = measured.values(prepared.examples)
    return Reaction(measured.measure, float(values.min()), float(values.max()))


def pdb_text(topology: Any, x: np.ndarray) -> str:
    """A structure as the text of a PDB file, from positions [n_atoms, 3] in nm."""
    from openmm import app

    text = io.StringIO()
    app.PDBFile.writeFile(topology, 10 * x, text, keepIds=True)
    return text.getvalue()
