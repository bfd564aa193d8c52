"""Which of two frames is better? A classifier, as the relative reward of VLM-AR3L (2026).

Both frames pass through one network to a vector; the two vectors, one after the other, through a
hidden layer to two logits: P(the second frame is better) is their softmax. It is fitted to
preferences by cross-entropy. The reward of a frame compares it with an earlier one in both orders,
and is not 0 only where the two answers agree.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from annotated_types import Ge, Lt
from jaxtyping import Array, Float

from core_jax.reward_models import fitting, networks
from core_jax.reward_models.denoise import RimeConfig, first_trust
from core_jax.reward_models.fitting import EnsembleConfig, EnsembleState, Fit
from core_jax.reward_models.preference import (
    FILTERED,
    Preferences,
    bradley_terry_loss,
    filtered,
)


@dataclasses.dataclass(frozen=True)
class RelativeConfig(EnsembleConfig):
    """The relative reward: its classifiers, and when they are believed."""

    lag: Annotated[int, Ge(1)] = 16
    """Steps back to the frame that a frame is compared with; the episode's first one before."""
    threshold: Annotated[float, Ge(0.5), Lt(1.0)] = 0.52
    """Probability that a frame must exceed in both orders to count as the better one."""
    embedding: Annotated[int, Ge(1)] = 128
    """Width of the vector that a frame becomes."""
    head: Annotated[int, Ge(1)] = 64
    """Width of the hidden layer that compares two vectors."""


class RelativeModel(NamedTuple):
    """The classifiers as pure functions.

    init(key, example_frame [F]) -> EnsembleState
    standardise(state, frames [B, F]) -> EnsembleState
    embed(state, frames [..., F]) -> vectors [E, ..., D], one per member
    second_is_better(state, first [E, ..., D], second [E, ..., D]) -> mean P [...]
    fit(state, data, count, key) -> (EnsembleState, {"loss", "accuracy", "epochs"})
    """

    init: Callable[..., EnsembleState]
    standardise: Callable[..., EnsembleState]
    embed: Callable[..., jax.Array]
    second_is_better: Callable[..., jax.Array]
    fit: Callable[..., tuple[EnsembleState, dict[str, jax.Array]]]


class Comparison(nn.Module):
    """The layers on both vectors: a logit of "the second is better"."""

    width: int

    @nn.compact
    def __call__(self, first: jax.Array, second: jax.Array) -> jax.Array:
        x = nn.relu(nn.Dense(self.width)(jnp.concatenate([first, second], axis=-1)))
        logits = nn.Dense(2)(x)
        return logits[..., 1] - logits[..., 0]


def make_relative(
    config: RelativeConfig, embedding: networks.Network, denoise: RimeConfig | None = None
) -> RelativeModel:
    """Builds the model.

    Args:
        config: sizes.
        embedding: a network whose outputs are vectors of width `config.embedding`.
        denoise: see `preference.make_preference`.
    """
    parts = _Parts(config, embedding, networks.ensemble(embedding, config.members), denoise)
    bind = lambda f: functools.partial(f, parts)
    return RelativeModel(
        init=bind(_init),
        standardise=fitting.standardise,
        embed=lambda state, x: parts.nets.apply(state.params["embed"], fitting.scaled(state, x)),
        second_is_better=bind(_second_is_better),
        fit=bind(_fit),
    )


def order_gate(
    forward: Float[Array, "..."], backward: Float[Array, "..."], threshold: float
) -> Float[Array, "..."]:
    """+1 where the later frame is better in both orders, -1 where the earlier one is, else 0.

    Args:
        forward: P(the second is better) of (earlier, later).
        backward: P(the second is better) of (later, earlier).
        threshold: that a probability must exceed.
    """
    better = (forward > threshold) & (1.0 - backward > threshold)
    worse = (1.0 - forward > threshold) & (backward > threshold)
    return better.astype(jnp.float32) - worse.astype(jnp.float32)


@dataclasses.dataclass(frozen=True)
class _Parts:
    config: RelativeConfig
    net: networks.Network
    nets: networks.Network  # with a member axis
    denoise: RimeConfig | None

    @property
    def comparison(self) -> Comparison:
        """The layers on both vectors."""
        return Comparison(self.config.head)


def _init(parts: _Parts, key: jax.Array, example: jax.Array) -> EnsembleState:
    config, vector = parts.config, jnp.zeros(parts.config.embedding)

    def init(key: jax.Array, example: jax.Array) -> dict[str, Any]:
        embed_key, head_key = jax.random.split(key)
        heads = jax.vmap(parts.comparison.init, (0, None, None))
        head_keys = jax.random.split(head_key, config.members)
        embed = parts.nets.init(embed_key, example)
        return {"embed": embed, "head": heads(head_keys, vector, vector)}

    network = networks.Network(init, parts.nets.apply)
    trust = None if parts.denoise is None else first_trust()
    return fitting.init_state(config, network, key, example, trust)


def _logits(parts: _Parts, heads: Any, first: jax.Array, second: jax.Array) -> jax.Array:
    """[E, ...] of vectors [E, ..., D]."""
    return jax.vmap(parts.comparison.apply)(heads, first, second)  # pyright: ignore[reportReturnType]


def _second_is_better(
    parts: _Parts, state: EnsembleState, first: jax.Array, second: jax.Array
) -> jax.Array:
    logits = _logits(parts, state.params["head"], first, second)
    return jnp.mean(jax.nn.sigmoid(logits), axis=0)


def _fit(
    parts: _Parts, state: EnsembleState, data: Preferences, count: jax.Array, key: jax.Array
) -> tuple[EnsembleState, dict[str, jax.Array]]:
    """Fits to preferences by the clips' last frames."""
    last = lambda frames: fitting.scaled(state, frames[:, -1:])
    data = data._replace(frames_a=last(data.frames_a), frames_b=last(data.frames_b))
    loss = functools.partial(_loss, parts)
    if parts.denoise is None:
        return fitting.fit(Fit(parts.config, loss), state, data, count, key)
    keep = functools.partial(filtered, parts.denoise, functools.partial(_p_second, parts))
    return fitting.fit(Fit(parts.config, loss, keep, FILTERED), state, data, count, key)


def _loss(
    parts: _Parts, params: Any, batch: Preferences, valid: jax.Array, key: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Sum of the members' cross-entropies; pairs that they decide rightly, and decided pairs."""
    config = parts.config
    both = jnp.concatenate([batch.frames_a, batch.frames_b], axis=1)[:, :, 0]  # [E, 2B, F]
    target = batch.target
    if config.shared_batches:
        look = parts.nets.augmented
        embed = params["embed"]
        vectors = look(embed, both[0], key) if look else parts.nets.apply(embed, both[0])
        target, valid = (
            jnp.broadcast_to(x, (config.members, *x.shape[1:])) for x in (target, valid)
        )
    else:
        vectors = jax.vmap(parts.net.apply)(params["embed"], both)
    first, second = jnp.split(vectors, 2, axis=1)
    logits = _logits(parts, params["head"], first, second)
    values = bradley_terry_loss(jnp.zeros_like(logits), logits, target)
    decided = valid * (target != 0.5)
    right = (logits > 0) == (target > 0.5)
    total = jnp.sum(jnp.sum(values * valid, axis=1) / jnp.sum(valid, axis=1))
    return total, (jnp.sum(right * decided), jnp.sum(decided))


def _p_second(parts: _Parts, params: Any, frames_a: jax.Array, frames_b: jax.Array) -> jax.Array:
    """The members' mean P(B better) of pairs of frames [B, 1, F]."""
    first, second = (parts.nets.apply(params["embed"], x[:, 0]) for x in (frames_a, frames_b))
    return jnp.mean(jax.nn.sigmoid(_logits(parts, params["head"], first, second)), axis=0)
