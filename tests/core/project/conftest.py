"""A project that tests may damage."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def copy(example_project, tmp_path):
    """A copy of the example's project without its structure factors, free to be damaged."""
    target = tmp_path / "copy.mdw"
    shutil.copytree(example_project.path, target, ignore=shutil.ignore_patterns("*.zarr"))
    return target
