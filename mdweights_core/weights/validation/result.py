"""What a validation returns. No JAX here: the window and a saved project read it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mdweights_core.lights import Light
from mdweights_core.weights.result import WeightFit, without_overfit_warning
from mdweights_core.weights.settings import ValidationSettings


@dataclass(frozen=True, eq=False)
class Folds:
    """Held-out parts of the fitted reflections, and what the fits without them predict.

    `score` and `uniform` are of each part alone, `together` and `together_uniform` of all reflections at once, each
    predicted by a fit that had not seen it: the free set by the fit in question itself. They are NaN in projects of
    versions that did not know them.
    """

    score: np.ndarray  # float64 [n_folds]
    uniform: np.ndarray  # float64 [n_folds]
    weights: np.ndarray  # float64 [n_folds, n_frames]
    reliability: float = float("nan")  # correlation to expect with the weights that endless data would give
    unfinished: int = 0  # fits that came to the limit of iterations before their optimum
    together: float = float("nan")  # with the weights fitted
    together_uniform: float = float("nan")  # with the prior weights
    together_error: float = float("nan")  # standard error of the difference, paired over the reflections
    expected: float = float("nan")  # what the fit's own agreement and the number of its frames lead to expect


@dataclass(frozen=True, eq=False)
class Restarts:
    """Fits from random weights."""

    score: np.ndarray  # float64 [n_starts], on the work set
    agreement: np.ndarray  # float64 [n_starts]  correlation of the weights with those of the fit
    weights: np.ndarray  # float64 [n_starts, n_frames]
    unfinished: int = 0  # fits that came to the limit of iterations; they are left out unless all did


@dataclass(frozen=True, eq=False)
class ThetaScan:
    """Fits over the strength of the entropy, rising.

    `proposed` is the row of the largest theta whose held-out score lies below the best by no more than one standard
    error of that difference, fold by fold.
    """

    theta: np.ndarray  # float64 [n]
    entropy: np.ndarray  # float64 [n]  KL(w || prior)
    score: np.ndarray  # float64 [n]  on the work set
    held_out: np.ndarray  # float64 [n]  mean over the folds
    held_out_error: np.ndarray  # float64 [n]  its standard error
    n_eff: np.ndarray  # float64 [n]
    proposed: int | None
    uniform: float = float("nan")  # held-out score of the prior weights, which is that of endless theta
    by_fold: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))  # float64 [n, n_folds]  held-out scores
    unfinished: int = 0  # fits that came to the limit of iterations before their optimum


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Spread over samples of blocks of frames (and of Laue groups)."""

    block: int  # frames
    decorrelation: float  # frames
    weight_error: np.ndarray  # float64 [n_frames]  standard error of each weight; NaN where it cannot be told
    score: np.ndarray  # float64 [n_samples]  on the Laue groups that were not drawn
    n_eff: np.ndarray  # float64 [n_samples]
    weights: np.ndarray  # float64 [n_samples, n_frames]  NaN where a frame was not drawn
    uniform: np.ndarray | None = None  # float64 [n_samples]  score of the sample's prior weights on the same groups
    unfinished: int = 0  # fits that came to the limit of iterations; they are left out unless fewer than two did not


@dataclass(frozen=True, eq=False)
class Validation:
    """Why to believe a fit, or why not.

    Attributes
    ----------
    settings : ValidationSettings
    score : str
        Which correlation the numbers are: "cc_aniso" or "cc".
    folds, restarts, theta_scan, bootstrap : or None where the settings left them out
    influence : float64 [n_frames]
        First-order change of the score when one frame of the prior ensemble is doubled.
    leave_one_out : float64 [n_frames]
        Exact change of the score when one frame (with those that are tied to it) is taken out of the prior ensemble.
        This and `influence` are NaN where a validation was stopped before them.
    lights : tuple of Light
        The six.
    conclusion : str
        "supported" (single weights can be read), "weak" (the ensemble is better, single weights are not to be read),
        "unsupported" (no better than equal weights, or no agreement at all) or "overfit" (worse on held-out data).
    verdict : str
        The same in words, with the numbers.
    seconds : float
    complete : bool
        False when it was stopped; what is missing is None.
    """

    settings: ValidationSettings
    score: str
    folds: Folds | None
    restarts: Restarts | None
    theta_scan: ThetaScan | None
    bootstrap: Bootstrap | None
    influence: np.ndarray
    leave_one_out: np.ndarray
    lights: tuple[Light, ...]
    conclusion: str
    verdict: str
    seconds: float
    complete: bool = True


def judged(fit: WeightFit, validation: Validation) -> WeightFit:
    """The fit without the warning of its free set, where folds and free set together have said more."""
    return fit if validation.folds is None else without_overfit_warning(fit)
