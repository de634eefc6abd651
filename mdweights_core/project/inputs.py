"""What a fit is made from: its files, and how to read them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mdweights_core.crystal.lattice import DiffuseMap
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.frame_files import frame_kind
from mdweights_core.io.frames.frame_numbers import parse_numbers, show_numbers

OPTIONAL_FILES = ("topology", "prior", "bragg")


@dataclass(frozen=True, kw_only=True)
class InputChoices:
    """What can be said of a map and of frames besides their names; None means "as the file says", or none.

    Attributes
    ----------
    topology : Path, optional
        Topology of the trajectory.
    column, sigma_column, free_column : str, optional
        Columns of the map; guessed when not given.
    cell : 6 floats, optional
        Cell of the map (angstrom, degrees) when its file tells none, and of the frames when it is not the map's.
    space_group : str, optional
        In place of the map's.
    reindex : str, optional
        Operator applied to the map's indices, such as ``k,h,-l``.
    d_min, d_max : float, optional
        Resolution limits, angstrom.
    prior : Path, optional
        File with the weights of a biased simulation.
    bragg : Path, optional
        File with Bragg amplitudes that are fitted beside the map.
    map_supercell : (int, int, int), optional
        Unit cells along each axis of the map's cell, where its indices are those of a supercell.
    only : tuple of int, optional
        Frames that are fitted, counted from 0, rising; all others keep their numbers and have no weight.
    """

    topology: Path | None = None
    column: str | None = None
    sigma_column: str | None = None
    free_column: str | None = None
    cell: tuple[float, float, float, float, float, float] | None = None
    space_group: str | None = None
    reindex: str | None = None
    d_min: float | None = None
    d_max: float | None = None
    prior: Path | None = None
    bragg: Path | None = None
    map_supercell: tuple[int, int, int] | None = None
    only: tuple[int, ...] | None = None


@dataclass(frozen=True)
class FitInputs(InputChoices):
    """What a fit is made from: files and, by `InputChoices`, how to read them.

    Attributes
    ----------
    map : Path
        File with the observed diffuse map, of any format `io.maps` knows.
    frames : tuple of Path
        One structure-factor store, per-frame MTZ files or a folder of them, a checkpoint of xtraj, or trajectory files.
    """

    map: Path
    frames: tuple[Path, ...]

    def __post_init__(self) -> None:
        for name, value in (("d_min", self.d_min), ("d_max", self.d_max)):
            if value is not None and not 0 < value < float("inf"):
                raise BadInput(f"{name} is {value:g} A, but must be a positive length")
        if self.d_min is not None and self.d_max is not None and self.d_min >= self.d_max:
            raise BadInput(f"d_min ({self.d_min:g} A) must be smaller than d_max ({self.d_max:g} A)")
        if self.map_supercell is not None and min(self.map_supercell) < 1:
            raise BadInput(f"the supercell of the map is {self.map_supercell}, but needs whole numbers of at least 1")
        if self.only is not None and len(self.only) < 2:
            raise BadInput("a fit needs two frames at least", advice="Choose more frames, or all of them")

    def to_json(self) -> dict[str, Any]:
        """Plain values, paths as absolute text."""
        plain = asdict(self)
        plain["map"] = os.path.abspath(self.map)
        plain["frames"] = [os.path.abspath(p) for p in self.frames]
        for name in OPTIONAL_FILES:
            file = getattr(self, name)
            plain[name] = None if file is None else os.path.abspath(file)
        plain["only"] = None if self.only is None else show_numbers(self.only)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> FitInputs:
        """The inverse of `to_json`."""
        known = {f.name: plain[f.name] for f in fields(cls) if f.name in plain}
        known["map"] = Path(known["map"])
        known["frames"] = tuple(Path(p) for p in known["frames"])
        for name in OPTIONAL_FILES:
            known[name] = Path(known[name]) if known.get(name) else None
        for name in ("cell", "map_supercell"):
            known[name] = tuple(known[name]) if known.get(name) else None
        known["only"] = parse_numbers(known["only"]) if known.get("only") else None
        return cls(**known)


def observed_map(inputs: FitInputs) -> DiffuseMap:
    """Read the map of `inputs` and cut it to the resolution limits.

    Raises
    ------
    BadInput
        When it cannot be read, or nothing lies between the limits.
    """
    from mdweights_core.io.maps.observed import read_map

    whole = read_map(
        inputs.map,
        column=inputs.column,
        sigma_column=inputs.sigma_column,
        free_column=inputs.free_column,
        space_group=inputs.space_group,
        reindex=inputs.reindex,
        cell=inputs.cell,
        supercell=inputs.map_supercell,
    )
    inside = whole.within(inputs.d_min, inputs.d_max)
    if not len(inside):
        d = whole.lattice.d_spacing
        raise BadInput(
            f"no reflection lies between the resolution limits; the map reaches from {d.max():.2f} to {d.min():.2f} A",
            where=inputs.map,
            advice="Change d_min or d_max",
        )
    return inside


def trajectory_of(inputs: FitInputs) -> tuple[tuple[Path, ...], Path | None]:
    """Trajectory files and topology behind the inputs; a store remembers what it was made from. Empty when none."""
    kind = frame_kind(inputs.frames)
    if kind == "trajectory":
        return inputs.frames, inputs.topology
    if kind == "store":
        from mdweights_core.scattering.storage.store import StructureFactorStore

        origin = StructureFactorStore.open(inputs.frames[0]).origin
        paths = tuple(Path(p) for p in origin.get("trajectory", ()))
        topology = origin.get("topology")
        return paths, inputs.topology or (Path(topology) if topology else None)
    return (), None
