"""Wells of one and two variables against quadrature, with the free energies of flow sampling's benchmarks."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from mdweights_core.energy.toys.registry import toy
from mdweights_core.energy.toys.wells import DoubleWell, ManyWell, MuellerBrown

FORMS = {"code": DoubleWell.code, "printed": DoubleWell.printed, "fab": DoubleWell.fab, "bgflow": DoubleWell.bgflow}


def nodes(low: float, high: float, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights between two bounds."""
    at, weights = np.polynomial.legendre.leggauss(number)
    return (low + high) / 2 + (high - low) / 2 * at, (high - low) / 2 * weights


@jax.jit
def energies(target: DoubleWell | MuellerBrown, x: jax.Array) -> jax.Array:
    """Energies of configurations [S, 2]."""
    return jax.vmap(target.reduced)(x)


def integral(
    target: DoubleWell | MuellerBrown, place: Callable[..., np.ndarray], sides: list[tuple], beta: float = 1.0
) -> tuple[float, float]:
    """ln of the integral of exp(-beta u) over a product of two intervals, and the mean of u there."""
    (a, wa), (b, wb) = (nodes(*side, 300) for side in sides)
    x = place(*np.meshgrid(a, b, indexing="ij")).reshape(-1, 2)
    u = np.asarray(energies(target, jnp.asarray(x)))
    weights = np.outer(wa, wb).reshape(-1) * np.exp(-beta * (u - u.min()))
    return float(np.log(weights.sum()) - beta * u.min()), float(weights @ u / weights.sum())


def double_well(form: str, split: float, beta: float = 1.0) -> tuple[float, float]:
    """ln Z and F(right) - F(left)."""
    y = (-14.0, 14.0)
    left, right = (
        integral(FORMS[form](), lambda *at: np.stack(at, axis=-1), [side, y], beta)[0]
        for side in ((-6.0, split), (split, 6.0))
    )
    return float(np.logaddexp(left, right)), left - right


@pytest.mark.parametrize(
    ("form", "log_z", "difference"),
    [
        ("code", 11.020467, 3.380006),
        ("printed", 12.064929, 4.777550),
        ("fab", 10.293480, -1.690658),
        ("bgflow", 5.211940, 0.0),
    ],
)
def test_double_wells_have_their_published_free_energies(form: str, log_z: float, difference: float) -> None:
    found = double_well(form, FORMS[form]().turning_points[1])
    assert found == pytest.approx((log_z, difference), abs=1.1e-6)


@pytest.mark.parametrize(("beta", "log_z", "difference"), [(0.5, 6.509507, 1.633447), (2.0, 21.036795, 6.849401)])
def test_double_well_at_other_temperatures(beta: float, log_z: float, difference: float) -> None:
    found = double_well("code", DoubleWell().turning_points[1], beta)
    assert found == pytest.approx((log_z, difference), abs=1.1e-6)


def test_double_well_split_at_zero_instead_of_the_barrier() -> None:
    assert double_well("code", 0.0)[1] == pytest.approx(3.379901, abs=1.1e-6)


def test_constant_of_the_fab_repository() -> None:
    x, weights = nodes(-6.0, 6.0, 400)
    assert weights @ np.exp(-np.asarray(DoubleWell.fab().along_x(x))) == pytest.approx(11784.50927, rel=1e-9)


def test_turning_points_of_the_code_form() -> None:
    well = DoubleWell.code()
    np.testing.assert_allclose(well.turning_points, [-1.7723, 0.083528, 1.6888], atol=5e-5)
    np.testing.assert_allclose(well.along_x(well.turning_points), [-10.7524, 0.0417, -7.2893], atol=5e-5)
    np.testing.assert_allclose(DoubleWell.printed().turning_points[[0, 2]], [-2.5289, 2.3615], atol=5e-5)


@pytest.mark.parametrize("form", FORMS)
def test_samples_of_double_wells_follow_the_density(form: str) -> None:
    well = FORMS[form]()
    samples = well.sample(np.random.default_rng(1), 20_000)
    grid = np.linspace(-6, 6, 40_001)
    density = np.exp(-np.asarray(well.along_x(grid)))
    distribution = np.cumsum(density) / density.sum()
    assert kstest(samples[:, 0], lambda x: np.interp(x, grid, distribution)).pvalue > 0.01
    assert kstest(samples[:, 1], "norm").pvalue > 0.01


def test_many_well_is_a_sum_of_sixteen() -> None:
    many = ManyWell()
    assert many.n == 32
    x = np.random.default_rng(0).normal(size=32)
    by_hand = sum(a**4 - 6 * a**2 - a / 2 + b**2 / 2 for a, b in x.reshape(16, 2))
    assert float(many.reduced(jnp.asarray(x))) == pytest.approx(by_hand, rel=1e-12)
    assert 16 * double_well("fab", 0.0)[0] == pytest.approx(164.695675, abs=5e-6)


def test_samples_of_many_well_have_the_mean_energy() -> None:
    x, weights = nodes(-6.0, 6.0, 400)
    u = np.asarray(DoubleWell.fab().along_x(x))
    density = weights * np.exp(-u)
    mean = 16 * (density @ u / density.sum() + 0.5)
    samples = ManyWell().sample(np.random.default_rng(0), 4000)
    found = np.asarray(jax.jit(jax.vmap(ManyWell().reduced))(jnp.asarray(samples)))
    assert found.mean() == pytest.approx(mean, abs=4 * found.std() / 4000**0.5)


@pytest.mark.parametrize(
    ("scale", "log_z", "difference", "mean"),
    [
        (0.1, 11.72959, 3.66233, -13.4934),
        (0.15, 18.61544, 5.69501, -20.94508),
        (0.05, 5.36613, 1.55511, None),
        (0.2, 25.65016, 7.65962, None),
    ],
)
def test_mueller_brown_by_quadrature(scale: float, log_z: float, difference: float, mean: float | None) -> None:
    target, reach = MuellerBrown(scale), (-4.0, 5.5)

    def place(across: np.ndarray, along: np.ndarray) -> np.ndarray:
        """y - x and y + x."""
        return np.stack([along - across, along + across], axis=-1) / 2

    lower, upper = (integral(target, place, [side, reach]) for side in ((-4.5, 0.75), (0.75, 6.0)))
    logs = np.array([lower[0], upper[0]]) - np.log(2)  # the area element of y - x and y + x
    assert np.logaddexp(*logs) == pytest.approx(log_z, abs=1.1e-5)
    assert logs[1] - logs[0] == pytest.approx(difference, abs=1.1e-5)
    if mean is not None:
        share = np.exp(logs - np.logaddexp(*logs))
        assert share @ [lower[1], upper[1]] == pytest.approx(mean, abs=6e-5)


@jax.jit
def derivatives(target: MuellerBrown, x: jax.Array) -> tuple[jax.Array, ...]:
    """Energy, gradient and Hessian."""
    return target.reduced(x), jax.grad(target.reduced)(x), jax.hessian(target.reduced)(x)


@pytest.mark.parametrize(
    ("near", "energy", "downhill"),
    [
        ((-0.558224, 1.441726), -146.699517, 0),
        ((0.623499, 0.028038), -108.166724, 0),
        ((-0.050011, 0.466694), -80.767818, 0),
        ((-0.8220, 0.6243), -40.6648, 1),
        ((0.2125, 0.2930), -72.2489, 1),
    ],
)
def test_stationary_points_of_mueller_brown(near: tuple[float, float], energy: float, downhill: int) -> None:
    target, x = MuellerBrown(scale=1.0), np.asarray(near)
    for _ in range(4):
        found, slope, curvature = (np.asarray(part) for part in derivatives(target, x))
        x = x - np.linalg.solve(curvature, slope)
    np.testing.assert_allclose(x, near, atol=6e-5 if downhill else 1e-6)
    assert float(found) == pytest.approx(energy, abs=6e-5 if downhill else 1e-6)
    assert np.sum(np.linalg.eigvalsh(curvature) < 0) == downhill


def test_mueller_brown_goes_on_as_a_tangent_where_the_exponential_is_steep() -> None:
    target = MuellerBrown()
    along = jax.jit(jax.vmap(jax.value_and_grad(lambda s: target.reduced(jnp.stack([s, jnp.ones_like(s)])))))
    fine = jnp.linspace(3.8, 4.3, 20_001)  # the exponent 0.7 (x + 1)^2 is 18 at x = 4.07
    energy, slope = along(fine)
    assert float(energy[0]) > 1e6
    np.testing.assert_allclose(np.diff(energy) / np.diff(fine), (slope[1:] + slope[:-1]) / 2, rtol=1e-4)
    far = jax.vmap(jax.value_and_grad(target.reduced))(jnp.asarray([[1e3, 1e3], [-1e3, 5e2]], jnp.float32))
    assert all(np.isfinite(part).all() for part in far)


def test_boundaries_of_the_named_wells_are_their_barriers() -> None:
    for name in ("double-well", "double-well-printed", "double-well-fab", "double-well-even"):
        well = toy(name).make()
        assert isinstance(well, DoubleWell)
        assert toy(name).boundary == pytest.approx(well.turning_points[1], abs=1e-6)
    assert toy("many-well").boundary == toy("double-well-fab").boundary
