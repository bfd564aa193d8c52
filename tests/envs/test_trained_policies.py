"""Actions of trained policies, played in the port and in the original Meta-World.

Scripted policies do what a port was made for; learning looks for where it differs. The actions and
what the original made of them are recorded by scripts/tools/record_trained.py, from random starts,
without feedback, so that whatever is lost once stays lost.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs

DATA = Path(__file__).parents[1] / "data" / "metaworld" / "trained"


class Bounds(NamedTuple):
    """What is asked of a task's port.

    Attributes:
        same: share of the episodes that succeed in both or in neither, at least.
        typical: m, the median over episodes of how far the object is from the original's until
            the original succeeds, the largest of each episode, at most.
        most: m, the same of three quarters of the episodes.
        hand: m, the median for the hand, at most.
    """

    same: float
    typical: float
    most: float
    hand: float


# What was measured (docs/environments.md), two episodes and a fifth of the distances worse.
BOUNDS = {
    "soccer": Bounds(0.72, 0.066, 0.153, 0.0135),
    "sweep-into": Bounds(0.77, 0.024, 0.043, 0.0085),
    "drawer-open": Bounds(0.94, 0.015, 0.021, 0.0110),
    "button-press-topdown": Bounds(0.94, 0.0065, 0.0075, 0.0125),
    "dial-turn": Bounds(0.88, 0.029, 0.065, 0.0270),
    "hammer": Bounds(0.94, 0.022, 0.031, 0.0120),
    "peg-insert-side": Bounds(0.86, 0.0155, 0.0205, 0.0090),
}


def play(env, seeds, actions, start_fields):
    """The port's observations [N, T + 1, 39], successes [N, T] and starts, the named parts of the
    first states, which are the original's reset vectors."""
    count = np.bincount(seeds)[seeds[0]]
    keys = [jax.random.split(jax.random.key(int(seed)), count) for seed in dict.fromkeys(seeds)]

    def episode(key, actions):
        first = env.reset(key)

        def step(state, action):
            state = env.step(state, action)
            return state, (state.obs, state.metrics["success"])

        _, (obs, success) = jax.lax.scan(step, first, actions)
        physics = first.pipeline_state
        start = jnp.concatenate([getattr(physics, name) for name in start_fields])
        return jnp.concatenate([first.obs[None], obs]), success > 0, start

    return jax.jit(jax.vmap(episode))(jnp.concatenate(keys), jnp.asarray(actions))


@pytest.mark.parametrize("task", envs.names("metaworld"))
def test_the_port_does_what_the_original_does_with_what_was_learned(task):
    there = dict(np.load(DATA / f"{task.replace('-', '_')}.npz"))
    names = ("seed", "actions", "start_fields")
    obs, success, start = play(envs.make(task, "random"), *(there[name] for name in names))
    np.testing.assert_allclose(start, there["start"], atol=1e-5)  # else the recording is of others
    theirs = there["success"]
    ended = np.where(theirs.any(1), theirs.argmax(1) + 1, theirs.shape[1])
    # The original's first observation may be of the reset before (docs/environments.md).
    steps = np.arange(obs.shape[1])
    until = (steps >= 1) & (steps <= ended[:, None])
    gap = np.asarray(obs)[..., :7] - there["frames"]
    hand = np.where(until, np.linalg.norm(gap[..., :3], axis=-1), 0.0).max(axis=1)
    thing = np.where(until, np.linalg.norm(gap[..., 4:7], axis=-1), 0.0).max(axis=1)
    found = Bounds(
        np.mean(np.asarray(success).any(1) == theirs.any(1)),
        np.median(thing), np.quantile(thing, 0.75), np.median(hand),
    )  # fmt: skip
    bounds = BOUNDS[task]
    assert len(gap) >= 24 and theirs.any(1).mean() > 0.5
    assert found.same >= bounds.same
    assert found.typical <= bounds.typical and found.most <= bounds.most
    assert found.hand <= bounds.hand
