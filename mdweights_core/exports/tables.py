"""Weights and scans as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from mdweights_core.io.files import atomic_write_text
from mdweights_core.project import Project
from mdweights_core.weights.result import WeightFit
from mdweights_core.weights.validation.result import ThetaScan


def export_csv(project: Project, path: str | Path) -> None:
    """Write a row per frame: number from 0, source, index in it, time (ps), weight, its error, influence, drift (A).

    The relative weight is weight / prior weight, empty for frames that were not fitted; the error is that of the
    bootstrap, empty where there was none. Where the meaning of the weights was looked for, pseudo-energy and its error
    (kJ/mol) follow: ``inf`` for weight zero.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = {**_weight_columns(project), **_energy_columns(project)}
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    atomic_write_text(path, text.getvalue())


def _weight_columns(project: Project) -> dict[str, list[str]]:
    fit, frames = project.fit, project.frames
    return {
        "frame": [str(t) for t in range(len(fit.weights))],
        "source": list(frames.source),
        "index": [str(int(index)) for index in frames.index],
        "time_ps": _numbers(frames.time, ".6g"),
        "weight": _numbers(fit.weights, ".9g"),
        "weight_error": _numbers(weight_errors(project), ".3g"),
        "relative_weight": _numbers(_relative(fit), ".6g"),
        "influence": _numbers(fit.influence, ".6g"),
        "drift_A": _numbers(np.linalg.norm(frames.drift, axis=1), ".4f"),
    }


def _relative(fit: WeightFit) -> np.ndarray:
    """Weight / prior weight; NaN for frames that were left out of the fit."""
    return np.divide(fit.weights, fit.prior, out=np.full(len(fit.prior), np.nan), where=fit.prior > 0)


def _energy_columns(project: Project) -> dict[str, list[str]]:
    meaning = project.meaning
    if meaning is None:
        return {}
    energy = ["inf" if np.isposinf(value) else _number(value, ".4g") for value in meaning.pseudo_energy]
    return {
        "pseudo_energy_kJ_mol": energy,
        "pseudo_energy_error_kJ_mol": _numbers(meaning.pseudo_energy_error, ".3g"),
    }


def weight_errors(project: Project) -> np.ndarray:
    """Standard error of each weight from the bootstrap, float64 [n_frames]; NaN where it is not known."""
    validation = project.validation
    if validation is None or validation.bootstrap is None:
        return np.full(len(project.fit.weights), np.nan)
    return validation.bootstrap.weight_error


def export_scan(scan: ThetaScan, path: str | Path) -> None:
    """Write a row per theta: scores on fitted and on held-out reflections with error, KL, effective frames."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["theta", "score", "held_out", "held_out_error", "kl", "n_eff", "proposed"])
    columns = (scan.theta, scan.score, scan.held_out, scan.held_out_error, scan.entropy, scan.n_eff)
    for i, row in enumerate(zip(*columns, strict=True)):
        writer.writerow([*(_number(value, ".6g") for value in row), int(i == scan.proposed)])
    atomic_write_text(path, text.getvalue())


def _number(value: float, form: str) -> str:
    return format(float(value), form) if np.isfinite(value) else ""


def _numbers(values: np.ndarray, form: str) -> list[str]:
    return [_number(value, form) for value in values]
