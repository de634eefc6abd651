"""Parameters without a simulation: a system of three springs, its derivatives, and a fit of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from app.models.force_field_readings import EnsembleReading, EnsembleRequest, Loaded, ObservableRow, SystemRequest
from app.models.force_field_readings import ParameterRow as Row
from mdweights_core.dynamics.result import REFUSED, VERIFIED, Estimate, Sensitivity
from mdweights_core.dynamics.tuning.result import Tuning
from mdweights_core.dynamics.tuning.settings import TuneSettings
from mdweights_core.dynamics.tuning.targets import Targets

RING = SystemRequest(small="ring")
PARAMETERS = (Row("k1", 2.0, "", low=0.0), Row("k2", 6.0, "", low=0.0), Row("k3", 1.5, "", low=0.0))
OBSERVABLES = (ObservableRow("u^2 0 1", "u^2 0"), ObservableRow("u^2 0 1", "u^2 1"))
JACOBIAN = np.array([[-0.032, -0.0055, -0.089], [-0.030, -0.0057, -0.083]])


def a_loaded(system: SystemRequest = RING, **others: Any) -> Loaded:
    """What loading hands back."""
    studied: Any = SimpleNamespace(told=system.name, topology=None, held={}, forms=())
    return Loaded(system, studied, PARAMETERS, OBSERVABLES, ("A remark.",), **others)


def a_sensitivity(**others: Any) -> Sensitivity:
    """Derivatives by two estimators, the last pair of which disagrees."""
    wrong = JACOBIAN.copy()
    wrong[1, 2] = 0.5
    verdicts = np.full((2, 3), VERIFIED, dtype="<U12")
    verdicts[1, 2] = REFUSED
    told: dict[str, Any] = {
        "observables": ("u^2 0", "u^2 1"),
        "parameters": ("k1", "k2", "k3"),
        "theta": np.array([2.0, 6.0, 1.5]),
        "values": np.array([0.224, 0.215]),
        "value_errors": np.array([0.0043, 0.0046]),
        "estimates": {
            "pathwise": Estimate(JACOBIAN, np.full((2, 3), 0.003)),
            "covariance": Estimate(wrong, np.full((2, 3), 0.004)),
        },
        "recommended": "pathwise",
        "growth": np.array([2.0, 2.5, 3.1]),
        "exponent": -0.2,
        "window": 0,
        "temperature": 1.0,
        "verdicts": verdicts,
        "verdict": REFUSED,
        "notes": ("They disagree.", "Another note."),
        "steps": 400,
        "replicas": 32,
        "seconds": 1.5,
    }
    return Sensitivity(**{**told, **others})


def a_tuning(end: str = "converged") -> Tuning:
    """Three springs fitted to one observable, another one held out."""
    targets = Targets.of(["u^2 0", "u^2 1"], np.array([0.2, 0.2]), np.array([0.01, 0.01]), np.array([False, True]))
    return Tuning(
        parameters=("k1", "k2", "k3"),
        units=("", "", ""),
        start=np.array([2.0, 6.0, 1.5]),
        values=np.array([2.2, 6.0, 1.8]),
        errors=np.array([0.11, np.inf, 0.09]),
        correlation=np.eye(3),
        singular_values=np.array([20.0, 1.0, 0.0]),
        directions=np.eye(3),
        sentences=("The data fix k3 + 0.5 k1 to 5 % (relative changes).", "They do not determine k2."),
        targets=targets,
        before=np.array([0.224, 0.215]),
        after=np.array([0.201, 0.205]),
        after_errors=np.array([0.004, 0.004]),
        jacobian=JACOBIAN,
        trace_theta=np.array([[2.0, 6.0, 1.5], [2.1, 6.0, 1.7], [2.2, 6.0, 1.8]]),
        trace_chi2=np.array([5.76, 1.0, 0.01]),
        trace_held=np.array([2.25, 1.0, 0.25]),
        trace_accepted=np.ones(3, dtype=bool),
        trace_effective=np.ones(3),
        end=end,
        settings=TuneSettings(),
        notes=("A note of the fit.",),
    )


def a_reading(request: EnsembleRequest, **others: Any) -> EnsembleReading:
    """What a run hands back: sensitivities, and a fit where one was asked for."""
    tuning = None if request.tuning is None else a_tuning(others.pop("end", "converged"))
    return EnsembleReading(request, a_loaded().studied, a_sensitivity(**others), tuning, np.zeros((0, 16)))
