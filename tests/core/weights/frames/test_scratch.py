"""Fits from a file: the same as in memory, whether the file is read through the system's cache or past it."""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace

import numpy as np
import pytest
from support.synthetic import synthetic_problem

from mdweights_core import jobs
from mdweights_core.weights.fit import fit_weights
from mdweights_core.weights.frames import scratch as module
from mdweights_core.weights.frames.blocks import BlockBuilder
from mdweights_core.weights.frames.scratch import aligned


@pytest.fixture(scope="module")
def truth():
    return synthetic_problem(24, 900, n_true=8, n_modes=4, space_group="P 21 21 21")


def in_blocks(truth, folder):
    """The problem with its frames in several blocks that fill no page, in a file of a folder or in memory (None)."""
    groups, problem = truth.problem.groups, truth.problem
    there = groups.copies >= 0
    f = np.where(there, truth.f_p1.astype(np.complex64)[:, np.maximum(groups.copies, 0)], 0)
    builder = BlockBuilder(
        len(f), problem.frames.share, problem.frames.origin.astype(np.complex64), scratch=folder, block_size=101
    )
    builder.put(slice(0, len(f)), (f - problem.frames.origin).astype(np.complex64))
    return replace(problem, frames=builder.finish())


@pytest.mark.parametrize("room", [1e9, 0.0])
def test_a_fit_from_disk_is_that_in_memory(truth, tmp_path, monkeypatch, room):
    monkeypatch.setattr(module, "usual_room", lambda: room)
    problem = in_blocks(truth, tmp_path)
    if room == 0 and hasattr(os, "O_DIRECT"):
        assert fcntl.fcntl(problem.frames.store.file, fcntl.F_GETFL) & os.O_DIRECT
    here, there = (jobs.run(fit_weights(p)) for p in (in_blocks(truth, None), problem))
    np.testing.assert_allclose(there.weights, here.weights, atol=1e-6)
    assert there.scores.cc_aniso == pytest.approx(here.scores.cc_aniso, abs=1e-6)
    assert there.kkt_residual == pytest.approx(here.kkt_residual, abs=1e-6)


def test_a_disk_that_cannot_be_read_past_the_cache_is_read_through_it(truth, tmp_path, monkeypatch):
    """Some file systems take the flag and refuse the reading."""
    monkeypatch.setattr(module, "usual_room", lambda: 0.0)
    read = os.preadv

    def refusing(fd, parts, offset):
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(22, "Invalid argument")
        return read(fd, parts, offset)

    monkeypatch.setattr(os, "preadv", refusing)
    frames = in_blocks(truth, tmp_path).frames
    assert len(list(frames)) == frames.n_blocks > 1


def test_aligned_arrays_begin_at_a_page_and_are_taken_without_a_copy():
    array = aligned((5, 7), np.float32)
    assert array.shape == (5, 7)
    assert array.ctypes.data % 4096 == 0
