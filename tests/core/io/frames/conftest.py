"""Real trajectories that the tests of the readers share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def small(shared_data: Path) -> Path:
    """Return the folder of small trajectories of many formats."""
    return shared_data / "trajectories"
