from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.scattering.store import FrameTable, StructureFactorStore, clear_way, is_store

N_FRAMES, N_HKL = 40, 500
KEY = {"input": "abc", "settings": {"b_iso": 0.0, "list": (1, 2)}}


def lattice(n_hkl: int = N_HKL) -> MillerLattice:
    hkl = np.random.default_rng(0).integers(-20, 21, (n_hkl, 3))
    return MillerLattice(hkl, gemmi.UnitCell(30, 31, 32, 80, 90, 100), gemmi.SpaceGroup("P 1"), (1, 2, 1))


def table(n_frames: int = N_FRAMES) -> FrameTable:
    half = n_frames // 2
    return FrameTable.blank(["a.xtc"] * half + ["b.xtc"] * (n_frames - half), [*range(half), *range(n_frames - half)])


def block(n_frames: int, n_hkl: int = N_HKL, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n_frames, n_hkl)) + 1j * rng.normal(size=(n_frames, n_hkl))).astype(np.complex64)


@pytest.fixture
def store(tmp_path) -> StructureFactorStore:
    return StructureFactorStore.create(tmp_path / "F.zarr", lattice(), table(), KEY)


def test_what_is_written_is_read_back_after_opening_again(store):
    values = block(N_FRAMES)
    drift, cell = np.arange(3.0 * 32).reshape(32, 3), np.full((32, 6), 31.5)
    store.write(0, values[:32], time=np.arange(32.0), drift=drift, cell=cell)
    store.write(32, values[32:])
    again = StructureFactorStore.open(store.path)
    assert again.is_complete
    np.testing.assert_array_equal(again.read(), values)
    np.testing.assert_array_equal(again.frames.drift[:32], drift)
    np.testing.assert_array_equal(again.frames.cell[:32], cell)
    np.testing.assert_array_equal(again.frames.time[:32], np.arange(32.0))
    assert np.isnan(again.frames.time[32:]).all()
    assert again.frames.source == table().source
    np.testing.assert_array_equal(again.frames.index, table().index)
    np.testing.assert_array_equal(again.lattice.hkl, lattice().hkl)
    assert again.lattice.cell.parameters == lattice().cell.parameters
    assert (again.lattice.ndiv, again.lattice.space_group.hm) == ((1, 2, 1), "P 1")


def test_slices_and_lists_of_frames_and_reflections(store):
    values = block(N_FRAMES)
    store.write(0, values)
    np.testing.assert_array_equal(store.read(slice(3, 30, 5)), values[3:30:5])
    np.testing.assert_array_equal(store.read(np.array([39, 2, 2])), values[[39, 2, 2]])
    np.testing.assert_array_equal(store.read(slice(5, 9), slice(100, 300)), values[5:9, 100:300])
    np.testing.assert_array_equal(store.read(slice(5, 9), np.array([7, 400])), values[5:9][:, [7, 400]])


def test_key_and_warnings_are_kept(store):
    store.warn(["one", "two"])
    store.warn(["two", "three"])
    again = StructureFactorStore.open(store.path)
    assert again.key == {"input": "abc", "settings": {"b_iso": 0.0, "list": [1, 2]}}
    assert again.origin == {**again.key, "warnings": ["one", "two", "three"]}


def test_finished_grows_frame_by_frame(store):
    store.write(0, block(5))
    store.write(5, block(2, seed=2))
    again = StructureFactorStore.open(store.path)
    assert again.finished.tolist() == [True] * 7 + [False] * 33
    assert not again.is_complete
    np.testing.assert_array_equal(again.read(slice(5, 7)), block(2, seed=2))
    np.testing.assert_array_equal(again.read(slice(0, 5)), block(5))


def test_large_lattices_are_cut_both_ways(tmp_path):
    wide = StructureFactorStore.create(tmp_path / "wide", lattice(1_000_000), table(), KEY)
    frames, reflections = wide._values.chunks
    assert frames * reflections * 8 <= 16 * 2**20
    assert frames < N_FRAMES < reflections < 1_000_000


def test_a_chunk_that_was_not_written_is_never_marked(store, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("zarr.storage._local._put", full)
    with pytest.raises(DiskProblem, match="disk is full"):
        store.write(0, block(4))
    assert not store.finished.any()
    monkeypatch.undo()
    assert not StructureFactorStore.open(store.path).finished.any()


def test_killed_while_writing_leaves_only_whole_frames(tmp_path):
    """A writer that is killed in the middle: every frame marked finished holds what was written."""
    script = """
import sys, time
sys.path.insert(0, sys.argv[2])
import test_store
store = test_store.StructureFactorStore.create(sys.argv[1], test_store.lattice(20000), test_store.table(400), {})
print("ready", flush=True)
for start in range(0, 400, 4):
    store.write(start, test_store.block(4, 20000, seed=start))
    print(start, flush=True)
    time.sleep(0.1 if start > 12 else 0)  # so that it is still writing when the signal comes, however busy the machine
"""
    place = tmp_path / "killed"
    command = [sys.executable, "-c", script, str(place), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        for line in writer.stdout:
            if line.strip() == "12":
                writer.send_signal(signal.SIGKILL)
                break
    store = StructureFactorStore.open(place)
    done = int(store.finished.sum())
    assert 16 <= done < 400
    assert store.finished[:done].all()
    for start in range(0, done, 4):
        np.testing.assert_array_equal(store.read(slice(start, start + 4)), block(4, 20000, seed=start))


def test_a_store_takes_the_place_of_a_store(store):
    store.write(0, block(5))
    fresh = StructureFactorStore.create(store.path, lattice(), table(), {"input": "other"})
    assert not fresh.finished.any()
    assert fresh.key == {"input": "other"}


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "empty").mkdir()
    assert StructureFactorStore.create(tmp_path / "empty", lattice(), table(), KEY).n_frames == N_FRAMES


@pytest.mark.parametrize("kind", ["folder", "file", "zarr"])
def test_strangers_are_never_removed(tmp_path, kind):
    place = tmp_path / "stranger"
    if kind == "file":
        place.write_text("thesis")
    else:
        place.mkdir()
        name = "zarr.json" if kind == "zarr" else "thesis.txt"
        (place / name).write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    with pytest.raises(BadInput, match="something else"):
        StructureFactorStore.create(place, lattice(), table(), KEY)
    assert place.exists()
    assert not is_store(place)
    with pytest.raises(BadInput, match="not a store"):
        StructureFactorStore.open(place)


def test_killed_while_being_replaced_it_is_still_a_store(store, monkeypatch):
    """What makes the folder a store goes last, so that it never becomes a stranger."""
    rmtree = shutil.rmtree
    removed = []

    def killed_after_the_third(part):
        rmtree(part)
        removed.append(part)
        if len(removed) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed_after_the_third)
    with pytest.raises(KeyboardInterrupt):
        clear_way(store.path)
    assert is_store(store.path)
    clear_way(store.path)
    assert list(store.path.iterdir()) == []


def test_opening_what_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="not a store"):
        StructureFactorStore.open(tmp_path / "nowhere")


def test_a_newer_store_is_neither_opened_nor_replaced_silently(store):
    header = json.loads((store.path / "zarr.json").read_text())
    header["attributes"]["schema"] = 99
    (store.path / "zarr.json").write_text(json.dumps(header))
    with pytest.raises(BadInput, match="newer version"):
        StructureFactorStore.open(store.path)
    with pytest.raises(BadInput, match="newer version"):
        clear_way(store.path)


@pytest.mark.parametrize("part", ["structure_factors/c/0/0", "hkl", "finished/zarr.json", "drift", "attributes"])
def test_a_damaged_store_is_one_sentence(store, part):
    store.write(0, block(N_FRAMES))
    if part == "attributes":
        header = json.loads((store.path / "zarr.json").read_text())
        del header["attributes"]["key"], header["attributes"]["ready"]
        (store.path / "zarr.json").write_text(json.dumps(header))
    elif (store.path / part).is_dir():
        shutil.rmtree(store.path / part)
    else:
        (store.path / part).unlink()
    with pytest.raises(BadInput, match="damaged"):
        StructureFactorStore.open(store.path)


def test_a_chunk_cut_short_is_a_disk_problem(store):
    store.write(0, block(N_FRAMES))
    chunk = store.path / "structure_factors" / "c" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:100])
    with pytest.raises(DiskProblem, match="read back"):
        store.read()


def test_no_permission_to_create(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("zarr.create_group", refuse)
    with pytest.raises(DiskProblem, match="no permission"):
        StructureFactorStore.create(tmp_path / "locked", lattice(), table(), KEY)
