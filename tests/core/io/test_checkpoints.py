"""Checkpoints: of what they are made from, whole or not at all, and told about once where the disk is full."""

from pathlib import Path

import numpy as np
import pytest

from mdweights_core.errors import BadInput, DiskProblem
from mdweights_core.io.checkpoints import Keeper, fingerprint, load_checkpoint, save_checkpoint

OTHER = "another system"


def both(record, arrays):
    return record, arrays


def test_what_was_written_is_read(tmp_path: Path) -> None:
    place = tmp_path / "run.npz"
    assert load_checkpoint(place, "mark", OTHER, both) is None
    save_checkpoint(place, "mark", {"step": 3, "rungs": [[2.0, 0.5]]}, {"x": np.arange(4.0)})
    record, arrays = load_checkpoint(place, "mark", OTHER, both)
    assert record == {"step": 3, "rungs": [[2.0, 0.5]]}
    np.testing.assert_array_equal(arrays["x"], np.arange(4.0))


def test_of_something_else_or_damaged_it_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "run.npz"
    save_checkpoint(place, "mark", {"step": 3}, {"x": np.arange(400.0)})
    with pytest.raises(BadInput, match="The checkpoint is of another system"):
        load_checkpoint(place, "other mark", OTHER, both)
    with pytest.raises(BadInput, match="damaged"):
        load_checkpoint(place, "mark", OTHER, lambda record, arrays: arrays["y"])
    place.write_bytes(place.read_bytes()[:300])
    with pytest.raises(BadInput, match="damaged"):
        load_checkpoint(place, "mark", OTHER, both)


def test_words_values_shapes_and_types_all_count() -> None:
    x = np.arange(6.0)
    others = [("words", [x + 1]), ("words", [x.reshape(2, 3)]), ("words", [x.astype(np.float32)]), ("word", [x])]
    assert fingerprint("words", [x]) == fingerprint("words", [x.copy()])
    assert fingerprint("words", [x]) not in {fingerprint(*other) for other in others}


def test_a_full_disk_is_told_once_and_nothing_more_is_written(tmp_path: Path) -> None:
    tried = []

    def full(run: int, path: Path) -> None:
        tried.append(run)
        raise DiskProblem("The disk is full", where=path)

    keeper: Keeper[int] = Keeper(tmp_path / "run.npz", 0.0, full)
    for run in range(3):
        keeper.save_if_due(run)
    assert tried == [0]
    assert len(keeper.notes) == 1
    assert "cannot be gone on with" in keeper.notes[0]


def test_one_is_written_when_it_is_time_or_when_asked_for(tmp_path: Path) -> None:
    written = []
    keeper: Keeper[int] = Keeper(tmp_path / "run.npz", 3600.0, lambda run, path: written.append(run))
    keeper.save_if_due(1)
    keeper.save(2)
    assert written == [2]
    hasty: Keeper[int] = Keeper(tmp_path / "run.npz", 0.0, lambda run, path: written.append(run))
    hasty.save_if_due(3)
    assert written == [2, 3]
    assert not Keeper(None, 0.0, lambda run, path: None).is_due()
