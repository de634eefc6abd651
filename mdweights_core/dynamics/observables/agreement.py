"""How well the diffuse intensities of an ensemble agree with an observed map: correlations, one number each.

The anisotropic one is taken after a smooth curve through shell means is removed from both maps by the same linear
operator (`crystal.shells`): most of the total correlation is the fall-off with resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.crystal.lattice import DiffuseMap
from mdweights_core.crystal.merging import average_equivalents
from mdweights_core.crystal.shells import anisotropic_operator
from mdweights_core.dynamics.observables.base import Array
from mdweights_core.dynamics.observables.waves import DiffuseIntensities, diffuse_intensities
from mdweights_core.errors import BadInput, counted

FEWEST = 20
"""Reflections of which a correlation tells something."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Curve:
    """The anisotropic operator I -> I - S M I of `crystal.shells`, as arrays that JAX takes.

    Attributes
    ----------
    member : int [n]
    mean_weight : float64 [n]
    spline : float64 [n, n_shell]
    """

    member: Array
    mean_weight: Array
    spline: Array

    def removed(self, values: Array) -> Array:
        """Values [n] less the curve through their shell means."""
        means = jax.ops.segment_sum(self.mean_weight * values, self.member, self.spline.shape[1])
        return values - self.spline @ means


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MapAgreement:
    """Correlation of diffuse intensities with a map, of the anisotropic parts and of the whole.

    Attributes
    ----------
    intensities : DiffuseIntensities
    observed : float64 [n]
        One for each group of equivalents, arbitrary scale.
    curve : Curve
    is_anisotropic : bool
        True when the curve was already taken out of the observed map: then there is no total correlation.
    names : tuple of str
    """

    intensities: DiffuseIntensities
    observed: Array
    curve: Curve
    is_anisotropic: bool = field(metadata={"static": True})
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def n_features(self) -> int:
        """Those of the intensities."""
        return self.intensities.n_features

    def features(self, x: Array, theta: Array) -> Array:
        """Those of the intensities, float64 [3 H]."""
        return self.intensities.features(x, theta)

    def combine(self, means: Array, theta: Array) -> Array:
        """The anisotropic correlation, then the total one, float64 [1 or 2]."""
        found = self.intensities.combine(means, theta)
        both = [correlation(self.curve.removed(self.observed), self.curve.removed(found))]
        if not self.is_anisotropic:
            both.append(correlation(self.observed, found))
        return jnp.stack(both)


def correlation(one: Array, other: Array) -> Array:
    """Pearson's correlation of two maps [n]."""
    one, other = one - jnp.mean(one), other - jnp.mean(other)
    return one @ other / jnp.sqrt((one @ one) * (other @ other))


def map_agreement(observed: DiffuseMap, elements: Sequence[str] | np.ndarray, label: str = "the map") -> MapAgreement:
    """Agreement with an observed map, whose equivalent reflections are averaged first.

    Parameters
    ----------
    observed : DiffuseMap
        Cut to the resolution that is wanted.
    elements : str [n_atoms]
        Of all atoms of a cell.
    label : str
        What the map is called.

    Raises
    ------
    BadInput
        Too few reflections.
    """
    merged = average_equivalents(observed)
    if len(merged.groups) < FEWEST:
        raise BadInput(f"{label} has {counted(len(merged.groups), 'reflection')} here", advice="Raise the resolution")
    operator = anisotropic_operator(merged.groups.lattice.inverse_d)
    curve = Curve(jnp.asarray(operator.member), jnp.asarray(operator.mean_weight), jnp.asarray(operator.spline))
    names = (f"anisotropic CC with {label}",)
    return MapAgreement(
        diffuse_intensities(merged.groups, elements),
        jnp.asarray(merged.intensity),
        curve,
        observed.is_anisotropic,
        names if observed.is_anisotropic else (*names, f"total CC with {label}"),
    )
