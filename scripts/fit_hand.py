"""Fits the free-motion filter of envs/metaworld/response.py to traces of the original hand.

Multi-step output error: windows of the recorded traces are simulated freely and the error of the
hand's position is minimised by Adam through the simulation. Prints the error on the held-out traces
(free run over the whole 500 steps) and the constants as Python source for response.py.

Input: hand_fit.npz and hand_held.npz of scripts/record_metaworld.py. A few minutes on two cores.
"""

import argparse
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from envs.metaworld import response

WINDOW, BURN_IN = 150, 20  # control steps; the hidden state is unknown at a window's start
SIZE = 3 + response.HIDDEN
Params = dict[str, jax.Array]


def start_params(springs: int, seed: int) -> Params:
    """Springs of the feasibility study, slightly apart from each other."""
    rng = np.random.default_rng(seed)
    noise = lambda *shape: 0.05 * rng.standard_normal(shape)  # noqa: E731
    root = np.diag(np.sqrt([1.0, 2.0, 1.0] + [1.0] * response.HIDDEN))
    params = {
        "spring": root + noise(springs, SIZE, SIZE),
        "damper": root + noise(springs, SIZE, SIZE),
        "skew": noise(springs, SIZE, SIZE),
        "gate": 10 * noise(springs, 13 + response.HIDDEN),
        "mix": noise(3, response.HIDDEN),
        "rest": np.zeros((15, 3)),
    }
    params["rest"][0, 2] = -0.39
    return {k: jnp.asarray(v, jnp.float32) for k, v in params.items()}


def constants(params: Params) -> response.Constants:
    """Free parameters to the filter's numbers; positivity holds by construction."""
    square = lambda a: a @ jnp.swapaxes(a, -1, -2)  # noqa: E731
    skew = params["skew"] - jnp.swapaxes(params["skew"], -1, -2)
    return response.Constants(
        stiffness=1600.0 * square(params["spring"]),
        damping=90.0 * (square(params["damper"]) + skew),
        gate=params["gate"],
        mix=params["mix"],
        rest=0.01 * params["rest"],
    )


def stiff_penalty(params: Params) -> jax.Array:
    """Keeps the dampers slow enough for the filter's explicit steps."""
    damping = constants(params).damping * (response.CONTROL_DT / response.STEPS)
    norm = jnp.linalg.norm(damping, ord=2, axis=(-2, -1))
    return 100.0 * jnp.sum(jnp.maximum(norm - 1.3, 0.0) ** 2)


def simulate(numbers: response.Constants, pos: jax.Array, vel: jax.Array, targets: jax.Array):
    """Runs the filter freely from pos [3] and vel [3] under targets [T, 3]; returns [T, 3]."""
    hidden = jnp.zeros(response.HIDDEN)
    arm = response.ArmState(jnp.concatenate([pos, hidden]), jnp.concatenate([vel, hidden]))

    def step(arm: response.ArmState, target: jax.Array):
        arm, path = response.move(numbers, arm, target)
        return arm, path[-1]

    return jax.lax.scan(step, arm, targets)[1]


_simulate_all = jax.jit(jax.vmap(simulate, (None, 0, 0, 0)))


def windows(data: dict[str, np.ndarray]) -> list[jax.Array]:
    """Cuts contact-free windows: position, velocity, targets, hand."""
    unit, rows = float(data["unit"]), []
    scaled = {k: data[k].astype(np.float32) * unit for k in ("start", "target", "hand")}
    for i, touch in enumerate(data["touch"]):
        hand = np.concatenate([scaled["start"][i][None], scaled["hand"][i]])
        for a in range(0, len(touch) - WINDOW + 1, 50):
            if not touch[a : a + WINDOW].any():
                vel = (hand[a] - hand[max(a - 1, 0)]) / response.CONTROL_DT
                rows.append((hand[a], vel, scaled["target"][i, a : a + WINDOW],
                             hand[a + 1 : a + WINDOW + 1]))
    return [jnp.asarray(np.stack(column), jnp.float32) for column in zip(*rows, strict=True)]


def fit(data: dict[str, np.ndarray], springs: int, iterations: int, seed: int) -> Params:
    """Minimises the Huber loss (bend at 10 mm) of free runs over all windows."""
    pos, vel, targets, hand = windows(data)

    def loss(params: Params, pick: jax.Array) -> jax.Array:
        path = jax.vmap(simulate, (None, 0, 0, 0))(
            constants(params), pos[pick], vel[pick], targets[pick]
        )
        error = 1e3 * (path - hand[pick])[:, BURN_IN:]
        error = jnp.clip(jnp.nan_to_num(error, nan=0.0), -200.0, 200.0)
        return jnp.mean(optax.huber_loss(error, delta=10.0)) + stiff_penalty(params)

    optimizer = optax.chain(
        optax.clip_by_global_norm(5.0),
        optax.adam(optax.cosine_decay_schedule(6e-3, iterations, 0.02)),
    )

    @jax.jit
    def update(params: Params, state: optax.OptState, key: jax.Array):
        pick = jax.random.randint(key, (48,), 0, len(pos))
        value, grad = jax.value_and_grad(loss)(params, pick)
        change, state = optimizer.update(grad, state)
        return optax.apply_updates(params, change), state, value

    params = start_params(springs, seed)
    state, key, clock = optimizer.init(params), jax.random.key(seed), time.perf_counter()
    for i in range(iterations):
        key, sub = jax.random.split(key)
        params, state, value = update(params, state, sub)
        if (i + 1) % max(iterations // 5, 1) == 0:
            print(f"# {i + 1}: loss {value:.2f} mm^2, {time.perf_counter() - clock:.0f} s")
    return params


def held_error(numbers: response.Constants, held: dict[str, np.ndarray]) -> np.ndarray:
    """RMSE per trace and axis, mm [traces, 3], of whole free runs."""
    start = jnp.asarray(held["start"])
    path = _simulate_all(numbers, start, jnp.zeros_like(start), jnp.asarray(held["target"]))
    return 1e3 * np.sqrt(np.mean((np.asarray(path) - held["hand"]) ** 2, axis=1))


def source(numbers: response.Constants) -> str:
    """The constants as Python source."""
    lines = ["# fmt: off", "FITTED = Constants("]
    for name, value in numbers._asdict().items():
        text = np.array2string(
            np.asarray(value, np.float64), separator=", ", threshold=10**6, max_line_width=94,
            formatter={"float_kind": lambda v: f"{v:.5g}"},
        )
        lines.append(f"    {name}=jnp.array(\n    {text.replace(chr(10), chr(10) + '    ')}),")
    return "\n".join([line for line in lines + [")"] if line.strip()])


def main() -> None:
    """Fits, reports, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("tests/data/metaworld"))
    parser.add_argument("--springs", type=int, default=6)
    parser.add_argument("--iterations", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    data = dict(np.load(args.data / "hand_fit.npz"))
    held = dict(np.load(args.data / "hand_held.npz"))
    numbers = constants(fit(data, args.springs, args.iterations, args.seed))
    error = held_error(numbers, held)
    print("# held-out RMSE, mm, xyz:", np.round(np.sqrt((error**2).mean(0)), 2).tolist())
    print("# worst trace:", np.round(error.max(0), 2).tolist())
    print(source(numbers))


if __name__ == "__main__":
    main()
