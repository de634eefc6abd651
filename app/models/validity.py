"""Whether to believe a fit, as a few short verdicts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdweights_core.weights.result import WeightFit

FEW_FRAMES = 5.0
NOTABLE = 0.002  # a change of CC worth a word, as in the report


class Verdict(Enum):
    """How it stands; the value is its shape, so that no colour is needed to read it."""

    GOOD = "\N{BLACK CIRCLE}"
    CAUTION = "\N{BLACK UP-POINTING TRIANGLE}"
    BAD = "\N{BLACK SQUARE}"
    UNKNOWN = "\N{WHITE CIRCLE}"


@dataclass(frozen=True)
class Light:
    """One verdict: a word or two for the status bar, a sentence for its tooltip."""

    verdict: Verdict
    text: str
    tip: str


def judge(fit: WeightFit) -> tuple[Light, ...]:
    """The verdicts on a fit, the weightiest first."""
    return (_held_out(fit), _frames(fit), _ending(fit), _warnings(fit))


def _held_out(fit: WeightFit) -> Light:
    fitted, uniform = fit.scores.cc_aniso_free, fit.uniform.cc_aniso_free
    if not (math.isfinite(fitted) and math.isfinite(uniform)):
        return Light(Verdict.UNKNOWN, "no held-out set", "Without held-out reflections over-fitting cannot be seen")
    text = f"held-out {fitted:.3f} ({uniform:.3f} unweighted)"
    n_free = int(fit.scores.shells.n_free.sum())
    tip = (
        f"Anisotropic CC of {n_free:,} reflections the fit never saw; by their number alone it is uncertain by "
        f"{(1.0 - fitted**2) / math.sqrt(max(n_free, 1)):.3f}. "
    )
    if fitted < 2.0 / math.sqrt(max(n_free, 1)):
        return Light(Verdict.BAD, text, tip + "So low a CC chance can give: the ensemble does not agree with the map")
    if fitted - uniform > NOTABLE:
        return Light(Verdict.GOOD, text, tip + "The weights improve it")
    if fitted - uniform > -NOTABLE:
        return Light(Verdict.CAUTION, text, tip + "The weights leave it as it was")
    return Light(Verdict.BAD, text, tip + "The weights make it worse")


def _frames(fit: WeightFit) -> Light:
    from mdweights_core.weights.result import is_collapsed  # with it come libraries the empty window need not wait for

    text = f"{fit.n_eff:.1f} effective frames"
    if is_collapsed(fit.weights):
        return Light(Verdict.BAD, text, "The weights collapsed onto so few frames that they mean nothing; raise theta")
    if fit.n_eff < FEW_FRAMES:
        return Light(Verdict.CAUTION, text, "Very few frames carry the weight; raise theta or add frames")
    return Light(Verdict.GOOD, text, "Kish number of frames: 1 / sum of squared weights")


def _ending(fit: WeightFit) -> Light:
    from mdweights_core.weights.result import LOOSE_KKT

    if fit.converged and fit.kkt_residual > LOOSE_KKT:
        tip = f"{fit.outcome} But the weights are not optimal: the KKT residual is {fit.kkt_residual:.1e}"
        return Light(Verdict.CAUTION, "converged, not optimal", tip)
    if fit.converged:
        return Light(Verdict.GOOD, "converged", fit.outcome)
    return Light(Verdict.CAUTION, "stopped early" if fit.stopped else "not converged", fit.outcome)


def _warnings(fit: WeightFit) -> Light:
    n = len(fit.warnings)
    if not n:
        return Light(Verdict.GOOD, "no warnings", "Nothing unusual was found in the data")
    return Light(Verdict.CAUTION, f"{n} warning{'s' if n > 1 else ''}", "\n".join(fit.warnings))
