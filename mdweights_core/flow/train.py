"""The job: a flow trained on examples, on an energy, or both, watched, stopped and gone on with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.errors import BadInput, counted
from mdweights_core.flow.coordinates.base import Coordinates
from mdweights_core.flow.draw import draw_in_single
from mdweights_core.flow.estimates.log_weights import effective_number
from mdweights_core.flow.losses import Dials, Losses, System, effective_share
from mdweights_core.flow.model import AT_ONCE, Flow, make_flow
from mdweights_core.flow.optimise import MOST_STEPS, Batch, Rates, begin, fresh_moments, steps
from mdweights_core.flow.reaction import Reaction
from mdweights_core.flow.run import Judged, Run, TakenBack, load_run, made_from, save_run
from mdweights_core.flow.settings import Stage, TrainSettings
from mdweights_core.flow.symmetry import Symmetry
from mdweights_core.flow.targets import Target
from mdweights_core.io.checkpoints import Keeper
from mdweights_core.jobs import Clock, Job, Progress, Stopped

STAGE = "training the flow"
SAVE_SECONDS = 20.0
"""Between two checkpoints."""

_SECONDS = 0.2  # between two snapshots
_JUDGED = 4096  # draws by which a stage is judged, if they are effectively `_TELLING` ones or more before it
_TELLING = 20
_WORSE = 0.5  # of the effective share before: a stage that ends below is taken back
_SLOWER = 0.3  # times the learning rate, after each that was
_LEAST_SHARE = 0.02  # of draws that are worth learning from
_FEWEST = 20  # examples that a density can be learned from at all


@dataclass(frozen=True, eq=False)
class Trained:
    """A flow and how it came about.

    Attributes
    ----------
    flow : Flow
        In single precision.
    target : Target
    coordinates : Coordinates
    symmetry : Symmetry, optional
    settings : TrainSettings
    history : float32 [steps done, 4]
        Losses by example, by energy and along the reaction coordinate, and effective share, of each step; 0 for a
        part that the step had not.
    energies : int
        Energies and gradients that the training asked for.
    seconds : float
    is_stopped : bool
        Whether the user ended it.
    notes : tuple of str
        What a user should know.
    """

    flow: Flow
    target: Target
    coordinates: Coordinates
    symmetry: Symmetry | None
    settings: TrainSettings
    history: np.ndarray
    energies: int
    seconds: float
    is_stopped: bool
    notes: tuple[str, ...]


def train(
    target: Target,
    coordinates: Coordinates,
    settings: TrainSettings,
    *,
    examples: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    reaction: Reaction | None = None,
    symmetry: Symmetry | None = None,
    images: Symmetry | None = None,
    checkpoint: Path | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> Job[Trained]:
    """Train a flow.

    Stopped, it returns what it has; with a checkpoint, the same call goes on from there and comes to the same end.

    Parameters
    ----------
    target : Target
    coordinates : Coordinates
        Between Cartesian configurations and the variables of the flow.
    settings : TrainSettings
    examples : float [T, N], optional
        Configurations; stages by example that reuse no draws need them.
    weights : float [T], optional
        Of these; equal by default.
    reaction : Reaction, optional
        Coordinate that stages with `by_reaction` spread along.
    symmetry : Symmetry, optional
        Operations that do not change the energy: examples are of one image, weights are those of all.
    images : Symmetry, optional
        Operations that lead from one example to another: the flow learns from all of these.
    checkpoint : Path, optional
        File (.npz) that keeps the state of the run.
    save_seconds : float
        Between two checkpoints.

    Raises
    ------
    BadInput
        Too few examples, or ones that are no numbers; stages that need what is not given; a checkpoint of something
        else.
    """
    _check(coordinates, settings, examples, reaction)
    if images is not None and examples is not None:
        examples = images.images_of_all(examples)
        weights = None if weights is None else np.tile(weights, images.order)
    rng = np.random.default_rng(settings.seed)
    y = None if examples is None else variables(coordinates, examples, weights, rng)
    training = _Training(System(target, coordinates, reaction, symmetry), settings, y)
    mark = made_from((target, coordinates, symmetry), settings, [] if y is None else [y])
    keeper: Keeper[Run] = Keeper(checkpoint, save_seconds, lambda run, path: save_run(run, mark, path))
    fresh = training.begin()
    run = (load_run(checkpoint, mark, fresh) if checkpoint else None) or fresh
    clock, before = Clock(_SECONDS), run.seconds
    is_stopped = False
    try:
        while run.step < settings.steps:
            yield _snapshot(run, settings, clock, before)
            run = training.advance(run)
            run = replace(run, seconds=before + clock.elapsed)
            keeper.save_if_due(run)
    except Stopped:
        is_stopped = True
    keeper.save(run)
    notes = (*training.notes(run), *keeper.notes)
    return Trained(
        run.state.average,
        target,
        coordinates,
        symmetry,
        settings,
        run.history,
        run.energies,
        run.seconds,
        is_stopped,
        notes,
    )


def variables(
    coordinates: Coordinates, examples: np.ndarray, weights: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Variables of examples [T, N], float32 [T, n]; weighted ones are drawn with replacement by their weights."""
    y = np.asarray(_read(coordinates, jnp.asarray(examples, jnp.float64)), dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(y).all(axis=1))
    if len(bad):
        raise BadInput(
            f"Example {bad[0] + 1} has no coordinates that are numbers", advice="Leave that configuration out"
        )
    return y if weights is None else y[drawn_by_weight(np.asarray(weights, dtype=np.float64), len(y), rng)]


@eqx.filter_jit
def _read(coordinates: Coordinates, x: jax.Array) -> jax.Array:
    return jax.lax.map(lambda at: coordinates.read(at)[0], x, batch_size=AT_ONCE)


@eqx.filter_jit
def _energies(system: System, y: jax.Array) -> jax.Array:
    """Reduced energies of variables y [S, n]."""
    x = jax.vmap(lambda at: system.coordinates.place(at)[0])(y)
    return jax.vmap(system.target.reduced)(x.astype(jnp.float64))


def drawn_by_weight(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of so many draws by weights [T], systematically: each is drawn its expected times, give or take one."""
    edges = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(edges, (np.arange(count) + rng.random()) / count), len(weights) - 1)


def _check(
    coordinates: Coordinates, settings: TrainSettings, examples: np.ndarray | None, reaction: Reaction | None
) -> None:
    needs = [stage for stage in settings.stages if stage.by_example and not stage.reuse]
    if needs and examples is None:
        raise BadInput("This schedule learns by example, and there are no examples", advice="Give frames")
    if reaction is None and any(stage.by_reaction for stage in settings.stages):
        raise BadInput("This schedule spreads along a reaction coordinate, and none is given", advice="Name one")
    if examples is None:
        return
    if examples.ndim != 2 or examples.shape[1] != coordinates.n_cartesian:
        raise BadInput(f"The examples have {examples.shape[-1]} coordinates, the system {coordinates.n_cartesian}")
    if len(examples) < _FEWEST:
        raise BadInput(
            f"{counted(len(examples), 'example')} tell nothing of a density",
            advice=f"Give at least {_FEWEST}, or learn from the energy only",
        )
    if not np.isfinite(examples).all():
        raise BadInput("There are examples whose coordinates are not numbers", advice="Leave them out")


class _Training:
    """Stages one after another; knows what they are trained on, and nothing of files and users."""

    def __init__(self, system: System, settings: TrainSettings, y: np.ndarray | None) -> None:
        self._system, self._settings, self._y = system, settings, y
        self._ends = np.cumsum([stage.steps for stage in settings.stages])
        self._pace = 0.0  # seconds a step takes
        self._examples: jax.Array | None = None
        self._prepared = -1

    def begin(self) -> Run:
        """Nothing done yet."""
        circular = np.array(self._system.coordinates.circular)
        flow = make_flow(circular, self._settings.flow, self._settings.seed, self._y)
        return Run.begin(begin(flow))

    def advance(self, run: Run) -> Run:
        """Do some steps of the stage a run has come to."""
        place = int(np.searchsorted(self._ends, run.step, side="right"))
        stage = self._settings.stages[place]
        first = run.step - int(self._ends[place]) + stage.steps
        if self._prepared != place:
            run = self._prepare(run, place, stage, is_new=first == 0)
        clock, rate = Clock(), _SLOWER ** len(run.taken_back) * stage.learning_rate
        count = min(stage.steps - first, self._count())
        state, told, skipped = steps(
            run.state,
            self._system,
            self._examples,
            _dials(stage, run.lowest),
            Rates(*map(_single, (rate, stage.last_rate * rate, stage.steps))),
            _batch(stage, self._examples is not None),
            jax.random.fold_in(jax.random.key(self._settings.seed), place),
            jnp.asarray(first),
            jnp.asarray(count),
        )
        new = np.stack([np.asarray(line)[:count] for line in told], axis=1)
        self._pace = clock.elapsed / count
        energies = count * stage.batch * len(stage.latents) if stage.by_energy else 0
        run = run.after(state, new, energies, int(skipped))
        return self._judged(run, stage) if run.step == self._ends[place] else run

    def _count(self) -> int:
        return int(np.clip(_SECONDS / self._pace, 1, MOST_STEPS)) if self._pace else 1

    def _prepare(self, run: Run, place: int, stage: Stage, *, is_new: bool) -> Run:
        """Examples of a stage: the user's, or draws of the flow reweighted to its temperature."""
        self._prepared, self._pace = place, 0.0
        if is_new and run.step:
            run = replace(run, state=fresh_moments(run.state))
        if is_new:
            run = self._begun(run, stage)
        if stage.reuse and is_new:
            run = self._reused(run, place, stage)
        y = self._y if run.reused is None or not stage.reuse else run.reused
        self._examples = None if y is None or not stage.by_example else jnp.asarray(y, jnp.float32)
        return replace(run, lowest=self._lowest(run)) if np.isnan(run.lowest) and stage.by_energy else run

    def _begun(self, run: Run, stage: Stage) -> Run:
        """Look at the draws before a stage that may spoil them."""
        if not run.step or not (stage.by_energy or stage.reuse):
            return replace(run, begun=None)
        begun = Judged(run.state.average, self._share(run.state.average, stage))
        is_telling = begun.share * _JUDGED >= _TELLING
        return replace(run, begun=begun if is_telling else None, energies=run.energies + _JUDGED)

    def _judged(self, run: Run, stage: Stage) -> Run:
        """Go back to what a stage began with, where its draws are worth far less now."""
        if run.begun is None:
            return run
        flow, before = run.begun
        after = self._share(run.state.average, stage)
        run = replace(run, begun=None, energies=run.energies + _JUDGED)
        if after >= _WORSE * before:
            return run
        told = TakenBack(run.step - stage.steps + 1, run.step, before, after)
        return replace(run, state=begin(flow), taken_back=(*run.taken_back, told))

    def _share(self, flow: Flow, stage: Stage) -> float:
        """Effective share of draws at the temperature of a stage."""
        try:
            _, log_weights = draw_in_single(flow, self._system, _JUDGED, self._settings.seed, stage.temperature)
        except BadInput:  # none has a finite energy
            return 0.0
        return float(effective_share(jnp.asarray(log_weights)))

    def _reused(self, run: Run, place: int, stage: Stage) -> Run:
        """Draws that stand in for examples, unless they are worth so little that a few would be learned by heart."""
        seed = self._settings.seed + 7919 * (place + 1)
        y, log_weights = draw_in_single(run.state.average, self._system, stage.reuse, seed, stage.temperature)
        log_weights = log_weights - np.max(log_weights)
        top = np.quantile(log_weights, 1 - 1e-4)  # a weight above all others would stand for the whole set
        shares = np.exp(np.minimum(log_weights, top))
        chosen = drawn_by_weight(shares, stage.reuse, np.random.default_rng(seed))
        effective = effective_number(shares) / len(shares)
        is_worth_it = effective >= _LEAST_SHARE or not self._has_examples(stage.temperature)
        return replace(
            run,
            reused=y[chosen] if is_worth_it else None,
            energies=run.energies + stage.reuse,
            rungs=(*run.rungs, (stage.temperature, effective)),
        )

    def _has_examples(self, temperature: float) -> bool:
        """Whether the user's examples are of that temperature."""
        return self._y is not None and temperature == 1

    def _lowest(self, run: Run) -> float:
        """The lowest energy among examples, or draws where there are none, kT: what high energies are counted from."""
        if self._y is not None:
            u = np.asarray(_energies(self._system, jnp.asarray(self._y[:512])))
        else:
            u = draw_in_single(run.state.average, self._system, 512, self._settings.seed, 1.0, energies_only=True)[1]
        u = u[np.isfinite(u)]
        return float(u.min()) if len(u) else 0.0

    def notes(self, run: Run) -> list[str]:
        """What a user should know of the run."""
        said = []
        if run.skipped:
            said.append(
                f"{counted(run.skipped, 'step')} of {run.step} had gradients that are not finite and changed nothing."
            )
        for first, last, before, after in run.taken_back:
            said.append(
                f"Steps {first} to {last} of the training are taken back, as draws were worth {before:.1%} of their "
                f"number before and {after:.1%} after: the energy is too uneven for such steps, and the others are "
                f"{_SLOWER:g} times as long. A larger batch helps."
            )
        for temperature, share in run.rungs:
            if share < _LEAST_SHARE:
                advice = "The step in temperature is too large for this network: take smaller ones, or train longer."
                if self._has_examples(temperature):
                    advice = "The examples were learned from in their place."
                said.append(
                    f"Draws reweighted to {temperature:g} times the temperature are worth {share:.1%} of their number. "
                    + advice
                )
        return said


def _dials(stage: Stage, lowest: float) -> Dials:
    high = stage.high_energy + (0.0 if np.isnan(lowest) else lowest / stage.temperature)
    return Dials(
        by_example=_single(stage.by_example),
        by_energy=_single(stage.by_energy),
        by_reaction=_single(stage.by_reaction),
        high_energy=_single(high),
        temperature=_single(stage.temperature),
        latents=jnp.asarray(stage.latents, jnp.float32),
    )


def _batch(stage: Stage, has_examples: bool) -> Batch:
    return Batch(stage.batch if has_examples and stage.by_example else 0, stage.batch if stage.by_energy else 0)


def _single(value: float) -> jax.Array:
    return jnp.asarray(value, jnp.float32)


def _snapshot(run: Run, settings: TrainSettings, clock: Clock, before: float) -> Progress:
    last = Losses(*(run.history[-50:].mean(axis=0) if len(run.history) else np.zeros(4)))
    left = clock.remaining(run.step, settings.steps)
    text = "compiling the flow" if not run.step else f"step {run.step} of {settings.steps}"
    if last.example:
        text += f", by example {last.example:.3f}"
    if last.energy:
        text += f", by energy {last.energy:.3f}, effective share of a batch {last.effective:.0%}"
    values = {"by_example": float(last.example), "by_energy": float(last.energy), "ess": float(last.effective)}
    values |= {} if left is None else {"seconds_left": left}
    return Progress(STAGE, run.step, settings.steps, text, values, {"history": run.history.copy()})
