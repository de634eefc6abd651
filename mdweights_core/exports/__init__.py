"""What a user takes away.

Weighted MTZ, maps on a grid (CCP4, Lunus), weights as CSV and in checkpoints of xtraj, a GROMACS index of the frames
kept, the best frames as PDB.
"""

from mdweights_core.exports.frames import KEPT, export_ndx, export_pdb, kept_frames
from mdweights_core.exports.history import cautions, history_lines
from mdweights_core.exports.maps import MAPS, export_ccp4, export_checkpoint, export_hkl, export_lat, spread
from mdweights_core.exports.mtz import crystal_origin, export_mtz, mean_f_warnings, symmetrised_mean_f
from mdweights_core.exports.tables import export_csv, export_scan, weight_errors

__all__ = [
    "KEPT",
    "MAPS",
    "cautions",
    "crystal_origin",
    "export_ccp4",
    "export_checkpoint",
    "export_csv",
    "export_hkl",
    "export_lat",
    "export_mtz",
    "export_ndx",
    "export_pdb",
    "export_scan",
    "history_lines",
    "kept_frames",
    "mean_f_warnings",
    "spread",
    "symmetrised_mean_f",
    "weight_errors",
]
