"""All settings behind a fit, as rows for people."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from mdweights_core.errors import counted
from mdweights_core.io.frames.frame_numbers import show_numbers
from mdweights_core.project import Project
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.selection.settings import SelectionSettings
from mdweights_core.weights.settings import OBJECTIVES, WEIGHTINGS, ValidationSettings


def setting_rows(project: Project) -> list[tuple[str, str]]:
    """Name and value of everything that decides over the result, files apart."""
    return [*_fit_rows(project), *_inputs_rows(project), *_scattering_rows(project), *_later_rows(project)]


def _fit_rows(project: Project) -> list[tuple[str, str]]:
    s = project.fit_settings
    asked = "" if project.fit.theta == s.theta else f" ({s.theta:g} was asked for; the floor raised it)"
    return [
        ("Objective", f"{s.objective}: {OBJECTIVES[s.objective]}"),
        ("Weighting of reflections", f"{s.weighting}: {WEIGHTINGS[s.weighting]}"),
        ("Theta", f"{project.fit.theta:g}{asked}"),
        ("Prior weights", "equal" if project.inputs.prior is None else project.inputs.prior.name),
        ("Floor on effective frames", f"{s.n_eff_floor:g}" if s.n_eff_floor else "none"),
        ("Tied frames", f"{s.tied_frames} neighbours share a weight" if s.tied_frames > 1 else "none"),
        ("Frames with a weight, at most", "all" if s.max_frames is None else str(s.max_frames)),
        ("Bragg data", _bragg(project)),
        ("Reflections left out", _masks(project)),
        ("Held out", f"{100 * s.free_fraction:g} %, where the map has no free flags"),
        ("Solver", s.solver + ("" if s.max_steps is None else f", at most {counted(s.max_steps, 'step')}")),
        ("Seed", str(s.seed)),
    ]


def _bragg(project: Project) -> str:
    if project.inputs.bragg is None or not project.fit_settings.bragg_weight:
        return "none"
    return f"{project.inputs.bragg.name}, with weight {project.fit_settings.bragg_weight:g}"


def _masks(project: Project) -> str:
    s = project.fit_settings
    left_out = [
        f"nearer than {s.mask_bragg:g} to a Bragg position" if s.mask_bragg else "",
        "negative intensities" if s.mask_negative else "",
        f"outliers beyond {s.mask_outliers:g} robust sigmas" if s.mask_outliers else "",
        "ice rings" if s.mask_ice else "",
    ]
    return "; ".join(filter(None, left_out)) or "none"


def _inputs_rows(project: Project) -> list[tuple[str, str]]:
    """How the map was read, as far as somebody said so."""
    i = project.inputs
    given = {
        "Intensity column": i.column,
        "Sigma column": i.sigma_column,
        "Free column": i.free_column,
        "Space group given": i.space_group,
        "Reindexed by": i.reindex,
        "Unit cells in the map's cell": None if i.map_supercell is None else " x ".join(map(str, i.map_supercell)),
        "Cell given": None if i.cell is None else ", ".join(f"{value:g}" for value in i.cell),
        "Frames fitted": None if i.only is None else show_numbers(i.only),
        "d min": None if i.d_min is None else f"{i.d_min:g} Å",
        "d max": None if i.d_max is None else f"{i.d_max:g} Å",
    }
    return [(name, value) for name, value in given.items() if value is not None]


def _scattering_rows(project: Project) -> list[tuple[str, str]]:
    """Radiation, and what is not as usual in how frames are read and scatter."""
    settings, usual = project.predict_settings, PredictSettings()
    changed = [f.name for f in fields(PredictSettings) if getattr(settings, f.name) != getattr(usual, f.name)]
    told = "; ".join(f"{name.replace('_', ' ')} {_plain(getattr(settings, name))}" for name in changed)
    return [("Structure factors", told or "as usual: X-rays, drift taken out, no B factors, no bulk solvent")]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _later_rows(project: Project) -> list[tuple[str, str]]:
    rows = []
    if project.validation is not None:
        rows.append(("Validation", _validation(project.validation.settings)))
    if project.meaning is not None:
        s = project.meaning.settings
        atoms = f", atoms {s.selection}" if s.selection else ""
        energies = f", energies of {s.energies}" if s.energies else ""
        told = (
            f"{s.temperature:g} K, {counted(s.n_components, 'component')}, at most {counted(s.max_clusters, 'cluster')}"
        )
        rows.append(("Meaning", told + atoms + energies))
    if project.selection is not None:
        rows.append(("Selection of frames", _selection(project.selection.settings)))
    return rows


def _selection(s: SelectionSettings) -> str:
    most = "" if s.max_frames is None else f", at most {s.max_frames}"
    bred = f", at most {counted(s.generations, 'generation')}, seed {s.seed}" if s.method == "genetic" else ""
    return f"{s.method}, at least {counted(s.min_frames, 'frame')} kept{most}{bred}"


def _validation(s: ValidationSettings) -> str:
    block = "found" if s.block is None else counted(s.block, "frame")
    return (
        f"{counted(s.folds, 'fold')}, {counted(s.starts, 'start')}, {counted(s.thetas, 'theta')}, "
        f"{counted(s.samples, 'bootstrap sample')}, block {block}"
    )
