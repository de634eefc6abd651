"""The weight problem made from a map and a store: symmetry, free sets, what is left out and what is refused."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice
from mdweights_core.crystal.laue import find_rows, group_of, images, laue_groups, representatives
from mdweights_core.errors import BadInput
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.storage.store import FrameTable, StructureFactorStore
from mdweights_core.weights import problem as module
from mdweights_core.weights.model import intensity, model_arrays
from mdweights_core.weights.problem import available_memory, build_problem

TRIGONAL = (gemmi.UnitCell(30, 30, 40, 90, 90, 120), gemmi.SpaceGroup("P 31 2 1"))
N_FRAMES = 6


def make_store(path, lattice: MillerLattice, f: np.ndarray) -> StructureFactorStore:
    table = FrameTable.blank(["frames.xtc"] * len(f), np.arange(len(f)))
    store = StructureFactorStore.create(path, lattice, table, {"kind": "test"})
    store.write(0, f)
    return store


@pytest.fixture(scope="module")
def p1() -> MillerLattice:
    """All Friedel-unique reflections to 4 A."""
    return half_lattice(*TRIGONAL, 4.0)


@pytest.fixture(scope="module")
def f(p1) -> np.ndarray:
    rng = np.random.default_rng(0)
    shape = (N_FRAMES, len(p1))
    bragg = 100 * (rng.normal(size=shape[1]) + 1j * rng.normal(size=shape[1]))
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape) + bragg).astype(np.complex64)


@pytest.fixture(scope="module")
def store(p1, f, tmp_path_factory) -> StructureFactorStore:
    return make_store(tmp_path_factory.mktemp("store") / "f.zarr", p1, f)


def observe(lattice: MillerLattice, seed: int = 1, **more) -> DiffuseMap:
    values = np.random.default_rng(seed).normal(10, 2, len(lattice)).astype(np.float32)
    return DiffuseMap(lattice, values, **more)


def with_mates(p1: MillerLattice) -> MillerLattice:
    return MillerLattice(np.concatenate([p1.hkl, -p1.hkl]), *TRIGONAL)


def test_the_calculated_map_is_the_mean_of_the_variance_over_all_images(p1, f, store):
    """By a dictionary of hkl and the definition, in double precision."""
    problem = jobs.run(build_problem(observe(MillerLattice(p1.hkl, *TRIGONAL)), store))
    weights = np.random.default_rng(2).dirichlet(np.ones(N_FRAMES))
    calculated = np.asarray(intensity(weights, model_arrays(problem, anisotropic=True)))
    wide = f.astype(np.complex128)
    variance = weights @ np.abs(wide) ** 2 - np.abs(weights @ wide) ** 2
    at = {}
    for hkl, value in zip(p1.hkl.tolist(), variance, strict=True):
        at[tuple(hkl)] = at[tuple(-i for i in hkl)] = value
    for row in range(0, len(problem.groups), 7):
        mates = {tuple(m) for m in images(problem.groups.lattice.hkl[row : row + 1], TRIGONAL[1])[:, 0].tolist()}
        assert calculated[row] == pytest.approx(np.mean([at[m] for m in mates]), rel=1e-3)


def test_no_file_of_the_store_is_read_twice(p1, f, tmp_path, monkeypatch):
    store = make_store(tmp_path / "f.zarr", p1, np.tile(f, (11, 1)))
    monkeypatch.setattr(module, "_READ_BYTES", 8 * store.n_hkl * 20)  # less than the 32 frames in a file
    seen, read = [], store.read
    monkeypatch.setattr(store, "read", lambda frames: (seen.append(frames), read(frames))[1])
    problem = jobs.run(build_problem(observe(MillerLattice(p1.hkl, *TRIGONAL)), store))
    assert [(frames.start, frames.stop) for frames in seen] == [(0, 32), (32, 64), (64, 66)]
    assert problem.n_frames == 66


def test_equivalents_and_friedel_mates_are_averaged_with_their_sigma(p1, store):
    lattice = with_mates(p1)
    sigma = np.full(len(lattice), 3.0, dtype=np.float32)
    sigma[::5] = np.nan
    seen = observe(lattice, sigma=sigma)
    problem = jobs.run(build_problem(seen, store))
    row = 11
    mates = group_of(lattice.hkl, problem.groups) == row
    assert problem.observed[row] == pytest.approx(seen.intensity[mates].mean(), rel=1e-6)
    assert problem.sigma[row] == pytest.approx(3.0 / np.sqrt(np.isfinite(sigma[mates]).sum()), rel=1e-6)


def test_one_flag_holds_all_equivalents_out_of_fit_and_shell_means(p1, store):
    lattice = with_mates(p1)
    flags = np.zeros(len(lattice), dtype=bool)
    flags[::40] = True
    problem = jobs.run(build_problem(observe(lattice, free=flags), store))
    flagged = {tuple(h) for h in representatives(lattice.hkl[flags], TRIGONAL[1]).tolist()}
    expected = [tuple(h) in flagged for h in problem.groups.lattice.hkl.tolist()]
    np.testing.assert_array_equal(problem.free, expected)
    spoilt = problem.observed + 1e6 * problem.free
    work = ~problem.free
    np.testing.assert_allclose(problem.operator(spoilt)[work], problem.operator(problem.observed)[work], atol=1e-6)


def test_a_free_set_is_drawn_when_the_map_has_none(p1, store):
    seen = observe(MillerLattice(p1.hkl, *TRIGONAL))
    one, same, other = (jobs.run(build_problem(seen, store, free_fraction=0.2, seed=s)).free for s in (3, 3, 4))
    assert one.mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert not jobs.run(build_problem(seen, store, free_fraction=0.0)).free.any()


def test_a_group_without_all_its_images_is_left_out_and_counted(p1, f, tmp_path):
    gone = 17
    there = np.arange(len(p1)) != gone
    partial = make_store(tmp_path / "f.zarr", p1.select(there), f[:, there])
    seen = observe(MillerLattice(p1.hkl, *TRIGONAL))
    problem = jobs.run(build_problem(seen, partial))
    everything = laue_groups(seen.lattice)
    assert len(problem.groups) == len(everything) - 1
    assert any(f"1 of {len(everything)} observed" in note for note in problem.notes)
    np.testing.assert_array_equal(problem.groups.copies >= 0, problem.share > 0)
    mean = f[:, there].mean(axis=0, dtype=np.complex128)
    row_of = {tuple(h): i for i, h in enumerate(p1.hkl[there].tolist())}
    rows = [row_of[tuple(h)] for h in problem.groups.p1.hkl[problem.groups.copies[0]].tolist()]
    np.testing.assert_allclose(problem.centre[0], mean[rows], rtol=1e-5)


def test_more_data_than_memory_is_refused_before_reading(p1, store, tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("1000000\n")
    assert available_memory(tmp_path) == 1e6
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory(tmp_path) > 1e8
    monkeypatch.setattr(module, "available_memory", lambda _: 1e5)
    monkeypatch.setattr(store, "read", None)
    assert "of memory" in refusal(observe(MillerLattice(p1.hkl, *TRIGONAL)), store)


def refusal(seen: DiffuseMap, store: StructureFactorStore) -> str:
    with pytest.raises(BadInput) as told:
        jobs.run(build_problem(seen, store))
    return told.value.sentence


def test_frames_on_a_finer_lattice_serve_a_map_at_its_own_indices(p1, f, store, tmp_path):
    """The point h of the map is 2h of a lattice divided by two; the frames know nothing of h/3."""
    fine = half_lattice(*TRIGONAL, 4.0, ndiv=(2, 2, 4))
    values = np.random.default_rng(3).normal(size=(N_FRAMES, len(fine))).astype(np.complex64)
    values[:, find_rows(p1.hkl * np.array([2, 2, 4]), fine.hkl)] = f
    finer = make_store(tmp_path / "fine.zarr", fine, values)
    seen = observe(MillerLattice(p1.hkl, *TRIGONAL))
    expected, found = jobs.run(build_problem(seen, store)), jobs.run(build_problem(seen, finer))
    np.testing.assert_array_equal(found.deviation, expected.deviation)
    np.testing.assert_array_equal(found.centre, expected.centre)
    thirds = half_lattice(*TRIGONAL, 6.0, ndiv=(1, 1, 3))
    assert "lie between theirs" in refusal(observe(thirds), finer)
    assert "lie between theirs" in refusal(observe(half_lattice(*TRIGONAL, 6.0, ndiv=(2, 2, 2))), store)


def test_what_cannot_be_fitted_is_refused(p1, f, store, tmp_path):
    lattice = MillerLattice(p1.hkl, *TRIGONAL)
    seen = observe(lattice)
    flat = DiffuseMap(lattice, np.full(len(lattice), 7.0, dtype=np.float32), provenance={"file": "flat.mtz"})
    assert "flat.mtz" in refusal(flat, store)
    assert "nothing to fit" in refusal(DiffuseMap(lattice, np.zeros(len(lattice), dtype=np.float32)), store)
    assert "same structure factors" in refusal(seen, make_store(tmp_path / "a.zarr", p1, f[[0, 0, 0]]))
    assert "only one frame" in refusal(seen, make_store(tmp_path / "b.zarr", p1, f[:1]))
    holed = np.where(np.arange(len(p1)) == 5, np.complex64(np.nan), f)
    assert "not numbers" in refusal(seen, make_store(tmp_path / "c.zarr", p1, holed))
    assert "only 30 of" in refusal(seen.select(np.arange(len(seen)) < 30), store)
    other = DiffuseMap(MillerLattice(p1.hkl, gemmi.UnitCell(31, 31, 40, 90, 90, 120), TRIGONAL[1]), seen.intensity)
    assert "is not the map's" in refusal(other, store)
