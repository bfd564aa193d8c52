"""Scripted experts of any skill, and their episodes.

They test the port (the original's expert must work in it too), reach the states of the goal
pictures, and make demonstrations of any quality: a `Skill` sets the errors that are added to the
controllers' actions (`controllers.py`).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from core_jax.envs.engines import State
from core_jax.envs.metaworld import controllers, tasks
from core_jax.envs.task import TaskEnv, vector

Expert = Callable[[jax.Array], jax.Array]


def expert(name: str) -> Expert:
    """Returns the expert of a task, a function from an observation [39] to an action [4].

    Raises:
        ValueError: if the task has no expert.
    """
    valid = sorted(entry.name for entry in tasks.TASKS)
    if name not in valid:
        raise ValueError(f"no expert for {name!r}. Valid: {', '.join(valid)}.")
    return getattr(controllers, name.replace("-", "_"))


@struct.dataclass
class Skill:
    """How well an expert performs; a pytree of numbers, so a batch may mix skills.

    Attributes:
        noise: standard deviation of the noise that is added to all four actions.
        noise_lag: time constant of that noise, steps.
        slip: probability per step that a slip begins: for a while the expert opens the gripper,
            drifts in a random direction, or freezes.
        slip_length: mean length of a slip, steps.
        stop: probability per step that the expert stops for the rest of the episode.
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
    """State of a noisy expert from step to step.

    Attributes:
        noise: [4] the correlated noise, unit variance.
        slip: kind of the slip under way: 0 none, 1 opens the gripper, 2 drifts, 3 freezes.
        drift: [3] direction of the drift.
        grip: the gripper action of the step before, which a frozen expert repeats.
        stopped: whether the expert has stopped.
    """

    noise: jax.Array
    slip: jax.Array
    drift: jax.Array
    grip: jax.Array
    stopped: jax.Array


class NoisyExpert(NamedTuple):
    """An expert with errors: two pure functions over one world.

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
        obs: [T, obs] before the action.
        action: [T, 4] the action.
        next_obs: [T, obs] after the action.
        reward: [T] the environment's.
        success: [T] 0 or 1, after the action.
        progress: [T] in [0, 1], after the action.
        dense: [T] Meta-World's dense reward.
        nonfinite: [T] 1 where the physics failed; the world does not change from there on.
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
        key: of the reset and of the errors.
        skill: how well the expert performs.
        steps: length of the episode; there is no reset in it.
    """
    reset_key, init_key, act_key = jax.random.split(key, 3)
    noisy = noisy_expert(env.spec.name, skill)
    start = env.reset(reset_key)

    def body(carry: tuple[State, Imperfection], key: jax.Array):
        state, imperfection = carry
        imperfection, action = noisy.act(imperfection, vector(state.obs), key)
        after = env.step(state, action)
        metrics = {k: after.metrics[k] for k in ("success", "progress", "dense", "nonfinite")}
        row = {
            "obs": vector(state.obs),
            "action": action,
            "next_obs": vector(after.obs),
            "reward": after.reward,
            "snapshot": env.snapshot(after.pipeline_state),
            **metrics,
        }
        return (after, imperfection), row

    keys = jax.random.split(act_key, steps)
    _, rows = jax.lax.scan(body, (start, noisy.init(init_key)), keys)
    return Trajectory(**rows, target=start.info["target"])
