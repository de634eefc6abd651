"""What weights mean, of a molecule of two states whose weights are known, and of a real crystal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.two_states import N_FRAMES, SIGMA, TwoStates, write_models

from mdweights_core import jobs
from mdweights_core.errors import BadInput
from mdweights_core.io.frames.trajectories import open_frames
from mdweights_core.meaning import figures, sets, trace
from mdweights_core.meaning.explain import explain
from mdweights_core.meaning.pseudo_energy import GAS_CONSTANT
from mdweights_core.meaning.result import Meaning
from mdweights_core.meaning.sentences import set_sentences
from mdweights_core.meaning.settings import MeaningSettings
from mdweights_core.meaning.solute import Solute
from mdweights_core.scattering.storage.store import FrameTable


def _explained(toy: TwoStates, **changes: object) -> Meaning:
    settings = changes.pop("settings", MeaningSettings())
    error = changes.pop("weight_error", 0.1 * toy.weights)
    weights = changes.pop("weights", toy.weights)
    return jobs.run(explain(toy.source, toy.frames, weights, error, toy.prior, settings, **changes))


@pytest.fixture(scope="module")
def meaning(toy: TwoStates) -> Meaning:
    return _explained(toy)


def test_energies_of_the_states_differ_by_their_weights(toy: TwoStates, meaning: Meaning):
    kt = GAS_CONSTANT * 298.0
    gap = meaning.pseudo_energy[toy.state == 0].mean() - meaning.pseudo_energy[toy.state == 1].mean()
    assert gap == pytest.approx(kt * np.log(3))
    np.testing.assert_allclose(meaning.pseudo_energy_error, 0.1 * kt)


def test_weight_goes_with_the_first_component_and_not_with_the_others(meaning: Meaning):
    assert meaning.feature("PC 1").is_notable
    assert meaning.feature("radius of gyration").is_notable
    for name in ("PC 2", "PC 3"):
        assert not meaning.feature(name).is_notable
    assert abs(meaning.feature("PC 1").spearman) == pytest.approx(np.sqrt(3) / 2, abs=0.02)  # of two halves
    assert meaning.feature("PC 1").n_independent < N_FRAMES / 2  # four frames in a row are alike
    assert any(told.startswith("Weight goes with PC 1 (Spearman") for told in meaning.sentences)


def test_clusters_are_the_states(toy: TwoStates, meaning: Meaning):
    clusters = meaning.clusters
    assert clusters is not None
    np.testing.assert_array_equal(clusters.label, 1 - toy.state)  # the heavier first
    np.testing.assert_allclose(clusters.weight, [0.75, 0.25])
    np.testing.assert_allclose(clusters.prior, [0.5, 0.5])
    assert "number 1 (120 frames) has weight 0.75 ±" in " ".join(meaning.sentences)


def test_good_frames_are_those_of_the_favoured_state(toy: TwoStates, meaning: Meaning):
    compared = meaning.sets
    assert compared is not None
    np.testing.assert_allclose(compared.good, toy.state / toy.state.sum())
    np.testing.assert_allclose(compared.bad, (1 - toy.state) / (1 - toy.state).sum())
    one, other = np.triu_indices(12, 1)
    distance = np.linalg.norm(toy.mean[:, one] - toy.mean[:, other], axis=2)
    # noise along a distance averages out, noise across it makes it longer
    distance += 2 * np.array(SIGMA)[:, None] ** 2 / distance
    z = (compared.distance_difference[one, other] - (distance[1] - distance[0])) / compared.distance_error[one, other]
    assert 0.7 < np.sqrt((z**2).mean()) < 1.4
    assert all((first < 6) != (second < 6) for first, second in compared.pairs)
    row = [feature.name for feature in meaning.features].index("radius of gyration")
    values = meaning.features[row].values
    assert compared.feature_good[row] == pytest.approx(values[toy.state == 1].mean())
    assert compared.feature_bad[row] == pytest.approx(values[toy.state == 0].mean())


def test_fluctuations_are_those_of_the_harmonic_wells(meaning: Meaning):
    compared = meaning.sets
    assert compared is not None
    freedom = np.sqrt(3 * (1 - 6 / (3 * 12)))  # six degrees of freedom go with the superposition
    for rmsf, sigma in ((compared.rmsf_bad, SIGMA[0]), (compared.rmsf_good, SIGMA[1])):
        assert np.sqrt((rmsf**2).mean()) == pytest.approx(freedom * sigma, rel=0.05)
    assert 0.005 < np.median(compared.rmsf_error) < 0.05
    assert "12 residues of 12 fluctuate otherwise" in " ".join(meaning.sentences)


def test_nothing_is_said_of_differences_without_errors(meaning: Meaning):
    compared = meaning.sets
    assert compared is not None
    told = " ".join(set_sentences(compared))
    assert "residues of 12" in told
    assert "changed beyond chance" in told
    unknown = {name: np.full_like(getattr(compared, name), np.nan) for name in ("rmsf_error", "distance_error")}
    assert set_sentences(replace(compared, **unknown)) == []


def test_the_distance_that_is_named_is_one_beyond_chance(meaning: Meaning):
    compared = meaning.sets
    assert compared is not None
    doubtful = compared.distance_error.copy()
    first, second = np.searchsorted(compared.distance_row, compared.pairs[0])
    doubtful[first, second] = doubtful[second, first] = 1e3
    before, after = (set_sentences(one)[-1] for one in (compared, replace(compared, distance_error=doubtful)))
    named = [" to ".join(compared.residue[row] for row in pair) for pair in compared.pairs[:2]]
    assert named[0] in before
    assert named[0] not in after
    assert named[1] in after


def test_unrelated_weights_go_with_nothing(toy: TwoStates):
    weights = np.random.default_rng(3).dirichlet(np.ones(N_FRAMES))
    found = _explained(toy, weights=weights)
    assert not any(feature.is_notable for feature in found.features)
    assert any(told.startswith("No feature goes with the weights beyond chance") for told in found.sentences)
    assert "None of 2 clusters of frames gained or lost weight beyond chance." in found.sentences
    assert any(told.startswith("No residue fluctuates otherwise") for told in found.sentences)


def test_equal_weights_have_no_good_and_bad_frames(toy: TwoStates):
    found = _explained(toy, weights=toy.prior, weight_error=None)
    assert found.sets is None
    assert np.abs(found.pseudo_energy).max() < 1e-9
    assert np.isnan(found.pseudo_energy_error).all()


def test_sets_given_by_hand_are_taken(toy: TwoStates):
    good, bad = np.arange(N_FRAMES) < 20, np.arange(N_FRAMES) >= 200
    compared = _explained(toy, sets=(good, bad)).sets
    assert compared is not None
    assert compared.is_given
    np.testing.assert_allclose(compared.good, np.where(good, toy.weights, 0) / toy.weights[good].sum())
    with pytest.raises(BadInput, match="Frame 1 is in both"):
        _explained(toy, sets=(good, good))
    with pytest.raises(BadInput, match="empty"):
        _explained(toy, sets=(good, np.zeros(N_FRAMES, dtype=bool)))


def test_a_state_without_weight_is_above_a_bound(toy: TwoStates):
    weights = toy.state / toy.state.sum()
    found = _explained(toy, weights=weights, weight_error=1e-9 * toy.prior)
    assert np.isinf(found.pseudo_energy[toy.state == 0]).all()
    assert "have no weight, which is an energy above 34.2 kJ/mol" in found.sentences[0]
    untested = _explained(toy, weights=weights, weight_error=None)
    assert untested.sentences[0].endswith("have no weight.")
    figures.pseudo_energy_figure(found).canvas.draw()


def test_without_a_trajectory_times_and_replicas_are_looked_at(toy: TwoStates):
    names = ["a.xtc"] * 120 + ["b.xtc"] * 120
    table = replace(FrameTable.blank(names, np.tile(np.arange(120), 2)), time=np.tile(np.arange(120.0), 2))
    weights = np.where(np.arange(N_FRAMES) < 120, 1.0, 3.0) * np.random.default_rng(4).uniform(0.9, 1.1, N_FRAMES)
    found = jobs.run(explain(None, table, weights, None, toy.prior, MeaningSettings()))
    replica = found.feature("replica")
    assert replica.states is not None
    np.testing.assert_allclose(replica.states.weighted, [0.25, 0.75], atol=0.02)
    np.testing.assert_allclose(replica.states.prior, [0.5, 0.5])
    assert {feature.name for feature in found.features} == {"time", "replica"}
    assert not found.feature("time").is_notable
    assert found.clusters is None
    assert found.sets is not None
    assert found.sets.residue == ()


def test_energies_of_a_file_are_a_feature(toy: TwoStates, tmp_path: Path):
    path = tmp_path / "energy.csv"
    path.write_text("Potential\n" + "\n".join(map(str, -np.log(toy.weights))))
    found = _explained(toy, settings=MeaningSettings(energies=str(path)))
    assert found.feature("Potential").spearman == pytest.approx(-1.0)
    assert found.feature("Potential").is_notable


def test_frames_that_cannot_be_matched_are_left_aside(toy: TwoStates):
    table = FrameTable.blank(["elsewhere.xtc"] * 100, np.arange(100))
    found = jobs.run(explain(toy.source, table, toy.weights[:100], None, toy.prior[:100], MeaningSettings()))
    assert found.clusters is None
    assert "cannot be matched" in found.notes[0]


def test_some_frames_of_a_trajectory_are_found_in_it(toy: TwoStates):
    some = np.arange(2, N_FRAMES, 3)
    table = FrameTable.blank([str(toy.source.paths[0])] * len(some), some)
    found = jobs.run(explain(toy.source, table, toy.weights[some], None, toy.prior[some], MeaningSettings()))
    assert found.clusters is not None
    np.testing.assert_array_equal(found.clusters.label, 1 - toy.state[some])


@pytest.mark.parametrize("weights", [np.full(N_FRAMES, -1.0), np.zeros(N_FRAMES), np.full(3, 1 / 3)])
def test_what_is_no_weights_is_told(toy: TwoStates, weights: np.ndarray):
    with pytest.raises(BadInput, match="weights"):
        _explained(toy, weights=weights)


def test_a_saved_meaning_is_read_back(meaning: Meaning):
    arrays, plain = meaning.to_arrays()
    again = Meaning.from_arrays({"other": np.zeros(1), **arrays}, json.loads(json.dumps(plain, allow_nan=False)))
    more_arrays, more_plain = again.to_arrays()
    assert more_plain == plain
    assert again.settings == meaning.settings
    assert again.sentences == meaning.sentences
    assert again.features[0].label == meaning.features[0].label
    for name, values in arrays.items():
        np.testing.assert_array_equal(more_arrays[name], values)


def test_positions_in_a_file_and_in_memory_tell_the_same(
    toy: TwoStates, meaning: Meaning, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trace, "_IN_MEMORY", 1000)
    found = _explained(toy)
    assert found.sets is not None
    assert meaning.sets is not None
    np.testing.assert_array_equal(found.sets.rmsf_good, meaning.sets.rmsf_good)


def test_of_many_residues_distances_are_of_some(toy: TwoStates, meaning: Meaning, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sets, "MOST_ROWS", 5)
    found = _explained(toy)
    assert found.sets is not None
    assert meaning.sets is not None
    np.testing.assert_array_equal(found.sets.distance_row, [0, 3, 6, 9])
    np.testing.assert_allclose(found.sets.distance_difference, meaning.sets.distance_difference[::3, ::3])


@pytest.mark.parametrize("missing", [(), (6, 7)])
def test_a_chain_with_missing_residues_is_one_molecule(tmp_path: Path, missing: tuple[int, ...]):
    numbers = [number for number in range(1, 12) if number not in missing]
    path = tmp_path / "gap.pdb"
    write_models(path, np.array([[[3.8 * number, 0.0, 0.0] for number in numbers]]), numbers)
    assert len(Solute(open_frames([path])).molecules) == 1


def test_chains_that_lie_end_to_end_are_two_molecules(tmp_path: Path):
    path = tmp_path / "two.pdb"
    write_models(path, np.array([[[5.0 * (n // 4) + 3.8 * n, 0.0, 0.0] for n in range(8)]]), [1, 2, 3, 4, 1, 2, 3, 4])
    solute = Solute(open_frames([path]))
    assert len(solute.molecules) == 2
    assert solute.kinds == ((0, 1),)
    assert solute.anchor_names() == [("ALA 1", "ALA 2", "ALA 3", "ALA 4")]


def test_a_crystal_of_four_copies(shared_data: Path):
    folder = shared_data / "snase"
    source = open_frames([folder / "snase_p41_cell.xtc"], folder / "snase_p41_cell.pdb")
    origin = [source.origin(frame) for frame in range(source.n_frames)]
    table = FrameTable.blank([path for path, _ in origin], [index for _, index in origin])
    weights = np.random.default_rng(5).dirichlet(np.ones(source.n_frames))
    prior = np.full(source.n_frames, 1 / source.n_frames)
    seen: list[jobs.Progress] = []
    found = jobs.run(explain(source, table, weights, None, prior, MeaningSettings()), seen.append)
    assert {progress.stage for progress in seen} == {"meaning"}
    assert "Each of 4 molecules (1 sequence)" in " ".join(found.notes)
    assert found.sets is not None
    assert len(found.sets.residue) == 136
    assert 0.3 < np.median(found.sets.rmsf_good) < 0.8  # angstrom, of a folded protein over half a nanosecond
    assert 14.5 < found.feature("radius of gyration").values.mean() < 15.1
    assert found.feature("shift of molecules").values.max() < 2.0  # no molecule jumps to an image of itself
    assert found.n_tried["angle"] > 50
    figures.rmsf_figure(found.sets).canvas.draw()
    figures.distances_figure(found.sets).canvas.draw()
    for feature in (found.features[0], next(one for one in found.features if one.states is not None)):
        figures.feature_figure(found, feature).canvas.draw()
    if found.clusters is not None:
        figures.clusters_figure(found.clusters).canvas.draw()
