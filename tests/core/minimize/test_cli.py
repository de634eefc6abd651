"""`mdweights minimize` on a peptide in vacuo, from the command line to its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest

from mdweights_core.cli.main import main
from mdweights_core.minimize.result import load

VACUUM = ("--solvent", "none", "--tolerance", "1")

Run = Callable[..., Any]


def pdb(path: str | Path) -> mdtraj.Trajectory:
    """A PDB file, whatever its box: that of an NMR structure is a dummy."""
    return mdtraj.load_pdb(str(path), no_boxchk=True)


@pytest.fixture
def peptide(shared_data: Path) -> Path:
    return shared_data / "peptides" / "1PLW.pdb"


@pytest.fixture
def minimize(peptide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in an empty folder; what it printed as JSON, or said in vain."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object, fails: int = 0, of: Path | str = peptide) -> Any:
        code = main(["minimize", str(of), *map(str, words), *VACUUM, "--json"])
        told = capsys.readouterr()
        assert code == fails, told.err
        return told.err if fails else json.loads(told.out)

    return run


def test_a_structure_is_brought_to_its_minimum(minimize: Run, peptide: Path) -> None:
    told = minimize("--out", "low.pdb", "--result", "low.npz")
    (start,) = told["starts"]
    assert start["end"] == "converged"
    assert start["energy"] < start["start_energy"]
    assert start["rms_force"] <= 1
    assert start["frame"] is None
    found = load(Path("low.npz"))
    assert found.energy[0] == start["energy"]
    written = pdb("low.pdb")
    np.testing.assert_allclose(written.xyz[0], found.x[0], atol=1e-4)
    assert list(map(str, written.topology.atoms)) == list(map(str, pdb(peptide).topology.atoms))


def test_chosen_frames_become_frames_again(minimize: Run, peptide: Path) -> None:
    told = minimize("--frames", peptide, "--only", "3,5-6", "--out", "low.xtc", "--reference", peptide)
    assert [start["frame"] for start in told["starts"]] == [3, 5, 6]
    assert all(start["rmsd_to_reference"] > start["rmsd_to_start"] > 0 for start in told["starts"])
    models = pdb(peptide)
    read = mdtraj.load("low.xtc", top=models.topology)
    assert read.n_frames == 3
    assert read.unitcell_lengths is None
    for i, start in enumerate(told["starts"]):
        theirs = mdtraj.rmsd(read[i], models[start["frame"]])[0]
        assert start["rmsd_to_start"] == pytest.approx(theirs, abs=1e-3)


def test_frames_need_no_possible_structure(minimize: Run, peptide: Path) -> None:
    lines = peptide.read_text().split("ENDMDL")[0].splitlines(keepends=True)
    atoms = [i for i, line in enumerate(lines) if line.startswith("ATOM")]
    lines[atoms[1]] = lines[atoms[1]][:30] + lines[atoms[0]][30:54] + lines[atoms[1]][54:]  # in one place
    Path("clash.pdb").write_text("".join(lines))
    assert "closer than 0.5" in minimize("--out", "low.pdb", of="clash.pdb", fails=2)
    told = minimize("--out", "low.xtc", "--frames", peptide, "--only", "2", of="clash.pdb")
    assert told["starts"][0]["end"] == "converged"


def test_a_trajectory_without_atoms_is_of_the_structure(minimize: Run, peptide: Path) -> None:
    pdb(peptide)[4:6].save_xtc("md.xtc")
    assert len(minimize("--out", "low.xtc", "--frames", "md.xtc", "--max-evaluations", "1")["starts"]) == 2


def test_a_reference_of_other_atoms_is_refused(minimize: Run, peptide: Path) -> None:
    other = peptide.with_name("2JOF.pdb")
    assert "The reference has 284 atoms, the structure 75" in minimize(
        "--out", "low.pdb", "--reference", other, fails=2
    )


def test_atoms_can_be_fixed_and_restrained(minimize: Run, peptide: Path) -> None:
    start = pdb(peptide)
    alpha = start.topology.select("name CA")
    free = minimize("--out", "low.pdb")["starts"][0]
    minimize("--out", "fixed.pdb", "--fix", "name CA")
    fixed = pdb("fixed.pdb")
    np.testing.assert_allclose(fixed.xyz[0, alpha], start.xyz[0, alpha], atol=2e-4)
    held = minimize("--out", "held.pdb", "--restrain", "all", "--spring", "100000")["starts"][0]
    assert held["rmsd_to_start"] < free["rmsd_to_start"] / 2


def test_minimisers_are_compared(minimize: Run) -> None:
    told = minimize("--out", "beside.csv", "--compare", "lbfgs-preconditioned,lbfgs,openmm")
    assert all(Path(name).stat().st_size > 500 for name in told["files"])
    assert [Path(name).name for name in told["files"]] == [
        "beside.csv",
        "beside_traces.csv",
        "beside.png",
        "beside.svg",
    ]
    ours, theirs = (told["methods"][name]["starts"][0] for name in ("lbfgs-preconditioned", "lbfgs"))
    assert ours["evaluations"] < theirs["evaluations"] / 2


def test_a_checkpoint_of_a_finished_run_is_its_result(minimize: Run) -> None:
    words = ("--out", "low.pdb", "--checkpoint", "run.npz")
    first, again = minimize(*words), minimize(*words)
    assert first["starts"] == again["starts"]
    assert "other settings" in minimize(*words, "--max-step", "0.01", fails=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--out", "low.dcd"), "must end in .pdb or .xtc"),
        (("--out", "low.pdb", "--compare", "lbfgs"), "must end in .csv"),
        (("--out", "absent/low.pdb"), "the folder to write into does not exist"),
        (("--out", "low.pdb", "--lowest", "3"), "for the weights of a project"),
        (("--out", "low.pdb", "--only", "1"), "--only is for frames"),
        (("--out", "low.csv", "--compare", "lbfgs", "--fix", "all"), "does not go with --compare"),
        (("--out", "low.pdb", "--fix", "all"), "All atoms are fixed"),
        (("--out", "low.pdb", "--restrain", "name CA", "--spring", "-1"), "holds nothing"),
        (("--out", "low.pdb", "--forcefield", "mine"), "no force field 'mine'"),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(minimize: Run, words: tuple[str, ...], told: str) -> None:
    error = minimize(*words, fails=1 if "absent" in words[1] else 2)
    assert told in error
    assert "Traceback" not in error


@pytest.mark.parametrize("words", [("--only", "4-2"), ("--only", "x"), ("--compare", "newton")])
def test_lists_that_are_none_are_refused(minimize: Run, words: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as end:
        minimize("--out", "low.pdb", *words)
    assert end.value.code == 2
