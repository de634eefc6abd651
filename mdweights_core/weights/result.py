"""What a fit returns: weights, scores beside those of equal weights, and what there is to warn of. No JAX here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mdweights_core.crystal.laue import LaueGroups, laue_class
from mdweights_core.crystal.shells import anisotropic_operator
from mdweights_core.weights.scores import BraggScores, Scores, fit_scale, kish
from mdweights_core.weights.settings import FitSettings, headline

ACTIVE = 1e-6
"""A frame counts as active above this part of the uniform weight."""

LOOSE_KKT = 1e-2
"""A KKT residual above this is no optimum: a hundredth of the weight moved would gain 1e-4 in CC."""

NOTABLE = 0.002
"""A change of CC worth a word."""

OVERFIT_WARNING = "Overfit: "
"""How the warning begins that a fit has from its free set."""

HISTORY_KEYS = ("step", "seconds", "cc", "cc_aniso", "cc_free", "cc_aniso_free", "n_eff")


@dataclass(frozen=True, eq=False)
class WeightFit:
    """Frame weights and why to believe them.

    Attributes
    ----------
    weights : float64 [n_frames]
        Sum one.
    prior : float64 [n_frames]
        Weights before the fit: equal, unless others were given.
    scores, uniform : Scores
        With these weights, and with the prior's.
    n_eff, n_eff_entropy : float
        Kish and entropy effective numbers of frames.
    n_active : int
        Frames with a weight that is not zero.
    gain : float
        What was maximised: the objective less theta KL(w || prior).
    theta : float
        That of the settings, or more where a floor on the effective frames asked for it.
    kkt_residual : float
        Largest violation of the optimality conditions, in units of the objective per unit of weight: how much a frame
        outside still asks for weight, or how unequal the frames inside are.
    iterations : int
    seconds : float
        Wall time of the solver, compilation included.
    converged, stopped : bool
    outcome : str
        How the solver ended.
    influence : float64 [n_frames]
        First-order change of the objective when the weight of one frame of the prior ensemble is doubled.
    multipliers : float64 [n_frames]
        How much gain a frame costs per weight: zero for frames with weight, positive for those that want none.
    history : dict of float64 [n_steps]
        Keys step, seconds, cc, cc_aniso, cc_free, cc_aniso_free, n_eff.
    warnings : tuple of str
    settings : FitSettings
    groups : LaueGroups
    observed, calculated : float32 [n_group]
        On the observed scale; `calculated` had `scale` and `offset` applied.
    observed_sigma : float32 [n_group] or None
    uniform_calculated : float32 [n_group]
        With equal weights, on its own least-squares scale.
    free : bool [n_group]
    scale, offset : float
        calculated = scale * x(w) + offset.
    mean_f : complex64 [n_p1]
        Weighted mean structure factor on `groups.p1`.
    mean_intensity : float32 [n_group]
        Laue average of the weighted mean of |F|^2.
    raw_sum : float
        Sum of the solver's weights before normalisation; 1 except for the prototype.
    start : float64 [n_frames] or None
        Where the fit began, when that was given.
    bragg : BraggScores or None
        Where Bragg intensities were given beside the map.
    """

    weights: np.ndarray
    prior: np.ndarray
    scores: Scores
    uniform: Scores
    n_eff: float
    n_eff_entropy: float
    n_active: int
    gain: float
    theta: float
    kkt_residual: float
    iterations: int
    seconds: float
    converged: bool
    stopped: bool
    outcome: str
    influence: np.ndarray
    multipliers: np.ndarray
    history: dict[str, np.ndarray]
    warnings: tuple[str, ...]
    settings: FitSettings
    groups: LaueGroups
    observed: np.ndarray
    observed_sigma: np.ndarray | None
    calculated: np.ndarray
    uniform_calculated: np.ndarray
    free: np.ndarray
    scale: float
    offset: float
    mean_f: np.ndarray
    mean_intensity: np.ndarray
    raw_sum: float = 1.0
    start: np.ndarray | None = None
    bragg: BraggScores | None = None

    @property
    def diffuse(self) -> np.ndarray:
        """Calculated diffuse intensity x(w) on the absolute scale (electrons squared), float64 [n_group].

        Zero where the weights collapsed onto one frame, which has none, and no scale.
        """
        if self.scale == 0:
            return np.zeros(len(self.calculated))
        return (self.calculated.astype(np.float64) - self.offset) / self.scale


@dataclass(frozen=True, eq=False)
class AnisotropicMaps:
    """Both maps with their isotropic part removed, on a scale of their own.

    The scale that suits the total maps is ruled by the fall-off with resolution and can be several times off here.

    Attributes
    ----------
    observed : float64 [n_group]
    diffuse : float64 [n_group]
        The anisotropic part of x(w), electrons squared.
    scale : float
        Carries `diffuse` onto `observed`: least squares over the fitted reflections.
    """

    observed: np.ndarray
    diffuse: np.ndarray
    scale: float

    @property
    def calculated(self) -> np.ndarray:
        """`diffuse` on the observed scale, float64 [n_group]."""
        return self.scale * self.diffuse


def anisotropic_maps(fit: WeightFit) -> AnisotropicMaps:
    """The maps whose correlation is the anisotropic CC: shell means of the fitted reflections removed from both."""
    remove = anisotropic_operator(fit.groups.lattice.inverse_d, reference=~fit.free)
    observed, diffuse = remove(fit.observed), remove(fit.diffuse)
    scale, _ = fit_scale(diffuse[~fit.free], observed[~fit.free])
    return AnisotropicMaps(observed, diffuse, scale)


def verdict(fit: WeightFit) -> str:
    """What came out, in a sentence or two for people."""
    name, held_out, plain = _headline(fit)
    if np.isfinite(held_out):
        n_free = int(fit.free.sum())
        if held_out < 2 / np.sqrt(n_free):
            return (
                f"The weighted ensemble does not agree with the map: on {n_free} held-out reflections {name} is "
                f"{held_out:.3f} ({name_of_prior(fit)} {plain:.3f}), {disagreement(held_out, 2 / np.sqrt(n_free))}."
            )
        gain = held_out - plain
        word = "better than" if gain > NOTABLE else "no better than" if gain > -NOTABLE else "worse than"
        first = (
            f"On held-out reflections the weighted ensemble reaches {name} {held_out:.3f}, "
            f"{word} {name_of_prior(fit)} ({plain:.3f})"
        )
    else:
        first = f"No reflections were held out, so nothing says whether {name} of the fit is more than overfitting"
    n_frames = int(fitted_frames(fit).sum())
    if is_collapsed(fit.weights[fitted_frames(fit)]):
        return f"{first}; but the weights collapsed onto about {fit.n_eff:.1f} of {n_frames} frames: unusable."
    return f"{first}; the weight is spread over about {fit.n_eff:.0f} effective frames of {n_frames}."


def disagreement(score: float, chance: float) -> str:
    """What a correlation below `chance` may come from, as the end of a sentence."""
    if score > -chance:
        return "which chance can give"
    return "which is opposite to the map: look at its column, its sign and its indexing"


def without_overfit_warning(fit: WeightFit) -> WeightFit:
    """The fit without what its free set alone has to say of overfitting."""
    return replace(fit, warnings=tuple(text for text in fit.warnings if not text.startswith(OVERFIT_WARNING)))


def fitted_frames(fit: WeightFit) -> np.ndarray:
    """Frames that may have a weight, bool [n_frames]; others were left out of the fit and have none before it."""
    return fit.prior > 0


def number_of_frames(fit: WeightFit) -> str:
    """How many frames were fitted, and of how many: ``108 frames``, ``72 of 108 frames``."""
    n_frames, n_fitted = len(fit.weights), int(fitted_frames(fit).sum())
    return f"{n_frames} frames" if n_fitted == n_frames else f"{n_fitted} of {n_frames} frames"


def is_collapsed(weights: np.ndarray) -> bool:
    """True when so few frames carry the weights that their pattern means little: under 3, or 2 % of them.

    A correlation does not know the scale: nearly all weight on one frame leaves hardly any variance, and traces of a
    few others then make up whatever pattern fits.
    """
    return len(weights) > 3 and kish(weights) < max(3.0, 0.02 * len(weights))


def _headline(fit: WeightFit) -> tuple[str, float, float]:
    key = headline(fit.settings.objective)
    name = "total CC" if key == "cc" else "anisotropic CC"
    return name, getattr(fit.scores, f"{key}_free"), getattr(fit.uniform, f"{key}_free")


def name_of_prior(fit: WeightFit) -> str:
    """What the weights before the fit are called."""
    return "equal weights" if np.ptp(fit.prior[fitted_frames(fit)]) < 1e-12 else "weights before"


def describe_fit(fit: WeightFit) -> str:
    """What was fitted, in one line: frames, reflections, Laue class, resolution."""
    d = fit.groups.lattice.d_spacing
    return (
        f"{number_of_frames(fit)}, {int((~fit.free).sum())} work and {int(fit.free.sum())} free reflections, "
        f"Laue class {laue_class(fit.groups.lattice.space_group)}, {d.max():.2f} to {d.min():.2f} Å"
    )


def fit_summary(fit: WeightFit) -> dict[str, Any]:
    """The result as plain numbers for `--json` and the project file."""
    numbers = {name: getattr(fit.scores, name) for name in ("cc", "cc_aniso", "cc_free", "cc_aniso_free")}
    numbers |= {f"{name}_uniform": getattr(fit.uniform, name) for name in list(numbers)}
    if fit.bragg is not None:
        numbers |= {f"bragg_{name}": value for name, value in asdict(fit.bragg).items()}
    return {
        **{key: _finite(value) for key, value in numbers.items()},
        "n_frames": len(fit.weights),
        "n_fitted": int(fitted_frames(fit).sum()),
        "n_reflections": int((~fit.free).sum()),
        "n_free": int(fit.free.sum()),
        "n_eff": fit.n_eff,
        "n_eff_entropy": fit.n_eff_entropy,
        "n_active": fit.n_active,
        "gain": _finite(fit.gain),
        "theta": fit.theta,
        "kkt_residual": fit.kkt_residual,
        "iterations": fit.iterations,
        "seconds": fit.seconds,
        "converged": fit.converged,
        "stopped": fit.stopped,
        "outcome": fit.outcome,
        "scale": fit.scale,
        "offset": fit.offset,
        "raw_sum": fit.raw_sum,
        "warnings": list(fit.warnings),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
