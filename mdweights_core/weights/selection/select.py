"""A selection of frames by either method: what the command line and the window run."""

from __future__ import annotations

from mdweights_core.jobs import Job
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.selection.genetic import genetic_selection
from mdweights_core.weights.selection.greedy import greedy_deletion
from mdweights_core.weights.selection.result import Selection
from mdweights_core.weights.selection.settings import SelectionSettings


def select_frames(problem: WeightProblem, objective: str, settings: SelectionSettings) -> Job[Selection]:
    """Keep or leave out whole frames for the correlation that tells of `objective`.

    Parameters
    ----------
    problem : WeightProblem
    objective : str
        One of `OBJECTIVES`; "cc" for the total CC, "anisotropic-cc" for the anisotropic one. Reflections count alike.
    settings : SelectionSettings

    Yields
    ------
    Progress
        Stage "selection"; values n_kept, cc, cc_aniso, cc_free, cc_aniso_free; array kept [n_frames].

    Returns
    -------
    Selection
        Also when stopped: with what was reached.

    Raises
    ------
    BadInput
        When the limits leave nothing to select.
    """
    select = {"greedy": greedy_deletion, "genetic": genetic_selection}[settings.method]
    return (yield from select(problem, settings, objective=objective))
