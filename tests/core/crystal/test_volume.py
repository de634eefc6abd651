"""Slices: every value where it belongs, drawn at the true angle."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice, reciprocal_axes
from mdweights_core.crystal.laue import group_of, laue_groups
from mdweights_core.crystal.volume import ZONES, ReciprocalVolume

CELLS = {
    "P 1": gemmi.UnitCell(27.4, 32.1, 34.5, 88.7, 108.5, 111.9),
    "P 6": gemmi.UnitCell(60, 60, 80, 90, 90, 120),
    "P 41": gemmi.UnitCell(48.5, 48.5, 63.4, 90, 90, 90),
}


@pytest.fixture(params=list(CELLS))
def measured(request):
    rng = np.random.default_rng(3)
    hkl = rng.integers(-5, 6, size=(300, 3))
    hkl = hkl[np.any(hkl != 0, axis=1)]
    groups = laue_groups(MillerLattice(hkl, CELLS[request.param], gemmi.SpaceGroup(request.param)))
    return groups, rng.normal(size=len(groups)).astype(np.float32)


@pytest.mark.parametrize("zone", ZONES)
def test_every_point_of_a_slice_is_its_group_value(measured, zone):
    groups, values = measured
    volume = ReciprocalVolume.from_groups(groups, values)
    for level in (-2, 0, 3):
        plane = volume.slice(zone, level)
        for v in range(-plane.v_max, plane.v_max + 1):
            for u in range(-plane.u_max, plane.u_max + 1):
                index = dict(zip(zone, (u, v), strict=True))
                hkl = [index.get(letter, level) for letter in "hkl"]
                row = group_of(np.array([hkl]), groups)[0]
                found = plane.values[v + plane.v_max, u + plane.u_max]
                if row < 0:
                    assert np.isnan(found)
                else:
                    assert found == values[row]
                    assert plane.value_at(*hkl) == values[row]


@pytest.mark.parametrize("zone", ZONES)
def test_cursor_finds_the_reflection_under_it(measured, zone):
    groups, values = measured
    plane = ReciprocalVolume.from_groups(groups, values).slice(zone, 2)
    for u, v in ((0, 0), (3, -2), (-1, 4)):
        x, y = np.array([u, v]) @ plane.axes
        index = dict(zip(zone, (u, v), strict=True))
        assert plane.hkl_at(x, y) == tuple(index.get(letter, 2) for letter in "hkl")


@pytest.mark.parametrize("zone", ZONES)
def test_geometry_is_that_of_the_reciprocal_lattice(measured, zone):
    """Distance from the foot of the perpendicular, and the height, give back 1/d."""
    groups, values = measured
    plane = ReciprocalVolume.from_groups(groups, values).slice(zone, 3)
    for u, v in ((0, 0), (2, 1), (-3, 2)):
        index = dict(zip(zone, (u, v), strict=True))
        hkl = [index.get(letter, 3) for letter in "hkl"]
        in_plane = np.array([u, v]) @ plane.axes + plane.origin
        inverse_d = np.sqrt(in_plane @ in_plane + plane.height**2)
        assert inverse_d == pytest.approx(1 / groups.lattice.cell.calculate_d(hkl), rel=1e-9)
        assert plane.d_at(*hkl) == pytest.approx(1 / inverse_d)


def test_angle_between_axes_is_the_reciprocal_angle():
    groups = laue_groups(MillerLattice(np.array([[2, 2, 2]]), CELLS["P 6"], gemmi.SpaceGroup("P 6")))
    plane = ReciprocalVolume.from_groups(groups, np.ones(1)).slice("hk", 0)
    one, other = plane.axes
    assert np.degrees(np.arccos(one @ other / np.linalg.norm(one) / np.linalg.norm(other))) == pytest.approx(60)
    assert np.linalg.norm(one) == pytest.approx(np.linalg.norm(reciprocal_axes(CELLS["P 6"])[0]))


def test_a_level_outside_the_map_is_empty(measured):
    groups, values = measured
    assert np.isnan(ReciprocalVolume.from_groups(groups, values).slice("hk", 99).values).all()


@pytest.mark.parametrize("zone", ZONES)
def test_a_divided_lattice_is_drawn_to_scale(zone):
    """Distances are those of the true indices h/n, which are also what people read."""
    rng = np.random.default_rng(5)
    lattice = MillerLattice(rng.integers(-6, 7, size=(200, 3)), CELLS["P 6"], gemmi.SpaceGroup("P 6"), (3, 3, 2))
    groups = laue_groups(lattice)
    plane = ReciprocalVolume.from_groups(groups, groups.lattice.inverse_d.astype(np.float32)).slice(zone, 1)
    rows, columns = np.nonzero(np.isfinite(plane.values))
    assert len(rows) > 10
    for u, v in zip(columns - plane.u_max, rows - plane.v_max, strict=True):
        in_plane = np.array([u, v]) @ plane.axes + plane.origin
        inverse_d = np.hypot(np.linalg.norm(in_plane), plane.height)
        hkl = plane.hkl_at(*(np.array([u, v]) @ plane.axes))
        assert inverse_d == pytest.approx(plane.value_at(*hkl), rel=1e-5, abs=1e-6)
        assert 1 / plane.d_at(*hkl) == pytest.approx(inverse_d, abs=1e-9)
    assert plane.label(3, -1, 1) == "1 -0.3333 0.5"
