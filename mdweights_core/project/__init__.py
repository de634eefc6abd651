"""The project: a folder NAME.mdw with everything a fit was made from, what came out, and how to make it again."""

from __future__ import annotations

from mdweights_core.project.inputs import FitInputs, InputChoices, observed_map, trajectory_of
from mdweights_core.project.lineage import provenance
from mdweights_core.project.project import Project

__all__ = ["FitInputs", "InputChoices", "Project", "observed_map", "provenance", "trajectory_of"]
