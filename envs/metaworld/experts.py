"""Scripted experts: proportional controllers in the manner of Meta-World's policies, in jnp.

They judge the port (the original's expert must work in it too) and give the goal picture's state.
Gains and waypoints are facts of Meta-World's policies (Yu et al. 2019).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from brax.envs.base import State

from envs.task import TaskEnv

Expert = Callable[[jax.Array], jax.Array]


def expert(name: str) -> Expert:
    """Returns the expert of a task, a function from an observation [39] to an action [4].

    Raises:
        ValueError: if the task has no expert.
    """
    if name not in _EXPERTS:
        raise ValueError(f"no expert for {name!r}. Valid: {', '.join(sorted(_EXPERTS))}.")
    return _EXPERTS[name]


def demonstrate(env: TaskEnv, key: jax.Array, steps: int = 150) -> tuple[State, State]:
    """Returns one expert episode's first and last state: the start and the goal picture's."""
    act = expert(env.spec.name)
    start = env.reset(key)
    goal, _ = jax.lax.scan(lambda s, _: (env.step(s, act(s.obs)), None), start, length=steps)
    return start, goal


def _move(hand_pos: jax.Array, to: jax.Array, gain: float, grip: float) -> jax.Array:
    return jnp.clip(jnp.append(gain * (to - hand_pos), grip), -1.0, 1.0)


def _drawer_open(obs: jax.Array) -> jax.Array:
    """Goes above the handle, comes down on it, and pulls hard with the fingers open."""
    hand_pos = obs[:3]
    handle = obs[4:7] - jnp.array([0.0, 0.0, 0.02])
    above = _move(hand_pos, handle + jnp.array([0.0, 0.0, 0.3]), 4.0, -1.0)
    down = _move(hand_pos, handle, 4.0, -1.0)
    pull = _move(hand_pos, handle - jnp.array([0.0, 0.06, 0.0]), 50.0, -1.0)
    is_away = jnp.linalg.norm(hand_pos[:2] - handle[:2]) > 0.06
    is_high = jnp.abs(hand_pos[2] - handle[2]) > 0.04
    return jnp.where(is_away, above, jnp.where(is_high, down, pull))


_EXPERTS: dict[str, Expert] = {"drawer-open": _drawer_open}
