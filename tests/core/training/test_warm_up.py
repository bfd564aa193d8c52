"""What is compiled ahead is what is called."""

import jax
import jax.numpy as jnp
import pytest
from small_run import POINT, small_config

from core_jax import envs
from core_jax.runs.setup import make_functions
from core_jax.training import warm_up
from core_jax.training.streams import seed_keys


@pytest.mark.parametrize("seeds", [1, 2])  # on one device, and over two
def test_a_call_finds_the_function_compiled(seeds, caplog):
    config = small_config(task=POINT, method="env_dense", seeds=seeds)
    train = make_functions(config, envs.make(POINT))
    state = train.init(seed_keys(0, seeds))
    for thread in warm_up.start(train, state):
        thread.join()
    assert train.traces["learn"] <= train.traces["evaluate"] == 1  # 0: another test had it traced
    keys = jax.random.split(jax.random.key(0), seeds)
    with caplog.at_level("WARNING"), jax.log_compiles():
        played, _ = train.evaluate(state.seeds, keys)
        learnt, _ = train.learn(state.seeds, 1)
        jax.block_until_ready((played, learnt))
    assert train.traces["learn"] <= train.traces["evaluate"] == 1  # 0: another test had it traced
    compiled = [r.message for r in caplog.records if "Finished XLA compilation" in r.message]
    assert not [line for line in compiled if "traced" in line], compiled
    assert int(jnp.sum(learnt.learner.updates)) == seeds
