"""Compiles a reward for a task and prints its values on states of that task, or what is wrong.

    python scripts/compile_reward.py reward.py --task drawer-open [--signature eureka]
    python scripts/compile_reward.py reply.md --task soccer  # the code block of a reply
    ... | python scripts/compile_reward.py - --task soccer

Exit status: 0 it compiles, 1 it is refused, 2 it could not be tried.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np

from core_jax import envs
from core_jax.envs import samples
from core_jax.reward_models.formal import (
    FormalReward,
    RewardError,
    compile_reward,
    extract_code,
    make_signature,
)
from core_jax.reward_models.formal.signatures import Kind

_AT = (1, 10, 30, 50)  # steps of random actions that are shown
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})", re.M)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", help="Python, or a reply with a fenced block of it; - is stdin")
    parser.add_argument(
        "--task", required=True, help="a name of core_jax.envs.names(), or module:attribute"
    )
    parser.add_argument("--signature", default="core", choices=get_args(Kind))
    options = parser.parse_args(arguments)
    try:
        text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        print(f"cannot read {options.file}: {error}", file=sys.stderr)
        return 2
    try:
        env = envs.make(options.task)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    spec, recorded = env.spec, samples.recorded(options.task)
    states = recorded or _played(env)
    signature = make_signature(
        options.signature,
        spec.formal_fields,
        spec.formal_action_description,
        spec.target_description,
    )
    offset = 0
    try:
        code, offset = _code(text)
        reward = compile_reward(
            code,
            observation_size=states[0].observation.size,
            action_size=env.action_size,
            target_shape=states[0].target.shape,
            signature=signature,
            target=env.target,
            states=[(one.observation, one.action, one.target) for one in recorded],
        )
    except RewardError as error:
        for found in error.diagnostics:
            print(dataclasses.replace(found, line=found.line + offset))
        count = len(error.diagnostics)
        print(f"refused: {count} problem{'s' * (count > 1)}")
        return 1
    for line in report(reward, options.task, states):
        print(line)
    return 0


def report(reward: FormalReward, task: str, states: Sequence[samples.Sample]) -> Iterator[str]:
    """Lines that show a reward on states: a row for each component, a column for each state."""
    columns = [np.stack(column) for column in list(zip(*states, strict=True))[1:]]
    total, parts = jax.device_get(jax.jit(jax.vmap(reward))(*columns))
    rows = {name: parts[name] for name in reward.component_names} | {"total": total}
    width = max(len(name) for name in rows)
    yield f"`{reward.name}` compiles for {task} (signature {reward.signature.kind})"
    yield ""
    yield " " * width + "".join(f"{state.label:>12}" for state in states)
    for name, values in rows.items():
        yield f"{name:<{width}}" + "".join(f"{value:>12.4g}" for value in values)
    yield ""
    yield from (f"warning: {text}" for text in reward.warnings)
    yield from _notes(total, parts, [state.label for state in states])


def _notes(total: np.ndarray, parts: dict[str, np.ndarray], labels: list[str]) -> Iterator[str]:
    if np.any(np.abs(total) > 1 + 1e-6):
        yield "note: the total leaves [-1, 1]; training clips it there"
    if parts and not np.allclose(sum(parts.values()), total, atol=1e-4):
        yield "note: the components do not sum to the total"
    for name, values in parts.items():
        if np.ptp(values) < 1e-6:
            yield f"note: {name!r} is the same in all these states"
    done = next((i for i, label in enumerate(labels) if label.startswith("done")), None)
    if done is not None and np.argmax(total) != done:
        best = labels[int(np.argmax(total))]
        yield f"note: the total is larger at {best!r} than when the task is done"


def _code(text: str) -> tuple[str, int]:
    """The code of a file or reply, and how many lines stand above it."""
    if not _FENCE.search(text):
        return text, 0
    code = extract_code(text)
    above, found, _ = text.replace("\r\n", "\n").partition(code.rstrip("\n"))
    return code, above.count("\n") if found else 0


def _played(env: envs.TaskEnv) -> tuple[samples.Sample, ...]:
    """States of a task of which none have been recorded: a reset, then random actions."""
    print(f"note: no states of this task are recorded; played {_AT[-1]} random actions")
    key = jax.random.key(0)

    def step(state: Any, key: jax.Array) -> tuple[Any, Any]:
        if env.spec.discrete:
            action = jax.random.randint(key, (), 0, env.action_size)
        else:
            action = jax.random.uniform(key, (env.action_size,), minval=-1.0)
        state = env.step(state, action)
        shown = jax.nn.one_hot(action, env.action_size) if env.spec.discrete else action
        return state, (env.spec.formal_view(state.obs), shown, state.info["target"])

    def play(key: jax.Array) -> tuple[Any, Any]:
        start = env.reset(key)
        first = (env.spec.formal_view(start.obs), start.info["target"])
        return first, jax.lax.scan(step, start, jax.random.split(key, _AT[-1]))[1]

    (obs, target), steps = jax.device_get(jax.jit(play)(key))
    rows = [("start", obs, np.zeros_like(steps[1][0]), target)]
    rows += [(f"step {i}", *(column[i - 1] for column in steps)) for i in _AT]
    return tuple(
        samples.Sample(label, *(np.asarray(x, np.float32) for x in row)) for label, *row in rows
    )


if __name__ == "__main__":
    sys.exit(main())
