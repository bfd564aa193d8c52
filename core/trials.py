"""Choosing a first formal reward by ground truth, as the paper does: short trainings, scored.

The candidates of all seeds are trained side by side: a candidate is one more lane of the same
vmapped program, not one more run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from core import run_folder
from core.config import Config
from core.formal_module import Candidate
from core.training import make_train


def ground_truth_scores(config: Config, candidates: Sequence[Candidate]) -> np.ndarray:
    """Score of each candidate for each seed [S, K]; -inf where it was refused.

    The score is the mean ground-truth success of the training's episodes (the paper's), the
    unfinished ones counted as they stand; a thousandth of the mean progress breaks ties.
    """
    compiled = [i for i, c in enumerate(candidates) if c.reward]
    length = config.trial_steps
    trial = dataclasses.replace(
        config, seeds=config.seeds * len(compiled), steps=length, replay=length, rrm=False
    )
    train = make_train(trial)
    formal = [candidates[i].reward for _ in range(config.seeds) for i in compiled]
    keys = jnp.repeat(run_folder.seed_keys(config), len(compiled))
    state = train.init(jax.vmap(jax.random.fold_in, (0, None))(keys, 5_000_000))
    episodes = successes = progress = 0.0
    chunks = length // config.chunk
    for _ in range(chunks):
        state, row = train.train_chunk(state, formal)
        episodes += np.asarray(row["episodes"])
        successes += np.asarray(row["episode_successes"])
        progress += np.asarray(row["step_progress"]) / chunks
    info = state.lanes.env_state.info
    running = np.asarray(info["episode_success"] * (1.0 - state.lanes.env_state.done))
    total = (successes + running.sum(1)) / (episodes + running.shape[1])
    scores = np.full((config.seeds, len(candidates)), -np.inf)
    scores[:, compiled] = (total + 1e-3 * progress).reshape(config.seeds, len(compiled))
    return scores
