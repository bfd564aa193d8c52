"""SoftGym's RopeFlattenEasy, RL-VLM-F's: pull a rope straight by its two ends.

Two pickers hold the ends all the time. An action moves each by up to 1 cm in each of six frames.
The reward is how far the ends are apart, at most 1.1 times the rope's length. Both protocols start
from ropes that were dragged about and dropped (`scripts/tools/record_ropes.py`), 1,000 of them, a
few of which are still falling, as in SoftGym; `random` also turns them about the vertical.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from core_jax.envs.rendering import Scene
from core_jax.envs.softgym import rope, tasks
from core_jax.envs.softgym.base import SoftGymEnv, primitives_scene, to_picture
from core_jax.envs.softgym.particles import Body
from core_jax.envs.task import Judgement

KEY_POINTS = tasks.ROPE_KEY_POINTS
LONGEST = 1.1 * rope.LENGTH  # m, what counts
SUCCESS = 0.95 * rope.LENGTH  # m
_FRAMES = 6
_STEP = 0.01  # m, the most that a picker moves in a frame
_REACH, _CEILING = 0.325, 0.3  # m; pickers stay within
_TUBE = 0.0125  # m, the radius in pictures: strands come as near as they may touch
_BLUE = (0.10, 0.30, 0.85)


@struct.dataclass
class Ropes:
    """The rope, and how far its ends were apart at the start, m."""

    body: Body
    began: jax.Array


class FlattenRope(SoftGymEnv):
    """Pull the rope straight. A snapshot is the particles' positions [123]."""

    target = (SUCCESS,)

    def __init__(self, protocol: str = "paper", reward: str = "dense"):
        """See `SoftGymEnv`."""
        super().__init__(protocol, reward)
        self.spec = tasks.flatten_rope(protocol)
        self._w = jnp.full(rope.PARTICLES, rope.INVERSE_MASS).at[jnp.array([0, -1])].set(0.0)

    def place(self, key: jax.Array) -> Ropes:
        """Draws one of the recorded ropes."""
        recorded = starts()
        which_key, turn_key = jax.random.split(key)
        which = jax.random.randint(which_key, (), 0, len(recorded.x))
        body = jax.tree.map(lambda a: jnp.asarray(a)[which].astype(jnp.float32), recorded)
        if self.protocol == "random":
            angle = jax.random.uniform(turn_key, maxval=2.0 * jnp.pi)
            c, s = jnp.cos(angle), jnp.sin(angle)
            turn = lambda a: jnp.stack([c * a[0] - s * a[2], a[1], s * a[0] + c * a[2]])
            body = jax.tree.map(turn, body)
        return Ropes(body, _between(body.x))

    def advance(self, physics: Ropes, action: jax.Array) -> Ropes:
        """Moves the pickers six times; a move that would leave the table does not happen."""
        step = _STEP * action.reshape(2, 4)[:, :3].T

        def frame(body: Body, _: None) -> tuple[Body, None]:
            ends = body.x[:, jnp.array([0, -1])]
            to = ends + step
            to = to.at[1].set(jnp.clip(to[1], rope.GROUND, _CEILING))
            stays = jnp.any(jnp.abs(to[jnp.array([0, 2])]) > _REACH)
            to = jnp.where(stays, ends, to)
            goal = body.x.at[:, 0].set(to[:, 0]).at[:, -1].set(to[:, 1])
            return rope.advance(body, self._w, goal), None

        body = jax.lax.scan(frame, physics.body, length=_FRAMES)[0]
        return dataclasses.replace(physics, body=body)

    def observe(self, physics: Ropes) -> jax.Array:
        """Returns ten points of the rope and the two pickers [36]."""
        x = physics.body.x
        return jnp.concatenate([x[:, np.array(KEY_POINTS)].T.ravel(), x[:, 0], x[:, -1]])

    def judge(self, physics: Ropes) -> Judgement:
        """Returns how far the ends are apart; success at 95% of the rope's length."""
        apart = _between(physics.body.x)
        success = apart >= SUCCESS
        to_go = jnp.maximum(SUCCESS - physics.began, 1e-3)
        progress = jnp.clip((apart - physics.began) / to_go, 0.0, 1.0)
        return Judgement(
            dense=jnp.minimum(apart, LONGEST),
            success=success.astype(jnp.float32),
            progress=jnp.where(success, 1.0, progress),
        )

    def snapshot(self, pipeline_state: Ropes) -> jax.Array:
        """Returns the particles' positions, xyz by xyz [123]."""
        return pipeline_state.body.x.T.ravel()

    def view(self, snapshot: jax.Array, gripper: bool = True) -> Scene:
        """Returns a blue tube on a table, with a small grey ball at each picker."""
        x = to_picture(jnp.asarray(snapshot, jnp.float32).reshape(-1, 3).T)
        x = x.at[2].add(_TUBE)
        rows = []
        for i in range(rope.PARTICLES - 1):
            middle, axes, half = _between_points(x[:, i], x[:, i + 1])
            size = jnp.stack([jnp.float32(_TUBE), half, jnp.float32(0.0)])
            rows.append(("capsule", middle, axes, size, _BLUE))
        if gripper:
            size = np.array([1.6 * _TUBE, 0.0, 0.0])
            rows += [("sphere", x[:, i], np.eye(3), size, (0.85, 0.85, 0.88)) for i in (0, -1)]
        return primitives_scene(rows)


def expert(obs: jax.Array) -> jax.Array:
    """Draws the ends apart along the line between them, [36] to [8].

    Where the table's edge is near it aims inwards: the rope is straight only if all of it fits.
    """
    first, second = obs[30:33], obs[33:36]
    flat = jnp.array([1.0, 0.0, 1.0])
    middle = 0.5 * (first + second) * flat
    along = (first - second) * flat
    distance = jnp.linalg.norm(along)
    along = jnp.where(distance > 0.01, along / jnp.maximum(distance, 0.01), jnp.array([1.0, 0, 0]))
    # The middle moves to where both ends, half a rope away, are on the table.
    room = 0.31 - 0.5 * LONGEST * jnp.abs(along)
    middle = jnp.clip(middle, -jnp.maximum(room, 0.0), jnp.maximum(room, 0.0))
    ends = [middle + side * 0.5 * (LONGEST + 0.002) * along for side in (1.0, -1.0)]
    moves = []
    for at, to in zip((first, second), ends, strict=True):
        d = (to.at[1].set(rope.GROUND) - at) / (_STEP * _FRAMES)
        d = d / jnp.maximum(jnp.max(jnp.abs(d)), 1.0)
        moves.append(jnp.append(d, 0.0))
    return jnp.concatenate(moves)


def _between(x: jax.Array) -> jax.Array:
    return jnp.linalg.norm(x[:, 0] - x[:, -1])


def _between_points(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Middle, axes (z along the link) and half length of what joins two points."""
    d = b - a
    length = jnp.linalg.norm(d)
    z = d / jnp.maximum(length, 1e-6)
    other = jnp.where(jnp.abs(z[2]) < 0.9, jnp.array([0.0, 0.0, 1.0]), jnp.array([1.0, 0.0, 0.0]))
    x = jnp.cross(other, z)
    x = x / jnp.maximum(jnp.linalg.norm(x), 1e-6)
    return 0.5 * (a + b), jnp.stack([x, jnp.cross(z, x), z], axis=1), 0.5 * length


@functools.cache
def starts() -> Body:
    """Returns the 1,000 recorded ropes, [1000, 3, 41] m and m/s."""
    with np.load(Path(__file__).parent / "ropes.npz") as found:
        return Body(found["x"], found["v"])
