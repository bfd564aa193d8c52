"""Adapters to and from LeRobot's reward models: `compute_reward(batch) -> rewards [B]`.

A batch is a mapping with pictures [B, 3, H, W] in [0, 1] (or uint8) under `observation.images.NAME`
or `observation.image`, and the instruction, one text or B of them, under `task`. Arrays may be
NumPy's, JAX's or PyTorch's; what comes back is NumPy's, which PyTorch takes by `torch.from_numpy`.
Neither LeRobot nor PyTorch is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, UInt8

from core_jax.reward_models.large_reward.judge import Frames, Judge, Judgements, judgements

TASK = "task"
IMAGES = "observation.images."


class RewardModel(Protocol):
    """LeRobot's interface of a learned reward."""

    def compute_reward(self, batch: Mapping[str, Any]) -> Any:
        """Rewards [B] of a batch."""
        ...


class LeRobotReward:
    """A judge as a LeRobot reward model.

    Args:
        judge: answers.
        question: `progress` or `completion`.
        picture: key of the picture; by default the batch's only one.
        missing: reward of a frame that the judge gives no answer about.
    """

    def __init__(
        self,
        judge: Judge,
        question: str = "progress",
        picture: str | None = None,
        missing: float = float("nan"),
    ):
        if question not in ("progress", "completion"):
            raise ValueError(f"question must be progress or completion, not {question!r}")
        self._judge, self._question = judge, question
        self._picture, self._missing = picture, missing

    def compute_reward(self, batch: Mapping[str, Any]) -> Float[np.ndarray, " B"]:
        """Rewards of a batch, in the order of its pictures.

        Raises:
            ValueError: the batch has no picture, several to choose from, or no instruction.
        """
        pictures = as_pictures(batch[self._key(batch)], self._judge.size)
        count = len(pictures)
        if TASK not in batch:
            raise ValueError(f"the batch has no {TASK!r}: the instruction of its frames")
        given = batch[TASK]
        tasks = [given] * count if isinstance(given, str) else [str(t) for t in given]
        if len(tasks) != count:
            raise ValueError(f"the batch has {count} pictures and {len(tasks)} instructions")
        reward = np.full(count, self._missing, np.float32)
        for task in dict.fromkeys(tasks):
            rows = np.flatnonzero([t == task for t in tasks])
            found = getattr(self._judge, self._question)(Frames(pictures[rows]), task)
            reward[rows] = np.where(found.answered, found.value, self._missing)
        return reward

    def _key(self, batch: Mapping[str, Any]) -> str:
        if self._picture is not None:
            return self._picture
        keys = [k for k in batch if k.startswith(IMAGES) or k == "observation.image"]
        if len(keys) != 1:
            raise ValueError(f"the batch has the pictures {sorted(keys)}: name one of them")
        return keys[0]


class FromLeRobot:
    """A LeRobot reward model as a judge: its rewards, limited to [0, 1], are progress.

    Completion is a reward of at least `done`; a comparison is the sign of the difference.

    Args:
        model: has `compute_reward`.
        size: height and width of the pictures that it is given.
        picture: the key under which it looks for them.
        done: reward from which on a task is finished.
    """

    sees = True

    def __init__(
        self,
        model: RewardModel,
        size: int = 224,
        picture: str = f"{IMAGES}front",
        done: float = 0.95,
    ):
        self.name, self.size = type(model).__name__, size
        self._model, self._picture, self._done = model, picture, done

    def progress(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """The rewards; see `Judge`."""
        del start, goal
        return _sure(self._rewards(frames, instruction))

    def completion(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """Whether the reward is at least `done`; see `Judge`."""
        del start, goal
        return _sure((self._rewards(frames, instruction) >= self._done).astype(np.float32))

    def comparison(
        self,
        a: Frames,
        b: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """The sign of the difference of the rewards; see `Judge`."""
        del start, goal
        first, second = (self._rewards(x, instruction) for x in (a, b))
        return _sure(np.sign(second - first))

    def _rewards(self, frames: Frames, instruction: str) -> np.ndarray:
        if frames.pictures is None:
            raise ValueError("a LeRobot reward model looks at pictures, and the frames have none")
        moved = np.moveaxis(frames.pictures, -1, 1).astype(np.float32) / 255.0
        batch = {self._picture: moved, TASK: [instruction] * len(moved)}
        reward = np.asarray(self._model.compute_reward(batch), np.float32).reshape(-1)
        if len(reward) != len(moved):
            raise ValueError(f"{self.name} gave {len(reward)} rewards for {len(moved)} pictures")
        return np.clip(reward, 0.0, 1.0)


def as_pictures(images: Any, size: int) -> UInt8[np.ndarray, "B S S 3"]:
    """LeRobot's pictures [B, 3, H, W], uint8 or in [0, 1], as uint8 at another size: each pixel is
    the nearest one.

    Raises:
        ValueError: another shape, or values out of range.
    """
    array = np.asarray(images)
    if array.ndim != 4 or array.shape[1] != 3:
        raise ValueError(f"pictures of shape {array.shape}; LeRobot's are [B, 3, H, W]")
    if array.dtype != np.uint8:
        if array.min(initial=0.0) < -1e-3 or array.max(initial=0.0) > 1.0 + 1e-3:
            raise ValueError("pictures that are not uint8 must have values in [0, 1]")
        array = np.rint(np.clip(array, 0.0, 1.0) * 255.0).astype(np.uint8)
    height, width = array.shape[2:]
    rows = ((np.arange(size) + 0.5) * height / size).astype(int)
    columns = ((np.arange(size) + 0.5) * width / size).astype(int)
    return np.ascontiguousarray(np.moveaxis(array[:, :, rows][:, :, :, columns], 1, -1))


def _sure(values: np.ndarray) -> Judgements:
    return judgements(values, np.full(len(values), np.nan, np.float32))
