"""`mdweights predict`: structure factors of frames into a store."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from mdweights_core.cli.arguments import add_frames, add_json, add_map, fit_inputs, predict_settings
from mdweights_core.cli.console import Terminal


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser("predict", help="compute structure factors of all frames into a store")
    add_frames(parser, "trajectory files, or per-frame MTZ files or a folder of them")
    add_map(parser, required=False)
    parser.add_argument("--out", type=Path, required=True, metavar="FRAMES.zarr")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, terminal: Terminal, window: object) -> None:
    """Fill the store; a second run with the same inputs returns at once."""
    from mdweights_core.workflow import predict_frames

    started = time.monotonic()
    store = terminal.run(
        predict_frames(
            tuple(args.frames),
            args.out,
            topology=args.topology,
            settings=predict_settings(args),
            map_inputs=fit_inputs(args) if args.map else None,
            cell=args.cell,
            space_group=args.space_group,
            d_min=args.d_min,
            d_max=args.d_max,
        )
    )
    seconds = time.monotonic() - started
    drift = np.linalg.norm(store.frames.drift, axis=1)
    largest = float(np.nanmax(drift)) if np.isfinite(drift).any() else None
    terminal.say(f"{args.out}: {store.n_frames} frames, {store.n_hkl} reflections, {seconds:.1f} s")
    if largest is not None:
        terminal.say(f"largest drift taken out: {largest:.3f} A")
    for text in store.origin["warnings"]:
        terminal.warn(text)
    terminal.result(
        {
            "store": str(args.out),
            "n_frames": store.n_frames,
            "n_reflections": store.n_hkl,
            "seconds": seconds,
            "max_drift": largest,
            "warnings": list(store.origin["warnings"]),
        }
    )
