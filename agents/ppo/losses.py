"""PPO's estimates and losses, each a function of arrays alone.

Schulman et al. 2017, "Proximal policy optimization algorithms" (arXiv 1707.06347), and Schulman et
al. 2016, "High-dimensional continuous control using generalized advantage estimation" (arXiv
1506.02438).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def gae(
    reward: Float[Array, "T N"],
    value: Float[Array, "T N"],
    next_value: Float[Array, "T N"],
    discount: Float[Array, "T N"],
    cut: Float[Array, "T N"],
    gamma: float,
    gae_lambda: float,
) -> tuple[Float[Array, "T N"], Float[Array, "T N"]]:
    """Generalized advantage estimates that bootstrap through time limits.

    Args:
        reward: rewards.
        value: values of the observations.
        next_value: values of the true successors, of an episode's last observation where it was
            cut.
        discount: 0 where the world ended, else 1.
        cut: 1 where the episode ended for whatever reason, else 0; no estimate reaches across.
        gamma: discount per step.
        gae_lambda: 0 gives one-step errors, 1 gives returns minus values.

    Returns:
        Advantages, and the returns `advantage + value` that the value network learns.
    """
    # A select: the successor of a world that ended may hold anything, NaN too.
    bootstrap = jnp.where(discount > 0, gamma * discount * next_value, 0.0)
    error = reward + bootstrap - value
    keep = gamma * gae_lambda * discount * (1.0 - cut)

    def body(later, step):
        error, keep = step
        advantage = error + keep * later
        return advantage, advantage

    _, advantage = jax.lax.scan(body, jnp.zeros_like(error[0]), (error, keep), reverse=True)
    return advantage, advantage + value


def clipped_surrogate(
    log_prob: Float[Array, " B"],
    old_log_prob: Float[Array, " B"],
    advantage: Float[Array, " B"],
    clip: float,
) -> Float[Array, ""]:
    """Minus the mean of `min(ratio * advantage, clip(ratio, 1 - clip, 1 + clip) * advantage)`."""
    ratio = jnp.exp(log_prob - old_log_prob)
    limited = jnp.clip(ratio, 1.0 - clip, 1.0 + clip)
    return -jnp.mean(jnp.minimum(ratio * advantage, limited * advantage))


def value_loss(
    value: Float[Array, " B"],
    old_value: Float[Array, " B"],
    target: Float[Array, " B"],
    clip: float | None,
) -> Float[Array, ""]:
    """Half the mean squared error. With a clip, the larger of the errors with and without limiting
    the value's change to it."""
    loss = jnp.square(value - target)
    if clip is not None:
        limited = old_value + jnp.clip(value - old_value, -clip, clip)
        loss = jnp.maximum(loss, jnp.square(limited - target))
    return 0.5 * jnp.mean(loss)


def approximate_kl(
    log_prob: Float[Array, " B"], old_log_prob: Float[Array, " B"]
) -> Float[Array, ""]:
    """KL(old || new) estimated from actions of the old policy, as the mean of `ratio - 1 - log
    ratio`: unbiased, never negative, and of less variance than the mean of `-log ratio`."""
    change = log_prob - old_log_prob
    return jnp.mean(jnp.expm1(change) - change)


def standardise(advantage: Float[Array, " B"]) -> Float[Array, " B"]:
    """Advantages with mean 0 and deviation 1."""
    return (advantage - jnp.mean(advantage)) / (jnp.std(advantage) + 1e-8)


def explained_variance(value: Float[Array, ...], target: Float[Array, ...]) -> Float[Array, ""]:
    """1 - Var(target - value) / Var(target): 1 for perfect values, 0 for a constant."""
    return 1.0 - jnp.var(target - value) / (jnp.var(target) + 1e-8)
