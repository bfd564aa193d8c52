"""Makes the starts of flatten-rope: `python scripts/tools/record_ropes.py`.

As SoftGym does (`random_pick_and_place`, `center_object`): a straight rope, four times dragged by a
random particle in a random direction, 60 frames of 5 mm times a vector from [-1, 1] x [0, 2] x
[-1, 1], let go and left to settle; then moved to the middle. Two of its habits shape the result:
what is dragged is put in its new place before each frame, and the rope counts as settled when no
component of a velocity is more than 1 cm/s, its sign included. So one that falls, and moves
sideways only towards -x and -z, is settled in the air: it is dragged on from there, and one start
in twenty is about to drop. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from core_jax import envs
from core_jax.envs.softgym import particles, rope

PATH = Path(envs.__file__).parent / "softgym" / "ropes.npz"
_DRAGS, _FRAMES, _STEP = 4, 60, 0.005
_SETTLE, _LAST_SETTLE = 100, 500
_STILL = 0.01  # m/s
_MOVING = 0.05  # m/s, to tell how many are at rest


def main(count: int = 1000, seed: int = 0, out: Path = PATH) -> int:
    """Writes positions and velocities `x, v [count, 3, 41]`, float16.

    Args:
        count: how many.
        seed: of all randomness.
        out: the file.
    """
    x, v = jax.jit(jax.vmap(tangle))(jax.random.split(jax.random.key(seed), count))
    x, v = np.asarray(x), np.asarray(v)
    print(describe(x, v), file=sys.stderr)
    if not (np.isfinite(x).all() and np.isfinite(v).all()):
        print("not finite", file=sys.stderr)
        return 1
    np.savez_compressed(out, x=x.astype(np.float16), v=v.astype(np.float16))
    print(json.dumps({"ropes": str(out), "count": count}))
    return 0


def tangle(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One start: positions and velocities [3, 41]."""
    free = jnp.full(rope.PARTICLES, rope.INVERSE_MASS)

    def alone(body: particles.Body) -> particles.Body:
        return rope.advance(body, free, body.x)

    def settle(body: particles.Body, frames: int) -> particles.Body:
        def moves(carry):
            t, body = carry
            return (t == 0) | ((t < frames) & (jnp.max(body.v) >= _STILL))

        def frame(carry):
            t, body = carry
            return t + 1, alone(body)

        return jax.lax.while_loop(moves, frame, (0, body))[1]

    def drag(body: particles.Body, key: jax.Array):
        who_key, where_key = jax.random.split(key)
        who = jax.random.randint(who_key, (), 0, rope.PARTICLES)
        delta = jax.random.uniform(where_key, (3,), minval=-1.0).at[1].add(1.0) * _STEP
        held = jnp.arange(rope.PARTICLES) == who
        w = jnp.where(held, 0.0, free)

        def frame(body, _):
            x = body.x + jnp.where(held, delta[:, None], 0.0)
            return rope.advance(body.replace(x=x), w, x), None

        body = jax.lax.scan(frame, body, length=_FRAMES)[0]
        return settle(alone(body), _SETTLE), None

    straight = jnp.asarray(rope.straight_points())
    start = particles.Body(straight, jnp.zeros_like(straight))
    body = jax.lax.scan(drag, start, jax.random.split(key, _DRAGS))[0]
    body = settle(body, _LAST_SETTLE)
    middle = jnp.mean(body.x, axis=1, keepdims=True).at[1].set(0.0)
    body = alone(body.replace(x=body.x - middle))
    return body.x, body.v


def describe(x: np.ndarray, v: np.ndarray) -> str:
    """The statistics that are known of SoftGym's own starts, and more: x, v [count, 3, 41]."""
    ends = np.linalg.norm(x[:, :, 0] - x[:, :, -1], axis=1)
    arc = np.linalg.norm(np.diff(x, axis=2), axis=1).sum(1)
    low, mean, high, top = ends.min(), ends.mean(), np.quantile(ends, 0.95), ends.max()
    speed = np.abs(v).max((1, 2))
    reach = np.abs(x[:, ::2][:, :, [0, -1]]).max()
    return (
        f"ends apart: min {low:.3f}, mean {mean:.3f}, p95 {high:.3f}, max {top:.3f}; "
        f"success {np.mean(ends >= 0.475):.3f}; arc {arc.mean():.3f} ({arc.max():.3f}); "
        f"higher than 0.1: {np.mean(x[:, 1].max(1) > 0.1):.3f}; median height "
        f"{np.median(x[:, 1]):.4f}; farthest end {reach:.3f}; fastest {speed.max():.3f}, "
        f"moving {np.mean(speed > _MOVING):.3f}"
    )


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
