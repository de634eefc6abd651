"""Structure factors by cctbx, in an interpreter of its own: gemmi and cctbx do not get on in one process.

python cctbx_yardstick.py IN.npz OUT.npz ROUNDS: reads a scene, computes F by the FFT engine at its defaults as often as
told, and writes F and the seconds of each time. The structure is made before, as for many frames of the same atoms.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from cctbx import crystal, miller, xray
from cctbx.array_family import flex


def main() -> None:
    given, out, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    scene = np.load(given)
    symmetry = crystal.symmetry(unit_cell=tuple(scene["cell"].tolist()), space_group_symbol="P1")
    hkl = flex.miller_index([tuple(h) for h in scene["hkl"].tolist()])
    reflections = miller.set(symmetry, hkl, anomalous_flag=False)
    structure = structure_of(symmetry, scene["element"].tolist())
    sites = flex.vec3_double(np.ascontiguousarray(scene["fractional"]))
    engine = xray.structure_factors.from_scatterers(miller_set=reflections)
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        structure.set_sites_frac(sites)
        found = engine(xray_structure=structure, miller_set=reflections, algorithm="fft")
        seconds.append(time.perf_counter() - begin)
    np.savez(out, factors=found.f_calc().data().as_numpy_array(), seconds=np.array(seconds))


def structure_of(symmetry: crystal.symmetry, elements: list[str]) -> xray.structure:
    structure = xray.structure(crystal_symmetry=symmetry)
    for number, element in enumerate(elements):
        structure.add_scatterer(xray.scatterer(label=f"{element}{number}", scattering_type=element, u=0.0))
    structure.scattering_type_registry(table="it1992")
    return structure


if __name__ == "__main__":
    main()
