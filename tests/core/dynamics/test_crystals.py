"""Crystals: a harmonic one against its closed form, anharmonic ones by two estimators, a liquid, and memory."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.rings import ring_in_closed_form, ring_observables

from mdweights_core import jobs
from mdweights_core.dynamics import replicas
from mdweights_core.dynamics.harmonic import Scheme
from mdweights_core.dynamics.integrators import integrator
from mdweights_core.dynamics.job import sensitivity
from mdweights_core.dynamics.models.lennard_jones import lennard_jones_crystal
from mdweights_core.dynamics.models.toys import diatomic_ring
from mdweights_core.dynamics.observables.displacements import mean_square_displacements
from mdweights_core.dynamics.observables.moments import moments
from mdweights_core.dynamics.replicas import Asked, System
from mdweights_core.dynamics.result import REFUSED, VERIFIED
from mdweights_core.dynamics.settings import SensitivitySettings


@pytest.mark.parametrize("name", ["zhao", "lfmiddle"])
def test_a_ring_has_the_gradients_of_the_closed_form(name: str) -> None:
    """48 gradients, among them those of diffuse intensities; fewer steps than the benchmark takes."""
    simulated = diatomic_ring()
    settings = SensitivitySettings(
        name, 0.2, 2.0, replicas=256, steps=600, burn_in=100, stride=5, estimators=("pathwise",)
    )
    exact = ring_in_closed_form(simulated, Scheme(name.removeprefix("lf"), 0.2, 2.0))
    found = jobs.run(sensitivity(simulated, ring_observables(simulated), settings)).estimates["pathwise"]
    z = (found.jacobian - exact) / found.error
    assert z.shape == (16, 3)
    assert np.sqrt(np.mean(z**2)) <= 1.5
    assert np.max(np.abs(z)) <= 4
    assert np.median(found.error / np.abs(exact)) <= 0.05


def test_pathwise_is_less_noisy_than_covariance_in_a_crystal() -> None:
    simulated = lennard_jones_crystal(32, kt=0.3)
    places = np.asarray(simulated.start).reshape(-1, 3)
    observable = mean_square_displacements(places, np.arange(8), [f"atom {i + 1}" for i in range(8)])
    settings = SensitivitySettings(
        "lfmiddle",
        0.005,
        5.0,
        replicas=16,
        steps=800,
        burn_in=600,
        stride=20,
        blocks=16,
        estimators=("pathwise", "covariance"),
    )
    found = jobs.run(sensitivity(simulated, observable, settings))
    path, cov = found.estimates["pathwise"], found.estimates["covariance"]
    assert np.max(np.abs(path.jacobian - cov.jacobian) / np.hypot(path.error, cov.error)) <= 5
    assert np.median(path.error / cov.error) <= 0.6
    assert found.verdict in {VERIFIED, "unverified"}
    assert found.exponent < -0.5


def test_a_liquid_is_refused_before_tangents_have_grown_a_thousandfold() -> None:
    simulated = lennard_jones_crystal(32, density=0.8442, kt=0.728)
    observable = moments([0], power=2)
    settings = SensitivitySettings(
        "lfmiddle", 0.004, 0.5, replicas=16, steps=200, burn_in=1000, stride=20, blocks=16, estimators=("pathwise",)
    )
    found = jobs.run(sensitivity(simulated, observable, replace(settings, estimators=("pathwise", "covariance"))))
    assert found.verdict == REFUSED
    assert "given up" in found.notes[0]
    assert found.exponent > 1
    growth = float(found.notes[0].partition("grown ")[2].partition("-fold")[0])
    assert 50 < growth < 1000


def test_memory_does_not_grow_with_the_number_of_steps() -> None:
    simulated = lennard_jones_crystal(32, kt=0.3)
    made = integrator("lfmiddle", 0.005, 5.0, 0.3, simulated.masses)
    model, theta, masses = simulated.model, simulated.theta, simulated.masses
    system = System(model, moments([0], power=2), made, theta, masses, simulated.kt, 1, 3)
    asked = Asked(True, False, False)
    (group,) = replicas.begin(system, np.asarray(simulated.start)[None], 0, asked, 1)
    begun = jax.tree.map(lambda leaf: leaf[0], group.replicas)

    def room(steps: int) -> int:
        def end(system, replica):
            return jax.lax.scan(lambda now, _: (replicas.step(system, asked, now), None), replica, length=steps)[0]

        return int(jax.jit(end).lower(system, begun).compile().memory_analysis().temp_size_in_bytes)

    few, many = room(100), room(6400)
    assert few > 1000
    assert many <= 1.05 * few
    assert jnp.isfinite(begun.x).all()
