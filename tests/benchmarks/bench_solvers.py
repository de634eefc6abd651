"""Gauss-Newton against the published way and other solvers, and how it carries large problems.

Everything compared runs in one process, one after the other; only ratios inside one run mean anything on a machine that
does other things, too. Problems have known weights: 30 collective modes, 10 % noise, 24 % of the frames with weight.

As a script:  python tests/benchmarks/bench_solvers.py [--part P] [CASE ...]
As a test:    make bench
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import prototype
from comparisons import Line, missed, show
from ensembles import ensemble
from support.synthetic import Truth, synthetic_problem

from mdweights_core import jobs
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.frames.blocks import FrameBlocks
from mdweights_core.weights.frames.passes import contractions, intensities, intensities_and_means
from mdweights_core.weights.problem import WeightProblem
from mdweights_core.weights.result import WeightFit
from mdweights_core.weights.scores import coefficients
from mdweights_core.weights.settings import FitSettings
from mdweights_core.weights.solvers import solve_many
from mdweights_core.weights.terms import fit_task, fit_terms

NEAR = 1e-5  # of the best CC, where Gauss-Newton counts as arrived
ROUGH = 5e-3  # the same for the prototype
STEPS = 500
LBFGS_STEPS = 2000
LBFGS_SECONDS = 240.0
ROUNDS = 3  # of Gauss-Newton and Adam in turns, of which each one's best counts
GIB = 2**30


@dataclass(frozen=True)
class Course:
    """How a solver came along: the CC and the seconds after each step."""

    cc: np.ndarray
    seconds: np.ndarray

    def until(self, wanted: float) -> float:
        """Seconds to that CC; infinite where it was never reached."""
        there = np.flatnonzero(self.cc >= wanted)
        return float(self.seconds[there[0]]) if len(there) else float("inf")

    @property
    def compiling(self) -> float:
        """What the first step took more than others."""
        return float(self.seconds[0] - np.median(np.diff(self.seconds)))

    @property
    def compiled(self) -> Course:
        """The same without compilation."""
        return Course(self.cc, self.seconds - self.compiling)


def cc_of(problem: WeightProblem, weights: np.ndarray) -> float:
    """Anisotropic CC on the work set of weights divided by their sum."""
    return coefficients(problem, intensities(problem.frames, weights[None] / weights.sum())[0])["cc_aniso"]


def followed(
    problem: WeightProblem,
    steps: Iterator[np.ndarray],
    enough: float = float("inf"),
    seconds: float = float("inf"),
) -> Course:
    """Run a solver until it ends, has `enough` or took its `seconds`; looking at its weights does not count."""
    cc, clock, spent = [], [], 0.0
    begin = time.perf_counter()
    for weights in steps:
        spent += time.perf_counter() - begin
        clock.append(spent)
        cc.append(cc_of(problem, weights))
        if cc[-1] >= enough or spent >= seconds:
            break
        begin = time.perf_counter()
    return Course(np.array(cc), np.array(clock))


def fitted(problem: WeightProblem, solver: str = "gauss-newton", theta: float = 0.0) -> tuple[WeightFit, Course]:
    """Fit with a solver of the package."""
    fit = jobs.run(fit_weights(problem, FitSettings(solver=solver, theta=theta)))
    return fit, Course(fit.history["cc_aniso"], fit.history["seconds"])


def exactly(problem: WeightProblem) -> float:
    """CC of Gauss-Newton that goes on while anything is to be gained."""
    settings = FitSettings()
    *_, states = solve_many(fit_terms(problem, settings), [fit_task(problem, settings)], tolerance=1e-12)
    return cc_of(problem, states[0].weights)


def solvers(folder: Path, part: float) -> list[Line]:
    truth = synthetic_problem(round(500 * part), round(60_000 * part), n_modes=30, n_true=round(120 * part), noise=0.1)
    problem = truth.problem
    data = prototype.data_of(truth.f_p1, problem.observed, problem.operator, ~problem.free)
    jax.clear_caches()
    first = fitted(replace(problem))
    best = max(exactly(problem), first[0].scores.cc_aniso)
    rounds = [_round(problem, data, best) for _ in range(ROUNDS)]
    ours = [first, *(this for this, _ in rounds)]
    script = followed(problem, prototype.lbfgs(data, LBFGS_STEPS), seconds=LBFGS_SECONDS)
    return [
        _reached(truth, ours, best),
        *_against_adam(ours, [that for _, that in rounds], best),
        *_against_lbfgs(ours, script, best),
        *(_own_solver(name, *fitted(replace(problem), name), ours, best) for name in ("lbfgs", "adam-prototype")),
    ]


_Run = tuple[WeightFit, Course]


def _round(problem: WeightProblem, data: tuple[jax.Array, ...], best: float) -> tuple[_Run, Course]:
    """Gauss-Newton, of which nothing is known from before, and then Adam as published."""
    ours = fitted(replace(problem))
    return ours, followed(problem, prototype.adam(data, STEPS), best - ROUGH)


def _quickest(ours: list[_Run], best: float) -> float:
    """Seconds to within `NEAR`, without compilation: the best of several."""
    return min(course.until(best - NEAR) for _, course in ours[1:])


def _ends(ours: list[_Run]) -> float:
    """Seconds to the end, the same way."""
    return min(float(course.seconds[-1]) for _, course in ours[1:])


def _reached(truth: Truth, ours: list[_Run], best: float) -> Line:
    fit = ours[1][0]
    found = float(np.corrcoef(fit.weights, truth.weights)[0, 1])
    text = (
        f"CC {best - fit.scores.cc_aniso:.0e} below, weights {found:.4f}, KKT {fit.kkt_residual:.0e}, "
        f"{fit.iterations} iterations, {ours[0][1].seconds[-1]:.1f} s, compiled {_ends(ours):.2f} s"
    )
    is_met = found >= 0.99 and fit.scores.cc_aniso >= best - NEAR
    return Line(
        f"the best known CC {best:.6f}",
        f"true weights: {cc_of(truth.problem, truth.weights):.5f}",
        text,
        None,
        "weights >= 0.99, CC within 1e-5",
        is_met,
    )


def _against_adam(ours: list[_Run], theirs: list[Course], best: float) -> Iterator[Line]:
    slow, quick = theirs[0].until(best - ROUGH), ours[0][1].until(best - NEAR)
    yield Line("Adam as published, compiling", f"{slow:.1f} s to 5e-3", f"{quick:.2f} s to 1e-5", slow / quick)
    each = [course.compiled.until(best - ROUGH) for course in theirs]
    in_turn = [slow / course.until(best - NEAR) for slow, (_, course) in zip(each, ours[1:], strict=True)]
    quick, ratio = _quickest(ours, best), min(each) / _quickest(ours, best)
    text = f"{min(each):.1f} s to 5e-3, {len(theirs[0].cc)} steps, best of {len(each)}"
    turns = f"{quick:.2f} s to 1e-5, best of {len(each)}; in turns " + ", ".join(f"{ratio:.0f}" for ratio in in_turn)
    yield Line("Adam as published, compiled", text, turns, ratio, ">= 40", ratio >= 40)


def _against_lbfgs(ours: list[_Run], theirs: Course, best: float) -> Iterator[Line]:
    pairs = {"compiling": (theirs, float(ours[0][1].seconds[-1])), "compiled": (theirs.compiled, _ends(ours))}
    where = "to its stop" if theirs.seconds[-1] < LBFGS_SECONDS and len(theirs.cc) < LBFGS_STEPS else "unfinished"
    for state, (that, quick) in pairs.items():
        slow = float(that.seconds[-1])
        text = f"{slow:.1f} s, {where}, {len(that.cc)} steps, CC {best - that.cc.max():.0e} below"
        bar, is_met = (">= 20", slow / quick >= 20) if state == "compiled" else ("-", None)
        yield Line(f"L-BFGS of optax, {state}", text, f"{quick:.2f} s to its end", slow / quick, bar, is_met)


def _own_solver(name: str, fit: WeightFit, course: Course, ours: list[_Run], best: float) -> Line:
    rough, end = course.until(best - ROUGH), float(course.seconds[-1])
    theirs = (
        f"{rough:.1f} s to 5e-3, {end:.1f} s to its end, {fit.iterations} steps, CC {best - course.cc.max():.0e} below"
    )
    slow, quick = (rough, _quickest(ours, best)) if name == "adam-prototype" else (end, _ends(ours))
    return Line(f"our {name}", theirs, f"{quick:.2f} s", slow / quick)


def large(folder: Path, part: float) -> list[Line]:
    problem, weights = ensemble(round(2_000 * part), round(200_000 * part))
    lines = []
    for theta in (0.0, 0.01, 0.1):
        begin = time.perf_counter()
        fit, _ = fitted(problem, theta=theta)
        seconds = time.perf_counter() - begin
        found = float(np.corrcoef(fit.weights, weights)[0, 1])
        ours = f"{seconds:.0f} s, {fit.iterations} iterations, KKT {fit.kkt_residual:.0e}, weights {found:.4f}"
        lines.append(
            Line(
                f"{_size(problem)}, theta {theta:g}",
                "",
                ours,
                None,
                "converged in <= 300 s",
                fit.converged and seconds <= 300,
            )
        )
    return lines


def _size(problem: WeightProblem) -> str:
    return f"{problem.n_frames} frames, {len(problem.observed)} reflections"


def streamed(folder: Path, part: float) -> list[Line]:
    n_frames, n_groups = round(5_000 * part), round(500_000 * part)
    return [_same_answer(folder, part), _from_disk(folder, n_frames, n_groups)]


def _same_answer(folder: Path, part: float) -> Line:
    size = max(60, round(400 * part)), max(2_000, round(20_000 * part))
    memory, disk = (fitted(ensemble(*size, scratch)[0])[0] for scratch in (None, folder))
    apart = float(np.abs(memory.weights - disk.weights).max())
    apart_cc = abs(memory.scores.cc_aniso - disk.scores.cc_aniso)
    return Line(
        f"{size[0]} frames, {size[1]} reflections in memory",
        f"CC {memory.scores.cc_aniso:.6f}",
        f"weights {apart:.0e}, CC {apart_cc:.0e} apart",
        None,
        "<= 1e-6",
        max(apart, apart_cc) <= 1e-6,
    )


def _from_disk(folder: Path, n_frames: int, n_groups: int) -> Line:
    """In a process of its own, whose peak memory tells what a fit takes."""
    against, bar = f"{n_frames} frames, {n_groups} reflections on disk", "converged in <= 2 GiB"
    needed = 12 * n_frames * n_groups
    if shutil.disk_usage(folder).free < 1.2 * needed:
        return Line(against, "", f"not measured: no room for {needed / GIB:.0f} GiB", None, bar)
    out = folder / "streamed.json"
    size = [str(n_frames), str(n_groups), str(folder)]
    subprocess.run([sys.executable, __file__, "--measure-streamed", str(out), *size], check=True)
    got = json.loads(out.read_text())
    text = (
        f"{got['seconds']:.0f} s, peak {got['peak'] / GIB:.2f} GiB, {got['iterations']} iterations, "
        f"KKT {got['kkt']:.0e}, weights {got['weights_cc']:.4f}"
    )
    theirs = f"blocks of {got['bytes'] / GIB:.1f} GiB, written in {got['written']:.0f} s, read in {got['read']:.0f} s"
    return Line(against, theirs, text, None, bar, got["converged"] and got["peak"] <= 2 * GIB)


def measure_streamed(out: Path, n_frames: int, n_groups: int, folder: Path) -> None:
    """Write what `_from_disk` tells, as JSON. Blocks are made directly: a store would only be copied into them."""
    begin = time.perf_counter()
    problem, weights = ensemble(n_frames, n_groups, folder)
    made = time.perf_counter()
    intensities(problem.frames, problem.prior[None])
    read = time.perf_counter()
    fit, _ = fitted(problem)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    result = {
        "written": made - begin,
        "read": read - made,
        "seconds": time.perf_counter() - read,
        "peak": peak,
        "bytes": problem.frames.n_bytes,
        "iterations": fit.iterations,
        "converged": fit.converged,
        "kkt": fit.kkt_residual,
        "weights_cc": float(np.corrcoef(fit.weights, weights)[0, 1]),
    }
    out.write_text(json.dumps(result))


def seconds_of(work: Callable[[], object], times: int = 5) -> float:
    """The median of some runs, after one that does not count."""
    work()
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begin)
    return median(spent)


def first_order(frames: FrameBlocks, n_problems: int) -> None:
    """What one gradient of some problems takes: intensities, then their contractions."""
    weights = np.full((n_problems, frames.n_frames), 1.0 / frames.n_frames)
    x, means = intensities_and_means(frames, weights)
    contractions(frames, weights, x[None], means)


def numpy_copy(values: np.ndarray) -> float:
    """Bytes per second, read and written."""
    other = np.empty_like(values)
    return 2 * values.nbytes / seconds_of(partial(np.copyto, other, values))


def jax_copy(values: jax.Array) -> float:
    """Bytes per second, read and written: the quickest thing a device does with memory."""
    negated = jax.jit(jnp.negative)
    return 2 * values.nbytes / seconds_of(lambda: negated(values).block_until_ready())


def passes(folder: Path, part: float) -> list[Line]:
    frames = ensemble(round(1_000 * part), round(100_000 * part))[0].frames
    values = np.ones(2**27, dtype=np.float32)
    copies = {"numpy": numpy_copy(values), "jax": jax_copy(jnp.asarray(values))}
    one, many = (seconds_of(partial(first_order, frames, n), 3) for n in (1, 75))
    ours = 2 * frames.n_bytes / one
    quickest = max(copies.values())
    text = ", ".join(f"{name} copy {rate / 1e9:.1f} GB/s" for name, rate in copies.items())
    return [
        Line(
            "memory",
            text,
            f"gradient {ours / 1e9:.1f} GB/s, {1000 * one:.0f} ms",
            ours / quickest,
            ">= 0.6",
            ours / quickest >= 0.6,
        ),
        Line("one problem", f"{1000 * one:.0f} ms", f"75 at once: {1000 * many / 75:.1f} ms each", 75 * one / many),
    ]


def gpu(folder: Path, part: float) -> list[Line]:
    if jax.default_backend() != "gpu":
        return [Line("a copy on the graphics card", "", "not measured: no GPU", None, ">= 0.7")]
    frames = ensemble(round(2_000 * part), round(200_000 * part))[0].frames
    copy = jax_copy(jnp.ones(2**28, dtype=jnp.float32))
    ours = 2 * frames.n_bytes / seconds_of(partial(first_order, frames, 1))
    text = f"gradient {ours / 1e9:.0f} GB/s on {jax.devices()[0].device_kind}"
    return [Line("a copy on the card", f"{copy / 1e9:.0f} GB/s", text, ours / copy, ">= 0.7", ours / copy >= 0.7)]


CASES: dict[str, Callable[[Path, float], list[Line]]] = {
    "solvers": solvers,
    "large": large,
    "streamed": streamed,
    "pass": passes,
    "gpu": gpu,
}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("case", CASES)
def test_meets_its_bar(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = CASES[case](tmp_path, 1.0)
    with capsys.disabled():
        show({case: lines}, Console(width=200))
    assert not missed(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)} (default: all)")
    parser.add_argument("--part", type=float, default=1.0, help="of the usual number of frames and of reflections")
    parser.add_argument("--folder", type=Path, help="for blocks on disk (default: the one for temporary files)")
    parser.add_argument("--measure-streamed", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure_streamed:
        n_frames, n_groups, folder = args.cases
        measure_streamed(args.measure_streamed, int(n_frames), int(n_groups), Path(folder))
        return 0
    unknown = set(args.cases) - set(CASES)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    failed = []
    for case in args.cases or CASES:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            lines = CASES[case](Path(folder), args.part)
        show({case: lines}, Console(width=200))
        failed += missed(lines)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
