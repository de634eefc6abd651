"""Samples without a flow: draws of a Gaussian, weighted for the double well, and for a molecule of four atoms."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from app.models.sample_readings import Column, SampleReading, SampleRequest
from app.workers.sample_tasks import weigh
from mdweights_core.energy.toys.registry import toy
from mdweights_core.flow.result import FlowSamples
from mdweights_core.io.frames.atoms import Atoms
from mdweights_core.workflow.along import Along
from mdweights_core.workflow.judged import judged
from mdweights_core.workflow.sampled import Origin, Sampled

ATOMS = Atoms(
    element=np.array(["C"] * 4),
    name=np.array(["C1", "C2", "C3", "C4"]),
    residue_name=np.array(["BUT"] * 4),
    residue_number=np.ones(4, dtype=np.int32),
    chain=np.array(["A"] * 4),
)
WIDTH = np.array([2.0, 1.2])


def energy(x: np.ndarray) -> np.ndarray:
    """x^4 - 6 x^2 + x + y^2 / 2 of configurations [S, 2]."""
    return x[:, 0] ** 4 - 6 * x[:, 0] ** 2 + x[:, 0] + x[:, 1] ** 2 / 2


def draws(count: int = 4000, *, seed: int = 0) -> FlowSamples:
    """Draws of a wide Gaussian with their weights for the double well; none where `count` is 0."""
    x = WIDTH * np.random.default_rng(seed).normal(size=(count, 2))
    log_q = -0.5 * np.sum((x / WIDTH) ** 2, axis=1) - np.log(2 * np.pi * WIDTH.prod())
    u = energy(x)
    return FlowSamples(
        x=x.astype(np.float32),
        u=u,
        log_weights=-u - log_q,
        example_log_weights=np.zeros(0),
        probes=np.zeros((0, 2), np.float32),
        probe_log_weights=np.zeros(0),
        probe_log_masses=np.zeros(0),
        history=np.column_stack([np.linspace(2.5, 1.0, 30), np.zeros(30), np.zeros(30), np.zeros(30)]).astype("f4"),
        training_energies=7,
        energies=count,
        seconds=1.5,
        round_trip=1e-12,
        log_det_error=1e-13,
        seed=0,
        notes=("A note.",),
    )


def a_sample(request: SampleRequest | None = None, count: int = 4000, *, is_stopped: bool = False) -> SampleReading:
    """What a run on the double well hands back, with five frames; stopped, it has no draws."""
    request = request or SampleRequest(toy="double-well")
    samples = draws(0 if is_stopped else count)
    sampled = Sampled(samples, Origin(toy="double-well"))
    frames = np.array([[-1.8, 0.0], [-1.7, 0.3], [1.6, -0.2], [1.7, 0.1], [-1.6, 0.5]], dtype=np.float32)
    own = toy("double-well")
    first = Along(own.label, "", 0.0, own.coordinate)
    second = Along("variable 1", "", 0.0, lambda x: x[..., 1])
    columns = {one.label: Column(one, one.values(samples.x), one.values(frames)) for one in (first, second)}
    trained: Any = SimpleNamespace(is_stopped=is_stopped)
    return SampleReading(
        request=request,
        trained=trained,
        sampled=sampled,
        remarks=("A remark.",),
        judged=None if is_stopped else judged(sampled),
        weighing=None if is_stopped else weigh(samples.u, samples.log_weights, energy(frames), np.full(5, 0.2)),
        frames=frames,
        frame_weights=np.full(5, 0.2),
        frame_numbers=np.array([0, 1, 2, 5, 9]),
        columns={} if is_stopped else columns,
        boundary=own.boundary,
    )


def a_molecule_sample(request: SampleRequest | None = None, count: int = 20) -> SampleReading:
    """Draws of four atoms in a chain, each turned and shifted; the first draw is the heaviest."""
    made = a_sample(request)
    rng = np.random.default_rng(1)
    start = np.array([[0.0, 0.0, 0.0], [0.15, 0.0, 0.0], [0.2, 0.14, 0.0], [0.35, 0.15, 0.05]])
    x = (start + 0.01 * rng.normal(size=(count, 4, 3)) + rng.normal(size=(count, 1, 3))).reshape(count, -1)
    u = np.arange(count, dtype=np.float64)
    samples = replace(made.sampled.samples, x=x.astype(np.float32), u=u, log_weights=-u / count)
    sampled = Sampled(samples, Origin(temperature=300.0, energy="a chain"))
    frames = x[:3].astype(np.float32)
    along = Along("distance 0-3", "nm", 0.0, lambda x: np.linalg.norm(x[..., 9:] - x[..., :3], axis=-1))
    return replace(
        made,
        sampled=sampled,
        judged=judged(sampled),
        frames=frames,
        frame_weights=np.full(3, 1 / 3),
        frame_numbers=np.arange(3),
        columns={along.label: Column(along, along.values(x), along.values(frames))},
        boundary=float("nan"),
        atoms=ATOMS,
        start=start,
    )
