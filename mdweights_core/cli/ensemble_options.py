"""Options of what is simulated, looked at and how, which `sensitivity` and `tune` share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mdweights_core.cli.arguments import positive
from mdweights_core.cli.console import Terminal
from mdweights_core.cli.energy_options import add_energy_options, energy_settings
from mdweights_core.dynamics.models.network_settings import NetworkSettings
from mdweights_core.dynamics.models.registry import SMALL_SYSTEMS
from mdweights_core.dynamics.settings import ESTIMATORS, INTEGRATORS, SensitivitySettings
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.errors import BadInput
from mdweights_core.workflow.sensitivity_systems import Studied, network, small
from mdweights_core.workflow.sensitivity_values import read_values, typed_bounds, typed_values

if TYPE_CHECKING:
    from mdweights_core.dynamics.observables.base import Observable

_DEFAULT, _NETWORK = SensitivitySettings(), NetworkSettings()
_SMALL_FRICTION = 5.0  # of small systems, per unit of time
_OF_NETWORKS = ("select", "springs", "classes", "site", "true_distances")


def add_ensemble_options(parser: argparse.ArgumentParser) -> None:
    """System, parameters, observables, simulation and energy."""
    parser.add_argument(
        "system", metavar="SYSTEM", help=f"structure as of minimize, or one of {', '.join(SMALL_SYSTEMS)}"
    )
    _add_parameters(parser.add_argument_group("parameters and observables"))
    _add_network(parser.add_argument_group("elastic network"))
    _add_simulation(parser.add_argument_group("simulation"))
    add_energy_options(parser.add_argument_group("energy"))


def _add_parameters(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--parameters", nargs="+", default=[], metavar="NAME", help="those that count (all)")
    group.add_argument("--set", nargs="+", default=[], metavar="NAME=X", help="values of parameters")
    group.add_argument("--values", type=Path, metavar="F.toml", help="the same from a file, such as one of tune")
    group.add_argument("--add-term", type=Path, metavar="F.toml", help="terms typed as expressions, for molecules")
    group.add_argument("--bounds", nargs="+", default=[], metavar="NAME=A:B", help="between which they may be")
    group.add_argument(
        "--observables", nargs="+", default=[], metavar="TEXT", help="'B CA', 'Rg', 'distance 3 7', 'diffuse M.mtz 4'"
    )
    group.add_argument("--temperature", type=float, metavar="K", help="of molecules and networks (300)")


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--network", action="store_true", help="springs between near atoms instead of a force field")
    group.add_argument("--select", metavar="TEXT", help="its atoms ('name CA'; of small molecules all)")
    group.add_argument("--springs", type=float, metavar="NM", help=f"length of the longest ({_NETWORK.cutoff:g})")
    group.add_argument("--classes", metavar="0.6,1.0", help="lengths at which springs of another class begin, nm")
    group.add_argument("--site", type=float, metavar="K", help="springs from atoms to their places, kJ/mol/nm^2 (none)")
    group.add_argument("--true-distances", action="store_true", help="springs harmonic in distances")


def _add_simulation(group: argparse._ArgumentGroup) -> None:
    default = _DEFAULT
    integrators = "; ".join(f"{name}: {meaning}" for name, meaning in INTEGRATORS.items())
    estimators = "; ".join(f"{name}: {meaning}" for name, meaning in ESTIMATORS.items())
    group.add_argument("--integrator", choices=tuple(INTEGRATORS), default=default.integrator, help=integrators)
    group.add_argument("--step", type=float, metavar="PS", help="time step (0.001 ps; what small systems need)")
    group.add_argument("--friction", type=float, metavar="G", help=f"1/ps ({default.friction:g}; small systems 5)")
    for name, meaning in (
        ("replicas", "trajectories side by side"),
        ("steps", "of each that count"),
        ("stride", "steps between samples"),
        ("blocks", "groups of replicas that errors are taken from"),
    ):
        value = getattr(default, name)
        group.add_argument(f"--{name}", type=positive, default=value, metavar="N", help=f"{meaning} ({value})")
    group.add_argument("--burn-in", type=int, metavar="N", help="steps before these (a fifth of them)")
    group.add_argument(
        "--estimators", nargs="+", choices=tuple(ESTIMATORS), default=default.estimators, metavar="E", help=estimators
    )
    group.add_argument("--seed", type=int, default=0, metavar="N")


def studied_system(args: argparse.Namespace, terminal: Terminal) -> Studied:
    """What is simulated, with the values, bounds and parameters that were chosen, looked at and remarked on.

    Raises
    ------
    BadInput
        Options that do not go together, parameters that are not there, derivatives that are wrong.
    """
    from mdweights_core.dynamics.models.checks import checked

    values = {**(read_values(args.values) if args.values else {}), **typed_values(args.set)}
    studied = _made(args, values).at(values, typed_bounds(args.bounds)).only(args.parameters)
    looked_at = checked(studied.simulated)
    for remark in looked_at.remarks:
        terminal.warn(remark)
    return replace(studied, simulated=looked_at)


def is_small(system: str) -> bool:
    """Whether a system is named and not a file: a file of that name is a file."""
    return system in SMALL_SYSTEMS and not Path(system).exists()


def _made(args: argparse.Namespace, values: Mapping[str, float]) -> Studied:
    given = [name for name in _OF_NETWORKS if getattr(args, name)]
    if given and not args.network:
        raise BadInput(f"--{given[0].replace('_', '-')} is for networks", advice="Give --network too")
    if is_small(args.system):
        if option := next((name for name in ("network", "temperature", "add_term") if getattr(args, name)), None):
            raise BadInput(f"--{option.replace('_', '-')} is for structures, and {args.system} is a small system")
        return small(args.system)
    if not Path(args.system).exists():
        raise BadInput(
            "there is no such file, and no small system of that name",
            where=args.system,
            advice=f"Small systems are {', '.join(SMALL_SYSTEMS)}",
        )
    kelvin = 300.0 if args.temperature is None else args.temperature
    if not 0 < kelvin < float("inf"):
        raise BadInput(f"The temperature is {kelvin:g} K, but must be positive")
    return _network(args, kelvin) if args.network else _molecule(args, kelvin, values)


def _network(args: argparse.Namespace, kelvin: float) -> Studied:
    asked = energy_settings(args)
    if args.add_term is not None:
        raise BadInput("--add-term is for force fields", advice="Leave --network out")
    if asked != EnergySettings(model=args.model, crystal=args.crystal) or args.coordinates is not None:
        raise BadInput("A network knows no force field", advice="Leave options of the energy out, but --crystal")
    settings = NetworkSettings(
        cutoff=_NETWORK.cutoff if args.springs is None else args.springs,
        bins=lengths(args.classes),
        site=args.site or 0.0,
        is_harmonic=not args.true_distances,
    )
    return network(
        Path(args.system), settings, select=args.select or "", crystal=args.crystal, model=args.model, kelvin=kelvin
    )


def lengths(text: str | None) -> tuple[float, ...]:
    """Numbers of nm separated by commas; none for no text."""
    try:
        return tuple(float(word) for word in text.split(",")) if text else ()
    except ValueError:
        raise BadInput(f"'{text}' is no list of lengths", advice="Write --classes 0.6,1.0") from None


def _molecule(args: argparse.Namespace, kelvin: float, values: Mapping[str, float]) -> Studied:
    from mdweights_core.dynamics.models.term_file import TermFile, read_terms
    from mdweights_core.workflow.sensitivity_molecules import molecule

    added = TermFile() if args.add_term is None else read_terms(args.add_term)
    energy = energy_settings(args)
    return molecule(Path(args.system), energy, args.coordinates, (*args.parameters, *values), kelvin, added).at(
        added.values, {}
    )


def simulation_settings(args: argparse.Namespace, studied: Studied) -> SensitivitySettings:
    """How the ensemble is simulated, from parsed arguments and what the system needs."""
    is_force_field = not (is_small(args.system) or args.network)
    step = args.step if args.step is not None else _DEFAULT.step
    if args.step is None and not is_force_field:
        from mdweights_core.dynamics.models.step import suggested_step

        step = suggested_step(studied.simulated)
    usual = _SMALL_FRICTION if is_small(args.system) else _DEFAULT.friction
    estimators = tuple(args.estimators)
    if not float(studied.simulated.kt) and estimators == _DEFAULT.estimators:
        estimators = ("pathwise",)
    return SensitivitySettings(
        integrator=args.integrator,
        step=step,
        friction=usual if args.friction is None else args.friction,
        replicas=args.replicas,
        steps=args.steps,
        burn_in=args.steps // 5 if args.burn_in is None else args.burn_in,
        stride=args.stride,
        blocks=args.blocks,
        estimators=estimators,
        seed=args.seed,
    )


def observed(args: argparse.Namespace, studied: Studied, also: tuple[str, ...] = ()) -> Observable:
    """The observables that were named, or where none were, those called `also`.

    Raises
    ------
    BadInput
        When there are none, or a text names none.
    """
    from mdweights_core.workflow.sensitivity_observables import observables_of

    texts = tuple(args.observables) or also
    if not texts:
        raise BadInput("No observable is named", advice="Give --observables, such as 'B CA' or 'x^2 1'")
    return observables_of(texts, studied)
