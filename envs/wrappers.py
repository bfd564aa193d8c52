"""`TrainingWrapper`: a batch of worlds with time limits, fresh resets and contained NaNs."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, Shaped

from core_jax.envs.engines import State, Wrapper
from core_jax.envs.task import TaskEnv, replaced


class TrainingWrapper(Wrapper):
    """Vectorises an environment and restarts its worlds, each with a fresh reset.

    Adds to `state.info`, all with a leading axis [N]:
        steps: int32, steps taken in the episode; a finishing step still counts the old episode.
        truncation: 1.0 exactly when the time limit alone ended the episode.
        last_obs: [N, obs] the observation this step led to, also where the world was reset since;
            values bootstrap from it through time limits.
        last_snapshot: [N, K] what a picture of that world depends on (`TaskEnv.snapshot`).
        episode_success: 1.0 once the episode has been successful; at a finishing step it is the
            old episode's.
        key: [N] keys for the next resets.

    `state.done` is termination or truncation. Where a step finishes an episode, `state.reward` and
    `state.metrics` are of that step, `state.obs` and `state.pipeline_state` of the new episode.
    """

    def __init__(self, env: TaskEnv, episode_length: int | None = None, stagger: bool = False):
        """Wraps an environment over one world.

        Args:
            env: the environment.
            episode_length: steps before truncation; the task's horizon if None.
            stagger: start each world's first episode at a random step count, which spreads the
                truncations of a batch over time.
        """
        super().__init__(env)
        self.env: TaskEnv = env
        self.episode_length = env.spec.horizon if episode_length is None else episode_length
        self._stagger = stagger

    def reset(self, rng: Key[Array, " N"]) -> State:
        """Starts N worlds from N keys."""
        keys = jax.vmap(lambda key: jax.random.split(key, 3))(rng)
        state = jax.vmap(self.env.reset)(keys[:, 0])
        n = state.done.shape[0]
        steps = jnp.zeros(n, jnp.int32)
        if self._stagger:
            draw = lambda key: jax.random.randint(key, (), 0, self.episode_length)
            steps = jax.vmap(draw)(keys[:, 1])
        info = {
            "steps": steps,
            "truncation": jnp.zeros(n),
            "last_obs": state.obs,
            "last_snapshot": self._snapshots(state),
            "episode_success": jnp.zeros(n),
            "key": keys[:, 2],
        }
        return replaced(state, info={**state.info, **info})

    def step(self, state: State, action: Shaped[Array, "N ..."]) -> State:
        """Steps N worlds and restarts those that finish.

        Args:
            state: of N worlds.
            action: one for each; vectors, or integers where the task's actions are discrete.
        """
        info = dict(state.info)
        began = state.done > 0  # the step before finished an episode, so this one begins one
        steps = jnp.where(began, 0, info["steps"]) + 1
        succeeded = jnp.where(began, 0.0, info["episode_success"])
        own = {k: v for k, v in info.items() if k not in ADDED_INFO}
        after = jax.vmap(self.env.step)(
            replaced(state, done=jnp.zeros_like(state.done), info=own), action
        )
        truncation = jnp.where(steps >= self.episode_length, 1.0 - after.done, 0.0)
        done = jnp.maximum(after.done, truncation)

        # A world whose physics was not finite before the step keeps its last picture.
        snapshot = self._snapshots(after)
        is_finite = jnp.all(jnp.isfinite(snapshot), axis=-1)
        snapshot = _where(is_finite, snapshot, info["last_snapshot"])

        keys = jax.vmap(jax.random.split)(info["key"])
        fresh = jax.vmap(self.env.reset)(keys[:, 0])
        pick = lambda new, old: _where(done > 0, new, old)
        return replaced(
            after,
            pipeline_state=pick(fresh.pipeline_state, after.pipeline_state),
            obs=pick(fresh.obs, after.obs),
            done=done,
            info={
                **pick(fresh.info, after.info),
                "steps": steps,
                "truncation": truncation,
                "last_obs": after.obs,
                "last_snapshot": snapshot,
                "episode_success": jnp.maximum(succeeded, after.metrics["success"]),
                "key": pick(keys[:, 1], info["key"]),
            },
        )

    def _snapshots(self, state: State) -> jax.Array:
        # The size is given because `pipeline_state` may be None or without arrays.
        size = state.done.shape[0]
        return jax.vmap(self.env.snapshot, axis_size=size)(state.pipeline_state)


ADDED_INFO = ("steps", "truncation", "last_obs", "last_snapshot", "episode_success", "key")


def _where(mask: jax.Array, new: Any, old: Any) -> Any:
    def leaf(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - mask.ndim)), a, b)

    return jax.tree.map(leaf, new, old)
