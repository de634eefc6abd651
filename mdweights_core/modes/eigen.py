"""The lowest eigenpairs of a large symmetric matrix that is known by its products alone.

LOBPCG (Knyazev, SIAM J. Sci. Comput. 23, 517, 2001) in the orthonormal form of Duersch et al., SIAM J. Sci. Comput. 40,
C655 (2018): the basis of estimates, last steps and preconditioned residuals is orthonormal in every round, so that the
small eigenproblem is an ordinary one and close eigenvalues do no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mdweights_core.jobs import Clock, Job, Progress, Stopped

Product = Callable[[np.ndarray], np.ndarray]
"""Columns [N, k] to columns [N, k]."""

_DEPENDENT = 1e-12
"""Columns whose products have an eigenvalue below this share of the largest one depend on one another."""


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """Eigenvalues in rising order.

    Attributes
    ----------
    values : float64 [k]
    vectors : float64 [N, k]
        Orthonormal columns.
    residuals : float64 [k]
        |A v - lambda v|: how far a value can be from an eigenvalue.
    products : int
        Columns that were multiplied by the matrix.
    has_converged : bool
    """

    values: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray
    products: int
    has_converged: bool


def lowest(
    product: Product,
    start: np.ndarray,
    count: int,
    *,
    precondition: Product | None = None,
    constraints: np.ndarray | None = None,
    tolerance: float = 1e-4,
    max_rounds: int = 200,
) -> Job[Eigenpairs]:
    """Find the lowest eigenpairs in the space orthogonal to the constraints.

    Parameters
    ----------
    product : callable
        The matrix, symmetric [N, N].
    start : float64 [N, k]
        First estimates; k >= count, and a few more make the last ones converge sooner.
    count : int
        How many have to converge.
    precondition : callable, optional
        A positive definite estimate of the inverse.
    constraints : float64 [N, r], optional
        Orthonormal columns that eigenvectors are orthogonal to.
    tolerance : float
        Largest residual, relative to the largest of the `count` eigenvalues. The error of a value is of second order in
        its residual.
    max_rounds : int

    Yields
    ------
    Progress
        With the largest relative residual. Stopped, the job returns the estimates it has.
    """
    fixed = np.zeros((len(start), 0)) if constraints is None else constraints
    search = _Search(product, fixed, start)
    clock = Clock()
    converged = False
    try:
        for turn in range(max_rounds):
            worst = search.residual[:count].max() / max(np.abs(search.values[:count]).max(), np.finfo(float).tiny)
            converged = bool(worst <= tolerance)
            if converged:
                break
            if clock.is_due() or turn == 0:
                told = f"residual {worst:.1e}, to come to {tolerance:.0e}"
                yield Progress("slow modes", turn, None, told, {"residual": float(worst)})
            open_columns = search.residual > tolerance * np.abs(search.values[:count]).max()
            search.turn(precondition, open_columns)
    except Stopped:
        pass
    kept = slice(count)
    return Eigenpairs(search.values[kept], search.x[:, kept], search.residual[kept], search.products, converged)


class _Search:
    """Estimates x, their images ax, and the last steps p with theirs."""

    def __init__(self, product: Product, fixed: np.ndarray, start: np.ndarray) -> None:
        self._product, self._fixed, self.products = product, fixed, 0
        self.x = orthonormal(start, fixed)
        self.ax = self._times(self.x)
        self.p = self.ap = np.zeros((len(start), 0))
        self._rotate(np.zeros((len(start), 0)), np.zeros((len(start), 0)))

    def _times(self, columns: np.ndarray) -> np.ndarray:
        self.products += columns.shape[1]
        return np.asarray(self._product(columns))

    def turn(self, precondition: Product | None, columns: np.ndarray) -> None:
        """One round on the residuals of some columns."""
        residual = (self.ax - self.x * self.values)[:, columns]
        search = residual if precondition is None else precondition(residual)
        w = orthonormal(search, np.hstack([self._fixed, self.x, self.p]))
        self._rotate(w, self._times(w))

    def _rotate(self, w: np.ndarray, aw: np.ndarray) -> None:
        """Rayleigh and Ritz in the basis of x, p and w; the part of the step outside x is the next p."""
        basis, images = np.hstack([self.x, self.p, w]), np.hstack([self.ax, self.ap, aw])
        small = basis.T @ images
        values, turned = np.linalg.eigh((small + small.T) / 2)
        k = self.x.shape[1]
        best, outside = turned[:, :k], turned[:, :k].copy()
        outside[:k] = 0
        step = orthonormal(outside, best)
        self.x, self.ax, self.values = basis @ best, images @ best, values[:k]
        self.p, self.ap = basis @ step, images @ step
        self.residual = np.linalg.norm(self.ax - self.x * self.values, axis=0)


def orthonormal(columns: np.ndarray, to: np.ndarray) -> np.ndarray:
    """What is left of columns [N, k] beside orthonormal ones [N, r], as orthonormal columns without dependent ones.

    By the eigenvectors of their products (Stathopoulos and Wu, SIAM J. Sci. Comput. 23, 2165, 2002).
    """
    norms = np.linalg.norm(columns, axis=0)
    columns = columns[:, norms > 0] / norms[norms > 0]
    for _ in range(3):  # what rounding left the first time is removed
        columns = columns - to @ (to.T @ columns)
        squares, turned = np.linalg.eigh(columns.T @ columns)
        is_kept = squares > _DEPENDENT * squares.max(initial=0.0)
        columns = columns @ (turned[:, is_kept] / np.sqrt(squares[is_kept]))
    return columns
