"""Bootstrap samples: another simulation of the same length, and another measurement of the same size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mdweights_core.decorrelation import draw_blocks
from mdweights_core.weights.scores import kish
from mdweights_core.weights.solvers import Task
from mdweights_core.weights.validation.bench import Bench, Key, Trial, Tried, finished
from mdweights_core.weights.validation.result import Bootstrap

SAMPLE_TOLERANCE = 1e-5
"""Gain that a step must still promise. It changes errors of weights by half a percent; 50 samples know them to 10 %."""

_FEWEST = 3  # samples that a frame must have been drawn in for an error of its weight


def plan_bootstrap(bench: Bench, n_samples: int, block: int, rng: np.random.Generator) -> dict[Key, Trial]:
    """Fits to blocks of frames and to fitted Laue groups, both drawn with replacement.

    Frames that were not drawn have no weight, and the prior counts the others as often as they were. Scored are the
    fitted Laue groups that were not drawn, about a third. Bragg intensities are the same in all samples.
    """
    planned: dict[Key, Trial] = {}
    fitted = np.flatnonzero(bench.rows > 0)
    for i in range(n_samples):
        rows = np.bincount(rng.choice(fitted, len(fitted)), minlength=len(bench.rows)).astype(np.float64)
        held_out = bench.rows * (rows == 0)
        planned["sample", i] = Trial(_sampled(bench.usual, rows, draw_blocks(bench.runs, block, rng)), held_out).waiting
    return planned


def _sampled(task: Task, rows: np.ndarray, counts: np.ndarray) -> Task:
    prior = counts * task.prior
    prior /= prior.sum()
    tiny = np.finfo(np.float64).tiny  # logarithms of the prior are taken, and multiplied by a weight of zero
    return replace(task, rows=rows, start=prior, prior=np.maximum(prior, tiny), allowed=counts > 0)


def collect_bootstrap(
    bench: Bench, decorrelation: float, block: int, planned: Mapping[Key, Trial], done: Mapping[Key, Tried]
) -> Bootstrap | None:
    """The samples that are finished; None with fewer than two."""
    kept, unfinished = finished({key: done[key] for key in planned if key in done}, least=2)
    if len(kept) < 2:
        return None
    tried = list(kept.values())
    priors = np.stack([planned[key].task.prior for key in kept])
    drawn = priors > np.finfo(np.float64).tiny
    weights = np.where(drawn, np.stack([t.weights for t in tried]), np.nan)
    return Bootstrap(
        block=block,
        decorrelation=decorrelation,
        weight_error=bench.prior * _spread(weights / _own_shares(bench, priors, drawn), drawn),
        score=np.array([t.score for t in tried]),
        n_eff=np.array([kish(t.weights) for t in tried]),
        weights=weights,
        uniform=np.array([t.uniform for t in tried]),
        unfinished=unfinished,
    )


def _own_shares(bench: Bench, priors: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """What frames would have by themselves, beside which weights of samples are put: float64 [n_samples, n_frames].

    With an entropy, or a floor that raises it, it is the prior of the sample, which counts a frame as often as it was
    drawn. Without one the data alone decide, and two copies of a frame share what one would have: each frame that was
    drawn counts once, else the errors would hold the scatter of the counts.
    """
    if bench.usual.theta > 0 or bench.usual.n_eff_floor > 0:
        return priors
    return np.where(drawn, bench.prior, 1.0) / (drawn @ bench.prior)[:, None]


def _spread(ratios: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Standard deviation of values of each frame over the samples that it was drawn in; NaN where these are too few."""
    n = drawn.sum(axis=0)
    known = n >= _FEWEST
    mean = np.where(drawn, ratios, 0.0).sum(axis=0) / np.maximum(n, 1)
    squares = np.where(drawn, (ratios - mean) ** 2, 0.0).sum(axis=0)
    return np.where(known, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)
