"""What a user chooses of a fit of parameters."""

from __future__ import annotations

from dataclasses import dataclass

from mdweights_core.errors import BadInput

METHODS = {
    "levenberg-marquardt": "damped least squares on the whole Jacobian",
    "adam": "first order, steps from running means of the gradient and its square",
    "rmsprop": "first order, steps from a running mean of its square",
}


@dataclass(frozen=True)
class Prior:
    """What was known of a parameter before: a Gaussian in the parameter's own scale.

    Attributes
    ----------
    parameter : str
    centre : float
        In the parameter's unit.
    width : float
        One standard deviation, in the same unit.
    """

    parameter: str
    centre: float
    width: float

    def __post_init__(self) -> None:
        if not 0 < self.width < float("inf"):
            raise BadInput(f"The prior of {self.parameter} has width {self.width:g}", advice="Give a positive number")


@dataclass(frozen=True)
class TuneSettings:
    """How parameters are fitted.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    iterations : int
        Steps at most; the start is not counted.
    max_step : float
        The most that a parameter changes in one step, as a share of itself (of its logarithm where it is positive).
    damping : float
        Of the first Levenberg-Marquardt step, as a share of the squared Jacobian's diagonal.
    learning_rate : float
        Of the first-order methods, in the same share.
    tolerance : float
        The fit ends where the next step promises to lower chi-square by less, beside what noise promises.
    reuse : float
        Effective share of the frames of the last simulation (Kish) down to which these are reweighted rather than
        simulated anew; 1 simulates always.
    priors : tuple of Prior
    seed : int
    """

    method: str = "levenberg-marquardt"
    iterations: int = 20
    max_step: float = 0.7
    damping: float = 1e-2
    learning_rate: float = 0.05
    tolerance: float = 0.01
    reuse: float = 0.5
    priors: tuple[Prior, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise BadInput(f"There is no method called {self.method!r}", advice=f"Choose one of {', '.join(METHODS)}")
        if self.iterations < 1:
            raise BadInput(f"The number of iterations is {self.iterations}", advice="Give at least 1")
        for name in ("max_step", "damping", "learning_rate", "tolerance"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadInput(f"The {name.replace('_', ' ')} is {getattr(self, name):g}, but must be positive")
        if not 0 < self.reuse <= 1:
            raise BadInput(f"The share for reuse is {self.reuse:g}", advice="Give a number above 0, 1 at most")
