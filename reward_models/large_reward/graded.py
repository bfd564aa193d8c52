"""Pictures of episodes of graded skill with their ground truth: what a reward model is trained and
evaluated on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np


@dataclasses.dataclass(frozen=True)
class GradedFrames:
    """Pictures of E episodes of one task, M in all, in order of episode and step.

    Attributes:
        picture: uint8 [M, H, W, 3].
        episode: [M] index of the episode, 0 to E - 1.
        step: [M] environment steps that were done before the picture.
        progress: [M] ground truth in [0, 1].
        success: [M] 1 where the task is done.
        deficit: [E] of the expert's skill (`envs.graded`).
        snapshot: [M, K] what the pictures were rendered from.
    """

    picture: np.ndarray
    episode: np.ndarray
    step: np.ndarray
    progress: np.ndarray
    success: np.ndarray
    deficit: np.ndarray
    snapshot: np.ndarray

    def save(self, path: Path) -> None:
        """Writes an .npz file."""
        np.savez_compressed(path, **dataclasses.asdict(self))

    @staticmethod
    def load(path: Path) -> GradedFrames:
        """Reads what `save` wrote.

        Raises:
            ValueError: the file has other arrays.
        """
        with np.load(path) as file:
            names = {f.name for f in dataclasses.fields(GradedFrames)}
            if set(file.files) != names:
                raise ValueError(f"{path} holds {sorted(file.files)}, not {sorted(names)}")
            return GradedFrames(**{name: file[name] for name in names})

    @property
    def episodes(self) -> int:
        """Number of episodes, E."""
        return len(self.deficit)

    def of(self, episodes: np.ndarray) -> GradedFrames:
        """The frames of some episodes, which are numbered anew."""
        rows = np.isin(self.episode, episodes)
        number = np.full(self.episodes, -1)
        number[episodes] = np.arange(len(episodes))
        return GradedFrames(
            picture=self.picture[rows],
            episode=number[self.episode[rows]],
            step=self.step[rows],
            progress=self.progress[rows],
            success=self.success[rows],
            deficit=self.deficit[episodes],
            snapshot=self.snapshot[rows],
        )

    def firsts(self) -> np.ndarray:
        """[M] index of the first frame of each frame's episode."""
        first = np.searchsorted(self.episode, np.arange(self.episodes))
        return first[self.episode]
