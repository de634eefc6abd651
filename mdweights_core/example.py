"""The built-in example: a simulated peptide crystal with a diffuse map of known (hidden) frame weights."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

from mdweights_core.errors import DiskProblem
from mdweights_core.project import FitInputs

STATE_NAMES = ("helix, Phe gauche-", "helix, Phe trans", "frayed C terminus")
_MAP, _TOPOLOGY, _FRAMES = "observed.mtz", "peptide_crystal.pdb", "peptide_crystal.xtc"
_WEIGHTS = "hidden_weights.csv"


def example_folder() -> Path:
    """The folder the example's files lie in.

    Raises
    ------
    DiskProblem
        When a file of the example is missing from the installation.
    """
    folder = Path(str(files("resources") / "example"))
    for name in (_MAP, _TOPOLOGY, _FRAMES, _WEIGHTS):
        if not (folder / name).is_file():
            advice = "Install mdweights again, or make it with: python -m resources.make_example --out " + str(folder)
            raise DiskProblem("A file of the built-in example is missing", where=folder / name, advice=advice)
    return folder


def example_inputs() -> FitInputs:
    """What a fit of the example is made from: the map, the frames and their topology."""
    folder = example_folder()
    return FitInputs(map=folder / _MAP, frames=(folder / _FRAMES,), topology=folder / _TOPOLOGY)


def hidden_weights() -> tuple[np.ndarray, np.ndarray]:
    """The weights the map was made with, and the state of each frame.

    Returns
    -------
    weights : float64 [n_frames]
        Sum 1.
    state : int64 [n_frames]
        Index into `STATE_NAMES`.
    """
    table = np.loadtxt(example_folder() / _WEIGHTS, delimiter=",", skiprows=1)
    return table[:, 2] / table[:, 2].sum(), table[:, 1].astype(np.int64)
