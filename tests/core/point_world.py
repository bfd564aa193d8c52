"""A point on a table that is pushed to a mark: a task that compiles in no time, with pictures.

`--task point_world:Point` with this folder on the path.
"""

import jax
import jax.numpy as jnp

from core_jax.envs.camera import Camera
from core_jax.envs.rendering import Scene
from core_jax.envs.task import Field, Judgement, TaskEnv, TaskSpec, vector

MARK = (0.5, 0.5, 0.0)
FIELDS = (
    Field("point_pos", 0, 2, "m", "position of the point"),
    Field("point_velocity", 2, 4, "m", "its last move"),
)


class Point(TaskEnv):
    """Push the point to the mark."""

    target = MARK
    spec = TaskSpec(
        name="point",
        instruction="push the point to the mark",
        horizon=20,
        observation_fields=FIELDS,
        formal_fields=FIELDS,
        action_size=2,
        action_description="the push in x and y",
        target_description="position of the mark",
        success_description="the point is within 0.1 m of the mark",
        target_size=3,
        camera=Camera((0.0, 0.0, 3.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)),
        start=(-0.5, -0.5),
        goal=MARK[:2],
    )
    protocol, reward, backend = "paper", "dense", "point"

    def reset(self, rng):
        at = jnp.array([-0.5, -0.5]) + jax.random.uniform(rng, (2,), minval=-0.1, maxval=0.1)
        obs = jnp.concatenate([at, jnp.zeros(2)])
        return self.started(at, obs, _judge(at), jnp.array(MARK))

    def step(self, state, action):
        self.check_action(action)
        move = 0.1 * jnp.clip(action, -1.0, 1.0)
        at = jnp.clip(vector(state.obs)[:2] + move, -1.0, 1.0)
        obs = jnp.concatenate([at, move])
        return self.stepped(state, at, obs, _judge(at), jnp.zeros(()))

    def snapshot(self, pipeline_state):
        return pipeline_state

    def view(self, snapshot, gripper=True):
        return Scene(
            pos=jnp.stack([jnp.append(snapshot, 0.1), jnp.array([0.0, 0.0, -0.1])]),
            mat=jnp.tile(jnp.eye(3), (2, 1, 1)),
            size=jnp.array([[0.1, 0.1, 0.1], [2.0, 2.0, 0.05]]),
            rgb=jnp.array([[0.9, 0.1, 0.1], [0.3, 0.3, 0.3]]),
            second=jnp.zeros((2, 3)),
            kinds=("sphere", "box"),
            checks=(0.0, 0.0),
        )


def _judge(at):
    distance = jnp.linalg.norm(at - jnp.array(MARK[:2]))
    near = (distance < 0.1).astype(jnp.float32)
    return Judgement(dense=1.0 - distance, success=near, progress=jnp.clip(1.5 - distance, 0, 1))
