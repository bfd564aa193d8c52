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
    traces = train.traces
    assert max(traces.values()) <= 1  # 0: another test had it traced
    assert min(stage.jitted.traces for stage in (train.evaluate, train.learn_function)) >= 1
    keys = jax.random.split(jax.random.key(0), seeds)
    with caplog.at_level("WARNING"), jax.log_compiles():
        played, _ = train.evaluate(state.seeds, keys)
        learnt, _ = train.learn(state.seeds, 1)
        jax.block_until_ready((played, learnt))
    assert train.traces == traces
    compiled = [r.message for r in caplog.records if "Finished XLA compilation" in r.message]
    assert not [line for line in compiled if "traced" in line], compiled
    assert int(jnp.sum(learnt.learner.updates)) == seeds
