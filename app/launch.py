"""The `mdweights` command: the command line of the core, with this window handed to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mdweights_core.cli import main as command_line
from mdweights_core.cli.main import Window
from mdweights_core.errors import MdweightsError

_PICTURE_SECONDS = 180


def main() -> int:
    """Entry point of the program."""
    return command_line(sys.argv[1:], Window(open=open_window, picture=draw_window))


def open_window(files: Sequence[Path]) -> int:
    """Show the window, on a project or on a map and frames when some are given."""
    from app.main import main as window_main

    return window_main([str(path) for path in files])


def draw_window(project: Path, picture: Path) -> None:
    """Draw the real window on `project` into a PNG file, under a virtual display when there is no other.

    Raises
    ------
    MdweightsError
        When the window could not be drawn.
    """
    command = [sys.executable, "-m", "app.main", "--picture", str(project), str(picture)]
    # software GL on one thread: those of Mesa are known to hang in processes that end soon
    environment = {"LP_NUM_THREADS": "0", **os.environ}
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        if shutil.which("xvfb-run"):
            command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *command]
            environment["QT_QPA_PLATFORM"] = "xcb"
        else:
            environment["QT_QPA_PLATFORM"] = "offscreen"
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PICTURE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MdweightsError(f"the window could not be drawn ({error})") from error
    if done.returncode != 0 or not picture.exists():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MdweightsError(
            f"the window could not be drawn ({last})", advice="Install xvfb for pictures without a display"
        )


if __name__ == "__main__":
    sys.exit(main())
