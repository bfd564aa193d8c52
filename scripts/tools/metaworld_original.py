"""The original Meta-World: its environments in both protocols, and a server that plays them.

Runs in a virtual environment with `metaworld==3.1.1 mujoco==3.3.0` and nothing of this project;
`metaworld` is imported when it is first used, so that `--help` works everywhere.
As a program it is scripts/tools/parity.py's other end: one JSON request a line on stdin, one JSON
answer a line on stdout. The requests are the functions in `_REQUESTS`.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

HORIZON = 500
# Hand start and frozen reset vector of the `paper` protocol (values of CoRe's code).
PAPER_STARTS = {
    "soccer": ((0.0, 0.56, 0.05), (0.0, 0.65, 0.03, 0.0, 0.85, 0.0)),
    "sweep-into": ((0.0, 0.53, 0.05), (0.0, 0.65, 0.02, 0.0, 0.84, 0.02)),
    "drawer-open": ((0.0, 0.72, 0.15), (0.0, 0.9, 0.0)),
    "button-press-topdown": ((0.0, 0.65, 0.3), (0.0, 0.8, 0.115)),
    "dial-turn": ((0.0, 0.6, 0.15), (0.0, 0.7, 0.0)),
    "hammer": ((0.0, 0.45, 0.05), (0.0, 0.45, 0.03)),
    "peg-insert-side": ((0.1, 0.6, 0.05), (0.1, 0.6, 0.015, -0.3, 0.55, 0.0)),
}
TASKS = tuple(PAPER_STARTS)


def original_env(task: str, protocol: str) -> Any:
    """Builds the original environment with the reset of the given protocol, the goal observable."""
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    env = ALL_V3_ENVIRONMENTS[f"{task}-v3"]()
    env._partially_observable = False
    env.__dict__.pop("sawyer_observation_space", None)  # cached for a hidden goal
    env._set_task_called = True
    env._freeze_rand_vec = False
    if protocol == "paper":
        hand, rand_vec = PAPER_STARTS[task]
        env.hand_init_pos = np.array(hand)
        env._freeze_rand_vec = True
        env._last_rand_vec = np.array(rand_vec)
    return env


def scripted_policy(task: str) -> Callable[[np.ndarray], np.ndarray]:
    """Meta-World's own scripted expert: observation [39] -> action [4]."""
    from metaworld.policies import ENV_POLICY_MAP

    return ENV_POLICY_MAP[f"{task}-v3"]().get_action


def first_success(
    env: Any, act: Callable[[np.ndarray], np.ndarray], obs: np.ndarray | None = None
) -> int:
    """Plays one episode; returns the first step with success, counted from 1, or 0 for never.

    Args:
        env: of `original_env`.
        act: observation [39] -> action [4].
        obs: the first observation if the environment has just been reset. In drawer-open and
            dial-turn it shows the fixture of the reset before.
    """
    if obs is None:
        obs, _ = env.reset()
    for step in range(1, HORIZON + 1):
        obs, _, _, _, info = env.step(act(obs))
        if info["success"]:
            return step
    return 0


def summary(first: list[int]) -> dict[str, Any]:
    """Success rate and mean first-success step of several episodes."""
    reached = [int(step) for step in first if step]
    return {
        "success": len(reached) / len(first),
        "first_success_mean": float(np.mean(reached)) if reached else None,
    }


class Server:
    """Answers requests. One scripted policy a task and one environment are kept between them."""

    def __init__(self) -> None:
        self._policies: dict[str, Any] = {}
        self._env: Any = None

    def act(self, task: str, obs: list[list[float]]) -> list[list[float]]:
        """Scripted actions for a batch of observations."""
        if task not in self._policies:
            self._policies[task] = scripted_policy(task)
        policy = self._policies[task]
        return [np.clip(policy(np.array(row)), -1.0, 1.0).tolist() for row in obs]

    def play(self, task: str, protocol: str, episodes: int, seed: int) -> dict[str, Any]:
        """Success of the scripted policy in the original."""
        np.random.seed(seed)  # Meta-World draws its resets from the global generator
        env, policy = original_env(task, protocol), scripted_policy(task)
        return summary([first_success(env, policy) for _ in range(episodes)])

    def make(self, task: str, protocol: str, seed: int) -> None:
        """Builds the environment that `reset` and `step` are about."""
        np.random.seed(seed)
        self._env = original_env(task, protocol)

    def reset(self) -> list[float]:
        """Resets it and returns the observation."""
        return self._env.reset()[0].tolist()

    def step(self, action: list[float]) -> list[Any]:
        """Steps it and returns observation and success."""
        obs, _, _, _, info = self._env.step(np.array(action))
        return [obs.tolist(), bool(info["success"])]

    def replay(
        self, task: str, protocol: str, start: list[float], actions: list[list[float]]
    ) -> dict[str, Any]:
        """What given actions do from a given start.

        Args:
            task: the task.
            protocol: `paper` or `random`; says where the hand starts.
            start: the original's reset vector.
            actions: [T, 4].

        Returns:
            `obs` [T + 1, 39], `qpos` [T + 1, nq] without the arm's seven joints, `success` [T].
        """
        env = original_env(task, protocol)
        env._freeze_rand_vec, env._last_rand_vec = True, np.array(start)
        env.reset()
        obs, _ = env.reset()  # the first observation after a reset may show the reset before
        found: dict[str, Any] = {"obs": [obs.tolist()], "qpos": [env.data.qpos[7:].tolist()]}
        found["success"] = []
        for action in actions:
            obs, _, _, _, info = env.step(np.array(action))
            found["obs"].append(obs.tolist())
            found["qpos"].append(env.data.qpos[7:].tolist())
            found["success"].append(bool(info["success"]))
        return found


_REQUESTS = ("act", "play", "make", "reset", "step", "replay")


def serve() -> None:
    """Answers requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    server = Server()
    for line in sys.stdin:
        request = json.loads(line)
        name = request.pop("request")
        if name not in _REQUESTS:
            raise ValueError(f"unknown request: {name!r}. Valid: {', '.join(_REQUESTS)}.")
        print(json.dumps(getattr(server, name)(**request)), file=answers, flush=True)


if __name__ == "__main__":
    argparse.ArgumentParser(
        description="Plays the original Meta-World for scripts/tools/parity.py, which starts it: a "
        "JSON request per line on stdin, a JSON answer per line on stdout."
    ).parse_args()
    serve()
