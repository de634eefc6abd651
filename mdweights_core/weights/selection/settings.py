"""Settings of a selection of frames: plain values, checked, importable without JAX."""

from __future__ import annotations

from dataclasses import dataclass

from mdweights_core.errors import BadInput, counted

METHODS: dict[str, str] = {
    "greedy": "delete one frame after another, each time the one that helps most",
    "genetic": "genetic algorithm on sets of frames",
}
MIN_FRAMES = 2
"""One frame has no diffuse intensity."""


@dataclass(frozen=True)
class SelectionSettings:
    """How frames are selected. Frames that are tied together count as one.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    min_frames : int
        Frames that are kept in any case, at least `MIN_FRAMES`.
    max_frames : int, optional
        Frames that are kept at most; all unless given.
    generations : int
        Of the genetic algorithm, at most.
    seed : int
        Of the genetic algorithm; greedy deletion draws nothing.
    """

    method: str = "greedy"
    min_frames: int = MIN_FRAMES
    max_frames: int | None = None
    generations: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            advice = f"Choose one of {', '.join(METHODS)}"
            raise BadInput(f"there is no selection called {self.method!r}", advice=advice)
        if self.min_frames < MIN_FRAMES:
            raise BadInput(
                f"{counted(self.min_frames, 'frame')} cannot be all that is kept: one frame has no diffuse intensity",
                advice=f"Keep at least {MIN_FRAMES}",
            )
        if self.max_frames is not None and self.max_frames < self.min_frames:
            raise BadInput(
                f"{counted(self.max_frames, 'frame')} at most cannot be at least {self.min_frames}",
                advice="Keep fewer in any case, or allow more",
            )
        if self.generations < 1:
            raise BadInput(f"the number of generations is {self.generations}, but must be at least 1")
        if self.seed < 0:
            raise BadInput(f"the seed is {self.seed}, but must be zero or positive")

    def check(self, n_frames: int) -> None:
        """Refuse limits that leave nothing to select among `n_frames`.

        Raises
        ------
        BadInput
            When all of them are to be kept.
        """
        if self.min_frames >= n_frames:
            raise BadInput(
                f"of {counted(n_frames, 'frame')} at least {self.min_frames} are to be kept, "
                "so there is none to leave out",
                advice="Give more frames, or keep fewer",
            )
