"""What a user may choose about sensitivities; imports without JAX."""

from __future__ import annotations

from dataclasses import dataclass

from mdweights_core.errors import BadInput, counted

INTEGRATORS = {
    "lfmiddle": "LFMiddle; its positions are BAOAB's, and exact for springs at any stable step",
    "zhao": "Zhao's v' = a v - b grad E + c n, x' = x + v' dt; its ensemble depends on the step",
}
"""Ways to take a step and what each is."""

ESTIMATORS = {
    "pathwise": "derivatives carried along the trajectories; the least noise where the dynamics contracts",
    "likelihood": "likelihood ratio of the random forces; no explosion, noise grows with its window",
    "covariance": "covariance with dE/dtheta; exact for Boltzmann's ensemble, noisy for local observables",
}
"""Ways to estimate derivatives of ensemble means and what each is."""

FEWEST_BLOCKS = 16
"""That standard errors are taken from."""


@dataclass(frozen=True)
class SensitivitySettings:
    """How an ensemble is simulated, and how derivatives of its means are estimated.

    Attributes
    ----------
    integrator : str
        One of `INTEGRATORS`.
    step : float
        ps, or the unit of time of a model in reduced units.
    friction : float
        Per ps.
    replicas : int
        Independent trajectories side by side, a multiple of `blocks`.
    steps : int
        Of each replica that count.
    burn_in : int
        Steps before these.
    stride : int
        Steps from one sample to the next.
    blocks : int
        Groups of replicas that standard errors are taken from (jackknife).
    estimators : tuple of str
        Out of `ESTIMATORS`. One alone is never verified.
    window : int
        Steps over which the likelihood ratio remembers random forces; 0 to choose it from how long the observables
        remember.
    largest_growth : float
        Of a disturbance, at which pathwise derivatives are given up.
    frames : int
        Configurations to keep of each replica, evenly spread over the steps that count.
    seed : int
    """

    integrator: str = "lfmiddle"
    step: float = 0.001
    friction: float = 10.0
    replicas: int = 64
    steps: int = 10_000
    burn_in: int = 2_000
    stride: int = 10
    blocks: int = 32
    estimators: tuple[str, ...] = ("pathwise", "likelihood", "covariance")
    window: int = 0
    largest_growth: float = 1e3
    frames: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "estimators", tuple(self.estimators))
        _known("integrator", self.integrator, INTEGRATORS)
        for name in self.estimators:
            _known("estimator", name, ESTIMATORS)
        if not self.estimators:
            raise BadInput("No estimator is chosen", advice=f"Choose some of {', '.join(ESTIMATORS)}")
        for name, least in (("stride", 1), ("burn_in", 0), ("window", 0), ("frames", 0)):
            if getattr(self, name) < least:
                raise BadInput(f"{name.replace('_', ' ')} is {getattr(self, name)}: {least} is the least")
        self._check_motion()
        self._check_sizes()

    def _check_motion(self) -> None:
        if not 0 < self.step < float("inf") or not 0 <= self.friction < float("inf"):
            raise BadInput(
                f"Steps of {self.step:g} with a friction of {self.friction:g} cannot be taken",
                advice="Choose a step above 0 and a friction of 0 or more",
            )
        if "likelihood" in self.estimators and self.friction == 0:
            raise BadInput("Without friction there are no random forces to take a likelihood ratio of")
        if not self.largest_growth > 1:
            raise BadInput(f"A largest growth of {self.largest_growth:g} allows none", advice="Choose one above 1")

    def _check_sizes(self) -> None:
        if self.blocks < FEWEST_BLOCKS:
            raise BadInput(
                f"{counted(self.blocks, 'block')} tell too little of the noise", advice=f"{FEWEST_BLOCKS} is the least"
            )
        if self.replicas < self.blocks or self.replicas % self.blocks:
            raise BadInput(
                f"{counted(self.replicas, 'replica')} cannot be dealt out to {self.blocks} blocks of equal size",
                advice=f"Choose a multiple of {self.blocks}",
            )
        if self.samples < 2 or self.frames > self.samples:
            raise BadInput(
                f"{self.steps} steps with a sample every {self.stride} give {counted(self.samples, 'sample')}",
                advice=f"Take {self.stride * max(2, self.frames)} steps or more",
            )

    @property
    def samples(self) -> int:
        """Of each replica."""
        return self.steps // self.stride


def _known(what: str, name: str, choices: dict[str, str]) -> None:
    if name not in choices:
        raise BadInput(f"There is no {what} called '{name}'", advice=f"Choose one of {', '.join(choices)}")
