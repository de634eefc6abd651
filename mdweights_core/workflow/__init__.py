"""The whole main job as generators: from files to a project. `mdweights fit`, the window and the demo all run this."""

from __future__ import annotations

from mdweights_core.scattering.frame_run import (
    FrameRun,
    check,
    compute,
    in_project,
    is_done,
    settings_behind,
    with_fitted_solvent,
)
from mdweights_core.workflow.answers import WEIGHTS_NAME, explained, saved, validated
from mdweights_core.workflow.destination import check_destination
from mdweights_core.workflow.fit import fit_project
from mdweights_core.workflow.problem import structure_factors_of, weight_problem
from mdweights_core.workflow.runs import load_map, run_for_predict, run_on_map

__all__ = [
    "WEIGHTS_NAME",
    "FrameRun",
    "check",
    "check_destination",
    "compute",
    "explained",
    "fit_project",
    "in_project",
    "is_done",
    "load_map",
    "run_for_predict",
    "run_on_map",
    "saved",
    "settings_behind",
    "structure_factors_of",
    "validated",
    "weight_problem",
    "with_fitted_solvent",
]
