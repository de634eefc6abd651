"""What memory there is."""

from __future__ import annotations

from mdweights_core.weights.frames.room import available_memory


def test_a_container_may_use_less_than_the_machine_has(tmp_path):
    (tmp_path / "memory.max").write_text("1000000\n")
    assert available_memory(tmp_path) == 1e6
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory(tmp_path) > 1e8
