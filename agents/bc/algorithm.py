"""Behaviour cloning as one pure function."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, Num

from core_jax.agents import guard, running_stats
from core_jax.agents.bc.config import BCConfig
from core_jax.agents.ppo import PolicyParams, PPOConfig, policies
from core_jax.agents.types import ActionSpace, Metrics, Params

FIXED = 1e12
"""Number of observations that the moments of demonstrations are counted as: a later learner's own
observations do not move them, so the cloned policy stays what it is until it is trained."""


class Demonstrations(NamedTuple):
    """M steps of demonstrations."""

    obs: Float[Array, "M O"]
    action: Num[Array, "M ..."]
    weight: Float[Array, " M"]  # of each step in the loss; 0 leaves it out


def fit(
    demos: Demonstrations,
    key: Key[Array, ""],
    action_space: ActionSpace,
    network: PPOConfig,
    config: BCConfig,
) -> tuple[PolicyParams, Metrics]:
    """Fits a fresh policy to demonstrations by weighted maximum likelihood.

    Args:
        demos: of one seed.
        key: of the initial network and of the batches.
        action_space: what the actions are.
        network: whose policy network it is; the standard deviation is fitted, too, and is at least
            its `min_std`.
        config: how it is fitted.

    Returns:
        The policy, and the loss: mean weighted negative log-likelihood, nats, of the last tenth of
        the batches (`loss`), and gradient steps that were not finite and were skipped
        (`skipped_updates`).

    Raises:
        ValueError: there are no steps.
    """
    count = demos.obs.shape[0]
    if count == 0:
        raise ValueError("there are no demonstrations to clone: 0 steps")
    size = demos.obs.shape[1]
    stats = running_stats.update(running_stats.init(size), demos.obs)
    stats = dataclasses.replace(stats, count=jnp.float32(FIXED))
    init_key, batch_key = jax.random.split(key)
    actor = policies.network(action_space, network).init(init_key, jnp.zeros((1, size)))
    seen = policies.normalise(stats, demos.obs, network)
    distribution = policies.apply(action_space, network)
    descent = _optimiser(config)

    def loss(params: Params, rows: Array) -> Float[Array, ""]:
        weight = demos.weight[rows]
        log_prob = distribution(params, seen[rows]).log_prob(demos.action[rows])
        return -jnp.sum(weight * log_prob) / jnp.maximum(jnp.sum(weight), 1e-6)

    def step(carry: Any, key: Key[Array, ""]):
        params, opt = carry
        rows = jax.random.randint(key, (config.batch_size,), 0, count)
        value, grads = jax.value_and_grad(loss)(params, rows)
        updates, new_opt = descent.update(grads, opt, params)
        new = optax.apply_updates(params, updates)
        finite = guard.finite(grads)
        return guard.choose(finite, (new, new_opt), (params, opt)), (value, ~finite)

    keys = jax.random.split(batch_key, config.gradient_steps)
    (actor, _), (losses, skipped) = jax.lax.scan(step, (actor, descent.init(actor)), keys)
    last = max(config.gradient_steps // 10, 1)
    return PolicyParams(actor, stats), {
        "loss": jnp.mean(losses[-last:]),
        "skipped_updates": jnp.sum(skipped).astype(jnp.float32),
    }


def _optimiser(config: BCConfig) -> optax.GradientTransformation:
    rate = optax.cosine_decay_schedule(config.lr, config.gradient_steps)
    return optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.adamw(rate, weight_decay=config.weight_decay),
    )
