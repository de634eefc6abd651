"""Greedy deletion of frames: as `do_opt` of Lunus' xtraj, with held-out reflections beside it."""

from __future__ import annotations

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.jobs import Job, Stopped
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.selection.removal import scores_without
from mdweights_core.weights.selection.result import SCORE_NAMES, Selection
from mdweights_core.weights.selection.settings import SelectionSettings
from mdweights_core.weights.selection.trail import Trail


def greedy_deletion(
    problem: WeightProblem, settings: SelectionSettings = SelectionSettings(), *, objective: str = "anisotropic-cc"
) -> Job[Selection]:
    """Delete frames one by one, in each sweep the one without which the CC of the rest is highest.

    It begins with all frames and ends when no deletion raises the CC on the work set; while more are left than may be
    kept, the deletion that costs least is made. Every sweep tries all frames that are left, exactly; equal ones go in
    the order of their numbers. Frames that are tied together go together.

    Parameters
    ----------
    problem : WeightProblem
    settings : SelectionSettings
    objective : str
        One of `OBJECTIVES`; "cc" for the total CC, "anisotropic-cc" for the anisotropic one. Reflections count alike.

    Yields
    ------
    Progress
        Stage "selection"; values n_kept, cc, cc_aniso, cc_free, cc_aniso_free; array kept [n_frames].

    Returns
    -------
    Selection
        Also when stopped: with the frames deleted until then.

    Raises
    ------
    BadInput
        When all frames are to be kept.
    """
    trail = Trail(problem, settings, objective)
    kept, removed = np.ones(problem.n_units, dtype=bool), list[int]()
    x = trail.intensity(kept)
    trail.add(0, kept, x)
    try:
        yield trail.progress()
        while kept.sum() > settings.min_frames:
            frame, without, gain = yield from _best_deletion(trail, kept, x)
            if gain <= 0 and kept.sum() <= trail.most:
                return trail.finish(_no_more(trail, removed), removed, stopped=False)
            x = without
            kept[frame] = False
            removed.append(frame)
            trail.add(len(removed), kept, x)
        yield trail.progress()
    except Stopped:
        outcome = f"Stopped by the user after {counted(len(removed), 'deletion')}."
        return trail.finish(outcome, removed, stopped=True)
    outcome = (
        f"Ended after {counted(len(removed), 'deletion')}, with the {settings.min_frames} frames that were to be kept."
    )
    return trail.finish(outcome, removed, stopped=False)


def _best_deletion(trail: Trail, kept: np.ndarray, x: np.ndarray) -> Job[tuple[int, np.ndarray, float]]:
    """The frame to delete, the intensity of the others, and by how much their score is higher."""
    at, metric, weights = trail.linearise(x[None]), trail.metric(x), trail.weights(kept)
    scores = yield from scores_without(trail.problem.frames, weights, at, metric, trail.clock, trail.progress())
    frame = int(scores.argmax())
    rest = kept.copy()
    rest[frame] = False
    without = trail.intensity(rest)
    after = trail.linearise(without[None])  # anew: a gain may be as small as rounding in a sweep
    return frame, without, float(after.gain[0] - at.gain[0])


def _no_more(trail: Trail, removed: list[int]) -> str:
    name, done = SCORE_NAMES[trail.score], f"Ended after {counted(len(removed), 'deletion')}"
    best = trail.best
    if best[trail.score] > trail.last[trail.score]:
        peak = f"with {best['n_kept']:.0f} the {name} on the work set was higher, {best[trail.score]:.4f}"
        return f"{done}, with the {trail.most} frames that may be kept at most; {peak}."
    return f"{done}: no further one raises the {name} on the work set."
