"""Frames to learn from: of projects and trajectories with weights, of chains, and what their energies tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.amide import frames, write_structure, write_trajectory

from mdweights_core import jobs
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.energy.setup import Molecule, set_up
from mdweights_core.energy.toys.registry import toy
from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.plain import Standardised
from mdweights_core.flow.systems import Prepared
from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.workflow.examples import (
    frames_of_source,
    remarks_on_energies,
    source_and_weights,
    toy_examples,
)

VACUUM = EnergySettings(solvent="none")


@pytest.fixture(scope="module")
def molecule(tmp_path_factory) -> Molecule:
    return set_up(write_structure(tmp_path_factory.mktemp("amide")), VACUUM)


def test_frames_without_weight_are_left_out_and_files_are_runs(tmp_path, molecule):
    structure, x = write_structure(tmp_path), frames(60)
    paths = [write_trajectory(part, structure, tmp_path / f"{i}.xtc") for i, part in enumerate((x[:25], x[25:]))]
    weights = np.arange(60.0)
    found = frames_of_source(molecule, open_frames(paths, structure), [0, 30, 5, 59], weights)
    np.testing.assert_allclose(found.x.reshape(3, 12, 3), x[[30, 5, 59]], atol=1e-3)
    np.testing.assert_allclose(found.weights, np.array([30, 5, 59]) / 94)
    np.testing.assert_array_equal(found.runs, [1, 0, 1])
    assert found.notes == ("1 frame of weight 0 are left out of 4.",)
    with pytest.raises(BadInput, match="No frame that was chosen has a weight"):
        frames_of_source(molecule, open_frames(paths, structure), [0], weights)


def test_weights_of_a_file_go_with_the_frames(tmp_path):
    structure = write_structure(tmp_path)
    path = write_trajectory(frames(60)[:3], structure, tmp_path / "f.xtc")
    (tmp_path / "w.csv").write_text("weight\n1\n2\n5\n")
    source, weights = source_and_weights([path], structure, None, tmp_path / "w.csv")
    assert source.n_frames == 3
    np.testing.assert_allclose(weights, np.array([1, 2, 5]) / 8)
    (tmp_path / "w.csv").write_text("weight\n1\n2\n")
    with pytest.raises(BadInput, match="2 weights for 3 frames"):
        source_and_weights([path], structure, None, tmp_path / "w.csv")


def test_chains_of_a_toy_are_of_its_wells_and_their_energies_are_counted():
    found = jobs.run(toy_examples(toy("double-well"), 640, seed=2))
    assert len(found.x) == len(found.runs) == 640
    assert found.energies > 640
    assert not found.know_populations
    x = found.x[found.x[:, 0] > 0]
    assert len(x) == pytest.approx(320, abs=64)
    grid = np.linspace(0.083528, 4, 4001)
    density = np.exp(-(grid**4) + 6 * grid**2 - grid)
    mean, spread = np.average(grid, weights=density), 0.2
    assert x[:, 0].mean() == pytest.approx(mean, abs=4 * spread / np.sqrt(100))
    assert x[:, 1].std() == pytest.approx(1.0, abs=0.2)
    changes = found.runs[1:] != found.runs[:-1]
    assert changes.sum() == 63  # frames of a run lie together


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Root:
    """u = sqrt(1 - x) + y^2 / 2: no number beyond x = 1."""

    n = 2

    def reduced(self, x: Any) -> Any:
        return jnp.sqrt(1 - x[0]) + x[1] ** 2 / 2


def _prepared(x: np.ndarray) -> Prepared:
    return Prepared(Root(), Standardised.from_frames(x), x)


def test_energies_that_are_no_numbers_or_far_off_are_told():
    x = 0.3 * np.random.default_rng(0).normal(size=(200, 2))
    assert remarks_on_energies(_prepared(x)) == ()
    high = x.copy()
    high[[5, 9], 1] = 30.0
    (told,) = remarks_on_energies(_prepared(high))
    assert told.startswith("2 examples of 200 looked at have energies far above the others (up to 450 kT")
    x[7, 0] = 2.0
    with pytest.raises(BadInput, match="The energy of example 7, and of 1 of 200 looked at, is not a number"):
        remarks_on_energies(_prepared(x))
