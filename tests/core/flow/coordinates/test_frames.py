"""What is refused of frames and said about them, and what constraints take out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from mdweights_core.energy.setup import Molecule
from mdweights_core.errors import BadInput
from mdweights_core.flow.coordinates.build import graph_of, internal_coordinates
from mdweights_core.flow.coordinates.checks import check_frames, remarks_on_number
from mdweights_core.flow.coordinates.constraints import thermal_widths
from mdweights_core.flow.coordinates.settings import CoordinateSettings

RNG = np.random.default_rng(2)
BUTANE = [(0, 1), (1, 2), (2, 3)]
X = np.array([[0.0, 0, 0], [0.15, 0, 0], [0.2, 0.14, 0], [0.35, 0.14, 0.05]])
FRAMES = X + RNG.normal(scale=0.004, size=(80, 4, 3))


@pytest.fixture
def chain(springs: Callable[..., Molecule]) -> Molecule:
    """Return four atoms in a chain."""
    return springs(BUTANE, X)


def with_nan() -> np.ndarray:
    frames = FRAMES.copy()
    frames[[3, 5], 1] = np.nan
    return frames


def cut() -> np.ndarray:
    frames = FRAMES.copy()
    frames[7, 2:] += [0, 2.0, 0]
    return frames


@pytest.mark.parametrize(
    ("frames", "weights", "sentence"),
    [
        (FRAMES[:, :3], None, "The frames hold 3 atoms, the molecule 4"),
        (with_nan(), None, r"2 of 80 frames hold positions that are not numbers \(frames 4, 6\)"),
        (FRAMES[:49], None, "49 frames are too few"),
        (10 * FRAMES, None, "nm, not in Å"),
        (cut(), None, "in pieces in 1 of 80 frames: bonds are up to 2"),
        (np.repeat(FRAMES[:1], 60, axis=0), None, "of one conformation"),
        (FRAMES, np.ones(3), "80 frames, but 3 weights"),
        (FRAMES, np.full(80, np.nan), "must be numbers"),
        (FRAMES, -np.ones(80), "not negative"),
    ],
)
def test_frames_that_cannot_be_used_are_told(chain: Molecule, frames: Any, weights: Any, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        check_frames(graph_of(chain), frames, weights)


def test_one_conformation_turned_about_is_still_one(chain: Molecule) -> None:
    turns = np.linalg.qr(RNG.normal(size=(60, 3, 3)))[0]
    with pytest.raises(BadInput, match="of one conformation"):
        check_frames(graph_of(chain), X @ turns)


def test_molecules_cut_by_a_box_are_made_whole(chain: Molecule) -> None:
    box = np.array([[2.0, 0, 0], [0.7, 2.0, 0], [0.3, -0.2, 2.0]])
    place = FRAMES @ np.linalg.inv(box) - RNG.normal(size=(80, 1, 3))
    frames, remarks = check_frames(graph_of(chain), (place % 1) @ box, boxes=np.broadcast_to(box, (80, 3, 3)))
    np.testing.assert_allclose(frames - frames[:, :1], FRAMES - FRAMES[:, :1], atol=1e-12)
    assert remarks[0].endswith("of 80 frames: it was made whole.")


def test_few_frames_are_told_and_weights_count() -> None:
    assert remarks_on_number(1000, 100) == []
    assert "80 frames are few for 9 variables" in remarks_on_number(80, 9)[0]
    few = np.concatenate([np.ones(20), np.zeros(980)])
    assert "by their weights 20" in remarks_on_number(1000, 9, few)[0]


def test_pieces_are_told(springs: Callable[..., Molecule]) -> None:
    with pytest.raises(BadInput, match="2 pieces"):
        internal_coordinates(springs(BUTANE[:1] + BUTANE[2:], X))


def test_widths_are_those_of_the_springs(chain: Molecule) -> None:
    found = thermal_widths(chain.energy, X, 300.0)
    assert set(found) == set(BUTANE)
    assert found[0, 1] == pytest.approx(np.sqrt(0.0083144626 * 300 / 2e5))


@pytest.mark.parametrize("rounded", [False, True])
def test_constrained_bonds_are_left_out(
    stiff_alanine: tuple[Molecule, np.ndarray], alanine: Molecule, rounded: bool
) -> None:
    molecule, frames = stiff_alanine
    if rounded:  # as in XTC files, and with a System that knows of no constraint
        frames, molecule = np.round(frames, 3), alanine
    coordinates, remarks = internal_coordinates(molecule, frames)
    assert coordinates.n == 60 - 12
    assert not any(name.startswith("bond H") for name in coordinates.names)
    assert any("12 variables of 60 do not vary" in remark for remark in remarks)
    x = np.asarray(jax.jit(jax.vmap(coordinates.place))(RNG.normal(size=(5, coordinates.n)))[0]).reshape(5, -1, 3)
    lengths = np.linalg.norm(x[:, 9] - x[:, 8], axis=1)  # HA on CA
    np.testing.assert_allclose(lengths, np.linalg.norm(frames[:, 9] - frames[:, 8], axis=1).mean(), atol=1e-10)


def test_constraints_are_kept_as_variables_when_asked(stiff_alanine: tuple[Molecule, np.ndarray]) -> None:
    molecule, frames = stiff_alanine
    coordinates, _ = internal_coordinates(molecule, frames, settings=CoordinateSettings(freeze=False))
    assert coordinates.n == 60


def test_a_rigid_molecule_keeps_only_what_varies(springs: Callable[..., Molecule]) -> None:
    molecule = springs([(0, 1), (1, 2)], X[:3], "HOH")
    molecule.system.addConstraint(0, 1, 0.15)
    molecule.system.addConstraint(1, 2, 0.15)
    coordinates, _ = internal_coordinates(molecule, FRAMES[:, :3])
    assert coordinates.names == ("angle H1-O2-H3",)


@pytest.mark.parametrize(("field", "value"), [("kind", "cartesian"), ("temperature", 0.0)])
def test_settings_that_cannot_be_are_told(field: str, value: Any) -> None:
    with pytest.raises(BadInput, match=r"no coordinates called|must be positive"):
        CoordinateSettings(**{field: value})
