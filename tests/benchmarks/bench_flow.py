"""Flow sampling: effective share, ln Z and free energies of systems with known answers, beside time and energies.

    python tests/benchmarks/bench_flow.py                            the systems of two variables
    python tests/benchmarks/bench_flow.py double-well many-well      some systems
    python tests/benchmarks/bench_flow.py dw4 --examples F.npz       examples of one's own (x [T, N])
    python tests/benchmarks/bench_flow.py ala2 --examples F.npz --structure ala2.pdb --reference R.npz
    python tests/benchmarks/bench_flow.py ... --seeds 0,1,2 --json out.json
    python tests/benchmarks/bench_flow.py ... --chains               beside hybrid Monte Carlo of as many energies

Times are of one process each, from nothing to the last weight, with imports and compilation.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """What is asked of a system.

    Attributes
    ----------
    schedule : str
    layers, width : int
        Of the flow.
    effort : float
    samples : int
    seconds, share : float
        Bars: the longest time and the least effective share.
    ln_z, ln_z_error : float, optional
        Known answer and bar.
    difference, difference_error : float, optional
        F(above) - F(below) of the toy's states: known answer and bar, kT.
    bins, batch : int
    examples : int
        By chains from the starts, in this run, their energies counted; the difference is then that of the acceptance
        ratio with them. None where 0.
    """

    schedule: str
    layers: int
    width: int
    effort: float
    samples: int
    seconds: float
    share: float
    ln_z: float | None = None
    ln_z_error: float = 0.0
    difference: float | None = None
    difference_error: float = 0.0
    bins: int = 8
    batch: int = 512
    examples: int = 0


CASES = {
    "double-well": Case("mixed", 4, 64, 1.0, 1_000_000, 90, 0.9, 11.020467, 0.005, 3.380006, 0.03),
    "mueller-brown": Case("mixed", 4, 64, 1.2, 1_000_000, 120, 0.9, 11.72959, 0.005, -3.66233, 0.03),
    "mixture-9": Case("annealed", 4, 64, 1.0, 200_000, 120, 0.0, 0.0, 0.02),
    "many-well": Case("annealed", 2, 64, 1.5, 100_000, 300, 0.5, 164.695675, 0.05),
    "dw4": Case("mixed", 8, 64, 1.2, 20_000, 300, 0.3, 29.664, 0.03),
    "dimer": Case(
        "example",
        12,
        256,
        4.0,
        100_000,
        1800,
        0.0,
        difference=6.79,
        difference_error=0.5,
        bins=0,
        batch=256,
        examples=200_000,
    ),
    "ala2": Case("mixed", 4, 96, 1.0, 100_000, 900, 0.1),
}
"""The bars; ala2 is alanine dipeptide in implicit solvent (ff96, OBC1, 300 K)."""

EXAMPLES = 2000  # of two wells that were never left for the other, where none are given


STEPS = {"double-well": 0.25, "mueller-brown": 0.05, "mixture-9": 0.4, "dw4": 0.15}  # of chains: most are accepted
WALKERS, STRIDE = 64, 10


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run_one(name: str, seed: int, examples: Path | None, structure: Path | None) -> dict[str, Any]:
    """Train and draw once, in this process."""
    from mdweights_core import jobs
    from mdweights_core.energy.toys.registry import toy
    from mdweights_core.flow.job import sample_system
    from mdweights_core.flow.settings import FlowSettings, SampleSettings
    from mdweights_core.flow.systems import of_toy

    case = CASES[name]
    settings = SampleSettings(
        schedule=case.schedule,
        effort=case.effort,
        flow=FlowSettings(layers=case.layers, width=case.width, bins=case.bins),
        batch=case.batch,
        samples=case.samples,
        probe=False,
        seed=seed,
    )
    if case.examples:
        return _with_chains(name, settings)
    given = None if examples is None else np.load(examples)["x"]
    if name == "ala2":
        prepared = _alanine(structure, given)
    else:
        system = toy(name)
        if given is None and case.schedule == "mixed":
            given = _in_wells(system.make().starts)
        prepared = of_toy(system, given)
    _, found = jobs.run(sample_system(prepared, settings))
    told, weights = _numbers(name, seed, found)
    if name == "ala2":
        return told | _torsions(found.x, weights)
    above = system.is_above(found.x.astype(np.float64))
    told["difference"] = float(-np.log(weights[above].sum() / weights[~above].sum()))
    if name == "mixture-9":
        cell = np.round(np.clip(found.x / 5, -1, 1)).astype(int) @ [3, 1] + 4
        told["modes"] = (9 * np.bincount(cell, weights, minlength=9) / weights.sum()).tolist()
    return told


def _numbers(name: str, seed: int, found: Any) -> tuple[dict[str, Any], np.ndarray]:
    """What any draws are worth, and their weights."""
    weights = np.exp(found.log_weights - found.log_weights.max())
    told = {
        "system": name,
        "seed": seed,
        "share": float(weights.sum() ** 2 / np.sum(weights**2) / len(weights)),
        "ln_z": float(np.log(weights.mean()) + found.log_weights.max()),
        "energies": found.training_energies + found.n_samples,
        "notes": list(found.notes),
    }
    return told, weights


def _with_chains(name: str, settings: Any) -> dict[str, Any]:
    """Learn from chains that never leave their state, and compare states by them and the draws together."""
    from mdweights_core import jobs
    from mdweights_core.energy.toys.registry import toy
    from mdweights_core.workflow.along import own_states
    from mdweights_core.workflow.draws import toy_task, train_and_draw
    from mdweights_core.workflow.examples import toy_examples
    from mdweights_core.workflow.judged import free_energy

    examples = jobs.run(toy_examples(toy(name), CASES[name].examples, settings.seed))
    _, sampled = jobs.run(train_and_draw(toy_task(name, examples), settings))
    told, _ = _numbers(name, settings.seed, sampled.samples)
    by_bar = free_energy(sampled, own_states(sampled.origin, sampled.samples.x.shape[1]), settings.seed).by_bar
    return told | {"difference": by_bar.value, "error": by_bar.error}


def _in_wells(starts: np.ndarray) -> np.ndarray:
    """Frames about each start with the spread of short simulations: populations are not those of the target."""
    rng = np.random.default_rng(0)
    return starts[rng.integers(len(starts), size=EXAMPLES)] + rng.normal(size=(EXAMPLES, starts.shape[1])) * 0.25


def _alanine(structure: Path | None, frames: np.ndarray | None) -> Any:
    from mdweights_core.energy.settings import EnergySettings
    from mdweights_core.energy.setup import set_up
    from mdweights_core.flow.systems import of_molecule

    assert structure is not None
    molecule = set_up(structure, EnergySettings(force_field="amber96", solvent="obc1"))
    return of_molecule(molecule, 300.0, frames)


def _torsions(x: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
    """Weighted histogram of phi and psi in 10 degree bins, and F(0 < phi < 135) - F(elsewhere)."""
    from mdweights_core.flow.reaction import Torsion

    phi, psi = (np.asarray(Torsion(atoms)(x)) for atoms in ((4, 6, 8, 14), (6, 8, 14, 16)))
    within = (phi > 0) & (np.degrees(phi) < 135)
    heights = np.histogram2d(phi, psi, 36, [[-np.pi, np.pi]] * 2, weights=weights)[0]
    share = weights[within].sum() / weights.sum()
    return {"difference": float(np.log((1 - share) / share)) if share else None, "ramachandran": heights.tolist()}


def run_all(names: list[str], seeds: list[int], options: list[str]) -> list[dict[str, Any]]:
    """Run each case and seed in a process of its own and print a line for each."""
    found = []
    for name in names:
        for seed in seeds:
            begun = time.perf_counter()
            command = [sys.executable, __file__, name, "--one", str(seed), *options]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            if ended.returncode:
                say(f"{name:<14}{seed:>5}  failed: {ended.stderr.strip().splitlines()[-1]}")
                continue
            told = json.loads(ended.stdout.splitlines()[-1]) | {"seconds": time.perf_counter() - begun}
            found.append(told)
            say(_line(told))
    return found


def chains_beside(name: str, energies: int) -> str:
    """What 64 walkers from the minima find with as many energies, in a line."""
    from mdweights_core import jobs
    from mdweights_core.energy.toys.registry import toy
    from mdweights_core.flow.reference.chains import run_chains, spread_over
    from mdweights_core.flow.reference.settings import ChainSettings

    begun, system, case = time.perf_counter(), toy(name), CASES[name]
    target = system.make()
    settings = ChainSettings(energies // (WALKERS * STRIDE), STRIDE, 200, step=STEPS[name], moves="hybrid")
    found = jobs.run(run_chains(target, spread_over(target.starts, WALKERS, np.float64), settings))
    above = np.asarray(system.is_above(found.frames)).mean()
    told = f"mean energy {found.energy.mean():.3f} kT"
    if case.difference is not None:
        told = f"{float(np.log((1 - above) / above)) - case.difference:+.3f} kT off"
    return f"{name:<14}chains{time.perf_counter() - begun:>6.0f} s   {told}{found.evaluations:>12,} energies"


def _line(told: dict[str, Any]) -> str:
    case = CASES[told["system"]]
    parts = [f"{told['system']:<14}{told['seed']:>5}{told['seconds']:>7.0f} s{told['share']:>8.3f}"]
    met = told["seconds"] <= case.seconds and told["share"] >= case.share
    if case.ln_z is not None:
        off = told["ln_z"] - case.ln_z
        met &= abs(off) <= case.ln_z_error
        parts.append(f"{off:>+10.4f}")
    if case.difference is not None:
        off = told["difference"] - case.difference
        met &= abs(off) <= case.difference_error
        parts.append(f"{off:>+9.4f}" + (f" ± {told['error']:.2f}" if "error" in told else ""))
    if "modes" in told:
        met &= max(abs(share - 1) for share in told["modes"]) <= 0.3
        parts.append(f"   modes {min(told['modes']):.2f} to {max(told['modes']):.2f}")
    if "total_variation" in told:
        parts.append(f"   total variation {told['total_variation']:.3f}")
    return f"{''.join(parts)}{told['energies']:>12,} energies   {'met' if met else 'missed'}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", default=["double-well", "mueller-brown", "mixture-9"])
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--examples", type=Path)
    parser.add_argument("--structure", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--chains", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        say(json.dumps(run_one(args.systems[0], args.one, args.examples, args.structure)))
        return
    options = [
        part for name in ("examples", "structure") if (path := getattr(args, name)) for part in (f"--{name}", str(path))
    ]
    say(f"{'system':<14}{'seed':>5}{'time':>9}{'share':>8}{'d ln Z':>10}{'d dF':>9}{'energies':>12}")
    found = run_all(args.systems, [int(seed) for seed in args.seeds.split(",")], options)
    for name in args.systems if args.chains else []:
        say(chains_beside(name, max(told["energies"] for told in found if told["system"] == name)))
    if args.json:
        args.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
