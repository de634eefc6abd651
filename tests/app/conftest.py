"""Every test of the window starts with no settings and leaves nothing running."""

import pytest


@pytest.fixture(autouse=True)
def _clean_window(private_settings: None, no_leaks: None) -> None:
    pass
