"""Minimisers side by side, OpenMM's among them, and the files that leave."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import openmm
import pytest
from openmm import app

from mdweights_core import jobs
from mdweights_core.energy.base import Energy, value_and_gradient
from mdweights_core.energy.openmm_system import energy_of
from mdweights_core.errors import BadInput
from mdweights_core.minimize.compare import Comparison, compare, draw, write_table, write_traces
from mdweights_core.minimize.frames import write_frames
from mdweights_core.minimize.openmm_yardstick import openmm_minimize
from mdweights_core.minimize.result import NOT_BEGUN
from mdweights_core.minimize.settings import MinimizeSettings


@pytest.fixture(scope="module")
def system(bent_chains: np.ndarray) -> openmm.System:
    """The chain of twenty atoms as OpenMM has it."""
    n = bent_chains.shape[1]
    made, bonds, angles = openmm.System(), openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    for i in range(n):
        made.addParticle(12.0)
        if i:
            bonds.addBond(i - 1, i, 0.15, 2.5e5)
        if i > 1:
            angles.addAngle(i - 2, i - 1, i, 1.9, 500.0)
    made.addForce(bonds)
    made.addForce(angles)
    return made


@pytest.fixture(scope="module")
def energy(system: openmm.System) -> Energy:
    return energy_of(system)


@pytest.fixture(scope="module")
def comparison(energy: Energy, system: openmm.System, bent_chains: np.ndarray) -> Comparison:
    methods = ("lbfgs-preconditioned", "lbfgs", "openmm")
    return jobs.run(compare(energy, bent_chains[:2], methods, MinimizeSettings(tolerance=1.0), system=system))


@pytest.fixture(scope="module")
def topology(bent_chains: np.ndarray) -> app.Topology:
    made = app.Topology()
    chain = made.addChain("B")
    for i in range(bent_chains.shape[1]):
        made.addAtom("CA", app.element.carbon, made.addResidue("GLY", chain, str(i + 5)))
    return made


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_openmm_comes_to_the_minimum(system: openmm.System, bent_chains: np.ndarray) -> None:
    course = openmm_minimize(system, bent_chains[0], 1.0, platform="Reference")
    assert course.energy[-1] < 1e-3 < course.energy[0]
    assert course.rms_force[-1] < 1.5
    assert course.iterations[-1] == len(course.energy)
    assert (np.diff(course.seconds) >= 0).all()
    bonds = np.linalg.norm(np.diff(course.x, axis=0), axis=1)
    np.testing.assert_allclose(bonds, 0.15, atol=1e-4)


def test_all_methods_start_from_the_same(comparison: Comparison) -> None:
    starts = [found.start_energy for found in comparison.values()]
    np.testing.assert_allclose(starts[1:], starts[:-1], rtol=1e-12)
    assert list(comparison) == ["lbfgs-preconditioned", "lbfgs", "openmm"]
    for found in comparison.values():
        np.testing.assert_allclose(found.energy, 0.0, atol=0.01)


def test_a_stopped_comparison_keeps_what_is_done(energy: Energy, bent_chains: np.ndarray) -> None:
    job = compare(energy, bent_chains[:2], ("lbfgs-preconditioned", "lbfgs"))
    messages = [next(job).message, next(job).message]  # all methods' energy is compiled, the first method begins
    kept = jobs.stop(job)
    assert messages == ["compiling the energy"] * 2
    assert kept is not None
    assert list(kept) == ["lbfgs-preconditioned"]
    assert kept["lbfgs-preconditioned"].ends == (NOT_BEGUN,) * 2


def test_stopped_between_starts_of_openmm_it_keeps_those_that_are_done(
    energy: Energy, system: openmm.System, bent_chains: np.ndarray
) -> None:
    job = compare(energy, bent_chains[:2], ("openmm",), MinimizeSettings(tolerance=1.0), system=system)
    while "start 2 of 2" not in next(job).message:
        pass
    kept = jobs.stop(job)
    assert kept is not None
    found = kept["openmm"]
    assert found.ends[1] == NOT_BEGUN
    assert found.energy[0] == pytest.approx(float(value_and_gradient(energy, found.x[0])[0]))
    assert found.start_energy[0] == pytest.approx(float(value_and_gradient(energy, bent_chains[0])[0]))
    assert np.isnan([found.energy[1], found.start_energy[1]]).all()
    np.testing.assert_array_equal(found.x[1], bent_chains[1])


@pytest.mark.parametrize("method", ["modes", "modes-literal", "graph-network"])
def test_reparametrisations_come_to_the_minimum_too(energy: Energy, bent_chains: np.ndarray, method: str) -> None:
    settings = MinimizeSettings(tolerance=1.0, max_evaluations=1000, patience=0, learning_rate=1e-3)
    found = jobs.run(compare(energy, bent_chains[:1], (method,), settings))[method]
    trace = found.trace(0)
    assert found.ends == ("converged",)
    assert trace["energy"][-1] == found.energy[0] < 0.01
    assert (np.diff(trace["energy"]) <= 0).all()
    value, gradient = value_and_gradient(energy, found.x[0])
    assert found.energy[0] == pytest.approx(float(value))
    assert found.rms_force[0] == pytest.approx(float(np.sqrt(np.mean(np.square(gradient)))))


def test_the_table_tells_evaluations_to_each_force(comparison: Comparison, tmp_path: Path) -> None:
    write_table(comparison, tmp_path / "table.csv")
    rows = rows_of(tmp_path / "table.csv")
    assert [(row["method"], row["start"]) for row in rows][:3] == [
        ("lbfgs-preconditioned", "1"),
        ("lbfgs-preconditioned", "2"),
        ("lbfgs", "1"),
    ]
    found = comparison["lbfgs"]
    until = found.until(1, 10.0)
    assert until is not None
    assert int(rows[3]["evaluations_to_10"]) == until[0]
    assert rows[3]["evaluations_to_0.01"] == ""
    assert float(rows[3]["energy"]) == found.energy[1]


def test_traces_are_those_of_the_result(comparison: Comparison, tmp_path: Path) -> None:
    write_traces(comparison, tmp_path / "traces.csv")
    rows = [row for row in rows_of(tmp_path / "traces.csv") if (row["method"], row["start"]) == ("lbfgs", "2")]
    energies = [float(row["energy"]) for row in rows]
    assert energies == comparison["lbfgs"].trace(1)["energy"].tolist()


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_plots_are_drawn(comparison: Comparison, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"plot{suffix}"
    draw(comparison, path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG" if suffix == ".png" else b"<?xml")
    assert len(content) > 10_000


@pytest.mark.parametrize("suffix", [".pdb", ".xtc"])
def test_frames_are_read_back(topology: app.Topology, bent_chains: np.ndarray, tmp_path: Path, suffix: str) -> None:
    path, first = tmp_path / f"frames{suffix}", tmp_path / "first.pdb"
    write_frames(topology, bent_chains[:1], first)
    write_frames(topology, bent_chains, path)
    read = mdtraj.load(str(path), top=str(first))
    np.testing.assert_allclose(read.xyz, bent_chains, atol=6e-4)
    assert [residue.resSeq for residue in read.topology.residues] == list(range(5, 25))


def test_another_format_is_refused(topology: Any, bent_chains: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\.pdb or \.xtc"):
        write_frames(topology, bent_chains, tmp_path / "frames.dcd")
