"""Whether derivatives are to be believed: estimators beside each other, growth of tangents, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc, stdtr

from mdweights_core.dynamics.result import REFUSED, UNVERIFIED, VERIFIED, Estimate
from mdweights_core.errors import counted

AGREE = 4.0
"""Combined standard errors within which two estimators agree."""

_BEYOND = 6.0  # combined standard errors that chance does not explain in any table
_CHANCE = 0.01  # so unlikely must a number of disagreements be to count
_SHARE = (
    0.3  # of the largest relative derivative of an observable: what is much smaller than that need not be told apart
)
_ROUNDING = 1e-9
_OFF = 0.1  # of the temperature: more than the error of a sound step


@dataclass(frozen=True, eq=False)
class Verdict:
    """What estimators say of one another.

    Attributes
    ----------
    verdicts : str [M, P]
    verdict : str
        Of all.
    recommended : str
        The estimator to use.
    notes : tuple of str
        The first one says why.
    """

    verdicts: np.ndarray
    verdict: str
    recommended: str
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two estimators beside each other.

    Attributes
    ----------
    apart : float64 [M, P]
        Their difference in combined standard errors.
    tells : bool [M, P]
        Whether a difference as large as the derivative itself would have been seen.
    """

    apart: np.ndarray
    tells: np.ndarray

    @property
    def agrees(self) -> np.ndarray:
        """Where they agree, and would not if one were wrong, bool [M, P]."""
        return self.tells & ~self.differs

    @property
    def differs(self) -> np.ndarray:
        """Where they do not agree, bool [M, P]."""
        return self.apart > AGREE


def compared(one: Estimate, other: Estimate, theta: np.ndarray) -> Comparison:
    """Two estimates at parameters theta [P] beside each other."""
    combined = np.hypot(one.error, other.error)
    size = np.maximum(np.abs(one.jacobian), np.abs(other.jacobian))
    difference = np.maximum(np.abs(one.jacobian - other.jacobian) - _ROUNDING * size, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(difference > 0, difference / combined, 0.0)
        relative = np.max(size * np.abs(theta), axis=1, keepdims=True) / np.abs(theta)
    scale = np.maximum(size, _SHARE * np.where(np.isfinite(relative), relative, 0.0))
    return Comparison(apart, AGREE * combined <= scale)


def judged(
    estimates: Mapping[str, Estimate],
    theta: np.ndarray,
    blocks: int,
    *,
    given_up: str = "",
) -> Verdict:
    """Set estimators beside each other.

    The likelihood ratio is of the very ensemble that was simulated, and its word counts before that of the covariance,
    which is of Boltzmann's.

    Parameters
    ----------
    estimates : mapping of str to Estimate
        By the name of the estimator; pathwise derivatives that were given up are not among them.
    theta : float64 [P]
    blocks : int
        That errors were taken from.
    given_up : str
        Why pathwise derivatives were, as a sentence; empty where they were not, or not asked for.
    """
    names = [name for name in ("pathwise", "likelihood", "covariance") if name in estimates]
    first, *others = names
    pairs = {name: compared(estimates[first], estimates[name], theta) for name in others}
    verdicts = _verdicts(pairs, estimates[first].jacobian.shape)
    overall, reason = _overall(verdicts, pairs, blocks, first)
    recommended = first if len(names) == 1 or (first == "pathwise" and overall != REFUSED) else _least_noise(estimates)
    notes = [reason]
    if given_up:
        notes = [given_up, f"Of the others: {reason}"]
        overall, verdicts = REFUSED, np.full_like(verdicts, REFUSED)
    if "pathwise" in pairs or (first == "pathwise" and overall == REFUSED):
        notes.append(_of_the_others(estimates, theta))
    if first == "pathwise" and overall != REFUSED:
        notes.extend(_of_the_step(pairs))
    return Verdict(verdicts, overall, recommended, tuple(note for note in notes if note))


def _verdicts(pairs: Mapping[str, Comparison], shape: tuple[int, ...]) -> np.ndarray:
    agrees, differs = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for name in ("likelihood", "covariance"):  # in this order: the first one that tells decides
        if name in pairs:
            differs |= pairs[name].differs & ~agrees
            agrees |= pairs[name].agrees & ~differs
    return np.where(differs, REFUSED, np.where(agrees, VERIFIED, UNVERIFIED))


def _overall(verdicts: np.ndarray, pairs: Mapping[str, Comparison], blocks: int, first: str) -> tuple[str, str]:
    """The verdict of all derivatives, and a sentence."""
    if not pairs:
        return UNVERIFIED, f"There is no second estimator beside {first}: nothing verifies these derivatives."
    told = counted(verdicts.size, "derivative")
    beside = " and ".join(pairs)
    refused, verified = int(np.sum(verdicts == REFUSED)), int(np.sum(verdicts == VERIFIED))
    worst = max(float(np.max(pair.apart, where=verdicts == REFUSED, initial=0.0)) for pair in pairs.values())
    if refused and (worst > _BEYOND or _more_than_chance(refused, verdicts.size, blocks)):
        return REFUSED, (
            f"{first} and {beside} disagree in {refused} of {told}, by up to {worst:.1f} combined standard errors "
            f"({AGREE:g} are allowed)."
        )
    chance = f", {refused} differ as chance lets them" if refused else ""
    if verified + refused == verdicts.size:
        return VERIFIED, f"{first} agrees with {beside} in {verified} of {told}{chance}."
    return UNVERIFIED, (
        f"{first} agrees with {beside} in {verified} of {told}{chance}; the others are too noisy to tell. "
        "More steps or replicas would."
    )


def _more_than_chance(refused: int, size: int, blocks: int) -> bool:
    """Whether Student's t would let so many of a table be so far apart less often than once in a hundred tables."""
    return bool(bdtrc(refused - 1, size, 2 * stdtr(blocks - 1, -AGREE)) < _CHANCE)


def _least_noise(estimates: Mapping[str, Estimate]) -> str:
    """Of covariance and likelihood ratio, the one with the smaller errors; else what there is."""
    names = [name for name in ("covariance", "likelihood") if name in estimates] or list(estimates)
    if len(names) == 1:
        return names[0]
    errors = [estimates[name].error for name in names]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nanmedian(np.log(errors[1]) - np.log(errors[0])) if np.any(errors[0] > 0) else 0.0
    return names[1] if ratio < 0 else names[0]


def _of_the_others(estimates: Mapping[str, Estimate], theta: np.ndarray) -> str:
    """How covariance and likelihood ratio agree with each other where pathwise derivatives are refused."""
    if not {"likelihood", "covariance"} <= set(estimates):
        return ""
    pair = compared(estimates["likelihood"], estimates["covariance"], theta)
    return (
        f"Likelihood ratio and covariance differ in {int(np.sum(pair.differs))} of "
        f"{counted(pair.differs.size, 'derivative')}: use {_least_noise(estimates)}."
    )


def _of_the_step(pairs: Mapping[str, Comparison]) -> list[str]:
    """What a covariance that stands alone against the two others says of the time step."""
    if set(pairs) != {"likelihood", "covariance"}:
        return []
    alone = pairs["covariance"].differs & pairs["likelihood"].agrees
    if not alone.any():
        return []
    return [
        f"Covariance alone differs in {counted(int(alone.sum()), 'derivative')}: the ensemble of this step is not "
        "Boltzmann's. A shorter step brings them together."
    ]


def grew(growth: float, steps: int, exponent: float) -> str:
    """Why pathwise derivatives were given up."""
    which = "a disturbance" if exponent > 0 else "the disturbance of one replica"
    return (
        f"Pathwise derivatives were given up after {counted(steps, 'step')}: {which} had grown {growth:.0f}-fold, and "
        f"derivatives with it (mean exponent {exponent:+.3g} per unit of time)."
    )


def neutral(exponent: float) -> list[str]:
    """What is said of a dynamics that does not contract."""
    if not exponent >= 0:
        return []
    return [
        f"Disturbances do not die out (exponent {exponent:+.3g} per unit of time), so that pathwise derivatives get "
        "noisier with time. More friction may help."
    ]


def off_temperature(temperature: float, independent: int, step: float) -> list[str]:
    """What is said of a kinetic temperature, in units of the one asked for, over about so many independent numbers."""
    if not abs(temperature - 1) > _OFF + _BEYOND * np.sqrt(2 / independent):
        return []
    return [
        f"The kinetic temperature was {temperature:.3g} times what was asked for: steps of {step:g} are too long, and "
        "averages are not those of the ensemble. Take shorter ones."
    ]


def drifts(names: Sequence[str], halves: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """What is said where both halves of a simulation, values and errors [M] each, do not agree."""
    (first, first_error), (second, second_error) = halves
    combined = np.hypot(first_error, second_error)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(combined > 0, np.abs(second - first) / combined, 0.0)
    worst = int(np.argmax(apart))
    if not apart[worst] > _BEYOND:
        return []
    return [
        f"{names[worst]} is {first[worst]:.4g} in the first half and {second[worst]:.4g} in the second, "
        f"{apart[worst]:.1f} standard errors apart: the simulation was not in equilibrium. Take a longer burn-in."
    ]
