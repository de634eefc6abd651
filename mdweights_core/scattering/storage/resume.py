"""When the structure factors of a run are those that are there already, and when it only adds to them.

A key tells all that they depend on. Where two keys differ in the trajectory files alone, the longer trajectory may
begin with the shorter one: files are told by their fingerprints, the frames of a file that changed by their digests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, fields
from itertools import pairwise
from typing import Any

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import counted
from mdweights_core.io.files import file_fingerprint
from mdweights_core.io.frames.trajectories import FrameSource
from mdweights_core.jobs import Clock, Progress
from mdweights_core.scattering.frames.placement import Placement
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.storage.filling import METHOD, SNAPSHOT_SECONDS, lattice_hash
from mdweights_core.scattering.storage.layout import DIGEST_BYTES
from mdweights_core.scattering.storage.store import StructureFactorStore


def run_key(
    source: FrameSource, lattice: MillerLattice, settings: PredictSettings, symmetry: gemmi.SpaceGroup | None
) -> dict[str, Any]:
    """Everything the structure factors of `source` depend on, as it comes back from JSON.

    Raises
    ------
    BadInput
        When the box of the frames is not the supercell it was said to be.
    """
    key = {
        "kind": "frames",
        "method": METHOD,
        "files": [path.name for path in source.paths],
        "parts": [list(part) for part in source.parts],
        "marks": list(source.marks),
        "atoms": _atoms_hash(source),
        "topology": None if source.topology_path is None else file_fingerprint(source.topology_path),
        "lattice": lattice_hash(lattice),
        "symmetry": None if symmetry is None else symmetry.xhm(),
        "settings": _effective(settings, source, lattice),
    }
    return json.loads(json.dumps(key))


def _effective(settings: PredictSettings, source: FrameSource, lattice: MillerLattice) -> dict[str, Any]:
    """Those settings that change anything; the supercell is the one that counts, stated or found."""
    values = asdict(settings)
    if settings.boxes == "own":  # the mean box, which may be judged otherwise, is only known after reading all frames
        repeats = Placement(source.cell, lattice, settings).repeats
        values["supercell"] = None if repeats is None else repeats.tolist()
    if settings.solvent == "none":
        del values["k_sol"], values["b_sol"]
    else:
        values["k_sol"] = settings.solvent_density()
    return values


def _atoms_hash(source: FrameSource) -> str:
    columns = [getattr(source.atoms, field.name) for field in fields(source.atoms)]
    marks = [b"" if column is None else f"{column.dtype}".encode() + column.tobytes() for column in columns]
    return hashlib.sha256(b"\n".join(marks)).hexdigest()


def may_begin_with(key: Mapping[str, Any], older: Mapping[str, Any]) -> bool:
    """True when a run of `key` may only add frames behind those of `older`, as far as the files can tell."""
    of_files = ("files", "parts")
    if any(key.get(name) != older.get(name) for name in {*key, *older} - {*of_files}):
        return False
    parts, there = key["parts"], older.get("parts", [])
    if not there or len(parts) < len(there):
        return False
    counts, counts_there = ([count for _, count in some] for some in (parts[: len(there)], there))
    return counts[:-1] == counts_there[:-1] and counts[-1] >= counts_there[-1]


def other_frames(
    source: FrameSource, key: Mapping[str, Any], store: StructureFactorStore
) -> Generator[Progress, None, np.ndarray | None]:
    """Which finished frames of the store are others in `source`, int [n]; None when all have to be computed anew.

    Frames of files that changed are read for that, every one. Drift counts from the first frame: were that another,
    all would be.
    """
    if store.digests is None or not store.n_frames:
        return None
    doubtful, others = _doubtful(key, store), list[int]()
    is_known = store.digests.any(axis=1) & (store.finished | (np.arange(store.n_frames) == 0))
    if 0 in doubtful and not is_known[0]:
        return None
    frames, clock = doubtful[is_known[doubtful]], Clock(SNAPSHOT_SECONDS)
    for done, (frame, digest) in enumerate(_digests(source, frames)):
        if digest != store.digests[frame].tobytes():
            if frame == 0:
                return None
            others.append(frame)
        if clock.is_due():
            yield Progress("checking", done, len(frames), "Comparing the frames that are there with the files")
    return np.array(others, dtype=np.int64)


def _digests(source: FrameSource, frames: np.ndarray) -> Iterator[tuple[int, bytes]]:
    """Digests of some frames, ascending, read one run of neighbours after the other."""
    edges = [0, *(np.flatnonzero(np.diff(frames) != 1) + 1).tolist(), len(frames)]
    for first, last in pairwise(edges):
        if first == last:
            continue
        for chunk in source.chunks(start=int(frames[first]), stop=int(frames[last - 1]) + 1):
            for i, positions in enumerate(chunk.positions):
                yield chunk.start + i, digest_of(positions, None if chunk.cells is None else chunk.cells[i])


def _doubtful(key: Mapping[str, Any], store: StructureFactorStore) -> np.ndarray:
    """Frames of the store whose files are not as they were, int [n]."""
    there = store.key["parts"]
    changed = [new[0] != old[0] for new, old in zip(key["parts"], there, strict=False)]
    return np.flatnonzero(np.repeat(changed, [count for _, count in there]))


def digest_of(positions: np.ndarray, box: np.ndarray | None) -> bytes:
    """What tells a frame from others: 16 bytes of its positions [n_atoms, 3] as they were read, and its box."""
    digest = hashlib.blake2b(positions.tobytes(), digest_size=DIGEST_BYTES)
    if box is not None:
        digest.update(box.tobytes())
    return digest.digest()


def duplicates(store: StructureFactorStore) -> list[tuple[int, int]]:
    """Frames that are identical with an earlier one, as (earlier, later) pairs of numbers from 0."""
    if store.digests is None:
        return []
    first: dict[bytes, int] = {}
    pairs = []
    for frame, digest in enumerate(store.digests):
        mark = digest.tobytes()
        if digest.any() and first.setdefault(mark, frame) != frame:
            pairs.append((first[mark], frame))
    return pairs


def duplicates_warning(store: StructureFactorStore) -> list[str]:
    """The sentence on frames that are identical, when there are any."""
    pairs = duplicates(store)
    if not pairs:
        return []
    one, other = pairs[0]
    more = f" (and {counted(len(pairs) - 1, 'more pair')})" if len(pairs) > 1 else ""
    return [
        f"Frames {one + 1} and {other + 1} are identical{more}: restarts often write a frame twice; "
        "only the sum of their weights means anything"
    ]
