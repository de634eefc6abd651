"""Free energies of harmonic wells, which have closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from mdweights_core.errors import BadInput
from mdweights_core.flow.estimates.mbar import mbar

CENTRES = np.array([0.0, 1.0, 2.0, 2.5])
SPRINGS = np.array([1.0, 2.0, 4.0, 1.0])
EXACT = 0.5 * np.log(SPRINGS / SPRINGS[0])


def _energies(x: np.ndarray) -> np.ndarray:
    return 0.5 * SPRINGS[:, None] * (x - CENTRES[:, None]) ** 2


def _wells(n_k: list[int], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([c + rng.normal(size=n) / np.sqrt(k) for c, k, n in zip(CENTRES, SPRINGS, n_k, strict=True)])


def test_harmonic_wells_have_their_free_energies():
    found = mbar(_energies(_wells([4000, 1000, 2000, 3000], 0)), np.array([4000, 1000, 2000, 3000]))
    assert found.f_k[0] == 0
    for state in (1, 2, 3):
        value, error = found.difference(0, state)
        assert 0 < error < 0.05
        assert value == pytest.approx(EXACT[state], abs=4 * error)


def test_errors_are_those_that_are_made():
    n_k = [150, 50, 0, 100]
    z = []
    for seed in range(200):
        found = mbar(_energies(_wells(n_k, seed)), np.array(n_k))
        z.append([(found.difference(1, k)[0] - EXACT[k] + EXACT[1]) / found.difference(1, k)[1] for k in (0, 2, 3)])
    assert np.all(np.abs(np.mean(z, axis=0)) < 0.25)
    assert np.all((np.std(z, axis=0) > 0.8) & (np.std(z, axis=0) < 1.25))


def test_weights_give_averages_in_any_state():
    x = _wells([2000, 2000, 2000, 2000], 3)
    found = mbar(_energies(x), np.full(4, 2000))
    for k in range(4):
        w = np.exp(found.log_weights - _energies(x)[k])
        assert -np.log(w.sum()) == pytest.approx(found.f_k[k], abs=1e-9)
        assert w @ x / w.sum() == pytest.approx(CENTRES[k], abs=0.05)


def test_the_equations_hold():
    """Each free energy is what the weights of all samples give back, eq. 11 of Shirts & Chodera."""
    u = _energies(_wells([30, 40, 50, 60], 1))
    n_k = np.array([30, 40, 50, 60])
    f = mbar(u, n_k).f_k
    again = -np.log((np.exp(-u) / (n_k[:, None] * np.exp(f[:, None] - u)).sum(axis=0)).sum(axis=1))
    np.testing.assert_allclose(again - again[0], f, atol=1e-9)


def test_two_states_are_those_of_bennett():
    """With two states the equation is that of the acceptance ratio (Bennett 1976)."""
    x = _wells([300, 200, 0, 0], 5)
    u = _energies(x)[:2]
    f = mbar(u, np.array([300, 200])).f_k[1]
    work = u[1] - u[0] - f - np.log(200 / 300)
    assert (1 / (1 + np.exp(work[:300]))).sum() == pytest.approx((1 / (1 + np.exp(-work[300:]))).sum(), rel=1e-8)


def test_a_region_is_a_state_without_samples():
    """F(x > 1) - F(x < 1) of the first well, with its error, in closed form."""
    from scipy.stats import norm

    z = []
    for seed in range(100):
        x = _wells([200, 200, 0, 0], seed)
        u = _energies(x)
        inside = [np.where(x > 1, u[0], np.inf), np.where(x <= 1, u[0], np.inf)]
        value, error = mbar(np.vstack([u[:2], inside]), np.array([200, 200, 0, 0])).difference(3, 2)
        z.append((value - np.log(norm.cdf(1) / norm.sf(1))) / error)
    assert abs(np.mean(z)) < 0.35
    assert 0.75 < np.std(z) < 1.3


def test_equal_states_overlap_wholly():
    u = np.repeat(_energies(_wells([50, 0, 0, 0], 0))[:1], 2, axis=0)
    found = mbar(u, np.array([25, 25]))
    np.testing.assert_allclose(found.overlap, 0.5, atol=1e-12)
    assert found.difference(0, 1) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_energies_may_be_far_from_zero():
    x = _wells([400, 400, 400, 400], 2)
    shift = np.array([0.0, 5000.0, -3000.0, 800.0])
    plain, far = (mbar(_energies(x) + s[:, None], np.full(4, 400)) for s in (np.zeros(4), shift))
    np.testing.assert_allclose(far.f_k - shift, plain.f_k, atol=1e-7)


def test_memory_widens_errors():
    u = _energies(_wells([50, 50, 50, 50], 2))
    plain, slow = mbar(u, np.full(4, 50)), mbar(u, np.full(4, 50), inefficiency=9.0)
    assert slow.difference(0, 1)[1] == pytest.approx(3 * plain.difference(0, 1)[1])


@pytest.mark.parametrize(
    ("u", "n", "message"),
    [
        (np.zeros((2, 5)), np.array([2, 2]), "do not fit"),
        (np.full((2, 4), np.nan), np.array([2, 2]), "8 reduced energies are not numbers"),
        (np.where(np.eye(2).repeat(3, axis=1), 0.0, 1e4), np.array([3, 3]), "share no samples"),
        (np.full((2, 4), np.inf), np.array([2, 2]), "infinite energy in every state"),
        (np.array([[0.0, 0.0], [np.inf, np.inf]]), np.array([2, 0]), "No sample lies in state 2"),
    ],
)
def test_what_cannot_be_solved_is_said(u, n, message):
    with pytest.raises(BadInput, match=message):
        mbar(u, n)
