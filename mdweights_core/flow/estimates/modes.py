"""Whether samples have missed a part of the target: populations, holes in their density, minima of the energy.

None of it can be seen from the weights of the samples alone: where none of them is, nothing lowers their effective
number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.flow.estimates.importance import forward_fraction, log_partition
from mdweights_core.flow.estimates.log_weights import checked, effective_number, normalised
from mdweights_core.flow.estimates.reference import Reference, mean_and_variance
from mdweights_core.flow.estimates.resampling import drawn_shares

_BEYOND_CHANCE = 3.0  # standard errors
_MUCH = 5.0  # a population is another, not an inaccurate one, from this factor on
_FAR = 3.0  # kT above the largest log-weight of all samples: they would hardly ever come to such a place
_WORTH = 1e-3  # population of a minimum that is worth a word
_BROAD = 10.0  # kT: what a density a little too broad in many variables may lack at the bottom of basins it covers
_FRAMES = 3.0  # independent frames that make a hole
_MOST = 2000  # frames whose distances to each other are all taken


@dataclass(frozen=True, eq=False)
class Populations:
    """States or clusters, in the reference and in the weighted samples.

    Attributes
    ----------
    names : tuple of str
        K of them.
    reference, reference_error : float64 [K]
        Share of the reference frames' weight in each state, and its standard error.
    samples, samples_error : float64 [K]
        Share of the samples' weight.
    raw : float64 [K]
        Share of the samples' number.
    visits : int [K]
        How often reference simulations came to each state or began there: few visits do not make a population.
    """

    names: tuple[str, ...]
    reference: np.ndarray
    reference_error: np.ndarray
    samples: np.ndarray
    samples_error: np.ndarray
    raw: np.ndarray
    visits: np.ndarray

    @property
    def z(self) -> np.ndarray:
        """Samples less reference, in standard errors, float64 [K]."""
        return (self.samples - self.reference) / np.hypot(self.samples_error, self.reference_error)

    @property
    def missing(self) -> np.ndarray:
        """States of the reference that samples have less than a fifth of, beyond chance, bool [K]."""
        return (self.z < -_BEYOND_CHANCE) & (_MUCH * self.samples < self.reference)

    @property
    def new(self) -> np.ndarray:
        """States of the samples that the reference has less than a fifth of, beyond chance, bool [K]."""
        return (self.z > _BEYOND_CHANCE) & (_MUCH * self.reference < self.samples)

    @property
    def differing(self) -> np.ndarray:
        """States whose populations differ beyond chance, but by no such factor, bool [K]."""
        return (np.abs(self.z) > _BEYOND_CHANCE) & ~self.missing & ~self.new


def populations(
    log_w: np.ndarray,
    label: np.ndarray,
    reference: Reference,
    frame_label: np.ndarray,
    names: tuple[str, ...],
    seed: int = 0,
) -> Populations:
    """Compare the populations of K states.

    Errors are those of samples drawn anew and of frames with their memory, but no smaller than those of a share of so
    many independent counts: a state that was not seen is not known to be empty.

    Parameters
    ----------
    log_w : float64 [S]
    label, frame_label : int [S], int [T]
        The state of each sample and frame; -1 for none.
    names : tuple of str
        Of the states.

    Raises
    ------
    BadInput
        When labels do not fit.
    """
    w, count = normalised(log_w), len(names)
    for numbers, own in ((label, w), (frame_label, reference.weights)):
        if numbers.shape != own.shape or numbers.max(initial=-1) >= count:
            raise BadInput(
                f"Labels of states do not fit: {counted(len(numbers), 'label')} for {len(own)} configurations"
            )
    sampled = drawn_shares(w, label, count, seed=seed).std(axis=0, ddof=1)
    share, of_frames = (_shares(numbers, own, count) for numbers, own in ((label, w), (frame_label, reference.weights)))
    variance = [mean_and_variance(1.0 * (frame_label == k), reference.weights, reference.runs)[1] for k in range(count)]
    n_frames = _n_independent(of_frames, np.array(variance), effective_number(reference.weights))
    return Populations(
        names=names,
        reference=of_frames,
        reference_error=np.maximum(np.sqrt(variance), _error_of_share(of_frames, n_frames)),
        samples=share,
        samples_error=np.maximum(sampled, _error_of_share(share, effective_number(w))),
        raw=_shares(label, np.full(len(w), 1 / len(w)), count),
        visits=_visits(frame_label, reference.runs, count),
    )


def _shares(label: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(label + 1, weights=weights, minlength=count + 1)[1:]


def _n_independent(share: np.ndarray, variance: np.ndarray, most: float) -> float:
    """How many independent frames the slowest state that was seen counts."""
    seen = variance > 0
    return float(np.min(share[seen] * (1 - share[seen]) / variance[seen], initial=most))


def _error_of_share(share: np.ndarray, n: float) -> np.ndarray:
    """Standard deviation of a share of which n independent counts are known (a beta distribution, Jeffreys' prior)."""
    p = (n * share + 0.5) / (n + 1)
    return np.sqrt(p * (1 - p) / (n + 2))


def _visits(label: np.ndarray, runs: np.ndarray, count: int) -> np.ndarray:
    """How often runs came to each state or began there; frames of no state between do not part a visit."""
    known = label >= 0
    label, runs = label[known], runs[known]
    begins = np.ones(len(label), dtype=bool)
    begins[1:] = (np.diff(label) != 0) | (np.diff(runs) != 0)
    return np.bincount(label[begins], minlength=count)


def cluster_labels(frames: np.ndarray, samples: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of reference frames by Ward's method, and the nearest cluster of each frame and sample.

    Parameters
    ----------
    frames, samples : float64 [T, F], float64 [S, F]
        Features of one scale; angles as cosine and sine.
    count : int
        How many clusters at the most.

    Returns
    -------
    label, sample_label : int [T], int [S]
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial import KDTree

    some = frames[:: -(-len(frames) // _MOST)]
    if len(some) < 2 or count < 2:
        return np.zeros(len(frames), dtype=np.int64), np.zeros(len(samples), dtype=np.int64)
    cut = fcluster(linkage(some, "ward"), count, "maxclust")
    centres = KDTree(np.array([some[cut == one].mean(axis=0) for one in np.unique(cut)]))
    return centres.query(frames)[1], centres.query(samples)[1]


@dataclass(frozen=True)
class Hole:
    """What the density of the samples is at reference frames.

    Attributes
    ----------
    beyond : float
        Share of the frames' weight at log-weights above the largest of all samples: the density is too low there.
    error : float
        Its standard error.
    by_chance : float
        The share to be expected of samples that miss nothing: about that of the heaviest one.
    forward_ess : float
        Effective sample size that the frames see, a fraction; see `importance.forward_fraction`.
    gap : float
        Mean ln w of the frames less ln Z of the samples, kT: the relative entropy of the target and the density where
        nothing is missed, and larger where the samples have missed something.
    """

    beyond: float
    error: float
    by_chance: float
    forward_ess: float
    gap: float

    @property
    def is_there(self) -> bool:
        """Whether frames lie beyond all samples more often than chance allows."""
        return self.beyond - 2 * self.error > _MUCH * self.by_chance


def hole(log_w: np.ndarray, reference: Reference) -> Hole:
    """Look for reference frames where samples should be, and are not."""
    log_w = checked(log_w)
    beyond = 1.0 * (reference.log_w > log_w.max())
    share, variance = mean_and_variance(beyond, reference.weights, reference.runs)
    used = reference.weights > 0
    mean = float(reference.weights[used] @ reference.log_w[used])
    return Hole(
        beyond=share,
        error=float(np.sqrt(variance)),
        by_chance=float(normalised(log_w).max()),
        forward_ess=forward_fraction(reference.log_w, reference.weights),
        gap=mean - log_partition(log_w)[0],
    )


@dataclass(frozen=True, eq=False)
class Minima:
    """Minima of the energy, against what the samples have there.

    Attributes
    ----------
    above : float64 [P]
        ln w at each minimum less the largest of all samples, kT.
    population : float64 [P]
        Of each minimum's surroundings, in the harmonic approximation, among all that samples and minima tell of.
    """

    above: np.ndarray
    population: np.ndarray

    @property
    def missed(self) -> np.ndarray:
        """Minima of a population worth a word that samples would hardly ever come to, bool [P]."""
        return _is_far(self.above, self.population) & (self.population > _WORTH)

    @property
    def missed_population(self) -> float:
        """Summed population of these."""
        return float(self.population[self.missed].sum())


def minima(log_w: np.ndarray, minimum_log_w: np.ndarray, log_mass: np.ndarray) -> Minima:
    """Compare the density of the samples with the target at minima of the energy, found or known.

    A place that samples cover has about the same weight as they have. Where ln w is far above all of theirs, they would
    not come in many times their number; that matters if the place has a population.

    In many variables samples stay away from the bottom of a basin, and a density a little too broad lacks the same at
    the bottom of all of them: what the best covered minimum is above the samples, up to 10 kT, counts for none.

    Parameters
    ----------
    log_w : float64 [S]
        Of samples.
    minimum_log_w : float64 [P]
        The same at minima, each told once.
    log_mass : float64 [P]
        ln of the partition function of the minimum's surroundings, in the measure of `log_w`.
    """
    log_w, log_mass = checked(log_w), np.asarray(log_mass, dtype=np.float64)
    above = np.asarray(minimum_log_w, dtype=np.float64) - log_w.max()
    among = np.exp(log_mass - np.logaddexp.reduce(log_mass)) if len(log_mass) else log_mass
    unseen = log_mass[_is_far(above, among)]
    log_z = float(np.logaddexp.reduce(np.append(unseen, log_partition(log_w)[0])))
    return Minima(above, np.exp(np.minimum(log_mass - log_z, 0.0)))


def _is_far(above: np.ndarray, population: np.ndarray) -> np.ndarray:
    """Which minima lie further above the samples than the best covered one of any population, bool [P]."""
    best = np.min(above[population > _WORTH], initial=_BROAD)
    return above - max(best, 0.0) > _FAR
