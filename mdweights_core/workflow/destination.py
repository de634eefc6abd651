"""Where a project goes: looked at before hours of work."""

from __future__ import annotations

import os
from pathlib import Path

from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.files import disk_problem
from mdweights_core.scattering.storage.names import STORE_PATTERN


def check_destination(out: Path) -> None:
    """Refuse to write a project over anything that is not one, or where nothing can be written.

    Raises
    ------
    BadInput
        For a name or a place of something else.
    DiskProblem
        When the place cannot be looked at or written to: said now and not after hours of work.
    """
    try:
        _refuse_strangers(out)
        parent = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    except OSError as error:
        raise disk_problem(error, out) from error
    if not os.access(parent, os.W_OK | os.X_OK):
        raise DiskProblem("nothing can be written here", where=parent, advice="Choose another folder")


def _refuse_strangers(out: Path) -> None:
    if out.suffix != ".mdw":
        raise BadInput("a project's name must end in .mdw", where=out, advice=f"Try {out.name}.mdw")
    if out.is_file() or (out.is_symlink() and not out.exists()):
        raise BadInput("there is a file or a broken link of this name", where=out, advice="Choose another name")
    if out.is_dir() and not (out / "project.json").exists():
        ours = (".*", STORE_PATTERN)
        strangers = sorted(p.name for p in out.iterdir() if not any(p.match(pattern) for pattern in ours))
        if strangers:
            raise BadInput(
                f"the folder is not a project and holds other files ({', '.join(strangers[:3])})",
                where=out,
                advice="Choose another name",
            )
