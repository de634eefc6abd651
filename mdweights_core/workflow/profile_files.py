"""Free-energy profiles as tables and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdweights_core.flow.estimates.profile import Profile
from mdweights_core.io.csv_files import write_csv
from mdweights_core.io.files import atomic_write


def profile_values(found: Profile) -> dict[str, list[float | None]]:
    """The columns of a profile as plain values; None in bins without weight."""
    columns = {
        "centre": found.centres,
        "free_energy_kT": found.free_energy,
        "error_kT": found.error,
        "effective_samples": found.n_effective,
    }
    return {name: [float(v) if np.isfinite(v) else None for v in values] for name, values in columns.items()}


def write_profile(found: Profile, title: str, path: Path) -> None:
    """Write a row per bin: its middle, free energy and error in kT (empty without weight), effective samples.

    Raises
    ------
    DiskProblem
        When it cannot be written.
    """
    values = profile_values(found)
    rows = [["" if v is None else f"{v:.6g}" for v in row] for row in zip(*values.values(), strict=True)]
    write_csv(path, [title, *list(values)[1:]], rows)


def draw_profile(found: Profile, title: str, path: Path) -> None:
    """Draw the profile with a band of one standard error as a PNG file.

    Raises
    ------
    DiskProblem
        When it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.fill_between(
        found.centres, found.free_energy - found.error, found.free_energy + found.error, alpha=0.3, linewidth=0
    )
    axes.plot(found.centres, found.free_energy)
    axes.set_xlabel(title)
    axes.set_ylabel("free energy (kT)")
    atomic_write(path, lambda target: figure.savefig(target, format="png"))
