"""Records a few states of a task, that rewards are tried on (`envs/samples.json`).

    python scripts/tools/record_samples.py [--task T]

The start; two states on the expert's way and the first in which it is done, if the task has an
expert; and two states of uniform random actions.
"""

from __future__ import annotations

import argparse
import json

import jax
import numpy as np

from core_jax import envs
from core_jax.envs import samples
from core_jax.envs.metaworld import experts

STEPS = 150
RANDOM = (50, 150)  # steps of random actions after which a state is kept


def play(env: envs.TaskEnv) -> list[list]:
    """[label, formal view, action, target] of each state kept."""
    try:
        expert = experts.expert(env.spec.name)
    except ValueError:
        expert = None

    @jax.jit
    def run(key, random):
        def body(state, key):
            action = jax.random.uniform(key, (env.action_size,), minval=-1.0)
            if expert is not None:
                action = jax.numpy.where(random, action, expert(state.obs))
            state = env.step(state, action)
            seen = env.spec.formal_view(state.obs), action, state.info["target"]
            return state, (seen, state.metrics["success"])

        state = env.reset(key)
        first = env.spec.formal_view(state.obs), state.info["target"]
        return first, jax.lax.scan(body, state, jax.random.split(key, STEPS))[1]

    def row(label, parts):
        return [label, *(np.asarray(x, np.float64).round(4).tolist() for x in parts)]

    (obs, target), (seen, _) = run(jax.random.key(0), True)
    rows = [row("start", (obs, np.zeros(env.action_size), target))]
    if expert is not None:
        _, (way, success) = run(jax.random.key(0), False)
        done = int(np.argmax(success))
        if not success[done]:
            raise SystemExit(f"{env.spec.name}: the expert does not succeed in {STEPS} steps")
        for i, name in ((done // 3, "expert"), (2 * done // 3, "expert"), (done, "done")):
            rows.append(row(f"{name} {i + 1}", [x[i] for x in way]))
    return rows + [row(f"random {i}", [x[i - 1] for x in seen]) for i in RANDOM]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=envs.names(), help="default: all")
    task = parser.parse_args().task
    kept = json.loads(samples.PATH.read_text()) if samples.PATH.exists() else {}
    for name in [task] if task else envs.names():
        kept[name] = play(envs.make(name))
        print(name, *(label for label, *_ in kept[name]), sep="  ")
    lines = ",\n".join(
        f"{json.dumps(name)}: [\n{rows}\n]"
        for name, rows in ((name, ",\n".join(map(json.dumps, kept[name]))) for name in sorted(kept))
    )
    samples.PATH.write_text(f"{{\n{lines}\n}}\n")
    print(json.dumps({"samples": str(samples.PATH), "tasks": sorted(kept)}))


if __name__ == "__main__":
    main()
