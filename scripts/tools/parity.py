"""Plays the same policies in the port and in the original Meta-World, and compares.

`python scripts/tools/parity.py --original /path/to/python [--task T|all] [--resets 100]`

The other Python has `metaworld==3.1.1 mujoco==3.3.0` and serves Meta-World's scripted policies and
its environments over pipes (scripts/tools/metaworld_original.py). First-success steps are counted
from 1; their means are over the episodes that succeed. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from core_jax import envs
from core_jax.envs.metaworld import experts
from core_jax.training import cache, devices

# [resets, 39] -> [resets, 4]
Policy = Callable[[np.ndarray], np.ndarray]


class Original:
    """The original behind a pair of pipes."""

    def __init__(self, python: Path):
        """Starts it.

        Args:
            python: an interpreter with Meta-World installed.
        """
        script = Path(__file__).with_name("metaworld_original.py")
        quiet = ("-W", "ignore::UserWarning")  # policies warn of their own large gains
        self._process = subprocess.Popen(
            [str(python), *quiet, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Original:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def ask(self, request: str, **arguments: Any) -> Any:
        """Sends one request and returns its answer.

        Raises:
            RuntimeError: if the other end has gone; its traceback is on stderr.
        """
        print(json.dumps({"request": request, **arguments}), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the original stopped at request {request!r}")
        return json.loads(answer)


class Port:
    """Worlds of one task and protocol, stepped in lockstep."""

    def __init__(self, task: str, protocol: str):
        self.env = envs.make(task, protocol=protocol)
        self._reset = jax.jit(jax.vmap(self.env.reset))
        self._step = jax.jit(jax.vmap(self.env.step))

    def first_success(self, policy: Policy, resets: int, seed: int) -> np.ndarray:
        """Plays whole episodes; returns first-success steps [resets], 0 for never."""
        state = self._reset(jax.random.split(jax.random.key(seed), resets))
        first = np.zeros(resets, int)
        for step in range(1, self.env.spec.horizon + 1):
            state = self._step(state, jnp.asarray(policy(np.asarray(state.obs)), jnp.float32))
            won = np.asarray(state.metrics["success"]) > 0
            first = np.where((first == 0) & won, step, first)
            if first.all():
                break
        return first


def summary(first: np.ndarray) -> dict[str, Any]:
    """Success rate and mean first-success step of several episodes."""
    return {
        "success": float(np.mean(first > 0)),
        "first_success_mean": float(first[first > 0].mean()) if first.any() else None,
    }


def in_original(
    original: Original, port: Port, policy: Policy, resets: int, seed: int
) -> np.ndarray:
    """Plays a policy of ours in the original, one episode after another."""
    spec = port.env.spec
    original.ask("make", task=spec.name, protocol=port.env.protocol, seed=seed)
    first = np.zeros(resets, int)
    for episode in range(resets):
        obs = np.array(original.ask("reset"))
        for step in range(1, spec.horizon + 1):
            action = np.asarray(policy(obs[None]))[0].tolist()
            obs, success = original.ask("step", action=action)
            obs = np.array(obs)
            if success:
                first[episode] = step
                break
    return first


def compare(original: Original, task: str, resets: int, seed: int, ours: int) -> list[dict]:
    """Returns one row for each policy and protocol of a task.

    Args:
        original: the other end.
        task: the task.
        resets: episodes of each policy.
        seed: of the resets, on both sides; they draw differently from it.
        ours: episodes of our expert in the original, which plays them one by one.
    """

    def scripted(obs: np.ndarray) -> np.ndarray:
        return np.array(original.ask("act", task=task, obs=np.round(obs, 7).tolist()))

    rows = []
    for protocol in ("random", "paper") if ours else ("random",):
        port = Port(task, protocol)
        if protocol == "random":
            theirs = original.ask("play", task=task, protocol=protocol, episodes=resets, seed=seed)
            here = summary(port.first_success(scripted, resets, seed))
            rows.append(row(task, protocol, "Meta-World's", here, theirs))
        if ours:
            act = jax.jit(jax.vmap(experts.expert(task)))
            here = summary(port.first_success(act, resets, seed))
            theirs = summary(in_original(original, port, act, ours, seed))
            rows.append(row(task, protocol, "ours", here, theirs))
    return rows


def row(task: str, protocol: str, policy: str, port: dict, original: dict) -> dict[str, Any]:
    """Puts both sides' numbers beside each other."""
    mine, theirs = port["first_success_mean"], original["first_success_mean"]
    return {
        "task": task,
        "protocol": protocol,
        "policy": policy,
        "success_port": port["success"],
        "success_original": original["success"],
        "first_port": mine,
        "first_original": theirs,
        "first_ratio": mine / theirs if mine and theirs else None,
    }


def line(found: dict[str, Any]) -> str:
    """Formats a row of the table."""
    number = lambda key, digits: "-" if found[key] is None else f"{found[key]:.{digits}f}"
    return (
        f"{found['task']:<21} {found['protocol']:<7} {found['policy']:<13}"
        f"{number('success_port', 2):>6} {number('success_original', 2):>8}"
        f"{number('first_port', 1):>8} {number('first_original', 1):>8}"
        f"{number('first_ratio', 2):>7}"
    )


def main(
    original: Path,
    task: str = "drawer-open",
    resets: int = 100,
    ours: int = 50,
    seed: int = 0,
) -> int:
    """Compares the port with the original by what policies reach in both.

    Args:
        original: a Python with metaworld==3.1.1 and mujoco==3.3.0 installed.
        task: a task, or all.
        resets: episodes of each policy in the port, and of Meta-World's policy in the original.
        ours: episodes of our experts in the original; 0 leaves our experts out.
        seed: of the resets.
    """
    devices.prepare_cpu(1)
    cache.enable()
    tasks = envs.names("metaworld") if task == "all" else (task,)
    if not set(tasks) <= set(envs.names("metaworld")):
        valid = ", ".join(("all", *envs.names("metaworld")))
        print(f"error: unknown task: {task!r}. Valid: {valid}.", file=sys.stderr)
        return 2
    print(f"{'':<43}{'success':>15}{'first success':>17}")
    print(f"{'task':<21} {'resets':<7} {'policy':<13}{'port':>6} {'original':>8}", end="")
    print(f"{'port':>8} {'original':>8}{'ratio':>7}", flush=True)
    rows = []
    began = time.perf_counter()
    with Original(original) as other:
        for name in tasks:
            for found in compare(other, name, resets, seed, ours):
                rows.append(found)
                print(line(found), flush=True)
    report = {"resets": resets, "ours_in_original": ours, "seed": seed, "rows": rows}
    print(json.dumps({**report, "seconds": round(time.perf_counter() - began, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
