"""The classifier of two frames: its gate in closed form, and that it learns an order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models import networks
from core_jax.reward_models.denoise import RimeConfig
from core_jax.reward_models.preference import Preferences
from core_jax.reward_models.relative import RelativeConfig, make_relative, order_gate

CONFIG = RelativeConfig(
    hidden=(16,), embedding=8, head=8, learning_rate=1e-2, epochs=30, stop_accuracy=0.96
)


def test_only_answers_that_agree_in_both_orders_count():
    forward = jnp.array([0.9, 0.9, 0.53, 0.51, 0.1, 0.1, 0.5])
    backward = jnp.array([0.1, 0.9, 0.47, 0.49, 0.9, 0.1, 0.5])
    found = order_gate(forward, backward, 0.52)
    np.testing.assert_array_equal(found, [1, 0, 1, 0, -1, 0, 0])


@pytest.mark.parametrize("denoise", [None, RimeConfig()])
def test_it_learns_which_frame_is_better(denoise):
    model = make_relative(CONFIG, networks.state_embedding(CONFIG.hidden, 8), denoise)
    frames = jax.random.normal(jax.random.key(0), (2, 200, 1, 3))
    target = (frames[1, :, 0, 0] > frames[0, :, 0, 0]).astype(jnp.float32)
    none = jnp.zeros((200, 1))
    state = jax.jit(model.init)(jax.random.key(1), jnp.zeros(3))
    labels = Preferences(frames[0], frames[1], target, none, none)
    state, metrics = jax.jit(model.fit)(state, labels, jnp.int32(200), jax.random.key(2))
    assert float(metrics["accuracy"]) > 0.9
    assert (denoise is None) != hasattr(state, "trust")
    assert denoise is None or float(metrics["trusted"]) > 0.5

    @jax.jit
    def second_is_better(state, first, second):
        return model.second_is_better(state, model.embed(state, first), model.embed(state, second))

    held = jax.random.normal(jax.random.key(3), (2, 100, 3))
    p = second_is_better(state, *held)
    assert np.mean((np.asarray(p) > 0.5) == (held[1, :, 0] > held[0, :, 0])) > 0.85
    np.testing.assert_array_equal(order_gate(p, p, 0.52), 0.0)  # no frame is better than itself
