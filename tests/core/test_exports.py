"""Exported files against what they were made from, read back by other programs' libraries."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.synthetic import synthetic_problem

from mdweights_core import exports, jobs
from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice
from mdweights_core.crystal.laue import find_rows, friedel_half, group_of
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.maps.xtraj import open_checkpoint
from mdweights_core.lights import Light
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.storage.store import FrameTable, StructureFactorStore
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.problem import build_problem
from mdweights_core.weights.scores import BraggScores
from mdweights_core.weights.settings import FitSettings


@pytest.fixture(scope="module")
def mtz(example_project, tmp_path_factory):
    path = tmp_path_factory.mktemp("mtz") / "weighted.mtz"
    exports.export_mtz(example_project, path)
    return gemmi.read_mtz_file(str(path)), path


def test_columns_types_and_history(mtz, example_project):
    found, _ = mtz
    types = {c.label: c.type for c in found.columns}
    expected = {
        "FWT": "F",
        "PHIFWT": "P",
        "IMEAN": "J",
        "IDIFF": "J",
        "IDOBS": "J",
        "SIGIDOBS": "Q",
        "IDANISO": "R",
        "IDOBSANISO": "R",
    }
    assert expected.items() <= types.items()
    assert types["FreeR_flag"] == "I"
    assert found.spacegroup.xhm() == "P 21 21 21"
    history = "\n".join(found.history)
    assert "gauss-newton" in history
    assert f"{example_project.fit.n_eff:.1f}" in history


def test_mean_f_is_the_weighted_sum_of_the_frames_averaged_over_the_space_group(mtz, example_project):
    """Direct: every frame's F from the store, weighted, then F(h R) exp(2 pi i h.t) averaged by hand."""
    found, _ = mtz
    store = StructureFactorStore.open(example_project.store_path)
    mean = example_project.fit.weights @ store.read().astype(np.complex128)
    at = {tuple(h): f for h, f in zip(store.lattice.hkl.tolist(), mean, strict=True)}

    def p1(h):
        return at[tuple(h)] if tuple(h) in at else np.conj(at[tuple(-i for i in h)])

    table = found.array
    f, phi = found.column_with_label("FWT").array, found.column_with_label("PHIFWT").array
    for row in range(0, len(table), 97):
        hkl = [int(i) for i in table[row, :3]]
        total = 0
        for op in found.spacegroup.operations():
            total += p1(op.apply_to_hkl(hkl)) * np.exp(-1j * op.phase_shift(hkl))
        expected = total / 4
        got = f[row] * np.exp(1j * np.radians(phi[row]))
        assert abs(got - expected) < 1e-3 * max(abs(expected), 1.0)


def test_diffuse_and_mean_intensities_are_those_of_the_frames(mtz, example_project):
    found, _ = mtz
    fit = example_project.fit
    store = StructureFactorStore.open(example_project.store_path)
    f, w = store.read().astype(np.complex128), fit.weights
    imean = fit.groups.average((w @ np.abs(f) ** 2)[_rows(fit, store)])
    idiff = fit.groups.average((w @ np.abs(f) ** 2 - np.abs(w @ f) ** 2)[_rows(fit, store)])
    order = group_of(np.asarray(found.array[:, :3], dtype=np.int32), fit.groups)
    np.testing.assert_allclose(found.column_with_label("IMEAN").array, imean[order], rtol=1e-4)
    np.testing.assert_allclose(found.column_with_label("IDIFF").array, idiff[order], rtol=2e-3, atol=1e-3 * idiff.max())


def _rows(fit, store):
    return find_rows(fit.groups.p1.hkl, store.lattice.hkl)


def test_observed_is_on_the_calculated_scale_with_its_sigma(mtz, example_project):
    found, _ = mtz
    fit = example_project.fit
    order = group_of(np.asarray(found.array[:, :3], dtype=np.int32), fit.groups)
    observed = found.column_with_label("IDOBS").array
    np.testing.assert_allclose(observed * fit.scale + fit.offset, fit.observed[order], rtol=1e-4, atol=1e-2)
    sigma = found.column_with_label("SIGIDOBS").array
    np.testing.assert_allclose(sigma * fit.scale, fit.observed_sigma[order], rtol=1e-4)
    free = found.column_with_label("FreeR_flag").array == 0
    np.testing.assert_array_equal(free, fit.free[order])
    calculated = found.column_with_label("IDIFF").array
    assert np.corrcoef(observed[~free], calculated[~free])[0, 1] == pytest.approx(fit.scores.cc, abs=1e-4)
    a, b = found.column_with_label("IDANISO").array, found.column_with_label("IDOBSANISO").array
    assert np.polyfit(a[~free], b[~free], 1)[0] == pytest.approx(1, abs=1e-3)  # on a fitted scale of its own
    assert np.corrcoef(a[~free], b[~free])[0, 1] == pytest.approx(fit.scores.cc_aniso, abs=1e-4)


def exported(project, fit, path) -> gemmi.Mtz:
    exports.export_mtz(dataclasses.replace(project, fit=fit), path)
    return gemmi.read_mtz_file(str(path))


def mean_f_of(found: gemmi.Mtz) -> np.ndarray:
    phase = np.radians(found.column_with_label("PHIFWT").array)
    return found.column_with_label("FWT").array * np.exp(1j * phase)


def test_a_crystal_at_another_origin_is_moved(example_project, tmp_path):
    """A shift is a phase: FWT comes out as that of the crystal at its origin, and no intensity changes."""
    fit = example_project.fit
    assert exports.mean_f_warnings(fit) == []
    hkl = fit.groups.p1.hkl
    ordered = exports.symmetrised_mean_f(fit, hkl, np.zeros(3))
    phase = np.exp(2j * np.pi * (hkl @ np.array([0.11, 0.23, 0.07])))
    at = dataclasses.replace(fit, mean_f=ordered.astype(np.complex64))
    off = dataclasses.replace(fit, mean_f=(ordered * phase).astype(np.complex64))
    assert exports.mean_f_warnings(at) == []
    (told,) = exports.mean_f_warnings(off)
    assert "lies (0.110, 0.230, 0.070) off the origin of P 21 21 21: FWT and PHIFWT were shifted" in told
    here, there = exported(example_project, at, tmp_path / "at.mtz"), exported(example_project, off, tmp_path / "o.mtz")
    assert told in " ".join(there.history)
    error = np.linalg.norm(mean_f_of(there) - mean_f_of(here)) / np.linalg.norm(mean_f_of(here))
    assert error < 1e-4
    for label in ("IMEAN", "IDIFF", "IDOBS"):
        np.testing.assert_array_equal(there.column_with_label(label).array, here.column_with_label(label).array)


def test_a_crystal_without_its_space_group_is_told(example_project, tmp_path):
    fit = example_project.fit
    hkl = fit.groups.p1.hkl
    atoms = np.random.default_rng(0).random((40, 3))
    disordered = np.exp(2j * np.pi * (hkl @ atoms.T)).sum(axis=1).astype(np.complex64)
    broken = dataclasses.replace(fit, mean_f=disordered)
    (told,) = exports.mean_f_warnings(broken)
    assert "another origin" in told
    assert "P 21 21 21" in told
    assert "FWT and PHIFWT mean nothing" in " ".join(exported(example_project, broken, tmp_path / "w.mtz").history)


def test_a_map_on_divided_axes_is_written_as_the_supercell_in_p1(example_project, tmp_path):
    """Every number against the synthetic ensemble it was fitted with, at the true index h/2."""
    truth = synthetic_problem(20, 800, space_group="P 41", ndiv=(2, 2, 2))
    fit = jobs.run(fit_weights(truth.problem, FitSettings(objective="cc")))
    path = tmp_path / "divided.mtz"
    exports.export_mtz(dataclasses.replace(example_project, fit=fit), path)
    found = gemmi.read_mtz_file(str(path))
    p1 = fit.groups.p1
    assert (found.spacegroup.hm, found.cell.parameters) == ("P 1", (80, 80, 110, 90, 90, 90))
    hkl = found.make_miller_array()
    assert len(hkl) == len(p1)
    divided = MillerLattice(hkl, p1.cell, p1.space_group, p1.ndiv)
    np.testing.assert_allclose(found.make_1_d2_array() ** 0.5, divided.inverse_d, rtol=1e-5)
    asu = gemmi.ReciprocalAsu(found.spacegroup)
    assert all(asu.is_in(h) for h in hkl.tolist())
    half = friedel_half(hkl)
    f = truth.f_p1[:, find_rows(half, p1.hkl)]
    mean = np.where((half == hkl).all(axis=1), fit.weights @ f, (fit.weights @ f).conj())
    phase = np.radians(found.column_with_label("PHIFWT").array)
    np.testing.assert_allclose(found.column_with_label("FWT").array * np.exp(1j * phase), mean, atol=1e-3)
    diffuse = fit.weights @ np.abs(truth.f_p1) ** 2 - np.abs(fit.weights @ truth.f_p1) ** 2
    group = group_of(hkl, fit.groups)
    expected = fit.groups.average(diffuse)[group]
    np.testing.assert_allclose(found.column_with_label("IDIFF").array, expected, rtol=1e-3, atol=1e-3 * expected.max())
    np.testing.assert_array_equal(found.column_with_label("FreeR_flag").array == 0, fit.free[group])
    history = " ".join(found.history)
    assert "supercell of 2 x 2 x 2 cells" in history
    assert "not averaged" in history


def in_a_supercell(project, repeats):
    """The project as if its frames' boxes held so many cells."""
    box = np.array([*repeats, 1, 1, 1]) * project.frames.cell
    return dataclasses.replace(project, frames=dataclasses.replace(project.frames, cell=box))


def test_a_supercell_is_written_on_the_scale_of_one_cell(mtz, example_project, tmp_path):
    """N cells scatter N times as much between them: FWT / N and intensities / N^2, as one cell's."""
    exports.export_mtz(in_a_supercell(example_project, (2, 1, 3)), tmp_path / "super.mtz")
    found, plain = gemmi.read_mtz_file(str(tmp_path / "super.mtz")), mtz[0]
    assert found.cell.parameters == plain.cell.parameters
    for label, share in {"FWT": 6, "IMEAN": 36, "IDIFF": 36, "IDOBS": 36, "SIGIDOBS": 36, "IDANISO": 36}.items():
        expected = plain.column_with_label(label).array / share
        np.testing.assert_allclose(found.column_with_label(label).array, expected, rtol=1e-5)
    for label in ("PHIFWT", "FreeR_flag"):
        np.testing.assert_array_equal(found.column_with_label(label).array, plain.column_with_label(label).array)
    assert "mean of the 6 cells of the box: F of the box / 6, intensities / 36" in " ".join(found.history)
    assert "of the box" not in " ".join(plain.history)


def test_reciprocalspaceship_reads_it(mtz):
    rs = pytest.importorskip("reciprocalspaceship")
    found = rs.read_mtz(str(mtz[1]))
    assert {"FWT", "PHIFWT", "IDIFF", "FreeR_flag"} <= set(found.columns)
    assert found.spacegroup.xhm() == "P 21 21 21"


def test_csv_lists_every_frame(example_project, tmp_path):
    path = tmp_path / "weights.csv"
    exports.export_csv(example_project, path)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    fit = example_project.fit
    assert len(rows) == len(fit.weights)
    np.testing.assert_allclose([float(r["weight"]) for r in rows], fit.weights, rtol=1e-8)
    np.testing.assert_allclose([float(r["influence"]) for r in rows], fit.influence, rtol=1e-4)
    assert rows[3]["frame"] == "3"
    assert rows[3]["source"].endswith("peptide_crystal.xtc")
    assert float(rows[3]["time_ps"]) == pytest.approx(example_project.frames.time[3])


def test_csv_has_pseudo_energies_where_they_are_known(example_project, tmp_path):
    """-kT ln(weight / prior), of which exp brings back the relative weight; a weight of zero is endless energy."""
    exports.export_csv(example_project, tmp_path / "weights.csv")
    rows = list(csv.DictReader((tmp_path / "weights.csv").read_text().splitlines()))
    energy = np.array([float(row["pseudo_energy_kJ_mol"]) for row in rows])
    ratio = np.exp(-energy / (0.0083144626 * example_project.meaning.settings.temperature))
    np.testing.assert_allclose(ratio, [float(row["relative_weight"]) for row in rows], rtol=3e-3, atol=1e-9)
    assert np.isinf(energy).any()
    told = [row["pseudo_energy_error_kJ_mol"] for row in rows]
    assert [text != "" for text in told] == np.isfinite(example_project.meaning.pseudo_energy_error).tolist()
    exports.export_csv(dataclasses.replace(example_project, meaning=None), tmp_path / "plain.csv")
    assert "pseudo_energy" not in (tmp_path / "plain.csv").read_text()


def doubtful(project):
    """The project with a failed light and a verdict against it."""
    light = Light("theta", "bad", "0", "Endless theta does as well \u00b1 0.01.")
    changed = {"conclusion": "overfit", "verdict": "The weights are overfitted.", "lights": (light,)}
    return dataclasses.replace(project, validation=dataclasses.replace(project.validation, **changed))


def test_cautions_are_of_failed_lights_conclusions_and_missing_validations(example_project):
    lights = tuple(dataclasses.replace(light, state="good") for light in example_project.validation.lights)
    good = dataclasses.replace(example_project.validation, conclusion="supported", lights=lights)
    assert exports.cautions(dataclasses.replace(example_project, validation=good)) == []
    stopped = dataclasses.replace(good, complete=False)
    assert "stopped" in exports.cautions(dataclasses.replace(example_project, validation=stopped))[0]
    assert "not validated" in exports.cautions(dataclasses.replace(example_project, validation=None))[0]
    first, second = exports.cautions(doubtful(example_project))
    assert first == "OVERFIT: The weights are overfitted."
    assert second.startswith("Failed (theta): Endless theta")


def test_a_failed_light_is_written_into_every_file_that_has_room(example_project, tmp_path):
    project = doubtful(example_project)
    exports.export_mtz(project, tmp_path / "w.mtz")
    exports.export_pdb(project, tmp_path / "w.pdb", top=1)
    exports.export_ndx(project, tmp_path / "w.ndx")
    exports.export_ccp4(project, tmp_path / "w.ccp4")
    texts = {
        "mtz": " ".join(gemmi.read_mtz_file(str(tmp_path / "w.mtz")).history),
        "pdb": " ".join(gemmi.read_pdb(str(tmp_path / "w.pdb")).raw_remarks),
        "ndx": (tmp_path / "w.ndx").read_text(),
    }
    for name, text in texts.items():
        assert "OVERFIT: The weights are overfitted." in text, name
        assert "Failed (theta): Endless theta does as well +- 0.01." in text, name
    assert b"weights overfit; failed: theta" in (tmp_path / "w.ccp4").read_bytes()[:1024]
    assert max(map(len, (tmp_path / "w.pdb").read_text().splitlines())) <= 80


def test_history_tells_settings_that_are_not_as_usual(example_project):
    settings = FitSettings(objective="student-t", tied_frames=4, mask_ice=True)
    inputs = dataclasses.replace(example_project.inputs, prior=Path("bias.csv"))
    text = "\n".join(exports.history_lines(dataclasses.replace(example_project, fit_settings=settings, inputs=inputs)))
    assert "objective student-t" in text
    assert "tied frames 4, mask ice True" in text
    assert "prior bias.csv" in text
    assert "max frames" not in text


def test_history_tells_the_bragg_scores_where_there_are_some(example_project):
    fit = dataclasses.replace(
        example_project.fit, bragg=BraggScores(cc=0.9, cc_free=0.7, cc_uniform=0.8, cc_free_uniform=0.6)
    )
    lines = exports.history_lines(dataclasses.replace(example_project, fit=fit))
    assert "CC of Bragg intensities 0.9000 (before 0.8000), free 0.7000 (0.6000)" in lines
    assert not any("Bragg intensities" in line for line in exports.history_lines(example_project))


def test_ndx_counts_from_one(example_project, tmp_path):
    path = tmp_path / "kept.ndx"
    exports.export_ndx(example_project, path)
    head, *lines = (line for line in path.read_text().splitlines() if not line.startswith(";"))
    numbers = [int(n) for line in lines for n in line.split()]
    assert head == "[ kept_frames ]"
    np.testing.assert_array_equal(np.array(numbers) - 1, exports.kept_frames(example_project.fit.weights))


def test_pdb_holds_the_heaviest_frames_in_order(example_project, tmp_path):
    path = tmp_path / "top.pdb"
    exports.export_pdb(example_project, path, top=3)
    structure = gemmi.read_pdb(str(path))
    assert len(structure) == 3
    best = int(np.argmax(example_project.fit.weights))
    source = example_project.frame_source()
    found = np.array([a.atom.pos.tolist() for a in structure[0].all()])
    np.testing.assert_allclose(found, source.positions(best), atol=1e-3)
    assert f"FRAME {best} " in path.read_text()


def test_atoms_of_a_pdb_lie_in_the_box_of_the_heaviest_frame(example_project, tmp_path):
    project = in_a_supercell(example_project, (2, 1, 3))
    best = int(np.argmax(project.fit.weights))
    project.frames.cell[best, 0] *= 1.001
    exports.export_pdb(project, tmp_path / "top.pdb", top=2)
    found = gemmi.read_pdb(str(tmp_path / "top.pdb"))
    np.testing.assert_allclose(found.cell.parameters, project.frames.cell[best], atol=1e-3)
    solution = in_a_supercell(example_project, (1.4, 1.3, 1.6))  # no box of this crystal
    exports.export_pdb(solution, tmp_path / "top.pdb", top=2)
    cell = gemmi.read_pdb(str(tmp_path / "top.pdb")).cell
    np.testing.assert_allclose(cell.parameters, project.fit.groups.lattice.cell.parameters, atol=1e-3)


def test_a_checkpoint_of_frames_on_a_finer_lattice_holds_the_reflections_of_the_map(example_project, tmp_path):
    """F of each reflection, looked up by its true index, hkl / ndiv."""
    cell, rng = gemmi.UnitCell(20, 22, 24, 90, 90, 90), np.random.default_rng(0)
    fine = half_lattice(cell, gemmi.SpaceGroup("P 1"), 4.0, ndiv=(2, 1, 2))
    f = (rng.normal(size=(5, len(fine))) + 1j * rng.normal(size=(5, len(fine)))).astype(np.complex64)
    store = StructureFactorStore.create(tmp_path / "f.zarr", fine, FrameTable.blank(["md"] * 5, range(5)), {})
    store.write(0, f)
    coarse = half_lattice(cell, gemmi.SpaceGroup("P 1"), 4.0)
    problem = jobs.run(build_problem(DiffuseMap(coarse, rng.random(len(coarse)).astype(np.float32)), store))
    fit = jobs.run(fit_weights(problem, FitSettings(objective="cc", solver="lbfgs")))
    inputs = dataclasses.replace(example_project.inputs, frames=(store.path,))
    project = dataclasses.replace(example_project, inputs=inputs, fit=fit)
    exports.export_checkpoint(project, tmp_path / "out.nxs")
    written = open_checkpoint(tmp_path / "out.nxs")
    row_of = {tuple(h): row for row, h in enumerate((fine.hkl / fine.ndiv).tolist())}
    rows = [row_of[tuple(h)] for h in written.lattice.hkl.astype(float).tolist()]
    assert len(rows) == len(coarse)
    np.testing.assert_allclose(written.read(0, 5), f[:, rows], rtol=1e-6)


def test_names_of_segments_become_letters(example_project, tmp_path, monkeypatch):
    """CHARMM's PROA and its kind; chains that had a letter keep it."""
    source = example_project.frame_source()
    chain = np.where(np.arange(len(source.atoms)) < 100, "B", "PROA")
    chain[200:] = "SOLV"
    monkeypatch.setattr(source, "atoms", dataclasses.replace(source.atoms, chain=chain))
    monkeypatch.setattr(type(example_project), "frame_source", lambda _: source)
    exports.export_pdb(example_project, tmp_path / "top.pdb", top=1)
    found = gemmi.read_pdb(str(tmp_path / "top.pdb"))[0]
    assert [(c.name, c.count_atom_sites()) for c in found] == [("B", 100), ("A", 100), ("C", len(chain) - 200)]


def test_a_folder_in_the_way_is_a_sentence(example_project, tmp_path):
    with pytest.raises(DiskProblem):
        exports.export_csv(example_project, tmp_path / "no" / "such" / "folder" / "w.csv")


def test_frames_without_atoms_have_no_pdb(example_project, tmp_path):
    inputs = dataclasses.replace(example_project.inputs, frames=(tmp_path,))  # a folder of MTZ files
    with pytest.raises(BadInput, match="without atoms"):
        exports.export_pdb(dataclasses.replace(example_project, inputs=inputs), tmp_path / "x.pdb")
