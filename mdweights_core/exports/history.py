"""What a file says of the fit it comes from: how it was made, and why not to believe it."""

from __future__ import annotations

import unicodedata
from dataclasses import fields
from pathlib import Path

from mdweights_core.lights import BAD
from mdweights_core.project import Project
from mdweights_core.weights.result import number_of_frames
from mdweights_core.weights.settings import FitSettings

SUPPORTED = "supported"
"""The conclusion of a validation that needs no caution."""

_ALWAYS_SAID = ("objective", "weighting", "solver", "theta", "seed")


def history_lines(project: Project) -> list[str]:
    """What was done, for the HISTORY records of a file: short lines in ASCII."""
    return [ascii_text(line) for line in _history(project)]


def _history(project: Project) -> list[str]:
    fit, inputs = project.fit, project.inputs
    s, u = fit.scores, fit.uniform
    return [
        f"{project.provenance.get('program', 'mdweights')} {project.provenance.get('date', '')}".strip(),
        f"map {Path(inputs.map).name}; {number_of_frames(fit)} of {', '.join(p.name for p in inputs.frames[:3])}",
        *_settings_lines(project),
        f"CC {s.cc:.4f} (equal weights {u.cc:.4f}), free {s.cc_free:.4f} ({u.cc_free:.4f})",
        f"CCaniso {s.cc_aniso:.4f} (equal {u.cc_aniso:.4f}), free {s.cc_aniso_free:.4f} ({u.cc_aniso_free:.4f})",
        *_bragg_lines(project),
        f"effective frames {fit.n_eff:.1f}, active {fit.n_active}; {fit.outcome}",
        *_validation_lines(project),
        *(f"warning: {text}" for text in fit.warnings),
    ]


def cautions(project: Project) -> list[str]:
    """Why the weights are not to be believed, in sentences; empty where a validation supports them in every way.

    Told are a conclusion other than "supported", each light that failed, and a validation that is missing or was
    stopped: a file outlives the window that said so.
    """
    validation = project.validation
    if validation is None:
        return ["The weights were not validated: whether to believe them is not known."]
    told = [] if validation.complete else ["The validation was stopped before its end."]
    if validation.conclusion != SUPPORTED:
        told.append(f"{validation.conclusion.upper()}: {validation.verdict}")
    return told + [f"Failed ({light.name}): {light.sentence}" for light in validation.lights if light.state == BAD]


def ascii_text(text: str) -> str:
    """The text in letters that formats of old can hold, as GROMACS and PDB files."""
    plain = unicodedata.normalize("NFKD", text.replace("±", "+-"))
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return letters.encode("ascii", "replace").decode("ascii")


def _settings_lines(project: Project) -> list[str]:
    """The settings that every fit has, then those that are not as usual."""
    settings, usual = project.fit_settings, FitSettings()
    first = (
        f"objective {settings.objective}, weighting {settings.weighting}, solver {settings.solver}, "
        f"theta {project.fit.theta:g}, seed {settings.seed}"
    )
    others = [field.name for field in fields(FitSettings) if field.name not in _ALWAYS_SAID]
    unusual = [name for name in others if getattr(settings, name) != getattr(usual, name)]
    told = ", ".join(f"{name.replace('_', ' ')} {getattr(settings, name)}" for name in unusual)
    files = [f"{name} {file.name}" for name in ("prior", "bragg") if (file := getattr(project.inputs, name))]
    return [first, *([told] if told else []), *files]


def _bragg_lines(project: Project) -> list[str]:
    b = project.fit.bragg
    if b is None:
        return []
    free = f"free {b.cc_free:.4f} ({b.cc_free_uniform:.4f})"
    return [f"CC of Bragg intensities {b.cc:.4f} (before {b.cc_uniform:.4f}), {free}"]


def _validation_lines(project: Project) -> list[str]:
    """The verdict, the states of the lights, and what speaks against the weights."""
    validation = project.validation
    if validation is None or validation.conclusion != SUPPORTED:
        verdict = []
    else:
        verdict = [f"{validation.conclusion.upper()}: {validation.verdict}"]
    lights = [] if validation is None else [", ".join(f"{light.name} {light.state}" for light in validation.lights)]
    return [*verdict, *cautions(project), *(f"lights: {text}" for text in lights if text)]
