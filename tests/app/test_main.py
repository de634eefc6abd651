"""The program starts quickly: what is heavy is loaded on the worker's thread, after the window is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.main import make_scratch

HEAVY = ("jax", "mdtraj", "matplotlib", "scipy.optimize", "pandas", "zarr", "finufft", "h5py", "dask", "distributed")


def test_the_window_is_imported_without_the_numerical_libraries() -> None:
    script = f"import app.main, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_unsaved_fits_lie_in_the_users_cache(private_home: Path) -> None:
    one, other = make_scratch(), make_scratch()
    assert one != other
    assert private_home in one.parents


def test_what_was_left_behind_long_ago_is_removed() -> None:
    old, fresh = make_scratch(), make_scratch()
    os.utime(old, (0, 0))
    make_scratch()
    assert not old.exists()
    assert fresh.exists()


def test_a_cache_that_cannot_be_written_to_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = make_scratch()
    assert folder.is_dir()
    folder.rmdir()


def test_a_picture_of_no_project_fails_with_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app.main", "--picture", str(tmp_path / "no.mdw"), str(tmp_path / "out.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "no.mdw" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.png").exists()
