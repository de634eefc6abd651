"""Minimisers on problems whose answers are known, and beside SciPy's."""

from __future__ import annotations

from functools import partial

import jax
import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from mdweights_core.energy.base import Energy, value_and_gradient
from mdweights_core.energy.curvature import stiffness_matrix
from mdweights_core.minimize.base import End, Objective, State, descend
from mdweights_core.minimize.cartesian import FreeAtoms
from mdweights_core.minimize.evaluation import evaluator
from mdweights_core.minimize.lbfgs import Lbfgs
from mdweights_core.minimize.methods import minimizer_of
from mdweights_core.minimize.precondition import Preconditioner
from mdweights_core.minimize.settings import MinimizeSettings

METHODS = ("lbfgs-preconditioned", "lbfgs", "fire", "adam")


def objective_of(energy: Energy, starts: np.ndarray) -> Objective:
    return Objective(evaluator(energy), FreeAtoms(starts[0]), len(starts), partial(stiffness_matrix, energy))


def lowered(energy: Energy, starts: np.ndarray, settings: MinimizeSettings) -> tuple[State, list[End], Objective]:
    objective = objective_of(energy, starts)
    state, ends = descend(minimizer_of(settings), objective, starts.reshape(len(starts), -1), settings)
    return state, ends, objective


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_icosahedron(cluster: Energy, icosahedron: np.ndarray, method: str) -> None:
    starts = icosahedron + 0.01 * np.random.default_rng(1).normal(size=(3, 13, 3))
    settings = MinimizeSettings(method=method, tolerance=1e-4, patience=0, learning_rate=2e-4, max_evaluations=4000)
    state, ends, _ = lowered(cluster, starts, settings)
    np.testing.assert_allclose(state.value, -44.326801, atol=1e-6)
    assert ends == [End.CONVERGED] * 3


@pytest.mark.parametrize("method", ["lbfgs-preconditioned", "lbfgs", "fire"])
def test_a_chain_relaxes_until_nothing_is_strained(chain: Energy, bent_chains: np.ndarray, method: str) -> None:
    settings = MinimizeSettings(method=method, tolerance=1e-3, max_evaluations=30_000)
    state, ends, _ = lowered(chain, bent_chains, settings)
    assert ends == [End.CONVERGED] * 4
    np.testing.assert_allclose(state.value, 0.0, atol=1e-6)  # every bond, angle and torsion can be at its best


def test_preconditioning_saves_most_evaluations(chain: Energy, bent_chains: np.ndarray) -> None:
    counts = {}
    for method in ("lbfgs-preconditioned", "lbfgs"):
        _, _, objective = lowered(chain, bent_chains, MinimizeSettings(method=method, tolerance=0.01))
        counts[method] = np.median(objective.evaluations)
    assert counts["lbfgs-preconditioned"] < counts["lbfgs"] / 4


def test_lbfgs_needs_no_more_than_scipys(chain: Energy, bent_chains: np.ndarray) -> None:
    evaluate = evaluator(chain)
    calls = 0

    def value(z: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal calls
        calls += 1
        values, gradients = evaluate(z.reshape(1, -1, 3))
        return float(values[0]), gradients.ravel()

    options = {"maxcor": 20, "ftol": 0.0, "gtol": 1e-2, "maxfun": 5000, "maxiter": 5000}
    theirs = scipy.optimize.minimize(value, bent_chains[0].ravel(), jac=True, method="L-BFGS-B", options=options)
    there = float(np.sqrt(np.mean(theirs.jac**2)))
    _, _, objective = lowered(chain, bent_chains[:1], MinimizeSettings(method="lbfgs", tolerance=there))
    assert objective.evaluations[0] < 1.3 * calls


@pytest.mark.parametrize("method", METHODS)
def test_starts_do_not_disturb_one_another(chain: Energy, bent_chains: np.ndarray, method: str) -> None:
    settings = MinimizeSettings(method=method, tolerance=1.0, max_evaluations=300)
    together, ends, objective = lowered(chain, bent_chains, settings)
    for row in range(4):
        alone, its_end, its_own = lowered(chain, bent_chains[row : row + 1], settings)
        np.testing.assert_array_equal(together.z[row], alone.z[0])
        assert (ends[row], objective.evaluations[row]) == (its_end[0], its_own.evaluations[0])


@pytest.mark.parametrize("method", METHODS)
def test_no_step_is_longer_than_allowed(cluster: Energy, icosahedron: np.ndarray, method: str) -> None:
    start = icosahedron.copy()
    start[1] = start[2] + 0.02  # forces of 1e15 kJ/mol/nm
    settings = MinimizeSettings(method=method, max_step=0.01, learning_rate=0.01, max_evaluations=2000)
    objective = objective_of(cluster, start[None])
    minimizer = minimizer_of(settings)
    state = minimizer.init(objective, start.reshape(1, -1))
    for _ in range(50):
        before = state.z.copy()
        state = minimizer.step(objective, state)
        assert np.abs(state.z - before).max() <= 0.011
    assert np.isfinite(state.value[0])
    assert state.value[0] < 1e3 * abs(-44.3)


def test_an_overlap_is_survived_and_the_minimum_found(cluster: Energy, icosahedron: np.ndarray) -> None:
    start = icosahedron.copy()
    start[1] = start[2] + 1e-3
    state, ends, _ = lowered(cluster, start[None], MinimizeSettings(tolerance=1e-3))
    assert ends == [End.CONVERGED]
    assert state.value[0] < -37


def test_a_start_that_is_no_number_ends_at_once_and_the_others_go_on(cluster: Energy, icosahedron: np.ndarray) -> None:
    both = np.stack([icosahedron, 1.02 * icosahedron])
    both[0, 1] = both[0, 2]
    state, ends, objective = lowered(cluster, both, MinimizeSettings(tolerance=1e-3))
    assert ends == [End.NOT_FINITE, End.CONVERGED]
    assert objective.evaluations[0] == 1
    np.testing.assert_allclose(state.value[1], -44.326801, atol=1e-6)


def test_adam_takes_the_steps_of_optax(chain: Energy, bent_chains: np.ndarray) -> None:
    import optax

    settings = MinimizeSettings(method="adam", learning_rate=1e-3, patience=0, max_evaluations=31)
    state, _, _ = lowered(chain, bent_chains[:1], settings)
    method = optax.adam(1e-3)
    x, memory = jax.numpy.asarray(bent_chains[0]), None
    memory = method.init(x)
    for _ in range(30):
        updates, memory = method.update(value_and_gradient(chain, x)[1], memory)
        x = optax.apply_updates(x, updates)
    np.testing.assert_allclose(state.z[0].reshape(-1, 3), x, atol=1e-9)


def test_adam_ends_early_when_it_gains_no_more(cluster: Energy, icosahedron: np.ndarray) -> None:
    settings = MinimizeSettings(method="adam", tolerance=1e-9, learning_rate=1e-2, min_delta=1e-2, patience=5)
    _, ends, objective = lowered(cluster, icosahedron[None] * 1.001, settings)
    assert ends == [End.EARLY]
    assert objective.evaluations[0] < 1000


def test_the_limit_of_evaluations_is_kept(chain: Energy, bent_chains: np.ndarray) -> None:
    state, ends, objective = lowered(chain, bent_chains, MinimizeSettings(tolerance=1e-9, max_evaluations=7))
    assert ends == [End.LIMIT] * 4
    assert objective.evaluations.tolist() == state.evaluations.tolist() == [7] * 4


def test_fixed_atoms_stay(chain: Energy, bent_chains: np.ndarray) -> None:
    fixed = np.arange(20) < 5
    variables = FreeAtoms(bent_chains[0], fixed)
    objective = Objective(evaluator(chain), variables, 1, partial(stiffness_matrix, chain))
    settings = MinimizeSettings(tolerance=1e-3)
    state, ends = descend(minimizer_of(settings), objective, variables.variables(bent_chains[:1]), settings)
    x = objective.coordinates(state.z)[0]
    np.testing.assert_array_equal(x[fixed], bent_chains[0, fixed])
    force = evaluator(chain)(x[None])[1][0]
    assert ends == [End.CONVERGED]
    assert np.sqrt(np.mean(force[~fixed] ** 2)) <= 1e-3
    assert np.abs(force[fixed]).max() > 1


def test_nothing_lower_is_said(chain: Energy) -> None:
    def stepped(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A slope whose energy rises the other way."""
        return -x.sum(axis=(1, 2)), np.ones_like(x)

    objective = Objective(stepped, FreeAtoms(np.zeros((2, 3))), 1)
    settings = MinimizeSettings(method="lbfgs")
    _, ends = descend(minimizer_of(settings), objective, np.zeros((1, 6)), settings)
    assert ends == [End.STALLED]


def test_the_curvature_is_the_hessian_where_nothing_is_strained(chain: Energy, bent_chains: np.ndarray) -> None:
    state, _, _ = lowered(chain, bent_chains[:1], MinimizeSettings(tolerance=1e-6))
    x = state.z.reshape(20, 3)
    hessian = jax.jit(jax.hessian(lambda at: chain(at.reshape(20, 3))))(x.ravel())
    found = stiffness_matrix(chain, x).toarray()
    np.testing.assert_allclose(found, hessian, atol=1e-6 * np.abs(hessian).max())


def test_a_preconditioner_that_is_the_hessian_makes_newtons_method() -> None:
    rng = np.random.default_rng(3)
    half = rng.normal(size=(12, 12))
    hessian = half @ half.T + 5 * np.eye(12)

    def quadratic(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z = x.reshape(len(x), 12)
        return 0.5 * np.einsum("ri,ij,rj->r", z, hessian, z), (z @ hessian).reshape(x.shape)

    curvature = scipy.sparse.csc_array(hessian - 5 * np.eye(12))
    objective = Objective(quadratic, FreeAtoms(np.zeros((4, 3))), 1, lambda x: curvature)
    settings = MinimizeSettings(tolerance=1e-10, max_step=10.0)
    minimizer = Lbfgs(settings, Preconditioner(floor=5.0))
    state, ends = descend(minimizer, objective, rng.normal(size=(1, 12)), settings)
    assert ends == [End.CONVERGED]
    assert state.evaluations[0] <= 3
