"""Scripted experts of the seven tasks: proportional controllers in the manner of Meta-World's.

Each maps an observation to an action. Gains and waypoints are facts of Meta-World's policies
(Yu et al. 2019).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def drawer_open(obs: Float[Array, "39"]) -> Float[Array, "4"]:
    """Goes above the handle, comes down on it, and pulls hard with the fingers open."""
    hand_pos = obs[:3]
    handle = obs[4:7] - jnp.array([0.0, 0.0, 0.02])
    above = _move(hand_pos, handle + jnp.array([0.0, 0.0, 0.3]), 4.0, -1.0)
    down = _move(hand_pos, handle, 4.0, -1.0)
    pull = _move(hand_pos, handle - jnp.array([0.0, 0.06, 0.0]), 50.0, -1.0)
    is_away = jnp.linalg.norm(hand_pos[:2] - handle[:2]) > 0.06
    is_high = jnp.abs(hand_pos[2] - handle[2]) > 0.04
    return jnp.where(is_away, above, jnp.where(is_high, down, pull))


def peg_insert_side(obs: Float[Array, "39"]) -> Float[Array, "4"]:
    """Comes down around the peg, closes, lines the peg up with the hole, and pushes it in."""
    hand_pos, peg, goal = obs[:3], obs[4:7], obs[36:39]
    above = hand_pos - peg
    is_over = jnp.linalg.norm(above[:2]) < 0.04
    is_low = above[2] < 0.07
    # Come down with open fingers only: a peg that was dropped cannot be grasped with closed ones.
    is_ready = is_over & (is_low | (obs[3] > 0.8))
    down = peg.at[2].add(jnp.where(is_ready, 0.0, 0.1)) - hand_pos

    is_held = is_over & (above[2] < 0.035) & (obs[3] < 0.36)
    to_go = goal + jnp.array([0.13, 0.0, 0.01]) - peg  # until the head is at the goal
    is_in = to_go[0] > -0.11
    is_aligned = jnp.all(jnp.abs(to_go[1:]) < 0.012)
    carry = to_go.at[0].add(jnp.where(is_aligned | is_in, -0.03, 0.15))

    grip = jnp.where(is_over & is_low, 1.0, -1.0)
    return _move(jnp.zeros(3), jnp.where(is_held, carry, down), 10.0, grip)


def button_press_topdown(obs: Float[Array, "39"]) -> Float[Array, "4"]:
    """Goes above the button with closed fingers and presses as hard as it can."""
    hand_pos, top = obs[:3], obs[4:7]
    is_over = jnp.linalg.norm(hand_pos[:2] - top[:2]) < 0.04
    to = top.at[2].add(jnp.where(is_over, 0.0, 0.1))
    return _move(hand_pos, to, 25.0, 1.0)


def dial_turn(obs: Float[Array, "39"]) -> Float[Array, "4"]:
    """Comes down on the lever's +x side with closed fingers, and pushes on as it gives way."""
    hand_pos, side = obs[:3], obs[4:7] + jnp.array([0.05, 0.02, 0.09])
    # Once down, it stays down: a hand that goes up for every small error never gets to push.
    is_low = hand_pos[2] < 0.13
    is_away = jnp.linalg.norm(hand_pos[:2] - side[:2]) > jnp.where(is_low, 0.06, 0.02)
    is_high = jnp.abs(hand_pos[2] - side[2]) > 0.02
    push = side + jnp.array([-0.05, 0.005, 0.0])
    to = jnp.where(is_away, side.at[2].set(0.2), jnp.where(is_high, side, push))
    return _move(hand_pos, to, 25.0, 1.0)


def hammer(obs: Float[Array, "39"]) -> Float[Array, "4"]:
    """Comes down around the handle, closes, lifts the head to the nail's height, and strikes."""
    hand_pos, hammer, nail, goal = obs[:3], obs[4:7], obs[11:14], obs[36:39]
    above = hand_pos - hammer
    is_over = jnp.linalg.norm(above[:2]) < 0.03
    is_low = above[2] < 0.08
    # Come down with open fingers only: closed ones would come down on top of a dropped hammer.
    is_ready = is_over & (is_low | (obs[3] > 0.8))
    down = hammer.at[2].add(jnp.where(is_ready, 0.025, 0.12)) - hand_pos

    is_held = is_over & (above[2] < 0.045) & (obs[3] < 0.57)
    w, x, y, z = obs[7:11]
    along = jnp.array([1.0 - 2.0 * (y**2 + z**2), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)])
    to_go = goal - (hammer + 0.16 * along)  # of the head's middle
    is_aligned = jnp.all(jnp.abs(to_go[jnp.array([0, 2])]) < 0.025)
    is_driven = nail[1] > goal[1] - 0.004
    before_nail = to_go[1] - (goal[1] - nail[1]) - 0.1  # the head's face is 7 cm before its middle
    strike = jnp.where(is_driven, 0.0, 0.1)
    carry = to_go.at[1].set(jnp.where(is_aligned, strike, before_nail))

    grip = jnp.where(is_over & is_low, 1.0, -1.0)
    return _move(jnp.zeros(3), jnp.where(is_held, carry, down), 10.0, grip)


def soccer(obs: Float[Array, "39"]) -> Float[Array, "4"]:
    """Pushes a ball that lies straight before the goal; takes any other in its fingers."""
    hand_pos, ball, goal = obs[:3], obs[4:7], obs[36:39]
    above = lambda at, z: jnp.array([at[0], at[1], z])
    ahead = ball - hand_pos
    push = _move(hand_pos, above(ball, 0.055), 25.0, 1.0)
    approach = _move(hand_pos, above(ball, 0.13), 12.0, -1.0)
    grip = jnp.where(hand_pos[2] > 0.075, -1.0, 1.0)
    down = _move(hand_pos, above(ball, 0.05), 20.0, grip)
    close = _move(hand_pos, above(ball, 0.055), 20.0, 1.0)
    carry = _move(hand_pos, above(goal, 0.055), 25.0, 1.0)

    is_lined_up = (jnp.abs(ahead[0]) < 0.02) & (jnp.abs(ball[0] - goal[0]) < 0.04)
    is_behind = (ahead[1] > 0.035) & (hand_pos[2] < 0.075) & is_lined_up
    reach = jnp.where(hand_pos[2] < 0.085, 0.035, 0.02)
    is_away = jnp.linalg.norm(ahead[:2]) > reach
    taken = jnp.where(obs[3] > 0.62, close, carry)
    taken = jnp.where(hand_pos[2] > 0.065, down, taken)
    return jnp.where(is_behind, push, jnp.where(is_away, approach, taken))


def sweep_into(obs: Float[Array, "39"]) -> Float[Array, "4"]:
    """Comes down over the cube with open fingers, closes them, and drags it over the hole."""
    hand_pos, cube, goal = obs[:3], obs[4:7], obs[36:39]
    above = lambda at, z: jnp.array([at[0], at[1], z])
    approach = _move(hand_pos, above(cube, jnp.maximum(cube[2], 0.07) + 0.1), 12.0, -1.0)
    down = _move(hand_pos, above(cube, cube[2] + 0.02), 20.0, -1.0)
    drag = _move(hand_pos, above(goal, 0.1) + jnp.array([0.0, 0.02, 0.0]), 25.0, 1.0)
    is_low = hand_pos[2] - cube[2] < 0.05
    is_away = jnp.linalg.norm(hand_pos[:2] - cube[:2]) > jnp.where(is_low, 0.05, 0.03)
    return jnp.where(is_away, approach, jnp.where(is_low, drag, down))


def _move(hand_pos: jax.Array, to: jax.Array, gain: float, grip: jax.Array | float) -> jax.Array:
    return jnp.clip(jnp.append(gain * (to - hand_pos), grip), -1.0, 1.0)
