"""Validations of fits whose true weights are known: what the verdict says beside what is the case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdweights_core import jobs
from mdweights_core.crystal.laue import find_points, laue_groups
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.frames.passes import intensities
from mdweights_core.weights.objectives.correlation import Correlation
from mdweights_core.weights.result import WeightFit
from mdweights_core.weights.settings import FitSettings, ValidationSettings
from mdweights_core.weights.validation.result import Validation
from mdweights_core.weights.validation.validate import validate
from support.synthetic import problem_of, synthetic_problem

FRAMES_PER_REFLECTION = {0.02: 40, 0.05: 48, 0.15: 60, 0.4: 72, 0.8: 72, 1.5: 84}
"""And how many frames: enough that no map has fewer than fifty reflections."""

NOISE = (0.1, 0.75, 2.0)
SPREAD = (0.3, 1.0)  # of the frames have weight in truth
UNSEEN = 2000  # reflections that tell what is the case
SAME = 0.9  # correlation with the true weights from which on single weights can be read
OVERFIT, BETWEEN, SUPPORTED = "overfit", "between", "supported"
CLASSES = (OVERFIT, BETWEEN, SUPPORTED)


@dataclass(frozen=True, eq=False)
class Case:
    """A fit, its validation and the truth.

    Attributes
    ----------
    ratio, noise, spread : float
        Frames per reflection, error of the map relative to its spread, part of the frames with weight.
    fit : WeightFit
    validation : Validation
    gain, gain_error : float
        Correlation of the fit's weights with the exact map, on reflections that nothing has seen, less that of equal
        weights; and how far off a sample of that many reflections leaves it.
    true_agreement : float
        Correlation of the fit's weights with the true ones.
    """

    ratio: float
    noise: float
    spread: float
    fit: WeightFit
    validation: Validation
    gain: float
    gain_error: float
    true_agreement: float

    @property
    def truth(self) -> str:
        """What the verdict should say."""
        if self.gain < 0:
            return OVERFIT
        return SUPPORTED if self.true_agreement > SAME else BETWEEN

    @property
    def said(self) -> str:
        """What it does say; "weak" and "unsupported" both leave weights in between."""
        word = self.validation.conclusion
        return word if word in (OVERFIT, SUPPORTED) else BETWEEN

    @cached_property
    def is_clear(self) -> bool:
        """False where the truth itself lies on a border: gain within twice its error, agreement within 0.03."""
        return abs(self.gain) > 2 * self.gain_error and abs(self.true_agreement - SAME) > 0.03


def grid(seeds: Sequence[int], size: float = 1.0) -> Iterator[Case]:
    """All combinations of frames per reflection, noise and spread; `size` times the usual number of frames."""
    for ratio, usual in FRAMES_PER_REFLECTION.items():
        n_frames = round(size * usual)
        for noise in NOISE:
            for spread in SPREAD:
                for seed in seeds:
                    yield case(ratio, noise, spread, n_frames, seed)


def case(ratio: float, noise: float, spread: float, n_frames: int, seed: int) -> Case:
    """Fit `n_frames` to a random part of the reflections, and look at the rest."""
    n_seen = round(n_frames / ratio)
    n_true = max(3, round(spread * n_frames))
    whole = synthetic_problem(n_frames, n_seen + UNSEEN, noise=noise, n_true=n_true, seed=seed)
    groups, rng = whole.problem.groups, np.random.default_rng(seed + 1000)
    seen = np.zeros(len(groups), dtype=bool)
    seen[rng.choice(len(seen), n_seen, replace=False)] = True
    part = laue_groups(groups.lattice.select(seen))
    on_p1 = find_points(part.p1, groups.p1)
    problem = problem_of(part, whole.f_p1[:, on_p1], whole.problem.observed[seen], rng.random(n_seen) < 0.1)
    fit = jobs.run(fit_weights(problem, FitSettings(seed=seed)))
    settings = ValidationSettings(folds=5, starts=3, thetas=0, samples=0)
    gain, error = _true_gain(whole, seen, fit.weights)
    agreement = float(np.corrcoef(fit.weights, whole.weights)[0, 1])
    return Case(ratio, noise, spread, fit, jobs.run(validate(problem, fit, settings)), gain, error, agreement)


def _true_gain(whole, seen: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Gain on the exact map, and its error by ten parts of the unseen reflections."""
    problem, equal = whole.problem, np.full(len(weights), 1 / len(weights))
    exact, fitted, plain = intensities(problem.frames, np.stack([whole.weights, weights, equal]))
    score = Correlation(exact, np.ones(len(seen)), problem.operator)
    part = np.arange(len(seen)) % 10
    held_out = np.array([~seen, *(~seen & (part == i) for i in range(10))], dtype=np.float64)
    rows = np.broadcast_to((~seen).astype(np.float64), held_out.shape)
    both = [score.held_out_gain(np.broadcast_to(x, rows.shape), rows, held_out) for x in (fitted, plain)]
    gains = both[0] - both[1]
    return float(gains[0]), float(gains[1:].std(ddof=1) / np.sqrt(10))


def confusion(cases: Sequence[Case]) -> np.ndarray:
    """How often what was the case (rows) was said (columns), in the order of `CLASSES`: int [3, 3]."""
    table = np.zeros((3, 3), dtype=np.int64)
    for one in cases:
        table[CLASSES.index(one.truth), CLASSES.index(one.said)] += 1
    return table


def right(cases: Sequence[Case], word: str) -> float:
    """Part of the cases in which `word` was said exactly where it was true."""
    return float(np.mean([(one.truth == word) == (one.said == word) for one in cases]))


def table_lines(cases: Sequence[Case]) -> list[str]:
    """The confusion table as text."""
    lines = [f"{'truth':>10s} | " + " ".join(f"{'says ' + name:>15s}" for name in CLASSES)]
    lines += [f"{n:>10s} | " + " ".join(f"{c:15d}" for c in r) for n, r in zip(CLASSES, confusion(cases), strict=True)]
    return lines
