"""The command line: exit codes, one JSON object, sentences instead of tracebacks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import gemmi
import pytest

from mdweights_core.cli.main import INTERRUPTED, Window, main
from mdweights_core.example import example_inputs
from mdweights_core.faults import fault_log_path
from mdweights_core.scattering.storage.store import StructureFactorStore

FIT_KEYS = {
    "cc",
    "cc_aniso",
    "cc_free",
    "cc_aniso_free",
    "n_eff",
    "n_active",
    "weights_file",
    "iterations",
    "seconds",
    "kkt_residual",
    "warnings",
}


PREDICT = ["predict", "--frames", "x.xtc", "--out", "f.zarr", "--d-min", "2"]


@pytest.fixture(scope="module")
def example_arguments():
    inputs = example_inputs()
    return ["--map", str(inputs.map), "--frames", str(inputs.frames[0]), "--topology", str(inputs.topology)]


def test_no_subcommand_opens_the_window():
    opened = []
    window = Window(open=lambda project: opened.append(project) or 7, picture=lambda project, out: None)
    assert main([], window) == 7
    assert opened == [[]]


def test_files_without_a_subcommand_open_the_window_on_them(tmp_path, monkeypatch):
    opened = []
    window = Window(open=lambda files: opened.append(files) or 0, picture=lambda project, out: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map.mtz").write_bytes(b"x")
    assert main(["map.mtz"], window) == 0
    assert [str(path) for path in opened[0]] == ["map.mtz"]
    with pytest.raises(SystemExit):
        main(["absent.mtz"], window)


def test_a_folder_called_like_a_subcommand_does_not_hide_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "info").mkdir()
    window = Window(open=lambda files: 7, picture=lambda project, out: None)
    assert main(["info", "info"], window) == 2
    assert "no MTZ files" in capsys.readouterr().err


def test_names_with_brackets_and_colons_are_printed_as_they_are(tmp_path, capsys):
    mtz = gemmi.read_mtz_file(str(example_inputs().map))
    mtz.column_with_label("IDIFF").label = "I[/red]:bomb:"
    path = tmp_path / "[b] x :bomb:.mtz"
    mtz.write_to_file(str(path))
    assert main(["info", str(path)]) == 0
    text = capsys.readouterr().out
    assert "I[/red]:bomb:  " in text
    assert path.name in text


def test_a_terminal_without_an_angstrom_sign_is_no_fault():
    command = [sys.executable, "-m", "app.launch", "info", str(example_inputs().map)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    assert "17.81 20.62 20.77 ?" in done.stdout


def test_help_and_version_work_without_a_window(capsys):
    assert main([]) == 0
    assert "COMMAND" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0


def test_fit_prints_one_json_object(example_arguments, tmp_path, capsys):
    out = tmp_path / "a.mdw"
    assert main(["fit", *example_arguments, "--d-min", "2", "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert FIT_KEYS | {f"{k}_uniform" for k in ("cc", "cc_aniso", "cc_free", "cc_aniso_free")} <= set(result)
    assert os.path.exists(result["weights_file"])
    assert result["cc_aniso_free"] > result["cc_aniso_free_uniform"]


def test_fit_prints_a_summary_for_people(example_arguments, tmp_path, capsys):
    assert main(["fit", *example_arguments, "--d-min", "2.5", "--out", str(tmp_path / "a.mdw")]) == 0
    text = capsys.readouterr().out
    assert "anisotropic CC" in text
    assert "held-out" in text


def test_other_structure_factors_are_lost_only_on_demand(example_arguments, tmp_path, capsys):
    store = str(tmp_path / "f.zarr")
    command = ["predict", *example_arguments, "--out", store, "--json", "--d-min"]
    assert main([*command, "2.5"]) == 0
    there = json.loads(capsys.readouterr().out)["n_reflections"]
    assert main([*command, "4"]) != 0
    assert "--replace" in capsys.readouterr().err
    assert StructureFactorStore.open(store).n_hkl == there
    assert main([*command, "4", "--replace"]) == 0
    assert json.loads(capsys.readouterr().out)["n_reflections"] < there


def test_predict_then_info_then_fit_from_the_store(example_arguments, tmp_path, capsys):
    store = str(tmp_path / "f.zarr")
    assert main(["predict", *example_arguments, "--d-min", "2.5", "--out", store, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["n_frames"] == 108
    assert main(["predict", *example_arguments, "--d-min", "2.5", "--out", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_reflections"] == first["n_reflections"]
    assert main(["info", store, "--json"]) == 0
    described = json.loads(capsys.readouterr().out)["files"][0]
    assert described["n_finished"] == 108
    arguments = [
        "fit",
        "--map",
        example_arguments[1],
        "--frames",
        store,
        "--d-min",
        "2.5",
        "--out",
        str(tmp_path / "a.mdw"),
    ]
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_frames"] == 108


def test_export_and_report(example_project, tmp_path, capsys):
    project = str(example_project.path)
    files = {kind: tmp_path / f"w.{kind}" for kind in ("mtz", "csv", "ndx", "pdb")}
    options = [text for kind, path in files.items() for text in (f"--{kind}", str(path))]
    assert main(["export", project, *options, "--top", "2", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(files)
    assert all(path.stat().st_size > 0 for path in files.values())
    page = tmp_path / "r.html"
    assert main(["report", project, "--out", str(page)]) == 0
    text = page.read_text()
    assert text.count("<svg") > 10  # of the fit, of its validation and of its meaning
    assert "src=" not in text  # nothing is fetched: the page is whole by itself
    assert f"{example_project.fit.scores.cc_aniso_free:.4f}" in text


def test_info_describes_every_kind_of_file(example_project, tmp_path, capsys):
    inputs = example_project.inputs
    files = [str(inputs.map), str(example_project.path), str(example_project.store_path)]
    assert main(["info", *files]) == 0
    text = capsys.readouterr().out
    assert "IDIFF" in text
    assert "P 21 21 21" in text
    assert main(["info", str(inputs.frames[0]), "--topology", str(inputs.topology), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["n_frames"] == 108


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["info", "nowhere.mtz"], "does not exist"),
        (["fit", "--map", "nowhere.mtz", "--frames", "x.xtc", "--out", "a.mdw"], "does not exist"),
        (["fit", "--map", "m.mtz", "--frames", "x.xtc", "--out", "a"], ".mdw"),
        (["fit", "--map", "m.mtz", "--frames", "x.xtc", "--out", "a.mdw", "--seed", "-1"], "seed"),
        (["fit", "--map", "m.mtz", "--frames", "x.xtc", "--out", "a.mdw", "--b-iso", "nan"], "B factor"),
        (["fit", "--map", "m.mtz", "--frames", "x.xtc", "--out", "a.mdw", "--theta", "-1"], "theta"),
        (["fit", "--map", "m.mtz", "--frames", "x.xtc", "--out", "a.mdw", "--d-min", "9", "--d-max", "2"], "d_min"),
        (["predict", "--frames", "x.xtc", "--out", "f.zarr"], "--d-min"),
        (["predict", "--frames", "x.xtc", "--out", "f", "--d-min", "2"], ".zarr"),
        (["predict", "--frames", "x.xtc", "--out", ".zarr", "--d-min", "2"], "Try frames.zarr"),
        ([*PREDICT, "--scheduler", "ftp://host:1"], "tcp://host"),
        ([*PREDICT, "--b-elements", "Qq=5"], "no element 'Qq'"),
        ([*PREDICT, "--k-sol", "0.3"], "--solvent mask"),
        ([*PREDICT, "--b-sol", "40", "--fit-solvent", "b.mtz"], "--fit-solvent finds what --b-sol gives"),
        ([*PREDICT, "--solvent", "mask", "--radiation", "neutron"], "not for neutrons"),
        ([*PREDICT, "--mtz-average", "/dev/null"], "not a file"),
        ([*PREDICT, "--mtz-average", "no/all.mtz"], "the folder to write into does not exist"),
        ([*PREDICT, "--mtz-frames", "/dev/null"], "a file of this name"),
        (["export", "a.mdw"], "nothing to export"),
        (["report", "a.mdw", "--out", "r.html"], "not an mdweights project"),
    ],
)
def test_bad_input_ends_with_a_sentence_and_two(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "saying"),
    [
        ([], "required: --out"),
        ([*PREDICT, "--error", "small"], "--error"),
        ([*PREDICT, "--b-elements", "C=1,C=2"], "twice"),
    ],
)
def test_a_wrong_word_is_one_line_and_two(words, saying, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words or ["predict"])
    error = capsys.readouterr().err
    assert (ended.value.code, error.count("\n"), saying in error) == (2, 1, True)
    assert error.endswith("See mdweights predict --help.\n")


@pytest.mark.parametrize(
    ("words", "saying"),
    [
        (["scan", "none.mdw", "--csv", "there/is/no.csv"], "does not exist"),
        (["select", "--map", "m.mtz", "--frames", "f.zarr", "--out", "there/is/no.csv"], "does not exist"),
        (["select", "--map", "m.mtz", "--frames", "f.zarr", "--out", "a.csv", "--ndx", "there/no.ndx"], "there/no.ndx"),
        (["select", "--map", "m.mtz", "--frames", "f.zarr", "--out", "folder.csv"], "a folder of this name"),
    ],
)
def test_a_table_that_cannot_be_written_is_told_before_any_work(words, saying, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    assert main(words) == 1
    assert saying in capsys.readouterr().err


def test_a_fitted_solvent_is_told(shared_data, tmp_path, capsys):
    model, bragg = (shared_data / "lysozyme" / f"lys_nitr_ubatch4_refmac.{kind}" for kind in ("pdb", "mtz"))
    command = ["predict", "--frames", str(model), "--d-min", "4", "--fit-solvent", str(bragg), "--b-topology"]
    assert main([*command, "--out", str(tmp_path / "f.zarr")]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Bulk solvent of 0.")
    assert main([*command, "--out", str(tmp_path / "f.zarr"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["bulk_solvent"]
    assert f"Bulk solvent of {found['k_sol']:.3f} e/Å³" in told


def test_check_of_a_store_that_is_complete_says_so(example_arguments, tmp_path, capsys):
    command = ["predict", *example_arguments, "--d-min", "4", "--out", str(tmp_path / "f.zarr")]
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--check"]) == 0
    told = capsys.readouterr().out
    assert "nothing left to compute" in told
    assert "drift:" in told


def test_growth_is_told_by_the_run_that_it_is_of_and_duplicates_once(example_arguments, tmp_path, capsys):
    store, note = str(tmp_path / "f.zarr"), "108 frames were there, 108 are new"
    inputs = example_inputs()
    frames = str(inputs.frames[0])
    command = ["predict", "--d-min", "4", "--map", str(inputs.map), "--topology", str(inputs.topology), "--out", store]
    assert main([*command, "--frames", frames]) == 0
    capsys.readouterr()
    assert main([*command, "--frames", frames, frames]) == 0
    told = capsys.readouterr()
    assert note in told.out
    assert told.err.count("identical") == 1
    assert main([*command, "--frames", frames, frames]) == 0
    told = capsys.readouterr()
    assert note not in told.out
    assert told.err.count("identical") == 1
    assert main(["info", store]) == 0
    assert note in capsys.readouterr().out


def test_what_the_system_refuses_is_a_sentence(capsys):
    assert main(["demo", "--no-window", "--out", "/dev/null"]) == 1
    error = capsys.readouterr().err
    assert "fault" not in error
    assert error.count("\n") == 1


def test_info_names_the_file_that_the_system_refuses(capsys):
    assert main(["info", 300 * "x"]) == 2
    refused, count = capsys.readouterr().err.splitlines()
    assert (
        refused == f"error: {300 * 'x'}: The file cannot be read (file name too long). Check its name and permissions."
    )
    assert count == "error: 1 of 1 files cannot be used (see above)."


def test_info_of_a_topology_and_of_a_name_that_promises_too_much(tmp_path, capsys):
    molecule = tmp_path / "water.mol2"
    molecule.write_text(
        "@<TRIPOS>MOLECULE\nWAT\n 3 2 1 0 0\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM\n"
        "  1 O   0.0 0.0 0.0 O.3 1 WAT 0.0\n  2 H1  1.0 0.0 0.0 H   1 WAT 0.0\n  3 H2  0.0 1.0 0.0 H   1 WAT 0.0\n"
        "@<TRIPOS>BOND\n  1 1 2 1\n  2 1 3 1\n"
    )
    assert main(["info", str(molecule)]) == 0
    assert "topology of 3 atoms, no frames" in capsys.readouterr().out
    (tmp_path / "x.nxs").write_bytes(b"no map at all")
    assert main(["info", str(tmp_path / "x.nxs")]) == 2
    assert "no map of a format that is known" in capsys.readouterr().err


def test_a_fault_of_the_program_is_told_and_logged(monkeypatch, capsys):
    monkeypatch.setattr("mdweights_core.cli.info._describe", lambda *_: 1 / 0)
    assert main(["info", "x"]) == 1
    error = capsys.readouterr().err
    assert "fault of mdweights" in error
    assert "Traceback" not in error
    assert "ZeroDivisionError" in fault_log_path().read_text()


def test_interrupt_ends_with_130_and_the_next_run_goes_on(example_arguments, tmp_path):
    store = tmp_path / "f.zarr"
    command = [sys.executable, "-m", "app.launch", "predict", *example_arguments, "--out", str(store)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (store / "zarr.json").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert "Traceback" not in error
    if process.returncode != 0:  # a fast machine may have finished before the signal
        assert process.returncode == INTERRUPTED
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == 0


def test_interrupt_of_a_fit_saves_the_weights_reached(example_arguments, tmp_path, monkeypatch, capsys):
    """The signal comes with the fourth look at the weights, as from Ctrl-C."""
    from mdweights_core.weights import fit

    real, looks = fit._Watch.look, []

    def look(self, *args):
        looks.append(1)
        if len(looks) == 4:
            signal.raise_signal(signal.SIGINT)
        return real(self, *args)

    monkeypatch.setattr(fit._Watch, "look", look)
    out = tmp_path / "a.mdw"
    arguments = ["fit", *example_arguments, "--d-min", "2.5", "--solver", "adam", "--max-steps", "9999", "--json"]
    before = signal.getsignal(signal.SIGINT)
    assert main([*arguments, "--out", str(out)]) == INTERRUPTED
    result = json.loads(capsys.readouterr().out)
    assert result["stopped"]
    assert (out / "project.json").exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_demo_writes_everything_and_says_how_well_the_hidden_weights_came_back(tmp_path, capsys):
    drawn = []
    window = Window(open=lambda project: 0, picture=lambda project, out: drawn.append((project, out)))
    assert main(["demo", "--out", str(tmp_path / "d"), "--json"], window) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["hidden_correlation"] > 0.9
    written = result["files"]
    assert {"weighted MTZ", "weights", "report", "best frames", "frames kept", "window"} <= set(written)
    assert all(os.path.exists(path) for name, path in written.items() if name != "window")
    assert drawn == [(tmp_path / "d" / "example.mdw", tmp_path / "d" / "window.png")]
