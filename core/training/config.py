"""What the device program of a run needs to know: how many environments, steps and updates."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from annotated_types import Ge, Gt

Count = Annotated[int, Ge(1)]


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How environment steps are collected and learned from."""

    seeds: Count = 1
    """Seeds trained side by side, as one program."""
    steps: Count = 120_000
    """Environment steps of each seed."""
    envs: Count = 100
    """Environments stepped side by side for each seed."""
    rollout: Count = 5
    """Vector steps between two bursts of updates."""
    updates: Annotated[int, Ge(0)] = 32
    """Updates in a burst of an off-policy learner. The paper does one per environment step; this is
    0.064."""
    random_steps: Annotated[int, Ge(0)] = 4_000
    """Environment steps with uniform random actions, before the first update."""
    replay: Count = 200_000
    """Transitions kept for each seed."""
    chunk: Count = 1_000
    """Environment steps between two rows of metrics."""
    episode_steps: Count | None = None
    """Steps after which a training episode is cut and its world reset, without counting as an end;
    the task's horizon when None. Evaluations last for the horizon."""
    eval_episodes: Count = 10
    """Episodes of one evaluation of each seed."""
    dense_scale: Annotated[float, Gt(0)] = 0.1
    """The benchmark's dense reward is multiplied by this where it is learned from or judged by."""
    render_batch: Count = 512
    """Pictures rendered at once, for each seed; bounds the memory. On a CPU fewer are quicker, and
    8 at most are rendered at once whatever this says."""

    @property
    def block(self) -> int:
        """Environment steps of one block: a rollout, then a burst of updates."""
        return self.envs * self.rollout

    @property
    def replay_rows(self) -> int:
        """Rows of the replay ring: a multiple of the rollout that holds the transitions kept."""
        kept = min(self.replay, self.steps)
        return -(-kept // self.block) * self.rollout
