"""Training examples for the reward network, drawn from frames of graded episodes.

An example is two frames a and b of one task, an instruction, and, each only sometimes, a start and
a goal picture. Progress and completion are asked about b, comparison about both.

- b is drawn so that every tenth of progress is equally frequent, a mostly from b's own episode, in
  either order of time: half of the pairs run as in a rewound clip.
- The start is the episode's first frame or, as in a clipped episode, any frame before b.
- The goal is the task's own picture of its goal or a finished frame of another episode.
- Negatives have progress and completion 0: the instruction of another task, or another task's goal.
- Pairs whose progress is equal have the label 1/2, so that the network learns to be unsure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core_jax.reward_models.large_reward import network
from core_jax.reward_models.large_reward.graded import GradedFrames

TIE = 0.03  # difference in progress up to which two frames are equal


class Batch(NamedTuple):
    """B examples; pictures are uint8 [B, H, W, 3]."""

    a: np.ndarray
    b: np.ndarray
    tokens: np.ndarray
    start: np.ndarray
    goal: np.ndarray
    given: np.ndarray  # [B, 2] whether there is a start, and a goal
    progress: np.ndarray  # [B] in [0, 1]
    completion: np.ndarray  # [B] 0 or 1
    further: np.ndarray  # [B] 1 where b is further than a, 0 where a is, 1/2 where they are equal
    paired: np.ndarray  # [B] weight of the comparison; 0 for negatives


@dataclasses.dataclass(frozen=True)
class Shares:
    """Probabilities of what an example has."""

    own_episode: float = 0.7
    start: float = 0.7
    clipped: float = 0.3
    goal: float = 0.7
    goal_of_episode: float = 0.4
    other_instruction: float = 0.1
    other_goal: float = 0.08


class Examples:
    """Draws batches.

    Args:
        frames: of each task.
        goals: picture of each task's goal, uint8 [H, W, 3].
        instructions: of each task.
        words: the vocabulary.
        shares: what examples have.
    """

    def __init__(
        self,
        frames: Mapping[str, GradedFrames],
        goals: Mapping[str, np.ndarray],
        instructions: Mapping[str, str],
        words: Sequence[str],
        shares: Shares | None = None,
    ):
        self._names = tuple(frames)
        self._frames, self._goals, self._shares = dict(frames), dict(goals), shares or Shares()
        texts = [instructions[name] for name in self._names]
        self._tokens = dict(zip(self._names, network.tokenize(words, texts), strict=True))
        self._chances = {name: _chances(f) for name, f in frames.items()}
        self._done = {name: np.flatnonzero(f.success > 0) for name, f in frames.items()}

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """`count` examples, every task equally often."""
        names = rng.permutation(np.resize(rng.permutation(self._names), count))
        rows = [self._one(rng, str(name)) for name in names]
        return Batch(*(np.stack(column) for column in zip(*rows, strict=True)))

    def _one(self, rng: np.random.Generator, task: str) -> tuple:
        frames, shares = self._frames[task], self._shares
        b = rng.choice(len(frames.step), p=self._chances[task])
        own = np.flatnonzero(frames.episode == frames.episode[b])
        a = rng.choice(own) if rng.random() < shares.own_episode else rng.integers(len(frames.step))
        before = own[own <= b]
        start = rng.choice(before) if rng.random() < shares.clipped else own[0]
        goal = self._goals[task]
        if len(self._done[task]) and rng.random() < shares.goal_of_episode:
            goal = frames.picture[rng.choice(self._done[task])]
        given = np.array([rng.random() < shares.start, rng.random() < shares.goal])
        tokens, lot = self._tokens[task], rng.random()
        wrong = False
        if len(self._names) > 1 and lot < shares.other_instruction + shares.other_goal:
            other = str(rng.choice([name for name in self._names if name != task]))
            wrong = True
            if lot < shares.other_instruction:
                tokens = self._tokens[other]
            else:
                goal, given[1] = self._goals[other], True
        gap = float(frames.progress[b] - frames.progress[a])
        further = 0.5 if abs(gap) <= TIE else float(gap > 0)
        return (
            frames.picture[a],
            frames.picture[b],
            tokens,
            frames.picture[start],
            goal,
            given,
            np.float32(0.0 if wrong else frames.progress[b]),
            np.float32(0.0 if wrong else frames.success[b]),
            np.float32(further),
            np.float32(not wrong),
        )


def _chances(frames: GradedFrames) -> np.ndarray:
    """Probability of each frame [M]: the same for every tenth of progress that occurs, and for
    finished frames."""
    level = np.where(frames.success > 0, network.BINS, np.rint(10 * frames.progress)).astype(int)
    weight = 1.0 / np.bincount(level, minlength=network.BINS + 1)[level]
    return weight / weight.sum()
