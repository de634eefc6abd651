"""Figures of a validation, drawn without a display."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mdweights_core.meaning.figures import BLUE, GREY, HALF, ORANGE, finish
from mdweights_core.weights.validation.result import Folds, Restarts, ThetaScan

_HALF_DECADE = 0.5


def scan_figure(scan: ThetaScan, theta: float, name: str) -> Figure:
    """L-curve, and held-out score over theta with errors; proposed and present theta marked."""
    figure = Figure(figsize=(11.0, 3.4), layout="constrained")
    curve, held = figure.subplots(1, 2)
    curve.plot(scan.entropy, scan.score, color=BLUE, marker=".")
    finish(curve, "relative entropy KL(w || prior) (nats)", f"{name}, work")
    for row in range(0, len(scan.theta), 3):
        place = (float(scan.entropy[row]), float(scan.score[row]))
        curve.annotate(f"{scan.theta[row]:.2g}", place, (4, -9), textcoords="offset points", fontsize=6)
    held.errorbar(scan.theta, scan.held_out, scan.held_out_error, color=BLUE, ecolor=GREY, marker=".", capsize=2)
    held.set_xscale("log")
    if np.isfinite(scan.uniform):
        held.axhline(scan.uniform, color=GREY, linewidth=0.8, linestyle="--", label="prior weights")
    _mark_present(held, scan.theta, theta)
    if scan.proposed is not None:
        _mark_proposed(curve, held, scan, scan.proposed)
    finish(held, "theta", f"{name}, held out")
    return figure


def _mark_proposed(curve: Axes, held: Axes, scan: ThetaScan, row: int) -> None:
    label = f"proposed, {scan.theta[row]:.2g}"
    held.plot(scan.theta[row], scan.held_out[row], "D", color=ORANGE, markersize=6, label=label)
    curve.plot(scan.entropy[row], scan.score[row], "D", color=ORANGE, markersize=6)


def _mark_present(axes: Axes, scanned: np.ndarray, theta: float) -> None:
    """A line at the theta of the fit; zero, which a logarithm has no place for, stands left of all others."""
    place = theta if theta > 0 else float(scanned.min()) * 10**-_HALF_DECADE
    axes.axvline(place, color="black", linewidth=0.8, linestyle=":", label=f"this fit, {theta:.3g}")


def folds_figure(folds: Folds, name: str) -> Figure:
    """Held-out score of each fold, fitted beside prior weights."""
    figure = Figure(figsize=HALF)
    axes = figure.subplots()
    number = np.arange(1, len(folds.score) + 1)
    axes.vlines(number, folds.uniform, folds.score, color=GREY, linewidth=1.0)
    axes.plot(number, folds.uniform, "s", color=GREY, markersize=5, label="prior weights")
    axes.plot(number, folds.score, "o", color=BLUE, markersize=5, label="fitted to the other folds")
    axes.set_xticks(number)
    axes.margins(x=0.15)
    finish(axes, "fold", f"{name}, held out")
    return figure


def starts_figure(restarts: Restarts, name: str) -> Figure:
    """Correlation with the weights of the fit against the score of every fit from random weights."""
    figure = Figure(figsize=HALF)
    axes = figure.subplots()
    axes.plot(restarts.score - restarts.score.max(), restarts.agreement, "o", color=BLUE, markersize=5)
    axes.axhline(0.9, color=GREY, linewidth=0.8, linestyle="--", label="single weights can be read from here on")
    axes.set_ylim(min(-0.05, float(np.nanmin(restarts.agreement)) - 0.05), 1.05)
    axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 3))
    axes.xaxis.get_offset_text().set_fontsize(7)
    finish(axes, f"{name}, below the best start", "correlation of weights")
    return figure
