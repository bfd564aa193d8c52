"""Reads a run's folder back: its config, its functions and its newest sound checkpoint."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from core_jax.runs import checkpoint, members, run_folder, setup
from core_jax.runs.checks import check
from core_jax.runs.config import Config
from core_jax.training.state import SeedState
from core_jax.training.train import Train


class Restored(NamedTuple):
    """A run as its last checkpoint left it.

    Attributes:
        config: the run's.
        train: its functions, of the protocol that was asked for.
        seeds: the device state.
        env_steps: environment steps so far.
        arrays, meta: the rest of the checkpoint.
    """

    config: Config
    train: Train
    seeds: SeedState
    env_steps: int
    arrays: dict[str, Any]
    meta: dict[str, Any]

    @property
    def programs(self) -> dict[str, list[Any]]:
        """The reward programs in use, program column -> one for each seed."""
        from core_jax.writing.writer import reward_compiler

        columns = [p.name for p in self.train.rewards.programs]
        state = self.meta.get("method", {})
        sources = state.get("current") or (state.get("formal") or {}).get("current")
        if not columns or sources is None:
            return {}
        compile_reward = reward_compiler(self.config.recipe.prompt_kind(), self.train.env)
        return {columns[0]: [compile_reward(s) if s else None for s in sources]}


def grow_replay(arrays: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's arrays with as much room in replay as the run has now, which has grown with
    its steps. The steps in it keep their order, oldest first.

    Args:
        arrays: of a checkpoint, replay `[S, rows, N, ...]`.
        like: arrays or shapes of the run.
    """
    old, new = arrays["state"].seeds.replay, like["state"].seeds.replay
    rows, wanted = old.data.cut.shape[1], new.data.cut.shape[1]
    if rows >= wanted:
        return arrays
    oldest = (np.asarray(old.cursor) - np.asarray(old.size)) % rows

    def grow(x: np.ndarray) -> np.ndarray:
        if x.ndim < 3:  # stands for an array without elements
            return x
        turned = np.stack(
            [np.roll(one, -first, axis=0) for one, first in zip(x, oldest, strict=True)]
        )
        return np.pad(turned, [(0, 0), (0, wanted - rows)] + [(0, 0)] * (x.ndim - 2))

    data = jax.tree.map(lambda x: grow(np.asarray(x)), old.data)
    replay = old.replace(data=data, cursor=np.asarray(old.size))
    state = arrays["state"]
    seeds = state.seeds.replace(replay=replay)
    return {**arrays, "state": state.replace(seeds=seeds)}


def load(out: Path | str, protocol: str | None = None) -> Restored:
    """Loads a run.

    Args:
        out: the run's folder.
        protocol: evaluate on this one instead of the run's own.

    Raises:
        ValueError: no run there, or no sound checkpoint in it.
    """
    out = Path(out)
    config = run_folder.load_config(out)
    env = setup.make_world(config)
    train = setup.make_functions(config, env)
    training = config.training
    values = members.values(config)
    like = {
        "state": jax.eval_shape(train.init, members.keys(config), values),
        **config.recipe.empty_arrays(config.settings, training, env),
    }
    say = lambda text: print(text, file=sys.stderr)
    found = checkpoint.load_latest(out / "checkpoints", like, say, grow_replay)
    if found is None:
        raise ValueError(f"{out} has no sound checkpoint yet")
    env_steps, arrays, meta = found
    state = arrays.pop("state")
    if protocol is not None and protocol != config.protocol:
        other = check(dataclasses.replace(config, protocol=protocol))
        train = setup.make_functions(other, setup.make_world(other))
    return Restored(config, train, train.place(state.seeds), env_steps, arrays, meta)
