"""The project: a folder NAME.mdw with everything a fit was made from, what came out, and how to make it again.

`project.json` (schema version, inputs, settings, result figures, provenance) points at one array file. Both are written
under new names, flushed to disk and renamed, the pointer last: a killed program leaves the old project or the new one.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import gemmi
import numpy as np

from mdweights_core import __version__
from mdweights_core.crystal.lattice import DiffuseMap, MillerLattice, cell_parameters
from mdweights_core.crystal.laue import laue_groups
from mdweights_core.errors import BadInput, MdweightsError
from mdweights_core.io.files import atomic_write, atomic_write_text, file_fingerprint, hold_made
from mdweights_core.io.frames.frame_files import frame_kind
from mdweights_core.io.plain_values import require_types
from mdweights_core.scattering.settings import PredictSettings
from mdweights_core.weights.settings import FitSettings

if TYPE_CHECKING:  # WeightFit lives beside the solvers, which load JAX; a project is opened without it
    from mdweights_core.io.frames.trajectories import FrameSource
    from mdweights_core.meaning.result import Meaning
    from mdweights_core.scattering.storage.store import FrameTable
    from mdweights_core.weights.result import WeightFit
    from mdweights_core.weights.selection.result import Selection
    from mdweights_core.weights.validation.result import Validation

SCHEMA_VERSION = 2
"""1 knew no prior weights, no validation and no meaning of weights."""

STORE_NAME = "frames.zarr"  # of projects that name none
_JSON_NAME = "project.json"
_OPTIONAL_FILES = ("topology", "prior", "bragg")
_CONCLUSIONS = {"supported", "weak", "unsupported", "overfit"}
_DAMAGE = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class FitInputs:
    """What a fit is made from: files and how to read them.

    Attributes
    ----------
    map : Path
        File with the observed diffuse map, of any format `io.maps` knows.
    frames : tuple of Path
        One structure-factor store, per-frame MTZ files or a folder of them, a checkpoint of xtraj, or trajectory files.
    topology : Path, optional
        Topology of the trajectory.
    column, sigma_column, free_column : str, optional
        Columns of the map; guessed when not given.
    cell : 6 floats, optional
        Cell of the map (angstrom, degrees) when its file tells none, and of the frames when it is not the map's.
    space_group : str, optional
        In place of the map's.
    reindex : str, optional
        Operator applied to the map's indices, such as ``k,h,-l``.
    d_min, d_max : float, optional
        Resolution limits, angstrom.
    prior : Path, optional
        File with the weights of a biased simulation.
    bragg : Path, optional
        File with Bragg amplitudes that are fitted beside the map.
    map_supercell : (int, int, int), optional
        Unit cells along each axis of the map's cell, where its indices are those of a supercell.
    """

    map: Path
    frames: tuple[Path, ...]
    topology: Path | None = None
    column: str | None = None
    sigma_column: str | None = None
    free_column: str | None = None
    cell: tuple[float, float, float, float, float, float] | None = None
    space_group: str | None = None
    reindex: str | None = None
    d_min: float | None = None
    d_max: float | None = None
    prior: Path | None = None
    bragg: Path | None = None
    map_supercell: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        for name, value in (("d_min", self.d_min), ("d_max", self.d_max)):
            if value is not None and not 0 < value < float("inf"):
                raise BadInput(f"{name} is {value:g} A, but must be a positive length")
        if self.d_min is not None and self.d_max is not None and self.d_min >= self.d_max:
            raise BadInput(f"d_min ({self.d_min:g} A) must be smaller than d_max ({self.d_max:g} A)")
        if self.map_supercell is not None and min(self.map_supercell) < 1:
            raise BadInput(f"the supercell of the map is {self.map_supercell}, but needs whole numbers of at least 1")

    def to_json(self) -> dict[str, Any]:
        """Plain values, paths as absolute text."""
        plain = asdict(self)
        plain["map"] = os.path.abspath(self.map)
        plain["frames"] = [os.path.abspath(p) for p in self.frames]
        for name in _OPTIONAL_FILES:
            file = getattr(self, name)
            plain[name] = None if file is None else os.path.abspath(file)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> FitInputs:
        """The inverse of `to_json`."""
        known = {f.name: plain[f.name] for f in fields(cls) if f.name in plain}
        known["map"] = Path(known["map"])
        known["frames"] = tuple(Path(p) for p in known["frames"])
        for name in _OPTIONAL_FILES:
            known[name] = Path(known[name]) if known.get(name) else None
        for name in ("cell", "map_supercell"):
            known[name] = tuple(known[name]) if known.get(name) else None
        return cls(**known)


@dataclass(frozen=True, eq=False)
class Project:
    """A finished (or stopped) fit with all it came from.

    Attributes
    ----------
    path : Path
        The folder NAME.mdw.
    inputs : FitInputs
    predict_settings : PredictSettings
    fit_settings : FitSettings
    fit : WeightFit
    frames : FrameTable
    provenance : mapping
        Versions, date, fingerprints of the input files.
    store_name : str
        Folder in `path` with the structure factors, unless `inputs` are a store themselves.
    validation : Validation or None
        Why to believe the weights, or why not.
    meaning : Meaning or None
        What they go with.
    selection : Selection or None
        Whole frames kept or left out, to compare.
    """

    path: Path
    inputs: FitInputs
    predict_settings: PredictSettings
    fit_settings: FitSettings
    fit: WeightFit
    frames: FrameTable
    provenance: Mapping[str, Any] = field(default_factory=dict)
    store_name: str = STORE_NAME
    validation: Validation | None = None
    meaning: Meaning | None = None
    selection: Selection | None = None

    @classmethod
    def open(cls, path: str | Path) -> Project:
        """Read a project folder.

        Raises
        ------
        BadInput
            Not a project, written by a newer program, or damaged.
        """
        path = Path(path)
        record = _read_record(path)
        try:
            _require_types(record)
            arrays = _read_npz(path / record["arrays"])
            fit, frames = _load_fit(record, arrays), _load_frames(arrays)
            return cls(
                path,
                FitInputs.from_json(record["inputs"]),
                PredictSettings(**record["predict_settings"]),
                FitSettings(**record["fit_settings"]),
                fit,
                frames,
                record["provenance"],
                str(record.get("store", STORE_NAME)),
                _load_validation(record, arrays),
                _load_meaning(record, arrays),
                _load_selection(record, arrays),
            )
        except _DAMAGE as error:
            raise BadInput(
                f"The project is damaged ({type(error).__name__}: {error})",
                where=path,
                advice="Run the fit again; the inputs are listed in its project.json",
            ) from error

    @property
    def store_path(self) -> Path:
        """The store with the structure factors of the frames."""
        frames = self.inputs.frames
        return frames[0] if frame_kind(frames) == "store" else self.path / self.store_name

    def save(self) -> None:
        """Write the folder; what was there before stays until the new files are complete.

        Raises
        ------
        DiskProblem
            When it cannot be written; what was there before stays.
        """
        with hold_made(self.path, wait=True):  # two runs that save at once must not point at each other's arrays
            self._write()

    def _write(self) -> None:
        old = {p.name for p in self.path.glob("fit-*.npz")}
        number = 1 + max((int(name[4:-4]) for name in old if name[4:-4].isdigit()), default=0)
        name = f"fit-{number:04d}.npz"
        arrays, plain = self._parts()
        atomic_write(self.path / name, lambda target: _write_npz(target, arrays))
        text = json.dumps(self._record(name) | plain, indent=2, allow_nan=False) + "\n"
        atomic_write_text(self.path / _JSON_NAME, text)
        for name in old:
            (self.path / name).unlink(missing_ok=True)

    def _parts(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """All arrays, and validation, meaning and selection as plain values."""
        from mdweights_core.weights.selection import record as selections
        from mdweights_core.weights.validation.record import to_record

        arrays, plain = _fit_arrays(self.fit) | _frame_arrays(self.frames), {}
        if self.validation is not None:
            more, plain["validation"] = to_record(self.validation)
            arrays |= more
        if self.meaning is not None:
            more, plain["meaning"] = self.meaning.to_arrays()
            arrays |= more
        if self.selection is not None:
            more, plain["selection"] = selections.to_record(self.selection)
            arrays |= more
        return arrays, plain

    def _record(self, arrays: str) -> dict[str, Any]:
        from mdweights_core.weights.result import fit_summary

        lattice = self.fit.groups.lattice
        return {
            "schema_version": SCHEMA_VERSION,
            "arrays": arrays,
            "store": self.store_name,
            "inputs": self.inputs.to_json(),
            "predict_settings": asdict(self.predict_settings),
            "fit_settings": asdict(self.fit_settings),
            "cell": list(cell_parameters(lattice.cell)),
            "space_group": lattice.space_group.xhm(),
            "ndiv": list(lattice.ndiv),
            "result": fit_summary(self.fit),
            "provenance": dict(self.provenance),
        }

    def changed_files(self) -> list[str]:
        """Input files that are gone or hold something else than when the fit was made."""
        return [path for path, before in self.provenance.get("files", {}).items() if _fingerprint(path) != before]

    def frame_source(self) -> FrameSource | None:
        """The trajectory the frames came from, for molecules; None when they were structure factors only."""
        from mdweights_core.io.frames.trajectories import open_frames

        paths, topology = trajectory_of(self.inputs)
        return open_frames(paths, topology, altloc=self.predict_settings.altloc) if paths else None


def observed_map(inputs: FitInputs) -> DiffuseMap:
    """Read the map of `inputs` and cut it to the resolution limits.

    Raises
    ------
    BadInput
        When it cannot be read, or nothing lies between the limits.
    """
    from mdweights_core.io.maps.observed import read_map

    whole = read_map(
        inputs.map,
        column=inputs.column,
        sigma_column=inputs.sigma_column,
        free_column=inputs.free_column,
        space_group=inputs.space_group,
        reindex=inputs.reindex,
        cell=inputs.cell,
        supercell=inputs.map_supercell,
    )
    inside = whole.within(inputs.d_min, inputs.d_max)
    if not len(inside):
        d = whole.lattice.d_spacing
        raise BadInput(
            f"no reflection lies between the resolution limits; the map reaches from {d.max():.2f} to {d.min():.2f} A",
            where=inputs.map,
            advice="Change d_min or d_max",
        )
    return inside


def trajectory_of(inputs: FitInputs) -> tuple[tuple[Path, ...], Path | None]:
    """Trajectory files and topology behind the inputs; a store remembers what it was made from. Empty when none."""
    kind = frame_kind(inputs.frames)
    if kind == "trajectory":
        return inputs.frames, inputs.topology
    if kind == "store":
        from mdweights_core.scattering.storage.store import StructureFactorStore

        origin = StructureFactorStore.open(inputs.frames[0]).origin
        paths = tuple(Path(p) for p in origin.get("trajectory", ()))
        topology = origin.get("topology")
        return paths, inputs.topology or (Path(topology) if topology else None)
    return (), None


def provenance(inputs: FitInputs) -> dict[str, Any]:
    """Date, versions and fingerprints of the files that were read."""
    others = [getattr(inputs, name) for name in _OPTIONAL_FILES]
    files = [inputs.map, *inputs.frames, *filter(None, others)]
    return {
        "program": f"mdweights {__version__}",
        "source": source_fingerprint(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in ("jax", "numpy", "scipy", "gemmi", "mdtraj")},
        "files": {str(Path(p).absolute()): file_fingerprint(p) for p in files if Path(p).is_file()},
    }


@cache
def source_fingerprint() -> str:
    """SHA-256 of this program's modules: two of one version number may differ."""
    root, digest = Path(__file__).parent, hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _fingerprint(path: str) -> str | None:
    try:
        return file_fingerprint(path)
    except MdweightsError:
        return None


def _read_record(path: Path) -> dict[str, Any]:
    file = path / _JSON_NAME
    if not file.is_file():
        raise BadInput("This is not an mdweights project", where=path, advice="Choose a folder NAME.mdw")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        version = int(record["schema_version"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise BadInput("The project file cannot be read", where=file, advice="Run the fit again") from error
    if version > SCHEMA_VERSION:
        raise BadInput(
            f"The project was written by a newer version of mdweights (schema {version}, this one knows "
            f"{SCHEMA_VERSION})",
            where=path,
            advice="Update mdweights",
        )
    return record


_TEXTS = dict[str, str]
_PROVENANCE = {"program": str, "source": str, "date": str, "python": str, "packages": _TEXTS, "files": _TEXTS}
_RECORD = {
    "arrays": str,
    "store": str,
    "cell": tuple[float, float, float, float, float, float],
    "space_group": str,
    "ndiv": tuple[int, int, int],
}


def _require_types(record: dict[str, Any]) -> None:
    """TypeError for a record in which a number is text, or the like: arithmetic would come upon it much later."""
    from mdweights_core.meaning.result import Meaning
    from mdweights_core.weights.result import WeightFit
    from mdweights_core.weights.selection.result import Selection
    from mdweights_core.weights.validation.result import Validation

    require_types("project", record, _RECORD)
    scores = {name: float | None for name in record["result"] if "cc" in name}
    require_types("result", record["result"], get_type_hints(WeightFit) | scores | {"gain": float | None})
    parts: dict[str, Mapping[str, Any] | type] = {"inputs": FitInputs, "predict_settings": PredictSettings}
    parts |= {"fit_settings": FitSettings, "provenance": _PROVENANCE}
    for name, types in parts.items():
        require_types(name, record[name], types)
    for name, kind in {"validation": Validation, "meaning": Meaning, "selection": Selection}.items():
        if record.get(name) is not None:
            require_types(name, record[name], kind)


_FIT_ARRAYS = (
    "weights",
    "prior",
    "influence",
    "multipliers",
    "observed",
    "calculated",
    "uniform_calculated",
    "free",
    "mean_f",
    "mean_intensity",
)


_OPTIONAL_ARRAYS = ("observed_sigma", "start")


def _fit_arrays(fit: WeightFit) -> dict[str, np.ndarray]:
    arrays = {name: getattr(fit, name) for name in _FIT_ARRAYS} | {"hkl": fit.groups.lattice.hkl}
    arrays |= {name: value for name in _OPTIONAL_ARRAYS if (value := getattr(fit, name)) is not None}
    arrays |= {f"history/{key}": value for key, value in fit.history.items()}
    for name, scores in (("fitted", fit.scores), ("uniform", fit.uniform)):
        arrays |= {f"shells/{name}/{f.name}": getattr(scores.shells, f.name) for f in fields(scores.shells)}
    return arrays


def _frame_arrays(frames: FrameTable) -> dict[str, np.ndarray]:
    return {f"frames/{f.name}": np.asarray(getattr(frames, f.name)) for f in fields(frames)}


def _load_frames(arrays: Mapping[str, np.ndarray]) -> FrameTable:
    from mdweights_core.scattering.storage.store import FrameTable

    found: dict[str, Any] = {f.name: arrays[f"frames/{f.name}"] for f in fields(FrameTable)}
    found["source"] = tuple(str(s) for s in found["source"])
    return FrameTable(**found)


def _load_fit(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> WeightFit:
    from mdweights_core.weights.result import WeightFit

    result = record["result"]
    lattice = MillerLattice(
        arrays["hkl"],
        gemmi.UnitCell(*record["cell"]),
        gemmi.SpaceGroup(record["space_group"]),
        tuple(record["ndiv"]),
    )
    numbers = ("n_eff", "n_eff_entropy", "n_active", "kkt_residual", "iterations", "seconds", "converged", "stopped")
    arrays = _of_schema_1(arrays) if "prior" not in arrays else arrays
    from_arrays: dict[str, Any] = {name: arrays[name] for name in _FIT_ARRAYS}
    from_arrays |= {name: arrays.get(name) for name in _OPTIONAL_ARRAYS}
    return WeightFit(
        **from_arrays,
        **{name: result[name] for name in (*numbers, "outcome", "scale", "offset", "raw_sum")},
        scores=_load_scores(result, arrays, "fitted", ""),
        uniform=_load_scores(result, arrays, "uniform", "_uniform"),
        history={key[8:]: value for key, value in arrays.items() if key.startswith("history/")},
        warnings=tuple(result["warnings"]),
        settings=FitSettings(**record["fit_settings"]),
        groups=laue_groups(lattice),
        bragg=_load_bragg(result),
        gain=_number(result.get("gain")),
        theta=result.get("theta", record["fit_settings"]["theta"]),
    )


def _load_bragg(result: Mapping[str, Any]) -> Any:
    from mdweights_core.weights.scores import BraggScores

    if "bragg_cc" not in result:
        return None
    return BraggScores(**{f.name: _number(result[f"bragg_{f.name}"]) for f in fields(BraggScores)})


def _of_schema_1(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    n = len(arrays["weights"])
    return {**arrays, "prior": np.full(n, 1.0 / n), "multipliers": np.full(n, np.nan)}


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _load_validation(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Validation | None:
    from mdweights_core.weights.validation.record import from_record
    from mdweights_core.weights.validation.result import BAD, GOOD, NONE, WEAK

    plain = record.get("validation")
    if plain is None:
        return None
    validation = from_record(arrays, plain)
    states = {light.state for light in validation.lights} - {GOOD, WEAK, BAD, NONE}
    strange = states | {validation.conclusion} - _CONCLUSIONS
    if strange:
        raise ValueError(f"no validation says {strange.pop()!r}")
    return validation


def _load_meaning(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Meaning | None:
    from mdweights_core.meaning.result import Meaning

    plain = record.get("meaning")
    return None if plain is None else Meaning.from_arrays(arrays, plain)


def _load_selection(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Selection | None:
    from mdweights_core.weights.selection.record import from_record

    plain = record.get("selection")
    return None if plain is None else from_record(arrays, plain)


def _load_scores(result: Mapping[str, Any], arrays: Mapping[str, np.ndarray], name: str, suffix: str) -> Any:
    from mdweights_core.weights.scores import Scores, ShellTable

    shells = ShellTable(**{f.name: arrays[f"shells/{name}/{f.name}"] for f in fields(ShellTable)})
    values = {key: result[key + suffix] for key in ("cc", "cc_aniso", "cc_free", "cc_aniso_free")}
    return Scores(**{key: _number(value) for key, value in values.items()}, shells=shells)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return dict(arrays)


def _write_npz(target: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with target.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
