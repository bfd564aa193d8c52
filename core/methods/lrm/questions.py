"""Which frames are judged, and what is asked about them: one batch of questions for a rollout.

All worlds have counters of their own, so the phases of environments do not drift when one of them
is reset. An episode's first step is judged and is its start picture; the picture before is the one
that was judged before in the same episode.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np


@dataclasses.dataclass
class WorldStates:
    """What is known of S x N worlds between two rollouts. Snapshots are [S, N, K].

    Attributes:
        steps: [S, N] steps of the present episode so far.
        held: [S, N] the reward that is held.
        start, last: snapshots of the first and of the latest judged frame of the episode.
        start_truth, last_truth: [S, N, 2] their progress and success, for scripted judges.
    """

    steps: np.ndarray
    held: np.ndarray
    start: np.ndarray
    last: np.ndarray
    start_truth: np.ndarray
    last_truth: np.ndarray

    @staticmethod
    def fresh(seeds: int, envs: int, size: int) -> WorldStates:
        """Worlds before their first step; `size` is that of a snapshot."""
        world = (seeds, envs)
        return WorldStates(
            np.zeros(world, np.int32),
            np.zeros(world, np.float32),
            np.zeros((*world, size), np.float32),
            np.zeros((*world, size), np.float32),
            np.zeros((*world, 2), np.float32),
            np.zeros((*world, 2), np.float32),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """For a checkpoint."""
        return dict(vars(self))


class Questions(NamedTuple):
    """Q judged frames of a rollout, in order of time.

    Attributes:
        at: seed, step and environment of each [3, Q].
        frame: [Q] row of the frame in `snapshot` and `truth`.
        before: [Q] row of the frame before; the frame itself where there is none.
        start: [Q] row of the episode's first frame.
        is_first: [Q] whether the episode begins with it.
        snapshot: [F, K] all frames that are looked at.
        truth: [F, 2] their progress and success.
    """

    at: np.ndarray
    frame: np.ndarray
    before: np.ndarray
    start: np.ndarray
    is_first: np.ndarray
    snapshot: np.ndarray
    truth: np.ndarray


def collect(steps: Any, worlds: WorldStates, every: int) -> Questions:
    """The questions of a rollout [S, T, N]; `worlds` is brought up to its end.

    Args:
        steps: has `cut`, `snapshot` and `truth` [S, T, N, ...].
        worlds: before the rollout; its `held` is left as it is.
        every: steps from one judged frame to the next.
    """
    cut, snapshot = np.asarray(steps.cut) > 0, np.asarray(steps.snapshot, np.float32)
    truth = np.stack([np.asarray(steps.truth.progress), np.asarray(steps.truth.success)], -1)
    truth = truth.astype(np.float32)
    seeds, length, count = cut.shape
    judged = np.zeros(cut.shape, bool)
    first = np.zeros(cut.shape, bool)
    done = worlds.steps.copy()
    for t in range(length):
        judged[:, t], first[:, t] = done % every == 0, done == 0
        done = np.where(cut[:, t], 0, done + 1)
    worlds.steps = done.astype(np.int32)

    # In order of seed, environment and time, so that a question's predecessor is the row before.
    s, n, t = np.nonzero(np.moveaxis(judged, 1, 2))
    at, total = np.stack([s, t, n]), len(s)
    is_first = first[s, t, n]
    world = s * count + n
    own = np.arange(total)
    opens = np.append(True, world[1:] != world[:-1])[:total]
    before = np.where(opens, total + world, own - 1)
    before = np.where(is_first, own, before)
    # The last row at which an episode or a world's questions began.
    began = np.maximum.accumulate(np.where(is_first | opens, own, 0))
    start = np.where(is_first[began], began, total + seeds * count + world)

    carried = [x.reshape(seeds * count, -1) for x in (worlds.last, worlds.start)]
    carried_truth = [x.reshape(-1, 2) for x in (worlds.last_truth, worlds.start_truth)]
    frames = np.concatenate([snapshot[s, t, n], *carried])
    truths = np.concatenate([truth[s, t, n], *carried_truth])
    closing = np.append(world[1:] != world[:-1], True)[:total]
    last, starts = own[closing], start[closing]
    where = s[closing], n[closing]
    worlds.last[where], worlds.last_truth[where] = frames[last], truths[last]
    worlds.start[where], worlds.start_truth[where] = frames[starts], truths[starts]
    return Questions(at, own, before, start, is_first, frames, truths)


def hold(
    values: np.ndarray, questions: Questions, shape: tuple[int, ...], worlds: WorldStates
) -> np.ndarray:
    """Rewards [S, T, N] from values of the judged frames [Q].

    A value that is NaN is not known: the reward is held, or, where an episode begins with it, is
    the mean of the values that are known.

    Args:
        values: of the questions.
        questions: from `collect`.
        shape: S, T, N.
        worlds: holds the rewards from before, and then from the end of this rollout.
    """
    known = np.isfinite(values)
    mean = float(values[known].mean()) if known.any() else 0.0
    s, t, n = questions.at
    judged = np.full(shape, np.nan, np.float32)
    judged[s, t, n] = np.where(questions.is_first & ~known, mean, values)
    reward, held = np.empty(shape, np.float32), worlds.held
    for step in range(shape[1]):
        held = np.where(np.isfinite(judged[:, step]), judged[:, step], held)
        reward[:, step] = held
    worlds.held = held.astype(np.float32)
    return reward
