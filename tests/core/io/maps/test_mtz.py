"""Diffuse maps from MTZ files: what is guessed, what is read and what is refused."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import cell_parameters
from mdweights_core.errors import BadInput, MdweightsError
from mdweights_core.io.maps.mtz import describe_mtz, read_diffuse_map, read_frame
from mdweights_core.io.maps.observed import read_map

CELL = (48.5, 48.5, 63.4, 90.0, 90.0, 90.0)
HKL = np.array([[1, 0, 0], [0, 1, 2], [2, 3, 1], [4, 0, 4]], dtype=np.float32)
NAN = np.nan


def build(
    path: Path,
    columns: Sequence[tuple[str, str, Sequence[float]]],
    *,
    cell: tuple[float, ...] | None = CELL,
    hkl: np.ndarray = HKL,
    data_sets: Sequence[int] = (),
) -> Path:
    """A file made by gemmi alone; `data_sets` gives each column's data set (default 1)."""
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup("P 41")
    for number in range(max(data_sets, default=1)):
        mtz.add_dataset(f"set{number + 1}")
    if cell:
        mtz.set_cell_for_all(gemmi.UnitCell(*cell))
    for place, (label, kind, _) in enumerate(columns):
        mtz.add_column(label, kind, dataset_id=data_sets[place] if data_sets else 1, expand_data=False)
    mtz.set_data(np.column_stack([hkl, *(values for _, _, values in columns)]).astype(np.float32))
    mtz.write_to_file(str(path))
    return path


def named(*labels: str) -> list[tuple[str, str, list[float]]]:
    """Columns from ``LABEL:T`` with some numbers; flags get the values 0 and 1."""
    pairs = [label.rsplit(":", 1) for label in labels]
    return [(label, kind, [0, 1, 1, 1] if kind == "I" else [5, 6, 7, 8]) for label, kind in pairs]


# ---- what is guessed


@pytest.mark.parametrize(
    ("labels", "intensity", "sigma", "free"),
    [
        (["IDIFF:J", "SIGIDIFF:Q", "IANISO:R", "NOBS:I", "FreeR_flag:I"], "IDIFF", "SIGIDIFF", "FreeR_flag"),
        (["I:J", "SIGI:Q", "IDFF:J", "SIGIDFF:Q", "FREE:I"], "IDFF", "SIGIDFF", "FREE"),
        (["Iavg:J", "ID:J"], "ID", None, None),
        (["FREE:I", "FP:F", "SIGFP:Q", "I:J", "SIGI:Q"], "I", "SIGI", "FREE"),
        (["R-free-flags:I", "R-free-flags-1:I", "FOBS:F", "SIGFOBS:Q", "IOBS:J", "SIGIOBS:Q"], "IOBS", "SIGIOBS",
         "R-free-flags"),
        (["sqrtIdiff:F", "SIGsqrtIdiff:Q", "RFREE:I"], "sqrtIdiff", "SIGsqrtIdiff", "RFREE"),
        (["I:J", "SIGI:Q", "sqrtIdiff_observed:F"], "sqrtIdiff_observed", None, None),
        (["Imean:J", "sigma_Imean:Q"], "Imean", "sigma_Imean", None),
        (["Isomething:J", "ERR:Q"], "Isomething", "ERR", None),
        (["Isomething:J", "SIGFP:Q", "FP:F"], "Isomething", None, None),
        (["I_ANISO:J", "Itotal:J"], "Itotal", None, None),
        (["FP:F", "SIGFP:Q", "COUNT:I", "TEST_FREE:R"], None, None, None),
    ],
)  # fmt: skip
def test_the_columns_are_known_by_type_and_name(
    tmp_path: Path, labels: list[str], intensity: str | None, sigma: str | None, free: str | None
) -> None:
    summary = describe_mtz(build(tmp_path / "a.mtz", named(*labels)))
    assert (summary.intensity, summary.sigma, summary.free) == (intensity, sigma, free)


def test_the_sigma_of_the_same_data_set_is_taken(tmp_path: Path) -> None:
    columns = [("SIGI", "Q", [1] * 4), ("I", "J", [2] * 4), ("SIGI", "Q", [3] * 4)]
    path = build(tmp_path / "a.mtz", columns, data_sets=(1, 2, 2))
    np.testing.assert_array_equal(read_diffuse_map(path).sigma, [3, 3, 3, 3])
    np.testing.assert_array_equal(read_diffuse_map(path, sigma_column="set1/SIGI").sigma, [1, 1, 1, 1])
    with pytest.raises(BadInput, match=r"2 columns are called SIGI.*set1/SIGI, set2/SIGI"):
        read_diffuse_map(path, sigma_column="SIGI")


def test_a_summary_lists_what_is_in_the_file(tmp_path: Path) -> None:
    path = build(tmp_path / "a.mtz", [("IDIFF", "J", [5, NAN, -7, 8]), ("EMPTY", "R", [NAN] * 4)])
    summary = describe_mtz(path)
    assert summary.n_reflections == 4
    assert [(c.label, c.type, c.dataset) for c in summary.columns[2:]] == [
        ("L", "H", "HKL_base"), ("IDIFF", "J", "set1"), ("EMPTY", "R", "set1"),
    ]  # fmt: skip
    idiff, empty = summary.columns[3:]
    assert (idiff.n_present, idiff.minimum, idiff.maximum) == (3, -7, 8)
    assert empty.n_present == 0
    assert np.isnan([empty.minimum, empty.maximum]).all()
    assert summary.space_group is not None
    assert summary.space_group.hm == "P 41"
    assert summary.d_max == pytest.approx(48.5)
    assert summary.d_min == pytest.approx(1 / np.sqrt((4 / 48.5) ** 2 + (4 / 63.4) ** 2), rel=1e-6)
    assert not summary.is_unmerged


# ---- what is read


def test_a_map_has_only_measured_reflections(tmp_path: Path) -> None:
    columns = [("IDIFF", "J", [5, NAN, -7, 8]), ("SIGIDIFF", "Q", [1, 2, 0, NAN]), ("FREE", "I", [0, 1, 1, NAN])]
    observed = read_diffuse_map(build(tmp_path / "a.mtz", columns))
    np.testing.assert_array_equal(observed.lattice.hkl, HKL[[0, 2, 3]])
    np.testing.assert_array_equal(observed.intensity, np.array([5, -7, 8], dtype=np.float32))
    np.testing.assert_array_equal(observed.sigma, [1, NAN, NAN])
    np.testing.assert_array_equal(observed.free, [False, True, False])
    assert observed.intensity.dtype == np.float32
    assert not observed.is_anisotropic
    assert observed.provenance["reflections"] == "3 measured of 4 in the file"
    assert observed.provenance["sigma"] == "SIGIDIFF"
    assert all(isinstance(value, str) for value in observed.provenance.values())


def test_a_square_root_is_squared_with_its_sigma(tmp_path: Path) -> None:
    columns = [("sqrtIdiff", "F", [5, 0, 7, NAN]), ("SIGsqrtIdiff", "Q", [0.5, 1, 2, 1])]
    observed = read_diffuse_map(build(tmp_path / "a.mtz", columns))
    np.testing.assert_array_equal(observed.intensity, np.array([25, 0, 49], dtype=np.float32))
    np.testing.assert_array_equal(observed.sigma, np.array([5, NAN, 28], dtype=np.float32))
    assert observed.provenance["intensity"] == "sqrtIdiff, squared"


def test_an_anisotropic_column_is_marked_when_chosen(tmp_path: Path) -> None:
    path = build(tmp_path / "a.mtz", named("IDIFF:J", "IANISO:R"))
    assert read_diffuse_map(path, column="IANISO").is_anisotropic
    assert not read_diffuse_map(path).is_anisotropic


def test_indices_need_not_come_first_nor_in_order(tmp_path: Path) -> None:
    mtz = gemmi.Mtz()
    mtz.spacegroup = gemmi.SpaceGroup("P 41")
    mtz.add_dataset("all")
    for label, kind in [("IDIFF", "J"), ("L", "H"), ("H", "H"), ("SIGIDIFF", "Q"), ("K", "H")]:
        mtz.add_column(label, kind, expand_data=False)
    mtz.set_cell_for_all(gemmi.UnitCell(*CELL))
    mtz.set_data(np.array([[5, 3, 1, 0.5, 2], [6, 6, 4, 0.7, 5]], dtype=np.float32))
    mtz.write_to_file(str(tmp_path / "a.mtz"))
    observed = read_diffuse_map(tmp_path / "a.mtz")
    np.testing.assert_array_equal(observed.lattice.hkl, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(observed.intensity, [5, 6])


def test_a_compressed_file_is_read_like_the_plain_one(tmp_path: Path) -> None:
    plain = build(tmp_path / "a.mtz", named("IDIFF:J"))
    packed = tmp_path / "b.mtz.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    np.testing.assert_array_equal(read_diffuse_map(packed).intensity, read_diffuse_map(plain).intensity)


def test_a_missing_number_may_have_a_mark_other_than_nan(tmp_path: Path) -> None:
    path = build(tmp_path / "a.mtz", [("IDIFF", "J", [5, -999, 7, -999]), ("FREE", "I", [0, 1, -999, 1])])
    content = path.read_bytes()
    assert content.count(b"VALM NAN") == 1
    path.write_bytes(content.replace(b"VALM NAN ", b"VALM -999"))
    observed = read_diffuse_map(path)
    np.testing.assert_array_equal(observed.intensity, [5, 7])
    assert describe_mtz(path).columns[-1].n_present == 3


def test_equivalent_reflections_are_kept(tmp_path: Path) -> None:
    hkl = np.array([[1, 2, 3], [-1, -2, -3], [-2, 1, 3], [5, 5, 5]])
    observed = read_diffuse_map(build(tmp_path / "a.mtz", named("IDIFF:J"), hkl=hkl))
    np.testing.assert_array_equal(observed.lattice.hkl, hkl)


@pytest.mark.parametrize(
    ("flags", "free", "words"),
    [
        ([0, *range(20)], [0, 1], "value 0, one of 20 sets (2 of 21 reflections)"),
        ([0, 0, 0, 1], [3], "value 1, the rarer of two values"),
        ([1, 1, 0, 1], [2], "value 0, the rarer of two values"),
        ([0, 1], [1], "value 1, the rarer of two values"),
        ([1, 1, -1, 1], [2], "value -1, the rarer"),
        ([3, 1, 2, 1], [1, 3], "value 1, one of 3 sets"),
    ],
)
def test_the_free_value_is_told_from_the_flags(tmp_path: Path, flags: list[int], free: list[int], words: str) -> None:
    n = len(flags)
    hkl = np.column_stack([np.arange(1, n + 1), np.zeros(n), np.zeros(n)])
    path = build(tmp_path / "a.mtz", [("IDIFF", "J", [1] * n), ("FreeR_flag", "I", flags)], hkl=hkl)
    observed = read_diffuse_map(path)
    assert observed.free is not None
    np.testing.assert_array_equal(np.flatnonzero(observed.free), free)
    assert words in observed.provenance["free"]


def test_flags_that_are_all_the_same_are_no_free_set(tmp_path: Path) -> None:
    path = build(tmp_path / "a.mtz", [("IDIFF", "J", [1] * 4), ("FREE", "I", [1] * 4)])
    observed = read_diffuse_map(path)
    assert observed.free is None
    assert "sets nothing apart" in observed.provenance["free"]
    with pytest.raises(BadInput, match="FREE sets nothing apart"):
        read_diffuse_map(path, free_column="FREE")


def test_a_sigma_without_numbers_is_no_sigma(tmp_path: Path) -> None:
    path = build(tmp_path / "a.mtz", [("IDIFF", "J", [1] * 4), ("SIGIDIFF", "Q", [0, -1, NAN, 0])])
    assert read_diffuse_map(path).sigma is None
    with pytest.raises(BadInput, match="no positive sigma"):
        read_diffuse_map(path, sigma_column="SIGIDIFF")


def test_the_space_group_can_be_given(tmp_path: Path) -> None:
    path = build(tmp_path / "a.mtz", named("IDIFF:J"))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"'P 41'", b"'Q 99'").replace(b"SYMM", b"REMK"))
    assert describe_mtz(path).space_group is None
    with pytest.raises(BadInput, match="no space group that is known"):
        read_diffuse_map(path)
    observed = read_diffuse_map(path, space_group="p43212")
    assert observed.lattice.space_group.hm == "P 43 21 2"
    assert observed.provenance["space group"] == "P 43 21 2 (given)"
    for name, words in [
        ("P 99", "no space group called 'P 99'"),
        ("P 3", "does not fit the space group P 3"),
        ("Å", "no"),
    ]:
        with pytest.raises(BadInput, match=words):
            read_diffuse_map(path, space_group=name)


def test_a_map_can_be_indexed_anew(tmp_path: Path) -> None:
    path = build(tmp_path / "a.mtz", named("IDIFF:J"))
    plain, anew = read_diffuse_map(path), read_map(path, reindex="k,h,-l")
    np.testing.assert_array_equal(anew.lattice.hkl, plain.lattice.hkl[:, [1, 0, 2]] * [1, 1, -1])
    np.testing.assert_array_equal(anew.intensity, plain.intensity)
    assert cell_parameters(anew.lattice.cell) == cell_parameters(plain.lattice.cell)
    assert anew.provenance["reindex"] == "k,h,-l"
    with pytest.raises(BadInput, match="not a reindexing operator"):
        read_map(path, reindex="k;h;l")


# ---- what is refused


@pytest.mark.parametrize(
    ("labels", "chosen", "words"),
    [
        (["FP:F", "SIGFP:Q"], {}, r"no intensity column.*type J.*FP \(F\), SIGFP \(Q\)"),
        (["I(+):K", "SIGI(+):M", "I(-):K"], {}, r"only Friedel pairs, I\(\+\) \(K\), I\(-\) \(K\).*Merge the pairs"),
        (["F(+):G", "F(-):G"], {}, r"only Friedel pairs.*Merge the pairs"),
        (["I(+):K", "I(-):K"], {"column": "I(+)"}, "only one half of the Friedel pairs.*Merge"),
        (["IDIFF:J", "FP:F"], {"column": "FP"}, r"FP is not an intensity but of type F.*IDIFF \(J\)"),
        (["IDIFF:J", "FP:F"], {"column": "IDIF"}, r"no column IDIF.*IDIFF \(J\), FP \(F\)"),
        (["IDIFF:J", "S:Q", "FP:F"], {"sigma_column": "FP"}, r"FP is of type F and cannot be a sigma.*S \(Q\)"),
        (["IDIFF:J", "FREE:I"], {"free_column": "IDIFF"}, r"cannot be a free set.*FREE \(I\)"),
        (["IDIFF:J"], {"free_column": "IDIFF"}, r"no column of type I here"),
        (["IDIFF:J"], {"column": ""}, "no column "),
    ],
)
def test_a_column_that_cannot_be_meant_is_refused_with_the_ones_that_can(
    tmp_path: Path, labels: list[str], chosen: dict[str, str], words: str
) -> None:
    path = build(tmp_path / "a.mtz", named(*labels))
    with pytest.raises(BadInput, match=words) as caught:
        read_diffuse_map(path, **chosen)
    assert caught.value.where == str(path)
    assert caught.value.advice


@pytest.mark.parametrize(
    ("values", "words"),
    [([NAN] * 4, "holds no measured reflection"), ([1, 2, np.inf, 3], "infinite"), ([1, 2, 3, -np.inf], "infinite")],
)
def test_a_column_without_usable_numbers_is_refused(tmp_path: Path, values: list[float], words: str) -> None:
    path = build(tmp_path / "a.mtz", [("IDIFF", "J", values)])
    assert describe_mtz(path).n_reflections == 4
    with pytest.raises(BadInput, match=words):
        read_diffuse_map(path)


def test_a_file_without_reflections_is_refused(tmp_path: Path) -> None:
    path = build(tmp_path / "a.mtz", [("IDIFF", "J", [])], hkl=HKL[:0])
    for read in (describe_mtz, read_diffuse_map, read_frame):
        with pytest.raises(BadInput, match="lists no reflection"):
            read(path)


def test_a_square_root_too_large_to_square_is_refused(tmp_path: Path) -> None:
    path = build(tmp_path / "a.mtz", [("sqrtI", "F", [1, 2, 3, 1e30])])
    with pytest.raises(BadInput, match="infinite"):
        read_diffuse_map(path)


def test_a_file_without_cell_is_described_and_not_read(tmp_path: Path) -> None:
    path = build(tmp_path / "a.mtz", named("IDIFF:J", "FC:F", "PHIC:P"), cell=None)
    summary = describe_mtz(path)
    assert summary.cell is None
    assert np.isnan([summary.d_min, summary.d_max]).all()
    for read in (read_diffuse_map, read_frame):
        with pytest.raises(BadInput, match="no unit cell"):
            read(path)


def test_a_reflection_listed_twice_is_refused_unless_one_is_empty(tmp_path: Path) -> None:
    hkl = np.array([[1, 2, 3], [4, 5, 6], [1, 2, 3], [7, 8, 9]])
    twice = build(tmp_path / "a.mtz", [("IDIFF", "J", [1, 2, 3, 4])], hkl=hkl)
    with pytest.raises(BadInput, match="The reflection 1 2 3 is listed more than once"):
        read_diffuse_map(twice)
    once = build(tmp_path / "b.mtz", [("IDIFF", "J", [1, 2, NAN, 4])], hkl=hkl)
    assert len(read_diffuse_map(once)) == 3


@pytest.mark.parametrize("marks", [["M/ISYM:Y", "BATCH:B"], ["M_ISYM:Y"]])
def test_an_unmerged_file_is_described_without_guesses_and_not_read(tmp_path: Path, marks: list[str]) -> None:
    path = build(tmp_path / "a.mtz", named("I:J", "SIGI:Q", "FC:F", "PHIC:P", *marks))
    summary = describe_mtz(path)
    assert summary.is_unmerged
    assert summary.intensity is summary.sigma is summary.free is summary.frame_pair is None
    for read in (read_diffuse_map, read_frame):
        with pytest.raises(BadInput, match=r"unmerged.*Merge it first"):
            read(path)


def test_the_isym_column_of_truncate_does_not_make_a_file_unmerged(tmp_path: Path) -> None:
    assert len(read_diffuse_map(build(tmp_path / "a.mtz", named("IMEAN:J", "SIGIMEAN:Q", "ISYM:Y")))) == 4


# ---- real files

NO_MAP = "no intensity column"
NO_PHASE = "no phase"
UNCLEAR = "not clear"
UNMERGED = "unmerged"
REAL = {  # reflections, measured intensities or why not, P1 structure factors or why not
    "mtz/1dur_ksol1.mtz": (3197, NO_MAP, 11385),
    "mtz/1dur_vanilla.mtz": (3197, NO_MAP, 11385),
    "mtz/5e5z.mtz": (441, 403, NO_PHASE),
    "mtz/5wkd_phases.mtz.gz": (367, NO_MAP, 577),
    "mtz/7n2l.mtz": (3437, 3437, NO_PHASE),
    "mtz/HEWL_refined.mtz": (13693, "only Friedel pairs", UNCLEAR),
    "mtz/PYP_diffmap.mtz": (9405, NO_MAP, UNCLEAR),
    "mtz/data_unmerged.mtz": (1000, UNMERGED, UNMERGED),
    "mtz/phaser_1.mtz": (1090, NO_MAP, 2033),
    "snase/snc_reference_P1.mtz": (83901, 83901, NO_PHASE),
    "snase/snc_reference_P41merged.mtz": (30547, 30547, NO_PHASE),
    "lysozyme/lys_nitr_ubatch4_refmac.mtz": (31327, NO_MAP, 31327),
}


def test_every_real_file_has_its_expectation(shared_data: Path) -> None:
    found = {str(path.relative_to(shared_data)) for path in (shared_data / "mtz").glob("*.mtz*")}
    assert found == {name for name in REAL if name.startswith("mtz/")}


@pytest.mark.parametrize("name", REAL)
def test_a_real_file_is_read_or_refused_as_expected(shared_data: Path, name: str) -> None:
    path = shared_data / name
    n_reflections, n_map, n_frame = REAL[name]
    assert describe_mtz(path).n_reflections == n_reflections
    assert outcome(lambda: len(read_diffuse_map(path)), n_map)
    assert outcome(lambda: len(read_frame(path)[1]), n_frame)


def outcome(read: object, expected: int | str) -> bool:
    """True when reading gives the expected number, or fails with a sentence that holds the expected words."""
    try:
        return read() == expected  # type: ignore[operator]
    except MdweightsError as error:
        return isinstance(expected, str) and expected in error.sentence and "\n" not in error.sentence


def test_the_experimental_map_is_understood(shared_data: Path) -> None:
    path = shared_data / "snase" / "snc_reference_P41merged.mtz"
    summary = describe_mtz(path)
    assert (summary.intensity, summary.sigma, summary.free) == ("IDIFF", "SIGIDIFF", "FreeR_flag")
    observed = read_diffuse_map(path)
    data = gemmi.read_mtz_file(str(path))
    np.testing.assert_array_equal(observed.intensity, data.column_with_label("IDIFF").array)
    np.testing.assert_array_equal(observed.free, data.column_with_label("FreeR_flag").array == 0)
    assert observed.sigma is not None
    assert np.isnan(observed.sigma).sum() == 30547 - 29132
    aniso = read_diffuse_map(path, column="IANISO")
    assert aniso.is_anisotropic
    assert aniso.sigma is None


def test_reading_changes_no_file(shared_data: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(shared_data / "mtz" / "5e5z.mtz", tmp_path))
    before = path.read_bytes(), path.stat().st_mtime_ns
    read_diffuse_map(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert list(tmp_path.iterdir()) == [path]
