"""`mdweights predict`: structure factors of frames into a store, after a look at the frames; and out of it as MTZ."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdweights_core.cli.arguments import (
    add_frames,
    add_json,
    add_map,
    execution,
    fit_inputs,
    positive,
    predict_settings,
    three,
)
from mdweights_core.cli.console import Terminal
from mdweights_core.errors import BadInput, counted

if TYPE_CHECKING:
    import gemmi

    from mdweights_core.scattering.frames.checks import FrameCheck
    from mdweights_core.scattering.settings import PredictSettings
    from mdweights_core.scattering.storage.store import StructureFactorStore
    from mdweights_core.workflow import FrameRun


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("predict", help="compute structure factors of all frames into a store")
    parser.add_argument("--out", type=Path, required=True, metavar="FRAMES.zarr")
    parser.add_argument("--replace", action="store_true", help="lose other structure factors that --out holds")
    parser.add_argument("--check", action="store_true", help="only look at the frames and say what would be done")
    parser.add_argument("--ndiv", type=three, metavar="n,n,n", help="without a map: indices h/n (those of --supercell)")
    add_json(parser)
    add_map(parser, required=False)
    add_frames(parser, "trajectory files, per-frame MTZ files or a folder of them, or an xtraj checkpoint")
    group = parser.add_argument_group("MTZ files of the result")
    group.add_argument("--mtz-frames", type=Path, metavar="DIR", help="one MTZ per frame with FC,PHIC")
    group.add_argument("--average", type=positive, metavar="N", help="with --mtz-frames: one per N frames, their means")
    group.add_argument("--mtz-average", type=Path, metavar="F.mtz", help="means over all frames: FC,PHIC, IMEAN, IDIFF")
    group.add_argument(
        "--collapse", action="store_true", help="these of one primitive cell in --space-group, not of the supercell"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Fill the store; a second run with the same inputs returns at once."""
    from mdweights_core import workflow

    _refuse_what_does_nothing(args)
    _refuse_places(args)
    where = execution(args)
    started = time.monotonic()
    settled = terminal.run(_run_of(args))
    if settled.note:
        terminal.say(settled.note)
    is_done = workflow.is_done(settled)
    checked = None if is_done and not args.check else terminal.run(workflow.check(settled))
    if checked is not None:
        print_check(checked, terminal)
    if args.check:
        _tell_check(args, checked, is_done, terminal)
        return
    store = terminal.run(workflow.compute(settled, where, may_replace=args.replace))
    _conclude(store, settled, args, time.monotonic() - started, terminal)


def _refuse_what_does_nothing(args: argparse.Namespace) -> None:
    if args.average and not args.mtz_frames:
        raise BadInput("--average is for the files of --mtz-frames", advice="Give --mtz-frames DIR too")
    if args.collapse and not (args.mtz_frames or args.mtz_average):
        raise BadInput("--collapse is for MTZ files", advice="Give --mtz-frames or --mtz-average too")
    if args.ndiv and args.map:
        raise BadInput("the map says which indices there are", advice="Leave --ndiv out")


def _refuse_places(args: argparse.Namespace) -> None:
    """Refuse now, and not after hours, what MTZ files cannot be written to."""
    for folder in filter(None, [args.mtz_frames]):
        if folder.exists() and not folder.is_dir():
            raise BadInput("there is a file of this name", where=folder, advice="Name a folder for the MTZ files")
    for file in filter(None, [args.mtz_average]):
        if file.exists() and not file.is_file():
            raise BadInput("this is not a file", where=file, advice="Name an MTZ file")
        if not file.absolute().parent.is_dir():
            raise BadInput("the folder to write into does not exist", where=file, advice="Create it, or choose another")


def _tell_check(args: argparse.Namespace, checked: FrameCheck | None, is_done: bool, terminal: Terminal) -> None:
    if is_done:
        terminal.say(f"{args.out} holds all of it: there is nothing left to compute")
    elif checked is None:
        terminal.say("These frames are structure factors already: there are no atoms to look at")
    terminal.result({"check": None if checked is None else check_summary(checked)})


def _run_of(args: argparse.Namespace) -> Any:
    """The settled run, as a job."""
    from mdweights_core import workflow

    made = yield from workflow.run_for_predict(
        tuple(args.frames),
        args.out,
        topology=args.topology,
        settings=predict_settings(args),
        map_inputs=fit_inputs(args) if args.map else None,
        cell=args.cell,
        space_group=args.space_group,
        d_min=args.d_min,
        d_max=args.d_max,
        ndiv=args.ndiv,
    )
    return (yield from workflow.with_fitted_solvent(made, args.fit_solvent))


def print_check(checked: FrameCheck, terminal: Terminal) -> None:
    """What was seen in the frames before anything was computed."""
    for remark in checked.remarks:
        terminal.foretell(remark.topic, remark.text, is_warning=remark.level not in ("good", "note"))


def check_summary(checked: FrameCheck) -> dict[str, Any]:
    """The same for `--json`."""
    numbers = ("n_frames", "n_atoms", "n_hkl", "bytes_needed", "bytes_free", "seconds_per_frame", "seconds_needed")
    drift = np.linalg.norm(checked.drift, axis=1)
    return {
        **{name: getattr(checked, name) for name in numbers},
        "remarks": [{"level": r.level, "topic": r.topic, "text": r.text} for r in checked.remarks],
        "max_drift": float(np.nanmax(drift)) if np.isfinite(drift).any() else None,
        "duplicates": [list(pair) for pair in checked.duplicates],
    }


def _conclude(
    store: StructureFactorStore, settled: FrameRun, args: argparse.Namespace, seconds: float, terminal: Terminal
) -> None:
    drift = np.linalg.norm(store.frames.drift, axis=1)
    largest = float(np.nanmax(drift)) if np.isfinite(drift).any() else None
    error = store.origin.get("measured_error")
    terminal.say(f"{args.out}: {counted(store.n_frames, 'frame')}, {store.n_hkl} reflections, {seconds:.1f} s")
    if error is not None:
        terminal.say(f"error of the first frame against direct summation: {error:.1e}")
    if largest is not None:
        terminal.say(f"largest drift {'found' if args.keep_drift else 'taken out'}: {largest:.3f} Å")
    for text in store.noted:
        terminal.say(text)
    for text in store.origin["warnings"]:
        terminal.warn(text)
    written = _write_mtz(store, settled.lattice.space_group, args, terminal)
    terminal.result(
        {
            "store": str(args.out),
            "n_frames": store.n_frames,
            "n_reflections": store.n_hkl,
            "seconds": seconds,
            "measured_error": error,
            "max_drift": largest,
            "warnings": list(store.origin["warnings"]),
            "bulk_solvent": _solvent(settled.settings) if settled.has_atoms else None,
            "written": written,
        }
    )


def _solvent(settings: PredictSettings) -> dict[str, float] | None:
    return {"k_sol": settings.solvent_density(), "b_sol": settings.b_sol} if settings.solvent == "mask" else None


def _write_mtz(
    store: StructureFactorStore, group: gemmi.SpaceGroup, args: argparse.Namespace, terminal: Terminal
) -> list[str]:
    """The MTZ files that were asked for."""
    if not (args.mtz_frames or args.mtz_average):
        return []
    from mdweights_core.scattering import frame_mtz

    options = {"collapse": group, "supercell": args.supercell} if args.collapse else {}
    told = []
    if args.mtz_frames and args.average:
        told += terminal.run(frame_mtz.write_block_averages(store, args.mtz_frames, args.average, **options))
    elif args.mtz_frames:
        told += terminal.run(frame_mtz.write_frame_mtzs(store, args.mtz_frames, **options))
    if args.mtz_average:
        told += terminal.run(frame_mtz.write_average_mtz(store, args.mtz_average, **options))
    for text in dict.fromkeys(told):
        terminal.warn(text)
    written = [str(path) for path in (args.mtz_frames, args.mtz_average) if path]
    for path in written:
        terminal.say(f"wrote {path}")
    return written
