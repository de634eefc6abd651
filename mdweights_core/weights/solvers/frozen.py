"""The gain with the mean structure factors frozen, as a function of the weights of a few columns, and its maximum.

With m frozen the intensity is linear in the weights, x = sum_t w_t D_t, and every objective depends on them through
rho(w) = b.w / sqrt(w.N.w) (see `objectives.base`). N may come from a part of the reflections: it is corrected so that
N w is exact at the present weights, so that value and gradient there are those of all reflections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from mdweights_core.weights.solvers.simplex import nonnegative, on_simplex

_LONGEST_MOVE = 4.0  # in the logarithm of a weight
_TINY = 1e-300
_ROUNDING = 1e-14  # of the largest w.N.w: less comes from single precision, as where all weight is on one frame


@dataclass(frozen=True, eq=False)
class FrozenTerm:
    """One objective: gain = constant + slope rho^power / power.

    Attributes
    ----------
    gram : float64 [n, n]
        N.
    overlap : float64 [n]
        b.
    slope : float
    power : int
    constant : float
    """

    gram: np.ndarray
    overlap: np.ndarray
    slope: float
    power: int
    constant: float = 0.0

    @property
    def _floor(self) -> float:
        """Least w.N.w that means anything."""
        return _ROUNDING * float(np.diag(self.gram).max(initial=0.0)) + _TINY

    def gain(self, w: np.ndarray) -> np.ndarray:
        """At weights [..., n]: float64 [...]."""
        norm = np.sqrt(np.maximum(np.einsum("...i,...i->...", w @ self.gram, w), self._floor))
        return self.constant + self.slope * (w @ self.overlap / norm) ** self.power / self.power

    def expansion(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient, and the positive part of the curvature of -gain."""
        nw = self.gram @ w
        norm2 = max(w @ nw, self._floor)
        rho = self.overlap @ w / np.sqrt(norm2)
        gradient = self.slope * rho ** (self.power - 1) * (self.overlap / np.sqrt(norm2) - rho * nw / norm2)
        strength = self.slope * max(rho, 0.0) ** self.power / norm2
        return gradient, strength * (self.gram - np.outer(nw, nw) / norm2)


def with_secant(gram: np.ndarray, w: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The nearest positive semidefinite matrix that takes `w` to `image` (the update of Broyden, Fletcher et al.)."""
    now, norm2, wanted = gram @ w, float(w @ gram @ w), float(w @ image)
    if norm2 <= 0 or wanted <= 0:
        return gram
    return gram - np.outer(now, now) / norm2 + np.outer(image, image) / wanted


def corrected(gram: np.ndarray, w: np.ndarray, image: np.ndarray) -> np.ndarray:
    """N from a part of the reflections, brought to the scale of all and to N w = `image`.

    As it is where w.N.w is nothing but rounding, as with all weight on one frame.
    """
    norm2, wanted = float(w @ gram @ w), float(w @ image)
    if min(norm2, wanted) <= _ROUNDING * float(np.diag(gram).max(initial=0.0)):
        return gram
    return with_secant(wanted / norm2 * gram, w, image)


@dataclass(frozen=True, eq=False)
class FrozenGain:
    """Sum of terms less theta KL(w || prior) over n columns.

    Attributes
    ----------
    terms : sequence of FrozenTerm
    theta : float
    prior : float64 [n]
    """

    terms: Sequence[FrozenTerm]
    theta: float
    prior: np.ndarray

    def __call__(self, w: np.ndarray) -> np.ndarray:
        """At weights [..., n]: float64 [...]."""
        total = sum(term.gain(w) for term in self.terms)
        if self.theta > 0:
            total = total - self.theta * (w * np.log(np.maximum(w, _TINY) / self.prior)).sum(axis=-1)
        return np.asarray(total)

    def maximum(self, w: np.ndarray) -> np.ndarray:
        """Weights [n] of the highest gain, sought from `w`; `w` itself where nothing is higher."""
        if self.theta > 0:
            return self._entropic(w)
        if len(self.terms) == 1:
            found = nonnegative(self.terms[0].gram, self.terms[0].overlap, w > 0 if (w == 0).any() else None)
            total = found.sum()
            return found / total if total > 0 else w
        return self._on_simplex(w)

    def _on_simplex(self, w: np.ndarray) -> np.ndarray:
        """Several terms without entropy: quadratics on the simplex, one after the other."""
        value = float(self(w))
        for _ in range(40):
            gradient, curvature = self._expansion(w)
            target = on_simplex(curvature, gradient + curvature @ w, w > 0)
            steps = w + 0.5 ** np.arange(12.0)[:, None] * (target - w)
            gains = self(steps)
            best = int(np.argmax(gains))
            if gains[best] <= value + 1e-13:
                break
            w, value = steps[best], float(gains[best])
        return w

    def _expansion(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = [term.expansion(w) for term in self.terms]
        return sum(part[0] for part in parts), sum(part[1] for part in parts)  # type: ignore[return-value]

    def _entropic(self, w: np.ndarray) -> np.ndarray:
        """Damped Newton in the logits of the weights.

        With S = diag(sqrt w) (1 - sqrt w sqrt w^T), J = S S^T the Jacobian of the softmax and H the curvature of the
        terms, the step in weights is S (theta + damping + S^T H S)^-1 S^T g; that in logits follows from it.
        """
        w = np.maximum(w, 1e-12)
        w = w / w.sum()
        damping, value = 1e-3 * self.theta, float(self(w))
        gradient, curvature = self._expansion(w)
        for _ in range(100):
            gradient = gradient - self.theta * np.log(w / self.prior)
            centred = gradient - w @ gradient
            if w @ np.abs(centred) < 1e-10:
                break
            raised = False
            while damping < 1e6 * self.theta + 1e3:
                move = _logit_step(w, centred, curvature, self.theta + damping)
                if move is not None:
                    trial = _moved(w, move)
                    gain = float(self(trial))
                    if gain > value:
                        raised = True
                        break
                damping = max(8 * damping, 1e-6 * self.theta)
            if not raised:
                break
            finished, damping = gain - value < 1e-12, damping / 4
            w, value = trial, gain
            if finished:
                break
            gradient, curvature = self._expansion(w)
        return w


def _logit_step(w: np.ndarray, centred: np.ndarray, curvature: np.ndarray, strength: float) -> np.ndarray | None:
    """Change of the logits; None where rounding hides that the matrix is positive, and more damping is needed."""
    root = np.sqrt(w)
    inner = root[:, None] * curvature * root
    projected = inner @ root
    inner -= np.outer(root, projected)
    inner -= np.outer(inner @ root, root)
    inner[np.diag_indices_from(inner)] += strength
    try:
        factor = scipy.linalg.cho_factor(inner, check_finite=False, overwrite_a=True)
    except np.linalg.LinAlgError:
        return None
    step = scipy.linalg.cho_solve(factor, root * centred, check_finite=False)
    change = root * (step - root * (root @ step))  # of the weights
    move = (centred - curvature @ change) / strength
    # each by itself, so that weights on their way to nothing do not hold up the others
    return np.clip(move - w @ move, -_LONGEST_MOVE, _LONGEST_MOVE)


def _moved(w: np.ndarray, move: np.ndarray) -> np.ndarray:
    logits = np.log(w) + move
    exponential = np.exp(logits - logits.max())
    return np.maximum(exponential / exponential.sum(), _TINY)
