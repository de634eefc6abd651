"""Density and B factor of the bulk solvent from Bragg amplitudes: made up, of another program, and measured."""

from __future__ import annotations

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
from mdweights_core.jobs import Progress, run
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.solvent import expanded
from mdweights_core.scattering.engine.structure_factors import ScatteringEngine, fractional
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.solvent_fit import SolventFit, fit_solvent, fit_solvent_of_frames


def synthetic(k_sol=0.37, b_sol=52.0, d_min=2.2):
    positions, scatterers = chain(200)
    lattice = half_lattice(CELL, P1, d_min)
    atoms = ScatteringEngine(scatterers, lattice)(positions)
    mask = solvent_of(scatterers, lattice)(positions)
    stol2 = lattice.inverse_d**2 / 4
    total = atoms + k_sol * np.exp(-b_sol * stol2) * mask
    return lattice, atoms, mask, 3.5 * np.exp(-12 * stol2) * np.abs(total)


def test_a_known_solvent_is_found_again() -> None:
    lattice, atoms, mask, observed = synthetic()
    fit = fit_solvent(observed, atoms, mask, lattice.inverse_d)
    assert fit.k_sol == pytest.approx(0.37, abs=1e-4)
    assert fit.b_sol == pytest.approx(52.0, abs=0.1)
    assert fit.scale == pytest.approx(3.5, rel=1e-4)
    assert fit.b_overall == pytest.approx(12.0, abs=0.01)
    assert fit.r_after < 1e-4 < 0.03 < fit.r_before
    assert fit.concerns == ()
    assert "0.370 e/Å³ with a B factor of 52 Å²" in fit.sentence


def test_a_known_solvent_is_found_again_under_noise() -> None:
    lattice, atoms, mask, observed = synthetic()
    noisy = observed * np.random.default_rng(0).normal(1, 0.05, len(observed))
    fit = fit_solvent(noisy, atoms, mask, lattice.inverse_d)
    assert fit.k_sol == pytest.approx(0.37, abs=0.02)
    assert fit.b_sol == pytest.approx(52.0, abs=6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_low": 3}, "only 3 amplitudes beyond 8"),
        ({"k_sol": 0.0}, "next to no solvent"),
        ({"b_sol": 0.0}, "ran to the limit"),
        ({"k_sol": 0.9}, "usual are 0.3 to 0.45"),
        ({"r_after": 0.5}, "explain the amplitudes poorly"),
    ],
)
def test_doubtful_fits_say_so(change: dict, said: str) -> None:
    good = SolventFit(k_sol=0.35, b_sol=46.0, scale=1.0, b_overall=0.0, r_before=0.3, r_after=0.2, n_low=100)
    assert good.concerns == ()
    doubtful = replace(good, **change)
    assert len(doubtful.concerns) == 1
    assert said in doubtful.sentence


def test_without_solvent_in_the_data_none_is_found() -> None:
    lattice, atoms, mask, observed = synthetic(k_sol=0.0)
    fit = fit_solvent(observed, atoms, mask, lattice.inverse_d)
    assert fit.k_sol < 0.01
    assert "next to no solvent" in fit.sentence


def test_too_few_amplitudes_are_refused() -> None:
    lattice, atoms, mask, observed = synthetic(d_min=8.0)
    with pytest.raises(BadInput, match="too few"):
        fit_solvent(observed[:99], atoms[:99], mask[:99], lattice.inverse_d[:99])


AS_REFINED = PredictSettings(b_from_topology=True, occupancy_from_topology=True)


def test_amplitudes_of_another_program_give_its_solvent_back(shared_data: Path) -> None:
    source = open_frames([shared_data / "mtz/1dur.pdb"])
    settings = replace(AS_REFINED, expand_symmetry=True)
    fit = run(fit_solvent_of_frames(source, None, settings, shared_data / "mtz/1dur_ksol1.mtz"))
    assert fit.k_sol == pytest.approx(1.0, abs=0.1)
    assert fit.scale == pytest.approx(1.0, abs=0.05)
    assert fit.r_after < 0.5 * fit.r_before
    bare = run(fit_solvent_of_frames(source, None, settings, shared_data / "mtz/1dur_vanilla.mtz"))
    assert bare.k_sol < 0.03
    assert bare.r_after < 0.01


def test_observed_amplitudes_are_explained_better_with_solvent(shared_data: Path) -> None:
    source = open_frames([shared_data / "lysozyme/6o2h.pdb"])
    job = fit_solvent_of_frames(source, None, AS_REFINED, shared_data / "lysozyme/lys_nitr_ubatch4_refmac.mtz")
    said: list[Progress] = []
    fit = run(job, said.append)
    assert [progress.step for progress in said] == [0, 1]
    assert 0.3 < fit.k_sol < 0.5
    assert 20 < fit.b_sol < 60
    assert fit.r_after < fit.r_before - 0.03
    assert fit.concerns == ()


@pytest.mark.parametrize("radiation", ["neutron", "electron"])
def test_a_solvent_is_fitted_to_x_rays_only(tmp_path: Path, radiation: str) -> None:
    source = open_frames([frames_of_two(tmp_path, 1)])
    with pytest.raises(BadInput, match=f"X-rays, not of {radiation}s"):
        run(fit_solvent_of_frames(source, None, PredictSettings(radiation=radiation), tmp_path / "bragg.mtz"))


def frames_of_two(folder: Path, repeats: int) -> Path:
    """Two models of a chain in P 21 21 21, expanded to `repeats` cells along a."""
    cell, group = gemmi.UnitCell(30, 33, 36, 90, 90, 90), gemmi.SpaceGroup("P 21 21 21")
    structure = gemmi.Structure()
    structure.cell = gemmi.UnitCell(30.0 * repeats, 33, 36, 90, 90, 90)
    for number in (1, 2):
        asu = np.random.default_rng(number).normal(0, 0.004, (120, 3)) + chain(120, seed=9)[0] / 2
        whole = np.concatenate([expanded(asu, group) + np.array([shift, 0, 0]) for shift in range(repeats)])
        model, strand = gemmi.Model(number), gemmi.Chain("A")
        for place in whole:
            residue, atom = gemmi.Residue(), gemmi.Atom()
            residue.name, residue.seqid = "ALA", gemmi.SeqId(len(strand) + 1, " ")
            atom.name, atom.element, atom.pos = "CB", gemmi.Element("C"), cell.orthogonalize(gemmi.Fractional(*place))
            residue.add_atom(atom)
            strand.add_residue(residue)
        model.add_chain(strand)
        structure.add_model(model)
    path = folder / f"frames_{repeats}.pdb"
    structure.write_pdb(str(path))
    return path


@pytest.mark.parametrize("repeats", [1, 2])
def test_frames_of_a_symmetric_crystal_are_fitted_to_its_unique_reflections(tmp_path: Path, repeats: int) -> None:
    cell, group = gemmi.UnitCell(30, 33, 36, 90, 90, 90), gemmi.SpaceGroup("P 21 21 21")
    source = open_frames([frames_of_two(tmp_path, repeats)])
    every = half_lattice(cell, group, 2.5)
    unique = every.select((every.hkl >= 0).all(axis=1))
    scatterers = Scatterers.alike(source.atoms.element)
    solvent = solvent_of(scatterers, unique, k_sol=0.33, b_sol=40.0, repeats=(repeats, 1, 1))
    engine = ScatteringEngine(scatterers, unique)
    places = [fractional(source.positions(frame), cell) for frame in (0, 1)]
    total = np.abs(np.mean([engine(place) + solvent(place) for place in places], axis=0)).astype(np.float32)
    column = MtzColumn("FP", "F", total)
    write_mtz(tmp_path / "bragg.mtz", unique, [column], title="", history=[])
    lattice = MillerLattice(every.hkl, source.cell, P1)  # as of a map on the box
    settings = PredictSettings(remove_drift=False, supercell=(1, 1, 1))  # of that lattice
    fit = run(fit_solvent_of_frames(source, lattice, settings, tmp_path / "bragg.mtz"))
    assert fit.k_sol == pytest.approx(0.33, abs=0.02)
    assert fit.b_sol == pytest.approx(40.0, abs=5)
    assert fit.r_after < 0.02


def test_full_boxes_and_other_crystals_are_refused(shared_data: Path) -> None:
    amplitudes = shared_data / "lysozyme/lys_nitr_ubatch4_refmac.mtz"
    full = open_frames([shared_data / "snase/snase_p41_cell.xtc"], shared_data / "snase/snase_p41_cell.pdb")
    with pytest.raises(BadInput, match="hold their solvent"):
        run(fit_solvent_of_frames(full, None, PredictSettings(), amplitudes))
    lattice = half_lattice(full.cell, P1, 10.0)
    with pytest.raises(BadInput, match="is not that of the frames"):
        run(fit_solvent_of_frames(full, lattice, PredictSettings(selection="protein"), amplitudes))
    stripped = open_frames([shared_data / "lysozyme/lyso.xtc"], shared_data / "lysozyme/lyso_topology.pdb")
    stripped_fit = run(fit_solvent_of_frames(stripped, None, PredictSettings(selection="protein"), amplitudes))
    assert "poorly" in stripped_fit.sentence  # a solution run
