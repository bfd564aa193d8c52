"""Reward code compiled for an observation of your own: a cart on a rail, four numbers.

python examples/reward_on_own_observations.py
"""

import jax
import jax.numpy as jnp

from core_jax.envs import Field
from core_jax.reward_models.formal import RewardError, compile_reward, make_signature

CODE = """
import numpy as np
def compute_reward(cart, pole, action):
    upright = np.cos(pole[0])
    centred = np.exp(-np.square(cart[0]))
    return 0.7 * upright + 0.3 * centred, {"upright": upright, "centred": centred}
"""
fields = (
    Field("cart", 0, 2, "m", "position (m) and velocity (m/s) of the cart"),
    Field("pole", 2, 4, "rad", "angle (rad) and angular velocity (rad/s) of the pole"),
)
signature = make_signature("eureka", fields, action="force, 1 number", target="none")
sizes = {"observation_size": 4, "action_size": 1, "target_shape": (0,)}
reward = compile_reward(CODE, **sizes, signature=signature)

observations, actions, no_target = jnp.zeros((32, 4)), jnp.zeros((32, 1)), jnp.zeros((32, 0))
total, parts = jax.jit(jax.vmap(reward))(observations, actions, no_target)
print(f"rewards {total.shape}, components {sorted(parts)}")
try:
    compile_reward(CODE.replace("pole[0]", "pole[7]"), **sizes, signature=signature)
except RewardError as error:
    print(error)  # line, column, what is wrong
