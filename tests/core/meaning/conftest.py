"""The molecule of two states, written once."""

from __future__ import annotations

import pytest
from support.two_states import TwoStates, two_states


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> TwoStates:
    """Return frames in two states, of which B weighs three times as much as A."""
    return two_states(tmp_path_factory.mktemp("toy") / "toy.pdb")
