"""Blocks in memory, in a file without a name, and on several devices."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from support.small_frames import random_weights, small_frames

from mdweights_core.errors import DiskProblem
from mdweights_core.weights.frames.blocks import BlockBuilder, frame_rows
from mdweights_core.weights.frames.passes import Mixtures, contractions, gram, intensities, intensities_and_means, lines
from mdweights_core.weights.frames.scratch import Scratch
from mdweights_core.weights.objectives.base import Metric

N_FRAMES, N_GROUPS = 9, 37


def everything(frames) -> dict[str, np.ndarray]:
    """What every pass gives."""
    w, c = random_weights(2, N_FRAMES), np.random.default_rng(2).normal(size=(2, 2, N_GROUPS))
    metric = Metric(np.ones(N_GROUPS), np.ones((N_GROUPS, 1)), np.full((1, N_GROUPS), 1 / N_GROUPS))
    line = lines(frames, w, random_weights(2, N_FRAMES, seed=5) - w)
    return {
        "intensities": intensities(frames, w),
        "means": intensities_and_means(frames, w)[1].on_images(frames, 2),
        "contractions": contractions(frames, w, c),
        "first": line.first,
        "second": line.second,
        "gram": gram(frames, w[0], Mixtures(np.arange(3), w[1:]), metric),
        "taken": intensities(frames.take(np.arange(4, 30, 3)), w),
        "with empty": intensities(frames.with_empty_frame(), np.pad(0.9 * w, ((0, 0), (0, 1)), constant_values=0.1)),
    }


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], part: float) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=part * np.abs(values).max(), err_msg=name)


def test_blocks_of_a_file_are_those_of_memory(tmp_path):
    in_memory = small_frames(dtype=np.float32).frames
    from_file = small_frames(dtype=np.float32, scratch=tmp_path).frames
    assert isinstance(from_file.store, Scratch)
    assert from_file.n_bytes == in_memory.n_bytes == 4 * N_FRAMES * 7 * 40
    assert_same(everything(from_file), everything(in_memory), 1e-6)


def test_nothing_is_left_in_the_folder_not_even_while_at_work(tmp_path):
    frames = small_frames(dtype=np.float32, scratch=tmp_path).frames
    assert list(tmp_path.iterdir()) == []
    intensities(frames, random_weights(1, N_FRAMES))
    assert list(tmp_path.iterdir()) == []


def test_two_readers_of_one_file_do_not_disturb_each_other(tmp_path):
    frames = small_frames(dtype=np.float32, scratch=tmp_path).frames
    for one, other in zip(frames, frames, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)


def test_a_reader_that_is_left_in_the_middle_leaves_no_thread(tmp_path):
    import threading

    before = threading.active_count()
    blocks = iter(small_frames(dtype=np.float32, scratch=tmp_path).frames)
    next(blocks)
    blocks.close()
    assert threading.active_count() == before


def test_a_disk_that_is_full_is_a_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(DiskProblem, match="disk is full") as told:
        small_frames(dtype=np.float32, scratch=tmp_path)
    assert str(tmp_path) in told.value.sentence


def test_a_write_that_the_disk_takes_in_pieces_is_complete(tmp_path, monkeypatch):
    """Linux takes 2 GiB at a time, and what there is room for on a disk that is nearly full."""
    write, read = os.pwritev, os.preadv
    monkeypatch.setattr(os, "pwritev", lambda fd, parts, offset: write(fd, [parts[0][:1000]], offset))
    monkeypatch.setattr(os, "preadv", lambda fd, parts, offset: read(fd, [parts[0][:999]], offset))
    frames = small_frames(dtype=np.float32, scratch=tmp_path).frames
    assert_same(everything(frames), everything(small_frames(dtype=np.float32).frames), 1e-6)


def test_a_file_cut_short_is_a_sentence(tmp_path):
    frames = small_frames(dtype=np.float32, scratch=tmp_path).frames
    frames.store.file.truncate(3000)
    with pytest.raises(DiskProblem, match="too short"):
        intensities(frames, random_weights(1, N_FRAMES))


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DiskProblem, match="folder"):
        small_frames(dtype=np.float32, scratch=tmp_path / "nowhere")


def test_units_are_mixtures_of_frames_put_in_any_order():
    """The power of a unit is the mean of that of its frames, not that of its mean."""
    small, prior = small_frames(6), np.array([0.1, 0.3, 0.2, 0.1, 0.2, 0.1])
    mixture = np.zeros((3, 6))
    mixture[np.arange(6) // 2, np.arange(6)] = prior / np.repeat(prior.reshape(3, 2).sum(axis=1), 2)
    origin = small.frames.origin
    builder = BlockBuilder(3, small.share, origin, dtype=np.float64, block_size=10)
    builder.put(slice(2, 3), small.f[4:] - origin, mixture[2:, 4:])
    builder.put(slice(0, 2), small.f[:4] - origin, mixture[:2, :4])
    w = random_weights(2, 3)
    np.testing.assert_allclose(intensities(builder.finish(), w), small.intensity(w @ mixture), rtol=1e-10)


def test_rows_hold_real_and_imaginary_parts_and_the_mean_power():
    e = np.array([[[1 + 2j, 0.5], [3j, 0]]])
    rows = frame_rows(e, np.array([[0.5, 1], [0.5, 0]]), np.float64)
    np.testing.assert_allclose(rows, [[[1, 0.5], [0, 0], [2, 0], [3, 0], [7, 0.25]]])


_ON_TWO = """
import sys
import numpy as np
sys.path[:0] = sys.argv[1:3]
import test_blocks
from support.small_frames import small_frames
frames = small_frames(dtype=np.float32, block_size=None).frames
assert {tuple(block.rows.devices())[0].id for block in frames} == {0, 1}
np.savez(sys.argv[3], **test_blocks.everything(frames))
"""


def test_blocks_are_spread_over_several_devices_and_give_the_same(tmp_path):
    assert jax.local_device_count() == 1
    here, out = Path(__file__).parent, tmp_path / "found.npz"
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", _ON_TWO, str(here), str(here.parents[2]), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(out) as found:
        assert_same(dict(found), everything(small_frames(dtype=np.float32).frames), 1e-6)
