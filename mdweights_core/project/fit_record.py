"""A fit and the table of its frames as arrays and plain values, for a project to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.crystal.laue import laue_groups
from mdweights_core.scattering.storage.store import FrameTable
from mdweights_core.weights.result import WeightFit
from mdweights_core.weights.scores import BraggScores, Scores, ShellTable
from mdweights_core.weights.settings import FitSettings

_FIT_ARRAYS = (
    "weights",
    "prior",
    "influence",
    "multipliers",
    "observed",
    "calculated",
    "uniform_calculated",
    "free",
    "mean_f",
    "mean_intensity",
)
_OPTIONAL_ARRAYS = ("observed_sigma", "start")


def fit_arrays(fit: WeightFit) -> dict[str, np.ndarray]:
    """The arrays of a fit by name; what is left of it is `fit_summary`."""
    arrays = {name: getattr(fit, name) for name in _FIT_ARRAYS} | {"hkl": fit.groups.lattice.hkl}
    arrays |= {name: value for name in _OPTIONAL_ARRAYS if (value := getattr(fit, name)) is not None}
    arrays |= {f"history/{key}": value for key, value in fit.history.items()}
    for name, scores in (("fitted", fit.scores), ("uniform", fit.uniform)):
        arrays |= {f"shells/{name}/{f.name}": getattr(scores.shells, f.name) for f in fields(scores.shells)}
    return arrays


def load_fit(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> WeightFit:
    """The fit of a project's record and arrays; LookupError, TypeError or ValueError when they make none."""
    result = record["result"]
    lattice = MillerLattice(
        arrays["hkl"],
        gemmi.UnitCell(*record["cell"]),
        gemmi.SpaceGroup(record["space_group"]),
        tuple(record["ndiv"]),
    )
    numbers = ("n_eff", "n_eff_entropy", "n_active", "kkt_residual", "iterations", "seconds", "converged", "stopped")
    arrays = _of_schema_1(arrays) if "prior" not in arrays else arrays
    from_arrays: dict[str, Any] = {name: arrays[name] for name in _FIT_ARRAYS}
    from_arrays |= {name: arrays.get(name) for name in _OPTIONAL_ARRAYS}
    return WeightFit(
        **from_arrays,
        **{name: result[name] for name in (*numbers, "outcome", "scale", "offset", "raw_sum")},
        scores=_load_scores(result, arrays, "fitted", ""),
        uniform=_load_scores(result, arrays, "uniform", "_uniform"),
        history={key[8:]: value for key, value in arrays.items() if key.startswith("history/")},
        warnings=tuple(result["warnings"]),
        settings=FitSettings(**record["fit_settings"]),
        groups=laue_groups(lattice),
        bragg=_load_bragg(result),
        gain=_number(result.get("gain")),
        theta=result.get("theta", record["fit_settings"]["theta"]),
    )


def frame_arrays(frames: FrameTable) -> dict[str, np.ndarray]:
    """The table of frames, names beginning with ``frames/``."""
    return {f"frames/{f.name}": np.asarray(getattr(frames, f.name)) for f in fields(frames)}


def load_frames(arrays: Mapping[str, np.ndarray]) -> FrameTable:
    """The inverse of `frame_arrays`; KeyError when a column is missing."""
    found: dict[str, Any] = {f.name: arrays[f"frames/{f.name}"] for f in fields(FrameTable)}
    found["source"] = tuple(str(s) for s in found["source"])
    return FrameTable(**found)


def _load_bragg(result: Mapping[str, Any]) -> BraggScores | None:
    if "bragg_cc" not in result:
        return None
    return BraggScores(**{f.name: _number(result[f"bragg_{f.name}"]) for f in fields(BraggScores)})


def _of_schema_1(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    n = len(arrays["weights"])
    return {**arrays, "prior": np.full(n, 1.0 / n), "multipliers": np.full(n, np.nan)}


def _load_scores(result: Mapping[str, Any], arrays: Mapping[str, np.ndarray], name: str, suffix: str) -> Scores:
    shells = ShellTable(**{f.name: arrays[f"shells/{name}/{f.name}"] for f in fields(ShellTable)})
    values = {key: result[key + suffix] for key in ("cc", "cc_aniso", "cc_free", "cc_aniso_free")}
    return Scores(**{key: _number(value) for key, value in values.items()}, shells=shells)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
