"""Small good files, damaged at random in a reproducible way: frames are read, or one sentence says why not."""

from __future__ import annotations

import contextlib
import gc
import resource
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdweights_core.errors import MdweightsError
from mdweights_core.io.frames.trajectories import open_frames

ATOMS, FRAMES = 12, 3
SPARE_MEMORY = 2 * 2**30  # bytes; a head may announce any number of atoms
NUMBERS = [b"nan", b"-inf", b"1e999", b"9" * 300, b"-1", b"0", b"", b"*****", b"2147483648", b"?", b"1_0", b"\xff\xfe"]
WORDS = [b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0" * 4, b"\x80\0\0\0", b"\0\0\0\x80", b"\0\0\x10\0"]

examples = settings(max_examples=60, derandomize=True, deadline=None, database=None)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A folder with the same frames in all formats that can be written here."""
    import mdtraj

    folder = tmp_path_factory.mktemp("good")
    line = "ATOM  {:5d}  CA {:1s}ALA A{:4d}    {:8.3f}{:8.3f}{:8.3f}{:6.2f}{:6.2f}           C\n"
    atoms = "".join(line.format(i, " ", i, i, 0, 0, 1, 9) for i in range(ATOMS))
    (folder / "good.pdb").write_text(atoms)
    frames = mdtraj.load(str(folder / "good.pdb"))
    frames.xyz = np.random.default_rng(3).normal(scale=2, size=(FRAMES, ATOMS, 3))
    frames.time = np.arange(FRAMES)
    frames.unitcell_lengths, frames.unitcell_angles = np.full((FRAMES, 3), 5), np.full((FRAMES, 3), 90)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how mdtraj would like to write NetCDF
        for kind in ("xtc", "trr", "dcd", "dtr", "nc", "h5", "gro", "mdcrd", "lammpstrj", "xyz"):
            frames.save(str(folder / f"good.{kind}"))
        for kind in ("rst7", "ncrst", "cif"):
            frames[0].save(str(folder / f"good.{kind}"))
    cryst1 = "CRYST1   50.000   50.000   50.000  90.00  90.00  90.00 P 1           1\n"
    other = atoms.replace("CA  ALA", "CA AALA", 3) + line.format(0, "B", 0, 1, 1, 1, 0.5, 9)
    (folder / "good.pdb").write_text(cryst1 + "".join(f"MODEL {i}\n{other}ENDMDL\n" for i in range(FRAMES)))
    (folder / "good.mol2").write_text(mol2())
    (folder / "good.psf").write_text(psf())
    return folder


def mol2() -> str:
    text = f"@<TRIPOS>MOLECULE\nLIG\n {ATOMS} {ATOMS - 1} 1 0 0\nSMALL\nGASTEIGER\n\n@<TRIPOS>ATOM\n"
    for i in range(1, ATOMS + 1):
        text += f"{i:7d} C{i:<7d}{i:9.4f}{0:10.4f}{0:10.4f} C.3    1  LIG1        0.0000\n"
    return text + "@<TRIPOS>BOND\n" + "".join(f"{i:6d}{i:6d}{i + 1:6d}    1\n" for i in range(1, ATOMS))


def psf() -> str:
    text = f"PSF\n\n       1 !NTITLE\n REMARKS small\n\n{ATOMS:8d} !NATOM\n"
    for i in range(1, ATOMS + 1):
        text += f"{i:8d} MAIN {i:<4d} ALA  CA   CT1    0.070000       12.0110           0\n"
    pairs = "".join(f"{i:8d}{i + 1:8d}" + "\n" * (i % 4 == 0) for i in range(1, ATOMS))
    return text + f"\n{ATOMS - 1:8d} !NBOND: bonds\n{pairs}\n\n       0 !NTHETA: angles\n\n"


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Whoever asks for terabytes gets an error, not the machine into trouble."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_MEMORY, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@st.composite
def damaged_bytes(draw, content: bytes) -> bytes:
    for _ in range(draw(st.integers(1, 3))):
        # half of the damage is near the start, where the sizes are
        at = draw(st.integers(0, min(len(content), 300)) | st.integers(0, len(content)))
        until = draw(st.integers(at, min(at + 200, len(content))))
        new = draw(
            st.sampled_from([*WORDS, b"", content[at:until] * 2, content[until:]]) | st.binary(min_size=1, max_size=9)
        )
        is_instead = draw(st.booleans())
        content = content[:at] + new + content[at + len(new) * is_instead :]
        content = content[:until] if draw(st.integers(0, 3)) == 0 else content
    return content


@st.composite
def damaged_text(draw, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["word", "columns", "repeat", "remove", "swap", "cut"]))
        if kind == "word":
            words = lines[at].split(b" ")
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(NUMBERS))
            lines[at] = b" ".join(words)
        elif kind == "columns":
            begin = draw(st.integers(0, 80))
            new = draw(st.sampled_from(NUMBERS))
            lines[at] = lines[at][:begin] + new + lines[at][begin + len(new) :]
        elif kind == "cut":
            lines = [*lines[:at], lines[at][: draw(st.integers(0, 80))]]
        else:
            other = draw(st.integers(0, len(lines) - 1))
            lines[at : at + 1] = {"repeat": [lines[at]] * 3, "remove": [], "swap": [lines[other]]}[kind]
        lines = lines or [b""]
    return b"".join(lines)


@st.composite
def damaged_xtc(draw, content: bytes) -> bytes:
    """Damage to heads and packed positions, and files cut or put together wrongly."""
    size = len(content) // FRAMES
    frames = [content[i : i + size] for i in range(0, len(content), size)]
    for _ in range(draw(st.integers(1, 2))):
        at, place = draw(st.integers(0, FRAMES - 1)), draw(st.integers(0, size - 1))
        new = draw(st.sampled_from(WORDS) | st.binary(min_size=1, max_size=9))[: size - place]
        frames[at] = frames[at][:place] + new + frames[at][place + len(new) :]
    chosen = draw(st.lists(st.sampled_from([*frames, frames[0][: draw(st.integers(0, size))]]), min_size=1, max_size=6))
    return b"".join(chosen)


def read_all(path: Path, topology: Path | None) -> None:
    """Everything that is done with frames; only errors that are sentences are allowed."""
    with contextlib.suppress(MdweightsError):
        source = open_frames([path], topology)
        sizes = [len(chunk.positions) for chunk in source.chunks(2)]
        assert min(sizes) > 0
        assert sum(sizes) == source.n_frames
        assert source.boxes().shape == (source.n_frames, 6)
        assert np.isfinite(source.positions(source.n_frames - 1)).all()


def try_many(good: Path, folder: Path, name: str, damage: Callable, read: Callable[[Path], None]) -> None:
    content, path = (good / name).read_bytes(), folder / f"bad{Path(name).suffix}"
    read(good / name)

    @examples
    @given(damage(content))
    def damaged_files_are_read_or_refused(damaged: bytes) -> None:
        path.write_bytes(damaged)
        read(path)

    damaged_files_are_read_or_refused()


@pytest.mark.parametrize("kind", ["trr", "dcd", "nc", "h5"])
def test_damaged_binary_trajectories(good, tmp_path, kind, capfd, little_memory):
    try_many(good, tmp_path, f"good.{kind}", damaged_bytes, lambda path: read_all(path, good / "good.gro"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_damaged_binary_restarts(good, tmp_path, capfd, little_memory):
    """SciPy, which reads them, leaves damaged ones open and complains when they are collected: here, not later."""
    try_many(good, tmp_path, "good.ncrst", damaged_bytes, lambda path: read_all(path, good / "good.gro"))
    assert capfd.readouterr() == ("", "")
    gc.collect()


def test_damaged_xtc(good, tmp_path, capfd, little_memory):
    try_many(good, tmp_path, "good.xtc", damaged_xtc, lambda path: read_all(path, good / "good.gro"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("part", ["frame000000000", "timekeys", "metadata"])
def test_damaged_dtr(good, tmp_path, part, capfd, little_memory):
    folder = shutil.copytree(good / "good.dtr", tmp_path / "bad.dtr")

    def read(path: Path) -> None:
        (folder / part).write_bytes(path.read_bytes())
        read_all(folder, good / "good.gro")

    assert open_frames([good / "good.dtr"], good / "good.gro").n_frames == FRAMES
    try_many(good, tmp_path, f"good.dtr/{part}", damaged_bytes, read)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["pdb", "cif", "gro", "mdcrd", "lammpstrj", "xyz", "rst7"])
def test_damaged_text_trajectories(good, tmp_path, kind, capfd, little_memory):
    try_many(good, tmp_path, f"good.{kind}", damaged_text, lambda path: read_all(path, good / "good.gro"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["pdb", "cif", "gro", "psf", "mol2"])
def test_damaged_text_topologies(good, tmp_path, kind, capfd, little_memory):
    try_many(good, tmp_path, f"good.{kind}", damaged_text, lambda path: read_all(good / "good.xtc", path))
    assert capfd.readouterr() == ("", "")


def test_damaged_hdf5_topology(good, tmp_path, capfd, little_memory):
    with h5py.File(good / "good.h5") as file:
        (good / "good.json").write_bytes(bytes(file["topology"][0]))

    def read(path: Path) -> None:
        with h5py.File(tmp_path / "topology.h5", "w") as file:
            file["topology"] = [np.bytes_(path.read_bytes())]
        read_all(good / "good.xtc", tmp_path / "topology.h5")

    try_many(good, tmp_path, "good.json", damaged_bytes, read)
    assert capfd.readouterr() == ("", "")
