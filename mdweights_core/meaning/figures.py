"""Figures of what weights mean, drawn without a display."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mdweights_core.energy.settings import GAS_CONSTANT
from mdweights_core.meaning.result import Clusters, Feature, Meaning, SetComparison

BLUE, ORANGE, GREY = "#1f5fa8", "#d9730d", "#8a8f98"
_WIDE, HALF = (11.0, 2.6), (5.3, 3.0)
_TICKS = 12  # residue names along an axis


def pseudo_energy_figure(meaning: Meaning) -> Figure:
    """-kT ln(weight / prior) of every frame with its error; an arrow up where it is above a bound."""
    figure = Figure(figsize=_WIDE)
    axes = figure.subplots()
    energy = meaning.pseudo_energy
    frame, known = np.arange(len(energy)), np.isfinite(energy)
    error = np.where(np.isfinite(meaning.pseudo_energy_error), meaning.pseudo_energy_error, 0.0)
    axes.errorbar(
        frame[known], energy[known], error[known], fmt=".", color=BLUE, ecolor=GREY, elinewidth=0.6, markersize=3
    )
    infinite = np.isinf(energy)
    if infinite.any():
        bound = meaning.pseudo_energy_bound[infinite]
        axes.plot(frame[infinite], bound, "^", color=ORANGE, markersize=3, label="above (no weight)")
    axes.axhline(0.0, color=GREY, linewidth=0.8, linestyle="--")
    axes.set_xlim(-0.5, len(energy) - 0.5)
    finish(axes, "frame", "pseudo-energy (kJ/mol)")
    return figure


def feature_figure(meaning: Meaning, feature: Feature) -> Figure:
    """Weight / prior weight against a feature, or populations of its states."""
    figure = Figure(figsize=HALF)
    axes = figure.subplots()
    if feature.states is not None:
        states = feature.states
        _bars(axes, states.names, states.prior, states.weighted, states.error)
        finish(axes, feature.label, "population")
        return figure
    ratio = np.exp(-meaning.pseudo_energy / (GAS_CONSTANT * meaning.settings.temperature))
    there = np.isfinite(feature.values) & np.isfinite(ratio)
    axes.plot(feature.values[there], ratio[there], ".", color=BLUE, markersize=3)
    axes.axhline(1.0, color=GREY, linewidth=0.8, linestyle="--", label="prior weight")
    axes.set_title(f"Spearman {feature.spearman:.2f}, z = {feature.z:.1f}", fontsize=8, loc="left")
    finish(axes, feature.label, "weight / prior weight")
    return figure


def clusters_figure(clusters: Clusters) -> Figure:
    """Summed weight of each cluster beside the prior weight."""
    figure = Figure(figsize=HALF)
    axes = figure.subplots()
    names = tuple(str(number) for number in range(1, len(clusters.weight) + 1))
    _bars(axes, names, clusters.prior, clusters.weight, clusters.error)
    finish(axes, "cluster", "summed weight")
    return figure


def rmsf_figure(sets: SetComparison) -> Figure:
    """Fluctuations of residues in good and bad frames, and their difference with its error."""
    figure = Figure(figsize=(11.0, 3.6))
    upper, lower = figure.subplots(2, 1, sharex=True)
    residue = np.arange(len(sets.residue))
    upper.plot(residue, sets.rmsf_good, color=BLUE, linewidth=1.0, label="good frames")
    upper.plot(residue, sets.rmsf_bad, color=ORANGE, linewidth=1.0, label="bad frames")
    error = np.where(np.isfinite(sets.rmsf_error), sets.rmsf_error, 0.0)
    low, high = sets.rmsf_difference - error, sets.rmsf_difference + error
    lower.fill_between(residue, low, high, color=GREY, alpha=0.4, linewidth=0)
    lower.plot(residue, sets.rmsf_difference, color=BLUE, linewidth=1.0)
    lower.axhline(0.0, color=GREY, linewidth=0.8, linestyle="--")
    finish(upper, "", "RMSF (Å)")
    finish(lower, "", "good \N{MINUS SIGN} bad (Å)")
    _name_residues(lower, sets.residue, residue)
    return figure


def distances_figure(sets: SetComparison) -> Figure:
    """Change of the mean distances between residues, good - bad frames."""
    figure = Figure(figsize=(5.3, 4.4), layout="constrained")
    axes = figure.subplots()
    values = np.ma.masked_invalid(sets.distance_difference)
    top = float(np.percentile(np.abs(values.compressed()), 99)) if values.count() else 1.0
    image = axes.imshow(values, cmap="RdBu_r", vmin=-(top or 1.0), vmax=top or 1.0, origin="lower")
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("distance, good \N{MINUS SIGN} bad (Å)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    axes.set_facecolor("#e6e6e6")
    names = tuple(sets.residue[row] for row in sets.distance_row)
    _name_residues(axes, names, np.arange(len(names)))
    step = _step(len(names))
    axes.set_yticks(np.arange(len(names))[::step], names[::step], fontsize=6)
    return figure


def _bars(axes: Axes, names: tuple[str, ...], prior: np.ndarray, weighted: np.ndarray, error: np.ndarray) -> None:
    place = np.arange(len(names))
    axes.bar(place - 0.2, prior, width=0.4, color=GREY, label="prior")
    bars = np.where(np.isfinite(error), error, 0.0)
    axes.bar(place + 0.2, weighted, width=0.4, color=BLUE, label="fitted", yerr=bars, error_kw={"elinewidth": 0.8})
    axes.set_xticks(place, names)


def _name_residues(axes: Axes, names: tuple[str, ...], place: np.ndarray) -> None:
    step = _step(len(names))
    axes.set_xticks(place[::step], names[::step], rotation=60, ha="right", fontsize=6)


def _step(count: int) -> int:
    return max(1, -(-count // _TICKS))


def finish(axes: Axes, x: str, y: str) -> None:
    """Names of the axes, small letters, no frame, and a legend where something has a name.

    The legend stands above the axes, where it hides no point: a free place among thousands takes long to find.
    """
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    named = len(axes.get_legend_handles_labels()[0])
    if named:
        axes.legend(
            fontsize=7, frameon=False, ncols=named, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2
        )
