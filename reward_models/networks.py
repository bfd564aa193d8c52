"""Residual reward networks: one number in (-1, 1) per frame, and ensembles of them.

A network is an init/apply pair over a batch of frames `[..., F]`; what a frame is (a state, later
a picture) is its caller's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp


class Network(NamedTuple):
    """`init(key, example_frame [F]) -> params`, `apply(params, frames [..., F]) -> [...]`."""

    init: Callable[[chex.PRNGKey, chex.Array], chex.ArrayTree]
    apply: Callable[[chex.ArrayTree, chex.Array], chex.Array]


class StateReward(nn.Module):
    """MLP with LeakyReLU and a tanh output, as B-Pref's reward nets (Lee et al. 2021)."""

    hidden: Sequence[int]

    @nn.compact
    def __call__(self, frames: chex.Array) -> chex.Array:
        x = frames
        for width in self.hidden:
            x = nn.leaky_relu(nn.Dense(width)(x))
        # A small last layer: the reward starts near zero everywhere and has no opinion yet.
        head = nn.Dense(1, kernel_init=_symmetric(1e-3))
        return jnp.tanh(head(x)[..., 0])


def state_network(hidden: Sequence[int]) -> Network:
    """A `StateReward` as an init/apply pair."""
    net = StateReward(tuple(hidden))
    return Network(init=net.init, apply=net.apply)


def ensemble(network: Network, members: int) -> Network:
    """`members` independent networks: params and outputs get a leading member axis."""

    def init(key: chex.PRNGKey, example: chex.Array) -> chex.ArrayTree:
        return jax.vmap(lambda k: network.init(k, example))(jax.random.split(key, members))

    return Network(init=init, apply=jax.vmap(network.apply, in_axes=(0, None)))


def _symmetric(limit: float) -> Callable[..., chex.Array]:
    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return init
