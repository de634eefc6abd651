"""What is remarkable about frames that were looked at, each in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import counted
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.io.frames.selection import is_solvent, is_water, residue_index
from mdweights_core.io.frames.trajectories import FrameSource
from mdweights_core.scattering.engine.solvent import solvent_content
from mdweights_core.scattering.frames.placement import (
    NOTICEABLE,
    Placement,
    box_changes,
    is_commensurate,
    jumps,
    what_boxes_do,
)
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.storage.filling import duration_text, size_text

if TYPE_CHECKING:
    from mdweights_core.scattering.frames.checks import FrameCheck

Level = Literal["good", "note", "warning", "problem"]

_STEADY = 1e-5  # relative change of a box within the digits of files
_NOTICEABLE_DRIFT = 0.5  # angstrom
_LOOSE, _TIGHT, _TIGHTEST = 4.0, 1.5, 1.2  # angstrom cubed per dalton: crystals of proteins have 1.6 to 3.6
_MOST_COPIES = 24  # asymmetric units of nearly all crystals of proteins
_LONG = 4 * 3600.0  # seconds
_SHORT_OF_SPACE = 0.9


@dataclass(frozen=True)
class Remark:
    """A sentence on the frames.

    Attributes
    ----------
    level : str
        ``"good"``: as it should be; ``"note"``: to know; ``"warning"``: may be wrong; ``"problem"``: will not work.
    topic : str
        A word or two: box, drift, atoms...
    text : str
        One sentence without the final stop.
    """

    level: Level
    topic: str
    text: str


class Seen(NamedTuple):
    """All that remarks are made on.

    `source` has all atoms, `atoms` are those that scatter; `crystal` is what the cell is said to be of.
    """

    check: FrameCheck
    source: FrameSource
    atoms: Atoms
    lattice: MillerLattice
    settings: PredictSettings
    placement: Placement
    crystal: str


def all_remarks(seen: Seen) -> Iterator[Remark]:
    """Remarks on all topics, in the order in which they are read."""
    for topic, about in _TOPICS:
        for level, text in about(seen):
            yield Remark(level, topic, text)


Remarks = Iterator[tuple[Level, str]]


def _frames(seen: Seen) -> Remarks:
    looked, total = len(seen.check.frames), seen.check.n_frames
    which = f"All {total} frames" if looked == total else f"{looked} of {total} frames, evenly spread,"
    yield "good", f"{which} were looked at" if total > 1 else "The only frame was looked at"
    for warning in seen.source.warnings:
        yield "warning" if warning.endswith(" lost") else "note", warning
    pairs = seen.check.duplicates
    if pairs:
        one, other = pairs[0]
        more = f" (and {counted(len(pairs) - 1, 'more pair')})" if len(pairs) > 1 else ""
        among = "" if looked == total else " of those looked at"
        # begins as what is said of the store, so that nobody is told twice
        yield (
            "warning",
            f"Frames {one + 1} and {other + 1}{among} are identical{more}: weights of equal frames cannot be told "
            "apart",
        )


def _box(seen: Seen) -> Remarks:
    placement = seen.placement
    told = [
        text for text in placement.warnings if placement.molecules is None or text not in placement.molecules.warnings
    ]
    for text in told:
        yield ("note" if placement.repeats is not None else "warning"), text
    if placement.repeats is not None and not told:
        yield "good", f"The box of the frames is the cell of {seen.crystal}"
    if placement.box is None:
        yield "note", f"The frames have no box: their positions are taken in the cell of {seen.crystal} as they are"
    if np.isfinite(seen.check.boxes).all(axis=1).sum() > 1:
        yield from _breathing(seen)


def _breathing(seen: Seen) -> Remarks:
    changes = box_changes(seen.check.boxes)
    if changes.max() <= _STEADY:
        yield "good", "All frames have the same box (constant volume)"
        return
    a, b, c = (f"{100 * change:.2f}" for change in changes[:3])
    what = (
        f"The box changes over the frames (constant pressure), about its mean by up to {a}, {b} and {c} % along a, b "
        f"and c, angles by {np.degrees(changes[3]):.2f}°"
    )
    if changes.max() > NOTICEABLE and seen.placement.repeats is not None:
        yield "warning", f"{what}: {what_boxes_do(seen.settings.boxes)}"
    else:
        yield "note", what


def _drift(seen: Seen) -> Remarks:
    drift, is_kept = seen.check.drift, not seen.settings.remove_drift
    largest = float(np.linalg.norm(drift, axis=1).max(initial=0.0))
    if largest < _NOTICEABLE_DRIFT:
        yield "good", f"The frames drift by no more than {largest:.2f} Å as a whole"
    elif jumps(drift) and not is_kept:
        yield (
            "warning",
            f"The frames jump by up to {largest:.1f} Å as a whole, back and forth, which will be taken "
            "out: if they are independent models this is no drift but disorder, to be kept",
        )
    elif is_kept and not jumps(drift):
        yield (
            "warning",
            f"The frames drift by up to {largest:.1f} Å as a whole, which makes Bragg intensity look "
            "diffuse unless it is taken out",
        )
    else:
        what = "jump, which is kept as disorder" if is_kept else "drift, which is taken out"
        yield "note", f"The frames {what}: up to {largest:.1f} Å as a whole"


def _atoms(seen: Seen) -> Remarks:
    every, chosen = seen.source.atoms, seen.atoms
    if len(chosen) < len(every):
        waters, ions, others = (one - other for one, other in zip(_census(every), _census(chosen), strict=True))
        parts = [(waters, "water"), (ions, "ion"), (others, "other atom")]
        left = ", ".join(counted(count, what) for count, what in parts if count)
        yield "note", f"{len(chosen)} of {len(every)} atoms scatter; left out are {left}"
    else:
        yield "good", f"All {len(every)} atoms scatter"
    if not np.isin(chosen.element, ("H", "D")).any():
        if seen.settings.radiation == "neutron":
            yield "warning", "The frames have no hydrogens, which scatter neutrons as strongly as other atoms"
        else:
            yield "note", "The frames have no hydrogens, which hold about one electron in eight of a protein"
    yield from _unused_columns(chosen, seen.settings)


def _census(atoms: Atoms) -> tuple[int, int, int]:
    """Waters, ions, and atoms of neither."""
    water, solvent = is_water(atoms), is_solvent(atoms)
    residue = residue_index(atoms)
    return len(np.unique(residue[water])), int((solvent & ~water).sum()), int((~solvent).sum())


def _unused_columns(atoms: Atoms, settings: PredictSettings) -> Remarks:
    if atoms.b_iso is not None and atoms.b_iso.any() and not settings.b_from_topology:
        yield (
            "note",
            f"The topology has B factors (mean {atoms.b_iso.mean():.0f} Å²) that are "
            "not used: the frames carry the motion",
        )
    if atoms.occupancy is not None and (atoms.occupancy != 1).any() and not settings.occupancy_from_topology:
        count = int((atoms.occupancy != 1).sum())
        yield "note", f"The topology gives {counted(count, 'atom')} another occupancy than 1, which is not used"


def _content(seen: Seen) -> Remarks:
    placement, settings = seen.placement, seen.settings
    volume = float(seen.lattice.cell.volume * np.prod(placement.cells))
    n_copies = len(seen.lattice.space_group.operations())
    made = n_copies if settings.expand_symmetry else 1
    content = solvent_content(seen.atoms, volume, made)
    is_full, is_masked = content.kind == "explicit", settings.solvent == "mask"
    as_wanted: Level = "good" if is_masked else "note"
    yield ("warning" if is_masked else "good") if is_full else as_wanted, content.sentence
    if is_masked and not is_full and placement.repeats is None:
        yield "note", "The bulk solvent fills one cell of the crystal around the atoms of each frame"
    yield from _symmetry(seen, volume, n_copies, is_full)


def _symmetry(seen: Seen, volume: float, n_copies: int, is_full: bool) -> Remarks:
    """Whether frames are one asymmetric unit, by the volume a dalton has to itself (Matthews, 1968)."""
    name, mass = seen.lattice.space_group.xhm(), _solute_mass(seen.atoms)
    if n_copies == 1:
        if seen.settings.expand_symmetry:
            yield "warning", f"The space group {name} has no symmetry to expand"
        elif _may_be_part_of_a_cell(seen) and not is_full and mass and _LOOSE < volume / mass <= _MOST_COPIES * _LOOSE:
            yield (
                "note",
                f"The frames leave {volume / mass:.1f} Å³/Da, much for a crystal: if they are one asymmetric unit, "
                "give the space group and expand the symmetry",
            )
        return
    if not mass:
        return
    alone, together = volume / mass, volume / mass / n_copies
    unit = "Å³/Da"
    if seen.settings.expand_symmetry and together < _TIGHTEST:
        yield (
            "problem",
            f"The frames fill the cell already ({alone:.1f} {unit}): with the {n_copies} operations of {name} "
            f"molecules would lie on one another ({together:.1f} {unit}); leave the expansion out",
        )
    elif not seen.settings.expand_symmetry and not is_full and alone > _LOOSE and _TIGHT <= together <= _LOOSE:
        yield (
            "warning",
            f"The frames look like one asymmetric unit: they leave {alone:.1f} {unit}, but {together:.1f} {unit} with "
            f"the {n_copies} operations of {name}; expand the symmetry if so",
        )


def _may_be_part_of_a_cell(seen: Seen) -> bool:
    """True for all atoms of frames whose box is one cell of the crystal."""
    repeats = seen.placement.repeats
    return len(seen.atoms) == len(seen.source.atoms) and repeats is not None and bool((repeats == 1).all())


def _solute_mass(atoms: Atoms) -> float:
    """Daltons of all but waters and ions, hydrogens guessed where there are none."""
    elements, counts = np.unique(atoms.element[~is_solvent(atoms)], return_counts=True)
    mass = sum(gemmi.Element(str(e)).weight * n for e, n in zip(elements, counts, strict=True))
    return float(mass if np.isin(elements, ("H", "D")).any() else 1.07 * mass)


def _molecules(seen: Seen) -> Remarks:
    placement, choice = seen.placement, seen.settings.molecules
    if placement.molecules is not None:
        n_molecules = placement.molecules.n_molecules
        are = "is" if n_molecules == 1 else "are"
        yield "note", f"{counted(n_molecules, 'molecule')} {are} made whole in every frame, as {_reason(seen)}"
        for text in placement.molecules.warnings:
            yield "warning", text
    elif placement.box is None:
        return
    elif choice == "as-is" and not _is_closed(seen):
        yield "warning", f"Molecules that the box cuts are left as they are, though {_reason(seen)}"
    else:
        yield "good", "Molecules may be cut by the box: at its own reflections that changes nothing"


def _is_closed(seen: Seen) -> bool:
    repeats = seen.placement.repeats
    return repeats is not None and seen.settings.boxes == "own" and is_commensurate(seen.lattice.ndiv, repeats)


def _reason(seen: Seen) -> str:
    if seen.placement.repeats is None:
        return "the box is not that of the crystal"
    if not is_commensurate(seen.lattice.ndiv, seen.placement.repeats):
        return "some reflections lie between those of the box"
    return "boxes of frames differ from the mean box" if seen.settings.boxes == "mean" else "you asked for it"


def _disk(seen: Seen) -> Remarks:
    need, free = seen.check.bytes_needed, seen.check.bytes_free
    what = f"{size_text(need)} for {seen.check.n_frames} frames x {seen.check.n_hkl} reflections"
    if free is None:
        yield "note", f"{what} will be written"
    elif need > free:
        yield "problem", f"{what} are needed, but only {size_text(free)} are free"
    elif need > _SHORT_OF_SPACE * free:
        yield "warning", f"{what} are needed, and {size_text(free)} are free: this nearly fills the disk"
    else:
        yield "good", f"{what} are needed, and {size_text(free)} are free"


def _time(seen: Seen) -> Remarks:
    total = seen.check.seconds_needed
    yield (
        "note" if total > _LONG else "good",
        f"A frame takes {duration_text(seen.check.seconds_per_frame)} on this machine's CPUs, all frames "
        f"about {duration_text(total)}",
    )


_TOPICS: tuple[tuple[str, Callable[[Seen], Remarks]], ...] = (
    ("frames", _frames),
    ("box", _box),
    ("drift", _drift),
    ("atoms", _atoms),
    ("content", _content),
    ("molecules", _molecules),
    ("disk", _disk),
    ("time", _time),
)
