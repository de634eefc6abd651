"""Slow modes in the window: of what they are found, how they are drawn, how one swings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mdtraj
import numpy as np
import pytest
from PySide6.QtCore import QPointF
from pytestqt.qtbot import QtBot
from support.minima_fakes import ATOMS, a_minimum
from support.window_fakes import InstantRunner

from app.models.minima import MINIMISE, MinimaModel
from app.models.minima_readings import FrameChoice, MinimiseRequest
from app.models.mode_readings import FRAME, HESSIAN, MINIMUM, ModesReading, ModesRequest
from app.models.molecules import MoleculeModel
from app.models.readings import MOLECULES, FramesReading
from app.models.session import Session
from app.panels.minima_page import MinimaPage
from app.panels.minima_tab import MinimaTab
from app.panels.mode_swing import ModeSwing
from app.panels.modes_page import RELATIVE, ModesPage
from app.panels.molecule_guest import MoleculeGuest
from app.panels.molecule_panel import MoleculePanel
from app.plots.minima_plot import MinimaPlot
from app.plots.scatter_plot import FrameScatter
from app.plots.spectrum_plot import SpectrumPlot
from app.scenes.molecule_scene import MoleculeView
from app.workers import mode_tasks
from app.workers.minimise_tasks import minimise
from mdweights_core import jobs
from mdweights_core.cli.main import main
from mdweights_core.energy.base import value
from mdweights_core.energy.settings import EnergySettings
from mdweights_core.errors import BadInput
from mdweights_core.jobs import Progress
from mdweights_core.minimize.settings import MinimizeSettings
from mdweights_core.modes.choice import STILL
from mdweights_core.modes.spectrum import Modes
from mdweights_core.modes.trajectories import explained, project


def some_modes() -> Modes:
    """Two modes of two atoms: both move along z, or against each other."""
    vectors = np.zeros((2, 3, 2))
    vectors[:, 2, 0] = 0.5**0.5
    vectors[:, 1, 1] = 0.5**0.5, -(0.5**0.5)
    reference = np.array([[0.0, 0, 0], [1, 0, 0]])
    return Modes(np.array([4.0, 9.0]), vectors, np.ones(2), reference, np.zeros(2), 0, True)


def a_reading(request: ModesRequest) -> ModesReading:
    amplitudes = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    return ModesReading(request, some_modes(), ATOMS, amplitudes, np.array([0.25, 0.5]))


@pytest.fixture
def session(qapp: object, tmp_path: Path) -> Session:
    made = Session(InstantRunner(), InstantRunner(), InstantRunner(), tmp_path)
    made.marks.set_n_frames(3)
    made.selection.set_n_frames(3)
    return made


@pytest.fixture
def minima(session: Session, runner: InstantRunner, tmp_path: Path) -> MinimaModel:
    return MinimaModel(session, runner, tmp_path)


@pytest.fixture
def page(qtbot: QtBot, minima: MinimaModel) -> ModesPage:
    made = ModesPage(minima, SpectrumPlot(), FrameScatter())
    qtbot.addWidget(made)
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[ModesRequest]:
    requests: list[ModesRequest] = []

    def slow_modes(request: ModesRequest) -> Any:
        requests.append(request)
        yield Progress("slow modes")
        return a_reading(request)

    monkeypatch.setattr(mode_tasks, "slow_modes", slow_modes)
    return requests


def with_trajectory(session: Session, atoms: Any = ATOMS) -> None:
    source: Any = SimpleNamespace(
        paths=(Path("run.xtc"),),
        topology_path=Path("top.pdb"),
        atoms=atoms,
        positions=lambda frame: np.zeros((len(atoms), 3)),
    )
    session.document.set_frames(FramesReading(MOLECULES, ("f",) * 3, len(atoms), molecules=source))


def choose(page: ModesPage, of: str) -> None:
    page.of.setCurrentIndex(page.of.findData(of))


def test_what_is_missing_for_modes_is_said(
    page: ModesPage, session: Session, minima: MinimaModel, runner: InstantRunner
) -> None:
    assert page.hint.text() == "Open a trajectory first."
    assert not page.button.isEnabled()
    with_trajectory(session)
    assert page.button.isEnabled()
    choose(page, HESSIAN)
    assert page.hint.text() == "Minimise a structure first."
    request = MinimiseRequest(Path("a.pdb"))
    for held, force, words in (("", 0.05, "0.05 kJ/mol/nm"), ("name CA", 0.005, "held atoms"), ("", 0.005, "")):
        reading = a_minimum(replace(request, fix=held))
        reading = replace(reading, result=replace(reading.result, rms_force=np.full(2, force)))
        runner.finished.emit(MINIMISE, reading, False)
        assert words in page.hint.text()
        assert page.button.isEnabled() == (not words)
    choose(page, MINIMUM)
    assert page.hint.text() == ""


def test_modes_are_asked_for_and_shown(page: ModesPage, session: Session, asked: list[ModesRequest]) -> None:
    with_trajectory(session)
    session.selection.select(2)
    page.select.setText(" name N ")
    page.count.setValue(7)
    page.cutoff.setValue(1.1)
    page.button.click()
    (request,) = asked
    assert (request.of, request.count, request.select, request.cutoff, request.frame) == (FRAME, 7, "name N", 1.1, 2)
    assert request.frames == FrameChoice((Path("run.xtc"),), Path("top.pdb"), "", ())
    np.testing.assert_allclose(page._spectrum._heights, [1.0, 1.5])  # frequencies as multiples of the lowest
    assert page._spectrum.plot.getAxis("left").labelText == RELATIVE
    assert page._spectrum.chosen == 0
    assert page._spectrum.summary.text() == "mode 1, 100% of atoms, 25% of the motion"
    np.testing.assert_allclose(page._scatter.points(), [[1, 3, 5], [2, 4, 6]])
    assert page._scatter.selected == 2
    page._spectrum.box.clicked.emit(QPointF(2.2, 0.7))
    assert page._spectrum.chosen == 1


def test_modes_leave_with_the_frames(page: ModesPage, session: Session, asked: list[ModesRequest]) -> None:
    with_trajectory(session)
    page.compute()
    session.document.set_frames(None)
    assert page._spectrum.is_empty
    assert page._scatter.is_empty
    assert not page.play_button.isEnabled()


def test_a_protein_is_offered_as_a_network_of_its_trace(page: ModesPage, session: Session) -> None:
    assert (page.select.text(), page.cutoff.value()) == ("", 0.8)
    with_trajectory(session, ATOMS.select(np.ones(12, dtype=int)))  # twelve C-alpha atoms
    assert (page.select.text(), page.cutoff.value()) == ("name CA", 1.5)


def test_a_mode_swings_while_it_is_seen(
    qtbot: QtBot, session: Session, minima: MinimaModel, asked: list[ModesRequest]
) -> None:
    view, page = MoleculeView(), ModesPage(minima, SpectrumPlot(), FrameScatter())
    panel = MoleculePanel(session, MoleculeModel(session, InstantRunner()), view)
    guest = MoleculeGuest(panel, minima, panel)
    swing = ModeSwing(guest, panel)
    page.set_swing(swing)
    tab = MinimaTab(MinimaPage(minima, MinimaPlot()), page)
    for widget in (panel, tab):
        qtbot.addWidget(widget)
        widget.show()
    tab.show_modes()
    swing.play()
    assert not swing.is_playing  # there is no mode yet
    with_trajectory(session)
    page.compute()
    page.amplitude.setValue(20)
    page.play_button.click()
    assert page.play_button.text() == "Pause"
    seen: list[float] = []
    view.show_frame = lambda positions, *_: seen.append(float(positions[0, 2]))  # type: ignore[method-assign]
    for _ in range(24):
        swing._show_next()
    assert max(np.abs(seen)) == pytest.approx(2.0)  # both atoms move alike, 2 angstrom at the turning points
    assert view.caption == "mode 1, 2.0 Å at the turning points"
    tab.show_minima()
    assert not swing.is_playing
    tab.show_modes()
    page.play_button.click()
    session.selection.select(1)  # a frame is looked at
    assert not swing.is_playing
    page.play_button.click()
    panel.hide()
    swing._show_next()
    assert not swing.is_playing
    view.close_scene()


@pytest.fixture(scope="module")
def peptide(shared_data: Path) -> tuple[ModesRequest, ModesReading]:
    """Modes of the heavy atoms of a peptide's third model, and its models along them."""
    path = shared_data / "peptides" / "1PLW.pdb"
    request = ModesRequest(FRAME, 5, "not element H", 0.8, FrameChoice((path,), None, "", ()), frame=2)
    return request, jobs.run(mode_tasks.slow_modes(request))


def test_frames_are_projected_as_the_core_does(peptide: tuple[ModesRequest, ModesReading]) -> None:
    request, found = peptide
    assert request.frames is not None
    models = mdtraj.load_pdb(str(request.frames.paths[0]), no_boxchk=True)
    heavy = models.topology.select("not element H")
    positions = models.xyz[:, heavy].astype(np.float64)
    assert found.amplitudes is not None
    assert found.shares is not None
    np.testing.assert_allclose(found.amplitudes, project(positions, found.modes), atol=1e-5)
    np.testing.assert_allclose(found.amplitudes[2], 0.0, atol=1e-5)  # the network is at rest there
    np.testing.assert_allclose(found.shares, explained(positions, found.modes), rtol=1e-4)
    assert len(found.atoms) == len(heavy)


def test_the_command_line_finds_the_same(
    peptide: tuple[ModesRequest, ModesReading],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    request, found = peptide
    assert request.frames is not None
    monkeypatch.chdir(tmp_path)
    path = str(request.frames.paths[0])
    words = ["--select", request.select, "--springs", "0.8", "--model", "3", "--count", "5", "--json"]
    assert main(["modes", path, *words, "--frames", path, "--projection", "along.csv"]) == 0
    told = json.loads(capsys.readouterr().out)["modes"]
    assert [line["frequency"] for line in told] == found.heights.tolist()
    assert [line["collectivity"] for line in told] == found.modes.collectivity.tolist()
    assert found.shares is not None
    assert found.amplitudes is not None
    assert [line["share"] for line in told] == found.shares.tolist()
    along = np.loadtxt("along.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(along[:, 1:], 10 * found.amplitudes)


def test_more_modes_than_there_are_is_as_many_as_there_are(peptide: tuple[ModesRequest, ModesReading]) -> None:
    request = replace(peptide[0], select="name CA", count=100, cutoff=3.0)
    found = jobs.run(mode_tasks.slow_modes(request))
    assert len(found.modes.values) == 3 * 5 - 6
    with pytest.raises(BadInput, match="Fewer than three"):
        jobs.run(mode_tasks.slow_modes(replace(request, select="name CA and resid 0 to 1")))


def test_modes_of_a_minimum_see_no_frames_of_other_atoms(peptide: tuple[ModesRequest, ModesReading]) -> None:
    three = ATOMS.select(np.array([0, 1, 1]))
    x = np.array([[[0.0, 0, 0], [0.15, 0, 0], [0.2, 0.1, 0]]] * 2)
    minimum = a_minimum(atoms=three)
    minimum = replace(minimum, result=replace(minimum.result, x=x))
    request = replace(peptide[0], of=MINIMUM, select="", minima=minimum)
    found = jobs.run(mode_tasks.slow_modes(request))
    assert found.amplitudes is None
    assert len(found.modes.values) == 3
    assert len(jobs.run(mode_tasks.slow_modes(replace(request, frames=None))).modes.values) == 3


def test_a_hessian_at_a_minimum_has_frequencies_and_sees_the_frames(
    peptide: tuple[ModesRequest, ModesReading], tmp_path: Path
) -> None:
    frames = peptide[0].frames
    assert frames is not None
    settings = MinimizeSettings(tolerance=0.01)
    chosen = MinimiseRequest(frames.paths[0], energy=EnergySettings(solvent="none"), settings=settings)
    minimum = jobs.run(minimise(chosen, tmp_path / "run.npz"))
    assert minimum.result.rms_force[0] <= STILL
    found = jobs.run(mode_tasks.slow_modes(ModesRequest(HESSIAN, 4, frames=frames, minima=minimum)))
    mode, step = found.modes.displacements[:, :, 0], 0.02
    around = [value(minimum.molecule.energy, found.modes.reference + way * step * mode) for way in (-1, 0, 1)]
    curvature = float(around[0] - 2 * around[1] + around[2]) / step**2
    assert found.modes.values[0] == pytest.approx(curvature, rel=0.02)  # finite differences of the energy
    assert found.heights[0] == found.modes.wavenumbers[0] > 0
    assert found.amplitudes is not None
    assert found.amplitudes.shape == (80, 4)
