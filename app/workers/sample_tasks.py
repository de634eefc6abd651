"""What the window runs to sample: the jobs of `mdweights sample` and `mdweights free-energy`, without Qt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.models.sample_readings import (
    Column,
    MapReading2D,
    PathReading,
    ProfileReading,
    SampleReading,
    SampleRequest,
    StatesReading,
    Weighing,
)
from app.workers.minimise_tasks import SETTING_UP, open_choice
from mdweights_core.errors import BadInput, counted
from mdweights_core.jobs import Job, Progress, retold

if TYPE_CHECKING:
    from mdweights_core.energy.setup import Molecule
    from mdweights_core.flow.estimates.reference import Reference
    from mdweights_core.flow.train import Trained
    from mdweights_core.project import Project
    from mdweights_core.workflow.draws import Task
    from mdweights_core.workflow.iterate import Rounds
    from mdweights_core.workflow.sampled import Sampled

BINS = 50
MAP_BINS = 48
_VARIABLES = 4  # of a toy system that can be chosen by name
_LOG_WEIGHT_BINS = 60
_LIGHTEST = -25.0  # ln of the weight, about that of the mean; lighter samples are counted with the lightest
WORK = "estimates"


def sample(request: SampleRequest, checkpoint: Path) -> Job[SampleReading]:
    """Train and draw; stopped, what there is is kept, and the same request goes on from the checkpoint.

    Snapshots of the draws tell how energies and log-weights are spread so far: ``edges``, ``raw``, ``weighted`` of
    energies, ``weight_edges``, ``weight_counts``.
    """
    yield Progress(SETTING_UP, message=f"Setting up {request.name}")
    from mdweights_core.workflow.draws import train_and_draw

    task, molecule = yield from _task(request)
    job = train_and_draw(task, request.settings, checkpoint=checkpoint)
    trained, sampled = yield from retold(job, _with_histograms)
    yield Progress(WORK, message="Judging the samples")
    return read(request, task, molecule, trained, sampled)


def iterate(request: SampleRequest, project: Project, rounds: int, frames: int, out: Path) -> Job[Rounds]:
    """Rounds of fit and samples from a fit on: those of `mdweights sample --iterate`.

    Parameters
    ----------
    project : Project
        The fit to begin at.
    rounds, frames : int
        Number of rounds, and of frames in each; 0 for as many as were fitted.
    out : Path
        Folder that keeps them; the same call goes on from what is there.
    """
    yield Progress(SETTING_UP, message=f"Setting up {request.name}")
    from mdweights_core.energy.setup import set_up
    from mdweights_core.workflow.iterate import IterateSettings
    from mdweights_core.workflow.iterate import iterate as go

    assert request.structure is not None
    molecule = set_up(request.structure, request.energy, coordinates=request.coordinates)
    settings = IterateSettings(rounds, frames, request.settings, request.kind, request.select)
    found = yield from retold(go(project, molecule, request.energy, settings, out), _with_histograms)
    return found


def _task(request: SampleRequest) -> Job[tuple[Task, Molecule | None]]:
    """The system of a request, ready, and its molecule."""
    from mdweights_core.workflow import draws, examples

    if request.toy:
        from mdweights_core.energy.toys.registry import toy

        made = None
        if request.examples:
            made = yield from examples.toy_examples(toy(request.toy), request.examples, request.settings.seed)
        return draws.toy_task(request.toy, made, spread=bool(request.spread_along)), None
    from mdweights_core.energy.setup import set_up

    assert request.structure is not None
    molecule = set_up(request.structure, request.energy, coordinates=request.coordinates)
    shown = None
    if request.frames is not None:
        weights = None if request.weights is None else np.array(request.weights)
        source = open_choice(request.frames, request.select)
        yield Progress(SETTING_UP, message="Reading frames")
        shown = examples.frames_of_source(molecule, source, request.frames.numbers, weights)
    kelvin, along = request.settings.temperature, request.spread_along
    task = draws.molecule_task(molecule, request.energy, kelvin, shown, kind=request.kind, spread_along=along)
    return task, molecule


def read(
    request: SampleRequest, task: Task, molecule: Molecule | None, trained: Trained, sampled: Sampled
) -> SampleReading:
    """All that the window shows of a run."""
    from mdweights_core.flow.evaluate import energies_at
    from mdweights_core.minimize.starts import atoms_of
    from mdweights_core.workflow.judged import judged

    samples = sampled.samples
    frames, weights, numbers = _compared(request, task, sampled)
    has_weight = bool(np.isfinite(samples.log_weights).any())
    weighing = None
    if has_weight:
        energies = energies_at(task.prepared.target, frames) if len(frames) else None
        weighing = weigh(samples.u, samples.log_weights, energies, weights)
    return SampleReading(
        request=request,
        trained=trained,
        sampled=sampled,
        remarks=task.remarks,
        judged=judged(sampled) if has_weight else None,
        weighing=weighing,
        frames=frames,
        frame_weights=weights,
        frame_numbers=numbers,
        columns=_columns(sampled, frames) if has_weight else {},
        boundary=_boundary(request.toy),
        atoms=None if molecule is None else atoms_of(molecule.topology),
        start=None if molecule is None else molecule.x,
    )


def _compared(request: SampleRequest, task: Task, sampled: Sampled) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, their weights and numbers: those of the target's ensemble, or the examples with their weights."""
    origin, examples = sampled.origin, task.examples
    if examples is None:
        return np.zeros((0, task.prepared.target.n), np.float32), np.zeros(0), np.zeros(0, dtype=np.int64)
    numbers = np.arange(len(examples.x))
    if request.frames is not None:
        numbers = np.array(request.frames.numbers, dtype=np.int64)
        if request.weights is not None:
            numbers = numbers[np.array(request.weights)[numbers] > 0]
    if len(origin.frames):
        return origin.frames, origin.frame_weights / origin.frame_weights.sum(), numbers[origin.frame_numbers]
    weights = np.ones(len(numbers)) if examples.weights is None else examples.weights
    return examples.x.astype(np.float32), weights / weights.sum(), numbers


def weigh(
    u: np.ndarray, log_w: np.ndarray, frames_u: np.ndarray | None = None, frame_weights: np.ndarray | None = None
) -> Weighing:
    """How energies and log-weights of samples [S] are spread, beside energies of frames [T]."""
    from mdweights_core.flow.estimates.energies import energy_histograms
    from mdweights_core.flow.estimates.log_weights import log_mean
    from mdweights_core.flow.estimates.reference import reference_frames

    reference: Reference | None = None
    if frames_u is not None:
        reference = reference_frames(np.zeros(len(frames_u)), frame_weights)
    about = np.maximum(log_w - log_mean(log_w), _LIGHTEST)
    low, high = float(about.min()), float(about.max())
    edges = np.linspace(min(low, high - 0.1), max(high, low + 0.1), _LOG_WEIGHT_BINS + 1)
    return Weighing(edges, np.histogram(about, edges)[0], energy_histograms(u, log_w, frames_u, reference))


def _with_histograms(seen: Progress) -> Progress:
    if "log_weights" not in seen.arrays or not np.isfinite(seen.arrays["log_weights"]).any():
        return seen
    found = weigh(seen.arrays["u"], seen.arrays["log_weights"])
    energies = {name: getattr(found.energies, name) for name in ("edges", "raw", "weighted", "reference")}
    return replace(seen, arrays={**energies, "weight_edges": found.edges, "weight_counts": found.counts})


def _columns(sampled: Sampled, frames: np.ndarray) -> dict[str, Column]:
    """Coordinates that everybody asks for: the toy's own and its first variables; phi and psi."""
    from mdweights_core.workflow.along import atoms_in, backbone_torsions

    origin = sampled.origin
    if origin.toy:
        count = min(sampled.samples.x.shape[1], _VARIABLES)
        texts = ["", *(f"variable {i}" for i in range(count))]
    else:
        atoms = atoms_in(origin.structure)
        found = {kind: backbone_torsions(atoms, kind) for kind in ("phi", "psi")}
        residues = sorted({*found["phi"], *found["psi"]})
        texts = [f"{kind} {residue}" for residue in residues for kind in found if residue in found[kind]]
    columns = (_column(text, sampled, frames) for text in texts)
    return {column.along.label: column for column in columns}


def _column(text: str, sampled: Sampled, frames: np.ndarray) -> Column:
    from mdweights_core.workflow.along import along

    x = sampled.samples.x
    measured = along(text, sampled.origin, x.shape[1])
    return Column(measured, measured.values(x), measured.values(frames))


def _boundary(name: str) -> float:
    if not name:
        return float("nan")
    from mdweights_core.energy.toys.registry import toy

    return toy(name).boundary


# ---- what is asked of finished samples


def measure(reading: SampleReading, text: str) -> Job[SampleReading]:
    """The same with another coordinate, such as 'distance 3 7'.

    Raises
    ------
    BadInput
        When there is none of that name.
    """
    yield Progress(WORK, message=f"Measuring {text}")
    column = _column(text, reading.sampled, reading.frames)
    return replace(reading, columns={**reading.columns, column.along.label: column})


def along(reading: SampleReading, name: str) -> Job[ProfileReading]:
    """The free energy along a coordinate, with the numbers of `mdweights free-energy --along`."""
    yield Progress(WORK, message=f"Free energy along {name}")
    from mdweights_core.flow.estimates.profile import profile
    from mdweights_core.flow.estimates.sentences import profile_sentence

    column = reading.columns[name]
    period, unit = column.along.period, column.along.unit
    found = profile(reading.sampled.samples.log_weights, column.samples, BINS, period=period)
    return ProfileReading(name, column, found, profile_sentence(found, unit))


def differ(
    reading: SampleReading, name: str, states: tuple[tuple[float, float], tuple[float, float]]
) -> Job[StatesReading]:
    """The free-energy difference of two states, from low to high each; infinite limits are none."""
    yield Progress(WORK, message="Free-energy difference")
    from mdweights_core.workflow.along import Between
    from mdweights_core.workflow.judged import free_energy_of

    column = reading.columns[name]
    first, second = (Between(column.along, low, high) for low, high in states)
    masks = first.has(column.samples), second.has(column.samples)
    has_frames = reading.sampled.reference is not None
    frame_masks = (first.has(column.frames), second.has(column.frames)) if has_frames else None
    found = free_energy_of(reading.sampled, (first.name, second.name), masks, frame_masks)
    return StatesReading(name, states, found)


def map_of(reading: SampleReading, names: tuple[str, str]) -> Job[MapReading2D]:
    """Two coordinates at once."""
    yield Progress(WORK, message=f"{names[0]} and {names[1]}")
    from mdweights_core.flow.estimates.log_weights import normalised
    from mdweights_core.flow.estimates.marginals import distance, marginal
    from mdweights_core.flow.estimates.profile import wrapped

    columns = tuple(reading.columns[name] for name in names)
    weights = normalised(reading.sampled.samples.log_weights)
    edges = tuple(_edges(column, weights) for column in columns)
    inside = [
        {part: wrapped(getattr(column, part), edge[0], column.along.period) for part in ("samples", "frames")}
        for column, edge in zip(columns, edges, strict=True)
    ]

    def of(part: str, shares: np.ndarray) -> Any:
        return marginal(inside[0][part], inside[1][part], (edges[0], edges[1]), shares)

    weighted = of("samples", weights)
    frames = of("frames", reading.frame_weights) if len(reading.frames) else None
    apart = None
    if frames is not None:
        apart = distance(frames.share, weighted.share, frames.n_effective, weighted.n_effective)
    titles = (columns[0].along.title, columns[1].along.title)
    return MapReading2D(names, titles, frames, of("samples", np.full(len(weights), 1 / len(weights))), weighted, apart)


def _edges(column: Column, weights: np.ndarray) -> np.ndarray:
    if column.along.period:
        half = column.along.period / 2
        return np.linspace(-half, half, MAP_BINS + 1)
    seen = np.concatenate([column.samples[weights > 0], column.frames])
    low, high = float(seen.min()), float(seen.max())
    return np.linspace(low, high if high > low else low + 1.0, MAP_BINS + 1)


def path(reading: SampleReading, ends: tuple[str, str], x: np.ndarray, count: int) -> Job[PathReading]:
    """Configurations between two, x [2, N], on a straight line of the flow's latents, with their energies."""
    yield Progress(WORK, message=f"Path from {ends[0]} to {ends[1]}")
    from mdweights_core.flow.estimates.path import path_energies
    from mdweights_core.flow.interpolate import latent_path

    found = latent_path(reading.trained, x[0], x[1], count)
    places = found.x if reading.start is None else laid_on(found.x, reading.start)
    return PathReading(ends, places, path_energies(places, found.u))


def laid_on(x: np.ndarray, structure: np.ndarray) -> np.ndarray:
    """Conformations x [P, N] of a molecule, each laid on the one before it and the first on a structure, [P, n, 3]."""
    from mdweights_core.workflow.ensemble_files import superposed

    placed = []
    for one in x.reshape(len(x), -1, 3):
        structure = superposed(one[None], structure)[0].astype(np.float64)
        placed.append(structure)
    return np.array(placed)


# ---- files


def write(reading: SampleReading, target: Path, count: int) -> Job[tuple[Path, ...]]:
    """Write samples as NPZ, or as frames (.pdb, .xtc) with their weights beside them.

    Parameters
    ----------
    count : int
        Frames to choose by weight, with equal weights but for repeats; 0 for all draws with their own weights.

    Returns
    -------
    tuple of Path
        Frames, their topology where it is a file of its own, weights; or the NPZ alone.
    """
    from mdweights_core.workflow import ensemble_files as files
    from mdweights_core.workflow.sampled import save_sampled

    yield Progress("exporting", message=f"Writing {target.name}")
    samples = reading.sampled.samples
    if not samples.n_samples:
        raise BadInput("There are no samples to write", advice="Let the training come to its end")
    if target.suffix.lower() == ".npz":
        save_sampled(reading.sampled, target)
        return (target,)
    if count:
        chosen = files.merged(files.resampled_draws(samples.log_weights, count, samples.seed))
    else:
        chosen = files.weighted_draws(samples.log_weights)
    weights = target.with_name(f"{target.stem}_weights.csv")
    return tuple(files.write_ensemble(reading.sampled, chosen, target, weights))


def written(reading: SampleReading, made: tuple[Path, ...]) -> str:
    """What was written, as a sentence without its full stop."""
    if len(made) == 1:
        return f"Wrote {counted(reading.sampled.samples.n_samples, 'sample')} to {made[0].name}"
    return f"Wrote frames to {made[0].name} and their weights to {made[-1].name}"
