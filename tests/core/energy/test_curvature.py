"""Factors of a curvature against the matrix they invert."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from mdweights_core.energy.curvature import factorised


@pytest.mark.parametrize("is_sparse", [True, False])
@pytest.mark.parametrize("shape", [(40,), (40, 3)])
def test_factors_invert(is_sparse: bool, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    half = scipy.sparse.random_array((60, 40), density=0.1, rng=rng)
    matrix = half.T @ half
    solve = factorised(matrix.tocsc() if is_sparse else matrix.toarray(), 3.0)
    q = rng.normal(size=shape)
    np.testing.assert_allclose(matrix @ solve(q) + 3.0 * solve(q), q, atol=1e-12)
