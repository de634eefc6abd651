"""Images of alike particles: a group, and densities of their mixture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdweights_core.energy.toys.registry import toy
from mdweights_core.flow.coordinates.relabel import OneOrder
from mdweights_core.flow.draw import draw, log_density
from mdweights_core.flow.losses import System
from mdweights_core.flow.model import cast, make_flow
from mdweights_core.flow.settings import FlowSettings
from mdweights_core.flow.symmetry import of_mirrors, of_particles
from mdweights_core.flow.systems import of_toy


def test_images_are_all_orders_and_mirrors_once():
    group = of_particles(3, 2, mirror=True)
    images = np.asarray(group.images(jnp.arange(1.0, 7.0)))
    assert group.order == 12
    assert len({tuple(image) for image in images}) == 12
    np.testing.assert_array_equal(images[0], np.arange(1, 7))


def test_no_image_has_another_energy():
    target = toy("dw4").make()
    x = jnp.asarray(np.random.default_rng(0).normal(size=8) * 3)
    energies = jax.vmap(target.reduced)(of_particles(4, 2, mirror=True).images(x))
    np.testing.assert_allclose(energies, energies[0], rtol=1e-12)


def test_the_mixture_has_one_density_for_all_images():
    prepared = of_toy(toy("dw4"))
    system = System(prepared.target, prepared.coordinates, symmetry=prepared.symmetry)
    settings = FlowSettings(layers=2, width=8, bins=0, marginal_bins=0)
    flow = cast(make_flow(np.array(prepared.coordinates.circular), settings, 0), jnp.float64)
    found = draw(flow, system, jax.random.key(0), 6, jnp.float64)
    of_images = jax.jit(lambda x: jax.vmap(lambda image: log_density(flow, system, image))(x))
    for x, drawn in zip(found.x[:2], found.log_q, strict=False):
        densities = of_images(prepared.symmetry.images(x)[::7])
        np.testing.assert_allclose(densities, float(drawn), atol=1e-8)
    alone = draw(flow, system._replace(symmetry=None), jax.random.key(0), 6, jnp.float64)
    assert (np.asarray(found.log_q) >= np.asarray(alone.log_q) - np.log(48) - 1e-9).all()
    assert found.log_q[0] != pytest.approx(alone.log_q[0])


def test_mirror_images_of_the_dimer_keep_its_energy_and_its_order():
    target = toy("dimer").make()
    template = target.starts[0]
    group = of_mirrors(template, 2)
    assert group.order == 4
    np.testing.assert_allclose(group.images(jnp.asarray(template)), np.tile(template, (4, 1)), atol=1e-12)
    x = template + 0.1 * np.random.default_rng(1).normal(size=(3, target.n))
    images = group.images_of_all(x)
    np.testing.assert_array_equal(images[:3], x)
    np.testing.assert_array_equal(images[1::3], group.images(jnp.asarray(x[1])))
    energies = np.asarray(jax.vmap(target.reduced)(jnp.asarray(images))).reshape(4, 3)
    np.testing.assert_allclose(energies, np.tile(energies[0], (4, 1)), rtol=1e-12)
    order = OneOrder(template, tuple(range(2, 38)), 2)
    np.testing.assert_array_equal(order.holds(images), np.tile(order.holds(x), 4))


def test_a_template_without_mirror_images_is_refused():
    with pytest.raises(ValueError, match="mirror"):
        of_mirrors(np.array([0.0, 0.0, 1.0, 0.0]), 2)
