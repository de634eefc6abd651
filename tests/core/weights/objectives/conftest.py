"""Two maps that all objectives are tried on."""

from __future__ import annotations

import pytest
from support.two_maps import TwoMaps, two_maps


@pytest.fixture(scope="session")
def maps() -> TwoMaps:
    return two_maps()
