"""Asking for files: what to open, and where to write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from app.models.paths import MAPS, PROJECT, TOPOLOGIES, TRAJECTORIES
from app.settings import Settings
from mdweights_core.io.frames.frame_files import CHECKPOINT, REFLECTIONS


def _pattern(title: str, suffixes: Iterable[str]) -> str:
    return f"{title} ({' '.join('*' + suffix for suffix in suffixes)});;All files (*)"


MAP = _pattern("Diffuse maps", MAPS)
BRAGG = _pattern("Reflection files", REFLECTIONS)
PRIOR = _pattern("Weights of frames", (".csv", ".txt", ".dat", ".npy"))
ENERGIES = _pattern("Tables of energies", (".csv", ".xvg", ".txt", ".dat"))
FRAMES = _pattern("Trajectories and checkpoints", (*TRAJECTORIES, *TOPOLOGIES, CHECKPOINT))
TOPOLOGY = _pattern("Topologies", TOPOLOGIES)
STRUCTURE = _pattern("Structures", (".pdb", ".ent", ".cif", ".mmcif", ".pdbx", ".prmtop", ".parm7", ".xml"))
TABLE = _pattern("Tables", (".csv",))
COORDINATES = _pattern("Coordinates", (".inpcrd", ".rst7", ".rst", ".crd", ".restrt", ".pdb", ".cif"))
CONFORMATIONS = "PDB with models (*.pdb);;XTC trajectory (*.xtc)"
SAMPLES = "Samples (*.npz)"
EXPORTS = {
    "mtz": ("Weighted MTZ", "weighted.mtz", "Reflection files (*.mtz)"),
    "csv": ("Table of weights", "weights.csv", "Tables (*.csv)"),
    "ndx": ("GROMACS index of frames with weight", "kept_frames.ndx", "GROMACS index (*.ndx)"),
    "selection.csv": ("Table of selected frames", "kept.csv", "Tables (*.csv)"),
    "selection.ndx": ("GROMACS index of selected frames", "kept.ndx", "GROMACS index (*.ndx)"),
    "pdb": ("Top frames", "top_frames.pdb", "Coordinates (*.pdb)"),
    "ccp4": ("Calculated map (CCP4)", "calculated.ccp4", "CCP4 maps (*.ccp4 *.map *.mrc)"),
    "lat": ("Calculated map (Lunus lattice)", "calculated.lat", "Lunus lattices (*.lat)"),
    "nxs": ("Checkpoint with weights (xtraj)", "checkpoint.nxs", "Checkpoints (*.nxs)"),
    "html": ("Report", "report.html", "Web pages (*.html)"),
    "png": ("Picture of the window", "window.png", "Pictures (*.png)"),
}


class FileDialogs:
    """The file dialogs of one window; remembers the folder."""

    def __init__(self, window: QWidget, settings: Settings) -> None:
        self._window, self._settings = window, settings

    def open_map(self) -> Path | None:
        """Ask for a diffuse map."""
        return self._one("Open map", MAP)

    def open_bragg(self) -> Path | None:
        """Ask for an MTZ with Bragg amplitudes."""
        return self._one("Open Bragg amplitudes", BRAGG)

    def open_prior(self) -> Path | None:
        """Ask for weights of a biased simulation."""
        return self._one("Open prior weights", PRIOR)

    def open_energies(self) -> Path | None:
        """Ask for a table with energies of the frames."""
        return self._one("Open energies", ENERGIES)

    def open_frames(self) -> tuple[Path, ...]:
        """Ask for trajectory files, with or without their topology."""
        names, _ = QFileDialog.getOpenFileNames(self._window, "Open frames", self._settings.folder, FRAMES)
        return tuple(self._remembered(Path(name)) for name in names)

    def open_topology(self) -> Path | None:
        """Ask for a topology."""
        return self._one("Open topology", TOPOLOGY)

    def open_structure(self) -> Path | None:
        """Ask for a structure, or parameters of one."""
        return self._one("Open structure", STRUCTURE)

    def open_coordinates(self) -> Path | None:
        """Ask for the coordinates of a file of parameters."""
        return self._one("Open coordinates", COORDINATES)

    def save_conformations(self, title: str, suggested: str, patterns: str = CONFORMATIONS) -> Path | None:
        """Ask where to write conformations: PDB, or XTC; the ending is that of the pattern when it is missing."""
        start = str(Path(self._settings.folder) / suggested)
        name, pattern = QFileDialog.getSaveFileName(self._window, title, start, patterns)
        if not name:
            return None
        path = Path(name)
        return self._remembered(path if path.suffix else path.with_suffix(pattern.partition("*")[2].rstrip(")")))

    def save_table(self, title: str, suggested: str) -> Path | None:
        """Ask where to write a table."""
        start = str(Path(self._settings.folder) / suggested)
        name, _ = QFileDialog.getSaveFileName(self._window, title, start, "Tables (*.csv)")
        if not name:
            return None
        path = Path(name)
        return self._remembered(path if path.suffix == ".csv" else path.with_name(f"{path.name}.csv"))

    def open_table(self, title: str) -> Path | None:
        """Ask for a table."""
        return self._one(title, TABLE)

    def open_folder(self, title: str) -> Path | None:
        """Ask for a folder: of MTZ files, a store or a project."""
        name = QFileDialog.getExistingDirectory(self._window, title, self._settings.folder)
        return self._remembered(Path(name)) if name else None

    def save_project(self, suggested: str) -> Path | None:
        """Ask where to save a project; the ending is added when it is missing."""
        start = str(Path(self._settings.folder) / suggested)
        name, _ = QFileDialog.getSaveFileName(self._window, "Save project as", start, f"Projects (*{PROJECT})")
        if not name:
            return None
        path = Path(name)
        return self._remembered(path if path.suffix == PROJECT else path.with_name(path.name + PROJECT))

    def export(self, kind: str) -> Path | None:
        """Ask where to write an export."""
        title, suggested, pattern = EXPORTS[kind]
        start = str(Path(self._settings.folder) / suggested)
        name, _ = QFileDialog.getSaveFileName(self._window, title, start, pattern)
        if not name:
            return None
        path = Path(name)
        return self._remembered(path if path.suffix else path.with_suffix(f".{kind.rpartition('.')[2]}"))

    def _one(self, title: str, pattern: str) -> Path | None:
        name, _ = QFileDialog.getOpenFileName(self._window, title, self._settings.folder, pattern)
        return self._remembered(Path(name)) if name else None

    def _remembered(self, path: Path) -> Path:
        self._settings.folder = str(path.parent)
        return path
