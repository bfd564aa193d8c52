"""The residual reward that sees: its convolutions are flax's, and it draws where it looks."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models import networks


@pytest.fixture(scope="module")
def pictures():
    return jax.random.randint(jax.random.key(0), (3, 64, 60, 3), 0, 256).astype(jnp.uint8)


def test_products_of_patches_are_convolutions(pictures):
    """The paper's CNN in flax's own words, with the same weights."""
    net = networks.PixelReward()
    params = net.init(jax.random.key(1), pictures)
    got = net.apply(params, pictures)
    x = jnp.pad(pictures, ((0, 0), (3, 4), (5, 6), (0, 0)), mode="edge")  # 71 x 71: comes out even
    x = x.astype(jnp.float32) / 255.0 - 0.5
    for i, (kernel, stride, channels) in enumerate(
        ((5, 3, 16), (3, 2, 32), (3, 2, 64), (3, 2, 128))
    ):
        layer = params["params"][f"Dense_{i}"]
        weights = layer["kernel"].reshape(kernel, kernel, x.shape[-1], channels)
        convolution = nn.Conv(channels, (kernel, kernel), (stride, stride), padding="VALID")
        x = convolution.apply({"params": {"kernel": weights, "bias": layer["bias"]}}, x)
        x = nn.relu(x)
    head = params["params"]["Dense_4"]
    expected = jnp.tanh(x.reshape(3, -1) @ head["kernel"] + head["bias"])[:, 0]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert np.abs(got).max() < 0.1  # no opinion yet


def test_a_picture_is_drawn_where_it_is_looked_at(pictures):
    """Frames are indices of pictures here; any leading axes, more frames than are drawn at once."""
    net = networks.pixel_network(lambda frames, _: pictures[frames[:, 0].astype(int)], batch=2)
    params = net.init(jax.random.key(1), jnp.zeros(1))
    frames = jnp.array([[[0.0], [1.0]], [[2.0], [0.0]], [[1.0], [1.0]]])
    got = net.apply(params, frames)
    direct = networks.PixelReward().apply(params, pictures)
    np.testing.assert_allclose(got, direct[jnp.array([[0, 1], [2, 0], [1, 1]])], atol=1e-6)


@pytest.mark.parametrize("at_once", [4, 5])  # of ten frames: the last turn is not full
def test_what_is_learnt_in_turns_is_learnt_at_once(pictures, at_once):
    def draw(frames, shifts):
        shifts = jnp.zeros((len(frames), 2)) if shifts is None else shifts
        moved = jnp.round(shifts[:, 0]).astype(int)
        return jax.vmap(lambda i, m: jnp.roll(pictures[i], m, 1))(frames[:, 0].astype(int), moved)

    def learn(learnt_at_once):
        net = networks.pixel_network(draw, 512, 3.0, learnt_at_once)
        net = networks.ensemble(net, 2)
        params = net.init(jax.random.key(1), jnp.zeros(1))
        wanted = jnp.linspace(-1.0, 1.0, 10).reshape(5, 2)
        loss = lambda p: jnp.sum((net.augmented(p, frames, jax.random.key(2)) - wanted) ** 2)
        return jax.value_and_grad(loss)(params)

    frames = jnp.arange(10.0).reshape(5, 2, 1) % 3
    (value, gradient), (expected, whole) = learn(at_once), learn(None)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    chex.assert_trees_all_close(gradient, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(47, 48), (64, 64), (71, 100)])
def test_no_part_of_a_picture_is_unseen(height, width):
    """Of 64 x 64, convolutions without padding would miss the last 17 rows and columns."""
    net, middle = networks.PixelReward(), jnp.full((1, height, width, 3), 128.0)
    params = net.init(jax.random.key(0), middle)
    gradient = jax.grad(lambda x: net.apply(params, x)[0])(middle)[0]
    assert jnp.all(jnp.any(gradient != 0.0, axis=-1))


def test_the_smallest_picture_is_the_smallest():
    size = networks.SMALLEST_PICTURE
    net = networks.PixelReward()
    net.init(jax.random.key(0), jnp.zeros((1, size, size, 3), jnp.uint8))
    with pytest.raises(ValueError, match="46 x 46 pixels are too small: at least 47"):
        net.init(jax.random.key(0), jnp.zeros((1, size - 1, size - 1, 3), jnp.uint8))
