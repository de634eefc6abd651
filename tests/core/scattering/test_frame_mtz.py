"""MTZ files of a store, read back by gemmi and by ourselves, against sums over its frames."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.crystal.collapse import Collapse
from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.laue import find_rows, friedel_half, in_asu, laue_groups
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.maps.mtz import MtzColumn, describe_mtz, read_frame, write_mtz
from mdweights_core.scattering.collect import collect
from mdweights_core.scattering.collect_mtz import MtzFrames
from mdweights_core.scattering.frame_mtz import write_average_mtz, write_block_averages, write_frame_mtzs
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.storage.store import FrameTable, StructureFactorStore

P1 = gemmi.SpaceGroup("P 1")
P212121 = gemmi.SpaceGroup("P 21 21 21")
CELL = gemmi.UnitCell(11, 12, 13, 90, 90, 90)
N_FRAMES = 9
KEY = {"kind": "frames", "settings": {"b_iso": 2.0, "supercell": None}}


def crystal_frames(lattice: MillerLattice, box: tuple[int, int, int], shift: float = 0.0) -> np.ndarray:
    """F of point atoms that jiggle about the sites of a P 21 21 21 crystal, complex64 [N_FRAMES, n_hkl]."""
    rng = np.random.default_rng(4)
    sites = rng.random((3, 3))
    cells = np.indices(box).reshape(3, -1).T
    images = [[operation.apply_to_xyz(site) for site in sites.tolist()] for operation in P212121.operations()]
    atoms = (np.array(images).reshape(-1, 1, 3) + cells).reshape(-1, 3) + shift
    moved = atoms + 0.02 * rng.normal(size=(N_FRAMES, *atoms.shape))
    return np.exp(2j * np.pi * (moved @ lattice.index.T)).sum(axis=1).astype(np.complex64)


def store_of(
    path: Path, lattice: MillerLattice, values: np.ndarray, box: gemmi.UnitCell | None
) -> StructureFactorStore:
    store = StructureFactorStore.create(path, lattice, FrameTable.blank(["md.xtc"] * N_FRAMES, range(N_FRAMES)), KEY)
    cells = None if box is None else np.tile(box.parameters, (N_FRAMES, 1))
    store.write(0, values, time=10.0 * np.arange(N_FRAMES), cell=cells)
    return store


@pytest.fixture
def plain(tmp_path) -> StructureFactorStore:
    """One primitive cell, whole indices."""
    lattice = half_lattice(CELL, P1, 2.2)
    return store_of(tmp_path / "plain", lattice, crystal_frames(lattice, (1, 1, 1)), CELL)


@pytest.fixture
def divided(tmp_path) -> StructureFactorStore:
    """A 2 x 1 x 2 supercell on the lattice of the primitive cell divided so."""
    lattice = half_lattice(CELL, P1, 2.6, ndiv=(2, 1, 2))
    box = gemmi.UnitCell(22, 12, 26, 90, 90, 90)
    return store_of(tmp_path / "divided", lattice, crystal_frames(lattice, (2, 1, 2)), box)


def complex_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    mtz = gemmi.read_mtz_file(str(path))
    phase = np.radians(mtz.column_with_label("PHIC").array)
    return mtz.make_miller_array(), mtz.column_with_label("FC").array * np.exp(1j * phase)


def column(path: Path, label: str) -> np.ndarray:
    return gemmi.read_mtz_file(str(path)).column_with_label(label).array


def test_every_frame_comes_back(plain, tmp_path):
    folder = tmp_path / "new" / "frames"
    assert jobs.run(write_frame_mtzs(plain, folder)) == []
    assert sorted(path.name for path in folder.iterdir()) == [f"frame_{t:06d}.mtz" for t in range(N_FRAMES)]
    lattice, values = read_frame(folder / "frame_000005.mtz")
    np.testing.assert_array_equal(lattice.hkl, plain.lattice.hkl)
    np.testing.assert_allclose(values, plain.read(slice(5, 6))[0], rtol=1e-5, atol=1e-4)
    mtz = gemmi.read_mtz_file(str(folder / "frame_000005.mtz"))
    assert [(c.label, c.type) for c in mtz.columns[3:]] == [("FC", "F"), ("PHIC", "P")]
    asu = gemmi.ReciprocalAsu(P1)
    assert all(asu.is_in(h) for h in mtz.make_miller_array().tolist())
    history = " ".join(mtz.history)
    assert "frame 5 (from 0): md.xtc, frame 5 of it, 50 ps" in history
    assert "b_iso 2.0" in history
    assert "supercell" not in history  # it was not told
    assert "cell 11 12 13 90 90 90" in history


@pytest.mark.parametrize("kind", ["plain", "divided"])
def test_written_frames_are_collected_again(kind, request, tmp_path):
    """Also those of a divided lattice, which the files hold as that of the supercell."""
    store = request.getfixturevalue(kind)
    jobs.run(write_frame_mtzs(store, tmp_path / "frames"))
    files = sorted((tmp_path / "frames").iterdir())
    again = jobs.run(collect(MtzFrames(files), store.lattice, tmp_path / "again"))
    np.testing.assert_allclose(again.read(), store.read(), rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(again.lattice.hkl, store.lattice.hkl)
    assert again.lattice.ndiv == store.lattice.ndiv


def test_frames_of_a_supercell_serve_a_map_at_whole_indices(divided, tmp_path):
    jobs.run(write_frame_mtzs(divided, tmp_path / "frames"))
    whole = half_lattice(CELL, P1, 2.6)
    again = jobs.run(collect(MtzFrames(sorted((tmp_path / "frames").iterdir())), whole, tmp_path / "again"))
    rows = find_rows(whole.hkl * np.array([2, 1, 2]), divided.lattice.hkl)
    np.testing.assert_allclose(again.read(), divided.read()[:, rows], rtol=1e-5, atol=1e-4)
    finer = half_lattice(CELL, P1, 2.6, ndiv=(2, 2, 2))  # the files have no k/2
    with pytest.raises(BadInput, match="is not that of the map"):
        jobs.run(collect(MtzFrames(sorted((tmp_path / "frames").iterdir())), finer, tmp_path / "finer"))


def test_a_divided_lattice_is_written_as_the_supercell(divided, tmp_path):
    jobs.run(write_frame_mtzs(divided, tmp_path))
    found = describe_mtz(tmp_path / "frame_000000.mtz")
    assert found.cell.parameters == pytest.approx((22, 12, 26, 90, 90, 90))
    assert found.space_group.hm == "P 1"
    assert found.n_reflections == len(divided.lattice)
    assert found.d_min == pytest.approx(divided.lattice.d_spacing.min(), rel=1e-5)
    assert "supercell of 2 x 1 x 2 cells" in " ".join(found.history)


def test_frames_collapse_to_the_primitive_cell(divided, tmp_path):
    jobs.run(write_frame_mtzs(divided, tmp_path, collapse=P212121))
    recipe = Collapse(divided.lattice, P212121)
    hkl, values = complex_of(tmp_path / "frame_000003.mtz")
    np.testing.assert_array_equal(hkl, recipe.lattice.hkl)
    np.testing.assert_allclose(values, recipe(divided.read(slice(3, 4)))[0], atol=1e-4)
    found = describe_mtz(tmp_path / "frame_000003.mtz")
    assert found.space_group.xhm() == "P 21 21 21"
    assert found.cell.parameters == pytest.approx(CELL.parameters)
    assert any("one of 4 simulated cells" in line for line in found.history)


def scale_of(store: StructureFactorStore, folder: Path, **options) -> float:
    """F(0 0 2) of the first collapsed frame over that of the box."""
    jobs.run(write_frame_mtzs(store, folder, collapse=P1, **options))
    hkl, values = complex_of(folder / "frame_000000.mtz")
    row = find_rows(np.array([[0, 0, 2]]), hkl)
    step = np.array(store.lattice.ndiv) * np.rint(
        np.divide(store.lattice.cell.parameters[:3], describe_mtz(folder / "frame_000000.mtz").cell.parameters[:3])
    ).astype(int)
    own = find_rows(np.array([[0, 0, 2]]) * step, store.lattice.hkl)
    return float((values[row] / store.read(slice(0, 1))[0, own]).real[0])


def test_how_many_cells_a_frame_holds_comes_from_divisions_box_settings_or_the_user(tmp_path):
    """F is per primitive cell, whichever way the supercell came about."""
    big = gemmi.UnitCell(22, 12, 26, 90, 90, 90)
    whole, fine, large = (
        half_lattice(CELL, P1, 3.0),
        half_lattice(CELL, P1, 3.0, ndiv=(2, 1, 2)),
        half_lattice(big, P1, 3),
    )
    cases = [
        ("divided, box unknown", fine, None, {}, 1 / 4),
        ("divided finer than the box", fine, CELL, {}, 1),
        ("whole indices of a larger box", whole, big, {}, 1 / 4),
        ("the same, told", whole, big, {"supercell": (2, 1, 2)}, 1 / 4),
        ("the cell is a supercell, told", large, big, {"supercell": (2, 1, 2)}, 1 / 4),
        ("the cell is a supercell, of MTZ files", large, None, {"supercell": (2, 1, 2)}, 1 / 4),
        ("a box of solution tells nothing", whole, gemmi.UnitCell(40, 40, 40, 90, 90, 90), {}, 1),
    ]
    for number, (name, lattice, box, options, expected) in enumerate(cases):
        store = store_of(tmp_path / f"s{number}", lattice, crystal_frames(lattice, (1, 1, 1)), box)
        assert scale_of(store, tmp_path / f"m{number}", **options) == pytest.approx(expected, rel=1e-4), name


def test_averages_are_the_moments_of_the_frames(plain, tmp_path):
    path = tmp_path / "mean.mtz"
    assert jobs.run(write_average_mtz(plain, path)) == []
    values = plain.read().astype(np.complex128)
    hkl, mean = complex_of(path)
    half = friedel_half(hkl)
    rows = find_rows(half, plain.lattice.hkl)
    expected = values.mean(axis=0)[rows]
    expected = np.where((half == hkl).all(axis=1), expected, expected.conj())
    np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(column(path, "IMEAN"), (np.abs(values) ** 2).mean(axis=0)[rows], rtol=1e-5)
    np.testing.assert_allclose(column(path, "IDIFF"), values.var(axis=0)[rows], rtol=1e-5)
    assert {c.label: c.type for c in gemmi.read_mtz_file(str(path)).columns[3:]} == {
        "FC": "F",
        "PHIC": "P",
        "IMEAN": "J",
        "IDIFF": "J",
    }


def test_intensities_are_averaged_over_the_laue_class_after_the_variance(plain, tmp_path):
    path = tmp_path / "mean.mtz"
    assert jobs.run(write_average_mtz(plain, path, collapse=P212121)) == []
    groups = laue_groups(MillerLattice(plain.lattice.hkl, CELL, P212121))
    values = plain.read()[:, find_rows(groups.p1.hkl, plain.lattice.hkl)].astype(np.complex128)
    hkl, _ = complex_of(path)
    order = find_rows(hkl, in_asu(groups.lattice.hkl, P212121))
    assert len(order) == len(groups)  # systematic absences are kept
    np.testing.assert_allclose(column(path, "IDIFF"), groups.average(values.var(axis=0))[order], rtol=1e-5)
    np.testing.assert_allclose(
        column(path, "IMEAN"), groups.average((np.abs(values) ** 2).mean(axis=0))[order], rtol=1e-5
    )
    # symmetrising frames first would have lost most of it
    symmetrised = Collapse(plain.lattice, P212121, keep_absent=True)(plain.read())
    assert symmetrised.var(axis=0).sum() < 0.5 * column(path, "IDIFF").sum()


def test_collapsed_averages_are_on_the_scale_of_one_cell(divided, tmp_path):
    path = tmp_path / "mean.mtz"
    jobs.run(write_average_mtz(divided, path, collapse=P212121))
    hkl, mean = complex_of(path)
    strong = np.abs(mean) > np.median(np.abs(mean))
    bragg = (column(path, "IMEAN") - column(path, "IDIFF"))[strong]
    assert np.median(np.abs(mean[strong]) ** 2 / bragg) == pytest.approx(1, abs=0.1)
    recipe = Collapse(divided.lattice, P212121, keep_absent=True)
    np.testing.assert_array_equal(recipe.lattice.hkl, hkl)
    np.testing.assert_allclose(mean, recipe(divided.read().mean(axis=0)), atol=1e-3)


def history_of(path: Path) -> str:
    return " ".join(describe_mtz(path).history)


def assert_alike(path: Path, other: Path) -> None:
    """The same F but for what noise does to the place of a crystal, and the very same intensities if there are any."""
    (hkl, one), (_, two) = complex_of(path), complex_of(other)
    assert np.linalg.norm(one - two) < 0.15 * np.linalg.norm(two)
    assert len(hkl) == len(two)
    for label in {"IMEAN", "IDIFF"} & {c.label for c in gemmi.read_mtz_file(str(path)).columns}:
        np.testing.assert_allclose(column(path, label), column(other, label), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("box", [(1, 1, 1), (2, 1, 2)])
def test_a_crystal_at_another_origin_is_moved(tmp_path, box):
    """Averages, blocks and frames as those of the crystal at its origin, all by the same move, which is said."""
    lattice = half_lattice(CELL, P1, 2.2, ndiv=box)
    paths = []
    for name, shift in (("at", 0.0), ("off", 0.13)):
        store = store_of(tmp_path / f"{name}.zarr", lattice, crystal_frames(lattice, box, shift), None)
        told = jobs.run(write_frame_mtzs(store, tmp_path / name, collapse=P212121))
        assert told == jobs.run(write_average_mtz(store, tmp_path / name / "mean.mtz", collapse=P212121))
        assert told == jobs.run(write_block_averages(store, tmp_path / name, 5, collapse=P212121))
        paths.append(sorted((tmp_path / name).iterdir()))
        assert len(told) == (name == "off")
    assert "off the origin of P 21 21 21: FC and PHIC were shifted" in told[0]
    assert len(paths[0]) == N_FRAMES + 3
    for at, off in zip(*paths, strict=True):
        assert_alike(off, at)
        assert told[0] in history_of(off)
        assert "origin" not in history_of(at)


def test_frames_in_p1_are_never_moved(tmp_path):
    lattice = half_lattice(CELL, P1, 2.2)
    store = store_of(tmp_path / "F", lattice, crystal_frames(lattice, (1, 1, 1), shift=0.13), CELL)
    jobs.run(write_average_mtz(store, tmp_path / "mean.mtz"))
    _, mean = complex_of(tmp_path / "mean.mtz")
    np.testing.assert_allclose(np.sort(mean.real), np.sort(store.read().mean(axis=0).real), atol=1e-3)


def test_a_crystal_without_its_space_group_is_told(tmp_path):
    lattice = half_lattice(CELL, P1, 2.2)
    atoms = np.random.default_rng(2).random((N_FRAMES, 12, 3)) * 0.02 + np.random.default_rng(3).random((12, 3))
    values = np.exp(2j * np.pi * (atoms @ lattice.index.T)).sum(axis=1).astype(np.complex64)
    store = store_of(tmp_path / "F", lattice, values, CELL)
    (told,) = jobs.run(write_average_mtz(store, tmp_path / "mean.mtz", collapse=P212121))
    assert "another origin" in told
    assert "FC and PHIC mean nothing" in history_of(tmp_path / "mean.mtz")
    hkl, mean = complex_of(tmp_path / "mean.mtz")
    recipe = Collapse(lattice, P212121, keep_absent=True)
    np.testing.assert_array_equal(hkl, recipe.lattice.hkl)
    np.testing.assert_allclose(mean, recipe(store.read().mean(axis=0)), atol=1e-3)  # as it lies


def test_some_frames_only(plain, tmp_path):
    jobs.run(write_average_mtz(plain, tmp_path / "mean.mtz", frames=slice(2, 7, 2)))
    _, mean = complex_of(tmp_path / "mean.mtz")
    expected = np.abs(plain.read(np.array([2, 4, 6])).mean(axis=0))
    np.testing.assert_allclose(np.sort(np.abs(mean)), np.sort(expected), atol=1e-4)


def test_block_averages_are_the_averages_of_blocks(plain, tmp_path):
    assert jobs.run(write_block_averages(plain, tmp_path / "blocks", 4)) == []
    names = ["average_000000-000003.mtz", "average_000004-000007.mtz", "average_000008-000008.mtz"]
    assert sorted(path.name for path in (tmp_path / "blocks").iterdir()) == names
    jobs.run(write_average_mtz(plain, tmp_path / "one.mtz", frames=slice(4, 8)))
    for label in ("FC", "PHIC", "IMEAN", "IDIFF"):
        np.testing.assert_array_equal(
            column(tmp_path / "blocks" / names[1], label), column(tmp_path / "one.mtz", label)
        )
    assert np.abs(column(tmp_path / "blocks" / names[2], "IDIFF")).max() < 1e-3  # one frame has no variance


def test_unfinished_frames_are_left_out(tmp_path):
    lattice = half_lattice(CELL, P1, 3.0)
    table = FrameTable.blank(["md.xtc"] * N_FRAMES, range(N_FRAMES))
    store = StructureFactorStore.create(tmp_path / "F", lattice, table, KEY)
    with pytest.raises(BadInput, match="Compute them first"):
        jobs.run(write_frame_mtzs(store, tmp_path / "mtz"))
    store.write(0, crystal_frames(lattice, (1, 1, 1))[:3])
    jobs.run(write_frame_mtzs(store, tmp_path / "mtz"))
    jobs.run(write_block_averages(store, tmp_path / "blocks", 2))
    assert len(list((tmp_path / "mtz").iterdir())) == 3
    assert len(list((tmp_path / "blocks").iterdir())) == 2


def test_stopped_the_files_written_stay_and_the_next_run_replaces_them(plain, tmp_path, monkeypatch):
    monkeypatch.setattr("mdweights_core.scattering.frame_mtz._SNAPSHOT_SECONDS", 0.0)
    job = write_frame_mtzs(plain, tmp_path / "mtz")
    for _ in range(3):
        last = next(job)
    assert (last.step, last.total) == (3, N_FRAMES)
    assert jobs.stop(job) is None
    assert len(list((tmp_path / "mtz").iterdir())) == 3
    before = (tmp_path / "mtz" / "frame_000000.mtz").stat().st_ino
    jobs.run(write_frame_mtzs(plain, tmp_path / "mtz"))
    assert len(list((tmp_path / "mtz").iterdir())) == N_FRAMES
    assert (tmp_path / "mtz" / "frame_000000.mtz").stat().st_ino != before


def test_files_of_others_are_never_overwritten(plain, tmp_path):
    columns = [MtzColumn("FC", "F", np.ones(len(plain.lattice)))]
    write_mtz(tmp_path / "frame_000004.mtz", plain.lattice, columns, title="mine", history=[])
    (tmp_path / "average_000000-000004.mtz").write_text("thesis")
    (tmp_path / "notes.txt").write_text("beside frames anything may lie")
    with pytest.raises(BadInput, match=r"frame_000004.mtz would be overwritten"):
        jobs.run(write_frame_mtzs(plain, tmp_path))
    with pytest.raises(BadInput, match=r"average_000000-000004.mtz would be overwritten"):
        jobs.run(write_block_averages(plain, tmp_path, 5))
    assert len(list(tmp_path.glob("*.mtz"))) == 2


def test_frames_left_from_a_longer_run_are_told(plain, tmp_path):
    jobs.run(write_block_averages(plain, tmp_path, 2))
    with pytest.raises(BadInput, match="left among the new ones"):
        jobs.run(write_block_averages(plain, tmp_path, 3))


def test_the_files_a_store_was_collected_from_are_not_overwritten(plain, tmp_path):
    jobs.run(write_frame_mtzs(plain, tmp_path / "mtz"))
    files = sorted((tmp_path / "mtz").iterdir())
    collected = jobs.run(collect(MtzFrames(files), plain.lattice, tmp_path / "collected"))
    with pytest.raises(BadInput, match="would be overwritten"):
        jobs.run(write_frame_mtzs(collected, tmp_path / "mtz", collapse=P212121))


@pytest.mark.parametrize("block", [0, -3])
def test_blocks_of_nothing_are_refused(plain, tmp_path, block):
    with pytest.raises(BadInput, match="at least 1"):
        jobs.run(write_block_averages(plain, tmp_path, block))


def test_a_full_disk_and_a_file_in_the_way_are_sentences(plain, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(DiskProblem):
        jobs.run(write_frame_mtzs(plain, tmp_path / "taken"))

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DiskProblem, match="disk is full"):
        jobs.run(write_frame_mtzs(plain, tmp_path / "mtz"))
    assert list((tmp_path / "mtz").iterdir()) == []
