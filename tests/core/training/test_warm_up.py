"""Compiling side by side: the real calls find what was compiled, and the state is unchanged."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.runs.setup import make_functions
from core_jax.training import warm_up
from core_jax.training.streams import seed_keys


@pytest.mark.slow
def test_what_was_compiled_is_used_and_changes_nothing(changed, point):
    config = changed(
        task="point_world:Point", method="env_dense", steps=500, random_steps=250, envs=2, rollout=5
    )
    trained = []
    for warm in (True, False):
        train = make_functions(config, point)
        state = train.init(seed_keys(0, config.training.seeds))
        if warm:
            for thread in warm_up.start(train, state):
                thread.join()
            assert train.traces["evaluate"] == train.traces["learn"] == 1
        state, _ = train.train_chunk(state)
        train.evaluate(state.seeds, seed_keys(0, config.training.seeds))
        assert set(train.traces.values()) == {1}, train.traces
        trained.append(state.seeds)
    for a, b in zip(*(jax.tree.leaves(x.learner) for x in trained), strict=True):
        np.testing.assert_array_equal(a, b)
    assert jnp.all(trained[0].learner.updates > 0)
