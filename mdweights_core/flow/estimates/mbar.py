"""Free energies of many states from samples of all of them: the multistate Bennett acceptance ratio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from mdweights_core.errors import BadInput

_FIRST = 10  # self-consistent steps, which cannot diverge, before Newton's, which are quick
_MOST = 500  # steps
_ENOUGH = 1e-10  # change of a free energy, kT
_DISTINCT = 1e-9  # gap of the overlap matrix below which two groups of states share nothing


@dataclass(frozen=True, eq=False)
class Mbar:
    """What samples of K states tell of them.

    Attributes
    ----------
    f_k : float64 [K]
        Reduced free energies, kT; that of the first state is 0.
    covariance : float64 [K, K]
        Of `f_k` but for a common constant: only differences of states mean anything.
    log_weights : float64 [N]
        Of every sample, for a state of reduced energy 0: add the negative reduced energy of any other.
    overlap : float64 [K, K]
        The probability that a sample of state i might have come from state j; rows sum to 1.
    """

    f_k: np.ndarray
    covariance: np.ndarray
    log_weights: np.ndarray
    overlap: np.ndarray

    def difference(self, first: int, second: int) -> tuple[float, float]:
        """F(second) - F(first) and its standard error, kT."""
        c = self.covariance
        variance = c[first, first] + c[second, second] - 2 * c[first, second]
        return float(self.f_k[second] - self.f_k[first]), float(np.sqrt(max(variance, 0.0)))


def mbar(u_kn: np.ndarray, n_k: np.ndarray, inefficiency: float = 1.0) -> Mbar:
    """Free energies and weights of samples of K states, pooled in any order [1].

    Self-consistent steps, then Newton's on the convex function whose gradient the equations are, in logarithms
    throughout. Errors are the asymptotic ones of eq. 8 of [1].

    Parameters
    ----------
    u_kn : float64 [K, N]
        Reduced energy of each sample in each state; inf where the state forbids it. For umbrella sampling of one
        potential the biases are enough. A region is a state, too: 0 (or the energy) inside, inf outside, no samples.
    n_k : int [K]
        How many samples came from each state; 0 for states that are only asked for.
    inefficiency : float
        Statistical inefficiency of the samples: the covariance is multiplied by it.

    Raises
    ------
    BadInput
        When shapes or numbers do not fit, or when states share no samples, so that nothing joins them.

    References
    ----------
    .. [1] Shirts & Chodera, J. Chem. Phys. 129 (2008) 124105.
    """
    u, n = np.asarray(u_kn, dtype=np.float64), np.asarray(n_k, dtype=np.float64)
    _check(u, n)
    is_sampled = n > 0
    f = np.zeros(len(u))
    f[is_sampled], log_mixture = _solved(u[is_sampled], n[is_sampled])
    f[~is_sampled] = -logsumexp(-u[~is_sampled] - log_mixture, axis=1)
    if not np.isfinite(f).all():
        state = int(np.flatnonzero(~np.isfinite(f))[0])
        raise BadInput(f"No sample lies in state {state + 1}, so that it has no free energy")
    share = np.exp(f[:, None] - u - log_mixture)
    products = share @ share.T
    return Mbar(f - f[0], inefficiency * _covariance(products, n), f[0] - log_mixture, products * n)


def _check(u: np.ndarray, n: np.ndarray) -> None:
    if u.ndim != 2 or n.shape != u.shape[:1] or n.sum() != u.shape[1]:
        raise BadInput(f"Energies of shape {u.shape} do not fit samples of {n.sum():.0f} in {len(n)} states")
    if np.isnan(u).any() or np.isneginf(u).any():
        raise BadInput(f"{int((np.isnan(u) | np.isneginf(u)).sum())} reduced energies are not numbers")
    if np.isposinf(u[n > 0]).all(axis=0).any():
        raise BadInput("A sample has an infinite energy in every state that samples came from")


def _shares(u: np.ndarray, n: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probability that each sample came from each state, float64 [K, N], and ln sum_k n_k exp(f_k - u_kn), [N]."""
    terms = (np.log(n) + f)[:, None] - u
    most = terms.max(axis=0)
    np.exp(terms - most, out=terms)
    total = terms.sum(axis=0)
    terms /= total
    return terms, most + np.log(total)


def _solved(u: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Free energies [K] of states that all have samples, the first 0, and ln of their mixture [N]."""
    f = np.zeros(len(u))
    share, log_mixture = _shares(u, n, f)
    for step in range(_MOST):
        plain = _self_consistent(u, n, f, share, log_mixture)
        new = plain if step < _FIRST else _newton(n, f, share)
        after = _shares(u, n, new)
        if step >= _FIRST and _imbalance(after[0], n) > _imbalance(share, n):
            new, after = plain, _shares(u, n, plain)
        change, f, (share, log_mixture) = np.abs(new - f).max(), new, after
        if step >= _FIRST and change < _ENOUGH:
            return f, log_mixture
    raise BadInput("The free energies of the states do not converge", advice="Add samples between them")


def _imbalance(share: np.ndarray, n: np.ndarray) -> float:
    """How far the equations are from being solved: the largest component of the gradient."""
    return float(np.abs(share.sum(axis=1) - n).max())


def _self_consistent(
    u: np.ndarray, n: np.ndarray, f: np.ndarray, share: np.ndarray, log_mixture: np.ndarray
) -> np.ndarray:
    """Free energies that the present weights give; in logarithms where a state has next to none of them."""
    total = share.sum(axis=1)
    rare = total < 1e-200
    new = f - np.log(np.where(rare, n, total) / n)
    new[rare] = -logsumexp(-u[rare] - log_mixture, axis=1)
    return new - new[0]


def _newton(n: np.ndarray, f: np.ndarray, share: np.ndarray) -> np.ndarray:
    """One step of Newton's method, the first free energy held."""
    total = share.sum(axis=1)
    hessian = np.diag(total) - share @ share.T
    _check_joined(hessian, total)
    step = np.linalg.solve(hessian[1:, 1:], total[1:] - n[1:])
    return f - np.append(0.0, step)


def _check_joined(hessian: np.ndarray, total: np.ndarray) -> None:
    """Refuse states between which nothing is shared: the second eigenvalue of the scaled Hessian is their gap."""
    scale = 1 / np.sqrt(total)
    if len(total) > 1 and np.linalg.eigvalsh(scale[:, None] * hessian * scale)[1] < _DISTINCT:
        raise BadInput(
            "The states fall in groups that share no samples, so that nothing joins their free energies",
            advice="Add states between them, or samples",
        )


def _covariance(products: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Asymptotic covariance from the products W^T W of normalised weights, without the direction of the gauge."""
    squares, vectors = np.linalg.eigh(products)
    half = vectors * np.sqrt(np.maximum(squares, 0.0))
    values, directions = np.linalg.eigh(np.eye(len(n)) - half.T @ (n[:, None] * half))
    side = half @ directions[:, 1:]
    return (side / np.maximum(values[1:], 1e-300)) @ side.T
