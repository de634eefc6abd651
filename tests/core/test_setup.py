"""The set-up script: which interpreter it takes, what it says when there is none, and that it works only once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# An interpreter whose pip only notes that it was called.
NOTING_PYTHON = f"""#!/bin/sh
case "$*" in
    *"pip install"*) echo "$*" >> pip.log ;;
    *) exec "{sys.executable}" "$@" ;;
esac
"""

OLD_PYTHON = "#!/bin/sh\nexit 1\n"  # what the question "are you 3.11 to 3.13?" is answered with


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def set_up(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    return subprocess.run(
        [shutil.which("bash") or "/bin/bash", folder / "packaging" / "setup.sh"],
        env=inherited | {"MDWEIGHTS_SYSTEM_PACKAGES": "no"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "packaging/setup.sh", "packaging/constraints.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def finished(clone: Path) -> Path:
    """A clone whose environment is set up, with pip noted in pip.log."""
    write_program(clone / ".venv/bin/python", NOTING_PYTHON)
    done = set_up(clone)
    assert done.returncode == 0, done.stderr
    return clone


def path_without_python(clone: Path) -> str:
    tools = clone / "tools"
    tools.mkdir(exist_ok=True)
    for tool in ("cat", "dirname", "head", "id", "sha256sum", "tr"):
        (tools / tool).unlink(missing_ok=True)
        (tools / tool).symlink_to(shutil.which(tool) or "")
    return str(tools)


def installs(clone: Path) -> int:
    return len((clone / "pip.log").read_text().splitlines())


def test_packages_are_installed_as_constrained(finished: Path) -> None:
    assert "-c packaging/constraints.txt -e .[dev]" in (finished / "pip.log").read_text()


def test_second_run_does_nothing(finished: Path) -> None:
    again = set_up(finished)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert installs(finished) == 1


@pytest.mark.parametrize("name", ["pyproject.toml", "packaging/constraints.txt"])
def test_changed_dependencies_are_installed(finished: Path, name: str) -> None:
    with (finished / name).open("a") as file:
        file.write("# changed\n")
    assert set_up(finished).returncode == 0
    assert installs(finished) == 2


def test_moved_clone_gets_a_new_environment(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    bare = path_without_python(finished)
    assert set_up(finished, PATH=bare).returncode == 0
    moved = tmp_path_factory.mktemp("elsewhere") / "clone"
    shutil.move(finished, moved)
    done = set_up(moved, PATH=path_without_python(moved))
    assert "none was found" in done.stderr  # it looked for an interpreter to make a new one with


def test_unsuitable_interpreter_is_told_in_a_sentence(clone: Path) -> None:
    done = set_up(clone, PYTHON=str(write_program(clone / "old" / "python3", OLD_PYTHON)))
    assert done.returncode == 1
    assert done.stderr.endswith("python3 is not a Python 3.11, 3.12 or 3.13 that runs.\n")


def test_absence_of_python_is_told_in_a_sentence(clone: Path) -> None:
    done = set_up(clone, PATH=path_without_python(clone))
    assert done.returncode == 1
    assert done.stderr.startswith("setup: mdweights needs Python 3.11, 3.12 or 3.13 and none was found.")
