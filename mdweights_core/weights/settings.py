"""Settings of a fit and of its validation: plain values, checked, importable without JAX."""

from __future__ import annotations

from dataclasses import dataclass

from mdweights_core.errors import BadInput, counted

OBJECTIVES: dict[str, str] = {
    "anisotropic-cc": "anisotropic correlation (shell means removed)",
    "cc": "total correlation",
    "chi2": "chi-square with fitted scale and smooth background",
    "student-t": "Student's t: as chi-square, but robust against outliers",
    "gamma": "Gamma likelihood: noise in proportion to the intensity",
    "cross-entropy": "cross-entropy of the two maps, each of sum one",
}
WEIGHTINGS: dict[str, str] = {
    "auto": "1 / sigma^2 for chi2 and student-t where the map has sigma, else every reflection alike",
    "none": "every reflection alike",
    "sigma": "1 / sigma^2",
    "shells": "every resolution shell alike",
    "sigma+shells": "1 / sigma^2 inside shells, every shell alike",
}


def headline(objective: str) -> str:
    """Which correlation coefficient tells of a fit to `objective` in one number: "cc_aniso" or "cc"."""
    return "cc" if objective in ("cc", "gamma", "cross-entropy") else "cc_aniso"


MIN_REFLECTIONS = 50
"""Fewer unique reflections are not fitted."""

DEFAULT_STEPS: dict[str, int] = {"gauss-newton": 100, "lbfgs": 500, "adam": 500, "adam-prototype": 500}


@dataclass(frozen=True)
class FitSettings:
    """How weights are fitted.

    Attributes
    ----------
    objective : str
        One of `OBJECTIVES`.
    solver : str
        One of `DEFAULT_STEPS`.
    theta : float
        Strength of the relative entropy KL(w || prior); 0 leaves it out.
    free_fraction : float
        Part of the Laue groups held out when the map carries no free set; 0 for none.
    seed : int
        Of that draw and of everything else that is random.
    max_steps : int, optional
        Iterations at most; by default the solver's own.
    weighting : str
        How reflections count beside each other, one of `WEIGHTINGS`.
    n_eff_floor : float
        Kish's effective number of frames is kept at or above this by raising theta; 0 for no floor.
    tied_frames : int
        Neighbouring frames that share one weight.
    max_frames : int, optional
        Frames that may have a weight at most.
    bragg_weight : float
        Dial between the diffuse map (0) and Bragg amplitudes (1).
    mask_bragg : float
        Reflections nearer than this to a Bragg position are left out, in units of the reciprocal lattice; 0 for none.
    mask_negative : bool
        Leave out negative intensities.
    mask_outliers : float
        Leave out intensities further than this many robust standard deviations from their shell's median; 0 for none.
    mask_ice : bool
        Leave out the rings of hexagonal ice.
    """

    objective: str = "anisotropic-cc"
    solver: str = "gauss-newton"
    theta: float = 0.0
    free_fraction: float = 0.1
    seed: int = 0
    max_steps: int | None = None
    weighting: str = "auto"
    n_eff_floor: float = 0.0
    tied_frames: int = 1
    max_frames: int | None = None
    bragg_weight: float = 0.0
    mask_bragg: float = 0.0
    mask_negative: bool = False
    mask_outliers: float = 0.0
    mask_ice: bool = False

    def __post_init__(self) -> None:
        _one_of("objective", self.objective, OBJECTIVES)
        _one_of("solver", self.solver, DEFAULT_STEPS)
        _one_of("weighting", self.weighting, WEIGHTINGS)
        if not 0 <= self.theta < float("inf"):
            raise BadInput(f"theta is {self.theta:g}, but must be zero or positive")
        if not 0 <= self.free_fraction < 0.9:
            raise BadInput(f"the free fraction is {self.free_fraction:g}, but must lie between 0 and 0.9")
        if self.seed < 0:
            raise BadInput(f"the seed is {self.seed}, but must be zero or positive")
        _at_least_one("number of steps", self.max_steps)
        _at_least_one("number of tied frames", self.tied_frames)
        _at_least_one("number of frames that may have a weight", self.max_frames)
        if not 0 <= self.bragg_weight < 1:
            raise BadInput(f"the Bragg weight is {self.bragg_weight:g}, but must lie between 0 and 1 (without 1)")
        if self.solver != "gauss-newton" and (self.n_eff_floor > 0 or self.max_frames is not None):
            raise BadInput(
                f"the solver {self.solver} knows no floor on the effective frames and no limit to their number",
                advice="Choose gauss-newton",
            )
        for name in ("n_eff_floor", "mask_bragg", "mask_outliers"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise BadInput(f"{name.replace('_', ' ')} is {value:g}, but must be zero or positive")
        most = float("inf") if self.max_frames is None else self.max_frames * self.tied_frames
        if self.n_eff_floor > most:
            raise BadInput(
                f"no more than {counted(int(most), 'frame')} may have a weight, and these cannot be "
                f"{self.n_eff_floor:g} effective frames",
                advice="Lower --n-eff-floor, or raise --max-frames",
            )


@dataclass(frozen=True)
class ValidationSettings:
    """How much work goes into the question whether a fit can be believed.

    Attributes
    ----------
    folds : int
        Parts of the Laue groups that are held out in turns; 0 for none.
    starts : int
        Fits from random weights.
    thetas : int
        Strengths of the entropy that are tried.
    samples : int
        Bootstrap samples: blocks of neighbouring frames, and Laue groups, drawn with replacement.
    block : int, optional
        Frames in a block; by default as many as it takes to forget the beginning.
    """

    folds: int = 5
    starts: int = 10
    thetas: int = 10
    samples: int = 50
    block: int | None = None

    def __post_init__(self) -> None:
        for name in ("folds", "starts", "thetas", "samples"):
            if getattr(self, name) < 0:
                raise BadInput(f"the number of {name} is {getattr(self, name)}, but must be zero or positive")
        if self.folds == 1:
            raise BadInput("one fold holds everything out", advice="Give 0 for none, or at least 2")
        _at_least_one("number of frames in a block", self.block)

    @property
    def is_nothing(self) -> bool:
        """True when folds, starts, thetas and samples are all left out."""
        return not (self.folds or self.starts or self.thetas or self.samples)


def _one_of(what: str, value: str, known: dict[str, object] | dict[str, str] | dict[str, int]) -> None:
    if value not in known:
        raise BadInput(f"there is no {what} called {value!r}", advice=f"Choose one of {', '.join(known)}")


def _at_least_one(what: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise BadInput(f"the {what} is {value}, but must be at least 1")
