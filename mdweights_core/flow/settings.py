"""What a user may choose about flow sampling; imports without JAX."""

from __future__ import annotations

from dataclasses import dataclass, field

from mdweights_core.errors import BadInput


@dataclass(frozen=True)
class FlowSettings:
    """The network.

    Attributes
    ----------
    layers : int
        Couplings; each bends half of the variables.
    width, depth : int
        Of the network in each coupling.
    bins : int
        Of its splines; 0 for none, so that variables are only shifted and stretched (circles turned): cheaper, and
        enough for many variables that are each of one hump.
    marginal_bins : int
        Of the splines of single variables; 0 for none.
    correlation : bool
        Whether a linear layer mixes the variables that are not on circles.
    """

    layers: int = 6
    width: int = 64
    depth: int = 2
    bins: int = 8
    marginal_bins: int = 24
    correlation: bool = True

    def __post_init__(self) -> None:
        for name in ("layers", "marginal_bins"):
            _at_least(name, getattr(self, name), 0)
        for name in ("width", "depth"):
            _at_least(name, getattr(self, name), 1)
        if self.bins:
            _at_least("bins", self.bins, 2)


@dataclass(frozen=True)
class Stage:
    """A part of the training.

    Attributes
    ----------
    steps : int
        Of the optimiser.
    by_example : float
        Weight of the loss on examples (forward Kullback-Leibler divergence).
    by_energy : float
        Weight of the loss on the energy of generated configurations (reverse divergence).
    by_reaction : float
        Weight of the entropy along the reaction coordinate.
    batch : int
        Examples, and configurations generated, in each step.
    learning_rate : float
        At the beginning; it falls along a cosine to `last_rate` of it.
    last_rate : float
    high_energy : float
        kT above which energies count by their logarithm only.
    temperature : float
        Of the target, in units of the temperature that is asked for.
    latents : tuple of float
        Relative temperatures trained at once: Gaussian latents of that variance for the target at that temperature.
    reuse : int
        Where above zero, that many configurations are drawn as the stage begins, reweighted to its temperature, and
        stand in for the examples.
    """

    steps: int
    by_example: float = 0.0
    by_energy: float = 0.0
    by_reaction: float = 0.0
    batch: int = 512
    learning_rate: float = 1e-3
    last_rate: float = 0.05
    high_energy: float = 100.0
    temperature: float = 1.0
    latents: tuple[float, ...] = (1.0,)
    reuse: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch"):
            _at_least(name, getattr(self, name), 1)
        for name in ("learning_rate", "high_energy", "temperature"):
            _positive(name, getattr(self, name))
        if not self.latents or any(not 0 < tau < float("inf") for tau in self.latents):
            raise BadInput("the relative temperatures of a stage must be positive", advice="Give 1 for one temperature")
        weights = (self.by_example, self.by_energy, self.by_reaction)
        if any(not 0 <= weight < float("inf") for weight in weights) or not sum(weights[:2]):
            raise BadInput("a stage trains on nothing", advice="Give by_example or by_energy a positive weight")


@dataclass(frozen=True)
class TrainSettings:
    """Network, stages and the seed of both.

    Attributes
    ----------
    flow : FlowSettings
    stages : tuple of Stage
    seed : int
    """

    flow: FlowSettings = field(default_factory=FlowSettings)
    stages: tuple[Stage, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.stages:
            raise BadInput("the training has no stages", advice="Choose a schedule")

    @property
    def steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise BadInput(f"{name.replace('_', ' ')} is {value}, but must be at least {least}")


def _positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise BadInput(f"the {name.replace('_', ' ')} is {value:g}, but must be positive")


@dataclass(frozen=True)
class SampleSettings:
    """All that a user chooses of one run: training, draws and their number.

    Attributes
    ----------
    temperature : float
        K, of molecules; toy systems are in units of kT.
    schedule : str
        A name of `recipes.RECIPES`; empty for the one that fits: "mixed" with examples, "annealed" without.
    effort : float
        Steps of the training, as a multiple of the usual number.
    batch : int
    flow : FlowSettings
    samples : int
        Configurations to draw.
    probe : bool
        Whether to look for minima that the flow may have missed.
    spread : float
        Weight of the entropy along the system's reaction coordinate, wherever the schedule trains by energy.
    seed : int
    """

    temperature: float = 300.0
    schedule: str = ""
    effort: float = 1.0
    batch: int = 512
    flow: FlowSettings = field(default_factory=FlowSettings)
    samples: int = 100_000
    probe: bool = True
    spread: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        _positive("temperature", self.temperature)
        _positive("effort", self.effort)
        _at_least("batch", self.batch, 2)
        _at_least("samples", self.samples, 100)
