"""What all lights together allow to say of weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import t as student_t

from mdweights_core.weights.result import is_collapsed
from mdweights_core.weights.scores import kish
from mdweights_core.weights.validation.folds import gain_of
from mdweights_core.weights.validation.lights import AGREE, Evidence, uniform_will_do

_MANY = 0.25  # frames per reflection
SUPPORTED, WEAK, UNSUPPORTED, OVERFIT = "supported", "weak", "unsupported", "overfit"


def conclude(e: Evidence) -> tuple[str, str]:
    """The conclusion, and the verdict in words.

    Three questions decide, in this order:

    1. Do the weights predict held-out reflections better than the prior weights? Worse by the best estimate is overfit.
       Where the data do not determine the fit (starts disagree, the weights collapsed onto a few frames, or there is
       more than a frame to four reflections and the weights scatter more than they differ) it is the other way round:
       overfit, unless the gain is significant (95 %, Student's t). Not better by one standard error, or no better than
       chance, is unsupported.
    2. Would endless data give these weights? The correlation to expect is told by the scatter of the fits to all but
       one fold; below 0.9 single weights are not to be read.
    3. Do all starts find them, typically with a correlation of 0.9? Else single weights are not to be read either.
    """
    if e.folds is None:
        return UNSUPPORTED, "Nothing was held out, so nothing tells whether these weights are more than overfitting."
    gain, error = gain_of(e.folds)
    if gain < (_significant(len(e.folds.score)) * error if _is_undetermined(e) else 0.0):
        return OVERFIT, f"The weights are overfitted: {_numbers(e)}. {_advice(e)}"
    if e.folds.score.mean() < 2 / np.sqrt(e.n_reflections):
        return UNSUPPORTED, f"The ensemble does not agree with the map: {_numbers(e)}, which chance can give."
    if gain <= error:
        return UNSUPPORTED, f"The data do not support these weights: {_numbers(e)}. {_advice(e)}"
    doubts = list(_doubts(e))
    support = f"The data support about {kish(e.weights):.0f} effective frames; {_numbers(e)}"
    if doubts:
        return WEAK, f"{support}; {'; '.join(doubts)}: do not read single weights."
    return SUPPORTED, f"{support}; {_agreement(e)}: single weights can be read, with their errors."


def _significant(n_folds: int) -> float:
    """Standard errors of a mean over folds that chance exceeds in one case of forty."""
    return float(student_t.ppf(0.975, n_folds - 1))


def _is_undetermined(e: Evidence) -> bool:
    assert e.folds is not None
    is_free = len(e.weights) > _MANY * e.n_reflections and e.folds.reliability == 0
    return is_free or is_collapsed(e.weights) or _starts_disagree(e)


def _starts_disagree(e: Evidence) -> bool:
    return e.restarts is not None and bool(np.median(e.restarts.agreement) < AGREE)


def _numbers(e: Evidence) -> str:
    assert e.folds is not None
    score, plain, (_, error) = e.folds.score.mean(), e.folds.uniform.mean(), gain_of(e.folds)
    return f"held-out {e.score_name} {score:.3f} against {plain:.3f} {e.plain} (difference ± {error:.3f})"


def _doubts(e: Evidence) -> Iterator[str]:
    assert e.folds is not None
    if e.restarts is not None and _starts_disagree(e):
        yield f"starts disagree (r {np.median(e.restarts.agreement):.2f})"
    if e.folds.reliability < AGREE:
        yield (
            f"fits to part of the reflections scatter (r {e.folds.reliability:.2f} with the weights of endless data; "
            f"{len(e.weights) / e.n_reflections:.2g} frames per reflection)"
        )
    if is_collapsed(e.weights):
        yield "the weights collapsed onto a few frames"


def _agreement(e: Evidence) -> str:
    assert e.folds is not None
    parts = [] if e.restarts is None else [f"starts agree (r {np.median(e.restarts.agreement):.2f})"]
    return " and ".join([*parts, f"so do fits to part of the reflections (r {e.folds.reliability:.2f})"])


def _advice(e: Evidence) -> str:
    scan = e.theta_scan
    if scan is None or scan.proposed is None:
        return "Raise theta, or use equal weights."
    if uniform_will_do(e):
        return f"No theta predicts better than {e.plain} beyond one standard error: do not use these weights."
    row = scan.proposed
    return f"With theta {scan.theta[row]:.2g} the held-out {e.score_name} is {scan.held_out[row]:.3f}: use that."
