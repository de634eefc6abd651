"""Arguments that several subcommands share, and values as people type them."""

from __future__ import annotations

import argparse
from pathlib import Path

from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.files import require_writable
from mdweights_core.io.frames.frame_numbers import parse_numbers, read_kept
from mdweights_core.project import FitInputs
from mdweights_core.scattering.settings import (
    BOXES,
    DEVICES,
    MOLECULES,
    RADIATIONS,
    SOLVENTS,
    Execution,
    PredictSettings,
)


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object to stdout")


def add_memory(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """`--memory`, as bytes."""
    parser.add_argument("--memory", type=gibibytes, metavar="GIB", help="for structure factors (half of what there is)")


def add_map(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """The observed map and how to read it."""
    parser.add_argument("--map", type=Path, required=required, metavar="M.mtz", help="observed diffuse map")
    parser.add_argument("--column", metavar="C", help="its intensity column (guessed: J, or F named sqrtI*)")
    parser.add_argument("--sigma-column", metavar="C", help="its sigma column (guessed)")
    parser.add_argument("--free-column", metavar="C", help="its free-set column (guessed; drawn when there is none)")
    parser.add_argument("--space-group", metavar="SG", help="in place of the map's, for its Laue class")
    parser.add_argument("--reindex", metavar="OP", help="reindex the map, such as k,h,-l")
    parser.add_argument(
        "--map-supercell", type=three, metavar="na,nb,nc", help="unit cells in the map's cell, if its indices are finer"
    )
    parser.add_argument("--d-min", type=float, metavar="D", help="high-resolution limit, angstrom")
    parser.add_argument("--d-max", type=float, metavar="D", help="low-resolution limit, angstrom")


def add_frames(parser: argparse.ArgumentParser, what: str) -> None:
    """The frames, how to read them, and how structure factors are computed from them."""
    group = parser.add_argument_group("frames")
    group.add_argument("--frames", type=Path, nargs="+", required=True, metavar="F", help=what)
    group.add_argument("--topology", type=Path, metavar="T", help="topology of the trajectory (pdb, gro, psf, parm7)")
    group.add_argument("--cell", type=cell, metavar="a,b,c,al,be,ga", help="cell of the crystal, angstrom and degrees")
    group.add_argument("--select", default="", metavar="TEXT", help="atoms that scatter, such as 'not water' (all)")
    group.add_argument("--altloc", default="", metavar="L", help="alternative conformer (the one of most occupancy)")
    group.add_argument("--supercell", type=three, metavar="na,nb,nc", help="cells in the frames' box (found)")
    group.add_argument(
        "--box", choices=BOXES, default="own", help="fractional in each frame's own box, or the mean one"
    )
    group.add_argument("--molecules", choices=MOLECULES, default="auto", help="put molecules cut by the box together")
    group.add_argument("--keep-drift", action="store_true", help="do not take out the common translation of frames")
    group.add_argument(
        "--expand-symmetry", action="store_true", help="frames are one asymmetric unit: make the cell of it"
    )
    _add_scattering(parser.add_argument_group("scattering"))
    _add_execution(parser.add_argument_group("where it is computed"))


def _add_scattering(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--radiation", choices=RADIATIONS, default="xray", help="what is scattered (xray)")
    group.add_argument("--b-iso", type=float, default=0.0, metavar="B", help="B factor added to all atoms, A^2 (0)")
    group.add_argument("--b-elements", type=b_elements, default={}, metavar="H=5,C=2", help="B factors by element, A^2")
    group.add_argument("--b-topology", action="store_true", help="B factor of each atom from the topology")
    group.add_argument("--occupancy-topology", action="store_true", help="occupancy of each atom from the topology")
    group.add_argument(
        "--solvent", choices=SOLVENTS, default="none", help="flat bulk solvent, for frames without water"
    )
    group.add_argument("--k-sol", type=float, metavar="K", help="its density, e/A^3 (0.35; X-rays)")
    group.add_argument("--b-sol", type=float, metavar="B", help="its B factor, A^2 (46)")
    group.add_argument("--fit-solvent", type=Path, metavar="BRAGG.mtz", help="fit both to these Bragg amplitudes first")
    group.add_argument("--error", type=float, default=1e-4, metavar="E", help="relative error of F allowed (1e-4)")


def _add_execution(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--scheduler", default="threads", metavar="S", help="threads, processes, or a Dask scheduler tcp://host:8786"
    )
    group.add_argument("--workers", type=positive, metavar="N", help="frames at the same time (all cores)")
    group.add_argument("--device", choices=DEVICES, default="auto", help="auto takes a GPU where it is faster")


def check_place(path: Path | None) -> None:
    """Refuse a file that cannot be written where it is wanted: now, and not after hours of work.

    Raises
    ------
    DiskProblem
        When its folder is not there or nothing may be written into it, or the name is that of a folder.
    """
    if path is None:
        return
    folder = path.absolute().parent
    if not folder.is_dir():
        raise DiskProblem(
            "the folder to write into does not exist", where=path, advice="Create it or choose another folder"
        )
    if path.is_dir():
        raise DiskProblem("there is a folder of this name", where=path, advice="Choose another name")
    require_writable(folder)


def positive(text: str) -> int:
    """A whole number of at least one."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def gibibytes(text: str) -> float:
    """A positive number of GiB, as bytes."""
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not 0 < size < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of GiB")
    return size * 2**30


def cell(text: str) -> tuple[float, ...]:
    """Six numbers separated by commas."""
    try:
        numbers = tuple(float(part) for part in text.replace(" ", "").split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a cell: give a,b,c,alpha,beta,gamma")
    return numbers


def three(text: str) -> tuple[int, int, int]:
    """Three whole numbers of at least one, separated by commas."""
    words = text.replace(" ", "").split(",")
    if len(words) != 3 or not all(word.isdigit() and int(word) for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} is not three whole numbers such as 2,2,2")
    a, b, c = map(int, words)
    return a, b, c


def numbers(text: str) -> tuple[int, ...]:
    """Numbers and ranges: ``0-9,20``."""
    try:
        return parse_numbers(text)
    except BadInput as problem:
        raise argparse.ArgumentTypeError(problem.sentence) from None


def frames_only(text: str) -> tuple[int, ...]:
    """Numbers and ranges, or a table of frames kept; rising."""
    if not text.lower().endswith(".csv"):
        return tuple(sorted(numbers(text)))
    try:
        return read_kept(Path(text))
    except BadInput as problem:
        raise argparse.ArgumentTypeError(problem.sentence) from None


def b_elements(text: str) -> dict[str, float]:
    """Numbers by element: ``H=5,C=2``."""
    try:
        pairs = [part.split("=") for part in text.replace(" ", "").split(",")]
        numbers = {element.capitalize(): float(b) for element, b in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list such as H=5,C=2") from None
    if len(numbers) < len(pairs):
        raise argparse.ArgumentTypeError(f"{text!r} names an element twice")
    return numbers


def fit_inputs(args: argparse.Namespace) -> FitInputs:
    """The inputs of a fit from parsed arguments."""
    return FitInputs(
        map=args.map,
        frames=tuple(args.frames),
        topology=args.topology,
        column=args.column,
        sigma_column=args.sigma_column,
        free_column=args.free_column,
        cell=args.cell,
        space_group=args.space_group,
        reindex=args.reindex,
        d_min=args.d_min,
        d_max=args.d_max,
        prior=getattr(args, "prior", None),
        bragg=getattr(args, "bragg", None),
        map_supercell=args.map_supercell,
        only=getattr(args, "only", None),
    )


def predict_settings(args: argparse.Namespace) -> PredictSettings:
    """The structure-factor settings from parsed arguments."""
    _refuse_idle_solvent(args)
    settings = PredictSettings(
        remove_drift=not args.keep_drift,
        b_iso=args.b_iso,
        b_elements=args.b_elements,
        b_from_topology=args.b_topology,
        occupancy_from_topology=args.occupancy_topology,
        relative_error=args.error,
        radiation=args.radiation,
        selection=args.select,
        altloc=args.altloc,
        supercell=args.supercell,
        boxes=args.box,
        molecules=args.molecules,
        expand_symmetry=args.expand_symmetry,
        solvent="mask" if args.fit_solvent else args.solvent,
        k_sol=args.k_sol,
        b_sol=PredictSettings.b_sol if args.b_sol is None else args.b_sol,
    )
    if args.solvent == "mask" and not args.fit_solvent:
        settings.solvent_density()  # refuses where there is no usual one
    return settings


def _refuse_idle_solvent(args: argparse.Namespace) -> None:
    """Refuse numbers of a bulk solvent that there is none of, or that would be fitted over."""
    typed = [name for name in ("--k-sol", "--b-sol") if getattr(args, name[2:].replace("-", "_")) is not None]
    if args.fit_solvent and typed:
        raise BadInput(f"--fit-solvent finds what {typed[0]} gives", advice="Leave one of them out")
    if typed and args.solvent == "none":
        raise BadInput(f"{typed[0]} is for a bulk solvent, and there is none", advice="Give --solvent mask too")


def execution(args: argparse.Namespace) -> Execution:
    """Where to compute, from parsed arguments."""
    return Execution(scheduler=args.scheduler, workers=args.workers, device=args.device)
