"""Rewards written by a language model: its replies, compiled or refused.

Whatever a method asks, it asks through `RewardWriter`: when it asks again, the model is told what
was refused and why.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from core_jax import envs
from core_jax.envs import samples
from core_jax.models.base import ChatModel, Reply
from core_jax.prompts.formal import Refusal, with_refusals
from core_jax.prompts.message import Message
from core_jax.reward_models.formal import (
    FormalReward,
    RewardError,
    compile_reward,
    extract_code,
    make_signature,
)
from core_jax.training.shared import shared


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One reply, compiled or refused.

    Attributes:
        index: its number among all replies to a question.
        reward: None if it was refused.
        problem: why it was refused.
        code: of a refused one: what the model is shown when it is asked again.
    """

    index: int
    reward: FormalReward | None
    problem: str = ""
    code: str = ""


class NoReward(ValueError):
    """No attempt brought a reward that compiles; the message holds every refusal."""


def reward_compiler(kind: Any, env: envs.TaskEnv) -> Callable[[str], FormalReward]:
    """How a run's reward sources are compiled; each source once in a process.

    Args:
        kind: whose calling convention they have: core, eureka or text2reward.
        env: whose steps they score.
    """
    return _compiler(kind, env)


@shared(8)
def _compiler(kind: Any, env: envs.TaskEnv) -> Callable[[str], FormalReward]:
    spec = env.spec
    signature = make_signature(
        kind, spec.formal_fields, spec.formal_action_description, spec.target_description
    )
    state = jax.eval_shape(env.reset, jax.random.key(0))
    recorded = [(s.observation, s.action, s.target) for s in samples.recorded(spec.name)]
    compiled = functools.partial(
        compile_reward,
        signature=signature,
        observation_size=jax.eval_shape(spec.formal_view, state.obs).shape[0],
        action_size=env.action_size,
        target_shape=state.info["target"].shape,
        target=env.target,
        states=recorded,
    )
    return shared(256)(compiled)


class RewardWriter:
    """A chat model as the writer of a run's rewards.

    Args:
        compile: from `reward_compiler`.
        model: who is asked.
        attempts: how often a question is repeated while no reply compiles.
    """

    def __init__(self, compile: Callable[[str], FormalReward], model: ChatModel, attempts: int):
        self.compile, self.model = compile, model
        self._attempts = attempts

    def propose(
        self, messages: Sequence[Message], count: int, attempt: int, seen: Sequence[Candidate]
    ) -> list[Candidate]:
        """Asks for `count` rewards and compiles the replies.

        Args:
            messages: the question.
            count: replies wanted.
            attempt: how often this was asked before.
            seen: the candidates of those attempts; the model is told why some were refused.
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
