"""Checkpoints of xtraj: read, collected into a store, written back. Structure factors by direct summation."""

from __future__ import annotations

import dataclasses
import resource
import signal
from pathlib import Path

import gemmi
import h5py
import numpy as np
import pytest

from mdweights_core import exports, jobs
from mdweights_core.crystal.lattice import MillerLattice, cell_parameters
from mdweights_core.crystal.laue import laue_groups
from mdweights_core.errors import BadInput, DiskProblem, MdweightsError
from mdweights_core.io.frames.frame_files import frame_kind
from mdweights_core.io.maps.observed import read_map
from mdweights_core.io.maps.xtraj import open_checkpoint, write_checkpoint, write_weights
from mdweights_core.project import FitInputs
from mdweights_core.scattering import collect as collecting
from mdweights_core.scattering.collect_xtraj import CheckpointFrames
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.scattering.storage.store import StructureFactorStore
from mdweights_core.weights.settings import FitSettings
from mdweights_core.workflow import fit_project

CELL = (21.0, 28.0, 35.0, 90.0, 90.0, 90.0)
N_FRAMES = 7


def half(space_group: str, ndiv=(1, 1, 1), limit=4) -> MillerLattice:
    """Return one reflection per group of a block of reciprocal space."""
    axis = np.arange(-limit, limit + 1)
    hkl = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    lattice = MillerLattice(hkl[hkl.any(axis=1)], gemmi.UnitCell(*CELL), gemmi.SpaceGroup(space_group), ndiv)
    return laue_groups(lattice).lattice


def frames_on(lattice: MillerLattice, n_frames: int = N_FRAMES) -> np.ndarray:
    """Return F of random atoms that have the symmetry of the lattice's space group, complex128 [n_frames, n_hkl]."""
    rng = np.random.default_rng(5)
    operations = list(lattice.space_group.operations())
    result = []
    for _ in range(n_frames):
        atoms = rng.random((6, 3))
        whole = np.concatenate([[op.apply_to_xyz(list(x)) for x in atoms] for op in operations])
        result.append(np.exp(2j * np.pi * (lattice.index @ whole.T)).sum(axis=1))
    return np.array(result)


def as_xtraj_writes(path: Path, lattice: MillerLattice, values: np.ndarray, **changes) -> Path:
    """Write the arrays under the names xtraj gives them; a change to None leaves one out."""
    arrays = {
        "entry/sample/unit_cell": CELL,
        "entry/sample/unit_cell_group": lattice.space_group.hm,
        "entry/reflections/hkl": lattice.index,
        "entry/reflections/diffuse": np.arange(len(lattice), dtype=float),
        "entry/data/fcalc_list": np.stack([values.real, values.imag], axis=-1).astype(np.float32),
        "entry/data/weights": np.ones(len(values), dtype=np.float32),
    }
    with h5py.File(path, "w") as file:
        for name, content in (arrays | changes).items():
            if content is not None:
                file[name] = content
    return path


def collect(path, lattice, out) -> StructureFactorStore:
    return jobs.run(collecting.collect(CheckpointFrames(path), lattice, out))


@pytest.mark.parametrize(("listed", "ndiv"), [("P 1", (1, 1, 1)), ("P 1", (2, 1, 3)), ("P 21 21 21", (1, 1, 1))])
def test_collected_frames_are_those_of_direct_summation(tmp_path, listed, ndiv):
    """In P1 as listed; in a space group from one asymmetric unit to all of reciprocal space."""
    asymmetric = half(listed, ndiv)
    path = as_xtraj_writes(tmp_path / "checkpoint.nxs", asymmetric, frames_on(asymmetric))
    wanted = laue_groups(half("P 1", ndiv, limit=3)).p1
    direct = frames_on(MillerLattice(wanted.hkl, wanted.cell, asymmetric.space_group, ndiv))
    store = collect(path, wanted, tmp_path / "f.zarr")
    assert store.is_complete
    np.testing.assert_array_equal(store.lattice.hkl, wanted.hkl)
    np.testing.assert_allclose(store.read(), direct, atol=1e-4)
    assert store.frames.source == (str(path),) * N_FRAMES
    assert store.frames.index.tolist() == list(range(N_FRAMES))
    assert any("P 21 21 21" in text for text in store.origin["warnings"]) == (listed != "P 1")


def test_the_other_friedel_mates_are_conjugate(tmp_path):
    lattice = laue_groups(half("P 1")).p1
    listed = MillerLattice(-lattice.hkl, lattice.cell, lattice.space_group)
    path = as_xtraj_writes(tmp_path / "checkpoint.nxs", listed, frames_on(listed))
    np.testing.assert_allclose(collect(path, lattice, tmp_path / "f.zarr").read(), frames_on(lattice), atol=1e-4)


def test_a_second_run_reuses_the_store_and_a_new_file_does_not(tmp_path):
    lattice = laue_groups(half("P 1")).p1
    path = as_xtraj_writes(tmp_path / "checkpoint.nxs", lattice, frames_on(lattice))
    collect(path, lattice, tmp_path / "f.zarr")
    assert list(collecting.collect(CheckpointFrames(path), lattice, tmp_path / "f.zarr")) == []
    as_xtraj_writes(path, lattice, 2 * frames_on(lattice))
    np.testing.assert_allclose(collect(path, lattice, tmp_path / "f.zarr").read(), 2 * frames_on(lattice), atol=1e-4)


def test_frames_are_read_some_at_a_time(tmp_path, monkeypatch):
    from mdweights_core.scattering import collect_xtraj

    lattice = laue_groups(half("P 1")).p1
    path = as_xtraj_writes(tmp_path / "checkpoint.nxs", lattice, frames_on(lattice))
    monkeypatch.setattr(collect_xtraj, "_BLOCK_BYTES", 2 * 8 * len(lattice))
    sizes = [len(block) for _, block in collect_xtraj._blocks(open_checkpoint(path), 0)]
    assert sizes == [2, 2, 2, 1]
    np.testing.assert_allclose(collect(path, lattice, tmp_path / "f.zarr").read(), frames_on(lattice), atol=1e-4)


def test_reflections_that_are_missing_are_left_out_and_said(tmp_path):
    lattice = laue_groups(half("P 1")).p1
    values = frames_on(lattice)
    values[3, 5] = np.nan
    path = as_xtraj_writes(tmp_path / "checkpoint.nxs", lattice, values)
    with pytest.raises(BadInput, match=r"In the checkpoint .* reflections of the map are missing"):
        collect(path, laue_groups(half("P 1", limit=6)).p1, tmp_path / "far.zarr")
    store = collect(path, lattice, tmp_path / "f.zarr")
    assert len(store.lattice) == len(lattice) - 1
    assert "1 of 364 reflections are missing" in store.origin["warnings"][0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"entry/sample/unit_cell": (22.0, *CELL[1:])}, "cell .* is not that of the map"),
        ({"entry/sample/unit_cell": None}, "no unit cell"),
        ({"entry/sample/unit_cell_group": None}, "no space group"),
        ({"entry/sample/unit_cell_group": "P 1 (a+b,b,c)"}, "no space group"),
        ({"entry/sample/unit_cell_group": "P 41"}, "does not fit"),
        ({"entry/reflections/hkl": None}, "no checkpoint"),
        ({"entry/data/fcalc_list": None}, "no checkpoint"),
        ({"entry/data/fcalc_list": np.zeros((7, 11, 2), dtype=np.float32)}, "not on its 364 reflections"),
        ({"entry/data/fcalc_list": np.zeros((0, 364, 2), dtype=np.float32)}, "not on its 364 reflections"),
        ({"entry/data/fcalc_list": np.zeros((7, 364, 2), dtype=np.float32)}, "Frame 1 .* never computed"),
        ({"entry/reflections/hkl": np.zeros((364, 3))}, "0 0 0 is listed more than once"),
        ({"entry/reflections/hkl": np.full((364, 3), np.nan)}, "no numbers"),
    ],
)
def test_checkpoints_that_cannot_be_used_are_a_sentence(tmp_path, changes, words):
    lattice = laue_groups(half("P 1")).p1
    path = as_xtraj_writes(tmp_path / "checkpoint.nxs", lattice, frames_on(lattice), **changes)
    with pytest.raises(BadInput, match=words):
        collect(path, lattice, tmp_path / "f.zarr")
    assert not (tmp_path / "f.zarr").exists()


def test_other_divisions_are_refused(tmp_path):
    lattice = laue_groups(half("P 1")).p1
    path = as_xtraj_writes(tmp_path / "checkpoint.nxs", lattice, frames_on(lattice))
    with pytest.raises(BadInput, match="not divided like"):
        collect(path, MillerLattice(lattice.hkl, lattice.cell, lattice.space_group, (2, 2, 2)), tmp_path / "f.zarr")


def test_a_damaged_checkpoint_leaves_an_older_store_alone(tmp_path):
    lattice = laue_groups(half("P 1")).p1
    path = as_xtraj_writes(tmp_path / "checkpoint.nxs", lattice, frames_on(lattice))
    collect(path, lattice, tmp_path / "f.zarr")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(BadInput, match="damaged"):
        collect(path, lattice, tmp_path / "f.zarr")
    assert StructureFactorStore.open(tmp_path / "f.zarr").is_complete


def test_the_measured_map_in_a_checkpoint_is_a_map(tmp_path):
    lattice = half("P 21 21 21")
    path = as_xtraj_writes(tmp_path / "checkpoint.nxs", lattice, frames_on(lattice))
    found = read_map(path)
    assert found.lattice.space_group.hm == "P 21 21 21"
    np.testing.assert_array_equal(found.lattice.hkl, lattice.hkl)
    np.testing.assert_array_equal(found.intensity, np.arange(len(lattice)))


def test_new_weights_go_into_a_copy_and_nothing_else_changes(tmp_path):
    lattice = half("P 1")
    path = as_xtraj_writes(tmp_path / "checkpoint.nxs", lattice, frames_on(lattice))
    before = path.read_bytes()
    weights = np.linspace(0, 2, N_FRAMES)
    write_weights(path, tmp_path / "out.nxs", weights)
    assert path.read_bytes() == before
    np.testing.assert_allclose(open_checkpoint(tmp_path / "out.nxs").weights, weights, rtol=1e-7)
    with h5py.File(path) as old, h5py.File(tmp_path / "out.nxs") as new:
        assert new["entry/data/weights"].dtype == np.float32
        for name in ("entry/data/fcalc_list", "entry/reflections/hkl", "entry/sample/unit_cell"):
            np.testing.assert_array_equal(old[name], new[name])
    write_weights(path, path, weights)
    np.testing.assert_allclose(open_checkpoint(path).weights, weights, rtol=1e-7)


def test_weights_of_another_number_of_frames_are_refused(tmp_path):
    lattice = half("P 1")
    path = as_xtraj_writes(tmp_path / "checkpoint.nxs", lattice, frames_on(lattice))
    with pytest.raises(BadInput, match="holds 7 frames, but there are 6 weights"):
        write_weights(path, tmp_path / "out.nxs", np.ones(6))
    assert not (tmp_path / "out.nxs").exists()
    with pytest.raises(DiskProblem, match="does not exist"):
        write_weights(path, tmp_path / "no" / "out.nxs", np.ones(7))


@pytest.mark.parametrize("ndiv", [(1, 1, 1), (2, 3, 20)])
def test_a_whole_checkpoint_comes_back(tmp_path, ndiv):
    lattice = half("P 1", ndiv)
    values = frames_on(lattice).astype(np.complex64)
    diffuse = np.linspace(-1, 1, len(lattice))
    weights = np.linspace(0.5, 1.5, N_FRAMES)
    write_checkpoint(tmp_path / "a.nxs", [values[:4], values[4:]], lattice, weights, diffuse)
    opened = open_checkpoint(tmp_path / "a.nxs")
    assert opened.lattice.ndiv == ndiv
    np.testing.assert_array_equal(opened.lattice.hkl, lattice.hkl)
    np.testing.assert_array_equal(opened.read(0, N_FRAMES), values)
    np.testing.assert_array_equal(opened.read(3, 5), values[3:5])
    np.testing.assert_allclose(opened.weights, weights, rtol=1e-7)
    np.testing.assert_allclose(read_map(tmp_path / "a.nxs").intensity, diffuse, rtol=1e-6)


@pytest.mark.parametrize("n", [5, 9])
def test_a_whole_checkpoint_needs_as_many_frames_as_weights(tmp_path, n):
    lattice = half("P 1")
    with pytest.raises(BadInput, match=f"{'more than ' if n > 7 else ''}{min(n, 7)} frames, but 7 weights"):
        write_checkpoint(tmp_path / "a.nxs", [frames_on(lattice, n)], lattice, np.ones(7), np.ones(len(lattice)))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def little_room():
    """Let no file grow beyond 100 kB, as on a disk that is nearly full; the signal would end the process."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_without_room_on_the_disk_the_older_file_stays(tmp_path, little_room):
    lattice = half("P 1")
    path = as_xtraj_writes(tmp_path / "a.nxs", lattice, frames_on(lattice))
    before = path.read_bytes()
    with pytest.raises(DiskProblem, match="too large"):
        write_checkpoint(path, [np.ones((50, len(lattice)))], lattice, np.ones(50), np.ones(len(lattice)))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_is_told_by_its_name_and_comes_alone(tmp_path):
    assert frame_kind((tmp_path / "checkpoint.nxs",)) == "checkpoint"
    with pytest.raises(MdweightsError, match="one checkpoint"):
        frame_kind((tmp_path / "a.nxs", tmp_path / "b.nxs"))


class TestOfAProject:
    """Exports of a finished fit that Lunus and map viewers read."""

    @pytest.mark.parametrize("which", exports.MAPS)
    def test_maps_on_the_whole_of_reciprocal_space(self, example_project, tmp_path, which):
        fit = example_project.fit
        wanted = {
            "observed": fit.observed,
            "calculated": fit.calculated,
            "difference": fit.observed - fit.calculated,
        }[which]
        lattice = fit.groups.lattice
        expected = {tuple(h): v for h, v in zip(lattice.hkl.tolist(), wanted, strict=True)}
        for name, export in (
            ("a.map", exports.export_ccp4),
            ("a.lat", exports.export_lat),
            ("a.hkl", exports.export_hkl),
        ):
            export(example_project, tmp_path / name, which)
            found = read_map(tmp_path / name, cell=lattice.cell, space_group=lattice.space_group.hm)
            table = {tuple(h): v for h, v in zip(found.lattice.hkl.tolist(), found.intensity, strict=True)}
            n_all = len(fit.groups.p1) * (1 if name == "a.hkl" else 2)
            assert len(table) == n_all
            assert all(abs(table[h] - v) <= 1e-6 * abs(v) for h, v in expected.items() if h in table)
            assert sum(h in table for h in expected) == len(expected)

    def test_an_unknown_map_is_refused(self, example_project, tmp_path):
        with pytest.raises(BadInput, match="no map called 'sigma'"):
            exports.export_ccp4(example_project, tmp_path / "a.map", "sigma")

    def test_a_checkpoint_gives_the_same_fit_again(self, example_project, tmp_path):
        """Frames from a trajectory go out whole; frames from that checkpoint give the same store and get weights."""
        fit = example_project.fit
        exports.export_checkpoint(example_project, tmp_path / "out.nxs")
        opened = open_checkpoint(tmp_path / "out.nxs")
        np.testing.assert_allclose(opened.weights, fit.weights * len(fit.weights), rtol=1e-6)
        store = StructureFactorStore.open(example_project.store_path)
        again = collect(tmp_path / "out.nxs", store.lattice, tmp_path / "f.zarr")
        np.testing.assert_array_equal(again.read(), store.read())
        average = laue_groups(
            MillerLattice(opened.lattice.hkl, fit.groups.lattice.cell, fit.groups.lattice.space_group)
        )
        np.testing.assert_array_equal(average.lattice.hkl, fit.groups.lattice.hkl)

    def test_a_lattice_and_a_checkpoint_are_fitted_like_an_mtz_and_a_trajectory(self, example_project, tmp_path):
        lattice = example_project.fit.groups.lattice
        exports.export_lat(example_project, tmp_path / "map.lat", "observed")
        exports.export_checkpoint(example_project, tmp_path / "in.nxs")
        inputs = FitInputs(
            map=tmp_path / "map.lat",
            frames=(tmp_path / "in.nxs",),
            cell=cell_parameters(lattice.cell),
            space_group=lattice.space_group.hm,
        )
        settings = dataclasses.replace(FitSettings(), max_steps=3)
        fit = jobs.run(fit_project(inputs, PredictSettings(), settings, tmp_path / "a.mdw")).fit
        expected = example_project.fit
        np.testing.assert_allclose(fit.observed, expected.observed, rtol=1e-6)
        # the scale depends on which reflections are held out, and a lattice has no flags
        together = np.corrcoef(fit.uniform_calculated, expected.uniform_calculated)[0, 1]
        assert together > 1 - 1e-9

    def test_weights_go_into_the_checkpoint_the_frames_came_from(self, example_project, tmp_path):
        exports.export_checkpoint(example_project, tmp_path / "in.nxs")
        write_weights(tmp_path / "in.nxs", tmp_path / "in.nxs", np.ones(len(example_project.fit.weights)))
        inputs = dataclasses.replace(example_project.inputs, frames=(tmp_path / "in.nxs",))
        project = dataclasses.replace(example_project, inputs=inputs)
        exports.export_checkpoint(project, tmp_path / "out.nxs")
        weights = project.fit.weights * len(project.fit.weights)
        np.testing.assert_allclose(open_checkpoint(tmp_path / "out.nxs").weights, weights, rtol=1e-6)
        assert set(open_checkpoint(tmp_path / "in.nxs").weights) == {1.0}
