"""What the report says of validation and meaning, as plain rows for the template."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mdweights_core.errors import counted
from mdweights_core.meaning import figures as meaning_figures
from mdweights_core.meaning.result import CHANCE, Clusters, Feature, Meaning, SetComparison
from mdweights_core.project import Project
from mdweights_core.report import validation_figures
from mdweights_core.report.figures import to_svg
from mdweights_core.weights.result import verdict

DASH = "\N{EN DASH}"
WORDS = {"good": "good", "weak": "weak", "bad": "bad", "none": "not known"}
"""States of a light as they are read; the sign beside them is no colour."""

SIGNS = {"good": "\N{BLACK CIRCLE}", "weak": "\N{BLACK UP-POINTING TRIANGLE}", "bad": "\N{BLACK SQUARE}", "none": "○"}
_CONCLUSIONS = {"supported": "good", "weak": "weak", "unsupported": "bad", "overfit": "bad"}
_LISTED, _PLOTTED = 12, 2


def conclusion(project: Project) -> dict[str, str]:
    """The word at the top, the state it is painted by, and the sentence."""
    validation = project.validation
    if validation is None:
        doubt = "Whether these weights can be believed was not asked: mdweights validate tells."
        return {"word": "not validated", "state": "none", "sentence": f"{verdict(project.fit)} {doubt}"}
    rest = "" if validation.complete else " The validation was stopped before its end."
    state = _CONCLUSIONS[validation.conclusion]
    return {"word": validation.conclusion, "state": state, "sentence": validation.verdict + rest}


def light_rows(project: Project) -> list[dict[str, str]]:
    """The six lights; none without a validation."""
    lights = () if project.validation is None else project.validation.lights
    return [{**vars(light), "word": WORDS[light.state], "sign": SIGNS[light.state]} for light in lights]


def validation_svg(project: Project) -> dict[str, str]:
    """Figures of the parts that there are, by name."""
    v = project.validation
    if v is None:
        return {}
    name = "anisotropic CC" if v.score == "cc_aniso" else "total CC"
    found: dict[str, Figure] = {}
    if v.theta_scan is not None and len(v.theta_scan.theta):
        found["scan"] = validation_figures.scan_figure(v.theta_scan, project.fit.theta, name)
    if v.folds is not None:
        found["folds"] = validation_figures.folds_figure(v.folds, name)
    if v.restarts is not None:
        found["starts"] = validation_figures.starts_figure(v.restarts, name)
    return _as_svg(found)


def meaning_part(project: Project) -> dict[str, Any] | None:
    """Findings, tables and figures of the meaning; None where nobody looked for it."""
    meaning = project.meaning
    if meaning is None:
        return None
    return {
        "sentences": meaning.sentences,
        "notes": meaning.notes,
        "features": [_feature_row(feature) for feature in meaning.features[:_LISTED]],
        "n_features": _tried(meaning),
        "clusters": [] if meaning.clusters is None else _cluster_rows(meaning.clusters),
        "pairs": [] if meaning.sets is None else _pair_rows(meaning.sets),
        "svg": _as_svg(_meaning_figures(meaning)),
        "feature_svg": [to_svg(meaning_figures.feature_figure(meaning, f)) for f in meaning.features[:_PLOTTED]],
    }


def _meaning_figures(meaning: Meaning) -> dict[str, Figure]:
    found = {"energy": _energy_figure(meaning)}
    if meaning.clusters is not None:
        found["clusters"] = meaning_figures.clusters_figure(meaning.clusters)
    if meaning.sets is not None and len(meaning.sets.residue):
        found["rmsf"] = meaning_figures.rmsf_figure(meaning.sets)
        found["distances"] = meaning_figures.distances_figure(meaning.sets)
    return found


def _energy_figure(meaning: Meaning) -> Figure:
    """Cut where energies end: errors of frames of next to no weight are so long that they would flatten the rest."""
    figure = meaning_figures.pseudo_energy_figure(meaning)
    finite = meaning.pseudo_energy[np.isfinite(meaning.pseudo_energy)]
    room = 0.3 * np.ptp(finite) + 1.0
    figure.axes[0].set_ylim(finite.min() - room, finite.max() + room)
    return figure


def _tried(meaning: Meaning) -> str:
    of_frames, angles = meaning.n_tried.get("frame", 0), meaning.n_tried.get("angle", 0)
    shown = min(_LISTED, len(meaning.features))
    return (
        f"The {shown} clearest of {counted(of_frames + angles, 'feature')} tried. p is corrected for their number; "
        f"below {CHANCE:g} is more than chance."
    )


def _feature_row(feature: Feature) -> dict[str, str]:
    return {
        "name": feature.label,
        "spearman": _number(feature.spearman, "+.2f"),
        "z": _number(feature.z, "+.1f"),
        "independent": _number(feature.n_independent, ".0f"),
        "p": _number(feature.p_corrected, ".2g"),
        "state": "notable" if feature.is_notable else "",
    }


def _cluster_rows(c: Clusters) -> list[tuple[str, ...]]:
    return [
        (
            str(row + 1),
            str(int(c.n_frames[row])),
            _with_error(c.weight[row], c.error[row], 3),
            _number(c.prior[row], ".3f"),
            _number(c.ratio[row], ".2f"),
            str(int(c.centre[row])),
        )
        for row in range(len(c.weight))
    ]


def _pair_rows(sets: SetComparison) -> list[tuple[str, ...]]:
    rows = zip(sets.pairs[:_LISTED], sets.pair_difference, sets.pair_error, strict=False)
    return [
        (f"{sets.residue[one]} to {sets.residue[other]}", _number(change, "+.2f"), _number(error, ".2f"))
        for (one, other), change, error in rows
    ]


def _with_error(value: float, error: float, digits: int) -> str:
    told = _number(value, f".{digits}f")
    return f"{told} ± {error:.{digits}f}" if np.isfinite(error) else told


def _number(value: float, form: str) -> str:
    return format(float(value), form) if np.isfinite(value) else DASH


def _as_svg(found: dict[str, Figure]) -> dict[str, str]:
    return {name: to_svg(figure) for name, figure in found.items()}
