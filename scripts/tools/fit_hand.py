"""Fits the response of envs/metaworld/response.py to traces of the original hand.

Multi-step output error: the recorded targets are played through the response from the reset on,
freely, over whole traces, and the error of the hand's position is minimised by Adam through the
simulation. A tenth of the traces chooses the stopping point. Prints the error on those and writes
the weights; tests/envs/test_parity.py judges them on traces that this script never sees.

    METAWORLD_PYTHON scripts/tools/record_metaworld.py --fit traces.npz
    python scripts/tools/fit_hand.py traces.npz

About 15 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from core_jax.envs.metaworld import response

MASK_AFTER_TOUCH = 40  # control steps: a contact's echo is not free motion


def start_weights(seed: int) -> response.Weights:
    """A network that says nothing yet."""
    rng = np.random.default_rng(seed)
    inputs, hidden = 9 + response.HIDDEN, response.HIDDEN
    draw = lambda *shape: rng.standard_normal(shape) / np.sqrt(inputs)
    gates, candidate = draw(inputs + 1, 2 * hidden), draw(inputs + 1, hidden)
    gates[-1], candidate[-1] = 0.0, 0.0
    return response.Weights(*(jnp.asarray(x, jnp.float32) for x in
                              (gates, candidate, 0.01 * draw(inputs + 1, 3))))  # fmt: skip


def simulate(weights: response.Weights, start: jax.Array, targets: jax.Array) -> jax.Array:
    """Free run: start [3], targets [T, 3] -> hand positions [T, 3]."""

    def step(arm, target):
        arm, _ = response.advance(arm, target, response.STEPS, weights)
        return arm, arm.pos

    return jax.lax.scan(step, response.init(start, targets[0]), targets)[1]


def load(path: Path) -> dict[str, np.ndarray]:
    """Traces, with `free` telling the steps that no contact has touched lately."""
    traces = dict(np.load(path))
    touched = np.cumsum(traces["touch"], axis=1)
    before = np.pad(touched, ((0, 0), (MASK_AFTER_TOUCH, 0)))[:, : touched.shape[1]]
    traces["free"] = (touched == before).astype(np.float32)
    return traces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("traces", type=Path)
    parser.add_argument("--out", type=Path, default=response.WEIGHTS)
    parser.add_argument("--iterations", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--continue", dest="again", action="store_true", help="from --out")
    args = parser.parse_args()
    traces = load(args.traces)
    inputs = [jnp.asarray(traces[k]) for k in ("start", "target", "hand", "free")]
    count = len(traces["start"])
    kept = count - count // 10

    def loss(weights, start, targets, hand, free):
        path = jax.vmap(simulate, (None, 0, 0))(weights, start, targets)
        error = jnp.sum(jnp.square(path - hand), axis=-1)
        # Millimetres, and gently: a few steps at the end of the reach must not decide it all.
        return jnp.sum(free * 1e6 * error / jnp.sqrt(1.0 + 1e6 * error / 20.0**2)) / jnp.sum(free)

    schedule = optax.cosine_decay_schedule(3e-3, args.iterations, alpha=0.02)
    optimizer = optax.chain(optax.clip_by_global_norm(10.0), optax.adam(schedule))
    weights = start_weights(args.seed)
    if args.again:
        weights = jax.tree.map(jnp.asarray, response.fitted())
    opt = optimizer.init(weights)

    @jax.jit
    def update(weights, opt, key):
        index = jax.random.randint(key, (args.batch,), 0, kept)
        value, grads = jax.value_and_grad(loss)(weights, *(x[index] for x in inputs))
        updates, opt = optimizer.update(grads, opt)
        return optax.apply_updates(weights, updates), opt, value

    @jax.jit
    def judge(weights):
        start, targets, hand, free = (x[kept:] for x in inputs)
        path = jax.vmap(simulate, (None, 0, 0))(weights, start, targets)
        square = jnp.where(free[..., None] > 0, jnp.square(path - hand), 0.0)
        return 1000.0 * jnp.sqrt(jnp.sum(square, (0, 1)) / jnp.sum(free))

    best, began = np.inf, time.monotonic()
    for i, key in enumerate(jax.random.split(jax.random.key(args.seed), args.iterations + 1)):
        weights, opt, value = update(weights, opt, key)
        if i % 100 == 0:
            error = np.asarray(judge(weights))
            took = time.monotonic() - began
            print(f"{i}: loss {float(value):.2f}, RMSE x y z {error.round(2)} mm, {took:.0f} s",
                  flush=True)  # fmt: skip
            if error.max() < best:
                best = error.max()
                arrays = {k: np.asarray(v) for k, v in weights._asdict().items()}
                np.savez(args.out, **arrays)
    print(json.dumps({"weights": str(args.out), "rmse_mm": round(float(best), 3)}))


if __name__ == "__main__":
    main()
