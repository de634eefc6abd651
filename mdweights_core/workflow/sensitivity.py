"""Sensitivities as tables, CSV files, targets and plain values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.dynamics.result import Sensitivity
from mdweights_core.io.csv_files import write_csv


def rows_of(found: Sensitivity) -> list[tuple[str, str, list[tuple[float, float]], str]]:
    """Observable, parameter, derivative and error by each estimator, and verdict, for each pair."""
    estimates = list(found.estimates.values())
    return [
        (
            observable,
            parameter,
            [(float(it.jacobian[m, p]), float(it.error[m, p])) for it in estimates],
            str(found.verdicts[m, p]),
        )
        for m, observable in enumerate(found.observables)
        for p, parameter in enumerate(found.parameters)
    ]


def write_jacobian(found: Sensitivity, path: Path) -> None:
    """Write all derivatives with errors, one line for each observable and parameter.

    Raises
    ------
    DiskProblem
        When it cannot be written.
    """
    heads = ["observable", "value", "value_error", "parameter"]
    heads += [column for name in found.estimates for column in (name, f"{name}_error")] + ["verdict"]
    of = dict(zip(found.observables, zip(found.values, found.value_errors, strict=True), strict=True))
    lines = [
        [observable, *map(_told, of[observable]), parameter, *(_told(it) for pair in numbers for it in pair), verdict]
        for observable, parameter, numbers, verdict in rows_of(found)
    ]
    write_csv(path, heads, lines)


def write_as_targets(found: Sensitivity, path: Path) -> None:
    """Write the observables with their errors as a table of targets, to be edited.

    Raises
    ------
    DiskProblem
        When it cannot be written.
    """
    lines = zip(found.observables, map(_told, found.values), map(_told, found.value_errors), strict=True)
    write_csv(path, ["observable", "value", "sigma", "held_out"], [[*line, "no"] for line in lines])


def _told(number: float) -> str:
    return f"{number:.9g}"


def summary(found: Sensitivity) -> dict[str, Any]:
    """All of it as plain values for JSON; numbers that are none become null."""
    return {
        "observables": [
            {"name": name, "value": float(value), "error": float(error)}
            for name, value, error in zip(found.observables, found.values, found.value_errors, strict=True)
        ],
        "parameters": dict(zip(found.parameters, found.theta.tolist(), strict=True)),
        "estimates": {
            name: {"jacobian": it.jacobian.tolist(), "error": it.error.tolist()} for name, it in found.estimates.items()
        },
        "recommended": found.recommended,
        "verdicts": found.verdicts.tolist(),
        "verdict": found.verdict,
        "growth": _numbers(found.growth),
        "exponent": _numbers([found.exponent])[0],
        "window": found.window,
        "temperature": _numbers([found.temperature])[0],
        "steps": found.steps,
        "replicas": found.replicas,
        "seconds": found.seconds,
        "stopped": found.stopped,
        "notes": list(found.notes),
    }


def _numbers(values: Sequence[float] | np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
