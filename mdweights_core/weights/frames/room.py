"""How much memory there is."""

from __future__ import annotations

import os
from pathlib import Path

_PART = 0.5
_CGROUPS = Path("/sys/fs/cgroup")


def available_memory(cgroups: Path = _CGROUPS) -> float:
    """Bytes this process may use: the machine's, cut to the container's limit (cgroup v2 or v1)."""
    machine = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return min(machine, float((cgroups / name).read_text()))
        except (OSError, ValueError):  # not there, or the word max
            continue
    return machine


def usual_room() -> float:
    """Bytes for structure factors where nobody says how many: half of what there is."""
    return _PART * available_memory()
