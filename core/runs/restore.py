"""Reads a run's folder back: its config, its functions and its newest sound checkpoint."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax

from core_jax.methods.core.residual import empty_labels
from core_jax.reward_models.formal import FormalReward
from core_jax.runs import checkpoint, run_folder
from core_jax.runs.config import Config, check
from core_jax.training.rewards import compiler
from core_jax.training.state import Lane, Train
from core_jax.training.train import make_train


class Restored(NamedTuple):
    """A run as its last checkpoint left it. `train` plays the protocol that was asked for."""

    config: Config
    train: Train
    lanes: Lane
    formal: list[FormalReward | None]
    env_steps: int
    meta: dict[str, Any]


def load(out: Path, protocol: str | None = None) -> Restored:
    """Loads a run.

    Args:
        out: the run's folder.
        protocol: play this one instead of the run's own.

    Raises:
        ValueError: no run there, or no sound checkpoint in it.
    """
    config = run_folder.load_config(out)
    train = make_train(config)
    keys = run_folder.seed_keys(config)
    like = {
        "state": jax.eval_shape(train.init, keys),
        "labels": empty_labels(config, train.env),
    }
    say = lambda text: print(text, file=sys.stderr)
    found = checkpoint.load_latest(out / "checkpoints", like, say)
    if found is None:
        raise ValueError(f"{out} has no sound checkpoint yet")
    env_steps, arrays, meta = found
    if protocol is not None and protocol != config.protocol:
        train = make_train(check(dataclasses.replace(config, protocol=protocol)))
    sources = meta.get("formal", {}).get("current", [None] * config.seeds)
    compile_reward = compiler(config, train.env)
    formal = [compile_reward(source) if source else None for source in sources]
    return Restored(config, train, train.place(arrays["state"].lanes), formal, env_steps, meta)
