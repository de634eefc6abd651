"""What is taken out of a map before it is compared: the mean, and with it the isotropic curve through shell means."""

from __future__ import annotations

import numpy as np

from mdweights_core.crystal.shells import AnisotropicOperator


def sliced(operator: AnisotropicOperator | None, chosen: np.ndarray) -> AnisotropicOperator | None:
    """The operator on some of the reflections, `chosen` int [n]; its shells are kept."""
    if operator is None:
        return None
    return AnisotropicOperator(operator.member[chosen], operator.mean_weight[chosen], operator.spline[chosen])


class ShellCurves:
    """Removal of a smooth curve through the weighted shell means, for P problems at once.

    With S the spline of the operator and M the means over shells, weighted by `counts`, it is ``1 - S M``. The
    operator's own means belong to one set of reference reflections; here each problem has its own. A shell without
    weight has the mean 0. Without an operator nothing is removed.

    Parameters
    ----------
    counts : float64 [P, G]
        Weight of each reflection in the shell means of each problem.
    operator : AnisotropicOperator, optional
        Shells and spline.
    inverse : float64 [P, S], optional
        1 / sum of the counts of each shell, 0 for a shell without any, where known from before.
    """

    def __init__(
        self, counts: np.ndarray, operator: AnisotropicOperator | None, inverse: np.ndarray | None = None
    ) -> None:
        self.counts, self._operator = counts, operator
        self.inverse = self._inverse_totals() if inverse is None else inverse

    def _inverse_totals(self) -> np.ndarray:
        totals = self._sums(self.counts)
        return np.divide(1.0, totals, out=np.zeros_like(totals), where=totals > 0)

    def remove(self, values: np.ndarray) -> np.ndarray:
        """(1 - S M) values: [P, G] or [G] (the same for all) -> [P, G]."""
        if self._operator is None:
            return np.broadcast_to(values, self.counts.shape)
        curve = (self._sums(self.counts * values) * self.inverse) @ self._operator.spline.T
        return np.subtract(values, curve, out=curve)

    def transposed(self, values: np.ndarray) -> np.ndarray:
        """(1 - S M)^T values: [P, G] -> [P, G]."""
        if self._operator is None:
            return values
        spread = np.take((values @ self._operator.spline) * self.inverse, self._operator.member, axis=1)
        spread *= self.counts
        return np.subtract(values, spread, out=spread)

    def matrices(self) -> tuple[np.ndarray, np.ndarray]:
        """S [G, S] and M [S, G] of the first problem; without an operator the curve is a constant of zero."""
        n = self.counts.shape[1]
        if self._operator is None:
            return np.ones((n, 1)), np.zeros((1, n))
        member = self._operator.member
        means = np.zeros((self._operator.n_shells, n))
        means[member, np.arange(n)] = self.counts[0] * self.inverse[0, member]
        return self._operator.spline, means

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over shells: [P, G] -> [P, S]."""
        if self._operator is None:
            return np.zeros((len(values), 0))
        member, n = self._operator.member, self._operator.n_shells
        return np.stack([np.bincount(member, row, minlength=n) for row in values])


def centred(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Subtract the means weighted by `counts`, [P, G] each: [P, G]."""
    total = np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return values - np.einsum("pg,pg->p", counts, values)[:, None] / total
