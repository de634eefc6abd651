"""Rules of docs/architecture.md that import-linter cannot tell: names inside Qt's modules, and what an import loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
THREADS = frozenset({"QThread", "QThreadPool", "QRunnable", "Thread", "ThreadPoolExecutor"})


def mentioned_names(source: str) -> set[str]:
    """Every name, attribute and imported name of a module, and the last part of each imported module."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                names.add(name)
            case ast.alias(name=name):
                names.add(name.rpartition(".")[2])
            case ast.ImportFrom(module=str(module)):
                names.add(module.rpartition(".")[2])
    return names


def modules_of_app(*, outside: str = "") -> Iterator[Path]:
    for path in sorted((REPOSITORY / "app").rglob("*.py")):
        if not outside or outside not in path.relative_to(REPOSITORY / "app").parts:
            yield path


@pytest.mark.parametrize(
    "source",
    [
        "from PySide6.QtCore import QThread",
        "from PySide6 import QtCore\nQtCore.QThread()",
        "import PySide6.QtCore as q\nworker = q.QThread",
    ],
)
def test_a_thread_is_found_however_it_is_imported(source: str) -> None:
    assert "QThread" in mentioned_names(source)


def test_only_workers_know_threads() -> None:
    found = {str(path): mentioned_names(path.read_text()) & THREADS for path in modules_of_app(outside="workers")}
    assert not {path: names for path, names in found.items() if names}


def test_only_scenes_know_vispy() -> None:
    found = [str(path) for path in modules_of_app(outside="scenes") if "vispy" in mentioned_names(path.read_text())]
    assert not found


def test_models_and_workers_know_no_widgets() -> None:
    rooms = [REPOSITORY / "app" / room for room in ("models", "workers")]
    modules = [path for room in rooms for path in room.rglob("*.py")]
    assert modules
    assert not [str(path) for path in modules if "QtWidgets" in mentioned_names(path.read_text())]


def loaded_by(statement: str) -> set[str]:
    """The top-level packages that are loaded after `statement` in a new interpreter."""
    program = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["mdweights_core", "mdweights_core.cli"])
def test_import_loads_neither_jax_nor_qt(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert "mdweights_core" in loaded
    assert not loaded & {"jax", "jaxlib", "optax", "PySide6", "pyqtgraph", "vispy", "matplotlib"}
