"""Structure factors of one MTZ file per frame, collected into a store."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.io.maps.mtz import MtzColumn, write_mtz
from mdweights_core.scattering.collect import collect
from mdweights_core.scattering.collect_mtz import MtzFrames
from mdweights_core.scattering.reflections import half_lattice

CELL = gemmi.UnitCell(24, 26, 28, 85, 95, 105)
P1 = gemmi.SpaceGroup("P 1")


@pytest.fixture
def lattice() -> MillerLattice:
    return half_lattice(CELL, P1, 4.0)


def error(one, other) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def write_frame(path: Path, lattice: MillerLattice, values: np.ndarray) -> Path:
    columns = [
        MtzColumn("FC", "F", np.abs(values).astype(np.float32)),
        MtzColumn("PHIC", "P", np.degrees(np.angle(values)).astype(np.float32)),
    ]
    write_mtz(path, lattice, columns, title="frame", history=[])
    return path


@pytest.fixture
def frame_files(tmp_path, lattice):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(4, len(lattice))) + 1j * rng.normal(size=(4, len(lattice)))
    return [write_frame(tmp_path / f"{i}.mtz", lattice, value) for i, value in enumerate(values)], values


def test_frames_are_collected_from_mtz_files(frame_files, lattice, tmp_path):
    files, values = frame_files
    shuffled = lattice.select(np.random.default_rng(0).permutation(len(lattice))[:200])
    mates = MillerLattice(-shuffled.hkl, CELL, P1)
    for wanted, turn in ((shuffled, np.asarray), (mates, np.conj)):
        store = jobs.run(collect(MtzFrames(files), wanted, tmp_path / "F"))
        rows = [lattice.hkl.tolist().index(h) for h in shuffled.hkl.tolist()]
        assert error(store.read(), turn(values[:, rows])) < 1e-6
        assert store.frames.source == tuple(str(file) for file in files)
        assert np.isnan(store.frames.drift).all()


def test_collecting_again_reads_no_file_twice(frame_files, lattice, tmp_path, monkeypatch):
    files, _ = frame_files
    first = jobs.run(collect(MtzFrames(files), lattice, tmp_path / "F")).read()
    monkeypatch.setattr("mdweights_core.scattering.collect_mtz.read_frame", None)
    np.testing.assert_array_equal(jobs.run(collect(MtzFrames(files), lattice, tmp_path / "F")).read(), first)


def test_reflections_missing_in_a_frame_are_left_out_of_all(frame_files, lattice, tmp_path):
    files, values = frame_files
    holed = values[1].copy()
    holed[10:15] = np.nan
    write_frame(files[1], lattice, holed)
    store = jobs.run(collect(MtzFrames(files), lattice, tmp_path / "F"))
    assert store.n_hkl == len(lattice) - 5
    assert store.origin["warnings"] == [f"5 of {len(lattice)} reflections are missing in some frame and were left out"]
    assert error(store.read(), np.delete(values, slice(10, 15), axis=1)) < 1e-6


def test_frames_that_lack_most_reflections(frame_files, lattice, tmp_path):
    files, values = frame_files
    write_frame(files[2], lattice.select(slice(100)), values[2][:100])
    with pytest.raises(BadInput, match="missing") as caught:
        jobs.run(collect(MtzFrames(files), lattice, tmp_path / "F"))
    assert caught.value.where == str(files[2])


def test_frame_with_another_cell_is_named(frame_files, lattice, tmp_path):
    files, values = frame_files
    other = MillerLattice(lattice.hkl, gemmi.UnitCell(25, 26, 28, 85, 95, 105), P1)
    write_frame(files[3], other, values[3])
    with pytest.raises(BadInput, match="is not that of the map") as caught:
        jobs.run(collect(MtzFrames(files), lattice, tmp_path / "F"))
    assert caught.value.where == str(files[3])


def test_no_mtz_files(lattice, tmp_path):
    with pytest.raises(BadInput, match="no frames"):
        jobs.run(collect(MtzFrames([]), lattice, tmp_path / "F"))


def test_collected_frames_are_healed_too(tmp_path, lattice, monkeypatch):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(40, len(lattice))) + 1j * rng.normal(size=(40, len(lattice)))
    files = [write_frame(tmp_path / f"{i}.mtz", lattice, factors) for i, factors in enumerate(values)]
    out = tmp_path / "F"
    before = jobs.run(collect(MtzFrames(files), lattice, out)).read()
    (out / "structure_factors" / "c" / "0" / "0").unlink()
    store = jobs.run(collect(MtzFrames(files), lattice, out))
    np.testing.assert_array_equal(store.read(), before)
    monkeypatch.setattr("mdweights_core.scattering.collect_mtz.read_frame", None)
    assert jobs.run(collect(MtzFrames(files), lattice, out)).is_complete
