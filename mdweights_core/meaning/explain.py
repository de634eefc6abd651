"""What weights mean: all parts in a row."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from mdweights_core.decorrelation import decorrelation_time
from mdweights_core.errors import BadInput, counted
from mdweights_core.io.frames.trajectories import FrameSource
from mdweights_core.jobs import Job, Progress
from mdweights_core.meaning.blocks import block_labels
from mdweights_core.meaning.clusters import cluster_frames
from mdweights_core.meaning.energies import energies_of_frames, read_energies
from mdweights_core.meaning.features import (
    ANGLE,
    FRAME,
    KEPT_ANGLES,
    Column,
    Weighing,
    judged,
    judged_angles,
    runs,
    table_columns,
)
from mdweights_core.meaning.pseudo_energy import pseudo_energy
from mdweights_core.meaning.result import Clusters, Feature, Meaning, SetComparison
from mdweights_core.meaning.sentences import cluster_sentence, energy_sentence, feature_sentences, set_sentences
from mdweights_core.meaning.sets import MOST_ROWS, Sets, compare_sets, gained_and_lost, given_sets
from mdweights_core.meaning.settings import MeaningSettings
from mdweights_core.meaning.solute import Solute
from mdweights_core.meaning.superposition import Components, principal_components
from mdweights_core.meaning.trace import STAGE, Trace, read_trace, rows_of
from mdweights_core.scattering.storage.store import FrameTable

_FEWEST = 3  # frames that have a shape in common


@dataclass(frozen=True, eq=False)
class _Shapes:
    """What the trajectory told."""

    solute: Solute
    trace: Trace
    components: Components


def explain(
    source: FrameSource | None,
    frames: FrameTable,
    weights: np.ndarray,
    weight_error: np.ndarray | None,
    prior: np.ndarray,
    settings: MeaningSettings,
    *,
    sampled_weights: np.ndarray | None = None,
    sets: tuple[np.ndarray, np.ndarray] | None = None,
) -> Job[Meaning]:
    """Find out what weights mean.

    Parameters
    ----------
    source : FrameSource or None
        The trajectory; without it only pseudo-energies, times, replicas, boxes and energies are looked at.
    frames : FrameTable
    weights, prior : float64 [n_frames]
        Each is brought to sum one.
    weight_error : float64 [n_frames] or None
        Standard errors, NaN where unknown.
    settings : MeaningSettings
    sampled_weights : float64 [n_samples, n_frames], optional
        Weights of bootstrap samples, NaN for frames not drawn.
    sets : pair of bool [n_frames], optional
        Good and bad frames; by default what gained and what lost weight.

    Raises
    ------
    BadInput
        Weights that are none, frames or energies that cannot be read, sets that are none, or a selection without atoms.
    """
    began = time.monotonic()
    total = _checked(weights, prior, len(frames))
    weights, prior = weights / total, prior / prior.sum()
    weighing = Weighing(weights, prior, runs(frames)[0])
    columns = [*table_columns(frames), *_energy_columns(settings, frames)]
    yield Progress(STAGE, message="reading frames")
    shapes, notes = yield from _shapes(source, frames, settings)
    features, n_tried = yield from _features(columns, shapes, weighing)
    clusters = None
    if shapes is not None:
        yield Progress(STAGE, message="clusters")
        samples = _samples(sampled_weights, len(frames))
        clusters = cluster_frames(shapes.components.values, weights, prior, settings.max_clusters, samples)
    chosen = gained_and_lost(weights, prior) if sets is None else given_sets(*sets, weights, prior)
    compared = yield from _compared(chosen, features, shapes)
    error = None if weight_error is None else np.asarray(weight_error, dtype=np.float64) / total
    energies = pseudo_energy(weights, prior, error, settings.temperature)
    sentences = [energy_sentence(energies), *feature_sentences(features, n_tried)]
    sentences += [cluster_sentence(clusters, weighing.ratio, weighing.run)] if clusters is not None else []
    sentences += set_sentences(compared) if compared is not None else []
    notes += _more_notes(weighing, shapes, clusters, chosen, n_tried)
    return Meaning(
        settings=settings,
        pseudo_energy=energies.energy,
        pseudo_energy_error=energies.error,
        pseudo_energy_bound=energies.bound,
        features=features,
        n_tried=n_tried,
        clusters=clusters,
        sets=compared,
        sentences=tuple(sentences),
        notes=tuple(notes),
        seconds=time.monotonic() - began,
    )


def _features(
    columns: list[Column], shapes: _Shapes | None, weighing: Weighing
) -> Job[tuple[tuple[Feature, ...], dict[str, int]]]:
    """All features, the clearest first, and how many were tried of each family."""
    angles: list[Feature] = []
    n_angles = 0
    if shapes is not None:
        columns = columns + _shape_columns(shapes)
        angles, n_angles = yield from judged_angles(shapes.solute.dihedrals, shapes.trace.states, weighing)
    of_frames = judged(columns, weighing)
    features = sorted([*of_frames, *angles], key=lambda one: (one.p_corrected, one.p))
    return tuple(features), {FRAME: len(of_frames), ANGLE: n_angles}


def _compared(sets: Sets | None, features: tuple[Feature, ...], shapes: _Shapes | None) -> Job[SetComparison | None]:
    if sets is None:
        return None
    solute, anchors = (None, None) if shapes is None else (shapes.solute, shapes.trace.anchors)
    return (yield from compare_sets(sets, features, solute, anchors))


def _checked(weights: np.ndarray, prior: np.ndarray, n_frames: int) -> float:
    """The sum of the weights, which must be weights."""
    for name, own in (("weights", weights), ("prior weights", prior)):
        if len(own) != n_frames:
            raise BadInput(f"There are {len(own)} {name} but {counted(n_frames, 'frame')}")
        if not np.isfinite(own).all() or (own < 0).any() or not own.sum() > 0:
            raise BadInput(f"The {name} are no weights: they must be zero or positive, and not all zero")
    return float(weights.sum())


def _samples(sampled: np.ndarray | None, n_frames: int) -> np.ndarray | None:
    if sampled is not None and sampled.shape[1:] != (n_frames,):
        raise BadInput(f"The sampled weights are of {sampled.shape[-1]} frames, but there are {n_frames}")
    return sampled


def _energy_columns(settings: MeaningSettings, frames: FrameTable) -> list[Column]:
    if settings.energies is None:
        return []
    table = read_energies(settings.energies)
    values = energies_of_frames(table, frames.time, settings.energies)
    return [Column(name, "", own) for name, own in zip(table.names, values, strict=True)]


def _shapes(
    source: FrameSource | None, frames: FrameTable, settings: MeaningSettings
) -> Job[tuple[_Shapes | None, list[str]]]:
    """What the trajectory tells, and what is to be said of it."""
    if source is None:
        return None, ["Without a trajectory only times, replicas, boxes and energies of frames are known."]
    rows = rows_of(source, frames)
    if rows is None:
        return None, [
            f"The trajectory has {counted(source.n_frames, 'frame')} and the weights are of {len(frames)}: positions "
            "were left aside, as frames cannot be matched."
        ]
    if len(rows) < _FEWEST:
        return None, [f"{counted(len(rows), 'frame')} are too few to compare shapes."]
    solute = Solute(source, settings.selection)
    trace = yield from read_trace(solute, rows)
    yield Progress(STAGE, message="principal components")
    components = principal_components(trace.anchors, settings.n_components)
    return _Shapes(solute, trace, components), list(solute.notes)


def _shape_columns(shapes: _Shapes) -> list[Column]:
    trace = shapes.trace
    columns = [
        Column("RMSD to first frame", "Å", trace.rmsd_first),
        Column("RMSD to mean", "Å", trace.rmsd_mean),
        Column("radius of gyration", "Å", trace.gyration),
    ]
    if shapes.solute.source.cell is not None:
        columns.append(Column("rotation of molecules", "degrees", trace.rotation))
    if len(shapes.solute.molecules) > 1:
        columns.append(Column("shift of molecules", "Å", trace.shift))
    return columns + [Column(f"PC {n}", "Å", own) for n, own in enumerate(shapes.components.values.T, 1)]


def _more_notes(
    weighing: Weighing, shapes: _Shapes | None, clusters: Clusters | None, sets: Sets | None, n_tried: dict[str, int]
) -> list[str]:
    notes = []
    if shapes is not None:
        parts = ", ".join(f"{100 * v / max(shapes.components.total, 1e-300):.0f} %" for v in shapes.components.variance)
        notes.append(f"The principal components hold {parts} of the variance of superposed positions.")
        notes.append("The frames are one cloud: no clusters were made." if clusters is None else clusters.rule)
        n_residues = sum(len(names) for names in shapes.solute.anchor_names())
        if n_residues > MOST_ROWS:
            step = -(-n_residues // MOST_ROWS)
            notes.append(f"Distances are of every {step}th of {n_residues} residues.")
    if n_tried[ANGLE] > KEPT_ANGLES:
        notes.append(
            f"Of {n_tried[ANGLE]} dihedral angles with more than one state the {KEPT_ANGLES} strongest were kept."
        )
    if sets is None:
        notes.append("The weights are the prior weights: there are no good and bad frames.")
        return notes
    if not sets.is_given:
        notes.append("Good frames count by the weight they gained, bad ones by what they lost, against the prior.")
    return notes + _block_notes(weighing)


def _block_notes(weighing: Weighing) -> list[str]:
    """Blocks of a jackknife must be longer than frames remember."""
    known = np.isfinite(weighing.ratio)
    steps = decorrelation_time(weighing.ratio[known][None], weighing.run[known])
    block = len(weighing.weights) / (1 + int(block_labels(len(weighing.weights)).max()))
    if steps <= block:
        return []
    return [
        f"Weights are alike over {steps:.0f} frames, more than the {block:.0f} of a block: errors of differences "
        "between good and bad frames are too small."
    ]
