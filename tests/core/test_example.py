"""The built-in example: complete, of the promised size, and reproduced by the program's own engine."""

from __future__ import annotations

import gemmi
import mdtraj
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.crystal.lattice import DiffuseMap
from mdweights_core.crystal.laue import LaueGroups, group_of, laue_groups
from mdweights_core.example import STATE_NAMES, example_folder, example_inputs, hidden_weights
from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.io.maps.mtz import describe_mtz, read_diffuse_map
from mdweights_core.scattering.predict import predict
from mdweights_core.scattering.settings import PredictSettings
from resources.make_example import packing, peptide, recover, target


@pytest.fixture(scope="module")
def observed() -> DiffuseMap:
    return read_diffuse_map(example_inputs().map)


@pytest.fixture(scope="module")
def stored() -> mdtraj.Trajectory:
    inputs = example_inputs()
    assert inputs.topology is not None
    return mdtraj.load(str(inputs.frames[0]), top=str(inputs.topology))


@pytest.fixture(scope="module")
def groups(observed: DiffuseMap) -> LaueGroups:
    return laue_groups(observed.lattice)


@pytest.fixture(scope="module")
def factors(groups: LaueGroups, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """F of all frames by the program's engine with its usual settings, [n_frames, n_p1]."""
    inputs = example_inputs()
    source = open_frames(inputs.frames, inputs.topology)
    out = tmp_path_factory.mktemp("store") / "frames.zarr"
    return jobs.run(predict(source, groups.p1, PredictSettings(), out)).read()


def calculated(factors: np.ndarray, weights: np.ndarray, groups: LaueGroups) -> np.ndarray:
    wide = factors.astype(complex)
    return groups.average(weights @ np.abs(wide) ** 2 - np.abs(weights @ wide) ** 2)


def chi_squared(observed: DiffuseMap, model: np.ndarray) -> float:
    """Reduced chi^2 after fitting a scale and a smooth background (a Chebyshev series in 1/d)."""
    assert observed.sigma is not None
    inverse_d = observed.lattice.inverse_d
    smooth = np.polynomial.chebyshev.chebvander(2.0 * inverse_d / inverse_d.max() - 1.0, 11)
    design = np.column_stack([model, smooth]) / observed.sigma[:, None]
    values = observed.intensity / observed.sigma
    rest = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return float(rest @ rest) / (len(values) - design.shape[1])


def test_folder_is_small_and_says_that_it_is_simulated() -> None:
    folder = example_folder()
    assert sum(file.stat().st_size for file in folder.iterdir()) < 5_000_000
    assert "simulated" in (folder / "README.md").read_text().lower()


def test_map_has_enough_unique_reflections_and_a_free_set(observed: DiffuseMap, groups: LaueGroups) -> None:
    assert observed.free is not None
    assert len(groups) == len(observed) >= 3000
    assert 0.03 < observed.free.mean() < 0.07
    assert observed.lattice.space_group.hm == "P 21 21 21"


def test_map_has_the_usual_columns_and_gaps(observed: DiffuseMap) -> None:
    summary = describe_mtz(example_inputs().map)
    assert (summary.intensity, summary.sigma, summary.free) == ("IDIFF", "SIGIDIFF", "FreeR_flag")
    assert len(observed) < summary.n_reflections < len(target.asymmetric_unit(observed.lattice.cell, target.D_MIN))


def test_frames_are_one_unit_cell_without_drift(observed: DiffuseMap, stored: mdtraj.Trajectory) -> None:
    lengths = 10.0 * stored.unitcell_lengths[0]
    cell = observed.lattice.cell
    np.testing.assert_allclose(lengths, [cell.a, cell.b, cell.c], atol=0.005)
    alphas = [atom.index for atom in stored.topology.atoms if atom.name == "CA"]
    assert len(alphas) == 4 * len(peptide.SEQUENCE)
    drift = 10.0 * (stored.xyz[:, alphas] - stored.xyz[0, alphas]).mean(axis=1)
    assert np.abs(drift).max() < 0.005
    assert np.all(np.diff(stored.time) > 0.0)


def test_hidden_weights_belong_to_the_frames(stored: mdtraj.Trajectory) -> None:
    weights, state = hidden_weights()
    assert len(weights) == len(state) == stored.n_frames
    assert weights.sum() == pytest.approx(1.0)
    assert weights.min() > 0.0
    np.testing.assert_allclose(np.bincount(state, weights), target.POPULATIONS, atol=1e-4)
    assert len(STATE_NAMES) == len(target.POPULATIONS)


def test_states_differ_in_the_torsions_they_are_named_after(stored: mdtraj.Trajectory) -> None:
    _, state = hidden_weights()
    rows, angles = mdtraj.compute_chi1(stored)
    is_phe = [stored.topology.atom(int(row[0])).residue.name == "PHE" for row in rows]
    trans = (np.abs(angles[:, is_phe]) > np.radians(120.0)).mean(axis=1)
    rows, psi = mdtraj.compute_psi(stored)
    number = np.array([stored.topology.atom(int(row[0])).residue.resSeq for row in rows])
    unwound = (np.cos(psi[:, number >= 8] - np.radians(150.0)) > 0.5).mean(axis=1)
    means = np.array([[trans[state == s].mean(), unwound[state == s].mean()] for s in range(len(STATE_NAMES))])
    np.testing.assert_allclose(means, [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], atol=0.15)


def test_map_is_the_hidden_weights_to_the_noise(observed: DiffuseMap, factors: np.ndarray, groups: LaueGroups) -> None:
    weights, _ = hidden_weights()
    row = group_of(observed.lattice.hkl, groups)
    truth = chi_squared(observed, calculated(factors, weights, groups)[row])
    uniform = chi_squared(observed, calculated(factors, np.full(len(weights), 1.0 / len(weights)), groups)[row])
    assert 0.9 < truth < 1.1
    assert uniform > 1.3 * truth


def test_hidden_weights_can_be_found_again(observed: DiffuseMap, factors: np.ndarray, groups: LaueGroups) -> None:
    weights, state = hidden_weights()
    assert observed.free is not None
    assert observed.sigma is not None
    work = np.flatnonzero(~observed.free)
    group = group_of(observed.lattice.hkl[work], groups)
    every = groups.copies[np.arange(4)[:, None] % groups.multiplicity[group], group]  # 1, 2 or 4 images, repeated to 4
    found = recover.recover(
        factors[:, every], observed.lattice.inverse_d[work], observed.intensity[work], observed.sigma[work], steps=6
    )
    result = recover.compare(found, weights, state)
    assert result.correlation > 0.95
    np.testing.assert_allclose(result.states, target.POPULATIONS, atol=0.02)


def test_direct_summation_agrees_with_gemmi(stored: mdtraj.Trajectory) -> None:
    structure = gemmi.read_structure(str(example_inputs().topology))
    hkl = np.array([[1, 0, 0], [2, -3, 4], [0, 5, 1], [7, 7, -7]], dtype=np.int32)
    positions, elements = zip(
        *[(site.atom.pos.tolist(), site.atom.element.name) for site in structure[0].all()], strict=True
    )
    found = target.structure_factors(np.array(positions), np.array(elements), hkl, structure.cell)
    calculator = gemmi.StructureFactorCalculatorX(structure.cell)
    expected = [calculator.calculate_sf_from_model(structure[0], row.tolist()) for row in hkl]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_peptide_is_of_the_l_hand_and_a_right_handed_helix() -> None:
    atoms = {(atom.residue, atom.name): atom.position for atom in peptide.build_peptide()}
    n, ca, c, cb = (atoms[3, name] for name in ("N", "CA", "C", "CB"))
    assert np.dot(np.cross(n - ca, c - ca), cb - ca) > 0.0
    assert 2.7 < np.linalg.norm(atoms[2, "O"] - atoms[6, "N"]) < 3.3  # the hydrogen bond i, i + 4


def test_symmetrised_copies_are_left_alone_when_they_already_agree() -> None:
    edges = np.array([18.0, 19.0, 20.0])
    molecule = np.random.default_rng(4).uniform(0.0, 18.0, (12, 3))
    copies = packing.symmetry_copies(molecule, edges)
    copies[1] += edges * [1, 0, -2]
    np.testing.assert_allclose(packing.symmetrised(copies, edges), copies, atol=1e-9)
