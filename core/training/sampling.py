"""Batches for an off-policy learner: n-step transitions of replay with the present weights of the
reward, some of them with another goal in hindsight."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax

from core_jax.agents import hindsight, replay, sac
from core_jax.agents.learner import with_values
from core_jax.agents.replay import Transition
from core_jax.reward_models.combine import combine
from core_jax.reward_models.source import GroundTruth

if TYPE_CHECKING:
    from core_jax.training.plan import Hindsight, Learning, Plan
    from core_jax.training.state import SeedState


def sample(learning: Learning, seed: SeedState, key: jax.Array) -> sac.Batch:
    """A batch of n-step transitions from replay, rewards combined by the present weights."""
    config = with_values(learning.learner, seed.values).config
    row, env_index = replay.sample_index(seed.replay, key, (config.batch_size,))
    reward = lambda step: combine(seed.weights, step.rewards)
    n, gamma = config.n_step, config.gamma
    replaced, share = learning.hindsight, config.hindsight
    change = _other_goals(replaced, seed, key, row, env_index, share) if replaced else None
    return sac.Batch(*replay.gather_n_step(seed.replay, row, env_index, reward, n, gamma, change))


def check_hindsight(plan: Plan) -> None:
    """Checks that rewards follow from the goal and what was achieved, where goals are replaced.

    Raises:
        ValueError: if they do not, or if observations hold no goal.
    """
    share, spec = getattr(plan.learner.config, "hindsight", 0.0), plan.env.spec
    if not share:
        return
    if spec.goal_fields is None:
        raise ValueError(
            f"sac.hindsight ({share}) must be 0: observations of {spec.name} hold no goal (its "
            "spec has no goal_fields)"
        )
    known = {c for s in plan.sources if isinstance(s, GroundTruth) for c in s.columns}
    if others := [c for c in plan.columns if c not in known]:
        raise ValueError(
            f"sac.hindsight ({share}) must be 0: the reward {', '.join(others)} does not follow "
            "from the goal; use it with the methods env_dense and env_sparse"
        )


def _other_goals(
    replaced: Hindsight,
    seed: SeedState,
    key: jax.Array,
    row: jax.Array,
    env_index: jax.Array,
    share: float,
) -> Callable[[Transition], Transition]:
    """What gives a share of transitions `[..., B]` another goal, and the rewards for it."""
    spec = replaced.spec
    goals = spec.goal_fields
    assert goals is not None  # `check_hindsight`
    goal_key, which_key = jax.random.split(jax.random.fold_in(key, 1))
    to = hindsight.later_goals(seed.replay, goal_key, row, env_index, spec.horizon, goals)
    chosen = jax.random.uniform(which_key, row.shape) < share
    start = replay.gather(seed.replay, row, env_index).obs
    chosen &= hindsight.not_yet_there(start, to, goals)

    def change(step: Transition) -> Transition:
        step = hindsight.relabelled(step, to, chosen, goals, replaced.dense_scale)
        columns: dict[str, jax.Array] = {}
        for source in replaced.sources:
            columns |= source.score(seed.sources[source.name], step)[0]
        return step._replace(rewards=columns)

    return change
