"""Text2Reward (Xie et al., ICLR 2024), zero-shot: one reply is the reward.

A reply that is refused is asked for again, with the refusal; the released code runs any reply.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, ClassVar

from annotated_types import Ge

from core_jax.methods.base import Context
from core_jax.methods.written import WrittenMethod, WrittenRun
from core_jax.prompts import text2reward as prompts
from core_jax.training.train import Train


@dataclasses.dataclass(frozen=True)
class ReplyConfig:
    """How the reward is asked for."""

    attempts: Annotated[int, Ge(1)] = 3
    """Number of attempts while the reply does not compile."""


@dataclasses.dataclass(frozen=True)
class Text2RewardConfig:
    """Text2Reward."""

    formal: ReplyConfig = dataclasses.field(default_factory=ReplyConfig)


class Text2Reward(WrittenMethod):
    """Formal reward written in one reply."""

    name: ClassVar[str] = "text2reward"
    summary: ClassVar[str] = "formal reward written in one reply"
    config: ClassVar[type] = Text2RewardConfig

    def prompt_kind(self) -> str:
        """Its own."""
        return "text2reward"

    def start(self, config: Any, context: Context, train: Train) -> Text2RewardRun:
        """Starts a run."""
        del train
        return Text2RewardRun(context, "text2reward", config.formal.attempts)


class Text2RewardRun(WrittenRun):
    """Text2Reward during one run."""

    def begin(self) -> None:
        """Asks for one reward, again with the refusal while it is refused, and takes it.

        Raises:
            NoReward: no attempt brought a reward that compiles.
        """
        candidates = self.writer.proposals(prompts.initial_messages(self.context.env.spec), 1)
        chosen = next(c for c in candidates if c.reward)
        reason = f"The first of {len(candidates)} replies that compiles"
        for s in range(self.context.seeds):
            self.written.select(s, chosen, candidates, 0, reason)
        refused = len(candidates) - 1
        self.context.note(f"  reply {chosen.index} is the reward; refused: {refused}")
