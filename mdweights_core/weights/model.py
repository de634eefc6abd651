"""The jitted passes over the structure factors: intensity, correlation, gradient and the Gauss-Newton model.

All arrays are arguments (a captured array would be compiled in as a constant). Big arrays are float32, sums over
reflections and everything of the size of the frames float64.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mdweights_core.weights.problem import WeightProblem

Array = jax.Array
_GRAM_BLOCK = 4096
_FLOOR = 1e-12


class ModelArrays(NamedTuple):
    """A `WeightProblem` on the device.

    Shapes: T frames, K images per group, G groups, S shells.
    """

    e_re: Array  # float32 [T, K, G]
    e_im: Array  # float32 [T, K, G]
    power: Array  # float32 [T, G]  Laue average of |E|^2
    share: Array  # float32 [K, G]
    centre_re: Array  # float32 [K, G]
    centre_im: Array  # float32 [K, G]
    observed: Array  # float64 [G]  projected, zero off the work set, unit length
    work: Array  # float64 [G]  1 on the work set
    spline: Array  # float32 [G, S]
    means: Array  # float32 [S, G]  shell means over the work set
    floor: Array  # float64 []  squared length under which a projected map is rounding noise


def model_arrays(problem: WeightProblem, *, anisotropic: bool) -> ModelArrays:
    """Put `problem` on the device for the anisotropic or the total correlation coefficient."""
    e_re, e_im = jnp.asarray(problem.deviation.real), jnp.asarray(problem.deviation.imag)
    share = jnp.asarray(problem.share)
    operator = problem.operator
    n_groups = len(problem.observed)
    means = np.zeros((operator.n_shells, n_groups), dtype=np.float32)
    means[operator.member, np.arange(n_groups)] = operator.mean_weight
    spline = operator.spline if anisotropic else np.zeros((n_groups, 1))
    work = (~problem.free).astype(np.float64)
    target = operator(problem.observed) if anisotropic else np.asarray(problem.observed, dtype=np.float64)
    target = work * (target - target @ work / work.sum())
    length = np.linalg.norm(target)
    power = _power(e_re, e_im, share)
    # of the median frame: one that is quite another than the rest must not raise what counts as noise
    usual = jnp.median(_squared_lengths(power))
    return ModelArrays(
        e_re,
        e_im,
        power,
        share,
        jnp.asarray(problem.centre.real, dtype=jnp.float32),
        jnp.asarray(problem.centre.imag, dtype=jnp.float32),
        jnp.asarray(target / (length if length > 0 else 1.0)),
        jnp.asarray(work),
        jnp.asarray(spline, dtype=jnp.float32),
        jnp.asarray(means if anisotropic else np.zeros((1, n_groups)), dtype=jnp.float32),
        _FLOOR * usual,
    )


@jax.jit
def _power(e_re: Array, e_im: Array, share: Array) -> Array:
    return jnp.einsum("tkg,kg->tg", e_re**2 + e_im**2, share)


@jax.jit
def _squared_lengths(rows: Array) -> Array:
    return jnp.sum(rows.astype(jnp.float64) ** 2, axis=1)


def _mean_deviation(weights: Array, arrays: ModelArrays) -> tuple[Array, Array]:
    w = weights.astype(jnp.float32)
    return jnp.tensordot(w, arrays.e_re, 1), jnp.tensordot(w, arrays.e_im, 1)


@jax.jit
def intensity(weights: Array, arrays: ModelArrays) -> Array:
    """Laue-averaged diffuse intensity of normalised weights [T]: float64 [G]."""
    m_re, m_im = _mean_deviation(weights, arrays)
    mean_power = jnp.tensordot(weights.astype(jnp.float32), arrays.power, 1)
    return mean_power.astype(jnp.float64) - jnp.sum(arrays.share * (m_re**2 + m_im**2), axis=0)


@jax.jit
def raw_intensity(weights: Array, arrays: ModelArrays) -> Array:
    """The same formula for weights that need not sum to one, as the prototype used it: float64 [G].

    With s = sum w it holds an extra (1 - s) (2 Re conj(c) m + s |c|^2): Bragg intensity leaking into the diffuse map.
    """
    m_re, m_im = _mean_deviation(weights, arrays)
    c_re, c_im, total = arrays.centre_re, arrays.centre_im, jnp.sum(weights)
    leak = 2 * (c_re * m_re + c_im * m_im) + total.astype(jnp.float32) * (c_re**2 + c_im**2)
    return intensity(weights, arrays) + (1 - total) * jnp.sum(arrays.share * leak, axis=0)


def project(values: Array, arrays: ModelArrays) -> Array:
    """Remove the isotropic curve (if the objective does) and the mean, and blank the free set: [G] -> [G]."""
    values = values - arrays.spline @ (arrays.means @ values)
    return arrays.work * (values - values @ arrays.work / arrays.work.sum())


def correlation(calculated: Array, arrays: ModelArrays) -> Array:
    """Pearson correlation with the observed map on the work set, after the objective's projection."""
    projected = project(calculated, arrays)
    # An ensemble collapsed on one frame has no diffuse intensity: 0 instead of 0/0.
    length = jnp.sqrt(jnp.sum(projected**2) + arrays.floor)
    return arrays.observed @ projected / length


def relative_entropy(weights: Array, prior: Array) -> Array:
    """KL(w || w0) = sum w ln(w / w0), zero weights contributing nothing."""
    safe = jnp.where(weights > 0, weights, 1.0)
    return jnp.sum(jnp.where(weights > 0, weights * jnp.log(safe / prior), 0.0))


def gain(weights: Array, arrays: ModelArrays, theta: Array, prior: Array) -> Array:
    """What solvers maximise: CC - theta KL(w || w0)."""
    return correlation(intensity(weights, arrays), arrays) - theta * relative_entropy(weights, prior)


@jax.jit
def gain_and_gradient(weights: Array, arrays: ModelArrays, theta: Array, prior: Array) -> tuple[Array, Array]:
    """`gain` and its gradient in the weights [T], float64."""
    return jax.value_and_grad(gain)(weights, arrays, theta, prior)


class QuadraticModel(NamedTuple):
    """The correlation as a function of weights with the mean structure factors frozen.

    x(w) = sum_t w_t D_t with D_t = |F_t - m|^2, so that CC(w) = b.w / sqrt(w.N.w).
    """

    gram: Array  # float64 [T, T]  N = <A D_t, A D_t'>
    overlap: Array  # float64 [T]  b = <A D_t, A y> / |A y|


@jax.jit
def quadratic_model(weights: Array, arrays: ModelArrays) -> QuadraticModel:
    """Freeze m at `weights` and form the normal equations."""
    m_re, m_im = _mean_deviation(weights, arrays)
    cross = jnp.einsum("tkg,kg->tg", arrays.e_re, arrays.share * m_re)
    cross += jnp.einsum("tkg,kg->tg", arrays.e_im, arrays.share * m_im)
    model = arrays.power - 2 * cross + jnp.sum(arrays.share * (m_re**2 + m_im**2), axis=0)
    model -= (model @ arrays.means.T) @ arrays.spline.T
    work = arrays.work.astype(jnp.float32)
    model = (model - (model @ work / work.sum())[:, None]) * work
    return QuadraticModel(_gram(model), model @ arrays.observed)


def _gram(rows: Array) -> Array:
    """rows rows^T, float32 products of blocks summed in float64; rows are brought to size one, whatever their units."""
    size = jnp.max(jnp.abs(rows), axis=1, keepdims=True)
    size = jnp.where(size > 0, size, 1.0)
    rows = rows / size
    n_blocks = -(-rows.shape[1] // _GRAM_BLOCK)
    padded = jnp.pad(rows, ((0, 0), (0, n_blocks * _GRAM_BLOCK - rows.shape[1])))

    def add(i: Array, total: Array) -> Array:
        block = jax.lax.dynamic_slice_in_dim(padded, i * _GRAM_BLOCK, _GRAM_BLOCK, axis=1)
        return total + (block @ block.T).astype(jnp.float64)

    start = jnp.zeros((rows.shape[0], rows.shape[0]), dtype=jnp.float64)
    wide = size.astype(jnp.float64)
    return wide * jax.lax.fori_loop(0, n_blocks, add, start) * wide.T


class Segment(NamedTuple):
    """Projected intensity along w + alpha (v - w): zeroth + alpha first + alpha^2 second, as inner products."""

    overlap: Array  # float64 [3]  <A x_i, A y>
    gram: Array  # float64 [3, 3]  <A x_i, A x_j>


@jax.jit
def segment(weights: Array, target: Array, arrays: ModelArrays) -> Segment:
    """All that is needed to know CC anywhere on the line from `weights` to `target` (both normalised)."""
    direction = target - weights
    m_re, m_im = _mean_deviation(weights, arrays)
    d_re, d_im = _mean_deviation(direction, arrays)
    zeroth = intensity(weights, arrays)
    first = jnp.tensordot(direction.astype(jnp.float32), arrays.power, 1)
    first = first - 2 * jnp.sum(arrays.share * (m_re * d_re + m_im * d_im), axis=0)
    second = -jnp.sum(arrays.share * (d_re**2 + d_im**2), axis=0)
    terms = jnp.stack([project(x.astype(jnp.float64), arrays) for x in (zeroth, first, second)])
    return Segment(terms @ arrays.observed, terms @ terms.T)


def correlation_along(line: Segment, alpha: np.ndarray) -> np.ndarray:
    """CC at the points `alpha` [n] of a segment, float64 [n]."""
    powers = np.stack([np.ones_like(alpha), alpha, alpha**2], axis=1)
    overlap = powers @ np.asarray(line.overlap)
    norm = np.einsum("ni,ij,nj->n", powers, np.asarray(line.gram), powers)
    return overlap / np.sqrt(np.maximum(norm, 1e-300))
