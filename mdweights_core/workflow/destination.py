"""Where a project goes: looked at before hours of work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mdweights_core.errors import BadInput
from mdweights_core.io.files import disk_problem, require_writable
from mdweights_core.scattering.storage.filling import require_space
from mdweights_core.scattering.storage.names import STORE_PATTERN

if TYPE_CHECKING:
    from mdweights_core.weights.problem import WeightProblem

_LEAST_BYTES = 500_000  # record, table of weights, validation
_FRAME_BYTES = 1000  # weights and their meaning: features, dihedral angles
_GROUP_BYTES = 40  # indices, maps, flags


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
    require_writable(parent)


def check_room(out: Path, problem: WeightProblem, samples: int) -> None:
    """Refuse to fit weights that could not be saved, with so many `samples` of a bootstrap.

    Raises
    ------
    DiskProblem
        When the disk has less room than the project may take beside the one that it replaces.
    """
    of_frames = (_FRAME_BYTES + 8 * samples) * problem.n_frames
    of_reflections = _GROUP_BYTES * len(problem.groups) + 8 * len(problem.groups.p1)
    n_bytes = _LEAST_BYTES + 2 * (of_frames + of_reflections)
    require_space(
        out, n_bytes, "results, which are saved beside those they replace,", "Free some space, or choose another disk"
    )


def _refuse_strangers(out: Path) -> None:
    if out.suffix != ".mdw":
        stem = "project" if out.name in ("", ".mdw") else out.name
        raise BadInput("a project's name must end in .mdw", where=out, advice=f"Try {stem}.mdw")
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
