"""A world of your own: brax's reacher, with what a task can tell about itself.

From this folder:

    python ../../scripts/train.py --task reacher:Reacher --formal.file my_reward.py

`--task module:attribute` takes any `brax.envs.Env`: a class, a factory without arguments, or an
instance. All that is added here is optional. Without `instruction` the docstring's first paragraph
is taken, without `episode_length` 1,000 steps, without the metric `success` an episode is never
successful, and without the metric `progress` progress is 0.
"""

import jax
import jax.numpy as jnp
from brax.envs import reacher
from brax.envs.base import State

CLOSE = 0.02  # m, from fingertip to target


class Reacher(reacher.Reacher):
    """Move the tip of a two-jointed arm to the target."""

    instruction = "move the tip of the arm to the target"
    episode_length = 100

    def reset(self, rng: jax.Array) -> State:
        """Returns a state whose metrics also hold success and progress."""
        return _judged(super().reset(rng))

    def step(self, state: State, action: jax.Array) -> State:
        """Moves the arm by one step; actions are torques in [-1, 1]."""
        return _judged(super().step(state, action))


def _judged(state: State) -> State:
    """Adds the ground truth, which only evaluation and scripted teachers read."""
    distance = jnp.linalg.norm(state.obs[8:11])
    success = (distance < CLOSE).astype(jnp.float32)
    progress = jnp.clip(1.0 - distance / 0.4, 0.0, 1.0)
    return state.replace(metrics={**state.metrics, "success": success, "progress": progress})
