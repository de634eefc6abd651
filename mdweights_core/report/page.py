"""Fill the report's template and write it as one self-contained file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from mdweights_core.crystal.lattice import format_cell
from mdweights_core.crystal.laue import laue_class
from mdweights_core.errors import counted
from mdweights_core.exports import kept_frames, weight_errors
from mdweights_core.io.files import atomic_write_text
from mdweights_core.project import Project
from mdweights_core.report import figures
from mdweights_core.report.parts import conclusion, light_rows, meaning_part, validation_svg
from mdweights_core.report.selection_part import selection_part
from mdweights_core.report.settings_table import setting_rows
from mdweights_core.weights.result import WeightFit, number_of_frames

_LISTED = 10


def write_report(project: Project, path: str | Path) -> None:
    """Write the report of `project` as one HTML file with its figures inside.

    Raises
    ------
    DiskProblem
        When the file cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mdweights_core.report", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    text = environment.get_template("page.html.j2").render(_context(project))
    atomic_write_text(path, text)


def _context(project: Project) -> dict[str, Any]:
    fit = project.fit
    d = fit.groups.lattice.d_spacing
    space_group = fit.groups.lattice.space_group
    return {
        "name": project.path.stem,
        "conclusion": conclusion(project),
        "lights": light_rows(project),
        "validation_svg": validation_svg(project),
        "meaning": meaning_part(project),
        "selection": selection_part(project),
        "settings": setting_rows(project),
        "has_errors": bool(np.isfinite(weight_errors(project)).any()),
        "fit": fit,
        "scores": _score_rows(fit),
        "project": project,
        "facts": {
            "Cell": format_cell(fit.groups.lattice.cell),
            "Space group": f"{space_group.xhm()} (Laue class {laue_class(space_group)})",
            "Resolution": f"{d.max():.2f} to {d.min():.2f} Å",
            "Reflections": f"{int((~fit.free).sum())} fitted, {int(fit.free.sum())} held out",
            "Frames": f"{number_of_frames(fit).removesuffix(' frames')}, {len(kept_frames(fit.weights))} kept "
            "(at least 1 % of equal weight)",
            "Effective frames": f"{fit.n_eff:.1f} (Kish), {fit.n_eff_entropy:.1f} (entropy); "
            f"{counted(fit.n_active, 'frame')} with a weight",
            "Solver": f"{fit.outcome} {fit.seconds:.1f} s, optimality residual {fit.kkt_residual:.1e}",
        },
        "best": _frame_rows(project, np.argsort(-fit.weights, kind="stable")[:_LISTED]),
        "worst": _frame_rows(project, np.argsort(fit.influence, kind="stable")[:_LISTED]),
        "svg": {
            "weights": figures.to_svg(figures.weights_figure(project)),
            "convergence": figures.to_svg(figures.convergence_figure(fit)),
            "shells": figures.to_svg(figures.shells_figure(fit)),
            "slice": figures.to_svg(figures.slices_figure(fit, "hk", 0, anisotropic=False)),
            "slice_aniso": figures.to_svg(figures.slices_figure(fit, "hk", 0, anisotropic=True)),
        },
    }


def _score_rows(fit: WeightFit) -> list[tuple[str, ...]]:
    def row(title: str, name: str) -> tuple[str, ...]:
        return _score_row(title, [getattr(s, name + part) for part in ("", "_free") for s in (fit.scores, fit.uniform)])

    rows = [row("Anisotropic CC", "cc_aniso"), row("Total CC", "cc")]
    if fit.bragg is not None:
        b = fit.bragg
        rows.append(_score_row("Bragg CC", (b.cc, b.cc_uniform, b.cc_free, b.cc_free_uniform)))
    return rows


def _score_row(title: str, values: Iterable[float]) -> tuple[str, ...]:
    return (title, *(f"{v:.4f}" if np.isfinite(v) else "\N{EN DASH}" for v in values))


def _frame_rows(project: Project, frames: np.ndarray) -> list[dict[str, Any]]:
    fit, table = project.fit, project.frames
    return [
        {
            "frame": int(t),
            "source": f"{Path(table.source[t]).name} [{int(table.index[t])}]",
            "time": f"{table.time[t]:g}" if np.isfinite(table.time[t]) else "\N{EN DASH}",
            "weight": f"{fit.weights[t]:.5f}",
            "relative": f"{fit.weights[t] * len(fit.weights):.2f}",
            "influence": f"{fit.influence[t]:+.2e}",
        }
        for t in frames
    ]
