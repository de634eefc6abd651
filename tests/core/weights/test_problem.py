"""The weight problem made from a map and a store: symmetry, free sets, what is left out and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import gemmi
import numpy as np
import pytest

from mdweights_core import jobs
from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice, on_unit_cell
from mdweights_core.crystal.laue import find_points, find_rows, group_of, images, laue_groups, representatives
from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.storage.store import FrameTable, StructureFactorStore
from mdweights_core.weights.bragg import BraggData
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.frames import reader as module
from mdweights_core.weights.frames import room
from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.frames.scratch import Scratch
from mdweights_core.weights.problem import WeightProblem, build_problem
from mdweights_core.weights.settings import FitSettings

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
    assert len(set(problem.groups.multiplicity)) > 1  # special positions, too
    np.testing.assert_allclose(calculated(problem, weights), by_definition(p1, f, weights, problem), rtol=1e-3)


def calculated(problem: WeightProblem, weights: np.ndarray) -> np.ndarray:
    """Of weights of frames."""
    return intensities(problem.frames, problem.of_units(weights)[None])[0]


def by_definition(p1: MillerLattice, f: np.ndarray, weights: np.ndarray, problem: WeightProblem) -> np.ndarray:
    """The mean over all images of each group, from a dictionary of the variance at each hkl."""
    wide = f.astype(np.complex128)
    variance = weights @ np.abs(wide) ** 2 - np.abs(weights @ wide) ** 2
    at = {}
    for hkl, value in zip(p1.hkl.tolist(), variance, strict=True):
        at[tuple(hkl)] = at[tuple(-i for i in hkl)] = value
    mates = np.swapaxes(images(problem.groups.lattice.hkl, TRIGONAL[1]), 0, 1)
    return np.array([np.mean([at[m] for m in {tuple(m) for m in group}]) for group in mates.tolist()])


def problem_from(seen: DiffuseMap, store: StructureFactorStore, **more) -> WeightProblem:
    """With settings and with what else is given."""
    named = {name: more.pop(name) for name in ("prior", "bragg", "memory", "scratch") if name in more}
    return jobs.run(build_problem(seen, store, FitSettings(**more), **named))


def test_each_file_of_the_store_is_read_once_beside_a_few_for_the_centre(p1, f, tmp_path, monkeypatch):
    store = make_store(tmp_path / "f.zarr", p1, np.tile(f, (11, 1)))
    monkeypatch.setattr(module, "_READ_BYTES", 8 * store.n_hkl * 20)  # less than the 32 frames in a file
    monkeypatch.setattr(module, "_CENTRE_BLOCKS", 2)
    seen, read = [], store.read
    monkeypatch.setattr(store, "read", lambda frames: (seen.append((frames.start, frames.stop)), read(frames))[1])
    problem = jobs.run(build_problem(observe(MillerLattice(p1.hkl, *TRIGONAL)), store))
    assert seen == [(0, 32), (64, 66), (0, 32), (32, 64), (64, 66)]
    assert problem.n_frames == 66
    weights = np.random.default_rng(2).dirichlet(np.ones(66))
    expected = by_definition(p1, np.tile(f, (11, 1)), weights, problem)
    np.testing.assert_allclose(calculated(problem, weights), expected, rtol=1e-3)


def test_frames_on_the_cell_of_a_supercell_go_with_a_map_on_its_unit_cell(p1, f, store, tmp_path):
    weights = np.random.default_rng(2).dirichlet(np.ones(N_FRAMES))
    seen = observe(MillerLattice(p1.hkl, *TRIGONAL))
    whole = jobs.run(build_problem(seen, store))
    fine = replace(seen, lattice=on_unit_cell(seen.lattice, (3, 3, 2)))
    np.testing.assert_array_equal(calculated(jobs.run(build_problem(fine, store)), weights), calculated(whole, weights))
    on_fine = make_store(tmp_path / "fine.zarr", on_unit_cell(p1, (3, 3, 2)), f)
    np.testing.assert_array_equal(
        calculated(jobs.run(build_problem(seen, on_fine)), weights), calculated(whole, weights)
    )
    finer = replace(fine, lattice=replace(fine.lattice, ndiv=(6, 6, 2)))
    with pytest.raises(BadInput, match="reflections of the map lie between theirs"):
        jobs.run(build_problem(finer, store))


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**36])
def test_the_unit_of_structure_factors_is_that_of_the_intensities_and_changes_nothing_else(
    p1, f, store, tmp_path, unit
):
    """Powers of two, so that not even the rounding may differ."""
    seen, weights = observe(MillerLattice(p1.hkl, *TRIGONAL)), np.random.default_rng(2).dirichlet(np.ones(N_FRAMES))
    usual = jobs.run(build_problem(seen, store))
    scaled = jobs.run(build_problem(seen, make_store(tmp_path / "f.zarr", p1, f * np.float32(unit))))
    np.testing.assert_array_equal(calculated(scaled, weights), calculated(usual, weights) * unit**2)
    fits = [jobs.run(fit_weights(problem, FitSettings(max_steps=3))) for problem in (usual, scaled)]
    np.testing.assert_allclose(fits[1].weights, fits[0].weights, atol=1e-5)
    assert fits[1].scores.cc_aniso == pytest.approx(fits[0].scores.cc_aniso, abs=1e-6)
    assert fits[1].scale * unit**2 == pytest.approx(fits[0].scale, rel=1e-4)
    np.testing.assert_allclose(fits[1].mean_f, fits[0].mean_f * unit, rtol=1e-3)


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
    one, same, other = (problem_from(seen, store, free_fraction=0.2, seed=s).free for s in (3, 3, 4))
    assert one.mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert not problem_from(seen, store, free_fraction=0.0).free.any()


def test_a_group_without_all_its_images_is_left_out_and_counted(p1, f, tmp_path):
    gone = 17
    there = np.arange(len(p1)) != gone
    partial = make_store(tmp_path / "f.zarr", p1.select(there), f[:, there])
    seen = observe(MillerLattice(p1.hkl, *TRIGONAL))
    problem = jobs.run(build_problem(seen, partial))
    everything = laue_groups(seen.lattice)
    assert len(problem.groups) == len(everything) - 1
    assert any(f"1 of {len(everything)} observed" in note for note in problem.notes)
    np.testing.assert_array_equal(problem.groups.copies >= 0, problem.frames.share > 0)
    mean = f[:, there].mean(axis=0, dtype=np.complex128)
    row_of = {tuple(h): i for i, h in enumerate(p1.hkl[there].tolist())}
    rows = [row_of[tuple(h)] for h in problem.groups.p1.hkl[problem.groups.copies[0]].tolist()]
    np.testing.assert_allclose(problem.frames.origin[0], mean[rows], rtol=1e-5)


def test_what_memory_cannot_hold_is_read_from_a_file_and_gives_the_same(p1, store, tmp_path):
    seen, weights = observe(MillerLattice(p1.hkl, *TRIGONAL)), np.random.default_rng(2).dirichlet(np.ones(N_FRAMES))
    in_memory, from_file = (problem_from(seen, store, memory=m, scratch=tmp_path) for m in (1e9, 1e4))
    assert not isinstance(in_memory.frames.store, Scratch)
    assert isinstance(from_file.frames.store, Scratch)
    np.testing.assert_allclose(calculated(from_file, weights), calculated(in_memory, weights), rtol=1e-6)
    assert list(tmp_path.iterdir()) == []


def test_half_of_the_memory_is_used_by_default(p1, store, monkeypatch):
    seen = observe(MillerLattice(p1.hkl, *TRIGONAL))
    need = problem_from(seen, store).frames.n_bytes
    for factor, fits in ((2.1, True), (1.9, False)):
        monkeypatch.setattr(room, "available_memory", lambda bytes_=factor * need: bytes_)
        assert isinstance(problem_from(seen, store).frames.store, Scratch) != fits


def test_more_data_than_memory_and_disk_hold_is_refused_before_anything_is_written(p1, store, tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: Room(1e12, 1e12, 1e4))
    with pytest.raises(DiskProblem, match="neither in memory nor on this disk") as told:
        problem_from(observe(MillerLattice(p1.hkl, *TRIGONAL)), store, memory=1e4, scratch=tmp_path)
    assert str(tmp_path) in told.value.sentence


class Room(NamedTuple):
    """What `shutil.disk_usage` returns."""

    total: float
    used: float
    free: float


def test_a_folder_for_working_copies_that_is_not_there_is_a_sentence(p1, store, tmp_path):
    with pytest.raises(DiskProblem, match="folder"):
        problem_from(observe(MillerLattice(p1.hkl, *TRIGONAL)), store, memory=1e4, scratch=tmp_path / "nowhere")


def test_known_weights_are_those_before_the_fit(p1, store):
    seen, prior = observe(MillerLattice(p1.hkl, *TRIGONAL)), np.arange(1.0, 7) / 21
    np.testing.assert_allclose(problem_from(seen, store).prior, 1 / 6)
    np.testing.assert_array_equal(problem_from(seen, store, prior=prior).prior, prior)


@pytest.mark.parametrize("prior", [None, np.arange(1.0, 8) / 28])
def test_tied_frames_are_those_of_weights_spread_over_them(p1, f, tmp_path, prior):
    """Seven frames tied by three: the last is alone."""
    seven = np.concatenate([f, f[:1] * np.exp(1j)]).astype(np.complex64)
    store = make_store(tmp_path / "f.zarr", p1, seven)
    seen = observe(MillerLattice(p1.hkl, *TRIGONAL))
    tied = problem_from(seen, store, prior=prior, tied_frames=3)
    assert (tied.n_units, tied.n_frames) == (3, 7)
    units = np.array([0.5, 0.2, 0.3])
    before = np.full(7, 1 / 7) if prior is None else prior
    weights = tied.of_frames(units)
    inside = before / np.array([before[:3].sum()] * 3 + [before[3:6].sum()] * 3 + [before[6]])
    np.testing.assert_allclose(weights, np.repeat(units, [3, 3, 1]) * inside)
    np.testing.assert_allclose(tied.of_units(weights), units)
    np.testing.assert_allclose(tied.of_frames(tied.prior), before)
    np.testing.assert_allclose(calculated(tied, weights), by_definition(p1, seven, weights, tied), rtol=1e-3)


def test_tied_frames_of_a_store_that_is_read_in_pieces(p1, f, tmp_path, monkeypatch):
    """No unit is cut where a piece ends."""
    many = np.tile(f, (11, 1)) * np.exp(0.1j * np.arange(66))[:, None].astype(np.complex64)
    store = make_store(tmp_path / "f.zarr", p1, many)
    monkeypatch.setattr(module, "_READ_BYTES", 8 * store.n_hkl * 20)
    tied = problem_from(observe(MillerLattice(p1.hkl, *TRIGONAL)), store, tied_frames=5)
    assert tied.n_units == 14
    weights = tied.of_frames(np.random.default_rng(0).dirichlet(np.ones(14)))
    np.testing.assert_allclose(calculated(tied, weights), by_definition(p1, many, weights, tied), rtol=1e-3)


def test_frames_that_are_all_tied_together_are_refused(p1, store):
    with pytest.raises(BadInput, match="one unit only"):
        problem_from(observe(MillerLattice(p1.hkl, *TRIGONAL)), store, tied_frames=6)


def test_an_odd_frame_stands_out(p1, f, tmp_path):
    odd = f.copy()
    odd[4] += 100 * np.random.default_rng(8).normal(size=len(p1)).astype(np.float32)
    problem = problem_from(observe(MillerLattice(p1.hkl, *TRIGONAL)), make_store(tmp_path / "f.zarr", p1, odd))
    assert np.flatnonzero(problem.oddness > 10).tolist() == [4]
    assert np.median(problem.oddness) == pytest.approx(1, rel=0.5)


def test_bragg_intensities_come_from_the_same_frames(p1, f, store):
    seen, groups = observe(MillerLattice(p1.hkl, *TRIGONAL)), laue_groups(MillerLattice(p1.hkl[::2], *TRIGONAL))
    data = BraggData(groups, np.ones(len(groups)), None, np.zeros(len(groups), dtype=bool), "FP")
    part = problem_from(seen, store, bragg=data, bragg_weight=0.5).bragg
    assert part.data is data
    weights = np.random.default_rng(2).dirichlet(np.ones(N_FRAMES))
    mean = (weights @ f.astype(np.complex128))[find_points(groups.p1, p1)]
    found = intensities(part.frames, weights[None])[0]
    np.testing.assert_allclose(found, groups.average(np.abs(mean) ** 2), rtol=1e-4)


def test_bragg_intensities_and_the_map_share_the_memory(p1, store, tmp_path):
    """What is left beside the map is not enough for as much again."""
    seen, groups = observe(MillerLattice(p1.hkl, *TRIGONAL)), laue_groups(MillerLattice(p1.hkl, *TRIGONAL))
    data = BraggData(groups, np.ones(len(groups)), None, np.zeros(len(groups), dtype=bool), "FP")
    need = problem_from(seen, store).frames.n_bytes
    both = problem_from(seen, store, bragg=data, memory=1.5 * need, scratch=tmp_path)
    assert not isinstance(both.frames.store, Scratch)
    assert isinstance(both.bragg.frames.store, Scratch)


def test_bragg_reflections_without_structure_factors_are_refused(p1, f, tmp_path):
    low = p1.inverse_d < np.quantile(p1.inverse_d, 0.6)
    store = make_store(tmp_path / "f.zarr", p1.select(low), f[:, low])
    groups = laue_groups(MillerLattice(p1.hkl, *TRIGONAL))
    data = BraggData(groups, np.ones(len(groups)), None, np.zeros(len(groups), dtype=bool), "FP")
    with pytest.raises(BadInput, match="Bragg reflections are not in the frames"):
        problem_from(observe(MillerLattice(p1.hkl[low], *TRIGONAL)), store, bragg=data)


def test_what_the_store_warns_of_is_noted(p1, f, tmp_path):
    """As of a box that is not the crystal's."""
    store = make_store(tmp_path / "f.zarr", p1, f)
    store.warn(["The box is odd"])
    assert "The box is odd" in problem_from(observe(MillerLattice(p1.hkl, *TRIGONAL)), store).notes


def test_masked_reflections_are_left_out_and_told(p1, store):
    """Masks work before reflections are averaged, and tell what they left out."""
    seen = observe(MillerLattice(p1.hkl, *TRIGONAL))
    seen.intensity[::10] = -1
    problem = problem_from(seen, store, mask_negative=True)
    assert problem.observed.min() > 0
    assert any("negative" in note for note in problem.notes)


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
    for one, other in zip(found.frames, expected.frames, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(found.frames.origin, expected.frames.origin)
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
    assert "is 3." in (told := refusal(seen, make_store(tmp_path / "d.zarr", p1, f * np.float32(1e16))))
    assert "in any unit between 1e-12 and 1e+15" in told
    assert "in any unit between" in refusal(seen, make_store(tmp_path / "e.zarr", p1, f * np.float32(1e-16)))
    assert "only 30 of" in refusal(seen.select(np.arange(len(seen)) < 30), store)
    other = DiffuseMap(MillerLattice(p1.hkl, gemmi.UnitCell(31, 31, 40, 90, 90, 120), TRIGONAL[1]), seen.intensity)
    assert "is not the map's" in refusal(other, store)
