"""Every recorded reply of the language model: what runs under NumPy compiles and agrees with it."""

import json
import math
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest

import core.models
from reward_models.formal import RewardError, compile_reward, extract_code

REPLIES = sorted((Path(core.models.__file__).parent / "replies").glob("*.json"))
RANDOM, ROLLOUT = 1_000, 200
TARGETS = {  # a plausible place of each task's target, m
    "button-press-topdown": (0.0, 0.78, 0.12),
    "dial-turn": (0.0, 0.73, 0.08),
    "drawer-open": (0.0, 0.54, 0.09),
    "hammer": (0.24, 0.71, 0.11),
    "peg-insert-side": (-0.3, 0.6, 0.13),
    "soccer": (0.0, 0.9, 0.02),
    "sweep-into": (0.0, 0.84, 0.02),
}


def unit(quaternions):
    return quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True)


@cache
def states(task: str):
    """Float32 observations, actions and targets: random ones, then some as a rollout has them.

    A rollout's hand wanders over the table to an object that begins to move with it half way, in
    steps of at most a centimetre; the target stays.
    """
    generator = np.random.default_rng(7)
    random = [0.6 * generator.standard_normal((RANDOM, n)) for n in (11, 4, 3)]
    random[0][:, 3] = generator.uniform(0, 1, RANDOM)
    random[0][:, 7:] = unit(random[0][:, 7:])
    low, high = np.array([-0.4, 0.4, 0.03]), np.array([0.4, 0.9, 0.3])
    steps = generator.uniform(-0.01, 0.01, (ROLLOUT, 3))
    hand = np.clip([0.0, 0.6, 0.15] + np.cumsum(steps, axis=0), low, high)
    target = np.tile(TARGETS[task], (ROLLOUT, 1))
    start = target[0] + [0.05, -0.15, 0.01]
    along = np.clip(np.linspace(-1, 1, ROLLOUT), 0, 1)[:, None]
    thing = start + along * (target - start)
    hand = np.where(along > 0, thing + [0.0, -0.02, 0.01], hand)
    opening = generator.uniform(0, 1, (ROLLOUT, 1))
    turn = unit([1.0, 0.0, 0.0, 0.0] + 0.3 * along * generator.standard_normal((ROLLOUT, 4)))
    rollout = np.concatenate([hand, opening, thing, turn], axis=1)
    played = rollout, generator.uniform(-1, 1, (ROLLOUT, 4)), target
    return [np.concatenate([a, b]).astype(np.float32) for a, b in zip(random, played, strict=True)]


def under_numpy(code: str, batch):
    """Total and components of each state in float64; None if the code does not do this.

    A reward "runs" if it gives a single number and a dict of single numbers on every state.
    """
    namespace = {"np": np, "math": math}
    rows = [part.astype(np.float64) for part in batch]
    try:
        exec(code, namespace)  # recorded replies, run here only: the oracle
        function = namespace["compute_reward"]
        results = [function(*(part[i].copy() for part in rows)) for i in range(len(rows[0]))]
        names = list(results[0][1])
        assert all(list(named) == names for _, named in results)
        total = np.array([float(total) for total, _ in results])
        return total, {k: np.array([float(named[k]) for _, named in results]) for k in names}
    except Exception:  # whatever a language model's code may raise
        return None


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: path.stem)
def test_recorded_replies_agree_with_numpy(path):
    recording = json.loads(path.read_text())
    replies = [*recording["initial"]["replies"], *recording["refinement"]["replies"]]
    assert len(replies) == 16
    batch, refused, compared = states(path.stem), 0, 0
    for code in map(extract_code, replies):
        expected = under_numpy(code, batch)
        try:
            reward = compile_reward(code)
        except RewardError:
            refused += expected is not None
            continue
        assert expected is not None, f"compiles, but does not run:\n{code}"
        total, components = expected
        # not jitted: so all replies share the operations, each compiled once
        lowered, named = jax.vmap(reward)(*batch)
        assert reward.component_names == tuple(components)
        assert set(named) == set(components)
        agrees(lowered, total, f"the total of\n{code}")
        for name, values in components.items():
            agrees(named[name], values, f"{name} of\n{code}")
        for index in (0, RANDOM):
            alone, parts = reward(*(part[index] for part in batch))
            agrees(alone, total[index], f"the total, alone, of\n{code}")
            for name, value in parts.items():
                agrees(value, components[name][index], f"{name}, alone, of\n{code}")
        compared += 1
    assert refused == REFUSED.get(path.stem, 0)
    assert compared == RUN[path.stem] - refused


def agrees(lowered, expected, what):
    """Float32 with NumPy's float64 on the same float32 inputs, to 1e-5, relative or absolute."""
    assert lowered.dtype == np.float32
    far = np.abs(lowered - expected) > 1e-5 * np.maximum(1, np.abs(expected))
    assert not far.any(), what


RUN = {path.stem: 16 for path in REPLIES} | {"drawer-open": 14}
# These run under NumPy and use `try`, which the question forbids.
REFUSED = {"drawer-open": 1, "sweep-into": 1}


def test_nearly_all_that_run_compile():
    assert len(REPLIES) == len(TARGETS) == 7
    assert sum(REFUSED.values()) <= 0.02 * sum(RUN.values())
