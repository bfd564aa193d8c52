"""What the tests of several tasks play: scripted actions, experts, random actions, many at once."""

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.envs.metaworld import experts

WORLDS, STEPS = 24, 40
EPISODES, HORIZON = 40, 500


def roller(env):
    """`(state, actions [T, WORLDS, 4]) -> (state, (obs, metrics))`; where an action is not a
    number the expert acts."""
    act = jax.vmap(experts.expert(env.spec.name))

    @jax.jit
    def run(state, actions):
        def body(state, action):
            action = jnp.where(jnp.isnan(action), act(state.obs), action)
            state = jax.vmap(env.step)(state, action)
            return state, (state.obs, state.metrics)

        return jax.lax.scan(body, state, actions)

    return run


def played(roll, state, chunks, actions=np.nan):
    """Plays the same actions, or the expert's, for some chunks; stacks observations and metrics."""
    actions = jnp.broadcast_to(jnp.asarray(actions, jnp.float32), (chunks * STEPS, WORLDS, 4))
    parts = []
    for i in range(chunks):
        state, part = roll(state, actions[i * STEPS : (i + 1) * STEPS])
        parts.append(part)
    return state, jax.tree.map(lambda *x: np.concatenate([np.asarray(v) for v in x]), *parts)


def script(*parts):
    """Actions [steps, 4] from (count, action) pairs."""
    return np.concatenate([np.tile(np.array(action), (count, 1)) for count, action in parts])


def player(env, bias=lambda obs: 0.0):
    """`(seed, share) -> {"obs", "qpos", metric...}`: whole episodes [time, episode, ...] of the
    expert (share 1) or of random actions (share 0).

    Args:
        env: of the episodes.
        bias: observations [N, 39] to what is added to random actions [N, 4].
    """
    act = jax.vmap(experts.expert(env.spec.name))

    @jax.jit
    def run(key, share):
        def body(state, key):
            drawn = jax.random.uniform(key, (EPISODES, 4), minval=-1.0) + bias(state.obs)
            state = jax.vmap(env.step)(state, share * act(state.obs) + (1.0 - share) * drawn)
            return state, (state.obs, state.pipeline_state.qpos, state.metrics)

        state = jax.vmap(env.reset)(jax.random.split(key, EPISODES))
        return jax.lax.scan(body, state, jax.random.split(key, HORIZON))[1]

    def play(seed, share):
        obs, qpos, metrics = jax.tree.map(np.asarray, run(jax.random.key(seed), share))
        return {"obs": obs, "qpos": qpos, **metrics}

    return play
