"""Speed, with the machine named: `python scripts/bench.py WHAT [--task T]`.

Prints a few lines, then one JSON object as the last line of stdout. Rates are medians of repeats;
what is compared is measured in turns within one run, because a shared machine drifts.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from core_jax import envs
from core_jax.accelerators.targets import TARGETS
from core_jax.agents import sac
from core_jax.commands.bench_env import bench_env
from core_jax.commands.bench_render import bench_render
from core_jax.commands.compile_for import compile_config
from core_jax.methods.trials import Trials, trial_steps
from core_jax.models import ReplayModel
from core_jax.prompts import formal as prompts
from core_jax.reward_models.formal import FormalReward, RewardError, extract_code
from core_jax.runs.config import Config
from core_jax.runs.presets import make_config
from core_jax.runs.run_folder import device
from core_jax.runs.setup import make_functions, make_world
from core_jax.training import devices
from core_jax.training.programs import batch_function
from core_jax.training.streams import seed_keys
from core_jax.writing.writer import reward_compiler


def seconds(call: Callable[[], Any], repeats: int = 5) -> float:
    """Median wall seconds of a call that is already compiled."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))


def bench_sac(config: Config) -> dict[str, Any]:
    """Updates per second, beside the same matrix products with nothing between them."""
    obs, action, c = 39, 4, config.learner_settings
    size, count = c.batch_size, 64
    products = update_products(obs, action, c)
    flops = sum(2.0 * m * k * n for m, k, n in products)

    def updates(seeds: int) -> Callable[[], Any]:
        state = jax.vmap(lambda k: sac.init(k, obs, action, c))(
            jax.random.split(jax.random.key(0), seeds)
        )
        shapes = ((obs,), (action,), (), (obs,), ())
        batch = sac.Batch(*(jnp.ones((seeds, size, *s)) * 0.1 for s in shapes))

        def run(state, batch, key):
            body = lambda s, k: sac.update(s, batch, k, c)
            return jax.lax.scan(body, state, jax.random.split(key, count))

        run = jax.jit(jax.vmap(run))
        return lambda: run(state, batch, jax.random.split(jax.random.key(1), seeds))

    def plain() -> Callable[[], Any]:
        operands = [(jnp.ones((m, k)) * 1e-3, jnp.ones((k, n)) * 1e-3) for m, k, n in products]

        @jax.jit
        def run(operands):
            def body(total, _):
                # A product must depend on the last one, or the loop would be run once.
                for a, b in operands:
                    total = total + ((a + total * 1e-9) @ b)[0, 0]
                return total, None

            return jax.lax.scan(body, jnp.float32(0), None, length=count)[0]

        return lambda: run(operands)

    calls = {"one": updates(1), "three": updates(3), "matmul": plain()}
    compile_seconds = {}
    for name, call in calls.items():
        began = time.perf_counter()
        jax.block_until_ready(call())
        compile_seconds[name] = time.perf_counter() - began
    taken = {name: [] for name in calls}
    for _ in range(7):
        for name, call in calls.items():
            taken[name].append(seconds(call, 1) / count)
    median = {name: float(np.median(t)) for name, t in taken.items()}
    found = {
        "batch": size,
        "hidden": list(c.hidden),
        "updates_per_second": round(1 / median["one"], 1),
        "gflops_per_update": round(flops / 1e9, 3),
        "gflops_per_second": round(flops / median["one"] / 1e9, 1),
        "matmul_gflops_per_second": round(flops / median["matmul"] / 1e9, 1),
        "of_matmul": round(median["matmul"] / median["one"], 3),
        "three_seeds_cost": round(median["three"] / median["one"], 2),
        "compile_seconds": round(compile_seconds["one"], 1),
    }
    print("\n".join(f"{k}: {v}" for k, v in found.items()))
    return found


def update_products(obs: int, action: int, c: sac.SACConfig) -> list[tuple[int, int, int]]:
    """The matrix products (m, k, n) of one SAC update: every layer of every pass."""
    b = c.batch_size

    def layers(first: int, last: int) -> list[tuple[int, int]]:
        widths = (first, *c.hidden, last)
        return list(zip(widths[:-1], widths[1:], strict=True))

    actor, critic = layers(obs, 2 * action), layers(obs + action, 1)
    forward = lambda net: [(b, i, o) for i, o in net]
    to_input = lambda net: [(b, o, i) for i, o in net]
    to_kernel = lambda net: [(i, b, o) for i, o in net]
    critic_pass = forward(critic) + to_input(critic[1:]) + to_kernel(critic)
    through_critic = forward(critic) + to_input(critic)
    actor_pass = forward(actor) + to_input(actor[1:]) + to_kernel(actor)
    return forward(actor) + actor_pass + 2 * (forward(critic) + critic_pass + through_critic)


def bench_reward(config: Config) -> dict[str, Any]:
    """Compiling a recorded reward, evaluating it, and swapping it in a running training."""
    env, seeds = make_world(config), config.training.seeds
    train = make_functions(config, env)
    column = train.rewards.programs[0].name
    rewards, refused = recorded_rewards(env)
    each = lambda reward: {column: [reward] * seeds}
    state = train.init(seed_keys(config.seed, seeds))
    state, _ = train.train_chunk(state, each(rewards[0]))
    swaps = []
    for reward in rewards[1:]:
        began = time.perf_counter()
        changed = train.rescore_programs(state.seeds, column, [reward] * seeds)
        state, _ = train.train_chunk(state.replace(seeds=changed), each(reward))
        jax.block_until_ready(state)
        first = time.perf_counter() - began
        chunk = time.perf_counter()
        state, _ = train.train_chunk(state, each(reward))
        jax.block_until_ready(state)
        swaps.append(first - (time.perf_counter() - chunk))
    obs, action = jnp.zeros((4096, env.observation_size)), jnp.zeros((4096, env.action_size))
    target = jnp.zeros((4096, *jax.eval_shape(env.reset, jax.random.key(0)).info["target"].shape))
    evaluate = batch_function(rewards[0], env.spec.formal_view)
    run = lambda: evaluate(obs, action, target)
    jax.block_until_ready(run())
    found = {
        "rewards": len(rewards),
        "refused": refused,
        "swap_seconds": round(float(np.median(swaps)), 2),
        "swap_seconds_worst": round(float(np.max(swaps)), 2),
        "evaluations_per_second": round(4096 / seconds(run)),
        "traces": dict(train.traces),
    }
    print("\n".join(f"{k}: {v}" for k, v in found.items()))
    return found


def recorded_rewards(env: envs.TaskEnv) -> tuple[list[FormalReward], int]:
    """The recorded replies to CoRe's prompts that compile, and how many do not."""
    model, rewards, refused = ReplayModel(env.spec.name), [], 0
    compile_reward = reward_compiler("core", env)
    refinement = prompts.feedback_messages(env.spec, "", 0, {"score": [0.0]})
    for messages in (prompts.initial_messages(env.spec), refinement):
        for reply in model.complete(messages, 100):
            try:
                rewards.append(compile_reward(extract_code(reply.text)))
            except RewardError:
                refused += 1
    return rewards, refused


def bench_train(config: Config) -> dict[str, Any]:
    """Environment steps per second of training, one seed beside three, and how often each function
    was traced."""
    env, found, state, trains = make_world(config), {}, {}, {}
    training = config.training
    for seeds in (1, 3):
        training = dataclasses.replace(config.training, seeds=seeds)
        train = make_functions(dataclasses.replace(config, training=training), env)
        trains[seeds] = train
        began = time.perf_counter()
        state[seeds] = train.init(seed_keys(config.seed, seeds))
        while int(state[seeds].env_steps) < training.random_steps + training.chunk:
            state[seeds], _ = train.train_chunk(state[seeds])
        jax.block_until_ready(state[seeds])
        found[f"compile_seconds_{seeds}"] = round(time.perf_counter() - began, 1)
    taken = {1: [], 3: []}
    for _ in range(7):
        for seeds, train in trains.items():
            began = time.perf_counter()
            state[seeds], _ = train.train_chunk(state[seeds])
            jax.block_until_ready(state[seeds])
            taken[seeds].append(time.perf_counter() - began)
    one, three = (float(np.median(taken[s])) for s in (1, 3))
    updates = training.updates * training.chunk / training.block
    found |= {
        "steps_per_second": round(training.chunk / one),
        "updates_per_second": round(updates / one, 1),
        "three_seeds_steps_per_second": round(3 * training.chunk / three),
        "three_seeds_cost": round(three / one, 2),
        "traces": dict(trains[1].traces),
        "three_seeds_traces": dict(trains[3].traces),
    }
    print("\n".join(f"{k}: {v}" for k, v in found.items()))
    return found


def bench_candidates(config: Config) -> dict[str, Any]:
    """A trial of one candidate, then trials of eight side by side: wall and CPU seconds, with the
    compilation of their program and without."""
    env = make_world(config)
    # The replies to CoRe's prompts, whichever method trains on them.
    rewards, _ = recorded_rewards(env)
    train = make_functions(config, env)
    context: Any = types.SimpleNamespace(
        training=config.training, env=env, learner=train.plan.learner, note=lambda text: None
    )
    steps = trial_steps(config.settings.formal.trial_fraction, config.training)
    found: dict[str, Any] = {"trial_steps": steps}
    with tempfile.TemporaryDirectory() as folder:
        column = train.rewards.programs[0]
        trials = {n: Trials(context, column, n, steps, Path(folder) / f"{n}.json") for n in (1, 8)}
        for seed, when in enumerate(("with_compilation", "compiled")):
            for n, one in trials.items():
                began, cpu = time.perf_counter(), time.process_time()
                one.run(rewards[:n], [seed] * n)
                found[f"seconds_{n}_{when}"] = round(time.perf_counter() - began, 1)
                found[f"cpu_seconds_{n}_{when}"] = round(time.process_time() - cpu, 1)
            ratio = found[f"seconds_8_{when}"] / found[f"seconds_1_{when}"]
            found[f"eight_cost_{when}"] = round(ratio, 2)
    print("\n".join(f"{k}: {v}" for k, v in found.items()))
    return found


def bench_accelerators(config: Config) -> dict[str, Any]:
    """Kernels, bytes and compile seconds of a training on an H200 and a v5e, without them."""
    wanted = ("collect", "insert", "learn")
    return {name: compile_config(config, TARGETS[name], wanted) for name in ("h200", "v5e")}


Bench = Literal["env", "sac", "render", "reward", "train", "candidates", "accelerators"]


def main(
    what: Annotated[Bench, tyro.conf.Positional],
    task: str = "drawer-open",
    original: Path | None = None,
    gl: Literal["egl", "osmesa"] = "egl",
) -> int:
    """Measures one part's speed.

    Args:
        what: the part.
        task: the task to measure on.
        original: a Python with metaworld==3.1.1 installed, to compare `env` with.
        gl: the OpenGL with which MuJoCo's renderer runs, to compare `render` with.
    """
    devices.prepare_cpu({"train": 3, "candidates": 8}.get(what, 1))
    print(f"{what} on {device()}, jax {jax.__version__}")
    if what == "env":
        found = bench_env(task, original, seconds)
    elif what == "render":
        found = bench_render(task, gl, seconds)
    else:
        benches = {"sac": bench_sac, "reward": bench_reward, "train": bench_train}
        benches |= {"candidates": bench_candidates, "accelerators": bench_accelerators}
        found = benches[what](make_config(task=task))
    load = [round(x, 1) for x in os.getloadavg()]
    print(json.dumps({"bench": what, "device": device(), "load": load, **found}))
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
