"""Scripted experts: proportional controllers in the manner of Meta-World's policies, in jnp.

They judge the port (the original's expert must work in it too), reach the states of the goal
pictures, and make demonstrations of any quality: a `Skill` says how far an expert's doing falls
short.
Gains and waypoints are facts of Meta-World's policies (Yu et al. 2019).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from brax.envs.base import State
from flax import struct

from core_jax.envs.task import TaskEnv

Expert = Callable[[jax.Array], jax.Array]


def expert(name: str) -> Expert:
    """Returns the expert of a task, a function from an observation [39] to an action [4].

    Raises:
        ValueError: if the task has no expert.
    """
    if name not in _EXPERTS:
        raise ValueError(f"no expert for {name!r}. Valid: {', '.join(sorted(_EXPERTS))}.")
    return _EXPERTS[name]


@struct.dataclass
class Skill:
    """How well an expert does; a pytree of numbers, so batches may mix skills.

    Attributes:
        noise: standard deviation of the noise that is added to all four actions.
        noise_lag: time constant of that noise, steps.
        slip: probability per step that a slip begins: for a while the expert opens the gripper,
            drifts in a random direction, or freezes.
        slip_length: mean length of a slip, steps.
        stop: probability per step that the expert stops for good: it moves no more.
    """

    noise: float | jax.Array = 0.0
    noise_lag: float | jax.Array = 8.0
    slip: float | jax.Array = 0.0
    slip_length: float | jax.Array = 20.0
    stop: float | jax.Array = 0.0


# For every task: first successes take 40 to 110 steps, and of such an episode's steps the middling
# expert spends a third slipping and the poor one more than half.
EXPERT = Skill()
MIDDLING = Skill(noise=0.3, slip=0.02, stop=0.004)
POOR = Skill(noise=0.6, slip=0.05, slip_length=30.0, stop=0.015)


@struct.dataclass
class Imperfection:
    """What a noisy expert remembers from step to step.

    Attributes:
        noise: [4] the correlated noise, unit variance.
        slip: kind of the slip under way: 0 none, 1 opens the gripper, 2 drifts, 3 freezes.
        drift: [3] direction of the drift.
        grip: the gripper action of the step before, which a frozen expert keeps up.
        stopped: whether the expert has stopped for good.
    """

    noise: jax.Array
    slip: jax.Array
    drift: jax.Array
    grip: jax.Array
    stopped: jax.Array


class NoisyExpert(NamedTuple):
    """An expert that errs: two pure functions over one world.

    Attributes:
        init: key -> the imperfection at an episode's start.
        act: (imperfection, observation [39], key) -> (imperfection, action [4]).
    """

    init: Callable[[jax.Array], Imperfection]
    act: Callable[[Imperfection, jax.Array, jax.Array], tuple[Imperfection, jax.Array]]


def noisy_expert(name: str, skill: Skill) -> NoisyExpert:
    """Returns the expert of a task at a skill; at `EXPERT` its actions are exactly the expert's.

    Args:
        name: the task's name.
        skill: plain numbers or traced ones.

    Raises:
        ValueError: if the task has no expert.
    """
    expert_action = expert(name)

    def init(key: jax.Array) -> Imperfection:
        return Imperfection(
            noise=jax.random.normal(key, (4,)),
            slip=jnp.int32(0),
            drift=jnp.zeros(3),
            grip=jnp.float32(0.0),
            stopped=jnp.array(False),
        )

    def act(was: Imperfection, obs: jax.Array, key: jax.Array) -> tuple[Imperfection, jax.Array]:
        noise_key, end_key, begin_key, kind_key, drift_key, stop_key = jax.random.split(key, 6)
        keep = jnp.exp(-1.0 / skill.noise_lag)
        noise = keep * was.noise + jnp.sqrt(1.0 - keep**2) * jax.random.normal(noise_key, (4,))
        ended = jax.random.uniform(end_key) * skill.slip_length < 1.0
        begins = jax.random.uniform(begin_key) < skill.slip
        slip = jnp.where(ended, 0, was.slip)
        begins &= slip == 0
        slip = jnp.where(begins, jax.random.randint(kind_key, (), 1, 4), slip)
        drift = jnp.where(begins, jax.random.uniform(drift_key, (3,), minval=-1.0), was.drift)
        stopped = was.stopped | (jax.random.uniform(stop_key) < skill.stop)

        meant = jnp.clip(expert_action(obs) + skill.noise * noise, -1.0, 1.0)
        still = jnp.zeros(3)
        action = jnp.select(
            [stopped, slip == 1, slip == 2, slip == 3],
            [
                jnp.append(still, was.grip),
                meant.at[3].set(-1.0),
                jnp.append(drift, meant[3]),
                jnp.append(still, was.grip),
            ],
            meant,
        )
        return Imperfection(noise, slip, drift, action[3], stopped), action

    return NoisyExpert(init, act)


@struct.dataclass
class Trajectory:
    """One episode, or a batch of them; T steps.

    Attributes:
        obs: [T, obs] what the expert saw.
        action: [T, 4] what it did.
        next_obs: [T, obs] what came of it.
        reward: [T] the environment's.
        success: [T] 0 or 1, after the action.
        progress: [T] in [0, 1], after the action.
        dense: [T] Meta-World's dense reward.
        nonfinite: [T] 1 where the physics failed; the world stands still from there on.
        snapshot: [T, K] what a picture after the action depends on.
        target: [3] where the object should go, m.
    """

    obs: jax.Array
    action: jax.Array
    next_obs: jax.Array
    reward: jax.Array
    success: jax.Array
    progress: jax.Array
    dense: jax.Array
    nonfinite: jax.Array
    snapshot: jax.Array
    target: jax.Array


def rollout(env: TaskEnv, key: jax.Array, skill: Skill, steps: int) -> Trajectory:
    """Returns one episode of an expert; vmap it over keys, and over skills if they differ.

    Args:
        env: the environment; the expert is that of its task.
        key: of the reset and of everything that goes wrong.
        skill: how well the expert does.
        steps: length of the episode; there is no reset in it.
    """
    reset_key, init_key, act_key = jax.random.split(key, 3)
    noisy = noisy_expert(env.spec.name, skill)
    start = env.reset(reset_key)

    def body(carry: tuple[State, Imperfection], key: jax.Array):
        state, imperfection = carry
        imperfection, action = noisy.act(imperfection, state.obs, key)
        after = env.step(state, action)
        metrics = {k: after.metrics[k] for k in ("success", "progress", "dense", "nonfinite")}
        row = dict(obs=state.obs, action=action, next_obs=after.obs, reward=after.reward, **metrics)
        row["snapshot"] = env.snapshot(after.pipeline_state)
        return (after, imperfection), row

    keys = jax.random.split(act_key, steps)
    _, rows = jax.lax.scan(body, (start, noisy.init(init_key)), keys)
    return Trajectory(**rows, target=start.info["target"])


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


def _peg_insert_side(obs: jax.Array) -> jax.Array:
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


def _button_press_topdown(obs: jax.Array) -> jax.Array:
    """Goes above the button with closed fingers and presses as hard as it can."""
    hand_pos, top = obs[:3], obs[4:7]
    is_over = jnp.linalg.norm(hand_pos[:2] - top[:2]) < 0.04
    to = top.at[2].add(jnp.where(is_over, 0.0, 0.1))
    return _move(hand_pos, to, 25.0, 1.0)


def _dial_turn(obs: jax.Array) -> jax.Array:
    """Comes down on the lever's +x side with closed fingers, and pushes on as it gives way."""
    hand_pos, side = obs[:3], obs[4:7] + jnp.array([0.05, 0.02, 0.09])
    # Once down, it stays down: a hand that goes up for every small error never gets to push.
    is_low = hand_pos[2] < 0.13
    is_away = jnp.linalg.norm(hand_pos[:2] - side[:2]) > jnp.where(is_low, 0.06, 0.02)
    is_high = jnp.abs(hand_pos[2] - side[2]) > 0.02
    push = side + jnp.array([-0.05, 0.005, 0.0])
    to = jnp.where(is_away, side.at[2].set(0.2), jnp.where(is_high, side, push))
    return _move(hand_pos, to, 25.0, 1.0)


def _hammer(obs: jax.Array) -> jax.Array:
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


def _soccer(obs: jax.Array) -> jax.Array:
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


def _sweep_into(obs: jax.Array) -> jax.Array:
    """Comes down over the cube with open fingers, closes them, and drags it over the hole."""
    hand_pos, cube, goal = obs[:3], obs[4:7], obs[36:39]
    above = lambda at, z: jnp.array([at[0], at[1], z])
    approach = _move(hand_pos, above(cube, jnp.maximum(cube[2], 0.07) + 0.1), 12.0, -1.0)
    down = _move(hand_pos, above(cube, cube[2] + 0.02), 20.0, -1.0)
    drag = _move(hand_pos, above(goal, 0.1) + jnp.array([0.0, 0.02, 0.0]), 25.0, 1.0)
    is_low = hand_pos[2] - cube[2] < 0.05
    is_away = jnp.linalg.norm(hand_pos[:2] - cube[:2]) > jnp.where(is_low, 0.05, 0.03)
    return jnp.where(is_away, approach, jnp.where(is_low, drag, down))


_EXPERTS: dict[str, Expert] = {
    "button-press-topdown": _button_press_topdown,
    "dial-turn": _dial_turn,
    "drawer-open": _drawer_open,
    "hammer": _hammer,
    "peg-insert-side": _peg_insert_side,
    "soccer": _soccer,
    "sweep-into": _sweep_into,
}
