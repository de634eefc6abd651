"""A project as the plain values of `project.json` and the arrays beside them, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

import numpy as np

from mdweights_core.crystal.lattice import cell_parameters
from mdweights_core.io.plain_values import require_types
from mdweights_core.lights import BAD, GOOD, NONE, WEAK
from mdweights_core.meaning.result import Meaning
from mdweights_core.project.fit_record import fit_arrays, frame_arrays, load_fit, load_frames
from mdweights_core.project.inputs import FitInputs
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.result import WeightFit, fit_summary
from mdweights_core.weights.selection import record as selection
from mdweights_core.weights.selection.result import Selection
from mdweights_core.weights.settings import FitSettings
from mdweights_core.weights.validation import record as validation
from mdweights_core.weights.validation.result import Validation

if TYPE_CHECKING:
    from mdweights_core.project.project import Project

_Arrays = Mapping[str, np.ndarray]
_CONCLUSIONS = {"supported", "weak", "unsupported", "overfit"}
_TEXTS = dict[str, str]
_PROVENANCE = {"program": str, "source": str, "date": str, "python": str, "packages": _TEXTS, "files": _TEXTS}
_TYPES = {
    "arrays": str,
    "store": str,
    "cell": tuple[float, float, float, float, float, float],
    "space_group": str,
    "ndiv": tuple[int, int, int],
}


class _Answer(NamedTuple):
    """What may be asked of a fit and kept beside it: how it is packed and unpacked."""

    kind: type
    to_record: Callable[[Any], tuple[dict[str, np.ndarray], dict[str, Any]]]
    from_record: Callable[[_Arrays, Mapping[str, Any]], Any]


def to_record(project: Project) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """All of a project but its place: what JSON can hold, and arrays for an npz file."""
    lattice = project.fit.groups.lattice
    arrays = fit_arrays(project.fit) | frame_arrays(project.frames)
    plain = {
        "store": project.store_name,
        "inputs": project.inputs.to_json(),
        "predict_settings": asdict(project.predict_settings),
        "fit_settings": asdict(project.fit_settings),
        "cell": list(cell_parameters(lattice.cell)),
        "space_group": lattice.space_group.xhm(),
        "ndiv": list(lattice.ndiv),
        "result": fit_summary(project.fit),
        "provenance": dict(project.provenance),
    }
    for name, answer in _ANSWERS.items():
        if (value := getattr(project, name)) is not None:
            more, plain[name] = answer.to_record(value)
            arrays |= more
    return plain, arrays


def from_record(record: dict[str, Any], arrays: _Arrays) -> dict[str, Any]:
    """The fields of a `Project` but its place.

    Raises
    ------
    KeyError, TypeError, ValueError and others
        When something is missing or is not what it should be.
    """
    values = {
        "inputs": FitInputs.from_json(record["inputs"]),
        "predict_settings": PredictSettings(**record["predict_settings"]),
        "fit_settings": FitSettings(**record["fit_settings"]),
        "fit": load_fit(record, arrays),
        "frames": load_frames(arrays),
        "provenance": record["provenance"],
    }
    if "store" in record:
        values["store_name"] = record["store"]
    for name, answer in _ANSWERS.items():
        if (plain := record.get(name)) is not None:
            values[name] = answer.from_record(arrays, plain)
    return values


def require_record(record: dict[str, Any]) -> None:
    """TypeError for a record in which a number is text, or the like: arithmetic would come upon it much later."""
    require_types("project", record, _TYPES)
    scores = {name: float | None for name in record["result"] if "cc" in name}
    require_types("result", record["result"], get_type_hints(WeightFit) | scores | {"gain": float | None})
    inputs = get_type_hints(FitInputs) | {"only": str | None}  # thousands of frames are written as ranges
    parts: dict[str, Mapping[str, Any] | type] = {"inputs": inputs, "predict_settings": PredictSettings}
    parts |= {"fit_settings": FitSettings, "provenance": _PROVENANCE}
    parts |= {name: answer.kind for name, answer in _ANSWERS.items() if record.get(name) is not None}
    for name, types in parts.items():
        require_types(name, record[name], types)


def _known_validation(arrays: _Arrays, plain: Mapping[str, Any]) -> Validation:
    found = validation.from_record(arrays, plain)
    states = {light.state for light in found.lights} - {GOOD, WEAK, BAD, NONE}
    strange = states | {found.conclusion} - _CONCLUSIONS
    if strange:
        raise ValueError(f"no validation says {strange.pop()!r}")
    return found


_ANSWERS = {
    "validation": _Answer(Validation, validation.to_record, _known_validation),
    "meaning": _Answer(Meaning, Meaning.to_arrays, Meaning.from_arrays),
    "selection": _Answer(Selection, selection.to_record, selection.from_record),
}
