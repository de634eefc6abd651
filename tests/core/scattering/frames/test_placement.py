from __future__ import annotations

import pickle
from pathlib import Path

import gemmi
import mdtraj
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.crystal.lattice import MillerLattice, transformed
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.atoms import Atoms, make_atoms
from mdweights_core.io.frames.text_frames import cell_from_vectors
from mdweights_core.io.frames.trajectories import FrameSource, open_frames
from mdweights_core.scattering.frames.molecules import Molecules
from mdweights_core.scattering.frames.placement import (
    DriftTracker,
    Placement,
    box_changes,
    is_commensurate,
    mean_box,
    place_frames,
)
from mdweights_core.scattering.predict import predict
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import PredictSettings

CELL = gemmi.UnitCell(24, 26, 28, 85, 95, 105)
HEXAGONAL = gemmi.UnitCell(30, 30, 45, 90, 90, 120)
MONOCLINIC = gemmi.UnitCell(20, 30, 25, 90, 130, 90)
DEFAULT = PredictSettings()
RNG = np.random.default_rng(11)
ANYWHERE = RNG.uniform(-60, 90, (50, 3))


def lattice(cell: gemmi.UnitCell = CELL, ndiv=(1, 1, 1)) -> MillerLattice:
    return MillerLattice(np.array([[1, 2, 3]]), cell, gemmi.SpaceGroup("P 1"), ndiv)


def block(cell: gemmi.UnitCell, *repeats: float, scale: float = 1.0) -> gemmi.UnitCell:
    a, b, c, *angles = cell.parameters
    return gemmi.UnitCell(*(scale * n * x for n, x in zip(repeats, (a, b, c), strict=True)), *angles)


def with_vectors(cell: gemmi.UnitCell, *rows: tuple[int, int, int]) -> gemmi.UnitCell:
    """The box whose vectors are these steps along the cell's axes."""
    return gemmi.UnitCell(*cell_from_vectors(np.array(rows) @ np.array(cell.orth.mat.tolist()).T))


def in_cell(cell: gemmi.UnitCell, positions: np.ndarray = ANYWHERE) -> np.ndarray:
    return positions @ np.array(cell.frac.mat.tolist()).T


def orthogonal(cell: gemmi.UnitCell) -> np.ndarray:
    return np.array(cell.orth.mat.tolist())


def of(box: gemmi.UnitCell) -> np.ndarray:
    return np.array(box.parameters)


# --- the box beside the cell -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeats", [(1, 1, 1), (2, 2, 2), (1, 3, 4), (7, 7, 7)])
@pytest.mark.parametrize("stated", [False, True])
def test_supercells_are_found_or_confirmed(repeats, stated):
    settings = PredictSettings(supercell=repeats if stated else None)
    box = block(CELL, *repeats)
    placement = Placement(box, lattice(), settings)
    assert placement.repeats.tolist() == list(repeats)
    np.testing.assert_allclose(placement.fractional(ANYWHERE, of(box)), in_cell(CELL), atol=1e-9)
    assert len(placement.warnings) == (repeats != (1, 1, 1))


def test_a_wrong_supercell_is_refused_with_both_cells():
    with pytest.raises(BadInput, match=r"\(48.00 26.00 28.00.*is not 2 x 2 x 1 cells.*\(24.00 26.00 28.00"):
        Placement(block(CELL, 2, 1, 1), lattice(), PredictSettings(supercell=(2, 2, 1)))


@pytest.mark.parametrize(("supercell", "repeats"), [(None, None), ((2, 2, 2), [2, 2, 2])])
def test_a_box_one_percent_off_is_used_when_it_was_stated(supercell, repeats):
    box = block(CELL, 2, 2, 2, scale=1.01)
    placement = Placement(box, lattice(), PredictSettings(supercell=supercell))
    assert (placement.repeats if repeats is None else placement.repeats.tolist()) == repeats
    assert "1.0" in placement.warnings[-1]
    expected = in_cell(CELL) / (1 if repeats is None else 1.01)
    np.testing.assert_allclose(placement.fractional(ANYWHERE, of(box)), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("cell", "rows", "repeats"),
    [
        (CELL, [(1, 0, 0), (0, 1, 0), (1, 0, 1)], [1, 1, 1]),
        (HEXAGONAL, [(1, 0, 0), (1, 1, 0), (0, 0, 1)], [1, 1, 1]),  # 60 for 120 degrees
        (MONOCLINIC, [(2, 0, 0), (0, 2, 0), (2, 0, 2)], [2, 2, 2]),  # the short vectors GROMACS takes
        (HEXAGONAL, [(2, 0, 0), (2, 2, 0), (0, 0, 1)], [2, 2, 1]),
    ],
)
def test_other_vectors_of_the_same_lattice(cell, rows, repeats):
    box = with_vectors(cell, *rows)
    placement = Placement(box, lattice(cell), DEFAULT)
    assert placement.repeats.tolist() == repeats
    assert "other vectors of the crystal's lattice: " in placement.warnings[-1]
    np.testing.assert_allclose(placement.fractional(ANYWHERE, of(box)), in_cell(cell), atol=1e-9)
    # a frame that was compressed brings the same fractional coordinates
    smaller = block(box, 1, 1, 1, scale=0.998)
    np.testing.assert_allclose(placement.fractional(0.998 * ANYWHERE, of(smaller)), in_cell(cell), atol=1e-9)


def test_other_vectors_are_named():
    placement = Placement(with_vectors(CELL, (2, 0, 0), (0, 1, 0), (-2, 0, 1)), lattice(), DEFAULT)
    assert placement.warnings[-1].endswith(": 2a, b, -2a + c")


def test_a_block_that_is_no_supercell_is_left_aside():
    """Its vectors are the crystal's, but its images are not those of cells side by side."""
    box = with_vectors(CELL, (2, 0, 0), (0, 1, 0), (1, 0, 2))
    placement = Placement(box, lattice(), DEFAULT)
    assert placement.repeats is None
    assert "left aside" in placement.warnings[0]


@pytest.mark.parametrize(
    ("parameters", "box"),
    [
        ((30, 41, 52, 90, 90, 90), (41, 52, 30, 90, 90, 90)),
        ((30, 41, 52, 90, 90, 90), (82, 52, 30, 90, 90, 90)),
        ((50, 50, 50, 109.4712, 109.4712, 109.4712), (50, 50, 50, 70.5288, 109.4712, 70.5288)),
    ],
)
def test_a_lattice_that_lies_otherwise_is_told_from_a_strange_box(parameters, box):
    placement = Placement(gemmi.UnitCell(*box), lattice(gemmi.UnitCell(*parameters)), DEFAULT)
    if placement.repeats is None:
        assert "other axes, which lie otherwise" in placement.warnings[0]
    else:  # short vectors of a truncated octahedron, which lie as the long ones do
        assert "other vectors" in placement.warnings[0]
    strange = Placement(gemmi.UnitCell(*box[:2], 1.1 * box[2], *box[3:]), lattice(gemmi.UnitCell(*parameters)), DEFAULT)
    assert strange.repeats is None
    assert "not the crystal's cell" in strange.warnings[0]


@pytest.mark.parametrize("stated", [None, (3, 1, 1)])
def test_frames_without_a_box(stated):
    placement = Placement(None, lattice(), PredictSettings(supercell=stated, molecules="whole"))
    np.testing.assert_allclose(placement.fractional(ANYWHERE, None), in_cell(CELL), atol=1e-12)
    (warning,) = placement.warnings
    assert ("3 x 1 x 1" in warning) is (stated is not None)
    assert placement.closing_warnings(np.full((3, 6), np.nan)) == []


# --- boxes of frames -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "box", [None, np.full(6, np.nan), np.array([0.0, 0, 0, 90, 90, 90]), np.array([24.0, 26, 28, 60, 60, 179])]
)
@pytest.mark.parametrize("boxes", ["own", "mean"])
def test_a_frame_without_a_real_box(box, boxes):
    placement = Placement(CELL, lattice(), PredictSettings(boxes=boxes))
    with pytest.raises(BadInput, match=r"Frame 8 has no (real )?box.*unlike the first"):
        placement.fractional(ANYWHERE, box, 7)


def test_a_box_left_aside_is_never_asked_for():
    placement = Placement(block(CELL, 1.4, 1, 1), lattice(), PredictSettings(molecules="as-is"))
    np.testing.assert_allclose(placement.fractional(ANYWHERE, None), in_cell(CELL), atol=1e-12)


def test_own_boxes_take_the_breathing_out_and_the_mean_box_keeps_it():
    sizes = np.array([0.998, 1.0, 1.002])
    boxes = np.array([of(block(CELL, 2, 2, 2, scale=size)) for size in sizes])
    mean = gemmi.UnitCell(*mean_box(boxes))
    own = Placement(gemmi.UnitCell(*boxes[0]), lattice(), DEFAULT)
    kept = Placement(gemmi.UnitCell(*boxes[0]), lattice(), PredictSettings(boxes="mean"), mean_box=mean)
    for frame, (size, box) in enumerate(zip(sizes, boxes, strict=True)):
        positions = size * ANYWHERE  # atoms breathe with their box
        np.testing.assert_allclose(own.fractional(positions, box, frame), in_cell(CELL), atol=1e-9)
        np.testing.assert_allclose(kept.fractional(positions, box, frame), size * in_cell(CELL), atol=1e-9)
    assert "0.40 %" in own.closing_warnings(boxes)[0]  # against the first
    assert "own box" in own.closing_warnings(boxes)[0]
    assert "0.20 %" in kept.closing_warnings(boxes)[0]  # about the mean
    assert "in the mean box" in kept.closing_warnings(boxes)[0]


def test_a_box_that_hardly_changes_is_not_mentioned():
    placement = Placement(CELL, lattice(), DEFAULT)
    boxes = np.array([of(block(CELL, 1, 1, 1, scale=scale)) for scale in (1, 1.0009, 1.0011)])
    assert placement.closing_warnings(boxes[:2]) == []
    assert len(placement.closing_warnings(boxes)) == 1


def test_mean_and_changes_of_boxes():
    boxes = np.array([[10, 20, 30, 90, 90, 90], np.full(6, np.nan), [10.2, 20, 30, 90, 91, 90]])
    np.testing.assert_allclose(mean_box(boxes), [10.1, 20, 30, 90, 90.5, 90])
    np.testing.assert_allclose(box_changes(boxes), [0.1 / 10.1, 0, 0, np.radians(0.5)])
    with pytest.raises(BadInput, match="no boxes"):
        mean_box(boxes[1:2])
    assert box_changes(boxes[1:2]).tolist() == [0, 0, 0, 0]


# --- molecules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ndiv", "repeats", "answer"),
    [
        ((1, 1, 1), (1, 1, 1), True),
        ((1, 1, 1), (2, 3, 4), True),
        ((2, 2, 2), (2, 2, 2), True),
        ((2, 2, 2), (4, 2, 6), True),
        ((2, 2, 2), (2, 2, 3), False),
        ((4, 4, 4), (2, 2, 2), False),
        ((2, 1, 1), (1, 1, 1), False),
    ],
)
def test_reflections_of_the_box(ndiv, repeats, answer):
    """Against the definition: the phase a box vector gives to every reflection h / ndiv."""
    assert is_commensurate(ndiv, repeats) is answer
    hkl = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3), axis=-1).reshape(-1, 3) / ndiv
    turns = hkl @ np.diag(repeats)
    assert bool(np.allclose(turns, np.round(turns))) is answer


@pytest.mark.parametrize(
    ("box", "ndiv", "choices", "answer"),
    [
        (block(CELL, 2, 2, 2), (2, 2, 2), {}, False),
        (block(CELL, 2, 2, 2), (2, 2, 2), {"molecules": "whole"}, True),
        (block(CELL, 2, 2, 2), (2, 2, 2), {"boxes": "mean"}, True),  # own box vectors are not those of the mean box
        (block(CELL, 2, 2, 2), (4, 4, 4), {}, True),
        (block(CELL, 2, 2, 2), (4, 4, 4), {"molecules": "as-is"}, False),
        (block(CELL, 1.4, 1, 1), (1, 1, 1), {}, True),
        (None, (3, 3, 3), {"molecules": "whole"}, False),
        (None, (3, 3, 3), {"supercell": (2, 2, 2)}, True),
    ],
)
def test_when_molecules_are_made_whole(box, ndiv, choices, answer):
    assert Placement(box, lattice(ndiv=ndiv), PredictSettings(**choices)).needs_whole_molecules is answer


def bars() -> tuple[Atoms, np.ndarray]:
    """Straight molecules of eight carbons with an alpha carbon each, all over a box of 2 x 2 x 2 cells."""
    starts = np.random.default_rng(4).permutation(np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3))[:20]
    starts = starts / 4 @ np.array(block(CELL, 2, 2, 2).orth.mat.tolist()).T
    positions = (starts[:, None] + 1.5 * np.arange(8)[:, None] * np.array([0.6, 0.6, 0.529])).reshape(-1, 3)
    names = ["CA", *["CB"] * 7] * 20
    return make_atoms(["C"] * 160, names, ["ALA"] * 160, np.repeat(3 * np.arange(20), 8), ["A"] * 160), positions


def test_drifting_and_cut_molecules_between_the_reflections_of_the_box():
    """Frames alike but for a drift through more than a box and for the images of atoms give the same F."""
    atoms, still = bars()
    box = block(CELL, 2, 2, 2)
    target = lattice(ndiv=(4, 4, 4))
    molecules = Molecules(atoms, still, box)
    assert molecules.n_molecules == 20
    placement = Placement(box, target, DEFAULT, molecules=molecules)
    reference = placement.fractional(still, of(box))
    tracker = DriftTracker(atoms, reference, is_whole=True)
    hkl = np.random.default_rng(5).integers(-12, 13, (100, 3)) / 4
    expected = np.exp(2j * np.pi * (hkl @ reference.T)).sum(axis=1)
    for step in np.linspace(0, 1.7, 8):
        drifted = still + step * np.array([31.0, -17.0, 23.0])
        inside = in_cell(box, drifted) + RNG.integers(-1, 2, still.shape)
        place = placement.fractional(inside @ np.array(box.orth.mat.tolist()).T, of(box))
        found = np.exp(2j * np.pi * (hkl @ (place - tracker(place)).T)).sum(axis=1)
        assert np.linalg.norm(found - expected) < 1e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("step", [0.4, 0.6, 0.95])
def test_drift_of_a_supercell_is_found_beyond_half_a_cell(step):
    """What is put back by the edges of the box lies whole boxes away, not whole cells."""
    atoms, _ = bars()
    box = block(CELL, 2, 3, 1)
    placement = Placement(box, lattice(ndiv=(2, 3, 1)), DEFAULT)
    assert placement.cells == (2, 3, 1)
    start = np.random.default_rng(8).random((len(atoms), 3)) * placement.cells
    tracker = placement.drift_tracker(atoms, start)
    np.testing.assert_allclose(tracker(start), 0, atol=1e-12)
    moved = np.array([step, 2 * step, -0.3])
    inside = (start + moved) % placement.cells
    np.testing.assert_allclose(tracker(inside), moved - np.round(moved / placement.cells) * placement.cells, atol=1e-9)
    hkl = np.array([[1, 0, 0], [1, 1, 0], [3, 2, 1]]) / placement.cells
    expected = np.exp(2j * np.pi * (hkl @ start.T)).sum(axis=1)
    found = np.exp(2j * np.pi * (hkl @ (inside - tracker(inside)).T)).sum(axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_whole_molecules_of_a_box_left_aside():
    atoms, still = bars()
    box = gemmi.UnitCell(70, 75, 80, 90, 90, 90)
    placement = Placement(box, lattice(), DEFAULT, molecules=Molecules(atoms, still, box))
    cut = np.mod(in_cell(box, still + 3.0), 1) @ np.array(box.orth.mat.tolist()).T
    assert np.abs(cut - still - 3).max() > 60
    np.testing.assert_allclose(placement.fractional(cut, of(box)), in_cell(CELL, still + 3), atol=1e-6)


def write_bars(folder: Path, cells: np.ndarray, positions: np.ndarray | None = None) -> FrameSource:
    atoms, still = bars()
    if positions is None:
        positions = np.repeat(still[None], len(cells), axis=0)
    folder.mkdir(exist_ok=True)
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for residue in range(20):
        part = topology.add_residue("ALA", chain, resSeq=3 * residue)
        for name in atoms.name[:8]:
            topology.add_atom(str(name), mdtraj.element.carbon, part)
    frames = mdtraj.Trajectory(positions / 10, topology)
    frames.unitcell_lengths, frames.unitcell_angles = cells[:, :3] / 10, cells[:, 3:]
    frames[0].save_pdb(str(folder / "run.pdb"))
    frames.save_dcd(str(folder / "run.dcd"))
    return open_frames([folder / "run.dcd"], folder / "run.pdb")


def test_frames_are_placed_with_what_they_need(tmp_path):
    cells = np.array([of(block(CELL, 2, 2, 2, scale=size)) for size in (0.998, 1.0, 1.004)])
    source = write_bars(tmp_path, cells)
    assert place_frames(source, lattice(ndiv=(2, 2, 2)), DEFAULT).molecules is None
    whole = place_frames(source, lattice(ndiv=(4, 4, 4)), DEFAULT)
    assert whole.molecules is not None
    assert whole.molecules.n_molecules == 20
    mean = place_frames(source, lattice(), PredictSettings(boxes="mean"))
    assert mean.box.a == pytest.approx(cells[:, 0].mean(), abs=1e-4)
    assert mean.molecules is not None


@pytest.mark.parametrize(("ndiv", "matters"), [((4, 2, 3), True), ((2, 2, 2), False)])
def test_structure_factors_of_cut_and_of_whole_molecules(tmp_path, ndiv, matters):
    """Frames that drift and breathe, as the simulation had them, and with every atom put back into the box."""
    sizes = np.linspace(0.999, 1.001, 5)
    cells = np.array([of(block(CELL, 2, 2, 2, scale=size)) for size in sizes])
    drift = np.outer(np.arange(5), [3.0, -2.0, 5.0])
    still = bars()[1] + 1.0  # with the first atom of each molecule inside the box, where it is left
    moving = still + drift[:, None] + np.random.default_rng(8).normal(scale=0.1, size=(5, *still.shape))
    cut = [np.mod(in_cell(gemmi.UnitCell(*box), x), 1) for x, box in zip(moving, cells, strict=True)]
    cut = np.array([transformed(x, orthogonal(gemmi.UnitCell(*box))) for x, box in zip(cut, cells, strict=True)])
    target = half_lattice(CELL, gemmi.SpaceGroup("P 1"), 6.0, None, ndiv)

    def computed(name: str, positions: np.ndarray, **choices: str) -> np.ndarray:
        source = write_bars(tmp_path / name, cells, positions)
        return jobs.run(predict(source, target, PredictSettings(**choices), tmp_path / f"{name}.zarr")).read()

    def difference(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.linalg.norm(one - other) / np.linalg.norm(other))

    truth = computed("truth", moving, molecules="as-is")
    assert difference(computed("whole", cut, molecules="auto"), truth) < 2e-4
    assert (difference(computed("cut", cut, molecules="as-is"), truth) > 0.1) is matters


def test_a_placement_travels_to_other_processes():
    atoms, still = bars()
    box = block(CELL, 2, 2, 2)
    placement = Placement(box, lattice(ndiv=(4, 4, 4)), DEFAULT, molecules=Molecules(atoms, still, box))
    there = pickle.loads(pickle.dumps(placement))
    np.testing.assert_array_equal(there.fractional(still, of(box)), placement.fractional(still, of(box)))


# --- real data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "cell", "saying", "repeats"),
    [
        (
            ("peptide_crystal/mdXtal.nc", "peptide_crystal/x6dky.parm7"),
            (19.142, 23.632, 23.851, 90, 90, 90),
            "2 x 1 x 1",
            [2, 1, 1],
        ),
        (("snase/snase_p41_cell.xtc", "snase/snase_p41_cell.pdb"), (48.5, 48.5, 63.4, 90, 90, 90), "", [1, 1, 1]),
        (
            ("trajectories/adk_oplsaa.xtc", "trajectories/adk_oplsaa.gro"),
            (80, 80, 80, 60, 120, 90),
            "other vectors",
            [1, 1, 1],
        ),
        (
            ("lysozyme/lyso.xtc", "lysozyme/lyso_topology.pdb"),
            (27.424, 32.134, 34.513, 88.66, 108.46, 111.88),
            "left aside",
            None,
        ),
    ],
)
def test_real_boxes(shared_data, files, cell, saying, repeats):
    source = open_frames([shared_data / files[0]], shared_data / files[1])
    placement = Placement(source.cell, lattice(gemmi.UnitCell(*cell)), DEFAULT)
    assert saying in " ".join(placement.warnings)
    assert (None if placement.repeats is None else placement.repeats.tolist()) == repeats
