"""Exports a policy: `python scripts/export.py RUN --out policy.npz`.

Writes the actor's weights and, beside them, `numpy_policy.py`: numpy is all it needs to act. The
last line of stdout is one JSON object.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from core_jax.agents.learner import Learner
from core_jax.runs import restore
from core_jax.training import cache, devices


def export(
    run: Annotated[Path, tyro.conf.Positional],
    out: Path = Path("policy.npz"),
    seed: int | None = None,
) -> int:
    """Writes one seed's policy.

    Args:
        run: the run's folder.
        out: the file to write; other seeds of the run are numbered in their names.
        seed: which seed of the run; all of them by default.
    """
    devices.prepare_cpu(1)
    cache.enable()
    try:
        if out.suffix != ".npz":
            raise ValueError(f"--out {out}: must end in .npz")
        restored = restore.load(run)
        config, learner = restored.config, restored.train.plan.learner
        if learner.name not in _ARRAYS:
            known = ", ".join(_ARRAYS)
            raise ValueError(f"policies of learner {learner.name} cannot be exported; of: {known}")
        if config.sweep:
            names = ", ".join(config.sweep)
            raise ValueError(
                f"{run} is a sweep of {names}: policies of the same seed would have one name. "
                "Train the chosen values as a run of their own"
            )
        seeds = [config.seed + s for s in range(config.training.seeds)]
        if seed is not None and seed not in seeds:
            raise ValueError(f"{run} has no seed {seed}; it has {', '.join(map(str, seeds))}")
        out.parent.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    written = []
    state = jax.device_get(restored.seeds.learner)
    for s, name in enumerate(seeds):
        if seed not in (None, name):
            continue
        path = out if len(seeds) == 1 or seed is not None else _numbered(out, name)
        policy = learner.policy(jax.tree.map(lambda x, s=s: x[s], state))
        arrays = policy_arrays(learner, policy)
        np.savez(path, **arrays, task=config.task, protocol=config.protocol)
        written.append(str(path))
    shutil.copy(Path(__file__).with_name("numpy_policy.py"), out.parent / "numpy_policy.py")
    print(json.dumps({"run": str(run), "task": config.task, "policies": written}))
    return 0


def policy_arrays(learner: Learner[Any], policy: Any) -> dict[str, Any]:
    """What `numpy_policy.Policy` reads of a policy.

    Args:
        learner: whose policy it is.
        policy: one seed's, from `learner.policy`.
    """
    return {"action_size": learner.action_space.size, **_ARRAYS[learner.name](learner, policy)}


def _sac_arrays(learner: Any, policy: Any) -> dict[str, Any]:
    del learner
    return {**_layers(policy["params"]["mlp"]), "activation": "relu", "head": "tanh"}


def _ppo_arrays(learner: Any, policy: Any) -> dict[str, Any]:
    from core_jax.agents import running_stats

    head = "argmax" if learner.action_space.discrete else "clip"
    found = {**_layers(policy.actor["params"]["mlp"]), "activation": "tanh", "head": head}
    if learner.config.normalise_obs:
        stats = policy.obs_stats
        std = np.maximum(np.sqrt(stats.variance), running_stats.MIN_STD)
        found |= {"obs_mean": stats.mean, "obs_std": std, "obs_limit": running_stats.LIMIT}
    return found


def _layers(mlp: Mapping[str, Any]) -> dict[str, np.ndarray]:
    found = {}
    for i in range(len(mlp)):
        found[f"kernel_{i}"] = np.asarray(mlp[f"layer_{i}"]["kernel"])
        found[f"bias_{i}"] = np.asarray(mlp[f"layer_{i}"]["bias"])
    return found


_ARRAYS = {"sac": _sac_arrays, "ppo": _ppo_arrays}


def _numbered(path: Path, seed: int) -> Path:
    return path.with_name(f"{path.stem}_seed{seed}{path.suffix}")


if __name__ == "__main__":
    sys.exit(tyro.cli(export))
