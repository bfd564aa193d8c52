"""Plays exported policies in the original Meta-World: does what was learned in the port transfer?

Runs in a virtual environment with `metaworld==3.1.1 mujoco==3.3.0` and nothing of this project. A
policy is an `.npz` file: `kernel_i`, `bias_i` of an actor with ReLU hidden layers whose last layer
gives mean and log-std (the action is tanh(mean)), optionally `obs_mean` and `obs_std`, and the
strings `task` and `protocol`. The last line of stdout is one JSON object.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from record_metaworld import PAPER_STARTS, original_env

HORIZON = 500


def load_policy(path: Path) -> tuple[Callable[[np.ndarray], np.ndarray], dict[str, str]]:
    """Returns the deterministic policy and its metadata."""
    data = np.load(path)
    count = sum(k.startswith("kernel_") for k in data.files)
    layers = [(data[f"kernel_{i}"], data[f"bias_{i}"]) for i in range(count)]
    mean = data["obs_mean"] if "obs_mean" in data.files else 0.0
    std = data["obs_std"] if "obs_std" in data.files else 1.0

    def act(obs: np.ndarray) -> np.ndarray:
        x = (obs - mean) / std
        for kernel, bias in layers[:-1]:
            x = np.maximum(x @ kernel + bias, 0.0)
        kernel, bias = layers[-1]
        out = x @ kernel + bias
        return np.tanh(out[: len(out) // 2]).astype(np.float32)

    return act, {k: str(data[k]) for k in ("task", "protocol") if k in data.files}


def play(act: Callable[[np.ndarray], np.ndarray], task: str, protocol: str, episodes: int) -> dict:
    """Plays episodes of 500 steps; success is success at any step."""
    env, first = original_env(task, protocol), []
    for _ in range(episodes):
        obs, _ = env.reset()
        # The original's first observation shows the drawer of the reset before; 0 means never.
        success = 0
        for step in range(1, HORIZON + 1):
            obs, _, _, _, info = env.step(np.clip(act(obs), -1.0, 1.0))
            if info["success"]:
                success = step
                break
        first.append(success)
    reached = [s for s in first if s]
    return {
        "task": task,
        "protocol": protocol,
        "episodes": episodes,
        "success": len(reached) / episodes,
        "first_success_mean": float(np.mean(reached)) if reached else None,
    }


def main() -> None:
    """Plays every policy and prints one line for each, then the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="+", type=Path, help="exported policies, .npz")
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--protocol", choices=("paper", "random"), help="default: the policy's")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    results = []
    for path in args.run:
        np.random.seed(args.seed)  # Meta-World draws its resets from the global generator
        act, meta = load_policy(path)
        task = meta.get("task", "drawer-open")
        if task not in PAPER_STARTS:
            parser.error(f"{path}: task {task!r} is not known here: {sorted(PAPER_STARTS)}")
        protocol = args.protocol or meta.get("protocol", "paper")
        result = {"policy": path.name, **play(act, task, protocol, args.episodes)}
        results.append(result)
        print(f"{path.name}: success {result['success']:.2f} ({protocol})")
    if len(results) == 1:
        print(json.dumps(results[0]))
        return
    rates = [r["success"] for r in results]
    shared = {k: results[0][k] for k in ("task", "protocol", "episodes")}
    print(json.dumps({**shared, "success": float(np.mean(rates)), "policies": results}))


if __name__ == "__main__":
    main()
