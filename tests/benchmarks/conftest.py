"""Benchmarks are called bench_*.py, so that they are collected here and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    is_named = parent.session.isinitpath(file_path)  # a file named on the command line is collected anyway
    if file_path.match("bench_*.py") and not is_named:
        return pytest.Module.from_parent(parent, path=file_path)
    return None
