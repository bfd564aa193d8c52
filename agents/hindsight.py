"""Hindsight experience replay (Andrychowicz et al., NeurIPS 2017), strategy `future`: a transition
is learned from as if a place that its episode reached later had been the goal.

For observations that hold both the goal and what should be there. What is relabelled is drawn when
a batch is, so replay stores nothing more.
"""

from __future__ import annotations

from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from core_jax.agents.replay import ReplayState, Transition, gather


class Goals(Protocol):
    """Where an observation holds the goal and what should be there, and how close is close."""

    @property
    def achieved(self) -> tuple[int, int]: ...
    @property
    def desired(self) -> tuple[int, int]: ...
    @property
    def close(self) -> float: ...


def later_goals(
    state: ReplayState,
    key: Key[Array, ""],
    row: Int[Array, " B"],
    env: Int[Array, " B"],
    longest: int,
    goals: Goals,
) -> Float[Array, "B G"]:
    """Returns for each transition what was achieved at one of the steps from it to the end of its
    episode, or to the newest row, each equally likely.

    Args:
        state: replay.
        key: of the draw.
        row, env: of the transitions, as in `replay.gather`.
        longest: steps of an episode at most.
        goals: of the task.
    """
    rows, envs = state.data.cut.shape
    ahead = row[:, None] + jnp.arange(longest)
    position = (state.cursor - state.size + jnp.minimum(ahead, state.size - 1)) % rows
    cut = state.data.cut.reshape(-1)[position * envs + env[:, None]] > 0
    is_last = cut | (ahead >= state.size - 1)
    left = jnp.argmax(is_last, axis=1)
    left = jnp.where(jnp.any(is_last, axis=1), left, longest - 1)
    drawn = jnp.floor(jax.random.uniform(key, row.shape) * (left + 1)).astype(jnp.int32)
    later = gather(state, row + jnp.minimum(drawn, left), env)
    return later.next_obs[:, slice(*goals.achieved)]


def not_yet_there(
    obs: Float[Array, "B O"], to: Float[Array, "B G"], goals: Goals
) -> Bool[Array, " B"]:
    """Returns whether a step from an observation could have been taken with another goal: at that
    goal its episode would have ended before. Without this, of a task in which little moves, most
    goals are where the object is already, and all that is learned is that every goal is reached.
    """
    apart = jnp.linalg.norm(obs[:, slice(*goals.achieved)] - to, axis=-1)
    return apart >= goals.close


def relabelled(
    step: Transition,
    to: Float[Array, "B G"],
    chosen: Bool[Array, " B"],
    goals: Goals,
    dense_scale: float,
) -> Transition:
    """Returns transitions whose goals, where chosen, are others: observations, target, ground
    truth, end of the episode. Rewards are to be computed again.

    Reaching the new goal ends the episode. Reaching the old one does not end the world, though the
    episode was cut there. The progress stays.

    Args:
        step: transitions [..., B].
        to: the other goals.
        chosen: which transitions have them.
        goals: of the task.
        dense_scale: of the dense reward, minus the distance to the goal.
    """
    start, stop = goals.desired
    pick = lambda new, old: jnp.where(
        chosen.reshape(chosen.shape + (1,) * (old.ndim - step.cut.ndim)), new, old
    )
    aimed = lambda obs: pick(obs.at[..., start:stop].set(to), obs)
    distance = jnp.linalg.norm(step.next_obs[..., slice(*goals.achieved)] - to, axis=-1)
    success = (distance < goals.close).astype(jnp.float32)
    continues = jnp.where(step.truth.success > 0, 1.0, step.discount)
    return step._replace(
        obs=aimed(step.obs),
        next_obs=aimed(step.next_obs),
        target=pick(jnp.broadcast_to(to, step.target.shape), step.target),
        truth=step.truth._replace(
            dense=pick(-dense_scale * distance, step.truth.dense),
            success=pick(success, step.truth.success),
        ),
        discount=pick(jnp.where(success > 0, 0.0, continues), step.discount),
        cut=pick(jnp.maximum(step.cut, success), step.cut),
    )
