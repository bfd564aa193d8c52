"""Physics that differs from world to world (domain randomisation; Tobin et al., IROS 2017).

A port is exact only where it was compared. A policy that learns in worlds of slightly different
friction, damping, mass and stiffness cannot depend on what only one of them has.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from core_jax.envs.metaworld import hand


@struct.dataclass
class Scales:
    """Factors by which the physics of one world differs from the task's; 1 is the task's.

    Attributes:
        friction: of all contacts.
        damping: of the task's joints.
        mass: of the task's bodies, and their inertia.
        stiffness: of the fingers' actuators.
    """

    friction: jax.Array
    damping: jax.Array
    mass: jax.Array
    stiffness: jax.Array


def draw(key: jax.Array, spread: float) -> Scales:
    """Returns factors between 1 / (1 + spread) and 1 + spread, uniform in their logarithm.

    Args:
        key: of one world.
        spread: how far they vary.
    """
    limit = jnp.log1p(spread)
    found = jnp.exp(jax.random.uniform(key, (4,), minval=-limit, maxval=limit))
    return Scales(*found)


def apply(model: Any, mj_model: Any, scales: Scales) -> Any:
    """Returns MJX's model with one world's factors.

    Args:
        model: MJX's, of the task.
        mj_model: MuJoCo's of the same scene; says which joints and bodies are the task's.
        scales: of the world.
    """
    joints = jnp.arange(mj_model.nv) >= hand.N_JOINTS
    own = np.array([_is_own(mj_model, body) for body in range(mj_model.nbody)])
    mass = jnp.where(own, scales.mass, 1.0)
    return model.replace(
        pair_friction=model.pair_friction * scales.friction,
        dof_damping=model.dof_damping * jnp.where(joints, scales.damping, 1.0),
        body_mass=model.body_mass * mass,
        body_inertia=model.body_inertia * mass[:, None],
        actuator_gainprm=model.actuator_gainprm.at[:2].multiply(scales.stiffness),
        actuator_biasprm=model.actuator_biasprm.at[:2].multiply(scales.stiffness),
    )


def _is_own(mj_model: Any, body: int) -> bool:
    """Whether a body is the task's: neither the world nor part of the hand."""
    root = int(mj_model.body_rootid[body])
    return body > 0 and mj_model.body(root).name != "hand"
