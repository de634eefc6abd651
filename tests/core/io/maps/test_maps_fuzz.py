"""Whatever happened to a map file, reading it ends in a map or in a sentence, and takes no more memory than it has."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import gemmi
import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice
from mdweights_core.crystal.laue import laue_groups
from mdweights_core.errors import MdweightsError
from mdweights_core.io.maps.ccp4 import write_ccp4
from mdweights_core.io.maps.lunus import write_hkl, write_lat
from mdweights_core.io.maps.observed import describe_map, read_map
from mdweights_core.io.maps.xtraj import open_checkpoint, write_checkpoint

CELL = gemmi.UnitCell(20, 20, 30, 90, 90, 90)
EXTREMES = (0, 1, -1, 2**31 - 1, -(2**31), 65536, 0x7F800000, 0x7FC00000, 0x00000001, 0x42C80000)
FUZZ = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


def lattice() -> MillerLattice:
    hkl = np.array([[1, 0, 0], [1, 1, 2], [0, 2, 1], [3, -1, 2]])
    return laue_groups(MillerLattice(hkl, CELL, gemmi.SpaceGroup("P 41"), (2, 2, 1))).lattice


def write_mdx2(path: Path) -> None:
    points = lattice()
    with h5py.File(path, "w") as file:
        for name, column in zip("hkl", points.index.T, strict=True):
            file[f"entry/hkl_table/{name}"] = column
        file["entry/hkl_table/ndiv"] = points.ndiv
        file["entry/hkl_table/intensity"] = np.arange(len(points), dtype=np.float32)
        file.create_dataset("entry/hkl_table/count", data=np.arange(len(points)), chunks=(2,), compression="gzip")
        file["entry/crystal/unit_cell"] = CELL.parameters
        file["entry/crystal/space_group"] = "P 41"


def write_mdx2_grid(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name in "hkl":
            file[f"entry/intensity/{name}"] = np.arange(5) / 2
        file.create_dataset("entry/intensity/signal", data=np.arange(125.0).reshape(5, 5, 5), compression="gzip")
        file["entry/crystal/unit_cell"] = CELL.parameters


def write_xtraj(path: Path) -> None:
    points = lattice()
    write_checkpoint(path, [np.ones((3, len(points)))], points, np.ones(3), np.arange(len(points)))


def values() -> np.ndarray:
    return np.arange(len(lattice()), dtype=float)


WRITERS: dict[str, Callable[[Path], None]] = {
    "a.lat": lambda path: write_lat(path, lattice(), values()),
    "a.hkl": lambda path: write_hkl(path, lattice(), values(), values()),
    "a.map": lambda path: write_ccp4(path, lattice(), values()),
    "mdx2.nxs": write_mdx2,
    "map.nxs": write_mdx2_grid,
    "xtraj.nxs": write_xtraj,
}

BYTES = ("a.lat", "a.hkl", "a.map")  # not HDF5, which itself crashes or loops on some broken bytes
NEXUS = ("mdx2.nxs", "map.nxs", "xtraj.nxs")


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("originals")
    for name, write in WRITERS.items():
        write(folder / name)
    return {name: (folder / name).read_bytes() for name in WRITERS}


def attempt(path: Path) -> None:
    """Read the file in all ways there are: a result, or an error that is a sentence."""
    with suppress(MdweightsError):
        found = read_map(path, cell=CELL, space_group="P 41")
        assert isinstance(found, DiffuseMap)
        assert np.isfinite(found.intensity).all()
    for look in (describe_map, open_checkpoint):
        with suppress(MdweightsError):
            look(path)


@pytest.mark.parametrize("name", WRITERS)
def test_files_as_written_are_read(originals, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(originals[name])
    assert len(read_map(path, cell=CELL, space_group="P 41")) >= len(lattice())


@pytest.mark.parametrize("name", BYTES)
@FUZZ
@given(data=st.data())
def test_changed_bytes(originals, tmp_path, name, data):
    content = bytearray(originals[name])
    places = st.integers(0, len(content) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)):
        content[place] = byte
    path = tmp_path / name
    path.write_bytes(content)
    attempt(path)


@pytest.mark.parametrize("name", WRITERS)
@settings(FUZZ, max_examples=40)
@given(data=st.data())
def test_cut_and_lengthened_files(originals, tmp_path, name, data):
    content = originals[name]
    length = data.draw(st.integers(0, len(content)))
    path = tmp_path / name
    path.write_bytes(content[:length] + data.draw(st.binary(max_size=40)))
    attempt(path)


@pytest.mark.parametrize("name", ["a.lat", "a.map"])
@FUZZ
@given(data=st.data())
def test_extreme_numbers_in_headers_take_no_memory(originals, tmp_path, name, data):
    content = bytearray(originals[name])
    n_words = min(len(content), 1024) // 4
    for word in data.draw(st.lists(st.integers(0, n_words - 1), min_size=1, max_size=4)):
        number = data.draw(st.sampled_from(EXTREMES))
        content[4 * word : 4 * word + 4] = struct.pack(data.draw(st.sampled_from("<>")) + "I", number % 2**32)
    path = tmp_path / name
    path.write_bytes(content)
    tracemalloc.start()
    try:
        attempt(path)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


def replacements() -> st.SearchStrategy[object]:
    """Return what may stand in a NeXus file in place of what belongs there."""
    numbers = st.sampled_from([0, 1, -1, 0.5, 2**31, 1e308, -1e308, 1e-308, np.nan, np.inf, 180.0, 90.0])
    shapes = st.lists(st.integers(0, 4), max_size=3)
    arrays = st.builds(
        lambda number, shape, kind: np.full(shape, number).astype(kind),
        numbers,
        shapes,
        st.sampled_from(["f4", "f8", "c16", "?", "S3"]),
    )
    return st.one_of(st.none(), st.just({}), st.text("P1 2/mé", max_size=8), arrays)


@pytest.mark.parametrize("name", NEXUS)
@FUZZ
@given(data=st.data())
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")  # of making the replacements
def test_nexus_files_with_something_else_in_them(originals, tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(originals[name])
    with h5py.File(path, "r+") as file:
        places: list[str] = []
        file.visit(places.append)
        place = data.draw(st.sampled_from(places))
        content = data.draw(replacements())
        shape = getattr(file[place], "shape", None)
        keep_shape = shape is not None and isinstance(content, np.ndarray) and content.size and data.draw(st.booleans())
        del file[place]
        if keep_shape:
            content = np.full(shape, content.reshape(-1)[0])
        if isinstance(content, dict):
            file.create_group(place)
        elif content is not None:
            file[place] = content
    attempt(path)


@FUZZ
@given(text=st.text(st.characters(codec="latin-1"), max_size=200))
def test_any_text_as_a_list(tmp_path, text):
    path = tmp_path / "a.hkl"
    path.write_text(text, encoding="latin-1")
    attempt(path)


@FUZZ
@given(content=st.binary(max_size=300), name=st.sampled_from(["a.lat", "a.hkl", "a.nxs", "a.map", "a.bin"]))
def test_any_bytes_under_any_name(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    attempt(path)
