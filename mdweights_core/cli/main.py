"""Parse, dispatch, and end with an exit code: 0 done, 1 could not be done, 2 bad input, 130 interrupted."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mdweights_core import __version__
from mdweights_core.cli import (
    demo,
    explain,
    export,
    fit,
    free_energy,
    info,
    minimize,
    modes,
    predict,
    report,
    rerun,
    sample,
    scan,
    select,
    sensitivity,
    tune,
    validate,
)
from mdweights_core.cli.console import Terminal
from mdweights_core.errors import MdweightsError
from mdweights_core.faults import write_fault_log

INTERRUPTED = 130
_COMMANDS = (
    info,
    predict,
    fit,
    validate,
    scan,
    explain,
    select,
    minimize,
    modes,
    sample,
    free_energy,
    sensitivity,
    tune,
    export,
    report,
    rerun,
    demo,
)


@dataclass(frozen=True)
class Window:
    """What the command line needs of the graphical window, handed in by whoever has it (the core has none).

    Attributes
    ----------
    open : callable
        Shows the window on files (a project, or a map and frames) or on nothing; returns the exit code.
    picture : callable
        Draws the window on a project into a PNG file.
    """

    open: Callable[[Sequence[Path]], int]
    picture: Callable[[Path, Path], None]


def main(argv: Sequence[str] | None = None, window: Window | None = None) -> int:
    """Run `mdweights ARGS`; without a subcommand the window opens, on the files named if there are any."""
    parser = _parser()
    words = list(sys.argv[1:] if argv is None else argv)
    if window is not None and _are_files(words):
        return window.open([Path(word) for word in words])
    _print_whatever_the_encoding()
    args = parser.parse_args(words)
    if args.command is None:
        return _open_window(parser, window)
    terminal = Terminal(as_json=getattr(args, "json", False))
    try:
        args.run(args, terminal, window)
    except MdweightsError as error:
        terminal.error(error.sentence)
        return error.exit_code
    except KeyboardInterrupt:
        terminal.error("Interrupted. Finished frames are kept; the same command goes on from there.")
        return INTERRUPTED
    except MemoryError:
        terminal.error("The memory of this machine is not enough. Raise --d-min, or take fewer frames.")
        return 1
    except BrokenPipeError:
        # the reader of our output has gone away (`mdweights info ... | head`): nothing more to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        # what no module of the core foresaw: a name too long, a folder that may not be looked into
        place = f"{error.filename}: " if error.filename else ""
        terminal.error(f"{place}The system refused ({(error.strerror or str(error)).lower()}). Choose another place.")
        return 1
    except Exception as error:  # noqa: BLE001 - the last line of defence: a fault of ours is told, not thrown at the user
        terminal.error(
            f"A fault of mdweights ({type(error).__name__}: {error}). Details are in {write_fault_log(error)}."
        )
        return 1
    return INTERRUPTED if terminal.interrupted else terminal.exit_code


def _are_files(words: Sequence[str]) -> bool:
    """Files to open instead of a subcommand; a folder that is called like a subcommand does not hide it."""
    names = {command.__name__.rpartition(".")[2].replace("_", "-") for command in _COMMANDS}
    return bool(words) and words[0] not in names and all(map(os.path.exists, words))


def _print_whatever_the_encoding() -> None:
    """A terminal that has no letter for an angstrom, or a path that is no text, is no reason to end."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def _open_window(parser: argparse.ArgumentParser, window: Window | None) -> int:
    if window is None:
        parser.print_help()
        return 0
    return window.open([])


class _Parser(argparse.ArgumentParser):
    """One that answers a wrong word in a sentence, without all words that there are."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message.rstrip('.')}. See {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mdweights",
        description="Frame weights for MD ensembles from diffuse-scattering maps. Without a subcommand: the window.",
        epilog="mdweights FILE... opens the window on a project, or on a map and frames.",
    )
    parser.add_argument("--version", action="version", version=f"mdweights {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="subcommands")
    for module in _COMMANDS:
        module.add(commands)
    return parser
