"""What sensitivities and fits of parameters are asked with and what they hand back: plain frozen data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdweights_core.dynamics.models.form_settings import FormSettings
from mdweights_core.dynamics.models.network_settings import NetworkSettings
from mdweights_core.dynamics.settings import SensitivitySettings
from mdweights_core.dynamics.tuning.settings import Prior, TuneSettings
from mdweights_core.energy.settings import EnergySettings

if TYPE_CHECKING:
    from mdweights_core.dynamics.models.parameters import Parameter
    from mdweights_core.dynamics.result import Sensitivity
    from mdweights_core.dynamics.tuning.result import Tuning
    from mdweights_core.jobs import Progress
    from mdweights_core.workflow.sensitivity_systems import Studied

FREE = math.nan
"""A number that was left empty."""

_NOISE = 2.0  # standard errors below which a mean is zero for all that is known


@dataclass(frozen=True)
class SystemRequest:
    """What is simulated: a small system by name, or a structure with a force field or an elastic network.

    Attributes
    ----------
    small : str
        Name of a small system; empty for a structure.
    structure, coordinates : Path, optional
        As of a minimisation.
    energy : EnergySettings
        Of a force field; a network takes the model of the file and whether it is a crystal from it.
    network : NetworkSettings, optional
        Springs between near atoms in place of a force field.
    select : str
        Atoms of the network; those it chooses by itself where empty.
    kelvin : float
    names : tuple of str
        Parameters of the force field, such as "epsilon of CT"; factors of all terms where there are none.
    forms : tuple of FormSettings
        Terms typed as expressions, which are added to the force field.
    """

    small: str = ""
    structure: Path | None = None
    coordinates: Path | None = None
    energy: EnergySettings = field(default_factory=EnergySettings)
    network: NetworkSettings | None = None
    select: str = ""
    kelvin: float = 300.0
    names: tuple[str, ...] = ()
    forms: tuple[FormSettings, ...] = ()

    @property
    def name(self) -> str:
        """What is simulated, in a word."""
        return self.small or (self.structure.name if self.structure is not None else "")


@dataclass(frozen=True)
class ParameterRow:
    """A parameter as the table shows it; bounds are infinite and a prior is `FREE` where there is none.

    Attributes
    ----------
    is_chosen : bool
        Whether derivatives are taken by it, and it is tuned.
    centre, width : float
        Of the prior, in the parameter's unit.
    """

    name: str
    value: float
    unit: str = ""
    is_chosen: bool = True
    low: float = -math.inf
    high: float = math.inf
    centre: float = FREE
    width: float = FREE

    @classmethod
    def of(cls, parameter: Parameter) -> ParameterRow:
        """The row of a parameter as the model has it."""
        return cls(parameter.name, parameter.value, parameter.unit, low=parameter.low, high=parameter.high)

    @property
    def prior(self) -> Prior | None:
        """A prior around the centre, or around the value where only its width is given; None without a width."""
        if math.isnan(self.width):
            return None
        return Prior(self.name, self.value if math.isnan(self.centre) else self.centre, self.width)


@dataclass(frozen=True)
class ObservableRow:
    """One number of an observable, and what was observed of it.

    Attributes
    ----------
    text : str
        The observable as it was typed: "B CA".
    name : str
        This number of it, with its unit: "B factor of CA 12 (A^2)".
    value, sigma : float
        Observed; `FREE` where nothing was.
    is_held_out : bool
        Whether the fit does not see it.
    """

    text: str
    name: str
    value: float = FREE
    sigma: float = FREE
    is_held_out: bool = False

    @property
    def is_target(self) -> bool:
        """True when something was observed."""
        return not math.isnan(self.value)


@dataclass(frozen=True)
class EnsembleRequest:
    """What is simulated and looked at, and how; with `tuning` also fitted.

    Attributes
    ----------
    system : SystemRequest
    parameters : tuple of ParameterRow
        All of the system.
    observables : tuple of ObservableRow
    simulation : SensitivitySettings
    is_step_suggested : bool
        Take the step that the system needs in place of that of the settings.
    tuning : TuneSettings, optional
        Without its priors, which are in the parameters.
    """

    system: SystemRequest
    parameters: tuple[ParameterRow, ...]
    observables: tuple[ObservableRow, ...]
    simulation: SensitivitySettings = field(default_factory=SensitivitySettings)
    is_step_suggested: bool = True
    tuning: TuneSettings | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The observables as they were typed, each once."""
        return tuple(dict.fromkeys(row.text for row in self.observables))

    @property
    def tuned(self) -> TuneSettings:
        """How it is fitted, with the priors of the parameters that are."""
        assert self.tuning is not None
        priors = (row.prior for row in self.parameters if row.is_chosen)
        return replace(self.tuning, priors=tuple(prior for prior in priors if prior is not None))


@dataclass(frozen=True, eq=False)
class Loaded:
    """A system made ready: its parameters, and observables to begin with.

    Attributes
    ----------
    system : SystemRequest
    studied : Studied
    parameters : tuple of ParameterRow
    observables : tuple of ObservableRow
    remarks : tuple of str
        What is unusual.
    """

    system: SystemRequest
    studied: Studied
    parameters: tuple[ParameterRow, ...]
    observables: tuple[ObservableRow, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class EnsembleReading:
    """What came of a run.

    Attributes
    ----------
    request : EnsembleRequest
    studied : Studied
        With the parameters that varied.
    found : Sensitivity or None
        The simulation, of a fit the last one; None where a fit came from a checkpoint as it was.
    tuning : Tuning or None
        None for sensitivities.
    frames : float64 [S, N]
        Configurations of the ensemble, nm; of a fit with the tuned parameters. None of systems without atoms.
    """

    request: EnsembleRequest
    studied: Studied
    found: Sensitivity | None
    tuning: Tuning | None
    frames: np.ndarray

    @property
    def can_be_frames(self) -> bool:
        """True when there are configurations of atoms."""
        return self.studied.topology is not None and len(self.frames) > 0

    @property
    def is_stopped(self) -> bool:
        """True when it was stopped before its end."""
        if self.tuning is not None:
            return str(self.tuning.end) == "stopped"
        return self.found is not None and self.found.stopped


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Derivatives of M observables by P parameters, on their way or at the end.

    Attributes
    ----------
    observables, parameters : tuple of str, [M], [P]
    theta : float64 [P]
    values, value_errors : float64 [M]
    estimates : mapping of str to (float64 [M, P], float64 [M, P])
        Derivatives and their standard errors, by estimator.
    recommended : str
        Empty while they are on their way.
    verdicts : str [M, P], optional
        None while they are on their way.
    """

    observables: tuple[str, ...]
    parameters: tuple[str, ...]
    theta: np.ndarray
    values: np.ndarray
    value_errors: np.ndarray
    estimates: Mapping[str, tuple[np.ndarray, np.ndarray]]
    recommended: str = ""
    verdicts: np.ndarray | None = None

    def relative(self, estimator: str) -> np.ndarray:
        """Relative change of observables per relative change of parameters, float64 [M, P].

        NaN where a parameter is zero, or a mean is zero within its noise: shares of such a mean tell nothing.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.estimates[estimator][0] * self.theta / self.values[:, None]
        is_known = (np.abs(self.values) > _NOISE * self.value_errors)[:, None] & (self.theta != 0)
        return np.where(is_known & np.isfinite(found), found, np.nan)

    def differences(self) -> dict[str, np.ndarray]:
        """How far estimators are apart, in combined standard errors, float64 [M * P], by "first - second"."""
        apart = {}
        for (first, one), (second, other) in combinations(self.estimates.items(), 2):
            error = np.hypot(one[1], other[1])
            with np.errstate(divide="ignore", invalid="ignore"):
                apart[f"{first} \N{MINUS SIGN} {second}"] = ((one[0] - other[0]) / error).ravel()
        return apart


def derivatives_of(found: Sensitivity) -> Derivatives:
    """The derivatives of a finished simulation."""
    return Derivatives(
        found.observables,
        found.parameters,
        found.theta,
        found.values,
        found.value_errors,
        {name: (it.jacobian, it.error) for name, it in found.estimates.items()},
        found.recommended,
        found.verdicts,
    )


def derivatives_so_far(seen: Progress) -> Derivatives | None:
    """The derivatives in a snapshot; None where it holds none."""
    arrays = seen.arrays
    if "values" not in arrays:
        return None
    names = [name.removeprefix("jacobian ") for name in arrays if name.startswith("jacobian ")]
    return Derivatives(
        tuple(map(str, arrays["observables"])),
        tuple(map(str, arrays["parameters"])),
        arrays["at"],
        arrays["values"],
        arrays["value_errors"],
        {name: (arrays[f"jacobian {name}"], arrays[f"error {name}"]) for name in names},
    )


@dataclass(frozen=True, eq=False)
class FitTrace:
    """The way of a fit.

    Attributes
    ----------
    parameters : tuple of str, [P]
    theta : float64 [I + 1, P]
        Parameters tried, the start first.
    chi2, held : float64 [I + 1]
        Chi-square per datum of fitted and of held-out targets; NaN where there are none.
    """

    parameters: tuple[str, ...]
    theta: np.ndarray
    chi2: np.ndarray
    held: np.ndarray


def trace_of(found: Tuning) -> FitTrace:
    """The way of a finished fit."""
    return FitTrace(found.parameters, found.trace_theta, found.trace_chi2, found.trace_held)


def trace_so_far(seen: Progress) -> FitTrace | None:
    """The way of a fit as far as a snapshot knows it; None where it knows none."""
    arrays = seen.arrays
    if "trace_chi2" not in arrays:
        return None
    names = tuple(map(str, arrays["parameters"]))
    return FitTrace(names, arrays["theta"], arrays["trace_chi2"], arrays["trace_held"])
