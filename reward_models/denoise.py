"""Which preferences to trust: the filter of RIME (Cheng et al., ICML 2024).

Let D be the divergence of a label from what the reward ensemble predicts, KL(label || P). With x an
upper bound of D over the labels trusted so far, and var its variance over them,

    lower = -ln(x) + alpha x + min(beta var, 3)        upper = -ln(tau)

A label with D < lower is clean, one with D > upper is taken for the opposite label, and one in
between is uncertain: RIME leaves it out, others ask a better teacher about it. The filter runs at
the start of every pass over the labels; x begins at 0, so at first everything is trusted. beta
falls linearly from its first to its last value over the passes.

As in the released code, x moves a tenth of the way to the largest trusted D at every pass, and var
is the variance itself where the paper has the standard deviation.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal, NamedTuple

import chex
import jax
import jax.numpy as jnp
from annotated_types import Ge, Gt, Lt
from flax import struct
from jaxtyping import Array, Bool, Float, Int

Denoise = Literal["none", "rime"]

CLEAN, UNCERTAIN, FLIPPED = 0, 1, 2
_RATE = 0.1  # of the running maximum and mean
_MOST_UNCERTAINTY = 3.0
_LEAST = 1e-8  # keeps the logarithm finite while nothing is known


@dataclasses.dataclass(frozen=True)
class RimeConfig:
    """RIME's thresholds (published values for Meta-World)."""

    alpha: Annotated[float, Ge(0)] = 0.5
    """Weight of the bound x itself in the lower threshold."""
    first_beta: Annotated[float, Ge(0)] = 3.0
    """Weight of the variance in the lower threshold, at the first pass over the labels."""
    last_beta: Annotated[float, Ge(0)] = 1.0
    """The same, once the decay is over."""
    decay_passes: Annotated[int, Ge(1)] = 600
    """Number of passes over which the weight of the variance falls."""
    flip_probability: Annotated[float, Gt(0), Lt(1)] = 0.001
    """A label is flipped for a pass if the ensemble gives it a probability below this."""


class Trust(struct.PyTreeNode):
    """What is known of the labels trusted so far. All are scalars."""

    bound: jax.Array  # x
    mean: jax.Array
    variance: jax.Array
    count: jax.Array  # labels counted in the variance, as a float
    passes: jax.Array  # int32


class Triage(NamedTuple):
    """The filter's verdict on M labels."""

    verdict: jax.Array  # [M] CLEAN, UNCERTAIN or FLIPPED
    target: jax.Array  # [M] the labels, those that are FLIPPED exchanged
    trust: Trust  # for the next pass


def first_trust() -> Trust:
    """Before the first pass: the bound is 0 and the variance 1."""
    zero = jnp.float32(0)
    return Trust(zero, zero, jnp.float32(1), zero, jnp.int32(0))


def divergence(p_second: Float[Array, "..."], target: Float[Array, "..."]) -> Float[Array, "..."]:
    """KL(label || prediction) in nats, elementwise; `-log P(label)` for labels 0 and 1.

    Args:
        p_second: predicted probability that the second clip is better.
        target: the label, the same probability: 0, 1, or 0.5 for equal.
    """
    chex.assert_equal_shape([p_second, target])
    p = jnp.clip(p_second, 1e-12, 1.0 - 1e-7)
    entropy = jax.scipy.special.entr(target) + jax.scipy.special.entr(1.0 - target)
    return -target * jnp.log(p) - (1.0 - target) * jnp.log1p(-p) - entropy


def thresholds(config: RimeConfig, trust: Trust) -> tuple[jax.Array, jax.Array]:
    """The lower and the upper threshold of D, scalars."""
    fallen = (config.first_beta - config.last_beta) / config.decay_passes * trust.passes
    beta = jnp.maximum(config.last_beta, config.first_beta - fallen)
    lower = -jnp.log(trust.bound + _LEAST) + config.alpha * trust.bound
    lower += jnp.minimum(beta * trust.variance, _MOST_UNCERTAINTY)
    return lower, -jnp.log(jnp.float32(config.flip_probability))


def triage(
    divergence: Float[Array, " labels"], lower: Float[Array, ""], upper: Float[Array, ""]
) -> Int[Array, " labels"]:
    """CLEAN, UNCERTAIN or FLIPPED. What is above `upper` is FLIPPED, also where it is below
    `lower`."""
    kept = jnp.where(divergence < lower, CLEAN, UNCERTAIN)
    return jnp.where(divergence > upper, FLIPPED, kept)


def updated_trust(
    trust: Trust, divergence: Float[Array, " labels"], trusted: Bool[Array, " labels"]
) -> Trust:
    """The statistics after a pass; without a trusted label only the passes go on."""
    count = jnp.sum(trusted).astype(jnp.float32)
    some = jnp.maximum(count, 1.0)
    mean = jnp.sum(jnp.where(trusted, divergence, 0.0)) / some
    spread = jnp.sum(jnp.where(trusted, (divergence - mean) ** 2, 0.0))
    largest = jnp.max(jnp.where(trusted, divergence, -jnp.inf))
    delta, total = mean - trust.mean, jnp.maximum(trust.count + count, 1.0)
    between = delta**2 * trust.count * count / total
    new = Trust(
        bound=trust.bound + _RATE * (largest - trust.bound),
        mean=trust.mean + _RATE * delta,
        variance=(trust.variance * trust.count + spread + between) / total,
        count=trust.count + count,
        passes=trust.passes + 1,
    )
    return jax.tree.map(
        lambda x, y: jnp.where(count > 0, x, y), new, trust.replace(passes=trust.passes + 1)
    )


def rime(
    config: RimeConfig,
    trust: Trust,
    p_second: Float[Array, " labels"],
    target: Float[Array, " labels"],
    labelled: Bool[Array, " labels"],
) -> Triage:
    """The filter at the start of one pass.

    Args:
        config: its thresholds.
        trust: from the pass before.
        p_second: the ensemble's mean probability that the second clip is better.
        target: the labels.
        labelled: rows that are labels; the verdict on others means nothing.
    """
    far = divergence(p_second, target)
    lower, upper = thresholds(config, trust)
    verdict = triage(far, lower, upper)
    trust = updated_trust(trust, far, labelled & (far < lower))
    return Triage(verdict, jnp.where(verdict == FLIPPED, 1.0 - target, target), trust)
