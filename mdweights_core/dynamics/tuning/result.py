"""What a fit of parameters found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from mdweights_core.dynamics.tuning.settings import TuneSettings
from mdweights_core.dynamics.tuning.targets import Targets
from mdweights_core.errors import counted

_EXPLAINED = 2.0  # times the chi-square that errors make, up to which targets count as explained
_WORSE = 1.5  # times as large on held-out targets as on fitted ones: the fit learnt noise


class End(StrEnum):
    """Why a fit went on no further."""

    CONVERGED = "converged"
    ITERATIONS = "iterations"
    STUCK = "stuck"
    STOPPED = "stopped"


_ENDS = {
    End.CONVERGED: "Another step promises no more than errors and tolerance hide.",
    End.ITERATIONS: "The fit took all the iterations it may take; another step would still improve it.",
    End.STUCK: "No step in any direction improved the fit: the Jacobian does not describe what happens.",
    End.STOPPED: "The fit was stopped; the same call goes on from its checkpoint.",
}


@dataclass(frozen=True, eq=False)
class Tuning:
    """Fitted parameters, and why to believe them or not.

    Attributes
    ----------
    parameters, units : tuple of str, [P]
    start, values : float64 [P]
        Before and after the fit.
    errors : float64 [P]
        Standard errors from targets, priors and simulation; infinite where nothing determines a parameter.
    correlation : float64 [P, P]
        Of these errors.
    singular_values : float64 [P]
        Of the fitted data's Jacobian in relative changes, falling.
    directions : float64 [P, P]
        The combinations of relative changes they belong to, as rows of unit length.
    sentences : tuple of str
        What the data determine, in words.
    targets : Targets
        In the order of the arrays below [M].
    before, after, after_errors : float64 [M]
        The observables at start and end, and the errors of the latter.
    jacobian : float64 [M, P]
        d observables / d parameters at the end.
    trace_theta : float64 [I + 1, P]
        Parameters tried, the start first.
    trace_chi2, trace_held : float64 [I + 1]
        Chi-square per datum of fitted and of held-out targets there; NaN where there are none.
    trace_accepted : bool [I + 1]
        Whether the fit went there.
    trace_effective : float64 [I + 1]
        Share of frames that count: 1 for a simulation at these parameters.
    end : str
        Of `End`.
    settings : TuneSettings
    steps : int
        Integration steps in all, over all replicas.
    seconds : float
    notes : tuple of str
    """

    parameters: tuple[str, ...]
    units: tuple[str, ...]
    start: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    correlation: np.ndarray
    singular_values: np.ndarray
    directions: np.ndarray
    sentences: tuple[str, ...]
    targets: Targets
    before: np.ndarray
    after: np.ndarray
    after_errors: np.ndarray
    jacobian: np.ndarray
    trace_theta: np.ndarray
    trace_chi2: np.ndarray
    trace_held: np.ndarray
    trace_accepted: np.ndarray
    trace_effective: np.ndarray
    end: str
    settings: TuneSettings
    steps: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def iterations(self) -> int:
        """Steps that were tried."""
        return len(self.trace_chi2) - 1

    @property
    def chi2(self) -> float:
        """Per fitted datum, at the end."""
        return _mean_square(self.after, self.targets, False)

    @property
    def chi2_held(self) -> float:
        """Per held-out datum, at the end; NaN where none is held out."""
        return _mean_square(self.after, self.targets, True)

    @property
    def verdict(self) -> str:
        """How the fit ended and what it explains."""
        told = [_ENDS[End(self.end)]]
        fitted = counted(self.targets.n_fitted, "target")
        before = _mean_square(self.before, self.targets, False)
        told.append(f"Chi-square per datum fell from {before:.3g} to {self.chi2:.3g} on {fitted}{self._unexplained}.")
        held = int(self.targets.held_out.sum())
        if held:
            was = _mean_square(self.before, self.targets, True)
            told.append(f"On {held} held out it went from {was:.3g} to {self.chi2_held:.3g}.")
            if self.chi2_held > max(was, _EXPLAINED * self._expected(True), _WORSE * self.chi2):
                told.append("The fit made held-out data worse: it is not to be trusted.")
        return " ".join(told)

    @property
    def _unexplained(self) -> str:
        is_explained = self.chi2 <= _EXPLAINED * self._expected(False)
        return "" if is_explained else ": the model does not explain them within errors"

    def _expected(self, held_out: bool) -> float:
        """Chi-square per datum of a model that is right, noise of the simulation included."""
        chosen = self.targets.held_out == held_out
        return float(np.mean(1 + (self.after_errors / self.targets.sigmas)[chosen] ** 2))


def _mean_square(values: np.ndarray, targets: Targets, held_out: bool) -> float:
    chosen = targets.held_out == held_out
    if not chosen.any():
        return float("nan")
    return float(np.mean(((values - targets.values) / targets.sigmas)[chosen] ** 2))


def summary(found: Tuning) -> dict[str, Any]:
    """All of it as plain values for JSON; numbers that are none become null."""
    return {
        "parameters": [
            {"name": name, "unit": unit, "start": start, "value": value, "error": _number(error)}
            for name, unit, start, value, error in zip(
                found.parameters,
                found.units,
                found.start.tolist(),
                found.values.tolist(),
                found.errors.tolist(),
                strict=True,
            )
        ],
        "correlation": found.correlation.tolist(),
        "singular_values": found.singular_values.tolist(),
        "directions": found.directions.tolist(),
        "determined": list(found.sentences),
        "targets": [_target(found, i) for i in range(len(found.targets.names))],
        "trace": [_visit(found, i) for i in range(len(found.trace_chi2))],
        "chi2_per_datum": found.chi2,
        "chi2_per_datum_held_out": _number(found.chi2_held),
        "iterations": found.iterations,
        "end": str(found.end),
        "verdict": found.verdict,
        "method": found.settings.method,
        "steps": found.steps,
        "seconds": found.seconds,
        "notes": list(found.notes),
    }


def _target(found: Tuning, i: int) -> Mapping[str, Any]:
    return {
        "observable": found.targets.names[i],
        "target": float(found.targets.values[i]),
        "sigma": float(found.targets.sigmas[i]),
        "held_out": bool(found.targets.held_out[i]),
        "before": float(found.before[i]),
        "after": float(found.after[i]),
        "error": float(found.after_errors[i]),
    }


def _visit(found: Tuning, i: int) -> Mapping[str, Any]:
    return {
        "parameters": found.trace_theta[i].tolist(),
        "chi2_per_datum": _number(float(found.trace_chi2[i])),
        "chi2_per_datum_held_out": _number(float(found.trace_held[i])),
        "accepted": bool(found.trace_accepted[i]),
        "effective": float(found.trace_effective[i]),
    }


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
