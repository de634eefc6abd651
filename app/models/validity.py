"""Whether to believe a fit, as a sentence and a few short verdicts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdweights_core.weights.result import WeightFit
    from mdweights_core.weights.validation.result import Validation

FEW_FRAMES = 5.0
NOTABLE = 0.002  # a change of CC worth a word, as in the report


class Verdict(Enum):
    """How it stands; the value is its shape, so that no colour is needed to read it."""

    GOOD = "\N{BLACK CIRCLE}"
    CAUTION = "\N{BLACK UP-POINTING TRIANGLE}"
    BAD = "\N{BLACK SQUARE}"
    UNKNOWN = "\N{WHITE CIRCLE}"

    @property
    def word(self) -> str:
        """What is said of it in a tooltip and by a screen reader."""
        return {"GOOD": "good", "CAUTION": "weak", "BAD": "bad", "UNKNOWN": "not known"}[self.name]


COLOURS = {Verdict.GOOD: "good", Verdict.CAUTION: "bad", Verdict.BAD: "warning", Verdict.UNKNOWN: "subtle"}
"""The colour of each, by its name in a `Theme`."""

STATES = {"good": Verdict.GOOD, "weak": Verdict.CAUTION, "bad": Verdict.BAD, "none": Verdict.UNKNOWN}
"""How each state of a light is shown."""

CONCLUSIONS = {
    "supported": Verdict.GOOD,
    "weak": Verdict.CAUTION,
    "unsupported": Verdict.BAD,
    "overfit": Verdict.BAD,
}
"""How each conclusion of a validation is shown."""


@dataclass(frozen=True)
class Light:
    """One verdict: what is judged, its value for a glance, and a sentence for its tooltip."""

    verdict: Verdict
    name: str
    value: str
    tip: str

    @property
    def text(self) -> str:
        """Name and value in one line."""
        return f"{self.name} {self.value}" if self.name else self.value


def judge(fit: WeightFit, validation: Validation | None = None) -> tuple[Light, ...]:
    """The verdicts on a fit: the six of its validation, else what the fit alone tells.

    How the fit ended and what it warns of stands beside the six only where there is something to see.
    """
    if validation is None:
        return (_held_out(fit), _frames(fit), _ending(fit), _warnings(fit))
    six = tuple(Light(STATES[light.state], light.name, light.value, light.sentence) for light in validation.lights)
    return (*six, *(light for light in (_ending(fit), _warnings(fit)) if light.verdict is not Verdict.GOOD))


def _held_out(fit: WeightFit) -> Light:
    fitted, uniform = fit.scores.cc_aniso_free, fit.uniform.cc_aniso_free
    if not (math.isfinite(fitted) and math.isfinite(uniform)):
        return Light(Verdict.UNKNOWN, "held-out", "none", "Without held-out reflections over-fitting cannot be seen")
    value = f"{fitted:.3f} ({uniform:.3f} unweighted)"
    n_free = int(fit.scores.shells.n_free.sum())
    tip = (
        f"Anisotropic CC of {n_free:,} reflections the fit never saw; by their number alone it is uncertain by "
        f"{(1.0 - fitted**2) / math.sqrt(max(n_free, 1)):.3f}. "
    )
    if fitted < 2.0 / math.sqrt(max(n_free, 1)):
        tip += "So low a CC chance can give: the ensemble does not agree with the map"
        return Light(Verdict.BAD, "held-out", value, tip)
    if fitted - uniform > NOTABLE:
        return Light(Verdict.GOOD, "held-out", value, tip + "The weights improve it")
    if fitted - uniform > -NOTABLE:
        return Light(Verdict.CAUTION, "held-out", value, tip + "The weights leave it as it was")
    return Light(Verdict.BAD, "held-out", value, tip + "The weights make it worse")


def _frames(fit: WeightFit) -> Light:
    from mdweights_core.weights.result import (  # with it come libraries the empty window need not wait for
        fitted_frames,
        is_collapsed,
    )

    name, value = "concentration", f"{fit.n_eff:.1f} effective frames"
    if is_collapsed(fit.weights[fitted_frames(fit)]):
        tip = "The weights collapsed onto so few frames that they mean nothing; raise theta"
        return Light(Verdict.BAD, name, value, tip)
    if fit.n_eff < FEW_FRAMES:
        return Light(Verdict.CAUTION, name, value, "Very few frames carry the weight; raise theta or add frames")
    return Light(Verdict.GOOD, name, value, "Kish number of frames: 1 / sum of squared weights")


def _ending(fit: WeightFit) -> Light:
    from mdweights_core.weights.result import LOOSE_KKT

    if fit.converged and fit.kkt_residual > LOOSE_KKT:
        tip = f"{fit.outcome} But the weights are not optimal: the KKT residual is {fit.kkt_residual:.1e}"
        return Light(Verdict.CAUTION, "fit", "converged, not optimal", tip)
    if fit.converged:
        return Light(Verdict.GOOD, "fit", "converged", fit.outcome)
    return Light(Verdict.CAUTION, "fit", "stopped early" if fit.stopped else "not converged", fit.outcome)


def _warnings(fit: WeightFit) -> Light:
    n = len(fit.warnings)
    if not n:
        return Light(Verdict.GOOD, "data", "no warnings", "Nothing unusual was found in the data")
    return Light(Verdict.CAUTION, "data", f"{n} warning{'s' if n > 1 else ''}", "\n".join(fit.warnings))
