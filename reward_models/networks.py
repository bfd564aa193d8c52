"""Residual reward networks: one number in (-1, 1) per frame, and ensembles of them.

A network is an init/apply pair over a batch of frames `[..., F]`; what a frame is (a state, or what
a picture is drawn from) is its caller's choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp


class Network(NamedTuple):
    """`init(key, example_frame [F]) -> params`, `apply(params, frames [..., F]) -> [...]`, or
    `[..., width]` of an embedding.

    `augmented(params, frames, key)` is what a fit applies: the same, of frames that are changed at
    random in ways that should not matter; None where there are none.
    """

    init: Callable[[jax.Array, jax.Array], Any]
    apply: Callable[[Any, jax.Array], jax.Array]
    augmented: Callable[[Any, jax.Array, jax.Array], jax.Array] | None = None


class StateReward(nn.Module):
    """MLP with LeakyReLU and a tanh output, as B-Pref's reward nets (Lee et al. 2021)."""

    hidden: Sequence[int]

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        x = frames
        for width in self.hidden:
            x = nn.leaky_relu(nn.Dense(width)(x))
        # A small last layer: the reward starts near zero everywhere and has no opinion yet.
        head = nn.Dense(1, kernel_init=_symmetric(1e-3))
        return jnp.tanh(head(x)[..., 0])


def state_network(hidden: Sequence[int]) -> Network:
    """A `StateReward` as an init/apply pair."""
    net = StateReward(tuple(hidden))
    return Network(init=net.init, apply=_apply(net))


def _apply(net: nn.Module) -> Callable[[Any, jax.Array], jax.Array]:
    """A module's `apply`, which returns an array where nothing is mutable."""
    return lambda params, frames: cast(jax.Array, net.apply(params, frames))


class StateEmbedding(nn.Module):
    """MLP with LeakyReLU from a state frame to a vector."""

    hidden: Sequence[int]
    width: int

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        x = frames
        for width in self.hidden:
            x = nn.leaky_relu(nn.Dense(width)(x))
        return nn.Dense(self.width)(x)


def state_embedding(hidden: Sequence[int], width: int) -> Network:
    """A `StateEmbedding` as an init/apply pair: `[..., F] -> [..., width]`."""
    net = StateEmbedding(tuple(hidden), width)
    return Network(init=net.init, apply=_apply(net))


SMALLEST_PICTURE = 47  # pixels; what the four convolutions need
_CONVOLUTIONS = ((5, 3, 16), (3, 2, 32), (3, 2, 64), (3, 2, 128))  # kernel, stride, channels
# Pixels from one such window, which a last convolution looks at, to the next.
_STRIDE = math.prod(stride for _, stride, _ in _CONVOLUTIONS)


class PixelReward(nn.Module):
    """CoRe's CNN: four convolutions without padding, ReLU, one linear layer, tanh.

    Strides that do not come out even leave the right and the lower edge unseen: 13 of the paper's
    300 pixels, and 17 of 64. So a picture's edges are repeated outwards until all of it is seen.

    A convolution here is a matrix product on patches: XLA's own, on a CPU, is slow to
    differentiate with a stride and slower under vmap. Same mathematics.
    """

    @nn.compact
    def __call__(self, pictures: jax.Array) -> jax.Array:
        x = _convolved(pictures)
        head = nn.Dense(1, kernel_init=_symmetric(1e-3), bias_init=_symmetric(1e-3))
        return jnp.tanh(head(x)[..., 0])


class PixelEmbedding(nn.Module):
    """The same convolutions and one linear layer, to a vector."""

    width: int

    @nn.compact
    def __call__(self, pictures: jax.Array) -> jax.Array:
        return nn.Dense(self.width)(_convolved(pictures))


def _convolved(pictures: jax.Array) -> jax.Array:
    """The layers before the last, inside of a module's compact method: [B, features]."""
    chex.assert_rank(pictures, 4)  # [B, H, W, 3] uint8
    if min(pictures.shape[1:3]) < SMALLEST_PICTURE:
        height, width = pictures.shape[1:3]
        raise ValueError(
            f"pictures of {height} x {width} pixels are too small: at least {SMALLEST_PICTURE}"
        )
    x = _all_seen(pictures).astype(jnp.float32) / 255.0 - 0.5
    for kernel, stride, channels in _CONVOLUTIONS:
        x = nn.relu(nn.Dense(channels)(_patches(x, kernel, stride)))
    return x.reshape(x.shape[0], -1)


def pixel_network(
    draw: Callable[[jax.Array, jax.Array | None], jax.Array],
    batch: int,
    shift: float = 0.0,
    learnt_at_once: int | None = None,
    embedding: int | None = None,
) -> Network:
    """A `PixelReward` over things that are drawn where they are looked at.

    Args:
        draw: frames [B, K] and shifts [B, 2] in pixels, or None -> pictures uint8 [B, H, W, 3].
        batch: most frames drawn and looked at, at once.
        shift: a fit sees pictures shifted by up to this many pixels (as in DrQ, Yarats et al. 2021:
            a few hundred labels do not teach a CNN that place in the picture is not what counts).
        learnt_at_once: most frames of a fit's batch that pass through the network at once; it looks
            at them again for their gradient. All when None, which is right where memory is fast.
        embedding: the network gives vectors of this width, on a last axis, in place of rewards.
    """
    net = PixelReward() if embedding is None else PixelEmbedding(embedding)
    look = _apply(net)

    def init(key: jax.Array, example: jax.Array) -> Any:
        return net.init(key, draw(example[None], None))

    def apply(params: Any, frames: jax.Array) -> jax.Array:
        flat = frames.reshape(-1, frames.shape[-1])
        seen = _in_turn(lambda x: look(params, draw(x, None)), flat, batch)
        return seen.reshape(*frames.shape[:-1], *seen.shape[1:])

    def augmented(params: Any, frames: jax.Array, key: jax.Array) -> jax.Array:
        flat = frames.reshape(-1, frames.shape[-1])
        shifts = jax.random.uniform(key, (flat.shape[0], 2), minval=-shift, maxval=shift)
        if learnt_at_once is None:
            seen = look(params, draw(flat, shifts))
            return seen.reshape(*frames.shape[:-1], *seen.shape[1:])
        # What the gradient needs of a layer is many times its pictures: made again, not kept.
        again = jax.checkpoint(look, prevent_cse=False)
        seen = _in_turn(lambda x: again(params, draw(*x)), (flat, shifts), learnt_at_once)
        return seen.reshape(*frames.shape[:-1], *seen.shape[1:])

    return Network(init=init, apply=apply, augmented=augmented if shift else None)


def _in_turn(look: Callable[[Any], jax.Array], frames: Any, size: int) -> jax.Array:
    """`look` of frames `[B, ...]`, at most `size` of them at once -> [B, ...].

    Batches of `lax.map`'s own would compile what is left over a second time.
    """
    count = jax.tree.leaves(frames)[0].shape[0]
    if count <= size:
        return look(frames)
    turns = -(-count // size)

    def split(x: jax.Array) -> jax.Array:
        # The last turn is filled up with the last frame.
        filled = jnp.pad(x, ((0, turns * size - count), (0, 0)), mode="edge")
        return filled.reshape(turns, size, -1)

    seen = jax.lax.map(look, jax.tree.map(split, frames))
    return seen.reshape(-1, *seen.shape[2:])[:count]


def ensemble(network: Network, members: int) -> Network:
    """`members` independent networks: params and outputs get a leading member axis."""

    def init(key: jax.Array, example: jax.Array) -> Any:
        return jax.vmap(lambda k: network.init(k, example))(jax.random.split(key, members))

    augmented = network.augmented and jax.vmap(network.augmented, in_axes=(0, None, None))
    return Network(init, jax.vmap(network.apply, in_axes=(0, None)), augmented)


def _all_seen(pictures: jax.Array) -> jax.Array:
    """Pictures `[B, H, W, 3]` whose edges are repeated until the convolutions miss nothing."""
    more = [-(n - SMALLEST_PICTURE) % _STRIDE for n in pictures.shape[1:3]]
    around = [(n // 2, n - n // 2) for n in more]
    return jnp.pad(pictures, ((0, 0), *around, (0, 0)), mode="edge")


def _patches(x: jax.Array, kernel: int, stride: int) -> jax.Array:
    """`[B, H, W, C] -> [B, H', W', kernel * kernel * C]`."""
    height, width = ((n - kernel) // stride + 1 for n in x.shape[1:3])
    rows, columns = stride * (height - 1) + 1, stride * (width - 1) + 1
    return jnp.concatenate(
        [
            x[:, i : i + rows : stride, j : j + columns : stride]
            for i in range(kernel)
            for j in range(kernel)
        ],
        axis=-1,
    )


def _symmetric(limit: float) -> Callable[..., jax.Array]:
    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return init
