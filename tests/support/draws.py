"""Draws of a wide Gaussian with exact weights for the double well: what a flow leaves, without a flow."""

from __future__ import annotations

import numpy as np

from mdweights_core.energy.toys.registry import toy
from mdweights_core.flow.result import FlowSamples
from mdweights_core.workflow.sampled import Origin, Sampled

WIDTH = np.array([2.0, 1.2])
DIFFERENCE = 3.380006  # kT between the wells of the double well, by quadrature


def energy(x: np.ndarray) -> np.ndarray:
    """x^4 - 6 x^2 + x + y^2 / 2 of configurations [S, 2], kT."""
    return x[:, 0] ** 4 - 6 * x[:, 0] ** 2 + x[:, 0] + x[:, 1] ** 2 / 2


def log_weights(x: np.ndarray) -> np.ndarray:
    """-u - ln q of configurations [S, 2]."""
    log_q = -0.5 * np.sum((x / WIDTH) ** 2, axis=1) - np.log(2 * np.pi * WIDTH.prod())
    return -energy(x) - log_q


def wide_draws(count: int, *, frames: int = 0, only_left: bool = False, seed: int = 0) -> Sampled:
    """`count` draws, and exact draws of the double well as reference frames."""
    x = WIDTH * np.random.default_rng(seed).normal(size=(count, 2))
    weights = np.where((x[:, 0] > 0) & only_left, -np.inf, log_weights(x))
    samples = FlowSamples(
        x=x.astype(np.float32),
        u=energy(x),
        log_weights=weights,
        example_log_weights=np.zeros(0),
        probes=np.zeros((0, 2), np.float32),
        probe_log_weights=np.zeros(0),
        probe_log_masses=np.zeros(0),
        history=np.zeros((5, 4), np.float32),
        training_energies=1000,
        energies=count,
        seconds=1.5,
        round_trip=1e-12,
        log_det_error=1e-12,
        seed=seed,
        notes=("A note.",),
    )
    if not frames:
        return Sampled(samples, Origin(toy="double-well"))
    exact = toy("double-well").make().sample(np.random.default_rng(seed + 1), frames)
    origin = Origin(
        toy="double-well",
        frames=exact.astype(np.float32),
        frame_log_weights=log_weights(exact),
        frame_weights=np.ones(frames),
        frame_runs=np.arange(frames),
        frame_numbers=np.arange(frames),
    )
    return Sampled(samples, origin)
