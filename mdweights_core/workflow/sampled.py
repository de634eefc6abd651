"""Draws of a flow together with what they are of: the file that sampling leaves and free energies are read from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.energy.settings import GAS_CONSTANT
from mdweights_core.flow.estimates.reference import Reference, reference_frames
from mdweights_core.flow.result import FlowSamples
from mdweights_core.io.archives import read_archive, write_archive
from mdweights_core.io.packing import packed, unpacked

_PREFIX = "origin."


def _nothing() -> np.ndarray:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class Origin:
    """What samples are of, and frames of the same ensemble that came otherwise.

    Attributes
    ----------
    toy : str
        Name of a toy system; empty for molecules.
    structure : str
        Text of a PDB file with the atoms of a molecule, as placed in its crystal; empty for toy systems.
    temperature : float
        K; 0 for toy systems.
    energy : str
        Force field and solvent, in words.
    frames : float32 [T, N]
        Frames of the target's own ensemble: of a simulation with the same energy at the same temperature.
    frame_log_weights : float64 [T]
        ln w at these.
    frame_weights : float64 [T]
    frame_runs : int [T]
        The simulation of each frame.
    frame_numbers : int [T]
        Which of the frames that were given each is.
    frames_know_populations : bool
        Whether they are in proportion over all states, and not only within each.
    """

    toy: str = ""
    structure: str = ""
    temperature: float = 0.0
    energy: str = ""
    frames: np.ndarray = field(default_factory=_nothing)
    frame_log_weights: np.ndarray = field(default_factory=_nothing)
    frame_weights: np.ndarray = field(default_factory=_nothing)
    frame_runs: np.ndarray = field(default_factory=_nothing)
    frame_numbers: np.ndarray = field(default_factory=_nothing)
    frames_know_populations: bool = True

    @property
    def kt(self) -> float | None:
        """KJ/mol; None for toy systems, whose unit of energy is kT."""
        return GAS_CONSTANT * self.temperature if self.temperature else None


@dataclass(frozen=True, eq=False)
class Sampled:
    """Draws and what they are of.

    Attributes
    ----------
    samples : FlowSamples
    origin : Origin
    """

    samples: FlowSamples
    origin: Origin

    @property
    def reference(self) -> Reference | None:
        """Frames of the target's own ensemble, for estimates; None where there are none."""
        origin = self.origin
        if not len(origin.frame_log_weights):
            return None
        return reference_frames(origin.frame_log_weights, origin.frame_weights, origin.frame_runs)


def save_sampled(sampled: Sampled, path: Path) -> None:
    """Write all of it as NPZ, at once or not at all.

    Raises
    ------
    DiskProblem
        When it cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    record = packed(sampled.samples, "", arrays) | {"origin": packed(sampled.origin, _PREFIX, arrays)}
    write_archive(path, record, arrays)


def load_sampled(path: Path) -> Sampled:
    """Read what `save_sampled` wrote.

    Raises
    ------
    BadInput
        When it is not there, or something else.
    """

    def read(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> Sampled:
        origin = Origin(**unpacked(Origin, _PREFIX, arrays, record["origin"]))
        return Sampled(FlowSamples(**unpacked(FlowSamples, "", arrays, record)), origin)

    return read_archive(path, read, "These are not samples of a flow, or they are damaged", "Sample again")
