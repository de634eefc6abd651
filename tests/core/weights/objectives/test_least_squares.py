"""Chi-square against a plain least-squares fit, and Student's t against SciPy's density and optimiser."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from support.two_maps import TwoMaps, two_maps

from mdweights_core.weights.objectives.regression import Errors, regress, smooth_columns


def columns_of(maps: TwoMaps, problem: int = 0) -> np.ndarray:
    return np.vstack([maps.x[problem], smooth_columns(maps.inverse_d)])


def test_the_background_is_smooth_and_can_be_a_constant_or_a_cubic(maps):
    columns = smooth_columns(maps.inverse_d)
    assert columns.shape == (6, 400)
    np.testing.assert_allclose(columns.sum(axis=0), 1.0)
    for power in range(4):
        curve = maps.inverse_d**power
        fit = np.linalg.lstsq(columns.T, curve, rcond=None)[0]
        np.testing.assert_allclose(fit @ columns, curve, atol=1e-12)
    np.testing.assert_array_equal(smooth_columns(np.full(5, 0.2)), np.ones((1, 5)))


@pytest.mark.parametrize("weighting", ["none", "sigma"])
def test_chi_square_is_the_variance_that_a_plain_fit_explains(maps, weighting):
    found = maps.objective("chi2", weighting).linearise(maps.x, maps.rows)
    for i, gain in enumerate(found.gain):
        root = np.sqrt(maps.rows[i] / (maps.sigma**2 if weighting == "sigma" else 1.0))

        def left(columns, root=root):
            fit = np.linalg.lstsq((columns * root).T, maps.observed * root, rcond=None)[0]
            return np.sum((root * (maps.observed - fit @ columns)) ** 2)

        expected = 1 - left(columns_of(maps, i)) / left(columns_of(maps, i)[1:])
        assert gain == pytest.approx(expected, abs=1e-10)
        assert found.rho[i] ** 2 == pytest.approx(expected, abs=1e-10)


def test_chi_square_of_held_out_reflections_is_that_of_the_prediction(maps):
    work = np.arange(400) % 4 != 0
    rows, held_out = (np.tile(part.astype(float), (3, 1)) for part in (work, ~work))
    found = maps.objective("chi2").held_out_gain(maps.x, rows, held_out)

    def left(columns):
        fit = np.linalg.lstsq(columns[:, work].T, maps.observed[work], rcond=None)[0]
        return np.sum((maps.observed - fit @ columns)[~work] ** 2)

    for i, gain in enumerate(found):
        assert gain == pytest.approx(1 - left(columns_of(maps, i)) / left(columns_of(maps, i)[1:]), abs=1e-10)


def minus_log_likelihood(parameters, columns, maps, rows):
    return -rows @ scipy.stats.t.logpdf(maps.observed, 4, parameters[:-1] @ columns, np.exp(parameters[-1]))


def test_students_t_is_the_most_likely_fit_that_scipy_finds(maps):
    found, rows = maps.objective("student-t").linearise(maps.x, maps.rows), maps.rows[0]
    best = []
    for columns in (columns_of(maps), columns_of(maps)[1:]):
        start = np.append(np.linalg.lstsq(columns.T, maps.observed, rcond=None)[0], 0.0)
        fit = scipy.optimize.minimize(minus_log_likelihood, start, (columns, maps, rows), "BFGS", tol=1e-5)
        best.append(2 * fit.fun / rows.sum())
    assert found.gain[0] == pytest.approx(1 - np.exp(best[0] - best[1]), abs=1e-6)


def test_students_t_does_not_follow_outliers(maps):
    spoilt = maps.observed.copy()
    spoilt[::29] += 3000.0
    robust, plain = (
        regress(columns_of(maps), spoilt, np.ones(400), np.ones(400), errors) for errors in (Errors(1 / 4), Errors())
    )
    clean = regress(columns_of(maps), maps.observed, np.ones(400), np.ones(400), Errors(1 / 4))
    assert robust.coefficients[0] == pytest.approx(clean.coefficients[0], rel=0.1)
    assert abs(plain.coefficients[0] / clean.coefficients[0] - 1) > 0.3


def test_many_reflections_are_fitted_as_few(maps):
    many = two_maps(21_000, 1)
    columns, ones = columns_of(many), np.ones(21_000)
    fit = regress(columns, many.observed, ones, ones, Errors(1 / 4))
    shares = Errors(1 / 4).slope(fit.squares / fit.scale2)
    pull = columns @ (shares * (many.observed - fit.coefficients @ columns))
    size = np.abs(columns) @ (shares * np.sqrt(fit.squares))
    np.testing.assert_allclose(pull / size, 0, atol=1e-5)
    assert shares @ fit.squares / (shares.sum() * fit.scale2) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", ["chi2", "student-t"])
def test_a_map_of_the_wrong_sign_is_worse_than_none(maps, name):
    objective, rows = maps.objective(name), np.ones((1, 400))
    upside_down = maps.observed.max() - maps.x[:1]
    found = objective.linearise(upside_down, rows)
    assert found.gain[0] < -0.1
    assert (found.slope * found.rho)[0] > 0  # uphill is still towards the observed map
    assert objective.held_out_gain(upside_down, rows, rows)[0] == 0
