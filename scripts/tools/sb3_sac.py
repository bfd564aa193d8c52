"""Trains Stable-Baselines3's SAC on the original Meta-World, for comparison.

`SB3_PYTHON scripts/tools/sb3_sac.py drawer-open --minutes 30`

Runs in a virtual environment with `metaworld==3.1.1 mujoco==3.3.0 stable-baselines3` and nothing
of this project. SAC has the library's default settings (one environment, one update a step, two
layers of 256 units) and Meta-World's dense reward; the goal is observable, as in our training. An
evaluation plays the mean action; success is success at any of 500 steps. Training ends when success
was at least `--stop-at` in three evaluations in a row, after `--minutes`, or after `--steps`. The
last line of stdout is one JSON object. Minutes are the processor's, without those of evaluations:
with one thread they hardly depend on what else the machine does.
"""

import argparse
import json
import time
from typing import Any

import numpy as np
from metaworld_original import TASKS, first_success, original_env, summary

_HELD = 3


def evaluate(model: Any, task: str, protocol: str, episodes: int) -> float:
    """Success of the mean action over episodes of fresh resets."""
    env = original_env(task, protocol)

    def act(obs: np.ndarray) -> np.ndarray:
        return model.predict(obs.astype(np.float32), deterministic=True)[0]

    return summary([first_success(env, act) for _ in range(episodes)])["success"]


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Trains in rounds of `--every` steps, each followed by an evaluation."""
    import torch
    from stable_baselines3 import SAC

    torch.set_num_threads(args.threads)
    np.random.seed(args.seed)  # Meta-World draws its resets from the global generator
    model = SAC("MlpPolicy", original_env(args.task, args.protocol), seed=args.seed, device="cpu")
    rows: list[dict[str, Any]] = []
    spent = 0.0
    while model.num_timesteps < args.steps and spent < 60 * args.minutes:
        started = time.process_time()
        model.learn(args.every, reset_num_timesteps=not rows)
        spent += time.process_time() - started
        success = evaluate(model, args.task, args.protocol, args.episodes)
        rows.append({"steps": model.num_timesteps, "cpu_minutes": spent / 60, "success": success})
        print(json.dumps(rows[-1]), flush=True)
        if len(rows) >= _HELD and min(r["success"] for r in rows[-_HELD:]) >= args.stop_at:
            break
    reached = [row for row in rows if row["success"] >= args.stop_at]
    return {
        "task": args.task,
        "protocol": args.protocol,
        "seed": args.seed,
        "steps": model.num_timesteps,
        "cpu_minutes": spent / 60,
        "success": rows[-1]["success"],
        "cpu_minutes_to_success": reached[0]["cpu_minutes"] if reached else None,
        "steps_to_success": reached[0]["steps"] if reached else None,
        "curve": rows,
    }


def main() -> None:
    """Trains one seed and prints a line for each evaluation, then the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--protocol", choices=("paper", "random"), default="random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=30.0, help="of training, at most")
    parser.add_argument("--every", type=int, default=5_000, help="steps between evaluations")
    parser.add_argument("--episodes", type=int, default=50, help="of an evaluation")
    parser.add_argument("--stop-at", type=float, default=0.95)
    parser.add_argument("--threads", type=int, default=1)
    print(json.dumps(train(parser.parse_args())))


if __name__ == "__main__":
    main()
