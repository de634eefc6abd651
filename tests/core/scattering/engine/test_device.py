from __future__ import annotations

import subprocess
import sys
import threading
import time

import gemmi
import jax
import numpy as np
import pytest

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.scattering.engine import device
from mdweights_core.scattering.engine.device import DeviceEngine, fastest_engine
from mdweights_core.scattering.engine.nufft import DeviceTransform, kernel_transform
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.structure_factors import ScatteringEngine
from mdweights_core.scattering.pools.pool import ThreadPool, in_order

TRICLINIC = gemmi.UnitCell(30, 31, 35, 80, 95, 110)
TETRAGONAL = gemmi.UnitCell(30, 30, 40, 90, 90, 90)
P1 = gemmi.SpaceGroup("P 1")
IDENTITY = ((np.eye(3), np.zeros(3)),)
CPU = jax.devices("cpu")[0]


def scene(cell=TRICLINIC, n_atoms=300, limit=14, ndiv=(1, 1, 1), space_group=P1):
    rng = np.random.default_rng(3)
    elements = rng.choice(["H", "C", "N", "O", "S", "Zn"], n_atoms, p=[0.5, 0.3, 0.1, 0.08, 0.01, 0.01])
    scatterers = Scatterers(elements, rng.choice([0.0, 8.0, 20.0], n_atoms), rng.choice([0.4, 1.0], n_atoms))
    lattice = MillerLattice(rng.integers(-limit, limit + 1, (400, 3)), cell, space_group, ndiv)
    return scatterers, lattice, rng.uniform(-2, 3, (n_atoms, 3))


def direct(scatterers, lattice, positions, operations=IDENTITY) -> np.ndarray:
    """The definition, atom by atom and operation by operation, with gemmi's own form factors."""
    stol2 = lattice.inverse_d**2 / 4
    total = np.zeros(len(lattice), dtype=complex)
    for j, x in enumerate(positions):
        it92 = gemmi.Element(str(scatterers.element[j])).it92
        f = np.array([it92.calculate_sf(s) for s in stol2]) * np.exp(-scatterers.b_iso[j] * stol2)
        for rotation, shift in operations:
            total += scatterers.occupancy[j] * f * np.exp(2j * np.pi * (lattice.index @ (rotation @ x + shift)))
    return total


def error(one, other) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


@pytest.mark.parametrize(("wanted", "reached"), [(1e-2, 1e-2), (1e-3, 1e-3), (1e-4, 1e-4), (1e-5, 2e-6), (1e-9, 1e-7)])
def test_equals_direct_summation(wanted, reached):
    scatterers, lattice, positions = scene()
    engine = DeviceEngine(scatterers, lattice, relative_error=wanted)
    found = engine(positions)
    assert found.dtype == np.complex64
    assert (engine.n_atoms, engine.n_hkl, engine.n_workers) == (300, 400, 1)
    assert error(found, direct(scatterers, lattice, positions)) < reached  # 1e-7: the result is complex64


def test_single_precision_reaches_1e_6_on_many_atoms_and_high_indices():
    rng = np.random.default_rng(5)
    turns, strengths = rng.random((5000, 3)), rng.uniform(0, 8, 5000)
    hkl = rng.integers((-120, -60, -40), (121, 61, 41), (200, 3))
    transform = DeviceTransform(hkl, strengths[None], np.ones((1, 200)), np.array([2e-6]), CPU)
    exact = np.exp(2j * np.pi * (hkl @ turns.T)) @ strengths
    assert error(transform(turns), exact) < 2e-6


def test_subdivided_reciprocal_axes():
    scatterers, lattice, positions = scene(ndiv=(2, 1, 3))
    found = DeviceEngine(scatterers, lattice)(positions)
    assert error(found, direct(scatterers, lattice, positions)) < 1e-4


@pytest.mark.parametrize("name", ["P 41", "I 4 2 2"])
@pytest.mark.parametrize("ndiv", [(1, 1, 1), (2, 2, 1)])
def test_expands_an_asymmetric_unit(name, ndiv):
    group = gemmi.SpaceGroup(name)
    scatterers, lattice, positions = scene(TETRAGONAL, n_atoms=60, ndiv=ndiv, space_group=group)
    operations = [(np.array(op.rot) / op.DEN, np.array(op.tran) / op.DEN) for op in group.operations()]
    found = DeviceEngine(scatterers, lattice, symmetry=group)(positions)
    assert error(found, direct(scatterers, lattice, positions, operations)) < 1e-4


@pytest.mark.parametrize("radiation", ["xray", "electron", "neutron"])
def test_agrees_with_the_processors_engine(radiation):
    scatterers, lattice, positions = scene()
    one, other = (
        engine(scatterers, lattice, radiation=radiation, relative_error=1e-6)(positions)
        for engine in (DeviceEngine, ScatteringEngine)
    )
    assert error(one, other) < 2e-6


def test_atoms_in_several_chunks_and_on_the_edge_of_the_cell():
    turns = np.random.default_rng(1).random((1301, 3))
    turns[:3] = [[0, 0, 0], [1, 1, 1], [-1e-17, 0.5, 1 - 1e-17]]
    hkl = np.random.default_rng(2).integers(-9, 10, (200, 3))
    transform = DeviceTransform(hkl, np.ones((1, 1301)), np.ones((1, 200)), np.array([1e-14]), CPU)
    assert transform.chunk == 651  # and the last atom of the second chunk is none
    assert error(transform(turns), np.exp(2j * np.pi * (hkl @ turns.T)).sum(axis=1)) < 1e-7


def test_few_reflections_make_no_grid_smaller_than_the_kernel():
    scatterers, lattice, positions = scene(n_atoms=5)
    few = MillerLattice([[0, 0, 1], [1, 0, 0], [0, 0, 0]], lattice.cell, P1)
    found = DeviceEngine(scatterers, few)(positions)
    assert np.isfinite(found).all()
    assert error(found, direct(scatterers, few, positions)) < 1e-4


def test_no_atoms_no_reflections_and_atoms_that_are_not_there():
    scatterers, lattice, positions = scene(n_atoms=4)
    assert not DeviceEngine(Scatterers.alike([]), lattice)(np.zeros((0, 3))).any()
    assert DeviceEngine(scatterers, lattice.select(slice(0)), symmetry=P1)(positions).shape == (0,)
    absent = Scatterers(scatterers.element, scatterers.b_iso, np.zeros(4))
    assert not DeviceEngine(absent, lattice)(positions).any()


def test_positions_of_another_number_of_atoms():
    scatterers, lattice, positions = scene()
    with pytest.raises(BadInput, match="300 atoms"):
        DeviceEngine(scatterers, lattice)(positions[:-1])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_positions_that_are_not_numbers(value):
    scatterers, lattice, positions = scene(n_atoms=20)
    positions[3, 1] = value
    with pytest.raises(BadInput, match="not numbers"):
        DeviceEngine(scatterers, lattice)(positions)


def test_kernel_transform_is_that_of_the_kernel():
    frequency = np.array([0.0, 0.1, 0.25])
    u = np.linspace(-1, 1, 400_001)
    kernel = np.exp(2.3 * 6 * (np.sqrt(1 - u**2) - 1))
    exact = [np.trapezoid(kernel * np.cos(6 * np.pi * f * u), u) * 3 for f in frequency]
    np.testing.assert_allclose(kernel_transform(frequency, 6), exact, rtol=1e-6)


class Fake:
    """An engine that takes its time, and fails when told to."""

    n_atoms, n_hkl = 300, 400
    warnings: tuple[str, ...] = ()

    def __init__(self, seconds=0.0, n_workers=1, fails_after=10**9):
        self.seconds, self.n_workers, self.left = seconds, n_workers, fails_after

    def __call__(self, positions):
        time.sleep(self.seconds)
        self.left -= 1
        if self.left < 0:
            raise BadInput("The memory of the GPU is not enough")
        return np.full(400, 7, dtype=np.complex64)


def use_gpu(monkeypatch, engine):
    monkeypatch.setattr(device, "may_have_gpu", lambda: True)
    monkeypatch.setattr(device, "_on_gpu", lambda *_, **__: engine)


@pytest.mark.parametrize(("seconds", "n_workers", "is_gpu"), [(0.3, 1, True), (0.02, 1, False), (0.3, 6, False)])
def test_the_engine_of_more_frames_per_second_is_taken(monkeypatch, seconds, n_workers, is_gpu):
    scatterers, lattice, _ = scene()
    on_cpu = Fake(seconds, n_workers)
    use_gpu(monkeypatch, Fake(0.1))
    monkeypatch.setattr(device, "ScatteringEngine", lambda *_, **__: on_cpu)
    engine = fastest_engine(scatterers, lattice)
    assert (engine is not on_cpu) == is_gpu
    assert (engine.n_atoms, engine.n_hkl) == (300, 400)


@pytest.mark.parametrize("fails_after", [0, 1])
def test_a_card_that_fails_at_once_is_not_taken(monkeypatch, fails_after):
    scatterers, lattice, _ = scene()
    use_gpu(monkeypatch, Fake(fails_after=fails_after))
    engine = fastest_engine(scatterers, lattice)
    assert isinstance(engine, ScatteringEngine)
    assert engine.warnings == ("The memory of the GPU is not enough: the CPU took over",)


def test_the_processor_takes_over_when_a_card_fails_later(monkeypatch):
    scatterers, lattice, positions = scene()
    card = Fake(fails_after=2)
    use_gpu(monkeypatch, card)
    monkeypatch.setattr(device, "_seconds", lambda tried, places: np.abs(tried(places)[0]) * (tried is not card))
    engine = fastest_engine(scatterers, lattice, positions=positions)
    assert (engine(positions) == 7).all()
    expected = direct(scatterers, lattice, positions)
    assert engine.warnings == ()
    for _ in range(2):
        assert error(engine(positions), expected) < 1e-4
    assert engine.warnings == ("The memory of the GPU is not enough: the CPU took over",)


def test_all_cores_go_on_when_a_card_fails_and_the_run_hears_of_it():
    class OneAtATime(Fake):
        inside = 0

        def __call__(self, positions):
            self.inside += 1
            assert self.inside == 1
            try:
                return super().__call__(positions)
            finally:
                self.inside -= 1

    class Together(Fake):
        def __init__(self):
            super().__init__(n_workers=3)
            self.all_there = threading.Barrier(3, timeout=10)

        def __call__(self, positions):
            self.all_there.wait()  # breaks unless three threads compute side by side
            return np.full(400, 8, dtype=np.complex64)

    engine = device._EitherEngine(OneAtATime(0.01, fails_after=3), Together())
    pool = ThreadPool(engine)
    frames = ((np.zeros((300, 3)), number) for number in range(9))
    found = [result for result in in_order(pool, frames) if result is not None]
    pool.close()
    assert sorted(int(factors[0].real) for factors, _ in found) == [7] * 3 + [8] * 6
    assert pool.warnings == ("The memory of the GPU is not enough: the CPU took over",)


def test_a_driver_without_a_card_is_no_obstacle(monkeypatch):
    scatterers, lattice, _ = scene()
    monkeypatch.setattr(device, "may_have_gpu", lambda: True)
    monkeypatch.setattr(jax, "devices", no_such_platform)
    engine = fastest_engine(scatterers, lattice)
    assert isinstance(engine, ScatteringEngine)
    assert engine.warnings == ()


def test_a_gpu_asked_for_that_is_not_there(monkeypatch):
    scatterers, lattice, _ = scene()
    monkeypatch.setattr(jax, "devices", no_such_platform)
    with pytest.raises(BadInput, match=r"No GPU can be used here.*mdweights\[gpu\]"):
        fastest_engine(scatterers, lattice, device="gpu")


def no_such_platform(*_):
    raise RuntimeError("Unknown backend: 'gpu' requested")


@pytest.mark.parametrize(("message", "told"), [("RESOURCE_EXHAUSTED: 9 GB", "memory of the GPU"), ("INTERNAL", "fail")])
def test_errors_of_the_device_become_sentences(monkeypatch, message, told):
    scatterers, lattice, positions = scene()
    engine = DeviceEngine(scatterers, lattice)

    def fail(*_):
        raise jax.errors.JaxRuntimeError(message)

    monkeypatch.setattr(engine, "_transform", fail)
    with pytest.raises(BadInput, match=told):
        engine(positions)


def test_the_processor_is_taken_as_asked():
    scatterers, lattice, _ = scene()
    engine = fastest_engine(scatterers, lattice, device="cpu", n_threads=1)
    assert isinstance(engine, ScatteringEngine)
    assert engine.n_workers == 1


def test_jax_is_not_loaded_where_no_driver_shows():
    code = (
        "import sys, gemmi, numpy as np\n"
        "from mdweights_core.crystal.lattice import MillerLattice\n"
        "from mdweights_core.scattering.engine import device\n"
        "from mdweights_core.scattering.engine.scatterers import Scatterers\n"
        "device._DRIVERS = ()\n"
        "lattice = MillerLattice([[1, 0, 0]], gemmi.UnitCell(9, 9, 9, 90, 90, 90), gemmi.SpaceGroup('P 1'))\n"
        "device.fastest_engine(Scatterers.alike(['C']), lattice)\n"
        "assert 'jax' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
