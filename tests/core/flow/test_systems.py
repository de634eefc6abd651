"""Systems made ready: coordinates that fit, alike particles in one order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.energy.toys.registry import TOYS, toy
from mdweights_core.errors import BadInput
from mdweights_core.flow.systems import of_toy


@pytest.mark.parametrize("name", TOYS)
def test_every_toy_can_be_sampled_without_examples(name):
    prepared = of_toy(toy(name))
    assert prepared.coordinates.n_cartesian == prepared.target.n
    x, log_det = prepared.coordinates.place(jnp.zeros(prepared.coordinates.n))
    assert x.shape == (prepared.target.n,)
    assert np.isfinite(log_det)
    assert prepared.examples is None


def test_alike_particles_are_put_in_one_order_and_keep_their_energy():
    system = toy("dw4")
    target = system.make()
    rng = np.random.default_rng(0)
    start = target.starts[0].reshape(4, 2)
    frames = np.stack([(start + 0.1 * rng.normal(size=(4, 2)))[rng.permutation(4)].ravel() for _ in range(40)])
    prepared = of_toy(system, frames)
    before, after = (np.asarray(jax.vmap(target.reduced)(jnp.asarray(x))) for x in (frames, prepared.examples))
    np.testing.assert_allclose(after, before, rtol=1e-9)
    spread = prepared.examples.reshape(40, 4, 2)
    distances = np.linalg.norm(spread[:, 0] - spread[:, 1], axis=1)
    assert distances.std() < 0.3  # the same pair in all frames
    assert prepared.symmetry.order == 48
    assert any("another order" in remark for remark in prepared.remarks)


def test_a_fluid_is_learned_in_one_order_with_its_mirror_images():
    system = toy("dimer")
    starts = system.make().starts
    rng = np.random.default_rng(1)
    frames = (starts[rng.integers(2, size=60)] + 0.05 * rng.normal(size=(60, 76))).reshape(60, 38, 2)
    frames[:, 2:] = frames[:, 2 + rng.permutation(36)]
    prepared = of_toy(system, frames.reshape(60, -1))
    assert prepared.order.holds(prepared.examples).all()
    assert prepared.images.order == 4
    assert prepared.symmetry is None
    assert of_toy(toy("many-well")).order is None


def test_examples_of_another_system_are_refused():
    with pytest.raises(BadInput, match="have 3 variables, the system 2"):
        of_toy(toy("double-well"), np.zeros((50, 3)))
