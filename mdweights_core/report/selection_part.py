"""What the report says of whole frames kept or left out, beside the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mdweights_core.meaning.figures import BLUE, GREY, HALF, ORANGE, finish
from mdweights_core.project import Project
from mdweights_core.report.figures import to_svg
from mdweights_core.report.parts import SIGNS, WORDS
from mdweights_core.weights.result import WeightFit
from mdweights_core.weights.selection.result import SCORE_NAMES, Selection, comparison, state, verdict

_LISTED = 60


def selection_part(project: Project) -> dict[str, Any] | None:
    """Judgement, comparison with the weights, frames and figure of the selection; None where there is none."""
    selection = project.selection
    if selection is None:
        return None
    judged = state(selection)
    return {
        "state": judged,
        "word": WORDS[judged],
        "sign": SIGNS[judged],
        "sentences": (verdict(selection), comparison(selection, project.fit), selection.outcome),
        "method": selection.settings.method,
        "title": "Left out, in the order of their deletion" if selection.has_order else "Left out",
        "removed": _listed(selection.removed),
        "svg": to_svg(selection_figure(selection, project.fit)),
    }


def _listed(frames: np.ndarray) -> str:
    """Numbers of frames, so many at most."""
    if not len(frames):
        return "none"
    more = f" and {len(frames) - _LISTED} more" if len(frames) > _LISTED else ""
    return ", ".join(map(str, frames[:_LISTED])) + more


def selection_figure(selection: Selection, fit: WeightFit) -> Figure:
    """Agreement on work and held-out reflections while frames go; dashed what the continuous weights reach."""
    figure = Figure(figsize=HALF)
    axes = figure.subplots()
    x = selection.path["n_kept" if selection.has_order else "step"]
    for part, colour, name in (("", BLUE, "work"), ("_free", ORANGE, "held out")):
        values, reached = selection.path[selection.score + part], getattr(fit.scores, selection.score + part)
        if not np.isfinite(values).any():
            continue
        axes.plot(x, values, color=colour, label=name)
        if np.isfinite(reached):
            axes.axhline(reached, color=colour, linewidth=0.8, linestyle="--")
    axes.plot([], [], color=GREY, linewidth=0.8, linestyle="--", label="weights")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if selection.has_order:
        axes.invert_xaxis()  # the selection goes from left to right
    finish(axes, "frames kept" if selection.has_order else "generation", SCORE_NAMES[selection.score])
    return figure
