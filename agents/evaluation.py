"""Evaluation of a policy by one jitted rollout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Episodes(NamedTuple):
    """One number per episode, `[episodes]`."""

    success: jax.Array  # 1 where the task was done at any step (Meta-World's measure)
    episode_return: jax.Array  # sum of ground-truth reward
    progress: jax.Array  # at the last step
    first_success: jax.Array  # step of the first success, `horizon` where there was none


def rollout(
    reset: Callable[[jax.Array], Any],
    step: Callable[[Any, jax.Array], Any],
    act: Callable[[jax.Array, jax.Array], jax.Array],
    key: jax.Array,
    episodes: int,
    horizon: int,
    record: Callable[[Any, jax.Array], Any] | None = None,
) -> tuple[Episodes, Any]:
    """Plays `episodes` whole episodes side by side.

    Args:
        reset, step: a single environment's functions (brax's `State`, with `success` and
            `progress` in its metrics), without auto-reset: an environment that ends early is
            frozen at its last state, one whose physics broke (`nonfinite` in its metrics; without
            it, every end) at the one before.
        act: `(obs [episodes, O], key) -> action [episodes, A]`.
        key: PRNG key.
        record: `(new state, action) -> tree` of the first episode's every step, to be kept.

    Returns:
        One number per episode, and the record `[horizon, ...]` (None without).
    """
    reset_key, act_key = jax.random.split(key)
    state = jax.vmap(reset)(jax.random.split(reset_key, episodes))

    def body(carry, key):
        state, alive = carry
        action = act(state.obs, key)
        new = jax.vmap(step)(state, action)
        # An environment whose physics broke stays at its last finite state and earns nothing more.
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
    episodes = Episodes(
        success=solved.astype(jnp.float32),
        episode_return=jnp.sum(reward, axis=0),
        progress=progress[-1],
        first_success=jnp.where(solved, jnp.argmax(done, axis=0), horizon),
    )
    return episodes, kept
