"""The way of a selection: its scores on work and held-out reflections at every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.jobs import Clock, Progress
from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.objectives import headline
from mdweights_core.weights.objectives.base import Linearisation, Metric
from mdweights_core.weights.objectives.correlation import Correlation
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.scores import coefficients
from mdweights_core.weights.selection.result import PATH_KEYS, SCORE_NAMES, Selection
from mdweights_core.weights.selection.settings import SelectionSettings
from mdweights_core.weights.terms import rounding


class Trail:
    """What was reached, step by step, and the result made of it.

    A selection is of units: single frames, or neighbours that are tied together.

    Parameters
    ----------
    problem : WeightProblem
    settings : SelectionSettings
    objective : str
        One of `OBJECTIVES`; the score is the correlation that tells of it in one number.

    Raises
    ------
    BadInput
        When all units are to be kept.
    """

    def __init__(self, problem: WeightProblem, settings: SelectionSettings, objective: str) -> None:
        settings.check(problem.n_units)
        self.problem, self.settings, self.score = problem, settings, headline(objective)
        self.clock = Clock()
        self._work = (~problem.free).astype(np.float64)
        self._kept = np.ones(problem.n_units, dtype=bool)
        self._rows: list[dict[str, float]] = []
        operator = problem.operator if self.score == "cc_aniso" else None
        self._correlation = Correlation(problem.observed, np.ones_like(self._work), operator, rounding(problem))

    @property
    def most(self) -> int:
        """Units that may be kept."""
        return min(self.settings.max_frames or self.problem.n_units, self.problem.n_units)

    @property
    def last(self) -> dict[str, float]:
        """The step that was remembered last: its number of frames and its scores, by `PATH_KEYS`."""
        return self._rows[-1]

    @property
    def best(self) -> dict[str, float]:
        """The first of the steps where the score is highest."""
        return max(self._rows, key=lambda row: row[self.score])

    def weights(self, kept: np.ndarray) -> np.ndarray:
        """Weights [..., n_units] of the units kept (bool [..., n_units]): their prior ones, with sum one."""
        left = np.where(kept, self.problem.prior, 0.0)
        return left / left.sum(axis=-1, keepdims=True)

    def intensity(self, kept: np.ndarray) -> np.ndarray:
        """Calculated intensity of the units kept: float64 [..., n_group]."""
        found = intensities(self.problem.frames, np.atleast_2d(self.weights(kept)))
        return found.reshape(*kept.shape[:-1], -1)

    def linearise(self, x: np.ndarray) -> Linearisation:
        """The score at calculated intensities x [P, n_group], on the work set."""
        return self._correlation.linearise(x, np.broadcast_to(self._work, x.shape))

    def metric(self, x: np.ndarray) -> Metric:
        """Of the score, for x [n_group]."""
        return self._correlation.metric(x, self._work)

    def add(self, step: int, kept: np.ndarray, x: np.ndarray) -> None:
        """Remember a step: the units kept, and their intensity."""
        self._kept = kept.copy()
        n_kept = float(self._of_frames(kept, False).sum())
        scores = coefficients(self.problem, x)
        self._rows.append({"step": step, "seconds": self.clock.elapsed, "n_kept": n_kept, **scores})

    def _of_frames(self, units: np.ndarray, left_out: int) -> np.ndarray:
        """A value of units as one of frames; `left_out` for those that the fit leaves out."""
        unit = self.problem.unit
        return units if unit is None else np.where(unit >= 0, units[unit], left_out).astype(units.dtype)

    def progress(self, total: int | None = None) -> Progress:
        """Where the selection is; `total` steps at most."""
        row = self.last
        values = {key: row[key] for key in PATH_KEYS[2:]}
        kept, name = self._of_frames(self._kept, False).copy(), SCORE_NAMES[self.score]
        message = f"{counted(int(row['n_kept']), 'frame')} of {len(kept)} kept: {name} {row[self.score]:.4f}"
        return Progress("selection", int(row["step"]), total, message, values, {"kept": kept})

    def finish(self, outcome: str, removed: Sequence[int], *, stopped: bool) -> Selection:
        """The result: the last units remembered, and in which order others were removed, where there is one."""
        order = np.zeros(len(self._kept), dtype=np.int64)
        order[list(removed)] = np.arange(1, len(removed) + 1)
        return Selection(
            settings=self.settings,
            score=self.score,
            kept=self._of_frames(self._kept, False),
            order=self._of_frames(order, -1),
            weights=self.problem.of_frames(self.weights(self._kept)),
            path={key: np.array([row[key] for row in self._rows], dtype=np.float64) for key in PATH_KEYS},
            n_work=self.problem.n_work,
            n_free=int(self.problem.free.sum()),
            outcome=outcome,
            stopped=stopped,
            seconds=self.clock.elapsed,
        )
