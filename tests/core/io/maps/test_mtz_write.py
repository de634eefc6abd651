"""Files we write, read back by other programs' libraries."""

from __future__ import annotations

import errno
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice, cell_parameters
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.maps.mtz import MtzColumn, describe_mtz, read_diffuse_map, read_frame, write_mtz

CELL = (48.499, 48.499, 63.43, 90.0, 90.0, 90.0)


def lattice(n: int = 60, space_group: str = "P 41") -> MillerLattice:
    hkl = np.unique(np.random.default_rng(1).integers(0, 20, (2 * n, 3)), axis=0)
    order = np.random.default_rng(2).permutation(len(hkl))[:n]
    return MillerLattice(hkl[order], gemmi.UnitCell(*CELL), gemmi.SpaceGroup(space_group))


def full_columns(n: int) -> list[MtzColumn]:
    rng = np.random.default_rng(5)
    intensity = rng.normal(100, 50, n).astype(np.float32)
    intensity[::7] = np.nan
    return [
        MtzColumn("IDIFF", "J", intensity),
        MtzColumn("SIGIDIFF", "Q", rng.uniform(1, 9, n).astype(np.float32)),
        MtzColumn("ICALC", "J", rng.uniform(1, 9, n).astype(np.float32)),
        MtzColumn("FWT", "F", rng.uniform(1, 1000, n).astype(np.float32)),
        MtzColumn("PHIFWT", "P", rng.uniform(-180, 180, n).astype(np.float32)),
        MtzColumn("IANISO", "R", rng.normal(0, 1, n).astype(np.float32)),
        MtzColumn("FreeR_flag", "I", rng.integers(0, 20, n).astype(np.float32)),
    ]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, MillerLattice, list[MtzColumn]]:
    reflections = lattice()
    columns = full_columns(len(reflections))
    path = tmp_path / "weighted.mtz"
    write_mtz(path, reflections, columns, title="Weighted frames", history=["made by a test", "x" * 200])
    return path, reflections, columns


def test_gemmi_reads_back_every_number_and_the_rows_in_order(
    written: tuple[Path, MillerLattice, list[MtzColumn]],
) -> None:
    path, reflections, columns = written
    mtz = gemmi.read_mtz_file(str(path))
    np.testing.assert_array_equal(mtz.make_miller_array(), reflections.hkl)
    assert [(c.label, c.type) for c in mtz.columns[3:]] == [(c.label, c.type) for c in columns]
    for column in columns:
        np.testing.assert_array_equal(mtz.column_with_label(column.label).array, column.values)
    assert mtz.spacegroup.hm == "P 41"
    assert cell_parameters(mtz.cell) == pytest.approx(CELL, abs=1e-4)
    assert mtz.title == "Weighted frames"
    assert mtz.resolution_high() == pytest.approx(reflections.d_spacing.min(), rel=1e-5)


def test_reciprocalspaceship_reads_back_every_number_with_its_meaning(
    written: tuple[Path, MillerLattice, list[MtzColumn]],
) -> None:
    rs = pytest.importorskip("reciprocalspaceship")
    path, reflections, columns = written
    data = rs.read_mtz(str(path))
    np.testing.assert_array_equal(data.get_hkls(), reflections.hkl)
    assert data.merged
    assert data.spacegroup.hm == "P 41"
    assert data.dtypes["FWT"].mtztype == "F"
    assert data.dtypes["PHIFWT"].mtztype == "P"
    assert data.dtypes["FreeR_flag"].mtztype == "I"
    for column in columns:
        np.testing.assert_array_equal(data[column.label].to_numpy(dtype=np.float32), column.values)


def test_indices_are_in_the_base_data_set_and_columns_in_their_own(
    written: tuple[Path, MillerLattice, list[MtzColumn]],
) -> None:
    mtz = gemmi.read_mtz_file(str(written[0]))
    assert [dataset.dataset_name for dataset in mtz.datasets] == ["HKL_base", "mdweights"]
    assert [column.dataset_id for column in mtz.columns] == [0, 0, 0] + [1] * 7
    assert all(cell_parameters(dataset.cell) == pytest.approx(CELL) for dataset in mtz.datasets)


def test_the_header_keeps_to_the_width_and_letters_of_the_format(tmp_path: Path) -> None:
    path = tmp_path / "a.mtz"
    history = ["d_min 1.6 \N{ANGSTROM SIGN}, \N{GREEK SMALL LETTER THETA} 0.1", "word " * 40, "", "two\nlines"]
    write_mtz(path, lattice(), [], title="t" * 200, history=history, dataset="fit \N{MICRO SIGN}")
    content = path.read_bytes()
    header = content[content.index(b"VERS") :]
    assert len(header) % 80 == 0
    assert header.isascii()
    mtz = gemmi.read_mtz_file(str(path))
    assert mtz.title == "t" * 70
    assert mtz.history[0].rstrip() == "d_min 1.6 A, ? 0.1"
    assert " ".join(line.strip() for line in mtz.history[1:4]).split() == ["word"] * 40
    assert mtz.history[4:] == ["two lines"]
    assert describe_mtz(path).history == tuple(line.strip() for line in mtz.history)


def test_gemmi_makes_the_density_of_the_model_from_the_map_columns(tmp_path: Path) -> None:
    """What Coot does on opening: FWT and PHIFWT to a map. One atom at (1/4, 0, 0) has to come out there."""
    cell = gemmi.UnitCell(20, 20, 20, 90, 90, 90)
    hkl = np.array([(h, k, l) for h in range(6) for k in range(-5, 6) for l in range(-5, 6) if (h, k, l) > (0, 0, 0)])
    reflections = MillerLattice(hkl, cell, gemmi.SpaceGroup("P 1"))
    columns = [
        MtzColumn("FWT", "F", np.full(len(hkl), 10.0, dtype=np.float32)),
        MtzColumn("PHIFWT", "P", (360 * 0.25 * hkl[:, 0]).astype(np.float32)),
    ]
    write_mtz(tmp_path / "atom.mtz", reflections, columns, title="atom", history=[])
    mtz = gemmi.read_mtz_file(str(tmp_path / "atom.mtz"))
    density = mtz.transform_f_phi_to_map("FWT", "PHIFWT", exact_size=(16, 16, 16))
    assert np.unravel_index(np.argmax(density.array), density.shape) == (4, 0, 0)


def test_what_is_written_is_what_we_read(written: tuple[Path, MillerLattice, list[MtzColumn]]) -> None:
    path, reflections, columns = written
    summary = describe_mtz(path)
    assert (summary.intensity, summary.sigma, summary.free) == ("IDIFF", "SIGIDIFF", "FreeR_flag")
    assert summary.frame_pair == ("FWT", "PHIFWT")
    measured = np.isfinite(columns[0].values)
    observed = read_diffuse_map(path)
    np.testing.assert_array_equal(observed.lattice.hkl, reflections.hkl[measured])
    np.testing.assert_array_equal(observed.intensity, columns[0].values[measured])


def test_a_frame_survives_the_round_trip(tmp_path: Path) -> None:
    hkl = np.array([[0, 0, 3], [1, -2, 0], [2, 5, -1]])
    f = np.array([3 + 4j, -1 + 0.5j, -2j], dtype=np.complex64)
    columns = [
        MtzColumn("FC", "F", np.abs(f)),
        MtzColumn("PHIC", "P", np.degrees(np.angle(f)).astype(np.float32)),
    ]
    reflections = MillerLattice(hkl, gemmi.UnitCell(*CELL), gemmi.SpaceGroup("P 1"))
    write_mtz(tmp_path / "frame.mtz", reflections, columns, title="", history=[])
    read, values = read_frame(tmp_path / "frame.mtz")
    np.testing.assert_array_equal(read.hkl, hkl)
    np.testing.assert_allclose(values, f, rtol=1e-6)


@pytest.mark.parametrize(
    "columns",
    [
        [MtzColumn("A B", "J", np.zeros(60))],
        [MtzColumn("", "J", np.zeros(60))],
        [MtzColumn("x" * 31, "J", np.zeros(60))],
        [MtzColumn("\N{ANGSTROM SIGN}", "J", np.zeros(60))],
        [MtzColumn("I", "JQ", np.zeros(60))],
        [MtzColumn("I", "Z", np.zeros(60))],
        [MtzColumn("I", "J", np.zeros(59))],
        [MtzColumn("I", "J", np.zeros((60, 1)))],
        [MtzColumn("I", "J", np.zeros(60)), MtzColumn("I", "J", np.zeros(60))],
        [MtzColumn("H", "H", np.zeros(60))],
    ],
)
def test_a_column_that_does_not_fit_is_an_error_of_the_caller(tmp_path: Path, columns: list[MtzColumn]) -> None:
    with pytest.raises(ValueError, match=r"label|type|shape"):
        write_mtz(tmp_path / "a.mtz", lattice(60), columns, title="", history=[])
    assert list(tmp_path.iterdir()) == []


def test_fractional_indices_are_refused(tmp_path: Path) -> None:
    fine = MillerLattice([[1, 2, 3]], gemmi.UnitCell(*CELL), gemmi.SpaceGroup("P 1"), (2, 1, 1))
    with pytest.raises(BadInput, match="fractional"):
        write_mtz(tmp_path / "a.mtz", fine, [], title="", history=[])


def test_a_full_disk_leaves_the_old_file(
    written: tuple[Path, MillerLattice, list[MtzColumn]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, reflections, columns = written
    before = path.read_bytes()

    def half(self: Path, content: bytes) -> int:
        with self.open("wb") as stream:
            stream.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(DiskProblem, match="disk is full"):
        write_mtz(path, reflections, columns[:1], title="", history=[])
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
