"""Compares a program with its run under NumPy, on a fixed set of states."""

import functools
import math
import warnings

import jax
import numpy as np

from core_jax.reward_models.formal import RewardError, compile_reward

HEAD = "import math\nimport numpy as np\n\ndef compute_reward(observation, action, target_pos):\n"
TAIL = "    return r, {'r': r}\n"
COUNT = 24


@functools.cache
def states(seed: int = 1) -> list[np.ndarray]:
    """COUNT observations, actions and targets, float32."""
    rng = np.random.default_rng(seed)
    return [np.float32(0.7 * rng.normal(size=(COUNT, n))) for n in (11, 4, 3)]


def program(body: str) -> str:
    """The source of a reward function of this body, which assigns `r`."""
    return HEAD + "".join(f"    {line}\n" for line in body.strip("\n").split("\n")) + TAIL


def under_numpy(source: str, batch: list[np.ndarray]) -> np.ndarray:
    """The total on each state in float64; NaN where Python raises."""
    found = []
    for state in zip(*batch, strict=True):
        names: dict = {"np": np, "math": math, "print": lambda *a, **k: None}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            exec(source, names)
            try:
                total = names["compute_reward"](*(np.float64(x) for x in state))
                found.append(float(total[0] if isinstance(total, tuple) else total))
            except (ArithmeticError, LookupError, ValueError, TypeError, UnboundLocalError):
                found.append(np.nan)
    return np.array(found)


def difference(source: str) -> str:
    """What is wrong with a program: nothing (""), a refusal, or values that are not NumPy's."""
    try:
        reward = compile_reward(source)
    except RewardError as error:
        return "refused: " + "; ".join(f"{d.line}: {d.message}" for d in error.diagnostics)
    batch = states()
    found = np.asarray(jax.jit(jax.vmap(lambda *x: reward(*x)[0]))(*batch))
    expected = under_numpy(source, batch)
    same = np.abs(found - expected) <= 1e-4 * (1 + np.abs(expected))
    same |= np.isnan(expected) & ~np.isfinite(found) | (expected == found)
    if same.all():
        return ""
    return f"differs: {found[~same][:4]} instead of {expected[~same][:4]}"
