"""Small trajectories as text, written here line by line."""

from __future__ import annotations

from pathlib import Path

PDB = "ATOM  {:5d} {:4s}{:1s}{:3s} {:1s}{:4d}    {:8.3f}{:8.3f}{:8.3f}{:6.2f}{:6.2f}          {:>2s}\n"
ATOMS = [("N", "N"), ("CA", "C"), ("C", "C"), ("O", "O")]
CRYST1 = "CRYST1   20.000   21.000   22.000  90.00 100.00  90.00 P 1           1\n"


def pdb_text(n_models: int = 3, *, header: str = CRYST1, end: str = "ENDMDL\n", model: bool = True) -> str:
    text = header
    for number in range(n_models):
        text += f"MODEL     {number + 1:4d}\n" if model else ""
        for row, (name, symbol) in enumerate(ATOMS):
            text += PDB.format(row + 1, f" {name}", "", "ALA", "A", 1, row, number, -1.5, 1, 0, symbol)
        text += end
    return text


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def gro_text(n_frames: int, names=("OW", "HW1", "HW2", "MW"), residue="SOL", box="2.0 2.1 2.2") -> str:
    text = ""
    for number in range(n_frames):
        text += f"water t= {0.5 * number:.5f} step= {number}\n{len(names):5d}\n"
        for row, name in enumerate(names):
            text += f"{1:5d}{residue:<5s}{name:>5s}{row + 1:5d}{0.1 * row:8.3f}{0.01 * number:8.3f}{-0.5:8.3f}\n"
        text += box + "\n"
    return text
