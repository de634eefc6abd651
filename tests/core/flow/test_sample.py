"""Draws and their weights: exact integrals and populations, and what a flow has missed."""

from dataclasses import replace

import numpy as np
import pytest
from support.flows import SMALL

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.flow.sample import sample
from mdweights_core.flow.settings import Stage, TrainSettings
from mdweights_core.flow.train import train
from mdweights_core.workflow.sampled import Origin, Sampled, load_sampled, save_sampled

LN_Z = 11.020467
RIGHT = 0.032926  # of the probability
BARRIER = 0.083528


@pytest.fixture(scope="module")
def drawn(double_well):
    return jobs.run(sample(double_well.trained, 20_000, seed=5, examples=double_well.prepared.examples))


def weights_of(samples):
    weights = np.exp(samples.log_weights - samples.log_weights.max())
    return weights / weights.sum()


def effective_share(samples):
    return 1 / np.sum(weights_of(samples) ** 2) / samples.n_samples


def test_weights_are_of_the_energy_over_the_density_and_integrals_are_exact(double_well, drawn):
    log_weights = drawn.log_weights
    ln_z = np.log(np.mean(np.exp(log_weights - log_weights.max()))) + log_weights.max()
    assert effective_share(drawn) > 0.6
    assert ln_z == pytest.approx(LN_Z, abs=0.03)
    assert weights_of(drawn)[drawn.x[:, 0] > BARRIER].sum() == pytest.approx(RIGHT, abs=0.006)
    expected = [double_well.prepared.target.reduced(x) for x in drawn.x[:20].astype(float)]
    np.testing.assert_allclose(drawn.u[:20], expected, atol=1e-4)


def test_at_examples_weights_are_read_the_other_way_round(drawn):
    assert len(drawn.example_log_weights) == 4000
    shares = np.exp(LN_Z - drawn.example_log_weights)  # their mean over the target's draws is one
    assert shares.mean() == pytest.approx(1.0, abs=0.05)


def test_the_flow_is_invertible_and_energies_are_counted(drawn):
    assert drawn.round_trip < 1e-9
    assert drawn.log_det_error < 1e-9
    assert drawn.training_energies == 120 * 256 + 2 * 4096
    assert drawn.energies > drawn.n_samples
    assert not drawn.notes


def test_both_minima_are_found_and_known_to_the_flow(drawn):
    np.testing.assert_allclose(np.sort(drawn.probes[:, 0]), [-1.7723, 1.6888], atol=1e-3)
    np.testing.assert_allclose(drawn.probe_log_weights, LN_Z, atol=3.0)  # a dropped well is further off by far
    order = np.argsort(drawn.probes[:, 0])
    masses = np.exp(drawn.probe_log_masses[order] - LN_Z)
    np.testing.assert_allclose(masses, [1 - RIGHT, RIGHT], rtol=0.06)


def test_a_well_that_was_never_visited_stands_out(double_well):
    """A flow that begins in one well has a high effective share; only the probe knows of the other."""
    left = double_well.prepared.examples[double_well.prepared.examples[:, 0] < -1.0]
    settings = TrainSettings(SMALL, (Stage(80, by_example=1.0, batch=256, learning_rate=5e-3),))
    trained = jobs.run(train(double_well.prepared.target, double_well.prepared.coordinates, settings, examples=left))
    found = jobs.run(sample(trained, 5000, seed=1))
    right = found.probes[:, 0] > BARRIER
    assert right.sum() == 1
    assert found.probe_log_weights[right] > np.max(found.log_weights) + 1


class RightWell:
    """Holds what lies right of the barrier."""

    def holds(self, x):
        return x[:, 0] > BARRIER


def test_draws_in_another_order_of_particles_weigh_nothing(double_well, drawn):
    found = jobs.run(sample(double_well.trained, 20_000, seed=5, order=RightWell(), probe=False))
    right = found.x[:, 0] > BARRIER
    assert np.isneginf(found.log_weights[~right]).all()
    np.testing.assert_array_equal(found.log_weights[right], drawn.log_weights[right])
    assert found.notes == (
        f"{(~right).sum()} configurations of 20000 have their particles in another order than the examples and weigh "
        "nothing: the ensemble is that of one order.",
    )


def test_seeds_decide_the_draws_and_stopping_keeps_those_there_are(double_well):
    one, same, other = (jobs.run(sample(double_well.trained, 500, seed=seed, probe=False)).x for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    job = sample(double_well.trained, 500, probe=False)
    next(job)
    stopped = jobs.stop(job)
    assert stopped.x.shape == (0, 2)


def test_samples_are_written_and_read(drawn, tmp_path):
    path = tmp_path / "samples.npz"
    save_sampled(Sampled(replace(drawn, notes=("One thing.",)), Origin()), path)
    again = load_sampled(path).samples
    np.testing.assert_array_equal(again.log_weights, drawn.log_weights)
    np.testing.assert_array_equal(again.x, drawn.x)
    assert again.notes == ("One thing.",)
    assert again.training_energies == drawn.training_energies
    path.write_bytes(b"something else")
    with pytest.raises(BadInput, match="damaged"):
        load_sampled(path)
