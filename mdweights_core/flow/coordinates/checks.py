"""Whether frames can be learned from: those of this molecule, whole, enough of them, and not all alike."""

from __future__ import annotations

import numpy as np

from mdweights_core.energy.structure_checks import LONG
from mdweights_core.errors import BadInput, counted
from mdweights_core.flow.coordinates.zmatrix import Graph

FEWEST = 50
PER_VARIABLE = 10
ANGSTROM = 0.5  # nm: a median bond of that length is one in angstrom
STILL = 1e-5  # nm: the spread of distances of frames that are all alike
NAMED = 5


def check_frames(
    graph: Graph, frames: np.ndarray, weights: np.ndarray | None = None, boxes: np.ndarray | None = None
) -> tuple[np.ndarray, list[str]]:
    """Frames with whole molecules, and remarks.

    Parameters
    ----------
    graph : Graph
        Atoms and bonds of one molecule.
    frames : float [T, n_atoms, 3]
        In nm.
    weights : float [T], optional
    boxes : float [T, 3, 3], optional
        Box vectors as rows, nm: molecules that these cut are made whole.

    Raises
    ------
    BadInput
        If frames are of another number of atoms, hold what is no number, are cut without boxes, all alike or fewer
        than `FEWEST`; or weights do not fit them.
    """
    frames = np.asarray(frames)
    if frames.ndim != 3 or frames.shape[1:] != (graph.n_atoms, 3):
        n = frames.shape[1] if frames.ndim == 3 else frames.shape[-1] // 3
        raise BadInput(
            f"The frames hold {counted(n, 'atom')}, the molecule {graph.n_atoms}",
            advice="Give the structure that the frames were computed for, and frames without solvent",
        )
    _refuse_no_numbers(frames)
    _refuse_weights(weights, len(frames))
    if len(frames) < FEWEST:
        raise BadInput(
            f"{counted(len(frames), 'frame')} are too few to learn from: at least {FEWEST} are needed",
            advice=f"Give some {PER_VARIABLE} frames for each variable of the molecule, or train by energy alone",
        )
    frames, remarks = _whole(graph, frames, boxes)
    _refuse_one_conformation(frames)
    return frames, remarks


def remarks_on_number(n_frames: int, n: int, weights: np.ndarray | None = None) -> list[str]:
    """A sentence where the frames are few for n variables; with weights, where few of them count."""
    count = float(n_frames)
    if weights is not None:
        count = float(np.sum(weights) ** 2 / np.sum(np.asarray(weights, dtype=np.float64) ** 2))
    if count >= PER_VARIABLE * n:
        return []
    by = "" if weights is None else f" (by their weights {count:.0f})"
    return [
        f"{counted(n_frames, 'frame')}{by} are few for {counted(n, 'variable')}: a flow may learn them by heart. "
        f"Give {PER_VARIABLE * n} or more."
    ]


def _refuse_no_numbers(frames: np.ndarray) -> None:
    broken = np.flatnonzero(~np.isfinite(frames).all(axis=(1, 2)))
    if len(broken):
        which = ", ".join(str(i + 1) for i in broken[:NAMED]) + ("..." if len(broken) > NAMED else "")
        raise BadInput(
            f"{len(broken)} of {counted(len(frames), 'frame')} hold positions that are not numbers (frames {which})",
            advice="Leave these frames out",
        )


def _refuse_weights(weights: np.ndarray | None, n_frames: int) -> None:
    if weights is None:
        return
    if np.shape(weights) != (n_frames,):
        raise BadInput(f"There are {counted(n_frames, 'frame')}, but {counted(np.size(weights), 'weight')}")
    if not (np.isfinite(weights).all() and np.min(weights) >= 0 and np.sum(weights) > 0):
        raise BadInput("Weights of frames must be numbers that are not negative and not all zero")


def _whole(graph: Graph, frames: np.ndarray, boxes: np.ndarray | None) -> tuple[np.ndarray, list[str]]:
    """Return frames in which every atom is on the image nearest to the one before it along the bonds."""
    tree = _bonds_of_tree(graph)
    lengths = np.linalg.norm(frames[:, tree[:, 0]] - frames[:, tree[:, 1]], axis=-1)
    if np.median(lengths) > ANGSTROM:
        raise BadInput(
            f"The bonds of the frames are {np.median(lengths):.2g} nm long", advice="Give the positions in nm, not in Å"
        )
    cut = (lengths > LONG).any(axis=1)
    if not cut.any():
        return frames, []
    if boxes is not None:
        frames = _mended(frames, tree, np.asarray(boxes, dtype=np.float64))
        lengths = np.linalg.norm(frames[:, tree[:, 0]] - frames[:, tree[:, 1]], axis=-1)
    still = int((lengths > LONG).any(axis=1).sum())
    if still:
        raise BadInput(
            f"The molecule is in pieces in {still} of {counted(len(frames), 'frame')}: "
            f"bonds are up to {10 * lengths.max():.1f} Å long",
            advice="Make the molecule whole (gmx trjconv -pbc whole, cpptraj autoimage), or give frames with their box",
        )
    return frames, [f"The box cut the molecule in {cut.sum()} of {counted(len(frames), 'frame')}: it was made whole."]


def _bonds_of_tree(graph: Graph) -> np.ndarray:
    """Bonds [n_atoms - 1, 2] that join each atom to one before it, the first ones first."""
    near = graph.distances(0)
    return np.array(
        [(atom, next(a for a in graph.neighbours[atom] if near[a] == near[atom] - 1)) for atom in near if near[atom]]
    )


def _mended(frames: np.ndarray, tree: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    place = np.einsum("tni,tij->tnj", frames.astype(np.float64), np.linalg.inv(boxes))
    for atom, before in tree:
        place[:, atom] -= np.rint(place[:, atom] - place[:, before])
    return np.einsum("tni,tij->tnj", place, boxes)


def _refuse_one_conformation(frames: np.ndarray) -> None:
    """Refuse frames in which no distance to the first atom, or to the last, changes."""
    ends = frames[:, [0, -1]]
    spread = np.linalg.norm(frames[:, :, None] - ends[:, None], axis=-1).std(axis=0).max()
    if spread < STILL:
        raise BadInput(f"All {counted(len(frames), 'frame')} are of one conformation", advice="Give frames that differ")
