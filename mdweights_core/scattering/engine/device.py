"""Structure factors on a graphics card, and the choice between card and processor."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from mdweights_core.crystal.lattice import MillerLattice
from mdweights_core.errors import BadInput
from mdweights_core.scattering.engine.base import TransformEngine
from mdweights_core.scattering.engine.form_factors import AtomBasis
from mdweights_core.scattering.engine.protocol import Engine
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.structure_factors import ScatteringEngine

if TYPE_CHECKING:
    import jax

    from mdweights_core.scattering.engine.nufft import DeviceTransform

_BASIS_PART, _FIRST_PART, _OTHER_PART = 0.2, 0.4, 0.2  # of the error: form-factor basis, first and other transforms
_DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")  # NVIDIA, Windows' Linux, AMD


class DeviceEngine(TransformEngine):
    """`ScatteringEngine` on a device of JAX: one frame at a time, each with the whole device.

    Parameters
    ----------
    scatterers, lattice, radiation, symmetry, relative_error
        As for `ScatteringEngine`.
    device : jax.Device, optional
        By default JAX's own default.

    Raises
    ------
    BadInput
        As `ScatteringEngine`, and when the device fails or its memory is not enough.
    """

    n_workers = 1
    warnings: tuple[str, ...] = ()

    def __init__(
        self,
        scatterers: Scatterers,
        lattice: MillerLattice,
        *,
        radiation: str = "xray",
        symmetry: gemmi.SpaceGroup | None = None,
        relative_error: float = 1e-4,
        device: jax.Device | None = None,
    ) -> None:
        super().__init__(scatterers, lattice, symmetry)
        self._transform: DeviceTransform | None = None
        if self.n_atoms and self.n_hkl:
            self._transform = _transform_of(scatterers, self.asked, radiation, relative_error, device)

    @property
    def _is_empty(self) -> bool:
        return self._transform is None

    def _factors(self, turns: np.ndarray) -> np.ndarray:
        assert self._transform is not None  # else it is empty
        with _told_when_it_fails():
            return self._transform(turns)


def fastest_engine(
    scatterers: Scatterers,
    lattice: MillerLattice,
    *,
    radiation: str = "xray",
    symmetry: gemmi.SpaceGroup | None = None,
    relative_error: float = 1e-4,
    n_threads: int | None = None,
    device: str = "auto",
    positions: np.ndarray | None = None,
) -> Engine:
    """The engine on the device asked for, or on the one that computes more frames per second.

    Parameters
    ----------
    scatterers, lattice, radiation, symmetry, relative_error, n_threads
        As for `ScatteringEngine`.
    device : str
        ``"cpu"``, ``"gpu"``, or ``"auto"``: both compute a frame, and whatever goes wrong with a GPU, now or in later
        frames, the processor takes over, and the engine's ``warnings`` say so.
    positions : float [n_atoms, 3], optional
        Fractional positions of that frame; by default atoms lie anywhere.

    Raises
    ------
    BadInput
        As `ScatteringEngine`; of ``"gpu"`` also when there is none, or it fails.
    """
    if device == "gpu":
        return _on_gpu(scatterers, lattice, radiation=radiation, symmetry=symmetry, relative_error=relative_error)
    on_cpu = ScatteringEngine(
        scatterers,
        lattice,
        radiation=radiation,
        symmetry=symmetry,
        relative_error=relative_error,
        n_threads=n_threads,
    )
    if device == "cpu" or not may_have_gpu():
        return on_cpu
    if positions is None:
        positions = np.random.default_rng(0).random((len(scatterers), 3))
    try:
        on_gpu = _on_gpu(scatterers, lattice, radiation=radiation, symmetry=symmetry, relative_error=relative_error)
        is_faster = _seconds(on_gpu, positions) < _seconds(on_cpu, positions)
    except _NoGpu:
        return on_cpu
    except BadInput as problem:
        on_cpu.warnings = (_taken_over(problem),)
        return on_cpu
    return _EitherEngine(on_gpu, on_cpu) if is_faster else on_cpu


def may_have_gpu() -> bool:
    """True where a driver shows itself: asking JAX takes a second, which most machines are spared."""
    return any(Path(driver).exists() for driver in _DRIVERS)


class _NoGpu(BadInput):
    """There is no graphics card to use: nothing to tell of where none was asked for."""


def _taken_over(problem: BadInput) -> str:
    return f"{problem.what}: the CPU took over"


class _EitherEngine:
    """A card, until it fails; then the processor: a long run does not die of a card that something else fills.

    The card has one frame at a time; as many threads as the processor can use wait for it, to go on without it.
    """

    def __init__(self, on_gpu: Engine, on_cpu: ScatteringEngine) -> None:
        self.n_atoms, self.n_hkl, self.n_workers = on_cpu.n_atoms, on_cpu.n_hkl, on_cpu.n_workers
        self.warnings: tuple[str, ...] = ()
        self._on_gpu: Engine | None = on_gpu
        self._on_cpu = on_cpu
        self._one_at_a_time = threading.Lock()

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Structure factors, complex64 [n_hkl], of atoms at fractional `positions` [n_atoms, 3]."""
        factors = self._from_gpu(positions)
        return self._on_cpu(positions) if factors is None else factors

    def _from_gpu(self, positions: np.ndarray) -> np.ndarray | None:
        """None when the card fails, or did."""
        if self._on_gpu is None:
            return None
        with self._one_at_a_time:
            if self._on_gpu is None:  # it failed while this frame waited
                return None
            try:
                return self._on_gpu(positions)
            except BadInput as problem:
                self._on_gpu, self.warnings = None, (_taken_over(problem),)
                return None


def _transform_of(
    scatterers: Scatterers, lattice: MillerLattice, radiation: str, relative_error: float, device: jax.Device | None
) -> DeviceTransform | None:
    """The transforms of all form-factor shapes; None when nothing scatters."""
    import jax

    from mdweights_core.scattering.engine.nufft import DeviceTransform

    basis = AtomBasis(scatterers, lattice.inverse_d, radiation, _BASIS_PART * relative_error)
    n_shape = len(basis.shares)
    if not n_shape:
        return None
    parts = np.full(n_shape, _OTHER_PART / np.sqrt(max(n_shape - 1, 1)))
    parts[0] = _FIRST_PART
    errors = parts * relative_error / basis.shares  # the less a shape has of the whole, the less exact it must be
    with _told_when_it_fails():
        return DeviceTransform(
            lattice.hkl, basis.strengths, basis.shapes(lattice.inverse_d), errors, device or jax.devices()[0]
        )


def _on_gpu(
    scatterers: Scatterers,
    lattice: MillerLattice,
    *,
    radiation: str,
    symmetry: gemmi.SpaceGroup | None,
    relative_error: float,
) -> DeviceEngine:
    return DeviceEngine(
        scatterers, lattice, radiation=radiation, symmetry=symmetry, relative_error=relative_error, device=_first_gpu()
    )


def _first_gpu() -> jax.Device:
    import jax

    try:
        return jax.devices("gpu")[0]
    except RuntimeError as error:  # what JAX raises where it has no such platform, or its driver does not start
        raise _NoGpu(
            "No GPU can be used here", advice="Install its support with: pip install 'mdweights[gpu]', or use the CPU"
        ) from error


def _seconds(engine: Engine, positions: np.ndarray) -> float:
    """Time per frame, frames side by side, without what is done only once."""
    engine(positions)
    begin = time.perf_counter()
    engine(positions)
    return (time.perf_counter() - begin) / engine.n_workers


@contextmanager
def _told_when_it_fails() -> Iterator[None]:
    """Cards have less memory than the machine and drivers of their own, and JAX raises errors of its own for them."""
    import jax

    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        is_full = "RESOURCE_EXHAUSTED" in str(error)
        reason = "is not enough for these atoms and reflections" if is_full else "failed"
        raise BadInput(
            f"The {'memory of the ' if is_full else ''}GPU {reason}", advice="Compute on the CPU, or use a larger d_min"
        ) from error
