"""SoftGym's PassWater1D, RL-VLM-F's: carry a glass of water to a target without spilling.

An action moves the glass by up to 1.1 cm in each of eight frames. The reward is minus the distance
to the target, minus 10 times the part of the water that is no longer in the glass. The original has
3,100 to 4,200 particles, as has the preset `full`; `fast` has 250 larger ones of the same volume.
Both protocols start from settled glasses of nine sizes (`scripts/tools/record_water.py`).
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from core_jax.envs.rendering import Scene
from core_jax.envs.rendering.rasterising import Balls
from core_jax.envs.softgym import tasks
from core_jax.envs.softgym.base import SoftGymEnv, primitives_scene, to_picture
from core_jax.envs.softgym.fluid import Fluid
from core_jax.envs.softgym.particles import Body
from core_jax.envs.task import Judgement

PATH = Path(__file__).parent / "water.npz"
INNER = (0.2025, 0.21, 0.2175)  # m, inner lengths of a glass
HEIGHT = 0.22  # m, of the walls above the inner floor
WALL = 0.045  # m, thickness of walls and floor
LEVEL = 0.165  # m, of the water at rest in a glass of the middle size
TARGET = 1.2  # m
_FRAMES, _STEP = 8, 0.011  # m a frame
_LOW, _HIGH = -0.25, 1.4  # m, where the glass may be
_SUCCESS = -0.36  # of the reward
GAP = 0.3  # of the spacing, from walls to the middles of particles


@dataclasses.dataclass(frozen=True)
class Water:
    """Water's resolution.

    Attributes:
        count: particles.
        packing: particles at walls and at the surface have fewer neighbours than a lattice's and
            the others move closer together for it; a wider spacing, by this factor, brings the
            water at rest to `LEVEL`.
        sweeps: density corrections in each of two substeps.
        cells: room for near pairs (`pairs.Cells`); all pairs where None.
        stride: every so many particles are in a picture.
    """

    count: int
    packing: float
    sweeps: int
    cells: tuple[int, int] | None = None
    stride: int = 1

    @property
    def fluid(self) -> Fluid:
        """Its physics."""
        spacing = self.packing * (INNER[1] ** 2 * LEVEL / self.count) ** (1.0 / 3.0)
        return Fluid(spacing, sweeps=self.sweeps, cells=self.cells)

    @property
    def radius(self) -> float:
        """Of a particle in a picture, m."""
        return 0.62 * self.fluid.spacing * self.stride ** (1.0 / 3.0)


FAST = Water(count=250, packing=1.2, sweeps=2)
FULL = Water(count=3_500, packing=1.089, sweeps=4, cells=(896, 48), stride=7)
PRESETS = {"fast": FAST, "full": FULL}


@struct.dataclass
class Pouring:
    """The water in the world's frame, and the glass.

    Attributes:
        body: [3, n].
        glass: x of its middle, m.
        inner: [2] its inner lengths along x and z, m.
    """

    body: Body
    glass: jax.Array
    inner: jax.Array


class PassWater(SoftGymEnv):
    """Carry the water. A snapshot: glass x, inner lengths, the particles' xyz from the glass."""

    target = (TARGET,)

    def __init__(self, protocol: str = "paper", reward: str = "dense", preset: str = "fast"):
        """Use `core_jax.envs.make`, which checks the arguments.

        Args:
            protocol: `paper` or `random`; the same here.
            reward: which ground truth `state.reward` is: SoftGym's own, or success.
            preset: `full` has as many particles as the original, `fast` 250.
        """
        super().__init__(protocol, reward)
        self.spec = tasks.pass_water(protocol, preset)
        self.water, self._preset = PRESETS[preset], preset
        self.fluid = self.water.fluid

    @functools.cached_property
    def starts(self) -> np.ndarray:
        """Water at rest in a glass at 0, one for each size, [3 lengths, 3 lengths, 3, n] m."""
        return np.load(PATH)[self._preset].astype(np.float32)

    def place(self, key: jax.Array) -> Pouring:
        """Draws the size of the glass."""
        i, j = jax.random.randint(key, (2,), 0, len(INNER))
        lengths = jnp.array(INNER)
        x = jnp.asarray(self.starts)[i, j]
        inner = jnp.stack([lengths[i], lengths[j]])
        return Pouring(Body(x, jnp.zeros_like(x)), jnp.zeros(()), inner)

    def advance(self, physics: Pouring, action: jax.Array) -> Pouring:
        """Moves the glass eight times."""

        def frame(physics: Pouring, _: None) -> tuple[Pouring, None]:
            to = jnp.clip(physics.glass + _STEP * action[0], _LOW, _HIGH)
            return self.pour(physics, to), None

        return jax.lax.scan(frame, physics, length=_FRAMES)[0]

    def pour(self, physics: Pouring, to: jax.Array) -> Pouring:
        """One frame in which the glass goes to x = `to`, m."""
        began, inner = physics.glass, physics.inner

        def confine(x: jax.Array, part: jax.Array) -> jax.Array:
            return out_of_walls(x, began + part * (to - began), inner, GAP * self.fluid.spacing)

        return dataclasses.replace(
            physics, body=self.fluid.advance(physics.body, confine), glass=to
        )

    def observe(self, physics: Pouring) -> jax.Array:
        """Returns glass x, inner lengths, height, highest water, parts inside and outside [7]."""
        kept = inside(physics)
        height = jnp.float32(HEIGHT)
        top = jnp.max(physics.body.x[1])
        return jnp.stack([physics.glass, *physics.inner, height, top, kept, 1.0 - kept])

    def judge(self, physics: Pouring) -> Judgement:
        """Returns -10 times the part spilled minus the distance; success above -0.36."""
        dense = -10.0 * (1.0 - inside(physics)) - jnp.abs(TARGET - physics.glass)
        return Judgement(
            dense=dense,
            success=(dense > _SUCCESS).astype(jnp.float32),
            progress=jnp.clip(1.0 + dense / TARGET, 0.0, 1.0),
        )

    def snapshot(self, pipeline_state: Pouring) -> jax.Array:
        """Returns glass x, inner lengths and shown particles from the glass, float16 [3 + 3 k]."""
        p = pipeline_state
        x = p.body.x[:, :: self.water.stride].at[0].add(-p.glass)
        return jnp.concatenate([p.glass[None], p.inner, x.T.ravel()]).astype(jnp.float16)

    def view(self, snapshot: jax.Array, gripper: bool = True) -> Scene:
        """Returns a glass with blue water on a table, and a red disc where it should go."""
        del gripper  # the glass moves by itself
        snapshot = jnp.asarray(snapshot, jnp.float32)
        glass, inner = snapshot[0], snapshot[1:3]
        x = to_picture(snapshot[3:].reshape(-1, 3).T).at[0].add(glass)
        x = x.at[2].add(WALL)  # the table is a floor's thickness below the water's
        balls = Balls(x, self.water.radius, (0.20, 0.50, 0.95), nearest=1.2)
        disc = np.array([0.2, 0.0008, 0.0])
        rows = [("cylinder", np.array([TARGET, 0.0, 0.001]), np.eye(3), disc, (0.9, 0.1, 0.1))]
        rows += _edges(glass, inner)
        return primitives_scene(rows, rasterised=(balls,), glass=_panes(glass, inner))


def inside(physics: Pouring) -> jax.Array:
    """Part of the water that is in the glass, or above it by at most half a wall's thickness."""
    x = physics.body.x
    away = jnp.stack([jnp.abs(x[0] - physics.glass), jnp.abs(x[2])])
    within = jnp.all(away < 0.5 * physics.inner[:, None] + 1.5 * WALL, axis=0)
    return jnp.mean(within & (x[1] < HEIGHT + 0.5 * WALL) & (x[1] > -0.5 * WALL))


def out_of_walls(x: jax.Array, glass: jax.Array, inner: jax.Array, gap: float) -> jax.Array:
    """Pushes particles out of the four walls, the glass's floor and the ground, the shortest way.

    Args:
        x: [3, n] m; the inner floor is at y = 0, the ground a wall's thickness below.
        glass: x of its middle, m.
        inner: [2] inner lengths, m.
        gap: that particles keep, m.
    """
    at = [x[0] - glass, x[1], x[2]]
    half, wide = 0.5 * inner, 0.5 * inner + WALL
    depth_y = 0.5 * HEIGHT + gap - jnp.abs(at[1] - 0.5 * HEIGHT)
    for axis, k in ((0, 0), (2, 1)):
        across = 2 - axis
        middle = half[k] + 0.5 * WALL
        for side in (-1.0, 1.0):
            off = at[axis] - side * middle
            depths = (
                0.5 * WALL + gap - jnp.abs(off),
                depth_y,
                wide[1 - k] + gap - jnp.abs(at[across]),
            )
            least = jnp.minimum(jnp.minimum(depths[0], depths[1]), depths[2])
            is_in = least > 0.0
            pushed = at[axis] + jnp.where(off > 0.0, depths[0], -depths[0])
            at[axis] = jnp.where(is_in & (least == depths[0]), pushed, at[axis])
            # Through the top only: below is the floor.
            at[1] = jnp.where(is_in & (least == depths[1]), at[1] + depths[1], at[1])
    over = (jnp.abs(at[0]) < wide[0]) & (jnp.abs(at[2]) < wide[1])
    y = jnp.maximum(at[1], jnp.where(over, gap, gap - WALL))
    return jnp.stack([at[0] + glass, y, at[2]])


def expert(obs: jax.Array) -> jax.Array:
    """Accelerates, keeps a speed that spills no water, and brakes in time, [7] to [1]."""
    to_go = TARGET - obs[0]
    start = 0.35 + 2.0 * jnp.abs(obs[0])  # of the speed; from rest and into rest gently
    speed = jnp.minimum(jnp.minimum(start, 0.75), 4.0 * jnp.abs(to_go) + 0.02)
    return (jnp.sign(to_go) * jnp.minimum(speed, jnp.abs(to_go) / (_FRAMES * _STEP)))[None]


def _panes(glass: jax.Array, inner: jax.Array) -> jax.Array:
    """Middles and half sizes of the glass's walls as pictures show them, [4, 2, 3] m."""
    half, thin = 0.5 * inner, 0.006
    middle, tall = 0.5 * HEIGHT + WALL, 0.5 * HEIGHT
    zero = jnp.zeros(())
    rows = []
    for side in (-1.0, 1.0):
        rows.append(
            (
                [glass + side * (half[0] + thin), zero, zero + middle],
                [zero + thin, half[1], zero + tall],
            )
        )
        rows.append(
            ([glass, side * (half[1] + thin), zero + middle], [half[0], zero + thin, zero + tall])
        )
    return jnp.stack([jnp.stack([jnp.stack(a), jnp.stack(b)]) for a, b in rows])


def _edges(glass: jax.Array, inner: jax.Array) -> list[tuple[str, Any, Any, Any, Any]]:
    """The glass's twelve edges, and its floor."""
    half, middle, tall = 0.5 * inner + 0.006, 0.5 * HEIGHT + WALL, 0.5 * HEIGHT
    colour, zero, thin = (0.93, 0.96, 0.98), jnp.zeros(()), jnp.float32(0.0045)
    point = lambda x, y, z: jnp.stack([glass + x, zero + y, zero + z])
    along = {  # axes with z along x, y, z
        "x": np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]),
        "y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
        "z": np.eye(3),
    }
    rod = lambda length: jnp.stack([thin, zero + length, zero])
    rows = []
    for a in (-1.0, 1.0):
        for b in (-1.0, 1.0):
            rows.append(
                ("capsule", point(a * half[0], b * half[1], middle), along["z"], rod(tall), colour)
            )
            z = middle + b * tall
            rows.append(("capsule", point(0.0, a * half[1], z), along["x"], rod(half[0]), colour))
            rows.append(("capsule", point(a * half[0], 0.0, z), along["y"], rod(half[1]), colour))
    floor = jnp.stack([half[0], half[1], zero + 0.5 * WALL])
    rows.append(("box", point(0.0, 0.0, 0.5 * WALL), np.eye(3), floor, (0.72, 0.78, 0.82)))
    return rows
