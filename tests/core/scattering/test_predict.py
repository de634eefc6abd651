from __future__ import annotations

import dataclasses
import errno
import os
import threading
import time
from pathlib import Path

import gemmi
import mdtraj
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.frames.atoms import make_atoms
from mdweights_core.io.frames.trajectories import FrameSource, open_frames
from mdweights_core.scattering.engine.structure_factors import ScatteringEngine, structure_factors
from mdweights_core.scattering.frames.placement import anchor_atoms
from mdweights_core.scattering.predict import predict
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.storage.store import StructureFactorStore

CELL = gemmi.UnitCell(24, 26, 28, 85, 95, 105)


P1 = gemmi.SpaceGroup("P 1")


N_ATOMS = 60


KEEP = PredictSettings(remove_drift=False, relative_error=1e-5)


def write_frames(folder: Path, positions: np.ndarray, cells: np.ndarray | None, name: str = "run") -> FrameSource:
    """A trajectory (DCD keeps positions to float32) of alanine-like residues with the given angstrom positions."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(N_ATOMS // 4):
        residue = topology.add_residue("ALA", chain, resSeq=number + 1)
        for atom, symbol in (("N", "N"), ("CA", "C"), ("CB", "C"), ("O", "O")):
            topology.add_atom(atom, mdtraj.element.get_by_symbol(symbol), residue)
    frames = mdtraj.Trajectory(positions / 10, topology)
    if cells is not None:
        frames.unitcell_lengths, frames.unitcell_angles = cells[:, :3] / 10, cells[:, 3:]
    frames[0].save_pdb(str(folder / f"{name}.pdb"))
    frames.save_dcd(str(folder / f"{name}.dcd"))
    return open_frames([folder / f"{name}.dcd"], folder / f"{name}.pdb")


def scene(n_frames: int = 6, *, jitter: float = 0.3, seed: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 1, (N_ATOMS, 3)) @ np.array(CELL.orth.mat.tolist()).T
    noise = rng.normal(scale=jitter, size=(n_frames, N_ATOMS, 3))
    return start + noise


def cells_like(parameters, n_frames: int) -> np.ndarray:
    return np.tile(np.array(parameters, dtype=float), (n_frames, 1))


@pytest.fixture
def lattice() -> MillerLattice:
    return half_lattice(CELL, P1, 4.0)


@pytest.fixture
def source(tmp_path) -> FrameSource:
    return write_frames(tmp_path, scene(), cells_like(CELL.parameters, 6))


def expected(source: FrameSource, lattice: MillerLattice) -> np.ndarray:
    return np.array(
        [
            structure_factors(source.positions(t), source.atoms.element, lattice, CELL, relative_error=1e-7)
            for t in range(source.n_frames)
        ]
    )


def error(one, other) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def test_store_holds_the_structure_factors_of_all_frames(source, lattice, tmp_path):
    snapshots: list[jobs.Progress] = []
    store = jobs.run(predict(source, lattice, KEEP, tmp_path / "F"), snapshots.append)
    assert store.is_complete
    assert error(store.read(), expected(source, lattice)) < 1e-5
    assert store.frames.source == (str(source.paths[0]),) * 6
    assert store.frames.index.tolist() == list(range(6))
    np.testing.assert_allclose(store.frames.cell, cells_like(CELL.parameters, 6), atol=1e-3)
    last = snapshots[-1]
    assert (last.stage, last.step, last.total) == ("structure factors", 6, 6)
    assert last.values["frames_per_second"] > 0
    assert last.values["seconds_left"] == 0


def test_second_run_computes_nothing(source, lattice, tmp_path, monkeypatch):
    first = jobs.run(predict(source, lattice, KEEP, tmp_path / "F")).read()
    monkeypatch.setattr("mdweights_core.scattering.engine.device.ScatteringEngine", None)
    again = jobs.run(predict(source, lattice, KEEP, tmp_path / "F"))
    np.testing.assert_array_equal(again.read(), first)


def test_other_settings_frames_or_reflections_are_computed_anew(source, lattice, tmp_path):
    out = tmp_path / "F"
    keys = [jobs.run(predict(source, lattice, KEEP, out)).key]
    keys.append(jobs.run(predict(source, lattice, PredictSettings(b_iso=20), out)).key)
    keys.append(jobs.run(predict(source, lattice.select(slice(100)), KEEP, out)).key)
    other = write_frames(tmp_path, scene(seed=6), None, "other")
    keys.append(jobs.run(predict(other, lattice, KEEP, out)).key)
    keys.append(jobs.run(predict(other, lattice, KEEP, out, cell=gemmi.UnitCell(24, 26, 28.01, 85, 95, 105))).key)
    assert len({str(key) for key in keys}) == 5


class Interrupting(ScatteringEngine):
    """An engine that takes its time, so that there is something to stop."""

    calls = 0

    def __call__(self, positions):
        type(self).calls += 1
        time.sleep(0.05)
        return super().__call__(positions)


@pytest.mark.parametrize("how", ["stop", "close"])
def test_stopped_run_keeps_its_frames_and_is_gone_on_with(tmp_path, lattice, monkeypatch, how):
    source = write_frames(tmp_path, scene(40), cells_like(CELL.parameters, 40))
    whole = jobs.run(predict(source, lattice, PredictSettings(), tmp_path / "whole"))
    monkeypatch.setattr("mdweights_core.scattering.engine.device.ScatteringEngine", Interrupting)
    job = predict(source, lattice, PredictSettings(), tmp_path / "F")
    while next(job).step < 5:
        pass
    assert jobs.stop(job) is None if how == "stop" else job.close() is None
    done = int(StructureFactorStore.open(tmp_path / "F").finished.sum())
    assert 5 <= done < 40
    Interrupting.calls = 0
    store = jobs.run(predict(source, lattice, PredictSettings(), tmp_path / "F"))
    assert Interrupting.calls == 40 - done
    np.testing.assert_array_equal(store.read(), whole.read())
    np.testing.assert_allclose(store.frames.drift, whole.frames.drift, atol=1e-9)


def test_snapshots_come_while_a_frame_takes_long(source, lattice, tmp_path, monkeypatch):
    go_on = threading.Event()

    class Slow(ScatteringEngine):
        def __call__(self, positions):
            go_on.wait(20)
            return super().__call__(positions)

    monkeypatch.setattr("mdweights_core.scattering.engine.device.ScatteringEngine", Slow)
    job = predict(source, lattice, KEEP, tmp_path / "F")
    next(job)
    assert next(job).step == 0
    go_on.set()
    job.close()


def test_damaged_store_is_replaced_and_a_stranger_is_not(source, lattice, tmp_path):
    out = tmp_path / "F"
    before = jobs.run(predict(source, lattice, KEEP, out)).read()
    (out / "hkl" / "zarr.json").unlink()
    np.testing.assert_array_equal(jobs.run(predict(source, lattice, KEEP, out)).read(), before)
    stranger = tmp_path / "thesis"
    stranger.mkdir()
    (stranger / "chapter.txt").write_text("one")
    with pytest.raises(BadInput, match="something else"):
        jobs.run(predict(source, lattice, KEEP, stranger))
    assert (stranger / "chapter.txt").read_text() == "one"


def test_two_runs_do_not_mix_their_frames_in_one_store(source, lattice, tmp_path):
    out = tmp_path / "f.zarr"
    first = predict(source, lattice, PredictSettings(), out)
    next(first)
    for settings in (PredictSettings(), PredictSettings(b_iso=20)):
        with pytest.raises(DiskProblem, match="Another run"):
            jobs.run(predict(source, lattice, settings, out))
    assert jobs.run(first).is_complete
    assert jobs.run(predict(source, lattice, PredictSettings(b_iso=20), out)).is_complete  # it is free again


def test_an_unknown_element_leaves_the_older_store_alone(source, lattice, tmp_path, monkeypatch):
    out = tmp_path / "f.zarr"
    before = jobs.run(predict(source, lattice, PredictSettings(), out)).read()
    odd = dataclasses.replace(source.atoms, element=np.full(len(source.atoms), "X"))
    monkeypatch.setattr(source, "atoms", odd)
    with pytest.raises(BadInput, match="no X-ray form factor"):
        jobs.run(predict(source, lattice, PredictSettings(b_iso=20), out))
    np.testing.assert_array_equal(StructureFactorStore.open(out).read(), before)


def test_full_disk_is_a_sentence(source, lattice, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    job = predict(source, lattice, KEEP, tmp_path / "F")
    next(job)
    monkeypatch.setattr("zarr.storage._local._put", full)
    with pytest.raises(DiskProblem, match="disk is full"):
        jobs.run(job)
    assert not (tmp_path / "F").exists()


# --- drift -----------------------------------------------------------------------------------------------------------


def test_common_translation_is_found_and_taken_out(tmp_path, lattice):
    """A drift that grows to more than a cell, with every frame's atoms wrapped into the cell by its edges."""
    still = np.repeat(scene(1), 12, axis=0)
    drift = np.outer(np.arange(12), [2.5, -1.7, 3.1])
    orthogonal = np.array(CELL.orth.mat.tolist())
    inside = (still + drift[:, None]) @ np.linalg.inv(orthogonal).T % 1.0
    source = write_frames(tmp_path, inside @ orthogonal.T, cells_like(CELL.parameters, 12))
    store = jobs.run(predict(source, lattice, PredictSettings(), tmp_path / "F"))
    np.testing.assert_allclose(store.frames.drift, drift, atol=1e-3)
    assert error(store.read(), np.repeat(store.read(np.array([0])), 12, axis=0)) < 1e-4
    kept = jobs.run(predict(source, lattice, KEEP, tmp_path / "kept"))
    assert error(kept.read(), np.repeat(kept.read(np.array([0])), 12, axis=0)) > 0.5
    assert any("drift by up to 47.6" in warning for warning in kept.origin["warnings"])


def test_rotation_is_not_taken_out(tmp_path, lattice):
    positions = np.repeat(scene(1), 2, axis=0)
    centre = positions[0].mean(axis=0)
    turn = np.array([[np.cos(0.1), -np.sin(0.1), 0], [np.sin(0.1), np.cos(0.1), 0], [0, 0, 1]])
    positions[1] = (positions[1] - centre) @ turn.T + centre
    source = write_frames(tmp_path, positions, cells_like(CELL.parameters, 2))
    store = jobs.run(predict(source, lattice, PredictSettings(), tmp_path / "F"))
    values = store.read()
    assert error(values[1], values[0]) > 0.3


@pytest.mark.parametrize(
    ("elements", "names", "residues", "rows"),
    [
        ("NCCO", ["N", "CA", "C", "O"], ["ALA"] * 4, [1]),
        ("OPHO", ["O", "P", "H", "O"], ["DA", "DA", "DA", "HOH"], [0, 1]),
        (["Ca", "O", "H", "H"], ["CA", "O", "H1", "H2"], ["CAL", "HOH", "HOH", "HOH"], [0, 1, 2, 3]),
    ],
)
def test_atoms_that_tell_the_drift(elements, names, residues, rows):
    atoms = make_atoms(elements, names, residues, range(4), ["A"] * 4)
    assert anchor_atoms(atoms).tolist() == rows


# --- boxes -----------------------------------------------------------------------------------------------------------


def run_with_box(tmp_path, parameters, lattice, positions=None):
    positions = scene() if positions is None else positions
    source = write_frames(tmp_path, positions, cells_like(parameters, len(positions)))
    return source, jobs.run(predict(source, lattice, KEEP, tmp_path / "F"))


def test_positions_are_scaled_with_a_slightly_other_box(tmp_path, lattice):
    """Frames of constant pressure: the same fractional coordinates in a box 0.3 % larger give the same F."""
    a, b, c, *angles = CELL.parameters
    box = (a * 1.003, b * 1.003, c * 1.003, *angles)
    fractional = scene() @ np.linalg.inv(np.array(CELL.orth.mat.tolist())).T
    stretched = fractional @ np.array(gemmi.UnitCell(*box).orth.mat.tolist()).T
    reference = write_frames(tmp_path, scene(), None, "reference")
    _, store = run_with_box(tmp_path, box, lattice, stretched)
    assert error(store.read(), expected(reference, lattice)) < 1e-4
    (warning,) = store.origin["warnings"]
    assert "0.30 %" in warning
    assert "scaled with the box" in warning


@pytest.mark.parametrize(
    ("factor", "saying"), [(1.012, "differs from the cell"), (1.4, "not the crystal's cell"), (1.0005, None)]
)
def test_other_boxes_are_left_aside_and_said(tmp_path, lattice, factor, saying):
    a, b, c, *angles = CELL.parameters
    source, store = run_with_box(tmp_path, (a * factor, b, c, *angles), lattice)
    if saying is None:
        assert store.origin["warnings"] == []
        return
    (warning,) = store.origin["warnings"]
    assert saying in warning
    assert error(store.read(), expected(source, lattice)) < 1e-5


def test_box_of_several_cells(tmp_path, lattice):
    """Two equal cells side by side scatter twice as much as one at the cell's own indices."""
    a, b, c, *angles = CELL.parameters
    one = scene(3)[:, : N_ATOMS // 2]
    edge = np.array(CELL.orth.mat.tolist()) @ [1, 0, 0]
    source, store = run_with_box(tmp_path, (2 * a, b, c, *angles), lattice, np.concatenate([one, one + edge], axis=1))
    assert "2 x 1 x 1 cells" in store.origin["warnings"][0]
    assert error(store.read(), expected(source, lattice)) < 1e-5


def test_breathing_box_is_said(tmp_path, lattice):
    cells = cells_like(CELL.parameters, 6) * np.r_[np.linspace(1, 1.004, 6), 1][:6, None] ** [1, 1, 1, 0, 0, 0]
    source = write_frames(tmp_path, scene(), cells)
    store = jobs.run(predict(source, lattice, KEEP, tmp_path / "F"))
    assert "changes by up to 0.40 %" in store.origin["warnings"][0]


def test_box_of_another_simulation(tmp_path, lattice):
    cells = cells_like(CELL.parameters, 6)
    cells[4, :3] = 60
    source = write_frames(tmp_path, scene(), cells)
    with pytest.raises(BadInput, match="The box of frame 5"):
        jobs.run(predict(source, lattice, KEEP, tmp_path / "F"))
    assert StructureFactorStore.open(tmp_path / "F").finished.sum() == 4


def test_frames_without_a_box(tmp_path, lattice):
    source = write_frames(tmp_path, scene(), None)
    store = jobs.run(predict(source, lattice, KEEP, tmp_path / "F"))
    assert store.origin["warnings"] == []
    assert np.isnan(store.frames.cell).all()
    assert error(store.read(), expected(source, lattice)) < 1e-5


# --- bad requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [{"relative_error": 0.0}, {"relative_error": 1.0}, {"b_iso": np.nan}, {"b_iso": -1e6}, {"b_iso": 1e6}],
)
def test_settings_out_of_range(settings):
    with pytest.raises(BadInput, match="must lie between"):
        PredictSettings(**settings)


def test_no_reflections(source, lattice, tmp_path):
    with pytest.raises(BadInput, match="no reflections"):
        jobs.run(predict(source, lattice.select(slice(0)), KEEP, tmp_path / "F"))


# --- real data -------------------------------------------------------------------------------------------------------


def test_lysozyme_against_direct_summation(shared_data, tmp_path):
    folder = shared_data / "lysozyme"
    source = open_frames([folder / "lyso.xtc"], folder / "lyso_topology.pdb")
    cell = gemmi.UnitCell(27.424, 32.134, 34.513, 88.66, 108.46, 111.88)
    lattice = half_lattice(cell, P1, 3.0)
    store = jobs.run(predict(source, lattice, KEEP, tmp_path / "F"))
    assert store.n_frames == 101
    assert "not the crystal's cell" in store.origin["warnings"][0]
    elements, kind = np.unique(source.atoms.element, return_inverse=True)
    stol2 = cell.calculate_1_d2_array(lattice.hkl) / 4
    f = np.array([[gemmi.Element(str(e)).it92.calculate_sf(s) for s in stol2] for e in elements])
    for frame in (100,):
        place = source.positions(frame).astype(float) @ np.array(cell.frac.mat.tolist()).T
        direct = (f[kind].T * np.exp(2j * np.pi * (lattice.hkl @ place.T))).sum(axis=1)
        assert error(store.read(np.array([frame]))[0], direct) < KEEP.relative_error


def test_peptide_crystal_supercell(shared_data, tmp_path):
    folder = shared_data / "peptide_crystal"
    source = open_frames([folder / "mdXtal.nc"], folder / "x6dky.parm7")
    lattice = half_lattice(gemmi.UnitCell(19.142, 23.632, 23.851, 90, 90, 90), gemmi.SpaceGroup("P 2 21 21"), 2.5)
    store = jobs.run(predict(source, lattice, PredictSettings(), tmp_path / "F"))
    assert store.origin["warnings"] == ["The box of the frames holds 2 x 1 x 1 cells"]
    assert store.lattice.space_group.hm == "P 1"
    assert np.isfinite(store.read()).all()


def test_jumps_are_told_from_drift():
    from mdweights_core.scattering.frames.placement import jumps

    rng = np.random.default_rng(0)
    steps = rng.normal(size=(100, 3))
    assert jumps(steps)
    assert not jumps(np.cumsum(steps, axis=0))
    assert not jumps(np.zeros((100, 3)))
    assert not jumps(steps[:5])  # too few to tell


def test_no_flat_solvent_is_added_to_frames_that_hold_their_water(shared_data, tmp_path):
    trajectories = shared_data / "trajectories"
    source = open_frames([trajectories / "adk_oplsaa.xtc"], trajectories / "adk_oplsaa.gro")
    lattice = half_lattice(source.cell, gemmi.SpaceGroup("P 1"), 12.0)
    masked = jobs.run(predict(source, lattice, PredictSettings(solvent="mask"), tmp_path / "masked.zarr"))
    plain = jobs.run(predict(source, lattice, PredictSettings(), tmp_path / "plain.zarr"))
    assert np.array_equal(masked.read(), plain.read())
    assert any("No flat bulk solvent" in text for text in masked.origin["warnings"])
    assert not any("bulk solvent" in text for text in plain.origin["warnings"])


def test_the_drift_is_that_of_the_crystal_whatever_is_selected(shared_data, tmp_path):
    """F of all atoms is the sum of F of any selection and F of the rest."""
    trajectories = shared_data / "trajectories"
    source = open_frames([trajectories / "adk_oplsaa.xtc"], trajectories / "adk_oplsaa.gro")
    lattice = half_lattice(source.cell, gemmi.SpaceGroup("P 1"), 8.0)
    stores = [
        jobs.run(predict(source, lattice, PredictSettings(selection=text), tmp_path / f"{n}.zarr"))
        for n, text in enumerate(("", "protein", "not protein"))
    ]
    every, protein, rest = (store.read() for store in stores)
    assert np.linalg.norm(every - protein - rest) < 3e-4 * np.linalg.norm(every)
    for store in stores[1:]:
        assert np.allclose(store.frames.drift, stores[0].frames.drift)
