"""Networks with force constants by class against elastic networks, and closed forms against JAX."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from support.curvatures import same_as_jax

from mdweights_core.dynamics.models.base import Simulated
from mdweights_core.dynamics.models.checks import checked
from mdweights_core.dynamics.models.network import spring_network
from mdweights_core.dynamics.models.network_settings import NetworkSettings
from mdweights_core.energy.elastic import elastic_network
from mdweights_core.errors import BadInput

CELL = np.array([[1.3, 0.0, 0.0], [0.2, 1.2, 0.0], [-0.1, 0.3, 1.4]])


def chain(n: int = 10) -> np.ndarray:
    """Atoms about 0.38 nm apart, in a row that is folded."""
    turn = 0.8 * np.arange(n)
    at = 0.3 * np.stack([np.cos(turn), np.sin(turn), 0.5 * turn], axis=1)
    return at + 0.02 * np.random.default_rng(2).normal(size=(n, 3))


def network(settings: NetworkSettings, **more: Any) -> Simulated:
    return spring_network(chain(), settings, kt=2.5, **more)


@pytest.mark.parametrize("is_harmonic", [True, False])
@pytest.mark.parametrize("cell", [None, CELL])
def test_derivatives_in_closed_form_are_those_of_jax(is_harmonic: bool, cell: np.ndarray | None) -> None:
    settings = NetworkSettings(cutoff=0.7, bins=(0.5,), site=30.0, is_harmonic=is_harmonic, bins_of_contacts=True)
    it = network(settings, cell=cell)
    theta = it.theta * jnp.linspace(0.5, 2.0, len(it.theta))
    x = it.start + 0.05 * np.random.default_rng(0).normal(size=it.n)
    same_as_jax(it.model, x, theta)


@pytest.mark.parametrize("cell", [None, CELL])
def test_with_one_class_it_is_the_elastic_network(cell: np.ndarray | None) -> None:
    settings = NetworkSettings(0.8, by_bond=False, by_contact=False, constant=7.0, power=2.0, is_harmonic=False)
    it = network(settings, cell=cell)
    plain = elastic_network(chain(), cutoff=0.8, constant=7.0, power=2.0, cell=cell)
    x = chain() + 0.05 * np.random.default_rng(3).normal(size=(10, 3))
    expected = float(plain.energy(jnp.asarray(x)))
    assert [parameter.told for parameter in it.parameters] == ["k 0-0.8 nm = 7 kJ/mol/nm^2"]
    assert float(it.model.energy(x.reshape(-1), it.theta)) == pytest.approx(expected)
    assert float(it.model.as_energy(it.theta)(jnp.asarray(x))) == pytest.approx(expected)
    np.testing.assert_allclose(it.model.hessian(it.theta), plain.hessian(chain()).toarray(), atol=1e-10)
    assert it.is_free


def test_springs_are_of_classes() -> None:
    settings = NetworkSettings(cutoff=0.7, bins=(0.5,))
    it = network(settings, cell=CELL, molecule=np.repeat([0, 1], 5))
    assert [parameter.name for parameter in it.parameters] == ["k bonded", "k 0-0.5 nm", "k 0.5-0.7 nm", "k contacts"]
    kind, atoms = np.asarray(it.model.kind), np.asarray(it.model.atoms)
    length, offset = np.asarray(it.model.length), np.asarray(it.model.offset)
    is_contact = (atoms[:, 0] // 5 != atoms[:, 1] // 5) | (np.abs(offset).max(axis=1) > 1e-9)  # rounding of whole cells
    np.testing.assert_array_equal(kind == 3, is_contact)
    is_bonded = (np.abs(atoms[:, 0] - atoms[:, 1]) == 1) & ~is_contact
    np.testing.assert_array_equal(kind == 0, is_bonded)
    np.testing.assert_array_equal(kind == 2, ~is_contact & ~is_bonded & (length >= 0.5))


def test_atoms_are_tied_to_their_places_by_class() -> None:
    settings = NetworkSettings(cutoff=0.7, by_bond=False, site=20.0)
    it = network(settings, site_class=np.array([0, 0, 1, 1, -1] * 2))
    assert [parameter.name for parameter in it.parameters] == ["k 0-0.7 nm", "k on site 1", "k on site 2"]
    moved = jnp.asarray(chain()).at[:, 0].add(0.1).reshape(-1)  # all together: no spring is longer
    assert float(it.model.energy(moved, jnp.array([5.0, 20.0, 30.0]))) == pytest.approx(0.005 * 4 * (20 + 30))
    assert not it.is_free


def test_derivatives_agree_with_differences() -> None:
    assert not checked(network(NetworkSettings(cutoff=0.7, is_harmonic=False), cell=CELL)).remarks


def test_a_network_of_displacements_is_no_energy_of_distances() -> None:
    it = network(NetworkSettings(cutoff=0.7))
    with pytest.raises(BadInput, match="harmonic in displacements"):
        it.model.as_energy(it.theta)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"cutoff": 0.0}, "Springs of up to 0 nm tie nothing"),
        ({"bins": (0.9, 0.5)}, "0.9, 0.5 nm are no classes"),
        ({"bins": (2.0,)}, "no classes of springs up to 1.5 nm"),
        ({"constant": -1.0}, "not above 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        NetworkSettings(**settings)
