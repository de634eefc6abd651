"""The whole job on maps of known springs: they are found again, and what is held out is predicted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mdweights_core.crystal.lattice import DiffuseMap
from mdweights_core.dynamics.crystal_network.comparison import balanced, comparison_of
from mdweights_core.dynamics.crystal_network.fit import fit_network
from mdweights_core.dynamics.crystal_network.intensities import UnitWaves
from mdweights_core.dynamics.crystal_network.least_squares import aligned
from mdweights_core.dynamics.crystal_network.liquid import Liquid
from mdweights_core.dynamics.crystal_network.motions import Motions
from mdweights_core.dynamics.crystal_network.result import Agreement, NetworkFit
from mdweights_core.dynamics.crystal_network.settings import CrystalNetworkSettings
from mdweights_core.dynamics.crystal_network.springs import springs_of
from mdweights_core.dynamics.crystal_network.units import Crystal
from mdweights_core.errors import BadInput
from mdweights_core.jobs import run, stop
from mdweights_core.scattering.reflections import half_lattice

GROUP = gemmi.SpaceGroup("P 41")


@pytest.fixture(scope="module")
def known(crystal: Crystal, settings: CrystalNetworkSettings) -> tuple[np.ndarray, DiffuseMap]:
    """Force constants, and the map that they make: scaled, on an isotropic background."""
    springs = springs_of(crystal, settings)
    motions = Motions(crystal, springs, 298.0)
    constants = np.array([200.0, 60, 30, 40, 10, 1500, 40])
    lattice = half_lattice(crystal.cell, GROUP, 2.6)
    intensity = UnitWaves(crystal, lattice, 1).intensities(motions.covariance(motions.rows(constants)))
    return constants, DiffuseMap(lattice, 3 * intensity + 300 * np.exp(-10 * lattice.inverse_d**2))


def test_known_springs_are_found_and_what_is_held_out_is_predicted(
    structure: Path, known: tuple[np.ndarray, DiffuseMap], settings: CrystalNetworkSettings
) -> None:
    constants, observed = known
    found = run(fit_network(structure, observed, replace(settings, frames=2, iterations=30)))
    assert found.network.held_out > 0.995
    assert found.liquid is not None
    assert found.network.held_out > found.liquid.held_out + 0.02
    assert "above the" in found.verdict
    places = list(found.springs).index("to places")
    assert found.constants[places] == pytest.approx(constants[places], rel=0.2)
    assert (np.diff(found.history) > 0).all()
    assert found.frames.shape == (2, 200, 3)
    assert found.n_work + found.n_held_out == len(comparison_of(observed, settings).lattice)
    assert len(found.network.by_resolution) == len(found.edges) - 1
    assert np.isnan(found.b_correlation)  # all B factors of the file are alike
    assert found.b_factors.shape == (50,)


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        ((0.1, 0.2, 0.9), "The map determines all classes of springs."),
        ((0.1, 40.0, np.inf), "The map determines springs bonds, and not the 2 other classes"),
        ((9.0, 40.0, np.inf), "The map determines no class of springs"),
    ],
)
def test_springs_that_the_map_does_not_determine_are_told(errors: tuple[float, ...], sentence: str) -> None:
    nothing = Agreement(np.nan, np.nan, np.nan, np.zeros(0))
    none, names = np.zeros(0), ("bonds", "contacts", "to places")
    scores = (nothing, None, np.nan, np.nan, none, 0, 0, 0, none, none, np.nan, none, 0.0)
    fit = NetworkFit(names, np.ones(3, int), np.ones(3), np.array(errors), *scores)
    assert fit.determined.startswith(sentence)


def test_a_stopped_fit_keeps_its_springs(
    structure: Path, known: tuple[np.ndarray, DiffuseMap], settings: CrystalNetworkSettings
) -> None:
    job = fit_network(structure, known[1], settings)
    for _ in range(3):
        next(job)
    found = stop(job)
    assert found is not None
    assert found.is_stopped
    assert len(found.history) == 2
    assert np.isnan(found.network.held_out)
    assert (found.constants > 0).all()


def test_a_fit_that_was_killed_goes_on_to_the_same_springs(
    structure: Path, known: tuple[np.ndarray, DiffuseMap], settings: CrystalNetworkSettings, tmp_path: Path
) -> None:
    short, place = replace(settings, iterations=4, liquid=False), tmp_path / "fit.npz"
    whole = run(fit_network(structure, known[1], short))
    killed = fit_network(structure, known[1], short, checkpoint=place)
    for _ in range(4):
        next(killed)
    del killed
    told: list[int] = []
    resumed = run(
        fit_network(structure, known[1], short, checkpoint=place), lambda progress: told.append(progress.step)
    )
    assert told[0] == 2
    np.testing.assert_allclose(resumed.constants, whole.constants, rtol=1e-9)
    np.testing.assert_allclose(resumed.history, whole.history, rtol=1e-9)
    with pytest.raises(BadInput, match="of another crystal, map or settings"):
        next(fit_network(structure, known[1], replace(short, d_fit=3.0), checkpoint=place))


def test_reflections_are_held_out_alike_at_all_resolutions(
    known: tuple[np.ndarray, DiffuseMap], settings: CrystalNetworkSettings
) -> None:
    comparison = comparison_of(known[1], replace(settings, n_fit=150))
    assert not comparison.free[comparison.fitted].any()
    assert len(comparison.fitted) == 150
    assert comparison.free.mean() == pytest.approx(0.2, abs=0.002)
    order = np.argsort(comparison.lattice.inverse_d)
    for part in np.array_split(comparison.free[order], 5):
        assert part.sum() == pytest.approx(0.2 * len(part), abs=2)
    rows = ~comparison.free
    operator = comparison.operator
    expected = np.corrcoef(operator(comparison.observed)[rows], operator(comparison.observed**2)[rows])[0, 1]
    assert comparison.agreement(comparison.observed**2, rows) == pytest.approx(expected)
    assert not balanced(comparison.lattice.inverse_d, 0, 1).any()


def test_residuals_after_scaling_are_orthogonal_and_their_squares_are_one_minus_the_correlation() -> None:
    rng = np.random.default_rng(3)
    target, values = rng.normal(size=40), rng.normal(size=40)
    target /= np.linalg.norm(target)
    slopes = rng.normal(size=(40, 2))
    residuals, jacobian = aligned(values, slopes, target)
    assert residuals @ values == pytest.approx(0, abs=1e-12)
    cosine = values @ target / np.linalg.norm(values)
    assert residuals @ residuals == pytest.approx(1 - cosine**2)

    def lost(step: np.ndarray) -> float:
        r, _ = aligned(values + slopes @ step, slopes, target)
        return float(r @ r)

    for column, step in enumerate(1e-5 * np.eye(2)):
        expected = (lost(step) - lost(-step)) / 2e-5
        assert 2 * residuals @ jacobian[:, column] == pytest.approx(expected, rel=1e-6)


def test_liquid_like_motions_sum_their_orders(crystal: Crystal) -> None:
    """The series of exp(-x) x^n / n! with orders all alike is (1 - exp(-x)) times that order."""
    lattice = half_lattice(crystal.cell, GROUP, 4.0)
    liquid = Liquid(crystal, lattice)
    found = liquid.summed(np.ones((8, len(lattice))), 0.4)
    x = (2 * np.pi * lattice.inverse_d * 0.4) ** 2
    np.testing.assert_allclose(found, 1 - np.exp(-x), atol=1e-6)


def test_maps_that_cannot_be_compared_are_refused(
    structure: Path, known: tuple[np.ndarray, DiffuseMap], settings: CrystalNetworkSettings
) -> None:
    observed = known[1]
    between = replace(observed, lattice=replace(observed.lattice, ndiv=(2, 2, 2)))
    with pytest.raises(BadInput, match="between whole indices"):
        run(fit_network(structure, between, settings))
    other = replace(observed, lattice=replace(observed.lattice, cell=gemmi.UnitCell(30, 30, 24, 90, 90, 90)))
    with pytest.raises(BadInput, match="another unit cell"):
        run(fit_network(structure, other, settings))
    with pytest.raises(BadInput, match="between these limits"):
        comparison_of(observed, replace(settings, d_min=8.0))
    with pytest.raises(BadInput, match="too few for a fit"):
        comparison_of(observed, replace(settings, d_fit=6.0))
    flat = replace(observed, intensity=np.ones(len(observed)))
    with pytest.raises(BadInput, match="the same everywhere"):
        comparison_of(flat, settings)
