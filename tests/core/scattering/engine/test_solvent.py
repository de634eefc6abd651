"""The flat solvent against gemmi's own mask, direct sums, another program's structure factors and real amplitudes."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.solvent_cells import CELL, P1, chain, solvent_of

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.io.maps.mtz_write import MtzColumn, write_mtz
from mdweights_core.jobs import run
from mdweights_core.scattering.engine import model as model_module
from mdweights_core.scattering.engine.model import FrameModel
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.solvent import expanded, mask_warning, solvent_content
from mdweights_core.scattering.engine.structure_factors import ScatteringEngine, fractional
from mdweights_core.scattering.frames.checks import check_frames
from mdweights_core.scattering.predict import predict
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.solvent_fit import fit_solvent_of_frames

SPACING = 0.7


def gemmi_mask(positions, elements, cell, spacing, group="P 1", shape=None) -> np.ndarray:
    """The mask of gemmi's own small-molecule-like route: a structure with a space group, on its own grid."""
    structure, residue = gemmi.Structure(), gemmi.Residue()
    structure.cell, structure.spacegroup_hm = cell, group
    for place, symbol in zip(positions, elements, strict=True):
        atom = gemmi.Atom()
        atom.element, atom.pos = gemmi.Element(str(symbol)), cell.orthogonalize(gemmi.Fractional(*place))
        residue.add_atom(atom)
    strand, model = gemmi.Chain("A"), gemmi.Model(1)
    strand.add_residue(residue)
    model.add_chain(strand)
    grid = gemmi.FloatGrid(*shape) if shape else gemmi.FloatGrid()
    grid.setup_from(structure, spacing) if not shape else grid.set_unit_cell(cell)
    grid.spacegroup = gemmi.SpaceGroup(group)
    gemmi.SolventMasker(gemmi.AtomicRadiiSet.Cctbx).put_mask_on_float_grid(grid, model)
    return np.array(grid.array)


def mask_sum(mask: np.ndarray, cell: gemmi.UnitCell, index: np.ndarray, origin=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Integral of the mask times exp(2 pi i h.x), summed axis by axis over its points."""
    x, y, z = (
        np.exp(2j * np.pi * np.outer((np.arange(n) + o) / n, h))
        for n, o, h in zip(mask.shape, origin, index.T, strict=True)
    )
    lines = np.einsum("xyh,yh->xh", mask @ z, y)
    return np.einsum("xh,xh->h", lines, x) * cell.volume / mask.size


def error(one, other) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def test_the_solvent_is_the_fourier_sum_of_gemmis_masks_on_four_grids() -> None:
    positions, scatterers = chain()
    lattice = MillerLattice(np.random.default_rng(0).integers(-6, 7, (50, 3)), CELL, P1)
    solvent = solvent_of(scatterers, lattice, spacing=SPACING)
    offsets = np.array([(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)])
    sums = []
    for offset in offsets:
        moved = positions - offset / np.array(solvent.shape)
        mask = gemmi_mask(moved, scatterers.element, CELL, SPACING, shape=solvent.shape)
        assert 0.3 < mask.mean() < 0.95
        sums.append(mask_sum(mask, CELL, lattice.index, offset))
    assert error(solvent(positions), np.mean(sums, axis=0)) < 2e-5


def test_density_and_b_factor_scale_the_mask() -> None:
    positions, scatterers = chain()
    lattice = half_lattice(CELL, P1, 4.0)
    bare = solvent_of(scatterers, lattice)(positions)
    dressed = solvent_of(scatterers, lattice, k_sol=0.35, b_sol=46.0)(positions)
    np.testing.assert_allclose(dressed, bare * 0.35 * np.exp(-46 * lattice.inverse_d**2 / 4), rtol=1e-5)


def test_at_the_origin_all_the_solvent_scatters_in_phase() -> None:
    positions, scatterers = chain()
    solvent = solvent_of(scatterers, MillerLattice([[0, 0, 0]], CELL, P1), k_sol=0.4, b_sol=50.0, spacing=SPACING)
    mask = gemmi_mask(positions, scatterers.element, CELL, SPACING / 2)  # finer than any of the four
    electrons = 0.4 * CELL.volume * mask.mean()
    assert 0 < electrons < 0.4 * CELL.volume
    assert solvent(positions)[0] == pytest.approx(electrons, rel=0.02)


def test_no_atoms_leave_a_full_cell_of_solvent() -> None:
    solvent = solvent_of(Scatterers.alike([]), MillerLattice([[0, 0, 0], [1, 0, 0]], CELL, P1))
    np.testing.assert_allclose(solvent(np.zeros((0, 3))), [CELL.volume, 0], rtol=1e-5, atol=0.01)


def test_hydrogens_and_absent_atoms_make_no_mask() -> None:
    positions, scatterers = chain()
    lattice = half_lattice(CELL, P1, 5.0)
    element = np.append(scatterers.element, ["H", "D", "S"])
    more = Scatterers(element, np.zeros(len(element)), np.append(scatterers.occupancy, [1.0, 1.0, 0.0]))
    far = np.vstack([positions, [[0.1, 0.1, 0.1], [0.2, 0.1, 0.1], [0.9, 0.9, 0.1]]])
    np.testing.assert_array_equal(solvent_of(more, lattice)(far), solvent_of(scatterers, lattice)(positions))
    heavy = Scatterers.alike(element)
    assert error(solvent_of(heavy, lattice)(far), solvent_of(scatterers, lattice)(positions)) > 0.01


def test_atoms_outside_the_cell_count_where_they_are_repeated() -> None:
    positions, scatterers = chain()
    solvent = solvent_of(scatterers, half_lattice(CELL, P1, 4.0))
    images = positions + np.random.default_rng(1).integers(-2, 3, positions.shape)
    assert error(solvent(images), solvent(positions)) < 1e-6


def test_identical_cells_of_a_supercell_add_up_and_leave_nothing_between() -> None:
    positions, scatterers = chain()
    repeats = (2, 1, 3)
    fine = half_lattice(gemmi.UnitCell(44, 25, 84, 85, 100, 95), P1, 5.0).hkl
    lattice = MillerLattice(fine, CELL, P1, ndiv=repeats)
    many = np.concatenate([positions + shift for shift in np.ndindex(*repeats)])
    whole = solvent_of(Scatterers.alike(np.tile(scatterers.element, 6)), lattice, repeats=repeats)(many)
    on_bragg = (fine % repeats == 0).all(axis=1)
    one = solvent_of(scatterers, MillerLattice(fine[on_bragg] // repeats, CELL, P1))(positions)
    assert error(whole[on_bragg], 6 * one) < 0.02  # other grids: their noise
    assert np.abs(whole[~on_bragg]).max() < 0.02 * np.abs(whole[on_bragg]).max()


def test_cells_that_differ_are_masked_each_with_its_neighbours() -> None:
    positions, scatterers = chain()
    both = np.concatenate([positions, chain(seed=4)[0] + [1, 0, 0]])
    twice = Scatterers.alike(np.concatenate([scatterers.element, chain(seed=4)[1].element]))
    lattice = MillerLattice(np.random.default_rng(2).integers(-5, 6, (40, 3)), CELL, P1, ndiv=(2, 1, 1))
    box = gemmi.UnitCell(44, 25, 28, 85, 100, 95)
    mask = gemmi_mask(both / [2, 1, 1], twice.element, box, 0.35)
    found = solvent_of(twice, lattice, repeats=(2, 1, 1), spacing=0.35)(both)
    assert error(found, mask_sum(mask, box, lattice.hkl)) < 0.05


@pytest.mark.parametrize("name", ["P 21 21 21", "C 1 2 1", "P 31 2 1"])
def test_all_copies_of_an_asymmetric_unit_make_the_mask(name: str) -> None:
    group = gemmi.SpaceGroup(name)
    cell = gemmi.UnitCell(34, 34, 36, 90, 90, 120) if name.startswith("P 3") else gemmi.UnitCell(36, 33, 38, 90, 90, 90)
    rng = np.random.default_rng(5)
    asu, scatterers = rng.uniform(0.1, 0.35, (30, 3)), Scatterers.alike(["C"] * 30)
    lattice = MillerLattice([*rng.integers(-6, 7, (60, 3)), (0, 0, 1), (0, 0, 5), (1, 0, 2)], cell, P1)
    found = solvent_of(scatterers, lattice, symmetry=group, spacing=0.5)(asu)
    assert error(found, mask_sum(gemmi_mask(asu, scatterers.element, cell, 0.35, name), cell, lattice.hkl)) < 0.04
    absent = np.array([group.operations().is_systematically_absent(list(map(int, h))) for h in lattice.hkl])
    assert absent.any()
    assert np.abs(found[absent]).max() < 0.02 * np.abs(found).max()


def test_the_noise_of_the_grid_is_what_the_class_says(shared_data: Path) -> None:
    structure = gemmi.read_structure(str(shared_data / "snase/4wor.pdb"))
    structure.remove_ligands_and_waters()
    structure.remove_alternative_conformations()
    atoms = [site.atom for site in structure[0].all()]
    asu = np.array([structure.cell.fractionalize(atom.pos).tolist() for atom in atoms])
    positions = expanded(asu, structure.find_spacegroup())
    scatterers = Scatterers.alike(np.tile([atom.element.name for atom in atoms], 4))
    lattice = half_lattice(structure.cell, P1, 2.0)
    solvent = solvent_of(scatterers, lattice, k_sol=0.35, b_sol=46.0)
    shifts = np.random.default_rng(0).uniform(0, 1, (4, 3)) / solvent.shape
    moved = np.array([solvent(positions + s) * np.exp(-2j * np.pi * lattice.index @ s) for s in shifts])
    noise = np.sqrt(moved.var(axis=0, ddof=1).sum()) / np.linalg.norm(moved.mean(axis=0))
    assert 0.002 < noise < 0.015


def test_how_far_a_mask_is_off_is_measured_and_told_when_it_is_much() -> None:
    positions, scatterers = chain()
    lattice = half_lattice(CELL, P1, 3.0)
    model = FrameModel.of(scatterers, lattice, PredictSettings(solvent="mask", k_sol=0.35))
    coarse, fine = (
        solvent_of(scatterers, lattice, k_sol=0.35, b_sol=46.0, spacing=step)(positions) for step in (0.6, 0.3)
    )
    off = model.mask_error(positions)
    assert off == pytest.approx(error(coarse, fine), rel=1e-5)
    assert 0.01 < off < 0.15
    assert mask_warning(off) == ()
    assert "known to 31 % only" in mask_warning(0.3123)[0]
    assert FrameModel.of(scatterers, lattice, PredictSettings()).mask_error(positions) is None


def test_in_a_cell_of_crevices_a_run_says_that_the_mask_is_coarse(shared_data: Path, tmp_path: Path) -> None:
    source = open_frames([shared_data / "mtz/5e5z.pdb"])
    settings = PredictSettings(solvent="mask", expand_symmetry=True, selection="not water")
    lattice = half_lattice(source.cell, gemmi.SpaceGroup("P 1 21 1"), 2.0)
    store = run(predict(source, lattice, settings, tmp_path / "f.zarr"))
    assert any("bulk solvent is known to" in text for text in store.origin["warnings"])


def test_a_solvent_travels_and_threads_share_it() -> None:
    frames = [chain(seed=3)[0] + np.random.default_rng(i).normal(0, 0.01, (60, 3)) for i in range(4)]
    scatterers = chain()[1]
    solvent = solvent_of(scatterers, half_lattice(CELL, P1, 3.0), k_sol=0.35, b_sol=46.0)
    alone = [solvent(frame) for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(solvent, frames)), alone)
    travelled = pickle.loads(pickle.dumps(solvent))
    np.testing.assert_array_equal(travelled(frames[0]), alone[0])
    assert alone[0].dtype == np.complex64


def test_a_shared_mask_adds_nothing_to_the_variance_and_own_masks_do() -> None:
    scatterers = chain()[1]
    frames = [chain()[0] + np.random.default_rng(i).normal(0, 0.02, (60, 3)) for i in range(5)]
    lattice = half_lattice(CELL, P1, 5.0)
    atoms = np.array([ScatteringEngine(scatterers, lattice)(frame) for frame in frames])
    solvent = solvent_of(scatterers, lattice, k_sol=0.35, b_sol=46.0)
    shared = (atoms + solvent(frames[0])).var(axis=0)
    own = (atoms + np.array([solvent(frame) for frame in frames])).var(axis=0)
    np.testing.assert_allclose(shared, atoms.var(axis=0), rtol=1e-3)
    assert error(own, atoms.var(axis=0)) > 0.05


def test_frames_side_by_side_are_as_many_as_their_masks_fit_in_memory(monkeypatch) -> None:
    lattice = half_lattice(CELL, P1, 3.0)
    model = FrameModel.of(chain()[1], lattice, PredictSettings(solvent="mask"))
    solvent = solvent_of(chain()[1], lattice)
    nx, ny, nz = solvent.shape
    assert solvent.n_bytes == 4 * nx * ny * nz + 8 * nx * ny * (nz // 2 + 1)
    assert model.engine(8).n_workers == 8
    monkeypatch.setattr(model_module, "SHARED_BYTES", 3 * solvent.n_bytes)
    assert model.engine(8).n_workers == 3
    monkeypatch.setattr(model_module, "SHARED_BYTES", solvent.n_bytes // 2)
    assert model.engine(8).n_workers == 1


def test_reflections_between_those_of_the_box_are_refused() -> None:
    lattice = MillerLattice([[1, 0, 0]], CELL, P1, ndiv=(2, 2, 1))
    with pytest.raises(BadInput, match="divided by 2 x 2 x 1 lie between those of a box of 2 x 1 x 1 cells"):
        solvent_of(chain()[1], lattice, repeats=(2, 1, 1))
    solvent_of(chain()[1], lattice, repeats=(4, 2, 1))


def test_impossible_grids_and_wrong_numbers_of_atoms_are_refused() -> None:
    lattice = MillerLattice([[1, 0, 0]], CELL, P1)
    with pytest.raises(BadInput, match="must be a positive number"):
        solvent_of(chain()[1], lattice, spacing=-1.0)
    with pytest.raises(BadInput, match="points"):
        solvent_of(chain()[1], lattice, spacing=0.001)
    with pytest.raises(BadInput, match="60 atoms were expected"):
        solvent_of(chain()[1], lattice)(np.zeros((59, 3)))


def factors(path: Path) -> tuple[np.ndarray, np.ndarray, gemmi.Mtz]:
    mtz = gemmi.read_mtz_file(str(path))
    amplitude, phase = (np.array(mtz.column_with_label(label)) for label in ("FMODEL", "PHIFMODEL"))
    return mtz.make_miller_array(), amplitude * np.exp(1j * np.radians(phase)), mtz


def test_the_mask_is_that_of_a_crystallographic_program(shared_data: Path) -> None:
    """Their solvent ends at 3 A, so that only low angles tell; the grid they used is another."""
    hkl, without, mtz = factors(shared_data / "mtz/1dur_vanilla.mtz")
    theirs = factors(shared_data / "mtz/1dur_ksol1.mtz")[1] - without
    frames = open_frames([shared_data / "mtz/1dur.pdb"])
    lattice = MillerLattice(hkl, mtz.cell, mtz.spacegroup)
    scatterers = Scatterers.of(frames.atoms, PredictSettings(occupancy_from_topology=True))
    solvent = solvent_of(scatterers, lattice, symmetry=mtz.spacegroup)
    ours = solvent(fractional(frames.positions(0), mtz.cell))
    d = lattice.d_spacing
    for near, far, wanted in ((3.0, 4.0, 0.94), (4.0, 6.0, 0.97), (6.0, 10.0, 0.985), (10.0, 99.0, 0.995)):
        shell = (d > near) & (d <= far)
        alike = np.vdot(ours[shell], theirs[shell]) / np.linalg.norm(ours[shell]) / np.linalg.norm(theirs[shell])
        assert alike.real > wanted
        assert 0.85 < np.linalg.norm(theirs[shell]) / np.linalg.norm(ours[shell]) < 1.05


CONTENTS = {
    "snase/snase_p41_cell.pdb": (1, "explicit"),
    "trajectories/adk_oplsaa.gro": (1, "explicit"),
    "snase/disorder_models.pdb": (1, "stripped"),
    "lysozyme/lyso_topology.pdb": (1, "stripped"),
    "ubiquitin/2k39_on_1ubi_116models_noH.pdb": (4, "stripped"),
    "mtz/1dur.pdb": (4, "few waters"),
    "lysozyme/6o2h.pdb": (1, "few waters"),
    "snase/4wor.pdb": (4, "few waters"),
    "peptide_crystal/mdXtal.inpcrd": (1, "few waters"),  # a box not filled: 120 waters where 190 would be
}


@pytest.mark.parametrize("file", CONTENTS)
def test_frames_with_and_without_solvent_are_told_apart(shared_data: Path, file: str) -> None:
    copies, kind = CONTENTS[file]
    topology = shared_data / "peptide_crystal/x6dky.parm7" if file.endswith(".inpcrd") else None
    source = open_frames([shared_data / file], topology)
    crystal = gemmi.UnitCell(27.424, 32.134, 34.513, 88.66, 108.46, 111.88)
    content = solvent_content(source.atoms, crystal.volume if "lyso_" in file else source.cell.volume, copies)
    assert content.kind == kind
    assert (content.n_waters == 0) == (kind == "stripped")
    assert (content.filled_fraction > 0.9) == (kind == "explicit")


def test_what_was_seen_of_the_solvent_is_said(shared_data: Path) -> None:
    full = open_frames([shared_data / "snase/snase_p41_cell.pdb"])
    atoms, volume = full.atoms, full.cell.volume
    assert "2420 waters and 40 ions fill the space" in solvent_content(atoms, volume).sentence
    dry = atoms.select(np.isin(atoms.residue_name, ["HOH", "NA", "CL"], invert=True))
    assert "stripped" in solvent_content(dry, volume).sentence
    oxygens = np.flatnonzero((atoms.residue_name == "HOH") & (atoms.element == "O"))
    some = atoms.select(np.concatenate([np.arange(len(dry)), oxygens[:240]]))
    assert "240 waters and 0 ions, 10 % of what their empty space holds" in solvent_content(some, volume).sentence
    assert solvent_content(dry, volume / 3).kind == "explicit"  # no room for any solvent


# --- boxes that are not whole cells ----------------------------------------------------------------------------------


def stripped(folder: Path, box: gemmi.UnitCell | None, copies: int = 1, stretch: float = 1.0):
    """A frame of `copies` chains, one in each cell along a, in a box of any size."""
    places = np.concatenate([chain()[0] + np.array([n, 0, 0]) for n in range(copies)])
    structure, model, strand = gemmi.Structure(), gemmi.Model(1), gemmi.Chain("A")
    if box is not None:
        structure.cell = box
    for number, place in enumerate(places):
        residue, atom = gemmi.Residue(), gemmi.Atom()
        residue.name, residue.seqid = "ALA", gemmi.SeqId(number + 1, " ")
        atom.name, atom.element = "CB", gemmi.Element("C")
        atom.pos = CELL.orthogonalize(gemmi.Fractional(*place)) * stretch
        residue.add_atom(atom)
        strand.add_residue(residue)
    model.add_chain(strand)
    structure.add_model(model)
    structure.write_pdb(str(folder / "frames.pdb"))
    return open_frames([folder / "frames.pdb"])


MASKED = PredictSettings(solvent="mask", molecules="as-is")


A, B, C, *ANGLES = CELL.parameters


TWO_CELLS_OFF = gemmi.UnitCell(2 * A * 1.012, B * 1.012, C * 1.012, *ANGLES)


@pytest.mark.parametrize(("box", "stretch"), [(TWO_CELLS_OFF, 1.012), (None, 1.0)])
def test_a_mask_of_several_cells_that_are_taken_for_one_is_refused(tmp_path, box, stretch) -> None:
    source, lattice = stripped(tmp_path, box, 2, stretch), half_lattice(CELL, P1, 5.0)
    for job in (
        predict(source, lattice, MASKED, tmp_path / "F.zarr"),
        check_frames(source, lattice, MASKED),
        fit_solvent_of_frames(source, lattice, MASKED, amplitudes_of_cell(tmp_path)),
    ):
        with pytest.raises(BadInput, match=r"whole cells of the crystal.* lie on others\. Give the cells.*--supercell"):
            run(job)
    run(predict(source, lattice, replace(MASKED, solvent="none"), tmp_path / "F.zarr"))
    told = run(predict(source, lattice, replace(MASKED, supercell=(2, 1, 1)), tmp_path / "F.zarr")).origin["warnings"]
    assert not any("bulk solvent" in text for text in told)


def amplitudes_of_cell(folder: Path) -> Path:
    lattice = half_lattice(CELL, P1, 2.5)
    column = MtzColumn("FP", "F", np.ones(len(lattice), dtype=np.float32))
    write_mtz(folder / "bragg.mtz", lattice, [column], title="", history=[])
    return folder / "bragg.mtz"


@pytest.mark.parametrize("box", [gemmi.UnitCell(50, 50, 50, 90, 90, 90), None])
def test_a_molecule_of_another_box_has_the_solvent_of_one_cell(tmp_path, box) -> None:
    source, lattice = stripped(tmp_path, box), half_lattice(CELL, P1, 5.0)
    store = run(predict(source, lattice, MASKED, tmp_path / "F.zarr"))
    said = "The bulk solvent fills one cell of the crystal around the atoms of each frame"
    assert said in store.origin["warnings"]
    assert ("note", said) in [
        (remark.level, remark.text) for remark in run(check_frames(source, lattice, MASKED)).remarks
    ]
    place = fractional(source.positions(0), CELL)
    scatterers = Scatterers.alike(source.atoms.element)
    expected = ScatteringEngine(scatterers, lattice)(place)
    expected = expected + solvent_of(scatterers, lattice, k_sol=0.35, b_sol=46.0)(place)
    assert error(store.read(slice(0, 1))[0], expected) < 1e-3


def test_only_x_rays_have_a_usual_density() -> None:
    lattice = half_lattice(CELL, P1, 6.0)
    model = FrameModel.of(chain()[1], lattice, PredictSettings(solvent="mask"))
    assert model.solvent is not None
    assert model.solvent.k_sol == 0.35
    for radiation in ("neutron", "electron"):
        with pytest.raises(BadInput, match=f"is that for X-rays, not for {radiation}s"):
            FrameModel.of(chain()[1], lattice, PredictSettings(solvent="mask", radiation=radiation))
        known = FrameModel.of(chain()[1], lattice, PredictSettings(solvent="mask", radiation=radiation, k_sol=0.2))
        assert known.solvent is not None
        assert known.solvent.k_sol == 0.2
        assert FrameModel.of(chain()[1], lattice, PredictSettings(radiation=radiation)).solvent is None
