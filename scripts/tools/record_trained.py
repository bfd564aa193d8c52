"""Records what the original Meta-World makes of actions of trained policies.

    python scripts/tools/record_trained.py --original /path/to/python --policies hammer a.npz b.npz

Learning looks for the places where a port is easier than its original; scripted policies do not. So
policies that were trained in the port act there from random starts, and their actions are replayed
in the original from the same starts (`divergence.py`). `tests/data/metaworld/trained/<task>.npz`
gets the actions and what both sides did; tests/envs/test_trained_policies.py plays the actions
again. The other Python has `metaworld==3.1.1 mujoco==3.3.0`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from divergence import STARTS, in_original, in_port
from divergence import Options as Replay
from parity import Original

import core_jax
from core_jax import envs
from core_jax.runs.policy import Policy
from core_jax.training import cache, devices


@dataclass(frozen=True)
class Options:
    """Command line.

    Attributes:
        original: a Python with metaworld==3.1.1 and mujoco==3.3.0 installed.
        policies: of one task each: a trained policy's name, or an exported `.npz` file.
        episodes: of each policy.
        seed: of the first policy's resets; the next one's is one more.
        steps: length of an episode.
        out: folder of the recordings.
    """

    original: Path
    policies: tuple[str, ...]
    episodes: int = 8
    seed: int = 1_000
    steps: int = 100
    out: Path = Path("tests/data/metaworld/trained")


def record(options: Options, policies: list[Policy], other: Original) -> str:
    """Records the policies of one task; returns a line about it."""
    env, parts, succeeded = envs.make(policies[0].task, protocol="random"), [], []
    for i, policy in enumerate(policies):
        replay = Replay(options.original, episodes=options.episodes, seed=options.seed + i,
                        steps=options.steps)  # fmt: skip
        here, starts, actions = in_port(env, policy, replay)
        there = in_original(other, env, here, starts, actions)
        parts.append(
            {
                "seed": np.full(options.episodes, replay.seed),
                "start": starts,
                "actions": actions,
                "frames": there.obs[..., :7].astype(np.float16),  # hand, gripper, object
                "success": there.success,
            }
        )
        succeeded.append((here.success.any(axis=1), there.success.any(axis=1)))
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{env.spec.name.replace('-', '_')}.npz"
    np.savez_compressed(path, start_fields=np.array(STARTS[env.spec.name]), **rows)
    here, there = (np.concatenate(side) for side in zip(*succeeded, strict=True))
    return (
        f"{path}: {len(here)} episodes, success {here.mean():.2f} here, {there.mean():.2f} there, "
        f"the same in {(here == there).mean():.2f}"
    )


def main(options: Options) -> int:
    """Records each task that the policies are of."""
    devices.prepare_cpu(1)
    cache.enable()
    try:
        policies = [core_jax.load_policy(name) for name in options.policies]
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    tasks = dict.fromkeys(policy.task for policy in policies)
    if unknown := set(tasks) - set(envs.names("metaworld")):
        print(f"error: no tasks of Meta-World: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    with Original(options.original) as other:
        for task in tasks:
            print(record(options, [p for p in policies if p.task == task], other), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
