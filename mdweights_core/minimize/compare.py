"""Minimisers side by side: the same starts, energies against evaluations and against time, as tables and plots."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.energy.base import Energy, value_and_gradient
from mdweights_core.io.csv_files import write_csv
from mdweights_core.io.files import atomic_write
from mdweights_core.jobs import Job, Progress, Stopped, retold
from mdweights_core.minimize.base import End
from mdweights_core.minimize.close_pairs import curvature_of
from mdweights_core.minimize.evaluation import evaluator
from mdweights_core.minimize.job import STAGE, minimize
from mdweights_core.minimize.openmm_yardstick import Course, openmm_minimize
from mdweights_core.minimize.result import NOT_BEGUN, Minimisation
from mdweights_core.minimize.run import Run
from mdweights_core.minimize.settings import METHODS, YARDSTICKS, MinimizeSettings
from mdweights_core.minimize.staged_methods import minimize_staged

if TYPE_CHECKING:
    import openmm
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = (10.0, 1.0, 0.1, 0.01)
"""Rms forces to which evaluations and seconds are told, kJ/mol/nm."""

Comparison = Mapping[str, Minimisation]
"""What each method made of the same starts."""


def compare(
    energy: Energy,
    starts: np.ndarray,
    methods: Sequence[str],
    settings: MinimizeSettings = MinimizeSettings(),
    *,
    system: openmm.System | None = None,
    reference: np.ndarray | None = None,
) -> Job[Comparison]:
    """Minimise the same starts by several methods, one after another.

    Parameters
    ----------
    energy : Energy
    starts : float64 [S, n_atoms, 3]
        nm.
    methods : sequence of str
        Of `METHODS` and `YARDSTICKS`; "openmm" asks for `system`.
    settings : MinimizeSettings
        All but the method.
    system : openmm.System, optional
        The same energy for OpenMM.
    reference : float64 [n_atoms, 3], optional
        nm.

    Yields
    ------
    Progress
        As minimisations do, with the number of the method, ``method``.
    """
    found: dict[str, Minimisation] = {}
    compiling = yield from _compiled(energy, starts[0])
    for number, method in enumerate(methods):
        own = replace(settings, method=method)
        if method == "openmm":
            assert system is not None
            job = _by_openmm(energy, system, starts, own, reference)
        elif method in YARDSTICKS:
            job = minimize_staged(energy, starts, own, reference)
        else:
            job = minimize(energy, starts, own, reference=reference)
        found[method] = yield from retold(job, partial(_of_method, number))
        found[method] = replace(found[method], notes=(*found[method].notes, compiling))
        if {str(End.STOPPED), NOT_BEGUN} & set(found[method].ends):
            break
    return found


def _of_method(number: int, seen: Progress) -> Progress:
    return replace(seen, values={**seen.values, "method": float(number)})


def _compiled(energy: Energy, x: np.ndarray) -> Job[str]:
    """Compile what all methods share, so that none pays for it, and return how long that took, as a sentence."""
    yield Progress(STAGE, 0, None, "compiling the energy")
    begun = time.perf_counter()
    evaluator(energy)(x[None])
    curvature_of(energy)(x)
    return f"Compiling took {time.perf_counter() - begun:.1f} s, which no method's seconds hold."


def _by_openmm(
    energy: Energy, system: openmm.System, starts: np.ndarray, settings: MinimizeSettings, reference: np.ndarray | None
) -> Job[Minimisation]:
    """OpenMM's minimiser; energies and forces in the end are those of `energy`, in double precision."""
    run = Run.begin(starts)
    for row, start in enumerate(starts):
        try:
            yield Progress(STAGE, row, len(starts), f"OpenMM, start {row + 1} of {len(starts)}")
        except Stopped:
            break
        course = openmm_minimize(system, start, settings.tolerance, max_iterations=settings.max_evaluations)
        run.x[row], run.traces[row] = course.x, _trace(energy, course)
        is_there = run.traces[row][-1][-1] <= settings.tolerance
        run.ends[row] = str(End.CONVERGED if is_there else End.STALLED)
    found = run.result(starts, reference, settings, ("OpenMM tells iterations only; each is one evaluation or more.",))
    begun = [float(value_and_gradient(energy, x)[0]) for x, trace in zip(starts, run.traces, strict=True) if trace]
    return replace(found, start_energy=np.array(begun + [np.nan] * (len(starts) - len(begun))))


def _trace(energy: Energy, course: Course) -> list[tuple[float, ...]]:
    """What OpenMM tells of each iteration, then what is there in the end in double precision."""
    value, gradient = value_and_gradient(energy, course.x)
    last = (len(course.iterations), course.total_seconds, float(value), float(np.sqrt(np.mean(np.square(gradient)))))
    told = zip(course.iterations, course.seconds, course.energy, course.rms_force, strict=True)
    return [tuple(map(float, line)) for line in (*told, last)]


def write_all(comparison: Comparison, path: Path) -> list[Path]:
    """Write the table to a CSV file, and beside it the traces and both plots; the files.

    Raises
    ------
    DiskProblem
        When one of them cannot be written.
    """
    traces = path.with_name(f"{path.stem}_traces.csv")
    pictures = [path.with_suffix(suffix) for suffix in (".png", ".svg")]
    write_table(comparison, path)
    write_traces(comparison, traces)
    for picture in pictures:
        draw(comparison, picture)
    return [path, traces, *pictures]


def write_table(comparison: Comparison, path: Path) -> None:
    """Write one line per method and start: where it came to, and evaluations and seconds to each rms force (CSV)."""
    heads = ["method", "start", "end", "start_energy", "energy", "rms_force", "evaluations", "seconds", "rmsd_to_start"]
    heads += [f"{what}_to_{level:g}" for level in LEVELS for what in ("evaluations", "seconds")]
    with_reference = any(len(found.rmsd_to_reference) for found in comparison.values())
    heads += ["rmsd_to_reference"] if with_reference else []
    rows = []
    for method, found in comparison.items():
        for i in range(found.n_starts):
            numbers = (found.start_energy[i], found.energy[i], found.rms_force[i])
            spent = (found.evaluations[i], found.seconds[i], found.rmsd_to_start[i])
            until = [number for level in LEVELS for number in (found.until(i, level) or ("", ""))]
            apart = [found.rmsd_to_reference[i]] if with_reference else []
            rows.append([method, i + 1, found.ends[i], *numbers, *spent, *until, *apart])
    write_csv(path, heads, rows)


def write_traces(comparison: Comparison, path: Path) -> None:
    """Write energy and rms force after every evaluation of every start (CSV)."""
    heads = ["method", "start", "evaluations", "seconds", "energy", "rms_force"]
    rows = [
        [method, i + 1, *line]
        for method, found in comparison.items()
        for i in range(found.n_starts)
        for line in zip(*(values.tolist() for values in found.trace(i).values()), strict=True)
    ]
    write_csv(path, heads, rows)


def draw(comparison: Comparison, path: Path) -> None:
    """Draw energy and rms force against evaluations and against seconds, a thin line per start (PNG, SVG, PDF).

    Energies are those above the lowest that any method came to from the same start.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.5 + 0.2 * len(comparison)), layout="constrained")
    axes = figure.subplots(2, 2, sharex="col", sharey="row")
    lowest = np.nanmin([found.energy for found in comparison.values()], axis=0)
    for number, (method, found) in enumerate(comparison.items()):
        for i in range(found.n_starts):
            trace = found.trace(i)
            rows = (np.maximum(trace["energy"] - lowest[i], 1e-6), trace["rms_force"])
            for row, values in zip(axes, rows, strict=True):
                for axis, along in zip(row, ("evaluations", "seconds"), strict=True):
                    label = (METHODS | YARDSTICKS)[method] if i == 0 else None
                    axis.plot(trace[along], values, color=f"C{number}", alpha=0.6, linewidth=0.9, label=label)
    _label(axes)
    _add_legend(figure, axes[0, 0])
    atomic_write(path, lambda target: figure.savefig(target, dpi=160))


def _label(axes: np.ndarray) -> None:
    names = (("evaluations", "energy above the lowest, kJ/mol"), ("seconds", "rms force, kJ/mol/nm"))
    for axis in axes.flat:
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.grid(alpha=0.3)
    for place, (along, up) in enumerate(names):
        axes[1, place].set_xlabel(along)
        axes[place, 0].set_ylabel(up)


def _add_legend(figure: Figure, axis: Axes) -> None:
    """Names of the methods above all axes, where they hide no line."""
    handles, names = axis.get_legend_handles_labels()
    legend = figure.legend(handles, names, fontsize="small", frameon=False, loc="outside upper center")
    for line in legend.get_lines():
        line.set_linewidth(2.0)
