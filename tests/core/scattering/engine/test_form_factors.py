from __future__ import annotations

import gemmi
import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.scattering.engine.form_factors import AtomBasis, form_factors
from mdweights_core.scattering.engine.scatterers import Scatterers

INVERSE_D = np.linspace(0.0, 0.5, 500)
FRACTIONS = {"H": 0.5, "C": 0.3, "N": 0.1, "O": 0.09, "S": 0.01}


@pytest.mark.parametrize(("radiation", "table"), [("xray", "it92"), ("electron", "c4322"), ("neutron", "neutron92")])
def test_form_factors_follow_the_tables(radiation, table):
    inverse_d = np.array([0.0, 0.2, 0.5, 1.0])
    symbols = ["C", "Fe", "H", "D"]
    found = form_factors(symbols, inverse_d, b_iso=10.0, radiation=radiation)
    for row, symbol in zip(found, symbols, strict=True):
        coefficients = getattr(gemmi.Element(symbol), table)
        expected = [coefficients.calculate_sf(s * s / 4) * np.exp(-10.0 * s * s / 4) for s in inverse_d]
        np.testing.assert_allclose(row, expected, rtol=1e-6)


def test_deuterium_has_its_own_length_for_neutrons_only():
    for radiation in ("xray", "electron"):
        light, heavy = form_factors(["H", "D"], INVERSE_D, radiation=radiation)
        np.testing.assert_array_equal(light, heavy)
    light, heavy = form_factors(["H", "D"], INVERSE_D, radiation="neutron")
    assert light[0] < 0 < heavy[0]


@pytest.mark.parametrize(
    ("symbol", "radiation", "message"),
    [
        ("Qq", "xray", "no X-ray form factor for the element 'Qq'"),
        ("X", "neutron", "no neutron scattering length for the element 'X'"),
        ("Og", "electron", "no electron form factor for the element 'Og'"),
        ("Po", "neutron", "no neutron scattering length for the element 'Po'"),
    ],
)
def test_what_is_not_tabulated_is_named(symbol, radiation, message):
    with pytest.raises(BadInput, match=message):
        form_factors(["C", symbol], INVERSE_D, radiation=radiation)


def made_up(kind: str, n_atoms: int = 3000) -> Scatterers:
    rng = np.random.default_rng(3)
    element = rng.choice(list(FRACTIONS), n_atoms, p=list(FRACTIONS.values()))
    b_iso = {
        "none": np.zeros(n_atoms),
        "by element": np.where(element == "H", 5.0, 0.0),
        "few": rng.choice([0.0, 20.0, 999.0], n_atoms),
        "every atom": rng.gamma(3.0, 12.0, n_atoms),
        "far apart": rng.uniform(0.0, 1000.0, n_atoms),
    }[kind]
    return Scatterers(element, b_iso, np.ones(n_atoms))


def exact(scatterers: Scatterers, inverse_d: np.ndarray, radiation: str = "xray") -> np.ndarray:
    """What each atom scatters, float64 [n_atoms, n_hkl]."""
    symbols, kind = np.unique(scatterers.element, return_inverse=True)
    bare = form_factors(list(symbols), inverse_d, radiation=radiation)[kind]
    damped = bare * np.exp(-np.outer(scatterers.b_iso, inverse_d**2 / 4))
    return damped * scatterers.occupancy[:, None]


@pytest.mark.parametrize("kind", ["none", "by element", "few", "every atom", "far apart"])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
def test_shapes_keep_the_promised_error(kind, tolerance):
    scatterers = made_up(kind)
    basis = AtomBasis(scatterers, INVERSE_D, "xray", tolerance)
    whole = exact(scatterers, INVERSE_D)
    assert np.linalg.norm(basis.strengths.T @ basis.shapes(INVERSE_D) - whole) <= tolerance * np.linalg.norm(whole)


def test_few_shapes_stand_for_many_atoms():
    counts = {kind: len(AtomBasis(made_up(kind), INVERSE_D, "xray", 5e-5).shares) for kind in ("none", "every atom")}
    assert counts["none"] == 4
    assert counts["every atom"] <= 6


def test_neutrons_need_one_shape():
    scatterers = made_up("none")
    basis = AtomBasis(scatterers, INVERSE_D, "neutron", 1e-10)
    assert len(basis.shares) == 1
    np.testing.assert_allclose(basis.strengths.T @ basis.shapes(INVERSE_D), exact(scatterers, INVERSE_D, "neutron"))


def test_occupancies_scale_and_empty_sites_cost_nothing():
    scatterers = made_up("every atom")
    scatterers.occupancy[:] = np.random.default_rng(0).choice([0.0, 0.3, 1.0], len(scatterers))
    basis = AtomBasis(scatterers, INVERSE_D, "xray", 1e-5)
    whole = exact(scatterers, INVERSE_D)
    assert np.linalg.norm(basis.strengths.T @ basis.shapes(INVERSE_D) - whole) <= 1e-5 * np.linalg.norm(whole)
    scatterers.occupancy[:] = 0.0
    assert not len(AtomBasis(scatterers, INVERSE_D, "xray", 1e-5).shares)


def test_the_last_shapes_have_least_of_the_whole():
    shares = AtomBasis(made_up("far apart"), INVERSE_D, "xray", 1e-6).shares
    assert (np.diff(shares) < 0).all()
    assert abs(np.square(shares).sum() - 1) < 1e-9
