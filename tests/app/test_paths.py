"""Dropped files are told apart by their names."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from app.models.paths import Sorted, sort_paths
from mdweights_core.io.frames.frame_files import frame_mtzs, natural_order


@pytest.fixture
def frames_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in ("f_10.mtz", "f_2.mtz", "f_1.MTZ", "notes.txt"):
        (folder / name).touch()
    return folder


def test_a_map_a_trajectory_and_its_topology_dropped_together() -> None:
    given = [Path("run.xtc"), Path("run.pdb"), Path("Map.MTZ"), Path("readme.txt")]
    assert sort_paths(given) == Sorted(
        map=Path("Map.MTZ"), frames=(Path("run.xtc"),), topology=Path("run.pdb"), unknown=(Path("readme.txt"),)
    )


@pytest.mark.parametrize(
    "name", ["a.xtc", "a.dcd", "a.nc", "a.trr", "a.h5", "a.XTC", "run.v2.dcd", "with space.xtc", "store.zarr"]
)
def test_frames(name: str) -> None:
    assert sort_paths([Path(name)]).frames == (Path(name),)


def test_models_in_a_coordinate_file_alone_are_frames() -> None:
    assert sort_paths([Path("nmr.pdb")]).frames == (Path("nmr.pdb"),)


def test_several_trajectories_keep_their_order() -> None:
    given = [Path("b.dcd"), Path("a.dcd"), Path("top.psf")]
    assert sort_paths(given) == Sorted(frames=(Path("b.dcd"), Path("a.dcd")), topology=Path("top.psf"))


def test_several_reflection_files_are_frames_in_natural_order() -> None:
    given = [Path("f10.mtz"), Path("f9.mtz")]
    assert sort_paths(given).frames == (Path("f9.mtz"), Path("f10.mtz"))


def test_a_folder_of_reflection_files_beside_a_map(frames_folder: Path) -> None:
    found = sort_paths([frames_folder, Path("map.mtz")])
    assert (found.map, found.frames) == (Path("map.mtz"), (frames_folder,))
    assert [path.name for path in frame_mtzs([frames_folder])] == ["f_1.MTZ", "f_2.mtz", "f_10.mtz"]


def test_an_empty_folder_is_nothing_known(tmp_path: Path) -> None:
    assert sort_paths([tmp_path]).unknown == (tmp_path,)


def test_a_project() -> None:
    assert sort_paths([Path("snase.mdw")]).project == Path("snase.mdw")


def test_numbers_count_as_numbers() -> None:
    names = ["f2b", "f10a", "f2a", "f", "2", "10"]
    assert sorted(names, key=lambda name: natural_order(Path(name))) == ["2", "10", "f", "f2a", "f2b", "f10a"]


@pytest.mark.parametrize("name", ["a.lat", "a.hkl", "a.ccp4", "a.map", "a.MRC", "a.mtz.gz"])
def test_maps_of_all_kinds(name: str) -> None:
    assert sort_paths([Path(name), Path("run.xtc")]) == Sorted(map=Path(name), frames=(Path("run.xtc"),))


def test_a_map_beside_a_folder_of_reflection_files(frames_folder: Path) -> None:
    assert sort_paths([frames_folder, Path("map.lat")]) == Sorted(map=Path("map.lat"), frames=(frames_folder,))


def test_nexus_files_are_looked_into(tmp_path: Path) -> None:
    table, checkpoint, broken = (tmp_path / f"{name}.nxs" for name in ("table", "checkpoint", "broken"))
    with h5py.File(table, "w") as file:
        file.create_group("entry/hkl_table")
    with h5py.File(checkpoint, "w") as file:
        file["entry/data/fcalc_list"] = np.zeros((2, 3, 2), dtype=np.float32)
        file["entry/reflections/hkl"] = np.zeros((3, 3))
    broken.write_bytes(b"no HDF5")
    assert sort_paths([table]) == Sorted(map=table)
    assert sort_paths([checkpoint]) == Sorted(map=checkpoint, frames=(checkpoint,))
    assert sort_paths([checkpoint, Path("map.lat")]) == Sorted(map=Path("map.lat"), frames=(checkpoint,))
    assert sort_paths([checkpoint, Path("run.xtc")]) == Sorted(map=checkpoint, frames=(Path("run.xtc"),))
    assert sort_paths([broken]) == Sorted(map=broken)  # reading it says what is wrong
