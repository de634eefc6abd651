"""The reflections to compute, against brute force."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.scattering.reflections import half_lattice

P1 = gemmi.SpaceGroup("P 1")
CELLS = {
    "triclinic": (14, 16, 18, 75, 95, 115),
    "hexagonal": (12.1, 12.1, 20, 90, 90, 120),
    "flat": (50, 4.8, 9, 90, 101, 90),
}


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("d_max", [None, 9.0])
@pytest.mark.parametrize("ndiv", [(1, 1, 1), (2, 2, 2), (3, 1, 4)])
def test_it_is_the_sphere_without_mates(kind, d_max, ndiv):
    cell = gemmi.UnitCell(*CELLS[kind])
    lattice = half_lattice(cell, P1, 3.0, d_max, ndiv)
    limit = np.ceil(np.array([cell.a, cell.b, cell.c]) / 3.0 + 1) * ndiv
    h, k, l = limit.astype(int)
    box = np.mgrid[-h : h + 1, -k : k + 1, -l : l + 1].reshape(3, -1).T
    inverse_d = MillerLattice(box, cell, P1, ndiv).inverse_d
    inside = (inverse_d <= 1 / 3.0) & (inverse_d >= (1 / d_max if d_max else 1e-9))
    sphere = {tuple(h) for h in box[inside].tolist()}
    found = [tuple(h) for h in lattice.hkl.tolist()]
    assert lattice.ndiv == ndiv
    assert len(found) == len(set(found)) == len(sphere) // 2
    assert set(found) | {(-h, -k, -l) for h, k, l in found} == sphere
    assert found == sorted(found)
    assert all(h > (0, 0, 0) for h in found)


@pytest.mark.parametrize("hkl", [(3, -2, 1), (0, 0, 4), (0, 3, 0), (5, 0, 0)])
def test_limits_are_included(hkl):
    """Limits given as a reflection's own d, whichever way the rounding of the last digit goes."""
    cell = gemmi.UnitCell(*CELLS["triclinic"])
    d = float(cell.calculate_d(hkl))
    wanted = list(max(hkl, tuple(-i for i in hkl)))
    assert wanted in half_lattice(cell, P1, d).hkl.tolist()
    assert wanted in half_lattice(cell, P1, d / 2, d).hkl.tolist()
    assert wanted not in half_lattice(cell, P1, d * (1 + 1e-6)).hkl.tolist()
    assert wanted not in half_lattice(cell, P1, d / 2, d * (1 - 1e-6)).hkl.tolist()


def test_divided_axes_give_the_lattice_of_the_supercell():
    cell = gemmi.UnitCell(*CELLS["triclinic"])
    whole = gemmi.UnitCell(2 * cell.a, 3 * cell.b, cell.c, cell.alpha, cell.beta, cell.gamma)
    divided, undivided = half_lattice(cell, P1, 2.9, 8.1, (2, 3, 1)), half_lattice(whole, P1, 2.9, 8.1)
    np.testing.assert_array_equal(divided.hkl, undivided.hkl)
    np.testing.assert_allclose(divided.inverse_d, undivided.inverse_d, rtol=1e-12)


def test_nothing_between_the_limits_is_an_empty_lattice():
    assert half_lattice(gemmi.UnitCell(10, 10, 10, 90, 90, 90), P1, 8.0, 9.0).hkl.shape == (0, 3)


def test_a_fine_map_of_millions_is_quick_and_counted_right():
    """170 A at 2 A, and 2.5 million points of a divided lattice: the volume of half a sphere says how many."""
    cubic = gemmi.UnitCell(170, 170, 170, 90, 90, 90)
    assert len(half_lattice(cubic, P1, 2.0)) == pytest.approx(2 / 3 * np.pi * (170 / 2) ** 3, rel=1e-3)
    oblique = gemmi.UnitCell(27.4, 32.1, 34.5, 88.7, 108.5, 111.9)
    expected = 2 / 3 * np.pi * oblique.volume * 8 * 7 * 9 / 2.0**3
    assert len(half_lattice(oblique, P1, 2.0, ndiv=(8, 7, 9))) == pytest.approx(expected, rel=1e-3)


def test_systematic_absences_are_kept():
    lattice = half_lattice(gemmi.UnitCell(30, 30, 40, 90, 90, 90), gemmi.SpaceGroup("P 41"), 4.0)
    assert [0, 0, 1] in lattice.hkl.tolist()
    assert lattice.space_group.hm == "P 41"


@pytest.mark.parametrize(
    ("d_min", "d_max"), [(0.0, None), (-2.0, None), (np.nan, None), (2.0, 2.0), (2.0, 1.0), (0.01, None)]
)
def test_limits_that_make_no_sense(d_min, d_max):
    with pytest.raises(BadInput):
        half_lattice(gemmi.UnitCell(60, 70, 80, 90, 90, 90), P1, d_min, d_max)


@pytest.mark.parametrize("ndiv", [(0, 1, 1), (2, -1, 1), (1.5, 1, 1), (2, 2)])
def test_divisions_that_make_no_sense(ndiv):
    with pytest.raises(BadInput, match="whole numbers"):
        half_lattice(gemmi.UnitCell(60, 70, 80, 90, 90, 90), P1, 3.0, ndiv=ndiv)


def test_too_many_reflections_are_refused_before_they_are_made():
    cell = gemmi.UnitCell(60, 70, 80, 90, 90, 90)
    with pytest.raises(BadInput, match="fewer divisions"):
        half_lattice(cell, P1, 1.0, ndiv=(10, 10, 10))
