"""A world of your own: any `brax.envs.Env` over one world, trained on its own reward.

python examples/own_world.py FOLDER [STEPS]
"""

import sys

import jax
import jax.numpy as jnp
from brax.envs import Env, State

import core_jax


class Point(Env):
    """Move a point to the origin."""

    episode_length, observation_size, action_size, backend = 20, 2, 2, "none"

    def reset(self, rng):
        """Somewhere in a square of 2 x 2 m."""
        zero, at = jnp.zeros(()), jax.random.uniform(rng, (2,), minval=-1.0, maxval=1.0)
        return State(None, at, zero, zero, {"success": zero})

    def step(self, state, action):
        """Moves by up to 0.2 m along each axis."""
        at = state.obs + 0.2 * jnp.clip(action, -1.0, 1.0)
        success = (jnp.linalg.norm(at) < 0.1).astype(jnp.float32)
        return state.replace(obs=at, reward=-jnp.sum(at**2), metrics={"success": success})


if __name__ == "__main__":
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    sizes = {"steps": steps, "envs": 10, "updates": 25, "random_steps": 500, "chunk": 500}
    sac = {"hidden": [32, 32], "batch_size": 64, "n_step": 1}
    given = {"method": "env_dense", **sizes, "eval_every": steps, "sac": sac}
    config = core_jax.make_config(task="own_world:Point", **given)  # module:attribute
    summary = core_jax.run(config, sys.argv[1])
    print(f"success {summary['success']} after {summary['env_steps']:,} steps")
