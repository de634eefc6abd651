"""Selection of frames by a genetic algorithm (PyGAD) on sets of frames."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.errors import counted
from mdweights_core.jobs import Job, Stopped
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.selection.result import SCORE_NAMES, Selection
from mdweights_core.weights.selection.settings import SelectionSettings
from mdweights_core.weights.selection.trail import Trail

if TYPE_CHECKING:
    import pygad

POPULATION = 64
PATIENCE = 50
"""Generations without a better set of frames before it ends."""

_WORST = -1.0  # correlation
_ELITE = 2  # sets that live on unchanged
_FLIPS = 2.0  # frames that change side in a new set, on average
_SPARSEST = 0.3  # part of the frames in the sparsest set of the first generation

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # or PyGAD prints by itself what it then raises
_log.propagate = False


def genetic_selection(
    problem: WeightProblem,
    settings: SelectionSettings = SelectionSettings("genetic"),
    *,
    objective: str = "anisotropic-cc",
    population: int = POPULATION,
) -> Job[Selection]:
    """Breed sets of frames for the CC on the work set: tournaments of three, uniform crossover, flips of single frames.

    All frames are one set of the first generation, unless fewer may be kept, and the best sets live on, so that the
    result is never worse on the work set than all frames. The sets of a generation are scored in one pass over the
    structure factors.

    Parameters
    ----------
    problem : WeightProblem
    settings : SelectionSettings
        The same seed gives the same selection. It ends after `PATIENCE` generations without a better set.
    objective : str
        One of `OBJECTIVES`; "cc" for the total CC, "anisotropic-cc" for the anisotropic one. Reflections count alike.
    population : int
        Sets in a generation, at least four.

    Yields
    ------
    Progress
        Stage "selection" after every generation; values n_kept, cc, cc_aniso, cc_free, cc_aniso_free; array kept
        [n_frames].

    Returns
    -------
    Selection
        Also when stopped: with the best set until then.

    Raises
    ------
    BadInput
        When all frames are to be kept.
    """
    trail, generations = Trail(problem, settings, objective), settings.generations
    best = _Best(trail)
    algorithm = _algorithm(_Fitness(trail), population)
    generation = 0
    try:
        yield trail.progress(generations)
        while generation < generations and generation - best.since < PATIENCE:
            algorithm.run()
            generation += 1
            best.look(generation, algorithm)
            yield trail.progress(generations)
    except Stopped:
        return best.finish(f"Stopped by the user after {counted(generation, 'generation')}.", stopped=True)
    return best.finish(_outcome(trail, generation, generation - best.since), stopped=False)


def _outcome(trail: Trail, generation: int, waited: int) -> str:
    name, done = SCORE_NAMES[trail.score], counted(generation, "generation")
    if waited >= PATIENCE:
        return f"Ended after {done}: {waited} of them brought no higher {name} on the work set."
    return f"Ended after all {done} that were asked for; more of them may raise the {name} on the work set."


class _Best:
    """The best set of frames so far, and since which generation."""

    def __init__(self, trail: Trail) -> None:
        self.trail, self.since = trail, 0
        self.kept = np.ones(trail.problem.n_units, dtype=bool)
        self.x = trail.intensity(self.kept)
        trail.add(0, self.kept, self.x)

    def look(self, generation: int, algorithm: pygad.GA) -> None:
        """Remember the best set of a generation."""
        fittest = algorithm.population[algorithm.last_generation_fitness.argmax()].astype(bool)
        x = self.trail.intensity(fittest)
        before, after = self.trail.linearise(np.stack([self.x, x])).gain
        if after > before or self.kept.sum() > self.trail.most:
            self.kept, self.x, self.since = fittest, x, generation
        self.trail.add(generation, self.kept, self.x)

    def finish(self, outcome: str, *, stopped: bool) -> Selection:
        return self.trail.finish(outcome, (), stopped=stopped)


class _Fitness:
    """The score of sets of frames; each set is computed once, however often it is bred."""

    def __init__(self, trail: Trail) -> None:
        self.trail = trail
        self._known: dict[bytes, float] = {}

    def __call__(self, genomes: np.ndarray) -> list[float]:
        """Scores of sets int [P, n_frames] of zeros and ones; the worst there is for too few or too many frames."""
        keys = [row.tobytes() for row in np.packbits(genomes.astype(bool), axis=1)]
        new = {key: genome for key, genome in zip(keys, genomes, strict=True) if key not in self._known}
        if new:
            self._known.update(zip(new, self._score(np.stack(list(new.values()))).tolist(), strict=True))
        return [self._known[key] for key in keys]

    def _score(self, genomes: np.ndarray) -> np.ndarray:
        n_kept = genomes.sum(axis=1)
        allowed = (n_kept >= self.trail.settings.min_frames) & (n_kept <= self.trail.most)
        usable = np.where(allowed[:, None], genomes, 1)  # the others are scored as all frames, and then put last
        x = self.trail.intensity(usable.astype(bool))
        return np.where(allowed, self.trail.linearise(x).gain, _WORST)


def _algorithm(fitness: _Fitness, population: int) -> pygad.GA:
    """One generation of it at a time: `run` goes on with the population it left."""
    import pygad

    trail, seed = fitness.trail, fitness.trail.settings.seed
    return pygad.GA(
        num_generations=1,
        initial_population=_first_generation(trail.problem.n_units, trail.most, population, seed),
        num_parents_mating=population // 2,
        fitness_func=lambda algorithm, genomes, numbers: fitness(np.asarray(genomes)),
        fitness_batch_size=population,
        gene_type=int,
        gene_space=[0, 1],
        parent_selection_type="tournament",
        K_tournament=3,
        crossover_type="uniform",
        mutation_type=_flip,
        keep_elitism=_ELITE,
        random_seed=seed % 2**32,
        suppress_warnings=True,
        logger=_log,
    )


def _flip(offspring: np.ndarray, algorithm: Any) -> np.ndarray:
    """Every frame changes side with the same small probability."""
    flips = algorithm.numpy_random_generator.random_sample(offspring.shape) < _FLIPS / offspring.shape[1]
    return np.where(flips, 1 - offspring, offspring)


def _first_generation(n_frames: int, most: int, population: int, seed: int) -> np.ndarray:
    """The fullest set there may be, and random ones from sparse to nearly as full: int64 [population, n_frames]."""
    rng = np.random.default_rng(seed)
    density = np.linspace(1.0, _SPARSEST, population) * most / n_frames
    draws = rng.random((population, n_frames))
    inside = draws < density[:, None]
    rank = draws.argsort(axis=1).argsort(axis=1)
    full = np.arange(population)[:, None] == 0
    return np.where(full, rank < most, inside & (rank < most)).astype(np.int64)
