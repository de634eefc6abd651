"""Samples on disk, and samples as frames and weights that other commands read."""

from __future__ import annotations

from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.amide import PDB, frames, write_structure
from support.draws import wide_draws

from mdweights_core.errors import BadInput
from mdweights_core.weights.prior import read_prior
from mdweights_core.workflow.ensemble_files import (
    NEGLIGIBLE,
    merged,
    resampled_draws,
    superposed,
    weighted_draws,
    write_ensemble,
)
from mdweights_core.workflow.sampled import Origin, Sampled, load_sampled, save_sampled


def test_what_was_saved_comes_back(tmp_path):
    sampled = wide_draws(100, frames=40)
    save_sampled(sampled, tmp_path / "s.npz")
    again = load_sampled(tmp_path / "s.npz")
    for one, other in ((again.samples, sampled.samples), (again.origin, sampled.origin)):
        assert vars(one).keys() == vars(other).keys()
        for name, value in vars(other).items():
            np.testing.assert_array_equal(getattr(one, name), value, err_msg=name)


def test_samples_alone_tell_no_origin(tmp_path):
    save_sampled(Sampled(wide_draws(10).samples, Origin()), tmp_path / "s.npz")
    again = load_sampled(tmp_path / "s.npz")
    assert again.reference is None
    assert again.origin.toy == again.origin.structure == ""


def test_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "s.npz", x=np.zeros(3))
    with pytest.raises(BadInput, match="not samples"):
        load_sampled(tmp_path / "s.npz")


def test_the_lightest_draws_are_left_out_and_told():
    log_weights = np.log([1.0, 2.0, 1e-8, 3.0])
    log_weights = np.append(log_weights, -np.inf)
    chosen = weighted_draws(log_weights)
    np.testing.assert_array_equal(chosen.draws, [0, 1, 3])
    np.testing.assert_allclose(chosen.weights, np.array([1, 2, 3]) / 6)
    assert chosen.note.startswith(f"2 of 5 draws, with {NEGLIGIBLE:g}")


def test_resampled_frames_come_as_often_as_they_are_worth():
    weights = np.array([0.5, 0.25, 0.2, 0.05])
    chosen = resampled_draws(np.log(weights) + 700, 1000, seed=3)
    counts = np.bincount(chosen.draws, minlength=4)
    assert np.abs(counts - 1000 * weights).max() <= 1
    assert "996 of 1000 frames repeat others" in chosen.note
    once = merged(chosen)
    np.testing.assert_array_equal(once.draws, np.arange(4))
    np.testing.assert_allclose(once.weights, counts / 1000)


def test_draws_without_any_weight_are_refused():
    with pytest.raises(BadInput, match="No draw has a weight"):
        weighted_draws(np.full(3, -np.inf))


def test_frames_lie_on_the_structure_and_weights_are_a_prior(tmp_path):
    x = frames(60)
    turned = np.einsum("nij,nkj->nki", Rotation.random(60, random_state=0).as_matrix(), x - 0.3)
    samples = replace(wide_draws(60).samples, x=turned.reshape(60, -1).astype(np.float32))
    samples = replace(samples, log_weights=np.linspace(-3, 0, 60))
    sampled = Sampled(samples, Origin(structure=PDB, temperature=300.0))
    files = write_ensemble(sampled, weighted_draws(samples.log_weights), tmp_path / "f.xtc", tmp_path / "w.csv")
    assert [path.name for path in files] == ["f.xtc", "f.pdb", "w.csv"]
    read, start = mdtraj.load(str(files[0]), top=str(files[1])), mdtraj.load_pdb(str(write_structure(tmp_path)))
    np.testing.assert_allclose(read.unitcell_lengths[0], [1.0, 1.1, 1.2], atol=1e-6)
    here = np.sqrt(((read.xyz - start.xyz) ** 2).sum(axis=2).mean(axis=1))
    np.testing.assert_allclose(here, mdtraj.rmsd(read, start), atol=2e-3)
    np.testing.assert_allclose(
        read_prior(tmp_path / "w.csv", 60), np.exp(samples.log_weights) / np.exp(samples.log_weights).sum(), rtol=1e-6
    )
    pairs = [[0, 8], [3, 11]]
    np.testing.assert_allclose(
        mdtraj.compute_distances(read, pairs, periodic=False),
        mdtraj.compute_distances(mdtraj.Trajectory(x, start.topology), pairs, periodic=False),
        atol=3e-3,
    )


def test_superposing_keeps_hands():
    x = frames(60)[:3]
    mirrored = x * np.array([1, 1, -1])
    assert np.abs(superposed(mirrored.astype(np.float32), x[0])[0] - x[0]).max() > 0.01


def test_toys_cannot_be_frames(tmp_path):
    sampled = wide_draws(20)
    with pytest.raises(BadInput, match="do not tell their atoms"):
        write_ensemble(sampled, weighted_draws(sampled.samples.log_weights), tmp_path / "f.xtc", None)
