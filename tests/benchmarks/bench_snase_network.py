"""Springs of a protein crystal from its diffuse map: a tuned network beside liquid-like motions.

As a script:  python tests/benchmarks/bench_snase_network.py [--d-min 2] [--d-fit 2.5] [--n-fit 3000]
As a test:    make bench

One unit cell of staphylococcal nuclease (P 41, 4WOR) and the measured map of the same crystal form. Both models get the
same atoms, reflections and isotropic curve; liquid-like motions are fitted to every reflection that is not held out,
the network to as many of these as it is told to.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from mdweights_core import jobs
from mdweights_core.dynamics.crystal_network.fit import fit_network
from mdweights_core.dynamics.crystal_network.result import NetworkFit
from mdweights_core.dynamics.crystal_network.settings import CrystalNetworkSettings
from mdweights_core.io.maps.observed import read_map

SETTINGS = CrystalNetworkSettings(d_min=3.0, d_fit=3.0, n_fit=5000, atoms_per_unit=8, iterations=20)


def tuned(data: Path, settings: CrystalNetworkSettings, console: Console | None = None) -> NetworkFit:
    """Fit the network of the crystal, and tell how far it is."""
    observed = read_map(data / "snase" / "snc_reference_P1.mtz", column="IDIFF", space_group="P 41")

    def tell(progress: jobs.Progress) -> None:
        if console is not None and progress.message:
            console.print(f"{progress.stage}: {progress.message}")

    return jobs.run(fit_network(data / "snase" / "4wor.pdb", observed, settings), tell)


def springs_table(fit: NetworkFit) -> Table:
    """Force constants of all classes."""
    title = f"{fit.n_fitted} reflections fitted, {fit.seconds:.0f} s; load {os.getloadavg()[0]:.1f}"
    table = Table("springs", "number", "kJ/mol/nm^2", "error of ln k", title=title, title_justify="left", box=None)
    for row in zip(fit.springs, fit.counts.tolist(), fit.constants.tolist(), fit.errors.tolist(), strict=True):
        table.add_row(row[0], str(row[1]), f"{row[2]:.4g}", f"{row[3]:.2f}")
    return table


def agreement_table(fit: NetworkFit) -> Table:
    """Both models, whole and by resolution."""
    title = f"{fit.n_work} reflections not held out, {fit.n_held_out} held out"
    shells = [f"{low:.1f}-{high:.1f}" for low, high in zip(fit.edges[:-1], fit.edges[1:], strict=True)]
    table = Table("anisotropic CC", "work", "held out", "total, held out", *shells, title=title, box=None)
    models = [("network", fit.network), (f"liquid, {fit.gamma:.1f} and {fit.sigma:.2f} Å", fit.liquid)]
    for name, it in models:
        if it is not None:
            numbers = (it.fitted, it.held_out, it.total, *it.by_resolution)
            table.add_row(name, *(f"{number:.3f}" for number in numbers))
    return table


@pytest.mark.timeout(1800)
def test_the_tuned_network_is_above_liquid_like_motions(shared_data: Path) -> None:
    """The bar: a higher anisotropic correlation on reflections that no fit saw."""
    fit = tuned(shared_data, SETTINGS)
    assert fit.liquid is not None
    assert fit.network.held_out > fit.liquid.held_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("--d-min", type=float, default=SETTINGS.d_min)
    parser.add_argument("--d-max", type=float, default=SETTINGS.d_max)
    parser.add_argument("--d-fit", type=float, help="fit down to this resolution; that of the map if not given")
    parser.add_argument("--n-fit", type=int, default=SETTINGS.n_fit)
    parser.add_argument("--atoms-per-unit", type=int, default=SETTINGS.atoms_per_unit)
    parser.add_argument("--iterations", type=int, default=SETTINGS.iterations)
    args = parser.parse_args()
    settings = replace(
        SETTINGS,
        d_min=args.d_min,
        d_max=args.d_max,
        d_fit=args.d_fit or args.d_min,
        n_fit=args.n_fit,
        atoms_per_unit=args.atoms_per_unit,
        iterations=args.iterations,
    )
    console = Console(width=170)
    fit = tuned(args.data, settings, console)
    for table in (springs_table(fit), agreement_table(fit)):
        console.print(table)
    console.print(f"B factors of the network and of 4WOR correlate by {fit.b_correlation:.2f}. {fit.verdict}")


if __name__ == "__main__":
    main()
