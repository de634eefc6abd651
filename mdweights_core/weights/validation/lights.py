"""The six lights: a state, a number and a sentence for each question that decides whether to believe weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.lights import BAD, GOOD, NONE, WEAK, Light
from mdweights_core.weights.result import is_collapsed
from mdweights_core.weights.scores import kish
from mdweights_core.weights.validation.folds import gain_of, scores_of
from mdweights_core.weights.validation.result import Bootstrap, Folds, Restarts, ThetaScan
from mdweights_core.weights.validation.theta_scan import best_of, is_as_good

AGREE = 0.9
"""Two sets of weights tell the same of single frames from this correlation on."""

LIKE = 0.5
"""Below it, they tell different things."""

_HEAVY = 0.25  # of the weight on one frame
_SPREAD = 0.1  # of the frames carry the weight
_MOSTLY = 0.95  # of the bootstrap samples
_FEW = 10  # independent frames
_ODD = 8.0  # robust standard deviations
_MUCH = 0.02  # change of a correlation coefficient by one frame
_TELLING = 5e-4  # difference of two gains that three digits show
_ORDER = (GOOD, WEAK, BAD)
_COUNTED = "the numbers hold what was reached"
_LEFT_OUT = "such fits are left out where enough others did"


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that the lights and the verdict are read from.

    Attributes
    ----------
    weights, prior : float64 [n_frames]
    theta : float
        Of the fit.
    n_reflections : int
        Fitted and free ones: H.
    score_name : str
        "anisotropic CC" or "total CC".
    folds, restarts, theta_scan, bootstrap : or None where they are missing
    leave_one_out : float64 [n_frames]
    caveats : tuple of str
        What else forbids to read the weights, as parts of a sentence: a fit that did not end, another indexing.
    falls_in_shells : bool
        The score is the total CC, and it rose at the cost of the anisotropic one.
    tied_frames : int
        Neighbours that share one weight.
    has_bragg : bool
        Bragg intensities were fitted beside the map.
    """

    weights: np.ndarray
    prior: np.ndarray
    theta: float
    n_reflections: int
    score_name: str
    folds: Folds | None
    restarts: Restarts | None
    theta_scan: ThetaScan | None
    bootstrap: Bootstrap | None
    leave_one_out: np.ndarray
    caveats: tuple[str, ...] = ()
    falls_in_shells: bool = False
    tied_frames: int = 1
    has_bragg: bool = False

    @property
    def chance(self) -> float:
        """The correlation below which two maps may agree by chance."""
        return float(2 / np.sqrt(self.n_reflections))

    @property
    def plain(self) -> str:
        """What the weights are compared with, as a sentence calls it."""
        prior = self.prior[self.is_fitted]
        return "unweighted" if np.ptp(prior) < 1e-9 / len(prior) else "with the prior weights"

    @property
    def is_fitted(self) -> np.ndarray:
        """Frames that may have a weight, bool [n_frames]."""
        return self.prior > 0

    @property
    def fitted(self) -> np.ndarray:
        """Their weights."""
        return self.weights[self.is_fitted]


def six_lights(evidence: Evidence) -> tuple[Light, ...]:
    """Held-out, starts, concentration, theta, time and influence, in this order."""
    return (
        held_out_light(evidence),
        starts_light(evidence),
        concentration_light(evidence),
        theta_light(evidence),
        time_light(evidence),
        influence_light(evidence),
    )


def held_out_light(e: Evidence) -> Light:
    """Whether the weights predict reflections that they were not fitted to."""
    if e.folds is None:
        return Light("held-out", NONE, "not known", "No reflections were held out to test the fit on.")
    gain, error = gain_of(e.folds)
    state = BAD if gain < 0 else WEAK if gain <= 2 * error else GOOD
    score, plain = scores_of(e.folds)
    tells = {
        GOOD: "the weights predict what they have not seen",
        WEAK: "the gain is within twice its standard error",
        BAD: "the weights predict worse than none",
    }[state]
    return Light(
        "held-out",
        state,
        f"{score:.3f} ({plain:.3f} {e.plain})",
        f"On reflections held out in {len(e.folds.score)} folds and in the free set the {e.score_name} is {score:.3f}, "
        f"{e.plain} {plain:.3f}; difference {score - plain:+.3f} ± {error:.3f}{joined_text(e.folds)}: {tells}."
        f"{_unfinished(e.folds.unfinished, _COUNTED)}{_of_bragg(e)}",
    )


def joined_text(folds: Folds) -> str:
    """What is said where the gain that is judged is not that of the held-out reflections alone."""
    (gain, _), (score, plain) = gain_of(folds), scores_of(folds)
    if abs(gain - (score - plain)) < _TELLING:
        return ""
    return f" ({gain:+.3f} with what the agreement of the fit and the number of its frames lead to expect)"


def _of_bragg(e: Evidence) -> str:
    """Which part of a joint fit was not held out."""
    return " The Bragg intensities were the same in all these fits: only the map was held out." if e.has_bragg else ""


def starts_light(e: Evidence) -> Light:
    """Whether fits from other weights, and to part of the data, find the same weights."""
    found = [(state, text) for state, text in (_of_starts(e.restarts), _of_data(e.folds)) if text]
    if not found:
        return Light("starts", NONE, "not known", "The fit was not repeated, so nothing tells whether it is unique.")
    state = max((state for state, _ in found), key=_ORDER.index)
    numbers = [] if e.restarts is None else [f"{correlation_text(np.median(e.restarts.agreement))} between starts"]
    numbers += [] if e.folds is None else [f"{correlation_text(e.folds.reliability)} between data"]
    return Light("starts", state, ", ".join(numbers), " ".join(text for _, text in found))


def _of_starts(restarts: Restarts | None) -> tuple[str, str]:
    if restarts is None:
        return NONE, ""
    typical, worst, n = float(np.median(restarts.agreement)), float(restarts.agreement.min()), len(restarts.score)
    if typical >= AGREE:
        state, tells = GOOD, "the optimum is the same wherever a fit begins"
        if worst < AGREE:
            tells = "most fits end at the same optimum, some elsewhere"
    elif typical >= LIKE:
        state, tells = WEAK, "which frames get the weight depends on where a fit begins"
    else:
        state, tells = BAD, "what is found depends on where a fit begins"
    return state, (
        f"{counted(n, 'fit')} from random weights, whose scores lie within {np.ptp(restarts.score):.4f}, "
        f"{'correlates' if n == 1 else 'correlate'} with these weights by {typical:.2f} (lowest {worst:.2f}): {tells}."
        f"{_unfinished(restarts.unfinished, _LEFT_OUT)}"
    )


def _of_data(folds: Folds | None) -> tuple[str, str]:
    if folds is None:
        return NONE, ""
    r = folds.reliability
    state = GOOD if r >= AGREE else WEAK if r >= LIKE else BAD
    return state, (
        "By the scatter of fits to part of the reflections these weights should correlate by "
        f"{correlation_text(r)} with those of endless data."
    )


def concentration_light(e: Evidence) -> Light:
    """Over how many frames the weight is spread."""
    n, n_eff, heaviest = len(e.fitted), kish(e.weights), int(e.weights.argmax())
    state, tells = GOOD, "."
    if n_eff < _SPREAD * n or (e.weights.max() > _HEAVY and n > 4):
        state = WEAK
        tells = f"; frame {heaviest} alone carries {100 * e.weights[heaviest]:.0f} %. Raise theta to spread it."
    if is_collapsed(e.fitted):
        state, tells = BAD, ": they collapsed, and traces of a few frames make up the pattern. Raise theta."
    value = f"{n_eff:.0f} of {counted(n, 'frame')}" if n_eff >= 10 else f"{n_eff:.1f} of {counted(n, 'frame')}"
    return Light("concentration", state, value, f"The weights count as {value} of equal weight{tells}")


def uniform_will_do(e: Evidence) -> bool:
    """True when the prior weights predict as well as those of the best theta, to within one standard error."""
    scan = e.theta_scan
    if scan is None or scan.proposed is None or e.folds is None:
        return False
    return is_as_good(e.folds.uniform, scan.by_fold[best_of(scan)])


def theta_light(e: Evidence) -> Light:
    """Whether the entropy is as strong as it has to be."""
    scan = e.theta_scan
    if scan is None or scan.proposed is None or e.folds is None:
        return Light("theta", NONE, "not known", "Theta was not varied on held-out reflections.")
    best, now, proposed = best_of(scan), e.folds.score, scan.proposed
    told = (
        f"Held out, theta {scan.theta[best]:.2g} predicts best ({e.score_name} {scan.held_out[best]:.3f}), "
        f"{scan.theta[proposed]:.2g} is the largest within one standard error of it"
    )
    if uniform_will_do(e):
        state, tells = BAD, f", and so is endless theta: {e.plain} it is {scan.uniform:.3f}."
    elif not is_as_good(now, scan.by_fold[best]):
        state, tells = WEAK, f"; this fit, with theta {e.theta:.2g}, reaches {now.mean():.3f}. Take the proposed theta."
    else:
        state, tells = GOOD, f"; this fit, with theta {e.theta:.2g}, predicts as well ({now.mean():.3f})."
    told += tells + _unfinished(scan.unfinished, _COUNTED)
    return Light("theta", state, f"{e.theta:.2g} (proposed {scan.theta[proposed]:.2g})", told)


def time_light(e: Evidence) -> Light:
    """Whether another simulation of the same length would tell the same."""
    b = e.bootstrap
    if b is None or b.uniform is None:
        return Light("time", NONE, "not known", "Frames and reflections were not drawn anew.")
    independent, better, n = n_independent(e.fitted, b), int((b.score > b.uniform).sum()), len(b.score)
    state = BAD if is_told_otherwise(b) else WEAK if better < _MOSTLY * n or independent < _FEW else GOOD
    error = _typical_error(e.weights, b.weight_error)
    return Light(
        "time",
        state,
        f"{independent:.0f} independent, {better} of {n} samples better",
        f"The simulation forgets within {b.decorrelation:.1f} frames, so that {len(e.fitted)} count as "
        f"{independent:.0f}. Of {counted(n, 'sample')} of other blocks of {counted(b.block, 'frame')} and other "
        f"reflections, {better} {'predicts' if better == 1 else 'predict'} the rest better than {e.plain}; "
        f"the standard error of a weight is typically {100 * error:.0f} % of it.{_unfinished(b.unfinished, _LEFT_OUT)}"
        f"{_of_bragg(e)}",
    )


def n_independent(weights: np.ndarray, b: Bootstrap) -> float:
    """How many frames without memory the simulation counts as."""
    return len(weights) / b.decorrelation


def time_caution(e: Evidence) -> str:
    """What a weak time light takes from weights that can be read: they are those of this simulation. Empty for none."""
    b = e.bootstrap
    if b is None or b.uniform is None:
        return ""
    independent, better, n = n_independent(e.fitted, b), int((b.score > b.uniform).sum()), len(b.score)
    if independent < _FEW:
        return (
            f"the simulation is short: its {len(e.fitted)} frames count as {independent:.0f} independent ones, and "
            "another of the same length may give other weights"
        )
    if better < _MOSTLY * n:
        return f"only {better} of {n} samples of other frames and reflections predict the rest better than {e.plain}"
    return ""


def correlation_text(r: float) -> str:
    """Two digits, never rounded up to a bound that was not reached."""
    return f"{np.floor(100 * r + 1e-9) / 100:.2f}"


def is_told_otherwise(b: Bootstrap | None) -> bool:
    """True when other samples of frames and reflections predict no better than the weights before the fit."""
    return b is not None and b.uniform is not None and int((b.score > b.uniform).sum()) <= LIKE * len(b.score)


def _unfinished(n: int, fate: str) -> str:
    """What is said of fits that came to the limit of iterations."""
    return f" {counted(n, 'fit')} did not converge within the limit of iterations: {fate}." if n else ""


def _typical_error(weights: np.ndarray, error: np.ndarray) -> float:
    """Median relative error of the weights that are not zero; NaN where none is known."""
    known = np.isfinite(error) & (weights > 1e-3 / len(weights))
    return float(np.median(error[known] / weights[known])) if known.any() else float("nan")


def influence_light(e: Evidence) -> Light:
    """Whether single frames decide over the agreement, before any weights."""
    numbers = np.flatnonzero(e.is_fitted)
    change = e.leave_one_out[numbers]
    if not np.isfinite(change).all():
        return Light("influence", NONE, "not known", "The frames were not looked at one by one.")
    away = np.abs(change - np.median(change))
    odd = np.flatnonzero(away > _ODD * 1.4826 * np.median(away) + 1e-6)
    first = int(np.abs(change).argmax())
    value = f"frame {numbers[first]}: {change[first]:+.4f}"
    told = (
        f"Without frame {numbers[first]}, the one that matters most, the {e.score_name} of the ensemble before the fit "
        f"changes by {change[first]:+.4f}"
    )
    if not len(odd):
        return Light("influence", GOOD, value, f"{told}: no frame stands out.")
    state = BAD if abs(change[first]) > _MUCH else WEAK
    n = counted(len(odd), "frame")
    return Light("influence", state, value, f"{told}: {n} of {len(change)} stand out. Look at them.")
