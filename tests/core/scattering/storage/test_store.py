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

from mdweights_core import jobs
from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.scattering.storage.layout import frames_text
from mdweights_core.scattering.storage.store import (
    FrameTable,
    StructureFactorStore,
    clear_way,
    is_store,
    store_bytes,
)

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
    assert again.origin == {**again.key, "warnings": ["one", "two", "three"], "notes": []}


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


def test_a_store_begun_with_few_frames_grows_in_large_files(tmp_path):
    first = StructureFactorStore.create(tmp_path / "F", lattice(50_000), table(1), KEY)
    whole = StructureFactorStore.create(tmp_path / "G", lattice(50_000), table(1000), KEY)
    assert first.frames_per_chunk == whole.frames_per_chunk == 32


def test_what_is_said_of_all_frames_is_said_anew(store):
    store.warn(["once", "again"])
    store.conclude(["again", "40 frames drift"])
    store.conclude(["50 frames drift"])
    store.note(["kept"])
    assert StructureFactorStore.open(store.path).origin["warnings"] == ["once", "again", "50 frames drift"]
    store.extend(FrameTable.blank(["a.xtc"] * 60, range(60)), KEY)
    assert (store.origin["warnings"], store.origin["notes"], store.noted) == ([], ["kept"], ["kept"])
    assert StructureFactorStore.open(store.path).noted == []  # in an earlier run


def test_forgotten_frames_are_unfinished_once_something_is_written(store):
    values = block(N_FRAMES)
    store.write(0, values)
    store.forget(np.array([3, 35]))
    assert StructureFactorStore.open(store.path).is_complete
    store.write(3, values[3:4])
    again = StructureFactorStore.open(store.path)
    assert np.flatnonzero(~again.finished).tolist() == [35]
    np.testing.assert_array_equal(again.read(slice(35)), values[:35])


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
    with pytest.raises(BadInput, match="no store of structure factors here"):
        StructureFactorStore.open(tmp_path / "nowhere")


def test_a_newer_store_is_neither_opened_nor_replaced_silently(store):
    header = json.loads((store.path / "zarr.json").read_text())
    header["attributes"]["schema"] = 99
    (store.path / "zarr.json").write_text(json.dumps(header))
    with pytest.raises(BadInput, match="newer version"):
        StructureFactorStore.open(store.path)
    with pytest.raises(BadInput, match="newer version"):
        clear_way(store.path)


@pytest.mark.parametrize("part", ["hkl", "hkl/c/0/0", "index/c/0", "finished/zarr.json", "drift", "attributes"])
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


def spoil(chunk: Path, how: str) -> None:
    content = bytearray(chunk.read_bytes())
    if how == "missing":
        chunk.unlink()
    elif how == "flipped":
        content[len(content) // 3] ^= 4
        chunk.write_bytes(content)
    else:
        chunk.write_bytes(content[: 0 if how == "empty" else len(content) - 7])


@pytest.mark.parametrize("how", ["missing", "empty", "short", "flipped"])
def test_frames_of_a_broken_chunk_are_told_and_lose_their_mark(store, how):
    """Whether it is noticed by reading, when the store is opened again or by looking through all of it."""
    values = block(N_FRAMES)
    store.write(0, values)
    chunk = store.path / "structure_factors" / "c" / "1" / "0"
    rows = store.frames_per_chunk
    assert (rows, chunk.exists()) == (32, True)
    spoil(chunk, how)
    np.testing.assert_array_equal(store.read(slice(0, rows)), values[:rows])
    looking = StructureFactorStore.open(store.path)
    assert jobs.run(looking.verify()).tolist() == list(range(rows, N_FRAMES))
    assert looking.finished.tolist() == [True] * rows + [False] * (N_FRAMES - rows)
    with pytest.raises(DiskProblem, match=r"frames 33 to 40 are damaged on disk\. Run predict again"):
        store.read(np.array([3, 35]), slice(5))
    again = StructureFactorStore.open(store.path)
    assert again.finished.tolist() == [True] * rows + [False] * (N_FRAMES - rows)
    again.write(rows, values[rows : rows + 2])  # into what is left of the chunk
    assert again.finished.sum() == rows + 2
    np.testing.assert_array_equal(StructureFactorStore.open(store.path).read(slice(rows + 2)), values[: rows + 2])
    assert jobs.run(again.verify()).tolist() == []


def test_frames_written_beside_broken_ones(store):
    """A chunk is read before some of its frames are written: what is broken is told, and is gone the next time."""
    values = block(N_FRAMES)
    store.write(0, values[:5])
    spoil(store.path / "structure_factors" / "c" / "0" / "0", "flipped")
    with pytest.raises(DiskProblem, match="frames 1 to 5 are damaged on disk"):
        store.write(5, values[5:8])
    assert not StructureFactorStore.open(store.path).finished.any()
    store.write(5, values[5:8])
    np.testing.assert_array_equal(StructureFactorStore.open(store.path).read(slice(5, 8)), values[5:8])


def test_a_mark_taken_here_is_gone_on_disk_before_the_chunk_is_there_again(store):
    values = block(N_FRAMES)
    store.write(0, values)
    (store.path / "structure_factors" / "c" / "0" / "0").unlink()
    reopened = StructureFactorStore.open(store.path)
    assert not reopened.finished[:32].any()
    reopened.write(0, values[:3])
    assert StructureFactorStore.open(store.path).finished.tolist() == [True] * 3 + [False] * 29 + [True] * 8


def test_halves_of_files_are_removed(store):
    store.write(0, block(4))
    for folder in ("structure_factors/c/0", "finished/c", "."):
        (store.path / folder / "0.123abc.partial").write_bytes(b"half")
    jobs.run(store.verify())
    assert list(store.path.rglob("*.partial")) == []


def test_names_of_frames():
    assert frames_text(np.array([4])) == "frame 5"
    assert frames_text(np.array([0, 1, 2, 7])) == "frames 1 to 3 and 8"
    assert frames_text(np.arange(0, 20, 2)) == "frames 1, 3, 5 and 7 more"


# --- more frames -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_new", [3, 2000])
def test_frames_are_added_at_the_end(store, n_new):
    values = block(N_FRAMES)
    store.write(0, values, time=np.arange(40.0))
    n = N_FRAMES + n_new
    longer = FrameTable.blank(
        ["a.xtc"] * 20 + ["moved.xtc"] * 20 + ["c.xtc"] * n_new, [*range(20), *range(20), *range(n_new)]
    )
    store.extend(longer, {"input": "more"})
    for made in (store, StructureFactorStore.open(store.path)):
        assert made.n_frames == n
        assert made.finished.tolist() == [True] * N_FRAMES + [False] * n_new
        assert made.frames.source == longer.source
        np.testing.assert_array_equal(made.frames.index, longer.index)
        np.testing.assert_array_equal(made.frames.time[:N_FRAMES], np.arange(40.0))
        assert np.isnan(made.frames.time[N_FRAMES:]).all()
        assert made.key == {"input": "more"}
        np.testing.assert_array_equal(made.read(slice(N_FRAMES)), values)
    store.write(N_FRAMES, block(n_new, seed=3))
    np.testing.assert_array_equal(
        StructureFactorStore.open(store.path).read(slice(N_FRAMES, None)), block(n_new, seed=3)
    )


def test_killed_while_frames_are_added_it_is_as_before(store, monkeypatch):
    """The number of frames in the header is written last: longer arrays mean nothing yet."""
    values = block(N_FRAMES)
    store.write(0, values)
    longer = FrameTable.blank(["a.xtc"] * 60, range(60))
    with monkeypatch.context() as killed:
        killed.setattr(
            "mdweights_core.scattering.storage.store.frame_attributes",
            lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            store.extend(longer, KEY)
    before = StructureFactorStore.open(store.path)
    assert (before.n_frames, before.is_complete, before.key["input"]) == (N_FRAMES, True, "abc")
    np.testing.assert_array_equal(before.read(), values)
    before.extend(longer, KEY)
    assert (before.n_frames, int(before.finished.sum())) == (60, N_FRAMES)


def test_a_store_of_the_first_kind_is_still_read(tmp_path):
    """As they were written: no checksums, no digests, tables in one chunk, the number of frames that of the arrays."""
    import zarr

    place, values, frames = tmp_path / "old", block(N_FRAMES), table()
    group = zarr.create_group(place, zarr_format=3, attributes={"format": "mdweights structure factors", "schema": 1})
    columns = {
        "hkl": lattice().hkl,
        "source_id": np.repeat([0, 1], 20).astype(np.int32),
        "finished": np.arange(N_FRAMES) < 32,
        **{name: getattr(frames, name) for name in ("index", "time", "drift", "cell")},
    }
    for name, data in columns.items():
        group.create_array(name, data=data, chunks=data.shape)
    made = group.create_array(
        "structure_factors", shape=values.shape, chunks=(32, N_HKL), dtype="complex64", compressors=None
    )
    made[...] = values
    group.attrs.update(
        {
            "cell": [30, 31, 32, 80, 90, 100],
            "space_group": "P 1",
            "ndiv": [1, 2, 1],
            "sources": ["a.xtc", "b.xtc"],
            "key": {"method": 1},
            "ready": True,
        }
    )
    store = StructureFactorStore.open(place)
    np.testing.assert_array_equal(store.read(slice(32)), values[:32])
    assert store.frames.source == frames.source
    assert (store.n_frames, int(store.finished.sum()), store.digests) == (N_FRAMES, 32, None)
    spoil(place / "structure_factors" / "c" / "0" / "0", "short")
    with pytest.raises(DiskProblem, match="frames 1 to 32 are damaged"):
        store.read(np.array([0]))


def test_bytes_on_disk_are_foretold(store):
    store.write(0, block(N_FRAMES))
    files = (store.path / "structure_factors" / "c").rglob("*")
    assert sum(file.stat().st_size for file in files if file.is_file()) == store_bytes(N_FRAMES, N_HKL)
    for n_frames, n_hkl in [(1, 1_570_000), (33, 33_000), (101, 16_517), (1000, 1_570_000), (1000, 15_000_000)]:
        beyond = store_bytes(n_frames, n_hkl) - 8 * n_frames * n_hkl  # the last files are as large as the others
        assert 0 <= beyond < 130 * 2**20 + 0.05 * 8 * n_frames * n_hkl


def test_no_permission_to_create(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("zarr.create_group", refuse)
    with pytest.raises(DiskProblem, match="no permission"):
        StructureFactorStore.create(tmp_path / "locked", lattice(), table(), KEY)
