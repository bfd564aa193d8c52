"""The interface of a large reward model: three questions about pictures, in batches.

Values are float32. A judgement that was not given (an abstention, a failed request) has a status of
its own and the value NaN, so that it cannot be taken for a reward of 0.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Int, UInt8

ANSWERED = 0
ABSTAINED = 1
FAILED = 2


@dataclasses.dataclass(frozen=True)
class Frames:
    """B frames. What a model does not need may be None: `Judge.sees` says which it needs.

    Attributes:
        pictures: uint8 [B, H, W, 3].
        progress: ground truth in [0, 1], for scripted judges alone.
        success: ground truth, 0 or 1, for scripted judges alone.
        key: what identifies a frame's content, for errors and recordings that are repeatable.
    """

    pictures: UInt8[np.ndarray, "B H W 3"] | None = None
    progress: Float[np.ndarray, " B"] | None = None
    success: Float[np.ndarray, " B"] | None = None
    key: Int[np.ndarray, " B"] | None = None

    def take(self, rows: np.ndarray | slice) -> Frames:
        """Some of the frames, or the same one several times."""
        return Frames(*(None if x is None else x[rows] for x in self._arrays()))

    def __len__(self) -> int:
        return len(next(x for x in self._arrays() if x is not None))

    def _arrays(self) -> tuple[np.ndarray | None, ...]:
        return self.pictures, self.progress, self.success, self.key


class Judgements(NamedTuple):
    """What a model says of B frames or pairs.

    Attributes:
        value: [B]; NaN where there is none. Progress in [0, 1], completion as a probability or 0
            and 1, comparison in [-1, 1]: 1 if the second frame is further.
        confidence: [B] in [0, 1]; NaN where the model gives none.
        status: [B] ANSWERED, ABSTAINED or FAILED.
    """

    value: Float[np.ndarray, " B"]
    confidence: Float[np.ndarray, " B"]
    status: Int[np.ndarray, " B"]

    @property
    def answered(self) -> np.ndarray:
        """[B] whether there is a value."""
        return self.status == ANSWERED


class Judge(Protocol):
    """A large reward model.

    Attributes:
        name: for logs and recordings.
        sees: whether it looks at pictures; if not, it reads ground truth.
        size: height and width of the pictures that it is given.
    """

    @property
    def name(self) -> str: ...
    @property
    def sees(self) -> bool: ...
    @property
    def size(self) -> int: ...

    def progress(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """How far each frame is.

        Args:
            frames: B of them.
            instruction: the task.
            start: the first frame of each frame's episode [B].
            goal: a frame of the finished task [B].
        """
        ...

    def completion(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """Whether each frame shows the finished task; arguments as `progress`."""
        ...

    def comparison(
        self,
        a: Frames,
        b: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """Which of two frames is further, a or b; further arguments as `progress`."""
        ...


class UniformJudge(abc.ABC):
    """A judge that answers its three questions by one function."""

    def progress(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """How far each frame is; see `Judge`."""
        return self._answers("progress", (frames,), instruction, start, goal)

    def completion(
        self,
        frames: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """Whether each frame shows the finished task; see `Judge`."""
        return self._answers("completion", (frames,), instruction, start, goal)

    def comparison(
        self,
        a: Frames,
        b: Frames,
        instruction: str,
        start: Frames | None = None,
        goal: Frames | None = None,
    ) -> Judgements:
        """Which of two frames is further; see `Judge`."""
        return self._answers("comparison", (a, b), instruction, start, goal)

    @abc.abstractmethod
    def _answers(
        self,
        question: str,
        frames: tuple[Frames, ...],
        instruction: str,
        start: Frames | None,
        goal: Frames | None,
    ) -> Judgements:
        """Answers `question`, the name of a method, about one batch of frames, or two."""


def judgements(value: np.ndarray, confidence: np.ndarray, abstain_below: float = 0.0) -> Judgements:
    """Judgements that were all given; those of less confidence are abstentions."""
    value = np.asarray(value, np.float32)
    confidence = np.asarray(confidence, np.float32)
    unsure = confidence < abstain_below
    status = np.where(unsure, ABSTAINED, ANSWERED).astype(np.int8)
    return Judgements(np.where(unsure, np.float32(np.nan), value), confidence, status)


def join(parts: Sequence[Judgements]) -> Judgements:
    """Several batches as one."""
    return Judgements(*(np.concatenate(x) for x in zip(*parts, strict=True)))
