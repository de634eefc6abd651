"""The report's figures, drawn without a display."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mdweights_core.crystal.volume import ReciprocalVolume, Slice
from mdweights_core.exports import weight_errors
from mdweights_core.meaning.figures import BLUE, GREY, HALF, ORANGE, finish
from mdweights_core.project import Project
from mdweights_core.weights.result import WeightFit, anisotropic_maps
from mdweights_core.weights.scores import ShellTable

_DIRECTION = {"h": "a*", "k": "b*", "l": "c*"}
_ENOUGH_FREE = 20
_RINGS = (10.0, 5.0, 4.0, 3.0, 2.5, 2.0, 1.8, 1.6, 1.4, 1.2, 1.0)


def to_svg(figure: Figure) -> str:
    """The figure as an SVG element to be put into a page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def weights_figure(project: Project) -> Figure:
    """Weight of every frame, relative to equal weights, with its error where a bootstrap told it."""
    figure = Figure(figsize=(11.0, 2.6))
    axes = figure.subplots()
    frame, n_frames = np.arange(len(project.fit.weights)), len(project.fit.weights)
    weights, error = project.fit.weights * n_frames, weight_errors(project) * n_frames
    axes.bar(frame, weights, width=1.0, color=BLUE, linewidth=0)
    known = np.isfinite(error)
    if known.any():
        low = np.minimum(error, weights)[known]  # no weight is below zero
        axes.errorbar(
            frame[known], weights[known], [low, error[known]], fmt="none", ecolor=GREY, elinewidth=0.7, label="error"
        )
    axes.axhline(1.0, color=GREY, linewidth=0.8, linestyle="--", label="equal weights")
    finish(axes, "frame", "weight \N{MULTIPLICATION SIGN} number of frames")
    axes.set_xlim(-0.5, len(weights) - 0.5)
    return figure


def convergence_figure(fit: WeightFit) -> Figure:
    """CC on work and free reflections against iteration."""
    figure = Figure(figsize=HALF)
    axes = figure.subplots()
    step = fit.history["step"]
    axes.plot(step, fit.history["cc_aniso"], color=BLUE, marker=".", label="work")
    if np.isfinite(fit.history["cc_aniso_free"]).any():
        axes.plot(step, fit.history["cc_aniso_free"], color=ORANGE, marker=".", label="free")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish(axes, "iteration", "anisotropic CC")
    return figure


def shells_figure(fit: WeightFit) -> Figure:
    """Anisotropic CC by resolution: fitted, free and with equal weights."""
    figure = Figure(figsize=HALF)
    axes = figure.subplots()
    x = _shell_centres(fit.scores.shells)
    seen = fit.scores.shells.n_free >= _ENOUGH_FREE  # a CC of a handful of points says nothing
    axes.plot(x, fit.uniform.shells.cc_aniso, color=GREY, marker=".", linestyle="--", label="equal weights")
    axes.plot(x, fit.scores.shells.cc_aniso, color=BLUE, marker=".", label="work")
    if seen.any():
        axes.plot(x[seen], fit.scores.shells.cc_aniso_free[seen], color=ORANGE, marker=".", label="free")
    shown = x[:: max(1, len(x) // 5)]
    axes.set_xticks(shown, [f"{1 / np.sqrt(v):.2f}" for v in shown])
    finish(axes, "d (Å)", "anisotropic CC")
    return figure


def slices_figure(fit: WeightFit, zone: str, level: int, *, anisotropic: bool) -> Figure:
    """Observed, calculated and difference on one plane, at its true angles."""
    observed, calculated = _components(fit, anisotropic)
    planes = [ReciprocalVolume.from_groups(fit.groups, v).slice(zone, level) for v in (observed, calculated)]
    figure = Figure(figsize=(11.0, 3.4), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    low, high = _limits(planes[0].values, anisotropic)
    images = [
        _draw_slice(axes, plane.values, plane, low, high, "RdBu_r" if anisotropic else "viridis")
        for axes, plane in zip(panels, planes, strict=False)
    ]
    difference = planes[0].values - planes[1].values
    _, spread = _limits(difference, True)
    images.append(_draw_slice(panels[2], difference, planes[0], -spread, spread, "RdBu_r"))
    for axes, image, title in zip(
        panels, images, ("observed", "calculated", "observed \N{MINUS SIGN} calculated"), strict=True
    ):
        axes.set_title(title, fontsize=9)
        figure.colorbar(image, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)
    panels[0].set_ylabel("1/Å", fontsize=8)
    return figure


def _components(fit: WeightFit, anisotropic: bool) -> tuple[np.ndarray, np.ndarray]:
    if not anisotropic:
        return fit.observed, fit.calculated
    maps = anisotropic_maps(fit)
    return maps.observed, maps.calculated


def _limits(values: np.ndarray, symmetric: bool) -> tuple[float, float]:
    """Contrast limits: 1-99 %, symmetric about zero for signed maps."""
    seen = values[np.isfinite(values)]
    if not len(seen):
        return -1.0, 1.0
    if symmetric:
        top = float(np.percentile(np.abs(seen), 99)) or 1.0
        return -top, top
    low, high = np.percentile(seen, [1, 99])
    return float(low), float(max(high, low + 1e-12))


def _draw_slice(axes: Axes, values: np.ndarray, plane: Slice, low: float, high: float, colours: str) -> QuadMesh:
    u = np.arange(-plane.u_max - 0.5, plane.u_max + 1)
    v = np.arange(-plane.v_max - 0.5, plane.v_max + 1)
    grid_u, grid_v = np.meshgrid(u, v)
    xy = np.stack([grid_u, grid_v], axis=-1) @ plane.axes + plane.origin
    axes.set_facecolor("#e6e6e6")
    image = axes.pcolormesh(
        xy[..., 0], xy[..., 1], np.ma.masked_invalid(values), vmin=low, vmax=high, cmap=colours, rasterized=True
    )
    _draw_rings(axes, plane)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)
    axes.set_xlabel(f"along {_DIRECTION[plane.zone[0]]} (1/Å)", fontsize=8)
    return image


def _draw_rings(axes: Axes, plane: Slice) -> None:
    """Resolution rings about the foot of the perpendicular from the origin: a few, well apart."""
    reach = float(np.nanmax(np.abs(plane.axes @ np.ones(2)))) * max(plane.u_max, plane.v_max)
    angle = np.linspace(0, 2 * np.pi, 181)
    fitting = [d for d in _RINGS if 1 / d > plane.height and np.sqrt(1 / d**2 - plane.height**2) < reach]
    last = 0.0
    for d in fitting:
        radius = np.sqrt(1 / d**2 - plane.height**2)
        if radius - last < reach / 5:
            continue
        last = radius
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="#606060", linewidth=0.4)
        axes.annotate(f"{d:g} Å", (0, radius), fontsize=6, color="#404040", ha="center", va="bottom")


def _shell_centres(shells: ShellTable) -> np.ndarray:
    """Middle of each shell in 1/d^2."""
    with np.errstate(divide="ignore"):
        return 0.5 * (1 / shells.d_max**2 + 1 / shells.d_min**2)
