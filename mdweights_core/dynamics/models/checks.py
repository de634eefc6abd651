"""Derivatives of a model looked at before they are trusted: against differences, where a simulation begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.dynamics.models.base import Array, Model, Parameter, Simulated, gradient
from mdweights_core.errors import BadInput

AGREE = 1e-5
"""Relative difference up to which derivatives agree with differences."""

_STEP = 1e-3  # of differences: share of a thermal displacement, and of a parameter
_SHORTER = 0.03
_PLACES = 2  # looked at: the start itself, and one displaced from it
_LEAST = 1e-2  # kT, in units of the system's own, of displacements where it is at rest
_ROUNDING = 1e-10  # of forces that cancel
_TOO_MANY = 1500  # variables; more have no explicit Hessian that is worth comparing


def checked(it: Simulated) -> Simulated:
    """Compare all derivatives of a model with central differences, and say which parameters change nothing.

    Gradient, product of the Hessian with a direction and d2E/dx dtheta are looked at where the simulation begins and
    at a random displacement from there, as large as heat makes it.

    Returns
    -------
    Simulated
        With a remark for each parameter on which no force depends.

    Raises
    ------
    BadInput
        Where a derivative is not finite or does not agree; the sentence names the term of the energy, and the
        parameter.
    """
    theta = it.theta
    forceless = np.ones(len(theta), dtype=bool)
    for x, v in thermal_places(it, _PLACES):
        problem = _problem(it.model, it.parameters, x, v)
        if problem is not None:
            raise _refusal(it.model, it.parameters, x, v, problem)
        forceless &= ~np.any(_mixed(it.model, x, theta) != 0, axis=0)
    idle = [parameter.name for parameter, is_idle in zip(it.parameters, forceless, strict=True) if is_idle]
    return replace(it, remarks=(*it.remarks, *(_idle(name) for name in idle)))


def _idle(name: str) -> str:
    return f"No force depends on the parameter {name}: averages over positions alone do not change with it."


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class _OneTerm:
    """One term of a model that is a sum of terms."""

    whole: Any
    name: str = field(metadata={"static": True})
    n: int = field(metadata={"static": True})

    def energy(self, x: Array, theta: Array) -> Array:
        """Energy of that term."""
        found: Array = self.whole.as_energy(theta).terms[self.name].energy(x.reshape(-1, 3))
        return found


@dataclass(frozen=True)
class _Problem:
    """What is wrong, as parts of a sentence."""

    what: str
    how: str


@jax.jit
def _value_and_gradient(model: Any, x: Array, theta: Array) -> tuple[Array, Array]:
    return jax.value_and_grad(model.energy)(x, theta)


@jax.jit
def _along(model: Any, x: Array, theta: Array, v: Array, w: Array) -> Array:
    """Derivative of the gradient along a direction of positions [N] and parameters [P]: one program for all."""
    return jax.jvp(partial(gradient, model), (x, theta), (v, w))[1]


def _hessian_product(model: Any, x: Array, theta: Array, v: Array) -> np.ndarray:
    return np.asarray(_along(model, x, theta, v, jnp.zeros_like(theta)))


def _mixed(model: Any, x: Array, theta: Array) -> np.ndarray:
    """d2E/dx dtheta [N, P]."""
    still = jnp.zeros_like(x)
    return np.stack([np.asarray(_along(model, x, theta, still, w)) for w in jnp.eye(len(theta))], axis=1)


@jax.jit
def _explicit(model: Any, x: Array, theta: Array) -> tuple[Array, Array, Array]:
    found: tuple[Array, Array, Array] = model.curvature(x, theta)
    return found


def thermal_places(it: Simulated, count: int) -> Iterator[tuple[Array, Array]]:
    """Configurations [N], the start and others that heat brings about; and small displacements [N] for differences."""
    rng = np.random.default_rng(0)
    for place in range(count):
        v = jnp.asarray(rng.normal(size=it.n))
        v = v * _thermal(it, v)
        yield it.start + min(place, 1) * v, _STEP * jnp.asarray(rng.normal(size=it.n)) * jnp.std(v)


def _thermal(it: Simulated, v: Array) -> float:
    """Length along a direction at which the energy rises by kT/2 for each variable, were it harmonic."""
    kt = max(float(it.kt), _LEAST)
    stiffness = float(jnp.vdot(v, _hessian_product(it.model, it.start, it.theta, v)))
    if np.isfinite(stiffness) and abs(stiffness) > 0:
        return float(np.sqrt(kt * it.n / abs(stiffness)))
    return float(1e-2 * max(1.0, float(jnp.std(it.start))))


def _problem(model: Any, parameters: tuple[Parameter, ...], x: Array, v: Array) -> _Problem | None:
    """The first thing that is wrong at a place with steps of two lengths: a jump of third derivatives is not."""
    found = next(_problems(model, parameters, x, v), None)
    return None if found is None else next(_problems(model, parameters, x, _SHORTER * v), None)


def _problems(model: Model, parameters: tuple[Parameter, ...], x: Array, v: Array) -> Iterator[_Problem]:
    """What is wrong at a place."""
    theta = jnp.asarray([parameter.value for parameter in parameters], dtype=x.dtype)
    energy, slope = _value_and_gradient(model, x, theta)
    if not (np.isfinite(energy) and np.isfinite(slope).all()):
        yield _Problem("The energy, or a force,", "is not finite")
        return
    mixed = _mixed(model, x, theta)
    if not np.isfinite(mixed).all():
        yield _Problem(f"The derivative of the forces by {_culprits(model, parameters, x, theta)}", "is not finite")
        return
    ahead, behind = ([_value_and_gradient(model, x + k * v, theta) for k in steps] for steps in ((1, 2), (-1, -2)))
    rise = _difference([float(a[0] - b[0]) for a, b in zip(ahead, behind, strict=True)])
    noise = AGREE * float(jnp.linalg.norm(slope * v)) + _ROUNDING * max(abs(float(energy)), 0.1)
    yield from _compared("The gradient of the energy", float(slope @ v), rise, noise)
    bend = _difference([np.asarray(a[1] - b[1]) for a, b in zip(ahead, behind, strict=True)])
    yield from _compared("The Hessian of the energy", _hessian_product(model, x, theta, v), bend)
    for p, parameter in enumerate(parameters):
        yield from _compared(
            f"The derivative of the forces by {parameter.name}",
            mixed[:, p],
            _by_parameter(model, parameter, p, x, theta),
        )
    yield from _explicit_problems(model, x, theta, np.asarray(slope), mixed, v)


def _culprits(model: Model, parameters: tuple[Parameter, ...], x: Array, theta: Array) -> str:
    """The parameters that have to move a little for all derivatives to be finite: where one is not, none is."""
    found = []
    for p, parameter in enumerate(parameters):
        step = _STEP * max(abs(parameter.value), 1e-2)
        moved = theta.at[p].add(step if parameter.value + step <= parameter.high else -step)
        if np.isfinite(_mixed(model, x, moved)).all():
            found.append(parameter.name)
    return ", ".join(found) or "its parameters"


def _by_parameter(model: Model, parameter: Parameter, p: int, x: Array, theta: Array) -> np.ndarray | None:
    """Differences of the gradient by a parameter; None where its bounds leave no room."""
    value = float(theta[p])
    room = min(value - parameter.low, parameter.high - value) / 2
    step = min(_STEP * max(abs(value), 1e-2), room)
    if step <= 0:
        return None
    slopes = {k: np.asarray(_value_and_gradient(model, x, theta.at[p].add(k * step))[1]) for k in (-2, -1, 1, 2)}
    return np.asarray(_difference([slopes[1] - slopes[-1], slopes[2] - slopes[-2]]) / step)


def _explicit_problems(
    model: Any, x: Array, theta: Array, slope: np.ndarray, mixed: np.ndarray, v: Array
) -> Iterator[_Problem]:
    """Whether derivatives in closed form are those of automatic differentiation."""
    if not hasattr(model, "curvature") or len(x) > _TOO_MANY:
        return
    found = [np.asarray(part) for part in _explicit(model, x, theta)]
    yield from _compared("The gradient in closed form", found[0], slope)
    yield from _compared("The Hessian in closed form", found[1] @ np.asarray(v), _hessian_product(model, x, theta, v))
    yield from _compared("The derivative of the forces by parameters in closed form", found[2], mixed)


def _difference(of_two: list[Any]) -> Any:
    """Central difference of fourth order from f(1) - f(-1) and f(2) - f(-2)."""
    near, far = of_two
    return (8 * near - far) / 12


def _compared(what: str, found: Any, expected: Any, noise: float = _ROUNDING) -> Iterator[_Problem]:
    """A problem where two derivatives differ, by more than rounding makes of the numbers they come from."""
    if not np.isfinite(np.asarray(found)).all():
        yield _Problem(what, "is not finite")
        return
    if expected is None:
        return
    size = max(float(np.linalg.norm(found)), float(np.linalg.norm(expected)))
    away = float(np.linalg.norm(np.asarray(found) - np.asarray(expected)))
    if not away <= AGREE * size + noise:
        yield _Problem(what, f"does not agree with differences: the two differ by {away / size:.2g} of their size")


def _refusal(model: Any, parameters: tuple[Parameter, ...], x: Array, v: Array, problem: _Problem) -> BadInput:
    """Name the term that a problem comes from, where the energy is a sum of terms."""
    where = ""
    if hasattr(model, "as_energy"):
        theta = jnp.asarray([parameter.value for parameter in parameters])
        for name in model.as_energy(theta).terms:
            found = _problem(_OneTerm(model, name, model.n), parameters, x, v)
            if found is not None:
                problem, where = found, f" (term '{name}')"
                break
    return BadInput(
        f"{problem.what} {problem.how}{where} where the simulation begins",
        advice="Look at the form of the energy: it must be smooth, and no two atoms may lie in one place",
    )
