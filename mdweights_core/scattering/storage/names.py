"""The stores in a project's folder: one for each key, so that a run leaves alone what an older one computed.

The project names its own; the others, as a run that was stopped leaves them, go when it is saved again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mdweights_core.errors import DiskProblem
from mdweights_core.io.files import hold
from mdweights_core.jobs import Clock, Progress
from mdweights_core.scattering.storage.filling import SNAPSHOT_SECONDS, readable_store, same_store
from mdweights_core.scattering.storage.folder import clear_way, is_store, writing_to
from mdweights_core.scattering.storage.resume import may_begin_with

STORE_PATTERN = "frames*.zarr"


def store_place(folder: Path, key: Mapping[str, Any]) -> Path:
    """Where in `folder` the structure factors of `key` are, or would be."""
    there = (path for path in sorted(folder.glob(STORE_PATTERN)) if same_store(path, key) is not None)
    digest = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()
    return next(there, folder / f"frames-{digest[:8]}.zarr")


def begin_with_older(place: Path, key: Mapping[str, Any]) -> Generator[Progress, None, None]:
    """Put at `place`, when nothing is there, a store beside it whose frames those of `key` may begin with.

    Files are never changed in a store, only replaced: the copy shares them with the older store, which stays as it is,
    wherever the disk knows hard links.

    Raises
    ------
    DiskProblem
        When the disk does not take it.
    """
    if is_store(place):
        return
    stores = filter(None, (readable_store(path) for path in place.parent.glob(STORE_PATTERN)))
    older = [store for store in stores if may_begin_with(key, store.key)]
    if older:
        yield from _shared(max(older, key=lambda store: int(store.finished.sum())).path, place)


def _shared(older: Path, place: Path) -> Generator[Progress, None, None]:
    half, clock = place.with_name(f".{place.name}"), Clock(SNAPSHOT_SECONDS)
    files = [file for file in older.rglob("*") if file.is_file()]
    try:
        with writing_to(place):
            for done, file in enumerate(files):
                target = half / file.relative_to(older)
                target.parent.mkdir(parents=True, exist_ok=True)
                _link(file, target)
                if clock.is_due():
                    yield Progress("checking", done, len(files), "Taking over the frames that are there")
            if place.is_dir():  # empty: it is no store
                place.rmdir()
            half.rename(place)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:
        shutil.copy2(file, target)


def remove_others(keep: Path) -> None:
    """Remove the stores beside `keep`; those that another run holds, or that the disk keeps, stay for now."""
    for path in keep.parent.glob(STORE_PATTERN):
        if path != keep and is_store(path):
            with suppress(OSError, DiskProblem), hold(path):
                clear_way(path)
                path.rmdir()
