"""Scripted experts of panda-gym's tasks: observation -> action, and episodes of any quality.

With joint control the joint angles are not observed: the experts there believe the hand upright and
the arm in the pose that inverse kinematics gives for its place, which their own actions keep true.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from core_jax.envs.panda import arm

Expert = Callable[[jax.Array], jax.Array]
_LOW, _HIGH = 0.016, 0.1  # m, heights at which the hand pushes and travels
_STEP = 0.05  # m, of an action of 1


def reach(obs: jax.Array) -> jax.Array:
    """Moves straight to the goal, [9] to [3]."""
    return _clipped((obs[6:9] - obs[:3]) / 0.03)


def push(obs: jax.Array) -> jax.Array:
    """Goes behind the cube, down, and pushes it slowly to the goal, [21] to [3]."""
    return _strike(obs, gap=0.06, slow=0.15, far=1.3)


def slide(obs: jax.Array) -> jax.Array:
    """Goes behind the puck, down, and strikes it towards the goal, [21] to [3]."""
    return _strike(obs, gap=0.065, slow=0.3, far=0.7)


def reach_joints(obs: jax.Array) -> jax.Array:
    """`reach` by the joints, [9] to [7]."""
    return _by_joints(reach, obs)


def push_joints(obs: jax.Array) -> jax.Array:
    """`push` by the joints, [21] to [7]."""
    return _by_joints(push, obs)


def slide_joints(obs: jax.Array) -> jax.Array:
    """`slide` by the joints, [21] to [7]."""
    return _by_joints(slide, obs)


def _strike(obs: jax.Array, gap: float, slow: float, far: float) -> jax.Array:
    """Travels at a height, descends behind the object and moves it towards the goal.

    Args:
        obs: [21].
        gap: from the object's middle to where the hand goes down, m.
        slow: the least speed of a push, in actions.
        far: what distance adds to it: what slides on stops after the square of its speed.
    """
    hand, thing, goal = obs[:3], obs[6:9], obs[18:21]
    to_go = jnp.linalg.norm(goal[:2] - thing[:2])
    way = (goal[:2] - thing[:2]) / jnp.maximum(to_go, 1e-3)
    side = jnp.stack([-way[1], way[0]])
    apart = hand[:2] - thing[:2]
    along, across = jnp.sum(apart * way), jnp.sum(apart * side)
    off = thing[:2] - gap * way - hand[:2]
    height = hand[2]
    behind = (along < -0.02) & (jnp.abs(across) < 0.015)
    pushing = behind & (height < 0.035)
    near = jnp.linalg.norm(apart)
    speed = jnp.minimum(slow + far * jnp.sqrt(jnp.maximum(to_go - 0.04, 0.0)), 1.0)
    push_on = jnp.append(speed * way - 20.0 * across * side, (_LOW - height) / 0.04)
    descend = jnp.append(off / 0.03, (_LOW - height) / 0.03)
    rise = jnp.append(jnp.zeros(2), 1.0)
    travel = jnp.append(off / 0.03, (_HIGH - height) / 0.04)
    above = jnp.linalg.norm(off) < 0.012
    low_beside = (height < 0.07) & (near < 0.1)
    action = jnp.where(low_beside, rise, travel)
    action = jnp.where(above, descend, action)
    return _clipped(jnp.where(pushing, push_on, action))


def _by_joints(expert: Expert, obs: jax.Array) -> jax.Array:
    """Joint moves [7] for the move of the hand that an expert asks for."""
    neutral = jnp.asarray(arm.NEUTRAL, jnp.float32)
    solved = arm.inverse_kinematics(neutral, obs[:3], damping=1e-3, iterations=12)
    # With end-effector control about half of a move happens.
    to = obs[:3] + 0.55 * _STEP * expert(obs)
    to = to.at[2].set(jnp.maximum(to[2], 0.005))
    turn = (arm.inverse_kinematics(solved, to, damping=1e-3, iterations=4) - solved) / _STEP
    return turn / jnp.maximum(jnp.max(jnp.abs(turn)), 1.0)


def _clipped(action: jax.Array) -> jax.Array:
    return jnp.clip(action, -1.0, 1.0)
