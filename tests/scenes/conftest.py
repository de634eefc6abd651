"""Every test of a scene needs OpenGL, starts with no settings, draws without errors and leaves nothing running."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _clean_scene(
    private_settings: None, gl_context: str, no_leaks: None, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    yield
    # vispy writes what goes wrong while it draws to its log and goes on with an empty picture.
    failures = [it.getMessage() for it in caplog.get_records("call") if it.name == "vispy" and it.levelname == "ERROR"]
    assert not failures, failures
