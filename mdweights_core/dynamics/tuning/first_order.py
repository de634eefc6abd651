"""First-order steps by optax: for gradients so noisy that curvature means nothing, and to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mdweights_core.dynamics.tuning.problem import Linearised

_LEAST = 1e-9


@dataclass(frozen=True, eq=False)
class FirstOrder:
    """Adam or RMSProp on half of chi-square per datum.

    Attributes
    ----------
    method : str
        "adam" or "rmsprop".
    learning_rate : float
    state : tuple of ndarray
        Leaves of optax's state; empty before the first step.
    """

    method: str
    learning_rate: float
    state: tuple[np.ndarray, ...] = ()

    def step(self, at: Linearised, low: np.ndarray, high: np.ndarray, longest: float) -> tuple[np.ndarray, FirstOrder]:
        """The step [P] within bounds, no entry longer than `longest`, and the method after it."""
        import jax

        rule = self._rule()
        fresh, tree = jax.tree.flatten(rule.init(at.u))
        state = jax.tree.unflatten(tree, self.state or fresh)
        update, state = rule.update(at.gradient / len(at.residuals), state, at.u)
        step = np.clip(np.asarray(update), -longest, longest)
        kept = tuple(np.asarray(leaf) for leaf in jax.tree.leaves(state))
        return np.clip(at.u + step, low, high) - at.u, replace(self, state=kept)

    @property
    def is_stuck(self) -> bool:
        """Whether no step of any length was of use."""
        return self.learning_rate < _LEAST

    def after(self, before: Linearised, now: Linearised, step: np.ndarray) -> tuple[FirstOrder, bool]:
        """The method as it is: every step is accepted."""
        return self, True

    def refused(self) -> FirstOrder:
        """Shorter steps, after one to where nothing can be simulated."""
        return replace(self, learning_rate=self.learning_rate / 4)

    def memory(self) -> Mapping[str, np.ndarray]:
        """The state as arrays, for a checkpoint."""
        return {"learning_rate": np.array(self.learning_rate)} | {f"{i}": leaf for i, leaf in enumerate(self.state)}

    def remembered(self, arrays: Mapping[str, np.ndarray]) -> FirstOrder:
        """The inverse of `memory`."""
        state = tuple(arrays[f"{i}"] for i in range(len(arrays) - 1))
        return replace(self, learning_rate=float(arrays["learning_rate"]), state=state)

    def _rule(self) -> Any:
        import optax

        return {"adam": optax.adam, "rmsprop": optax.rmsprop}[self.method](self.learning_rate)
