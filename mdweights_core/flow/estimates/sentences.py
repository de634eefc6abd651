"""What estimates mean, in sentences."""

from __future__ import annotations

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.flow.estimates.bar import Acceptance
from mdweights_core.flow.estimates.free_energy import BAR, Difference
from mdweights_core.flow.estimates.importance import Importance
from mdweights_core.flow.estimates.modes import Hole, Minima, Populations
from mdweights_core.flow.estimates.pareto import EQUAL, TOO_FEW
from mdweights_core.flow.estimates.profile import Profile

FEW = 10.0
"""Effective samples in a state, below which its free energy is a guess."""

BIASED = 0.05
"""Bias of the logarithm of a mean that is worth a word, kT."""

_VISITS = 10  # of a state, from which on a simulation tells its population
_TOLD = 4  # states that are named one by one


def weights_sentence(numbers: Importance) -> str:
    """How many samples of equal weight there are, and how heavy the tail is."""
    told = (
        f"The samples count as {size_text(numbers.n_effective)} of {numbers.n} of equal weight (effective sample size "
        f"{percent(numbers.ess)}; {percent(numbers.ess_clipped)} with the largest 1 in 10000 clipped), and the "
        f"heaviest carries {percent(numbers.largest_share)} of the weight"
    )
    lost = numbers.n_without_weight
    without = f" {counted(lost, 'sample')} of infinite energy {'has' if lost == 1 else 'have'} none." if lost else ""
    return f"{told}. {tail_sentence(numbers)}{without}"


def tail_sentence(numbers: Importance) -> str:
    """What Pareto k says of the largest weights, and what it does not."""
    tail = numbers.tail
    if tail.how == EQUAL:
        return "The largest weights are alike: there is no tail that could hide more weight."
    if tail.how == TOO_FEW:
        return "There are too few different weights to tell how heavy their tail is."
    told = f"Pareto k is {tail.k:.2f}"
    if tail.k < 0:
        return f"{told}: the weights have an upper bound."
    if not tail.is_heavy:
        return f"{told}, below {tail.threshold:.2f}: averages can be trusted as far as the samples reach."
    carries = f"the tail carries {percent(tail.excess)} of the weight"
    if tail.k < 1:
        return f"{told}, not below {tail.threshold:.2f}: averages and their errors may be off ({carries})."
    return f"{told}: averages do not settle with more samples as long as their weights keep this tail ({carries})."


def partition_sentence(numbers: Importance, by_bar: Acceptance | None = None) -> str:
    """ln Z, its error and its bias; beside it that of the acceptance ratio."""
    told = f"ln Z is {numbers.log_z:.3f} ± {error_text(numbers.log_z_error)} from the samples alone"
    if by_bar is not None:
        apart = numbers.log_z - by_bar.log_z
        told += (
            f" and {by_bar.log_z:.3f} ± {error_text(by_bar.error)} with the reference frames, which overlap with them "
            f"by {by_bar.overlap:.2f} (difference {apart:+.3f})"
        )
    if abs(numbers.log_z_bias) < BIASED:
        return f"{told}."
    return f"{told}; uneven weights make the logarithm of a mean too small, here by about {-numbers.log_z_bias:.2f}."


def difference_sentence(found: Difference, first: str = "A", second: str = "B") -> str:
    """F(second) - F(first) with its error, or why there is none."""
    if not np.isfinite(found.value):
        empty, full = (second, first) if found.value > 0 else (first, second)
        bound = f"by more than {found.bound:.1f} kT" if found.bound > 0 else "by an amount that is not known"
        return (
            f"No sample of any weight lies in state {empty}, so that there is no free-energy difference. State {empty} "
            f"lies above {full} {bound} if its weights are no larger than those seen; if the density of the samples "
            "does not reach it, nothing is known of it."
        )
    means = "samples and reference frames" if found.method == BAR else "the weights of the samples"
    told = (
        f"F({second}) - F({first}) = {found.value:.3f} ± {error_text(found.error)} kT from {means}; the states hold "
        f"{percent(found.occupation.second)} and {percent(found.occupation.first)} of the weight"
    )
    least = found.occupation.n_least
    if least >= FEW or found.method == BAR:
        return f"{told}."
    rare = second if found.occupation.n_second <= found.occupation.n_first else first
    return f"{told}. Only {least:.1f} effective samples lie in state {rare}: the error is itself uncertain."


def profile_sentence(found: Profile, unit: str = "") -> str:
    """How far a profile reaches and how sure it is."""
    known = np.isfinite(found.free_energy)
    lowest = found.centres[np.nanargmin(found.free_energy)]
    unit = f" {unit}" if unit else ""
    told = (
        f"The free energy is lowest at {lowest:.3g}{unit} and known up to {np.nanmax(found.free_energy):.1f} kT above, "
        f"with a median error of {np.median(found.error[known]):.2f} kT"
    )
    empty, few = int((~known).sum()), int((found.n_effective[known] < FEW).sum())
    parts = [f"{counted(empty, 'bin')} of {len(known)} {'is' if empty == 1 else 'are'} empty"] if empty else []
    parts += [f"{counted(few, 'bin')} {'has' if few == 1 else 'have'} fewer than ten effective samples"] if few else []
    return f"{told}; {', '.join(parts)}." if parts else f"{told}."


def population_sentences(found: Populations) -> list[str]:
    """Which states are missing, new or of another population; that none is, where none is."""
    told = []
    for rows, means in (
        (found.missing, "missing from the samples"),
        (found.new, "hardly in the reference"),
        (found.differing, "of another population"),
    ):
        if rows.any():
            each = [_populated(found, k) for k in np.flatnonzero(rows)[:_TOLD]]
            rest = int(rows.sum()) - len(each)
            more = f" and {rest} more" if rest else ""
            told.append(
                f"{counted(int(rows.sum()), 'state')} of {len(rows)} {_is(rows)} {means}: {'; '.join(each)}{more}."
            )
    if not told:
        told = [f"All {counted(len(found.names), 'state')} have the populations of the reference, within errors."]
    return told + _short_reference(found)


def _is(rows: np.ndarray) -> str:
    return "is" if rows.sum() == 1 else "are"


def _populated(found: Populations, k: int) -> str:
    return (
        f"{found.names[k]} with {_share(found.samples[k], found.samples_error[k])} instead of "
        f"{_share(found.reference[k], found.reference_error[k])} in the reference"
    )


def _share(value: float, error: float) -> str:
    return f"{percent(value)} ± {percent(error)}"


def _short_reference(found: Populations) -> list[str]:
    """That the reference crosses seldom, where it does: what it says of populations is then not much."""
    seldom = (found.visits < _VISITS) & ((found.reference > 0) | (found.samples > 0))
    if not seldom.any():
        return []
    least = int(np.where(seldom, found.visits, np.iinfo(np.int64).max).argmin())
    times = counted(int(found.visits[least]), "time")
    return [f"The reference came to {found.names[least]} {times} only: its population there is uncertain."]


def hole_sentence(found: Hole) -> str:
    """Whether reference frames lie where the density of the samples is too low."""
    told = (
        f"{percent(found.beyond)} of the reference lies at weights above the largest of all samples, where "
        f"{percent(found.by_chance)} is to be expected; seen from there the effective sample size is "
        f"{percent(found.forward_ess)}"
    )
    return f"{told}: samples are missing there." if found.is_there else f"{told}."


def minima_sentence(found: Minima) -> str:
    """Whether minima of the energy lie where samples never come."""
    count, missed = len(found.above), found.missed
    if not missed.any():
        return (
            f"None of {count} minima of the energy that were found is missed; this tells nothing of places that the "
            "search did not come to."
        )
    worst = int(np.where(missed, found.population, -1.0).argmax())
    n = int(missed.sum())
    return (
        f"{n} of {count} minima of the energy {'is' if n == 1 else 'are'} missed: at the most important one the weight "
        f"is exp({found.above[worst]:.0f}) times the largest of all samples. About "
        f"{percent(found.missed_population)} of the ensemble lies there, in the harmonic approximation."
    )


def size_text(n: float) -> str:
    """An effective number, with a digit behind the point where it is small."""
    return f"{n:.0f}" if n >= 10 else f"{n:.1f}"


def percent(share: float) -> str:
    """A share in per cent, two digits."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 or value == 0 else f"{value:.2g} %"


def error_text(error: float) -> str:
    """An error in kT: three digits behind the point, more where it is small."""
    return f"{error:.3f}" if error >= 5e-3 or error == 0 else f"{error:.1g}"
