"""What a selection of frames returns: which are kept, how the scores went, and what to think of it. No JAX here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.weights.selection.settings import SelectionSettings

if TYPE_CHECKING:
    from mdweights_core.weights.result import WeightFit

CC_KEYS = ("cc", "cc_aniso", "cc_free", "cc_aniso_free")
PATH_KEYS = ("step", "seconds", "n_kept", *CC_KEYS)
SCORE_NAMES = {"cc": "total CC", "cc_aniso": "anisotropic CC"}

_NOTABLE = 0.002  # a change of CC worth a word, as for weights
_FREE_SIGMAS = 2.0  # chance reaches 1 / sqrt(n) often, twice that rarely


@dataclass(frozen=True, eq=False)
class Selection:
    """Frames that are kept, all alike, and frames that are left out.

    Attributes
    ----------
    settings : SelectionSettings
    score : str
        The correlation that was raised: "cc_aniso" or "cc".
    kept : bool [n_frames]
    order : int64 [n_frames]
        In which deletion each frame went, from 1; tied frames go in the same one. Zero for frames that are kept, and
        for all where there is no order ("genetic"). -1 for frames that are left out beforehand.
    weights : float64 [n_frames]
        The same as weights: those before any fit (all alike, unless a prior was given), zero for frames left out.
    path : dict of float64 [n_steps + 1]
        Keys `PATH_KEYS`; begins with all frames. A step is a deletion or a generation.
    n_work, n_free : int
        Reflections the score was raised on, and those held out.
    outcome : str
        How it ended, as a sentence.
    stopped : bool
        By the user; what was reached is kept.
    seconds : float
    """

    settings: SelectionSettings
    score: str
    kept: np.ndarray
    order: np.ndarray
    weights: np.ndarray
    path: dict[str, np.ndarray]
    n_work: int
    n_free: int
    outcome: str
    stopped: bool
    seconds: float

    @property
    def n_frames(self) -> int:
        """Number of frames there were."""
        return len(self.kept)

    @property
    def n_kept(self) -> int:
        """Number of frames left."""
        return int(self.kept.sum())

    @property
    def removed(self) -> np.ndarray:
        """Frames left out, in the order of their deletion: int64 [n_frames - n_kept]."""
        frames = np.flatnonzero(~self.kept)
        return frames[np.argsort(self.order[frames], kind="stable")]

    @property
    def has_order(self) -> bool:
        """True when frames were left out one after another, so that any step can be gone back to."""
        return self.settings.method == "greedy"

    def kept_after(self, step: int) -> np.ndarray:
        """Frames kept after so many deletions, bool [n_frames]; those of the end where there is no order."""
        return (self.order == 0) | (self.order > step) if self.has_order else self.kept.copy()

    def change(self, held_out: bool = False) -> tuple[float, float]:
        """The score with all frames and with those kept; NaN where nothing is held out."""
        values = self.path[f"{self.score}_free" if held_out else self.score]
        return float(values[0]), float(values[-1])


def verdict(selection: Selection) -> str:
    """What came out, with the scores on work and held-out reflections, in two sentences for people."""
    name = SCORE_NAMES[selection.score]
    before, after = selection.change()
    first = (
        f"{counted(selection.n_kept, 'frame')} of {selection.n_frames} kept; {name} on the work set goes from "
        f"{before:.4f} with all frames to {after:.4f}."
    )
    return f"{first} {_held_out(selection, name)}"


def _held_out(selection: Selection, name: str) -> str:
    before, after = selection.change(held_out=True)
    if not np.isfinite(after):
        return "No reflections were held out, so nothing says whether that is more than overfitting."
    change = f"{counted(selection.n_free, 'held-out reflection')} it goes from {before:.4f} to {after:.4f}"
    if after < before - _NOTABLE:
        return f"Overfit: on {change}, so the frames kept are worse than all frames."
    if after < _FREE_SIGMAS / np.sqrt(selection.n_free):
        return f"On {change}, which chance can give: the frames kept do not agree with the map."
    if after <= before + _NOTABLE:
        return f"On {change}, so the frames kept are no better than all frames."
    return f"On {change}, so the frames kept are better than all frames."


def state(selection: Selection) -> str:
    """How the frames kept do on held-out reflections beside all frames: "good", "weak", "bad" or, unknown, "none"."""
    before, after = selection.change(held_out=True)
    if not np.isfinite(after):
        return "none"
    if after < before - _NOTABLE:
        return "bad"
    is_chance = after < _FREE_SIGMAS / np.sqrt(selection.n_free)
    return "weak" if is_chance or after <= before + _NOTABLE else "good"


def is_overfit(selection: Selection) -> bool:
    """True when the frames kept agree worse with held-out reflections than all frames do."""
    return state(selection) == "bad"


def comparison(selection: Selection, fit: WeightFit) -> str:
    """The frames kept beside continuous weights for the same frames and map, in one sentence."""
    name, key = SCORE_NAMES[selection.score], selection.score
    pairs = [f"{getattr(fit.scores, key):.4f} on the work set (kept frames {selection.change()[1]:.4f})"]
    weighted, chosen = getattr(fit.scores, f"{key}_free"), selection.change(held_out=True)[1]
    if not np.isfinite(weighted - chosen):
        return f"Continuous weights reach {name} {pairs[0]}; nothing was held out to judge them by."
    pairs.append(f"{weighted:.4f} on held-out reflections (kept frames {chosen:.4f})")
    better = weighted - chosen
    word = "the weights" if better > _NOTABLE else "the kept frames" if better < -_NOTABLE else "neither"
    return f"Continuous weights reach {name} {' and '.join(pairs)}: {word} agree{_s(word)} better with held-out data."


def _s(subject: str) -> str:
    return "s" if subject == "neither" else ""


def selection_summary(selection: Selection) -> dict[str, Any]:
    """The result as plain numbers for `--json`; scores that cannot be computed are None."""
    scores = {key: _finite(selection.path[key][-1]) for key in CC_KEYS}
    scores |= {f"{key}_all_frames": _finite(selection.path[key][0]) for key in CC_KEYS}
    return {
        "method": selection.settings.method,
        "score": selection.score,
        "n_frames": selection.n_frames,
        "n_kept": selection.n_kept,
        "n_reflections": selection.n_work,
        "n_free": selection.n_free,
        **scores,
        "kept": np.flatnonzero(selection.kept).tolist(),
        "removed": selection.removed.tolist(),
        "steps": len(selection.path["step"]) - 1,
        "overfit": is_overfit(selection),
        "stopped": selection.stopped,
        "seconds": selection.seconds,
        "outcome": selection.outcome,
        "verdict": verdict(selection),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
