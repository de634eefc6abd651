"""Indexing ambiguity: would another indexing of the same lattice fit the frames better?

The total CC hardly notices a wrong indexing (0.84 against 0.86 on staphylococcal nuclease), the anisotropic one does.
"""

from __future__ import annotations

import numpy as np

from mdweights_core.crystal.laue import group_of
from mdweights_core.crystal.reindex import reindex, reindexing_candidates
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.scores import pearson


def indexing_alternatives(problem: WeightProblem, calculated: np.ndarray) -> dict[str, float]:
    """Anisotropic CC of `calculated` [n_group] with the observed map reindexed, per candidate operator.

    Only reflections whose reindexed mate was observed are compared; work and free together, since nothing is fitted.
    """
    lattice = problem.groups.lattice
    aniso_c, aniso_o = problem.operator(calculated), problem.operator(problem.observed)
    found = {}
    for operator in reindexing_candidates(lattice.cell, lattice.space_group):
        mate = group_of(reindex(lattice, operator).hkl, problem.groups)
        seen = mate >= 0
        if seen.sum() > len(mate) // 2:
            found[operator] = pearson(aniso_c[mate[seen]], aniso_o[seen])
    return found


def indexing_warning(problem: WeightProblem, calculated: np.ndarray, cc_aniso: float) -> str | None:
    """A sentence when another indexing fits clearly better, else None."""
    alternatives = indexing_alternatives(problem, calculated)
    if not alternatives:
        return None
    operator, best = max(alternatives.items(), key=lambda item: item[1])
    noise = 3.0 / np.sqrt(len(problem.observed))
    if best <= cc_aniso + noise:
        return None
    return (
        f"Reindexing the map, as it is used here, by {operator} would raise the anisotropic CC of the unweighted "
        f"frames from {cc_aniso:.3f} to {best:.3f}: the frames and the map are probably indexed differently."
    )
