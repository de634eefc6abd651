"""Where a project comes from: date, versions, and fingerprints of the files it was made from."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import mdweights_core
from mdweights_core.errors import MdweightsError
from mdweights_core.io.files import file_fingerprint
from mdweights_core.project.inputs import OPTIONAL_FILES, FitInputs


def provenance(inputs: FitInputs) -> dict[str, Any]:
    """Date, versions and fingerprints of the files that were read."""
    others = [getattr(inputs, name) for name in OPTIONAL_FILES]
    files = [inputs.map, *inputs.frames, *filter(None, others)]
    return {
        "program": f"mdweights {mdweights_core.__version__}",
        "source": source_fingerprint(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in ("jax", "numpy", "scipy", "gemmi", "mdtraj")},
        "files": {str(Path(p).absolute()): file_fingerprint(p) for p in files if Path(p).is_file()},
    }


def changed_files(provenance: Mapping[str, Any]) -> list[str]:
    """Input files that are gone or hold something else than when `provenance` was taken."""
    return [path for path, before in provenance.get("files", {}).items() if _fingerprint(path) != before]


@cache
def source_fingerprint() -> str:
    """SHA-256 of this program's modules: two of one version number may differ."""
    root, digest = Path(mdweights_core.__file__).parent, hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _fingerprint(path: str) -> str | None:
    try:
        return file_fingerprint(path)
    except MdweightsError:
        return None
