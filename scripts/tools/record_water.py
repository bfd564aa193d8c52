"""Makes the starts of pass-water: `python scripts/tools/record_water.py`.

A block of water is let go in a glass of each of nine sizes and settles, in both presets. The walls
go on above the glass until it has. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from core_jax import envs
from core_jax.envs.softgym import pass_water
from core_jax.envs.softgym.particles import Body
from core_jax.envs.softgym.pass_water import INNER, PRESETS, Pouring


def main(frames: int = 250) -> int:
    """Writes each preset's settled water [3, 3, 3, n], float16, and prints how it lies.

    Args:
        frames: to settle for, 10 ms each.
    """
    settled = {preset: settle(preset, frames) for preset in PRESETS}
    if any(x is None for x in settled.values()):
        return 1
    np.savez_compressed(pass_water.PATH, **settled)
    print(json.dumps({"water": str(pass_water.PATH), "presets": list(settled)}))
    return 0


def settle(preset: str, frames: int) -> np.ndarray | None:
    """Water at rest in nine glasses, or None if it is not."""
    water = PRESETS[preset]
    env = envs.make("pass-water", preset=preset)
    x = block(water.count, water.fluid.spacing)

    def fall(inner):
        start = Pouring(Body(x, jnp.zeros_like(x)), jnp.zeros(()), inner)
        half = (0.5 * inner - pass_water.GAP * water.fluid.spacing)[:, None]

        def frame(p, _):
            p = env.pour(p, p.glass)
            across = jnp.clip(p.body.x[::2], -half, half)
            return p.replace(body=Body(p.body.x.at[::2].set(across), p.body.v)), None

        end, _ = jax.lax.scan(frame, start, length=frames)
        return end.body, pass_water.inside(end)

    sizes = np.array([(a, b) for a in INNER for b in INNER], np.float32)
    body, kept = jax.jit(jax.vmap(fall))(sizes)
    settled = np.asarray(body.x)
    print(
        f"{preset}: level {level(settled[4]):.4f} of {pass_water.LEVEL}, kept {kept.min():.3f}, "
        f"mean speed {np.sqrt((np.asarray(body.v) ** 2).sum(1)).mean():.4f}",
        file=sys.stderr,
    )
    if not np.isfinite(settled).all() or kept.min() < 1.0:
        print("not finite, or spilled", file=sys.stderr)
        return None
    return settled.reshape(3, 3, 3, -1).astype(np.float16)


def block(count: int, spacing: float) -> jax.Array:
    """A lattice of particles that fits into every glass [3, n]."""
    across = int(0.19 // spacing)
    k = np.arange(count)
    x = np.stack([k % across, k // across**2, k // across % across]).astype(np.float32)
    x[[0, 2]] -= (across - 1) / 2
    x[1] += 0.5
    noise = np.random.default_rng(0).uniform(-0.02, 0.02, x.shape)
    return jnp.asarray((x + noise) * spacing, jnp.float32)


def level(x: np.ndarray) -> float:
    """Where the surface of water [3, n] is, m: twice its mean height."""
    return float(2.0 * x[1].mean())


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
