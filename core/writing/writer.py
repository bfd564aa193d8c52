"""The author of formal rewards: a language model's replies, compiled or refused.

Whatever a method asks, it asks through this: what was refused is told to the model when it is
asked again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from core_jax.envs import TaskEnv
from core_jax.models.base import ChatModel, Reply
from core_jax.prompts.formal import Refusal, with_refusals
from core_jax.prompts.message import Message
from core_jax.reward_models.formal import FormalReward, RewardError, extract_code
from core_jax.runs.config import Config
from core_jax.training.rewards import compiler


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One reply, compiled or refused."""

    index: int
    reward: FormalReward | None
    problem: str = ""
    code: str = ""
    """Of a refused one: what the language model is shown when it is asked again."""


class NoReward(ValueError):
    """No attempt brought a reward that compiles; the message holds every refusal."""


class Author:
    """A chat model as the writer of a run's rewards."""

    def __init__(self, config: Config, env: TaskEnv, model: ChatModel):
        self.compile, self.model = compiler(config, env), model
        self._attempts = config.formal.attempts

    def propose(
        self, messages: Sequence[Message], count: int, attempt: int, seen: Sequence[Candidate]
    ) -> list[Candidate]:
        """Asks for `count` rewards and compiles what comes back.

        Args:
            attempt: how often this was asked before.
            seen: what came of it then; of the refused ones the model is told why.
        """
        refusals = [Refusal(c.code, c.problem) for c in seen if c.code]
        replies = self.model.complete(with_refusals(messages, refusals), count, attempt)
        return [self._candidate(attempt * count + i, reply) for i, reply in enumerate(replies)]

    def proposals(self, messages: Sequence[Message], count: int) -> list[Candidate]:
        """Asks for `count` rewards, again while none compiles; returns all, the refused included.

        Raises:
            NoReward: no attempt brought one that compiles.
        """
        seen: list[Candidate] = []
        for attempt in range(self._attempts):
            seen += self.propose(messages, count, attempt, seen)
            if any(c.reward for c in seen):
                return seen
        problems = "\n".join(c.problem for c in seen)
        raise NoReward(f"no candidate for the formal reward compiles:\n{problems}")

    def _candidate(self, index: int, reply: Reply) -> Candidate:
        if reply.problem and not reply.text:
            return Candidate(index, None, reply.problem)
        code = reply.text
        try:
            code = extract_code(reply.text)
            return Candidate(index, self.compile(code))
        except RewardError as error:
            problem = f"{reply.problem}; {error}" if reply.problem else str(error)
            return Candidate(index, None, problem, code)
