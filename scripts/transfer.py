"""Plays exported policies in the original Meta-World: does what was learned in the port transfer?

Runs in a virtual environment with `metaworld==3.1.1 mujoco==3.3.0` and nothing of this project. A
policy is an `.npz` file of scripts/export.py. The last line of stdout is one JSON object.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy_policy import Policy
from record_metaworld import PAPER_STARTS, original_env

HORIZON = 500


def play(policy: Policy, task: str, protocol: str, episodes: int) -> dict:
    """Plays episodes of 500 steps; success is success at any step."""
    env, first = original_env(task, protocol), []
    for _ in range(episodes):
        obs, _ = env.reset()
        # The original's first observation shows the drawer of the reset before; 0 means never.
        success = 0
        for step in range(1, HORIZON + 1):
            obs, _, _, _, info = env.step(policy(obs))
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
        policy = Policy(path)
        if policy.task not in PAPER_STARTS:
            parser.error(f"{path}: task {policy.task!r} is not known: {sorted(PAPER_STARTS)}")
        protocol = args.protocol or policy.protocol
        played = play(policy, policy.task, protocol, args.episodes)
        result = {"policy": path.name, **played}
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
