"""Text2Reward (Xie et al., ICLR 2024), zero-shot: the first reply that compiles is the reward."""

from __future__ import annotations

from typing import Any

from core_jax.methods.core.formal import FormalModule
from core_jax.prompts import text2reward as prompts
from core_jax.runs.config import Config


def write(config: Config, spec: Any, module: FormalModule) -> list[str]:
    """Asks for one reward, again with the refusal while it is refused, and takes it for every
    seed; returns what happened, a line each.

    Args:
        spec: the task's.

    Raises:
        NoReward: no attempt brought a reward that compiles.
    """
    candidates = module.author.proposals(prompts.initial_messages(spec), 1)
    chosen = next(c for c in candidates if c.reward)
    reason = f"The first of {len(candidates)} replies that compiles"
    for s in range(config.seeds):
        module.take(s, chosen, candidates, 0, reason)
    return [f"reply {chosen.index} is the reward; refused: {len(candidates) - 1}"]
