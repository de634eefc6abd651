"""Binary formats, written here byte by byte: their dialects, and what is left of them when they are cut."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import gemmi
import h5py
import numpy as np
import pytest
from mdtraj.formats import XTCTrajectoryFile
from scipy.io import netcdf_file
from scipy.spatial.transform import Rotation

from mdweights_core.errors import BadInput
from mdweights_core.io.frames.frame_reading import in_usual_axes
from mdweights_core.io.frames.trajectories import open_frames

ATOMS = 12
CELL = (30.0, 31.0, 32.0, 80.0, 85.0, 95.0)


@pytest.fixture
def topology(tmp_path) -> Path:
    line = "ATOM  {:5d}  CA  ALA A{:4d}    {:8.3f}{:8.3f}{:8.3f}  1.00  0.00           C\n"
    (tmp_path / "top.pdb").write_text("".join(line.format(i, i, i, 0, 0) for i in range(ATOMS)))
    return tmp_path / "top.pdb"


@pytest.fixture
def positions() -> np.ndarray:
    return np.random.default_rng(5).normal(scale=20, size=(4, ATOMS, 3)).astype(np.float32)


def vectors(cell: tuple[float, ...] = CELL) -> np.ndarray:
    """Box vectors as rows."""
    return np.array(gemmi.UnitCell(*cell).orth.mat.tolist()).T


UPRIGHT = np.eye(3)
TURN = Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()


# --- TRR -------------------------------------------------------------------------------------------------------------


def trr_frame(
    positions: np.ndarray | None,
    time: float,
    *,
    real: str = ">f4",
    velocities: bool = False,
    turn: np.ndarray = UPRIGHT,
) -> bytes:
    width = int(real[-1])
    blocks = dict.fromkeys(("ir", "e", "box", "vir", "pres", "top", "sym", "x", "v", "f"), b"")
    blocks["box"] = (vectors() @ turn / 10).astype(real).tobytes()
    blocks["x"] = b"" if positions is None else (positions / 10).astype(real).tobytes()
    blocks["v"] = np.full((ATOMS, 3), 7).astype(real).tobytes() if velocities else b""
    head = struct.pack(">3i", 1993, 13, 12) + b"GMX_trn_file"
    head += struct.pack(">13i", *(len(block) for block in blocks.values()), ATOMS, 0, 0)
    return head + struct.pack(">2d" if width == 8 else ">2f", time, 0) + b"".join(blocks.values())


@pytest.mark.parametrize("real", [">f4", ">f8"])
def test_trr_in_both_precisions_with_velocities(tmp_path, topology, positions, real):
    frames = [trr_frame(frame, 2.5 * i, real=real, velocities=i % 2 == 0) for i, frame in enumerate(positions)]
    (tmp_path / "run.trr").write_bytes(b"".join(frames))
    (chunk,) = open_frames([tmp_path / "run.trr"], topology).chunks()
    np.testing.assert_allclose(chunk.positions, positions, atol=1e-5)
    assert chunk.time.tolist() == [0, 2.5, 5, 7.5]
    np.testing.assert_allclose(chunk.cells, [CELL] * 4, rtol=1e-5)


def test_trr_frames_of_velocities_alone_are_left_out(tmp_path, topology, positions):
    frames = [trr_frame(positions[0], 0), trr_frame(None, 1, velocities=True), trr_frame(positions[1], 2)]
    (tmp_path / "run.trr").write_bytes(b"".join(frames))
    source = open_frames([tmp_path / "run.trr"], topology)
    assert (source.n_frames, next(source.chunks()).time.tolist()) == (2, [0, 2])
    np.testing.assert_allclose(source.positions(1), positions[1], atol=1e-5)
    assert source.warnings == ("run.trr: 1 frame without positions was left out",)
    (tmp_path / "run.trr").write_bytes(frames[1])
    with pytest.raises(BadInput, match="no positions"):
        open_frames([tmp_path / "run.trr"], topology)


# --- DCD -------------------------------------------------------------------------------------------------------------


def dcd(
    positions: np.ndarray, cell: list[float] | None, *, order: str = "<", mark: str = "i", fixed: tuple[int, ...] = ()
) -> bytes:
    def record(content: bytes) -> bytes:
        around = struct.pack(order + mark, len(content))
        return around + content + around

    flags = np.zeros(20, dtype=f"{order}i4")
    flags[[0, 8, 10, 19]] = len(positions), len(fixed), cell is not None, 24
    free = np.setdiff1d(np.arange(ATOMS), fixed)
    text = record(b"CORD" + flags.tobytes()) + record(struct.pack(f"{order}i", 1) + b" " * 80)
    text += record(struct.pack(f"{order}i", ATOMS))
    text += record((free + 1).astype(f"{order}i4").tobytes()) if fixed else b""
    for number, frame in enumerate(positions):
        text += record(np.array(cell, dtype=f"{order}f8").tobytes()) if cell else b""
        rows = free if number else slice(None)
        text += b"".join(record(axis.astype(f"{order}f4").tobytes()) for axis in frame[rows].T)
    return text


def symmetric() -> np.ndarray:
    """The symmetric matrix whose rows are the box vectors, turned: the square root of the metric matrix."""
    values, axes = np.linalg.eigh(vectors() @ vectors().T)
    return axes * np.sqrt(values) @ axes.T


a, b, c, alpha, beta, gamma = CELL
COSINES = np.cos(np.radians(CELL[3:]))


@pytest.mark.parametrize(
    "cell",
    [[a, gamma, b, beta, alpha, c], [a, COSINES[2], b, COSINES[1], COSINES[0], c]],
    ids=["degrees", "cosines"],
)
def test_dcd_cells_of_two_programs(tmp_path, topology, positions, cell):
    (tmp_path / "run.dcd").write_bytes(dcd(positions, cell))
    (chunk,) = open_frames([tmp_path / "run.dcd"], topology).chunks()
    np.testing.assert_allclose(chunk.cells, [CELL] * 4, rtol=1e-6)
    np.testing.assert_array_equal(chunk.positions, positions)


@pytest.mark.parametrize("fixed", [(), (2, 5)])
def test_dcd_of_charmm_is_turned_with_its_oblique_box(tmp_path, topology, positions, fixed):
    """Atoms keep their place in the box: x = f V in the usual axes, f S where V and S have the same metric matrix."""
    positions[:, [2, 5]] = positions[0, [2, 5]]
    written = (positions @ np.linalg.inv(vectors()) @ symmetric()).astype(np.float32)
    assert np.abs(written - positions).max() > 5
    (tmp_path / "run.dcd").write_bytes(dcd(written, symmetric()[np.tril_indices(3)].tolist(), fixed=fixed))
    chunks = list(open_frames([tmp_path / "run.dcd"], topology).chunks())
    np.testing.assert_allclose(np.concatenate([chunk.cells for chunk in chunks]), [CELL] * 4, rtol=1e-6)
    np.testing.assert_allclose(np.concatenate([chunk.positions for chunk in chunks]), positions, atol=2e-5)


def gro_frame(positions: np.ndarray, turn: np.ndarray) -> str:
    box = (vectors() @ turn / 10)[[0, 1, 2, 0, 0, 1, 1, 2, 2], [0, 1, 2, 1, 2, 0, 2, 0, 1]]
    lines = [f"    1ALA     CA{i + 1:5d}" + "{:8.3f}{:8.3f}{:8.3f}".format(*x) for i, x in enumerate(positions / 10)]
    return "\n".join(["t= 1.0", str(ATOMS), *lines, " ".join(f"{x:.6f}" for x in box), ""])


@pytest.mark.parametrize("kind", ["xtc", "trr", "gro"])
def test_gromacs_frames_are_turned_with_boxes_of_other_axes(tmp_path, topology, positions, kind):
    written, path = (positions @ TURN).astype(np.float32), tmp_path / f"run.{kind}"
    if kind == "gro":
        path.write_text("".join(gro_frame(frame, TURN) for frame in written))
    elif kind == "trr":
        path.write_bytes(b"".join(trr_frame(frame, 0, turn=TURN) for frame in written))
    else:
        with XTCTrajectoryFile(str(path), "w") as file:
            file.write(written / 10, box=np.tile(vectors() @ TURN / 10, (4, 1, 1)).astype(np.float32))
    chunks = list(open_frames([path], topology).chunks())
    np.testing.assert_allclose(np.concatenate([chunk.cells for chunk in chunks]), [CELL] * 4, rtol=1e-5)
    np.testing.assert_allclose(np.concatenate([chunk.positions for chunk in chunks]), positions, atol=0.011)


def test_what_is_no_right_handed_box_turns_nothing():
    positions = np.random.default_rng(1).normal(size=(5, 3, 3)).astype(np.float32)
    boxes = [vectors(), 0 * UPRIGHT, np.full((3, 3), np.nan), -vectors() @ TURN, np.ones((3, 3))]
    assert in_usual_axes(positions, np.array(boxes)) is positions
    boxes[1] = vectors() @ TURN
    turned = in_usual_axes(positions, np.array(boxes))
    np.testing.assert_array_equal(turned[[0, 2, 3, 4]], positions[[0, 2, 3, 4]])
    np.testing.assert_allclose(turned[1], positions[1] @ TURN.T, atol=1e-6)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mark", ["i", "q"])
def test_dcd_of_other_machines(tmp_path, topology, positions, order, mark):
    (tmp_path / "run.dcd").write_bytes(dcd(positions, None, order=order, mark=mark))
    source = open_frames([tmp_path / "run.dcd"], topology)
    assert (source.cell, source.warnings) == (None, ())
    np.testing.assert_array_equal(next(source.chunks()).positions, positions)


def test_dcd_with_atoms_that_do_not_move(tmp_path, topology, positions):
    positions[:, [2, 5]] = positions[0, [2, 5]]
    (tmp_path / "run.dcd").write_bytes(dcd(positions, None, fixed=(2, 5)))
    source = open_frames([tmp_path / "run.dcd"], topology)
    np.testing.assert_array_equal(np.concatenate([chunk.positions for chunk in source.chunks()]), positions)
    np.testing.assert_array_equal(source.positions(2), positions[2])


def test_dcd_with_a_broken_frame(tmp_path, topology, positions):
    content = bytearray(dcd(positions, None))
    frame = 3 * (4 * ATOMS + 8)
    content[-2 * frame] ^= 255  # the mark before x of the last frame but one
    (tmp_path / "run.dcd").write_bytes(content)
    source = open_frames([tmp_path / "run.dcd"], topology)
    np.testing.assert_array_equal(source.positions(1), positions[1])
    with pytest.raises(BadInput, match="Frame 3 is damaged"):
        list(source.chunks())


# --- NetCDF and HDF5 -------------------------------------------------------------------------------------------------


def write_netcdf(
    path: Path, positions: np.ndarray, *, version: int = 2, cell: bool = True, others: bool = False
) -> Path:
    with netcdf_file(path, "w", version=version) as file:
        file.Conventions = "AMBER"
        for name, length in (("frame", None), ("atom", ATOMS), ("spatial", 3), ("odd", 5)):
            file.createDimension(name, length)
        if others:
            file.createVariable("label", "S1", ("spatial",))[:] = np.array([b"x", b"y", b"z"])
            file.createVariable("odd", "i2", ("frame", "odd"))[:] = np.arange(5 * len(positions)).reshape(-1, 5)
            file.createVariable("time", "f4", ("frame",))[:] = 3.0 * np.arange(len(positions))
        place = file.createVariable("coordinates", "f4", ("frame", "atom", "spatial"))
        place[:], place.units = positions, "angstrom"
        if cell:
            file.createVariable("cell_lengths", "f8", ("frame", "spatial"))[:] = [CELL[:3]] * len(positions)
            file.createVariable("cell_angles", "f8", ("frame", "spatial"))[:] = [CELL[3:]] * len(positions)
    return path


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("cell", [True, False])
@pytest.mark.parametrize("others", [True, False])
def test_netcdf_as_scipy_writes_it(tmp_path, topology, positions, version, cell, others):
    path = write_netcdf(tmp_path / "run.nc", positions, version=version, cell=cell, others=others)
    (chunk,) = open_frames([path], topology).chunks()
    np.testing.assert_array_equal(chunk.positions, positions)
    assert chunk.time.tolist() == [0, 3, 6, 9] if others else np.isnan(chunk.time).all()
    assert (chunk.cells is not None) == cell
    if cell:
        np.testing.assert_allclose(chunk.cells, [CELL] * 4)


def test_netcdf_that_is_still_being_written(tmp_path, topology, positions):
    """Its head does not know the number of frames."""
    path = write_netcdf(tmp_path / "run.nc", positions)
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 4 + content[8:-10])
    source = open_frames([path], topology)
    assert (source.n_frames, source.warnings) == (3, ())
    np.testing.assert_array_equal(source.positions(2), positions[2])


def test_netcdf_without_positions(tmp_path, topology):
    with netcdf_file(tmp_path / "run.nc", "w") as file:
        file.createDimension("frame", None)
    with pytest.raises(BadInput, match="no positions"):
        open_frames([tmp_path / "run.nc"], topology)


@pytest.mark.parametrize(("name", "units", "scale"), [("run.nc", "angstrom", 1), ("run.h5", None, 10)])
def test_netcdf_4_and_hdf5(tmp_path, topology, positions, name, units, scale):
    with h5py.File(tmp_path / name, "w") as file:
        file.create_dataset("coordinates", data=positions / scale, chunks=(3, 5, 3), compression="gzip")
        file["cell_lengths"], file["cell_angles"] = [np.array(CELL[:3]) / scale] * 4, [CELL[3:]] * 4
        for column in ("coordinates", "cell_lengths") if units else ():
            file[column].attrs["units"] = units
    (chunk,) = open_frames([tmp_path / name], topology).chunks()
    np.testing.assert_allclose(chunk.positions, positions, rtol=1e-6)
    np.testing.assert_allclose(chunk.cells, [CELL] * 4, rtol=1e-6)


def test_hdf5_that_promises_more_than_it_holds(tmp_path, topology, positions):
    with h5py.File(tmp_path / "run.h5", "w") as file:
        place = file.create_dataset("coordinates", shape=(10**9, ATOMS, 3), dtype="f4", chunks=(1, ATOMS, 3))
        place[:4] = positions / 10
    source = open_frames([tmp_path / "run.h5"], topology)
    assert source.n_frames == 4
    assert "announces 1000000000 frames but holds 4" in source.warnings[0]
    with pytest.raises(BadInput, match="no topology in this HDF5 file"):
        open_frames([tmp_path / "run.h5"])


# --- cut off ---------------------------------------------------------------------------------------------------------


def written(tmp_path: Path, topology: Path, positions: np.ndarray, kind: str) -> bytes:
    """Frames as mdtraj writes them."""
    import mdtraj

    frames = mdtraj.Trajectory(positions / 10, mdtraj.load_topology(str(topology)))
    frames.unitcell_vectors = np.repeat(vectors()[None] / 10, len(positions), axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how mdtraj would like to write NetCDF
        frames.save(str(tmp_path / f"whole.{kind}"))
    return (tmp_path / f"whole.{kind}").read_bytes()


@pytest.mark.parametrize(
    ("kind", "saying"),
    [
        ("xtc", "its 3 whole frames were read, at least one is lost"),
        ("trr", "its 3 whole frames were read, at least one is lost"),
        ("dcd", "announces 4 frames but holds 3: 1 is lost"),
        ("nc", "announces 4 frames but holds 3: 1 is lost"),
        ("gro", "its 3 whole frames were read, at least one is lost"),
        ("pdb", "its 3 whole frames were read, at least one is lost"),
    ],
)
@pytest.mark.parametrize("cut", [80, 150])
def test_whole_frames_are_read_and_the_lost_are_said(tmp_path, topology, positions, kind, saying, cut):
    content = written(tmp_path, topology, positions, kind)
    content = content.removesuffix(b"END\n").removesuffix(b"ENDMDL\n")
    (tmp_path / f"cut.{kind}").write_bytes(content[: len(content) - cut])
    source = open_frames([tmp_path / f"cut.{kind}"], topology)
    (chunk,) = source.chunks()
    np.testing.assert_allclose(chunk.positions, positions[:3], atol=0.011)
    assert len(source.warnings) == 1
    assert source.warnings[0].startswith(f"cut.{kind}: ")
    assert saying in source.warnings[0]


def test_damage_in_the_middle_is_estimated(tmp_path, topology, positions):
    frame = trr_frame(positions[0], 0)
    (tmp_path / "run.trr").write_bytes(5 * frame + b"\0" * 4 + frame[4:] + 3 * frame)
    source = open_frames([tmp_path / "run.trr"], topology)
    assert source.n_frames == 5
    assert "its 5 whole frames were read, about 4 are lost" in source.warnings[0]


@pytest.mark.parametrize("kind", ["h5", "xtc", "dcd", "nc", "trr"])
def test_files_cut_in_their_heads(tmp_path, topology, positions, kind):
    content = written(tmp_path, topology, positions, kind)
    for size in (1, 3, 8, 70, 90):
        (tmp_path / f"cut.{kind}").write_bytes(content[:size])
        with pytest.raises(BadInput, match=r"cut off|no whole frame") as caught:
            open_frames([tmp_path / f"cut.{kind}"], topology)
        assert caught.value.where == str(tmp_path / f"cut.{kind}")
