"""What all lights together allow to say of weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mdweights_core.weights.result import is_collapsed
from mdweights_core.weights.scores import kish
from mdweights_core.weights.validation.folds import gain_of
from mdweights_core.weights.validation.lights import AGREE, Evidence, uniform_will_do

SUPPORTED, WEAK, UNSUPPORTED, OVERFIT = "supported", "weak", "unsupported", "overfit"


def conclude(e: Evidence) -> tuple[str, str]:
    """The conclusion, and the verdict in words.

    Three questions decide, in this order:

    1. Do the weights predict held-out reflections better than the prior weights? Worse by the best estimate is overfit;
       so is not better by one standard error where the fit is not determined either: starts disagree, or the weights
       collapsed onto a few frames. Not better by one standard error, or no better than chance, is unsupported.
    2. Would endless data give these weights? The correlation to expect is told by the scatter of the fits to all but
       one fold; below 0.9 single weights are not to be read.
    3. Do all starts find them, typically with a correlation of 0.9? Else single weights are not to be read either.
    """
    if e.folds is None:
        return UNSUPPORTED, "Nothing was held out, so nothing tells whether these weights are more than overfitting."
    gain, error = gain_of(e.folds)
    if gain < 0 or (gain <= error and (is_collapsed(e.weights) or _starts_disagree(e))):
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
