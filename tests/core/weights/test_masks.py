"""Masks: which reflections they take, what they tell, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice, supercell
from mdweights_core.crystal.laue import find_rows, images
from mdweights_core.errors import BadInput
from mdweights_core.example import example_inputs
from mdweights_core.io.maps.bragg import read_amplitudes
from mdweights_core.io.maps.mtz import MtzColumn, write_mtz
from mdweights_core.io.maps.observed import read_map
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.weights.masks import (
    ICE_HALF_WIDTH,
    ICE_RINGS,
    apply_masks,
    bragg_distance,
    looks_like_bragg,
    outlier_note,
)
from mdweights_core.weights.settings import FitSettings

TRICLINIC = (gemmi.UnitCell(21, 24, 27, 82, 95, 101), gemmi.SpaceGroup("P 1"))
HEXAGONAL = (gemmi.UnitCell(30, 30, 40, 90, 90, 120), gemmi.SpaceGroup("P 3"))


def observe(lattice: MillerLattice, seed: int = 0, **more) -> DiffuseMap:
    """A map that falls off with resolution, of 5 % relative spread."""
    values = (1 + 0.05 * np.random.default_rng(seed).normal(size=len(lattice))) * np.exp(-4 * lattice.inverse_d)
    return DiffuseMap(lattice, (1000 * values).astype(np.float32), **more)


@pytest.fixture(scope="module")
def whole() -> DiffuseMap:
    return observe(half_lattice(*TRICLINIC, 2.0))


@pytest.fixture(scope="module")
def halves() -> DiffuseMap:
    return observe(half_lattice(*TRICLINIC, 3.0, ndiv=(2, 2, 3)))


def test_without_masks_the_map_stays_as_it_is(whole):
    masked, notes = apply_masks(whole, FitSettings())
    assert masked is whole
    assert notes == ()


def test_the_bragg_mask_takes_the_neighbourhood_of_whole_indices(halves):
    masked, notes = apply_masks(halves, FitSettings(mask_bragg=0.25))
    is_whole = (halves.lattice.hkl % np.array([2, 2, 3]) == 0).all(axis=1)
    np.testing.assert_array_equal(masked.lattice.hkl, halves.lattice.hkl[~is_whole])
    np.testing.assert_array_equal(masked.intensity, halves.intensity[~is_whole])
    assert notes == (
        f"{is_whole.sum():,} of {len(halves):,} reflections within 0.25 of a Bragg position were left out.",
    )


def test_a_wider_bragg_mask_takes_thirds_along_c_but_not_halves_along_a(halves):
    masked, _ = apply_masks(halves, FitSettings(mask_bragg=0.4))
    kept = masked.lattice.hkl % np.array([2, 2, 3])
    assert (kept[:, :2] != 0).any(axis=1).all()
    assert len(masked) == ((halves.lattice.hkl % np.array([2, 2, 1])) != 0).any(axis=1).sum()


def test_equivalent_reflections_are_equally_far_from_bragg_positions():
    """On hexagonal axes the differences of indices alone would not be."""
    lattice = half_lattice(*HEXAGONAL, 5.0, ndiv=(3, 3, 2))
    expected = bragg_distance(lattice)
    for mates in images(lattice.hkl, lattice.space_group):
        np.testing.assert_allclose(bragg_distance(replace(lattice, hkl=mates)), expected, atol=1e-9)
    centre = MillerLattice([[1, 1, 0], [3, 1, 1]], lattice.cell, lattice.space_group, (3, 3, 2))
    np.testing.assert_allclose(bragg_distance(centre), [1 / np.sqrt(3), np.sqrt(1 / 9 + 1 / 4)])


def test_indices_that_the_centring_forbids_are_no_bragg_positions():
    lattice = MillerLattice(
        [[1, 1, 0], [1, 0, 0], [1, 1, 1]], gemmi.UnitCell(20, 20, 20, 90, 90, 90), gemmi.SpaceGroup("I 2 2 2")
    )
    np.testing.assert_allclose(bragg_distance(lattice), [0, 1, 1])


def test_a_map_of_nothing_but_bragg_positions_is_refused(whole, halves):
    with pytest.raises(BadInput, match=r"All indices are whole.*--map-supercell 2,2,2.*leave --mask-bragg out"):
        apply_masks(whole, FitSettings(mask_bragg=0.1))
    with pytest.raises(BadInput, match="Give a smaller --mask-bragg"):
        apply_masks(halves, FitSettings(mask_bragg=2.0))


def test_the_ice_mask_takes_rings_and_no_more(whole):
    masked, notes = apply_masks(whole, FitSettings(mask_ice=True))
    d = np.sort(masked.lattice.d_spacing)
    for ring in ICE_RINGS:
        assert not ((d > ring / (1 + ICE_HALF_WIDTH)) & (d < ring / (1 - ICE_HALF_WIDTH))).any()
    removed = np.setdiff1d(whole.lattice.d_spacing, d)
    nearest = np.abs(removed[:, None] / np.array(ICE_RINGS) - 1).min(axis=1)
    assert nearest.max() < 1.01 * ICE_HALF_WIDTH
    assert notes == (
        f"{len(whole) - len(d)} of {len(whole):,} reflections in the rings of hexagonal ice were left out.",
    )
    assert len(removed) > 100


def test_the_rings_are_those_of_the_cell_of_ice():
    ice = gemmi.UnitCell(4.4998, 4.4998, 7.338, 90, 90, 120)
    hkl = [[1, 0, 0], [0, 0, 2], [1, 0, 1], [1, 0, 2], [1, 1, 0], [1, 0, 3], [2, 0, 0], [1, 1, 2], [2, 0, 1], [2, 0, 2]]
    np.testing.assert_allclose([ice.calculate_d(h) for h in hkl], ICE_RINGS, rtol=6e-4)


def test_negative_intensities_are_left_out_but_not_of_a_map_without_shell_means(whole):
    values = whole.intensity.copy()
    values[[3, 40]] = -1
    masked, notes = apply_masks(replace(whole, intensity=values), FitSettings(mask_negative=True))
    assert len(masked) == len(whole) - 2
    assert notes == (f"2 of {len(whole):,} reflections of negative intensity were left out.",)
    with pytest.raises(BadInput, match="shell means were removed"):
        apply_masks(replace(whole, is_anisotropic=True), FitSettings(mask_negative=True))


def test_one_reflection_of_a_million_is_named_and_can_be_left_out(whole):
    row = 777
    values = whole.intensity.copy()
    values[row] = 1e6
    spoilt = replace(whole, intensity=values, sigma=np.ones_like(values), free=np.arange(len(values)) % 10 == 0)
    h, k, l = whole.lattice.hkl[row]
    note = outlier_note(spoilt, FitSettings())
    assert f"1 of {len(whole):,} reflections lies" in note
    assert f"resolution: {h} {k} {l} (1e+06). --mask-outliers 20 leaves it out." in note
    masked, notes = apply_masks(spoilt, FitSettings(mask_outliers=20))
    assert len(masked) == len(masked.sigma) == len(masked.free) == len(whole) - 1
    assert masked.intensity.max() < 1e6
    assert notes[0].startswith(f"1 of {len(whole):,} reflections further than 20 robust standard deviations")
    assert notes[0].endswith("was left out.")
    assert outlier_note(masked, FitSettings()) is None
    assert outlier_note(spoilt, FitSettings(mask_outliers=50)) is None


def test_of_many_outliers_the_furthest_three_are_named(whole):
    values = whole.intensity.copy()
    rows = np.array([5, 500, 900, 1300])
    values[rows] = [-3e5, 1e6, 2e6, 1e5]
    note = outlier_note(replace(whole, intensity=values), FitSettings())
    named = [" ".join(map(str, whole.lattice.hkl[row])) for row in rows]
    assert f"{named[0]} (-3e+05)" in note
    assert f"{named[1]} (1e+06)" in note
    assert f"{named[2]} (2e+06)" in note
    assert f"{named[3]} (" not in note
    assert "and others. --mask-outliers 20 leaves them out." in note


def test_peaks_at_whole_indices_between_others_call_for_the_bragg_mask(halves):
    is_whole = (halves.lattice.hkl % np.array([2, 2, 3]) == 0).all(axis=1)
    peaks = replace(halves, intensity=np.where(is_whole, 1e5, halves.intensity).astype(np.float32))
    assert "--mask-bragg 0.25 leaves them out." in outlier_note(peaks, FitSettings())


def test_peaks_at_every_third_index_of_whole_ones_call_for_the_supercell(whole):
    every = np.array([3, 3, 2])
    is_bragg = (whole.lattice.hkl % every == 0).all(axis=1)
    peaks = replace(whole, intensity=np.where(is_bragg, 1e5, whole.intensity).astype(np.float32))
    assert "--map-supercell 3,3,2 with --mask-bragg 0.25 leaves them out." in outlier_note(peaks, FitSettings())
    few = np.flatnonzero(is_bragg)[:5]
    peaks = replace(whole, intensity=np.where(np.isin(np.arange(len(whole)), few), 1e5, whole.intensity))
    assert "--mask-outliers 20 leaves them out." in outlier_note(peaks, FitSettings())


def test_a_map_on_the_cell_of_a_supercell_is_masked_as_one_between_bragg_positions(halves, tmp_path):
    lattice = halves.lattice
    block = MillerLattice(lattice.hkl, supercell(lattice.cell, lattice.ndiv), lattice.space_group)
    write_mtz(tmp_path / "a.mtz", block, [MtzColumn("IDIFF", "J", halves.intensity)], title="", history=[])
    with pytest.raises(BadInput, match="--map-supercell"):
        apply_masks(read_map(tmp_path / "a.mtz"), FitSettings(mask_bragg=0.25))
    masked, notes = apply_masks(read_map(tmp_path / "a.mtz", supercell=(2, 2, 3)), FitSettings(mask_bragg=0.25))
    expected, same_notes = apply_masks(halves, FitSettings(mask_bragg=0.25))
    rows = find_rows(expected.lattice.hkl, masked.lattice.hkl)
    assert (rows >= 0).all()
    assert len(masked) == len(expected)
    np.testing.assert_array_equal(masked.intensity[rows], expected.intensity)
    assert notes == same_notes


def test_among_equal_intensities_the_usual_spread_tells_outliers(whole):
    """The median deviation of a shell of zeros is zero: nothing may be divided by it."""
    near = whole.lattice.inverse_d < np.median(whole.lattice.inverse_d)
    values = np.where(near, 0, whole.intensity).astype(np.float32)
    values[np.flatnonzero(near)[10]] = 1e6
    masked, _ = apply_masks(replace(whole, intensity=values), FitSettings(mask_outliers=20))
    assert len(masked) == len(whole) - 1


def test_masks_that_leave_next_to_nothing_are_refused(whole):
    values = np.where(np.arange(len(whole)) < 49, 1.0, -1.0).astype(np.float32)
    almost = replace(whole, intensity=values, provenance={"file": "map.mtz"})
    with pytest.raises(BadInput, match=r"map\.mtz: the masks leave 49 unique reflections.*were left out"):
        apply_masks(almost, FitSettings(mask_negative=True, mask_outliers=10))
    with pytest.raises(BadInput, match="leave 0 unique"):
        apply_masks(replace(almost, intensity=-np.ones_like(values)), FitSettings(mask_negative=True))


def test_equivalents_count_once_when_reflections_are_counted(whole):
    lattice = replace(whole.lattice, hkl=np.concatenate([whole.lattice.hkl[:40], -whole.lattice.hkl[:40]]))
    with pytest.raises(BadInput, match="leave 40 unique"):
        apply_masks(observe(lattice), FitSettings(mask_negative=True))


@pytest.mark.parametrize(("name", "column"), [("5e5z.mtz", None), ("7n2l.mtz", None), ("1dur_ksol1.mtz", "FMODEL")])
def test_bragg_data_is_recognised(shared_data, name, column):
    amplitudes = read_amplitudes(shared_data / "mtz" / name, column)
    seen = DiffuseMap(amplitudes.lattice, (amplitudes.amplitude**2).astype(np.float32))
    assert "looks like Bragg intensities" in looks_like_bragg(seen)


def test_a_measured_diffuse_map_has_no_look_of_bragg_data_and_no_outliers(shared_data):
    seen = read_map(shared_data / "snase" / "snc_reference_P41merged.mtz").within(1.6, None)
    assert looks_like_bragg(seen) is None
    assert outlier_note(seen, FitSettings()) is None
    masked, notes = apply_masks(seen, FitSettings(mask_ice=True))
    assert notes == ("2,171 of 19,299 reflections in the rings of hexagonal ice were left out.",)
    assert len(masked) == 17128


def test_the_example_has_no_look_of_bragg_data_and_no_outliers():
    seen = read_map(example_inputs().map).within(None, None)
    assert looks_like_bragg(seen) is None
    assert outlier_note(seen, FitSettings()) is None


def test_exponential_intensities_are_told_from_smooth_and_from_divided_maps(whole, halves):
    rng = np.random.default_rng(4)
    noise = rng.exponential(100, len(whole)).astype(np.float32)
    told = looks_like_bragg(replace(whole, intensity=noise))
    assert "<I^2>/<I>^2 is 1.9 " in told
    assert "correlation of 0.00" in told
    assert looks_like_bragg(whole) is None
    assert looks_like_bragg(replace(whole, intensity=noise - 20)) is None  # a background was taken off
    assert looks_like_bragg(replace(halves, intensity=rng.exponential(100, len(halves)))) is None
    peaked = np.exp(3 * np.sin(whole.lattice.hkl @ np.array([0.3, 0.2, 0.25])))
    assert looks_like_bragg(replace(whole, intensity=peaked.astype(np.float32))) is None


def test_a_mask_that_leaves_nothing_out_has_no_note(whole):
    positive = replace(whole, intensity=np.abs(whole.intensity) + 1.0)
    kept, notes = apply_masks(positive, FitSettings(mask_negative=True))
    assert (len(kept), notes) == (len(whole), ())
