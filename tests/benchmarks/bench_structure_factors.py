"""Structure factors against other programs, against the definition, and against what was published.

Both sides of a comparison get the same atoms and reflections in the same run, in turns where they can share a process;
times are medians, without what is done once for all frames. Other programs use one thread, and so do we beside them.

As a script:  python tests/benchmarks/bench_structure_factors.py [CASE ...]
As a test:    make bench
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import gemmi
import mdtraj
import numpy as np
import psutil
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent))

from comparisons import Line, missed, show
from yardsticks import (
    CCTBX,
    GEMMI_DEFAULTS,
    GEMMI_QUICKEST,
    GemmiFFT,
    Scene,
    Unavailable,
    cctbx_fft,
    error,
    exact,
    random_scene,
    seconds_of,
)

from mdweights_core import jobs
from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.scattering.engine.device import DeviceEngine
from mdweights_core.scattering.engine.scatterers import Scatterers
from mdweights_core.scattering.engine.structure_factors import ScatteringEngine, available_threads, fractional
from mdweights_core.scattering.reflections import half_lattice
from mdweights_core.scattering.settings import Execution, PredictSettings

P1 = gemmi.SpaceGroup("P 1")
D_MIN = 2.0
WANTED = 1e-4
LYSOZYME = gemmi.UnitCell(27.424, 32.134, 34.513, 88.66, 108.46, 111.88)
MIB = 2**20


def shared_data() -> Path:
    repository = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("MDWEIGHTS_SHARED_DATA") or repository.parent / "shared" / "data")
    if not folder.is_dir():
        raise Unavailable(f"the real data is not here: {folder}")
    return folder


def adenylate_kinase() -> Scene:
    """A protein in water and an oblique box: the first frame of adk_oplsaa."""
    folder = shared_data() / "trajectories"
    source = open_frames([folder / "adk_oplsaa.xtc"], folder / "adk_oplsaa.gro")
    assert source.cell is not None
    lattice = half_lattice(source.cell, P1, D_MIN)
    return Scene(Scatterers.alike(source.atoms.element), lattice, fractional(source.positions(0), source.cell))


def sample(scene: Scene, n: int = 400) -> np.ndarray:
    return np.random.default_rng(0).choice(len(scene.lattice), n, replace=False)


def faster_than_gemmi(folder: Path) -> list[Line]:
    scene = adenylate_kinase()
    rows = sample(scene)
    truth = exact(scene, rows)
    engine = ScatteringEngine(scene.scatterers, scene.lattice, relative_error=WANTED, n_threads=1)
    our_error = error(engine(scene.fractional)[rows], truth)
    lines = []
    for (rate, cutoff), bar in ((GEMMI_QUICKEST, 15.0), (GEMMI_DEFAULTS, None)):
        gemmi_fft = GemmiFFT(scene, rate, cutoff)
        their_error = error(gemmi_fft()[rows], truth)
        rounds = [(*seconds_of(gemmi_fft, 1), *seconds_of(lambda: engine(scene.fractional), 3)) for _ in range(5)]
        theirs, ours = median(r[0] for r in rounds), median(t for r in rounds for t in r[1:])
        is_met = None if bar is None else theirs / ours >= bar and our_error <= min(WANTED, their_error)
        lines.append(
            Line(
                f"gemmi {gemmi.__version__}, rate {rate}, cutoff {cutoff:.0e}",
                f"{theirs:.3f} s, error {their_error:.1e}",
                f"{ours:.4f} s, error {our_error:.1e}",
                theirs / ours,
                "-" if bar is None else f">= {bar:g} times faster, no less exact",
                is_met,
            )
        )
    return lines


def faster_than_cctbx(folder: Path) -> list[Line]:
    scene = adenylate_kinase()
    rows = sample(scene)
    truth = exact(scene, rows)
    engine = ScatteringEngine(scene.scatterers, scene.lattice, relative_error=WANTED, n_threads=1)
    our_error = error(engine(scene.fractional)[rows], truth)
    compute = partial(engine, scene.fractional)
    before = seconds_of(compute, 5)
    factors, seconds = cctbx_fft(scene, 10, folder)
    ours, theirs = median([*before, *seconds_of(compute, 5)]), median(seconds)
    their_error = error(factors[rows], truth)
    return [
        Line(
            f"{CCTBX}, FFT at its defaults",
            f"{theirs:.3f} s, error {their_error:.1e}",
            f"{ours:.4f} s, error {our_error:.1e}",
            theirs / ours,
            ">= 2 times faster, 100 times as exact",
            theirs / ours >= 2 and our_error <= their_error / 100,
        )
    ]


def flat_over_a_thousand_frames(folder: Path) -> list[Line]:
    """Processor time, not wall time: nothing else the machine does can hide a cost that grows."""
    scene = random_scene(20_000, (60, 70, 80), D_MIN)
    rows = sample(scene)
    engine = ScatteringEngine(scene.scatterers, scene.lattice, relative_error=WANTED, n_threads=1)
    found = error(engine(scene.fractional)[rows], exact(scene, rows))
    rng, process = np.random.default_rng(1), psutil.Process()
    seconds, memory = [], []
    for _ in range(1000):
        moved = scene.fractional + rng.normal(0, 0.005, scene.fractional.shape)
        begin = time.process_time()
        engine(moved)
        seconds.append(time.process_time() - begin)
        memory.append(process.memory_info().rss)
    early, late = median(seconds[10:60]), median(seconds[-50:])
    grown = (max(memory[-50:]) - max(memory[10:60])) / MIB
    return [
        Line("direct summation", "20 000 atoms", f"error {found:.1e}", None, f"<= {WANTED:.0e}", found <= WANTED),
        Line(
            "frames 10 to 60 of 1000",
            f"{early:.4f} s each",
            f"the last 50: {late:.4f} s each, {grown:+.1f} MiB",
            early / late,
            "time within 15 %, memory within 16 MiB",
            late <= 1.15 * early and grown < 16,
        ),
    ]


def half_a_million_atoms(folder: Path) -> list[Line]:
    """In a process of its own, whose peak memory tells what the engine takes."""
    out = folder / "large.json"
    subprocess.run([sys.executable, __file__, "--measure-large", str(out)], check=True)
    got = json.loads(out.read_text())
    ours = (
        f"{got['seconds']:.2f} s on {got['threads']} threads, set up in {got['set_up']:.1f} s, "
        f"{got['peak'] / 2**30:.2f} GiB, error {got['error']:.1e}"
    )
    is_met = got["seconds"] <= 3 and got["peak"] < 3 * 2**30 and got["error"] <= WANTED
    bar = "<= 3 s on 2 threads at 1e-4, < 3 GiB"
    return [
        Line("phenix.fmodel on a CPU (published)", "77 s, error 5e-3", ours, 77 / got["seconds"], bar, is_met),
        Line("CUDA code on a Volta GPU (published)", "2.6 s, error 3e-4", "the same", 2.6 / got["seconds"], "-", None),
    ]


def measure_large(out: Path) -> None:
    """Write what `half_a_million_atoms` tells, as JSON."""
    scene = random_scene(473_000, (170, 170, 153), D_MIN)
    n_threads = min(2, available_threads())
    begin = time.perf_counter()
    engine = ScatteringEngine(scene.scatterers, scene.lattice, relative_error=WANTED, n_threads=n_threads)
    factors = engine(scene.fractional)  # the first frame makes plans
    first = time.perf_counter() - begin
    seconds = median(seconds_of(lambda: engine(scene.fractional), 5))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    rows = sample(scene, 60)
    result = {
        "set_up": first - seconds,
        "seconds": seconds,
        "threads": n_threads,
        "peak": peak,
        "error": error(factors[rows], exact(scene, rows)),
    }
    out.write_text(json.dumps(result))


def little_besides_the_transforms(folder: Path) -> list[Line]:
    """A small protein: what is done besides the transforms weighs most there."""
    from mdweights_core.scattering.predict import predict

    data = shared_data() / "lysozyme"
    lattice = half_lattice(LYSOZYME, P1, D_MIN)
    source = open_frames([data / "lyso.xtc"], data / "lyso_topology.pdb")
    places = [fractional(source.positions(frame), LYSOZYME) for frame in range(source.n_frames)]
    engine = ScatteringEngine(Scatterers.alike(source.atoms.element), lattice, relative_error=WANTED)

    def transforms() -> None:
        with ThreadPoolExecutor(engine.n_workers) as pool:
            list(pool.map(engine, places))

    def whole(number: int, times: int = 1) -> None:
        frames = open_frames([data / "lyso.xtc"] * times, data / "lyso_topology.pdb")
        out = folder / f"{number}-{times}.store"
        jobs.run(predict(frames, lattice, PredictSettings(), out, cell=LYSOZYME, execution=CPU))

    transforms(), whole(0)
    rounds = [
        (*seconds_of(transforms, 1), *seconds_of(partial(whole, n), 1), *seconds_of(partial(whole, n, 10), 1))
        for n in range(1, 6)
    ]
    alone, once, ten_times = (median(times) for times in zip(*rounds, strict=True))
    further = (ten_times - once) / 9
    against, bar = f"transforms alone, {source.n_frames} frames of lysozyme", "<= 1.3 times as long"
    return [
        Line(against, f"{alone:.2f} s", f"{spent:.2f} s {what}", alone / spent, bar, spent <= 1.3 * alone)
        for spent, what in ((once, "from file to store"), (further, "for as many further ones"))
    ]


CPU = Execution(device="cpu")


def two_processes_against_one(folder: Path) -> list[Line]:
    """The bar is for transforms that outweigh what the first process does itself: read, place, check and write frames.

    On two cores that takes its share of what two workers could use, and at the default error it is a large one.
    """
    scene = random_scene(20_000, (60, 70, 80), D_MIN)
    trajectory, topology = _trajectory_of(scene, 120, folder)
    lines = []
    for wanted, bar in ((1e-8, 1.7), (WANTED, None)):
        rounds = [
            [
                *_pace(trajectory, topology, scene, wanted, 1, folder / f"{wanted:.0e}-1-{number}.store"),
                *_pace(trajectory, topology, scene, wanted, 2, folder / f"{wanted:.0e}-2-{number}.store"),
            ]
            for number in range(3)
        ]
        one, start_one, two, start_two = (median(column) for column in zip(*rounds, strict=True))
        lines.append(
            Line(
                f"one process, {len(scene.scatterers)} atoms to {wanted:.0e}",
                f"{one:.1f} frames/s after {start_one:.1f} s",
                f"two: {two:.1f} frames/s after {start_two:.1f} s",
                two / one,
                "-" if bar is None else f">= {bar} times as many per second",
                None if bar is None else two / one >= bar,
            )
        )
    return lines


def _trajectory_of(scene: Scene, n_frames: int, folder: Path) -> tuple[Path, Path]:
    """Frames of atoms that tremble, as a DCD file (an XTC file would first have to be unpacked) with its topology."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for element in scene.scatterers.element.tolist():
        residue = topology.add_residue("LIG", chain)
        topology.add_atom(element, mdtraj.element.get_by_symbol(element), residue)
    cell, rng = scene.lattice.cell, np.random.default_rng(2)
    edges = np.array([cell.a, cell.b, cell.c]) / 10  # nanometres
    xyz = scene.fractional * edges + rng.normal(0, 0.03, (n_frames, len(scene.scatterers), 3))
    frames = mdtraj.Trajectory(xyz.astype(np.float32), topology)
    frames.unitcell_lengths, frames.unitcell_angles = np.tile(edges, (n_frames, 1)), np.full((n_frames, 3), 90.0)
    frames.save_dcd(str(folder / "frames.dcd"))
    frames[0].save_pdb(str(folder / "topology.pdb"))
    return folder / "frames.dcd", folder / "topology.pdb"


def _pace(frames: Path, topology: Path, scene: Scene, wanted: float, workers: int, out: Path) -> tuple[float, float]:
    """Frames per second between the first tenth and the last frame, and the seconds until the first one."""
    from mdweights_core.scattering.predict import predict

    execution = Execution(scheduler="processes", workers=workers, device="cpu")
    job = predict(
        open_frames([frames], topology), scene.lattice, PredictSettings(relative_error=wanted), out, execution=execution
    )
    seen: list[tuple[float, int]] = []
    begin = time.perf_counter()

    def note(progress: jobs.Progress) -> None:
        if progress.step and (not seen or progress.step > seen[-1][1]):
            seen.append((time.perf_counter() - begin, progress.step))

    n_frames = jobs.run(job, note).n_frames
    steady = [moment for moment in seen if moment[1] >= n_frames / 10]
    (t0, n0), (t1, n1) = steady[0], steady[-1]
    return (n1 - n0) / (t1 - t0), seen[0][0]


def one_frame_on_a_gpu(folder: Path) -> list[Line]:
    import jax

    against, bar = "lunus on a data-centre GPU (published)", "<= 20 ms"
    try:
        device = jax.devices("gpu")[0]
    except RuntimeError:
        return [Line(against, "87 ms", "not measured: no GPU", None, bar, None)]
    scene = random_scene(135_834, (110, 110, 112), D_MIN)
    engine = DeviceEngine(scene.scatterers, scene.lattice, relative_error=WANTED, device=device)
    rows = sample(scene)
    found = error(engine(scene.fractional)[rows], exact(scene, rows))
    ours = median(seconds_of(lambda: engine(scene.fractional), 30))
    text = f"{1000 * ours:.1f} ms on {device.device_kind}, error {found:.1e}"
    return [Line(against, "87 ms", text, 0.087 / ours, bar, ours <= 0.02 and found <= WANTED)]


CASES: dict[str, Callable[[Path], list[Line]]] = {
    "gemmi": faster_than_gemmi,
    "cctbx": faster_than_cctbx,
    "frames": flat_over_a_thousand_frames,
    "large": half_a_million_atoms,
    "trajectory": little_besides_the_transforms,
    "processes": two_processes_against_one,
    "gpu": one_frame_on_a_gpu,
}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", CASES)
def test_meets_its_bar(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        lines = CASES[case](tmp_path)
    except Unavailable as reason:
        pytest.skip(str(reason))
    with capsys.disabled():
        show({case: lines}, Console(width=180))
    assert not missed(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)} (default: all)")
    parser.add_argument("--measure-large", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure_large:
        measure_large(args.measure_large)
        return 0
    unknown = set(args.cases) - set(CASES)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    results: dict[str, list[Line]] = {}
    for case in args.cases or CASES:
        try:
            with tempfile.TemporaryDirectory() as folder:
                results[case] = CASES[case](Path(folder))
        except Unavailable as reason:
            results[case] = [Line("-", "", f"skipped: {reason}", None, "", None)]
    show(results, Console(width=180))
    return int(any(missed(lines) for lines in results.values()))


if __name__ == "__main__":
    sys.exit(main())
