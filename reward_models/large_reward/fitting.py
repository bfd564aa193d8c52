"""Fits the reward network to examples: three losses with equal weights."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from annotated_types import Ge, Gt
from jaxtyping import Array, Float, Key

from core_jax.reward_models.large_reward import network
from core_jax.reward_models.large_reward.examples import Batch, Examples
from core_jax.reward_models.large_reward.network import BINS, RewardNet

SHIFT = 3  # most pixels by which pictures are shifted, all of an example alike
FORGET = 0.1  # share of an instruction's words that are made unknown


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How the network is fitted."""

    steps: Annotated[int, Ge(1)] = 2_000
    """Gradient steps."""
    batch: Annotated[int, Ge(1)] = 64
    """Examples of a step."""
    lr: Annotated[float, Gt(0)] = 1.5e-3
    """Learning rate (AdamW), after a warm-up; it falls to 0 by a cosine."""
    weight_decay: Annotated[float, Ge(0)] = 1e-2
    """Weight decay."""
    seed: Annotated[int, Ge(0)] = 0
    """Of the initial parameters, the examples and the shifts."""


def fit(
    examples: Examples,
    words: int,
    config: FitConfig,
    note: Callable[[int, dict[str, float]], None] = lambda step, losses: None,
) -> Any:
    """Fits a fresh network and returns its parameters.

    Args:
        examples: where batches come from.
        words: size of the vocabulary, without the two special tokens.
        config: how it is fitted.
        note: called with every fiftieth step and its losses.
    """
    net = RewardNet(network.UNKNOWN + 1 + words)
    rng, key = np.random.default_rng(config.seed), jax.random.key(config.seed)
    first = examples.draw(rng, 2)
    params = net.init(key, first.a, first.b, first.tokens, first.start, first.goal, first.given)
    opt = _optimiser(config).init(params)
    for i in range(config.steps):
        batch = examples.draw(rng, config.batch)
        params, opt, losses = _step(net, config, params, opt, batch, jax.random.fold_in(key, i))
        if i % 50 == 0 or i == config.steps - 1:
            note(i, {name: float(x) for name, x in losses.items()})
    return params


def loss(
    net: RewardNet, params: Any, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The sum of three mean cross-entropies, and each of them: progress over eleven values, with a
    label between two of them shared by both; completion; and comparison."""
    shift_key, light_key, forget_key = jax.random.split(key, 3)
    count = batch.progress.shape[0]
    shifts = jax.random.randint(shift_key, (count, 2), 0, 2 * SHIFT + 1)
    light = jax.random.uniform(light_key, (count, 1, 1, 1), minval=0.85, maxval=1.1)
    shown: Any = (batch.a, batch.b, batch.start, batch.goal)
    moved = [_moved(x, shifts) * light for x in shown]
    a, b, start, goal = (jnp.clip(x, 0.0, 255.0) for x in moved)
    forget = jax.random.bernoulli(forget_key, FORGET, batch.tokens.shape) & (batch.tokens > 0)
    tokens = jnp.where(forget, network.UNKNOWN, batch.tokens)
    out: Any = net.apply(params, a, b, tokens, start, goal, batch.given)
    progress, completion, further = out
    target = jnp.clip(1.0 - jnp.abs(batch.progress[:, None] * (BINS - 1) - jnp.arange(BINS)), 0.0)
    paired = batch.paired / jnp.maximum(jnp.sum(batch.paired), 1.0)
    losses = {
        "progress": jnp.mean(optax.softmax_cross_entropy(progress, target)),
        "completion": jnp.mean(optax.sigmoid_binary_cross_entropy(completion, batch.completion)),
        "comparison": jnp.sum(paired * optax.sigmoid_binary_cross_entropy(further, batch.further)),
    }
    return sum(losses.values(), start=jnp.float32(0)), losses


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3))
def _step(
    net: RewardNet, config: FitConfig, params: Any, opt: Any, batch: Batch, key: jax.Array
) -> tuple[Any, Any, dict[str, jax.Array]]:
    grads, losses = jax.grad(loss, argnums=1, has_aux=True)(net, params, batch, key)
    updates, opt = _optimiser(config).update(grads, opt, params)
    return optax.apply_updates(params, updates), opt, losses


def _optimiser(config: FitConfig) -> optax.GradientTransformation:
    warm = min(100, max(config.steps // 10, 1))
    rate = optax.warmup_cosine_decay_schedule(0.0, config.lr, warm, max(config.steps, warm + 1))
    return optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=config.weight_decay)
    )


def _moved(pictures: jax.Array, shifts: jax.Array) -> jax.Array:
    """Pictures [B, H, W, 3] shifted by up to `SHIFT` pixels, with their edges repeated."""
    wide = jnp.pad(pictures, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), "edge")
    cut = lambda p, s: jax.lax.dynamic_slice(p, (s[0], s[1], 0), pictures.shape[1:])
    return jax.vmap(cut)(wide, shifts).astype(jnp.float32)
