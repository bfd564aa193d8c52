"""Fixtures of panda-gym's tasks: recordings of the original, and one program a world."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs

DATA = Path(__file__).parents[2] / "data" / "panda"
STEPS = 50


def recorded(name):
    """A recording's arrays (`scripts/tools/record_panda.py`)."""
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


class Player:
    """Plays actions, or the expert's, from states of one task; one program for any batch of 24."""

    def __init__(self, task):
        self.env = envs.make(task)
        act = jax.vmap(envs.expert(task))
        self.reset = jax.jit(jax.vmap(self.env.reset))

        @jax.jit
        def play(state, actions):
            def body(state, action):
                action = jnp.where(jnp.isnan(action), act(state.obs), action)
                state = jax.vmap(self.env.step)(state, action)
                return state, (state.obs, state.metrics, state.done, state.reward)

            return jax.lax.scan(body, state, actions)[1]

        self._play = play

    def start(self, count=24, seed=0):
        """States of `count` resets."""
        return self.reset(jax.random.split(jax.random.key(seed), count))

    def __call__(self, state, actions=np.nan):
        """`obs` and the metrics [episode, time, ...] of 50 steps.

        Args:
            state: of a batch.
            actions: [episode, 50, action]; the expert's where they are not numbers.
        """
        count = state.done.shape[0]
        shape = (count, STEPS, self.env.action_size)
        actions = jnp.broadcast_to(jnp.asarray(actions, jnp.float32), shape)
        obs, metrics, done, reward = self._play(state, jnp.moveaxis(actions, 1, 0))
        rows = {"obs": obs, "done": done, "reward": reward, **metrics}
        return {k: np.moveaxis(np.asarray(v), 0, 1) for k, v in rows.items()}

    def placed(self, places, goals):
        """States with the objects and goals [episode, 3] at given places."""
        state = self.start(len(places))
        physics = state.pipeline_state
        height = physics.body.place[:, 2:]
        at = jnp.concatenate([jnp.asarray(places, jnp.float32)[:, :2], height], axis=1)
        goal = jnp.asarray(goals, jnp.float32)
        physics = physics.replace(body=physics.body.replace(place=at), goal=goal)
        return state.replace(pipeline_state=physics)


@pytest.fixture(scope="session")
def reacher():
    return Player("panda-reach")


@pytest.fixture(scope="session")
def joint_reacher():
    return Player("panda-reach-joints")


@pytest.fixture(scope="session")
def pusher():
    return Player("panda-push")


@pytest.fixture(scope="session")
def slider():
    return Player("panda-slide")
