"""Evaluation of a policy by one jitted rollout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, Num


class Episodes(NamedTuple):
    """One number per episode."""

    success: Float[Array, " episodes"]  # 1 where any step was a success (Meta-World's measure)
    episode_return: Float[Array, " episodes"]  # sum of ground-truth reward
    progress: Float[Array, " episodes"]  # at the last step
    first_success: Int[Array, " episodes"]  # step of the first success, `horizon` if there is none


def rollout(
    reset: Callable[[Key[Array, ""]], Any],
    step: Callable[[Any, Array], Any],
    act: Callable[[Float[Array, "episodes O"], Key[Array, ""]], Num[Array, "episodes ..."]],
    key: Key[Array, ""],
    episodes: int,
    horizon: int,
    record: Callable[[Any, Array], Any] | None = None,
) -> tuple[Episodes, Any]:
    """Plays whole episodes in parallel.

    Args:
        reset: `key -> state` of one environment, a brax `State` with `success` and `progress` in
            its metrics.
        step: `(state, action) -> state` of one environment, without auto-reset. An environment
            that ends early stays at its last state; one with `nonfinite` in its metrics (or, if
            the metrics have no such entry, with `done`) stays at the state before.
        act: actions for the observations of all episodes.
        key: PRNG key.
        episodes: how many are played.
        horizon: steps of each.
        record: `(new state, action) -> tree`, called for every step of the first episode.

    Returns:
        One number per episode, and what was recorded, `[horizon, ...]` (None without `record`).
    """
    reset_key, act_key = jax.random.split(key)
    state = jax.vmap(reset)(jax.random.split(reset_key, episodes))

    def body(carry, key):
        state, alive = carry
        action = act(state.obs, key)
        new = jax.vmap(step)(state, action)
        # Without finite physics, an environment stays at its last finite state with reward 0.
        ok = alive & (new.metrics.get("nonfinite", new.done) == 0)

        def keep(a: jax.Array, b: jax.Array) -> jax.Array:
            return jnp.where(ok.reshape(-1, *[1] * (a.ndim - 1)), a, b)

        state = jax.tree.map(keep, new, state)
        reward = jnp.where(ok, state.reward, 0.0)
        first = jax.tree.map(lambda x: x[0], (state, action))
        kept = record(*first) if record else None
        seen = (state.metrics["success"], reward, state.metrics["progress"], kept)
        return (state, ok & (new.done == 0)), seen

    alive = jnp.ones(episodes, bool)
    _, (success, reward, progress, kept) = jax.lax.scan(
        body, (state, alive), jax.random.split(act_key, horizon)
    )
    done = success > 0.5
    solved = jnp.any(done, axis=0)
    return Episodes(
        success=solved.astype(jnp.float32),
        episode_return=jnp.sum(reward, axis=0),
        progress=progress[-1],
        first_success=jnp.where(solved, jnp.argmax(done, axis=0), horizon),
    ), kept
