"""The layers equal Linen's own, in value and in gradient."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.agents import layers


class Reference(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x):
        return nn.relu(nn.LayerNorm()(nn.Dense(self.width)(x)))


def test_normed_relu_is_dense_then_layer_norm_then_relu():
    x = jax.random.normal(jax.random.key(0), (7, 5))
    ours = layers.NormedRelu(6)
    params = ours.init(jax.random.key(1), x)
    p = jax.tree.map(
        lambda v: v + 0.1 * jax.random.normal(jax.random.key(2), v.shape), params["params"]
    )
    theirs = {
        "Dense_0": {"kernel": p["kernel"], "bias": p["bias"]},
        "LayerNorm_0": {"scale": p["scale"], "bias": p["offset"]},
    }
    weight = jax.random.normal(jax.random.key(3), (7, 6))
    f = lambda p, x: jnp.sum(weight * ours.apply({"params": p}, x))
    g = lambda p, x: jnp.sum(weight * Reference(6).apply({"params": p}, x))
    value, (grad, grad_x) = jax.value_and_grad(f, (0, 1))(p, x)
    expected, (wanted, wanted_x) = jax.value_and_grad(g, (0, 1))(theirs, x)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(grad_x, wanted_x, atol=1e-5)
    np.testing.assert_allclose(grad["kernel"], wanted["Dense_0"]["kernel"], atol=1e-5)
    np.testing.assert_allclose(grad["bias"], wanted["Dense_0"]["bias"], atol=1e-5)
    np.testing.assert_allclose(grad["scale"], wanted["LayerNorm_0"]["scale"], atol=1e-5)
    np.testing.assert_allclose(grad["offset"], wanted["LayerNorm_0"]["bias"], atol=1e-5)


@pytest.mark.parametrize("argument", [0, 1, 2])
def test_affine_gradients(argument):
    inputs = [jax.random.normal(jax.random.key(i), s) for i, s in enumerate([(4, 3), (3, 2), (2,)])]
    plain = lambda x, k, b: jnp.sum(jnp.sin(x @ k + b))
    ours = lambda x, k, b: jnp.sum(jnp.sin(layers.affine(x, k, b)))
    np.testing.assert_allclose(
        jax.grad(ours, argument)(*inputs), jax.grad(plain, argument)(*inputs), atol=1e-6
    )
