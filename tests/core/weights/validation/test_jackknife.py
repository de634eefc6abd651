"""Errors from estimates that leave out one group each."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.weights.validation.jackknife import jackknife_error


def test_the_error_of_a_mean_is_its_usual_standard_error():
    values = np.random.default_rng(0).normal(size=(12, 3))
    left_out = (values.sum(axis=0) - values) / 11
    np.testing.assert_allclose(jackknife_error(left_out), values.std(axis=0, ddof=1) / np.sqrt(12))


def test_few_or_unknown_estimates_tell_no_error():
    left_out = np.array([[1.0, 1.0], [2.0, np.nan], [3.0, 5.0], [np.nan, np.nan]])
    known, unknown = jackknife_error(left_out)
    assert known == pytest.approx(np.sqrt(2 / 3 * 2))
    assert np.isnan(unknown)
    assert jackknife_error(left_out, least=2)[1] == pytest.approx(np.sqrt(1 / 2 * 8))
