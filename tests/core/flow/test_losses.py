"""Losses: gradients against finite differences, high energies, entropies along a coordinate."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.energy.toys.wells import DoubleWell
from mdweights_core.flow.coordinates.plain import Standardised
from mdweights_core.flow.losses import Dials, System, effective_share, reaction_loss, total
from mdweights_core.flow.model import cast, make_flow
from mdweights_core.flow.reaction import Distance, Reaction, Torsion
from mdweights_core.flow.settings import FlowSettings

SYSTEM = System(
    DoubleWell(), Standardised.given(np.zeros(2), np.array([1.5, 1.0])), Reaction(lambda x: x[..., 0], -2, 2)
)


def dials(example=0.0, energy=0.0, reaction=0.0, high=1e6, latents=(1.0,)):
    numbers = (example, energy, reaction, high, 1.0)
    return Dials(*map(jnp.asarray, numbers), jnp.asarray(latents))


def small_flow():
    settings = FlowSettings(layers=2, width=4, depth=1, bins=4)
    return cast(make_flow(np.array([False, False]), settings, 0), jnp.float64)


@pytest.fixture(scope="module")
def loss_and_gradient():
    """Both at numbers of a flow and dials, compiled once for all tests; and numbers to begin from."""
    numbers, fixed = eqx.partition(small_flow(), eqx.is_inexact_array)
    flat, unravel = jax.flatten_util.ravel_pytree(numbers)
    y = jax.random.normal(jax.random.key(1), (32, 2))

    @jax.jit
    @jax.value_and_grad
    def both(at, chosen):
        return total(eqx.combine(unravel(at), fixed), SYSTEM, y, jax.random.key(2), 64, chosen)[0]

    return both, flat + 0.1 * jax.random.normal(jax.random.key(0), flat.shape)


@pytest.mark.parametrize(
    "chosen",
    [
        dials(example=1.0, latents=(1.0, 1.0)),
        dials(energy=1.0, latents=(1.0, 1.0)),
        dials(energy=1.0, reaction=3.0, latents=(1.0, 2.0)),
    ],
)
def test_gradients_are_those_of_finite_differences(loss_and_gradient, chosen):
    both, flat = loss_and_gradient
    gradient = both(flat, chosen)[1]
    for seed in range(4):
        way = jax.random.normal(jax.random.key(10 + seed), flat.shape)
        measured = (both(flat + 1e-5 * way, chosen)[0] - both(flat - 1e-5 * way, chosen)[0]) / 2e-5
        assert float(gradient @ way) == pytest.approx(float(measured), rel=2e-3, abs=2e-4)


def test_energy_and_volume_of_a_high_configuration_pull_the_same_share():
    """Were it the energy alone, volume would grow without end where all is of high energy."""
    numbers, fixed = eqx.partition(small_flow(), eqx.is_inexact_array)
    flat, unravel = jax.flatten_util.ravel_pytree(numbers)

    @jax.jit
    def loss(at, chosen):
        return total(eqx.combine(unravel(at), fixed), SYSTEM, None, jax.random.key(2), 1, chosen)[0]

    gradient = jax.jit(jax.grad(loss))
    whole, u = gradient(flat, dials(energy=1.0, high=1e9)), 8.0
    low, higher = (gradient(flat, dials(energy=1.0, high=high)) for high in (-u, -2 * u))
    shares = [float(part @ whole / (whole @ whole)) for part in (low, higher)]
    np.testing.assert_allclose(low, shares[0] * whole, rtol=1e-6, atol=1e-12)
    assert 1 / shares[1] - 1 / shares[0] == pytest.approx(u)  # the share is 1 / (1 + excess)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class EndsAtZero:
    """Coordinates that know nothing of the left half."""

    n = n_cartesian = 2
    circular = (False, False)

    def place(self, y):
        return y, jnp.where(y[0] > 0, 0.0, -jnp.inf)


def test_draws_beyond_the_end_of_the_coordinates_count_as_of_high_energy():
    system = System(DoubleWell(), EndsAtZero())
    loss, parts = eqx.filter_jit(total)(
        small_flow(), system, None, jax.random.key(0), 400, dials(energy=1.0, high=100.0)
    )
    assert 30 < float(loss) < 70  # half of the draws at 100 kT, the others at a few
    assert np.isfinite(parts.effective)


def test_equal_weights_are_worth_their_number_and_one_weight_one():
    assert effective_share(jnp.zeros(50)) == pytest.approx(1.0)
    assert effective_share(jnp.array([0.0, *[-100.0] * 49])) == pytest.approx(0.02)


def test_a_spread_along_the_coordinate_has_the_lower_loss():
    spread, peaked = jnp.linspace(-2, 2, 200), jnp.full(200, 0.4)
    both = [float(reaction_loss(SYSTEM.reaction, jnp.stack([x, x], axis=1))) for x in (spread, peaked)]
    assert both[0] < both[1] - 0.5
    assert both[0] == pytest.approx(-np.log(11), abs=0.05)


def test_torsions_and_distances_are_those_of_mdtraj():
    import mdtraj

    xyz = np.random.default_rng(0).normal(size=(20, 6, 3)).astype(np.float32)
    frames = mdtraj.Trajectory(xyz, None)
    x = xyz.reshape(20, -1)
    torsions = mdtraj.compute_dihedrals(frames, [[4, 0, 5, 2]], periodic=False)[:, 0]
    np.testing.assert_allclose(Torsion((4, 0, 5, 2))(x), torsions, atol=1e-5)
    np.testing.assert_allclose(Distance((1, 3))(x), np.linalg.norm(xyz[:, 1] - xyz[:, 3], axis=1), rtol=1e-6)
