"""SoftGym's ClothFoldDiagonal, RL-VLM-F's: fold a square cloth along its diagonal.

A picker holds one corner all the time. One action is a whole pick-and-place: 6 cm up, straight to
where the action says, 6 cm down, about 90 frames. RL-VLM-F's episodes are one such move
(`moves=1`), CoRe's are three. There the world itself ends (`done`). The reward is -10 times the
mean distance of the particles from the goal, which is what our own solver makes of a move to the
opposite corner (`scripts/tools/record_folds.py`). Both protocols have the one flat start.
"""

from __future__ import annotations

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from core_jax.envs.rendering import Scene
from core_jax.envs.rendering.rasterising import Sheet
from core_jax.envs.softgym import cloth, tasks
from core_jax.envs.softgym.base import SoftGymEnv, primitives_scene, shadow, to_picture
from core_jax.envs.softgym.particles import Body
from core_jax.envs.task import Judgement

PATH = Path(__file__).parent / "folds.npz"
PRESETS = {"fast": cloth.FAST, "full": cloth.FULL}
REACH = 0.15  # m, what an action of 1 means
OPPOSITE = cloth.SIDE / 2 / REACH  # of an action: the corner opposite to the held one
_LIFT, _LIFT_FRAMES = 0.006, 10  # m a frame
_STRIDE = 0.005  # m a frame
_KEYS = (0, 8, 16, 24, 32, 39)  # of 40 rows and columns
_SUCCESS = 0.9
_TOP, _UNDERSIDE = (0.16, 0.38, 0.85), (0.96, 0.62, 0.16)
_CHECK = 2  # cells of the picture's grid along a check: a cloth's folds show in its pattern
_NEAREST = 0.3  # m from the camera


@struct.dataclass
class Folding:
    """The cloth, and how many moves have been made."""

    body: Body
    moves: jax.Array


class FoldCloth(SoftGymEnv):
    """Fold the cloth. A snapshot is 20 x 20 of its points, float16 [1200]."""

    target = (cloth.SIDE / 2, cloth.GROUND, cloth.SIDE / 2)

    def __init__(
        self,
        protocol: str = "paper",
        reward: str = "dense",
        preset: str = "fast",
        moves: int = 3,
    ):
        """Use `core_jax.envs.make`, which checks the arguments.

        Args:
            protocol: `paper` or `random`; the same here.
            reward: which ground truth `state.reward` is: SoftGym's own, or success.
            preset: `full` has the original's 40 x 40 particles, `fast` 20 x 20.
            moves: in an episode: 3 as CoRe's, 1 as RL-VLM-F's.
        """
        super().__init__(protocol, reward)
        self.spec = tasks.fold_cloth(protocol, preset, moves)
        self.cloth = PRESETS[preset]
        self._preset, self._moves = preset, moves
        self._keys = np.round(np.array(_KEYS) / 39 * (self.cloth.side - 1)).astype(int)

    @functools.cached_property
    def goal(self) -> np.ndarray:
        """Where the particles should be, [3, side, side] m."""
        return np.load(PATH)[self._preset]

    def place(self, key: jax.Array) -> Folding:
        """Lays the cloth flat."""
        del key
        return Folding(self.cloth.flat(), jnp.int32(0))

    def advance(self, physics: Folding, action: jax.Array) -> Folding:
        """One move of the held corner: up, across, down."""
        start = physics.body.x[:, 0, 0]
        total = carry_frames(start, action)

        def under_way(carry: tuple[jax.Array, Body]) -> jax.Array:
            return carry[0] < total

        def frame(carry: tuple[jax.Array, Body]) -> tuple[jax.Array, Body]:
            t, body = carry[0] + 1.0, carry[1]
            return t, self.cloth.advance(body, carry_to(start, action, t))

        _, body = jax.lax.while_loop(under_way, frame, (jnp.float32(0.0), physics.body))
        return Folding(body, physics.moves + 1)

    def ended(self, physics: Folding) -> jax.Array:
        """Returns 1 after the last move."""
        return (physics.moves >= self._moves).astype(jnp.float32)

    def observe(self, physics: Folding) -> jax.Array:
        """Returns 6 x 6 points of the cloth and the picker [111]."""
        x = physics.body.x
        points = x[:, self._keys][:, :, self._keys]
        return jnp.concatenate([points.reshape(3, -1).T.ravel(), x[:, 0, 0]])

    def judge(self, physics: Folding) -> Judgement:
        """Returns -10 times the mean distance from the goal; success 90% of the way there."""
        distance = self._distance(physics.body.x)
        done = 1.0 - distance / self._distance(self.cloth.flat().x)
        return Judgement(
            dense=-10.0 * distance,
            success=(done > _SUCCESS).astype(jnp.float32),
            progress=jnp.clip(done, 0.0, 1.0),
        )

    def snapshot(self, pipeline_state: Folding) -> jax.Array:
        """Returns 20 x 20 points of the cloth, xyz by xyz [1200]; float16 is fine to 0.1 mm."""
        return self.cloth.shown(pipeline_state.body.x).astype(jnp.float16)

    def view(self, snapshot: jax.Array, gripper: bool = True) -> Scene:
        """Returns the cloth on a table, blue above and orange below; a ball is the picker."""
        x = to_picture(
            jnp.asarray(snapshot, jnp.float32)
            .reshape(cloth.SHOWN, cloth.SHOWN, 3)
            .transpose(2, 0, 1)
        )
        edge = 1.3 * cloth.SIDE / (cloth.SHOWN - 1)
        sheet = Sheet(x, _UNDERSIDE, _TOP, edge, _NEAREST, _CHECK)
        rows = []
        if gripper:
            size = np.array([0.006, 0.0, 0.0])
            rows.append(("sphere", x[:, 0, 0], np.eye(3), size, (0.9, 0.9, 0.92)))
        return primitives_scene(rows, rasterised=(shadow(x, edge, _NEAREST), sheet))

    def _distance(self, x: jax.Array) -> jax.Array:
        d = x - jnp.asarray(self.goal)
        return jnp.mean(jnp.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]))


def carry_frames(start: jax.Array, action: jax.Array) -> jax.Array:
    """Frames that a move takes, for the held corner's place [3] and an action [2]."""
    return jnp.ceil(jnp.linalg.norm(_way(start, action)) / _STRIDE) + 2 * _LIFT_FRAMES


def carry_to(start: jax.Array, action: jax.Array, t: jax.Array) -> jax.Array:
    """Where the picker is after `t` frames of a move: up, across, down [3] m."""
    way = _way(start, action)
    length = jnp.linalg.norm(way)
    across = jnp.ceil(length / _STRIDE)
    risen = jnp.minimum(t, _LIFT_FRAMES) - jnp.maximum(t - across - _LIFT_FRAMES, 0.0)
    gone = jnp.clip((t - _LIFT_FRAMES) * _STRIDE, 0.0, length)
    return (start + gone * way / jnp.maximum(length, 1e-6)).at[1].add(risen * _LIFT)


def expert(obs: jax.Array) -> jax.Array:
    """Puts the held corner onto the opposite one, [111] to [2]."""
    del obs
    return jnp.full(2, OPPOSITE)


def _way(start: jax.Array, action: jax.Array) -> jax.Array:
    return jnp.array([REACH * action[0] - start[0], 0.0, REACH * action[1] - start[2]])
