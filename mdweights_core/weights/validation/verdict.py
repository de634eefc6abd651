"""What all lights together allow to say of weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.weights.result import NOTABLE, disagreement, is_collapsed
from mdweights_core.weights.scores import kish
from mdweights_core.weights.validation.folds import gain_of, scores_of
from mdweights_core.weights.validation.lights import (
    AGREE,
    LIKE,
    Evidence,
    correlation_text,
    is_told_otherwise,
    joined_text,
    time_caution,
    uniform_will_do,
)
from mdweights_core.weights.validation.result import Folds

SUPPORTED, WEAK, UNSUPPORTED, OVERFIT = "supported", "weak", "unsupported", "overfit"
_SAME = 0.01  # of the weight moved by the fit, which is as good as none


def conclude(e: Evidence) -> tuple[str, str]:
    """The conclusion, and the verdict in words.

    Four questions decide, in this order:

    1. Is there anything to judge? Weights that hardly differ from those before the fit are unsupported.
    2. Do the weights predict held-out reflections better than the prior weights? Worse by the best estimate is overfit;
       so is not better by one standard error where the fit is not determined either: starts disagree, or the weights
       collapsed onto a few frames. No agreement beyond chance, a gain below one standard error or not worth a word,
       and a total CC that rises while the anisotropic one falls, are unsupported.
    3. Would endless data give these weights? The correlation to expect is told by the scatter of the fits to all but
       one fold; below 0.5 the weights are unsupported, below 0.9 single ones are not to be read.
    4. Does anything else forbid to read single weights? Starts that find others, typically with a correlation below
       0.9; samples of other frames and reflections that predict no better than the prior; a collapse; a fit that did
       not end; an indexing that fits better.

    A short simulation has no vote, as the weights are supported for its frames; but the sentence says that it is short.
    """
    if e.folds is None:
        return UNSUPPORTED, "Nothing was held out, so nothing tells whether these weights are more than overfitting."
    if (against := _of_gain(e)) is not None:
        return against
    if e.folds.reliability < LIKE:
        return UNSUPPORTED, f"The data do not determine the weights: {_numbers(e)}; {'; '.join(_doubts(e))}."
    doubts = list(_doubts(e))
    support = f"The data support about {counted(round(kish(e.weights)), 'effective frame')}; {_numbers(e)}"
    if is_collapsed(e.fitted):
        support = f"The held-out score rose, but {_numbers(e)}"
    if doubts:
        return WEAK, f"{support}; {'; '.join(doubts)}: do not read single weights."
    what = "single weights" if e.tied_frames == 1 else f"the weights of {e.tied_frames} tied frames"
    caution = time_caution(e)
    but = f"; but {caution}" if caution else ""
    return SUPPORTED, f"{support}; {_agreement(e)}: {what} can be read, with their errors{but}."


def _of_gain(e: Evidence) -> tuple[str, str] | None:
    """What held-out reflections say against the weights; None where they predict better than the prior ones."""
    assert e.folds is not None
    gain, error = gain_of(e.folds)
    best = max(scores_of(e.folds))
    by_chance = best < e.chance
    no_agreement = f"The ensemble does not agree with the map: {_numbers(e)}, {disagreement(best, e.chance)}."
    if np.abs(e.weights - e.prior).sum() < _SAME:
        if by_chance:
            return UNSUPPORTED, no_agreement
        return UNSUPPORTED, f"The weights hardly differ from those before the fit: {_numbers(e)}. Lower theta."
    if gain < 0 or (gain <= error and (is_collapsed(e.fitted) or _starts_disagree(e))):
        return OVERFIT, f"The weights are overfitted: {_numbers(e)}. {_advice(e)}"
    if by_chance:
        return UNSUPPORTED, no_agreement
    if e.falls_in_shells:
        return UNSUPPORTED, (
            f"The weights do not explain the map: {_numbers(e)}, but the anisotropic CC falls. Only the fall-off with "
            "resolution is fitted. Fit the anisotropic CC."
        )
    if gain <= max(error, NOTABLE):
        return UNSUPPORTED, f"The data do not support these weights: {_numbers(e)}. {_advice(e)}"
    return None


def _starts_disagree(e: Evidence) -> bool:
    return e.restarts is not None and bool(np.median(e.restarts.agreement) < AGREE)


def _numbers(e: Evidence) -> str:
    assert e.folds is not None
    (score, plain), (_, error) = scores_of(e.folds), gain_of(e.folds)
    joined = joined_text(e.folds) if _is_turned(e.folds) else ""
    return f"held-out {e.score_name} {score:.3f} against {plain:.3f} {e.plain} (difference ± {error:.3f}){joined}"


def _is_turned(folds: Folds) -> bool:
    """Whether the held-out reflections alone would be read otherwise than with what is to be expected."""
    (gain, error), (score, plain) = gain_of(folds), scores_of(folds)
    return any((score - plain <= bound) != (gain <= bound) for bound in (0.0, max(error, NOTABLE)))


def _doubts(e: Evidence) -> Iterator[str]:
    assert e.folds is not None
    if e.restarts is not None and _starts_disagree(e):
        yield f"starts disagree (r {correlation_text(np.median(e.restarts.agreement))})"
    if e.folds.reliability < AGREE:
        yield (
            f"fits to part of the reflections scatter (r {correlation_text(e.folds.reliability)} with the weights of "
            f"endless data; {len(e.fitted) / e.tied_frames / e.n_reflections:.2g} weights per reflection)"
        )
    if is_collapsed(e.fitted):
        yield f"the weights collapsed onto about {kish(e.weights):.1f} frames"
    if is_told_otherwise(e.bootstrap):
        yield "samples of other frames and reflections predict no better"
    yield from e.caveats


def _agreement(e: Evidence) -> str:
    assert e.folds is not None
    parts = [] if e.restarts is None else [f"starts agree (r {correlation_text(np.median(e.restarts.agreement))})"]
    return " and ".join([*parts, f"so do fits to part of the reflections (r {correlation_text(e.folds.reliability)})"])


def _advice(e: Evidence) -> str:
    scan = e.theta_scan
    if scan is None or scan.proposed is None:
        return "Raise theta, or use equal weights."
    if uniform_will_do(e):
        return f"No theta predicts better than {e.plain} beyond one standard error: do not use these weights."
    row = scan.proposed
    if scan.held_out[row] <= max(scan.uniform, e.chance):
        return "No theta makes them better: do not use these weights."
    return f"With theta {scan.theta[row]:.2g} the held-out {e.score_name} is {scan.held_out[row]:.3f}: use that."
