"""A reward learned from ratings of single clips: ERL-VLM (Luu et al., ICML 2025), which builds on
rating-based reinforcement learning (White et al., AAAI 2024).

In a batch of N clips with ratings y in 0..n-1, rewards r are scaled to R = (r - min) / (max - min).
The boundary b_i between the classes i-1 and i is the value of R at the rank that the number of
ratings below i gives, b_0 = 0 and b_n = 1; so the share of each class is the labels'. Then

    P(class i) = softmax_i( -k (R - b_i) (R - b_{i+1}) )
    L = mean_j w_j sum_i |1[y_j = i] - P(class i)|

with k = 30. The weight of class i is (N - N_i) / N, divided by the least, where all classes are in
the batch. No gradient flows through the boundaries; through the scaling it does.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import chex
import jax
import jax.numpy as jnp
from annotated_types import Ge, Gt
from jaxtyping import Array, Float, Int

from core_jax.reward_models import fitting, networks
from core_jax.reward_models.fitting import EnsembleConfig, EnsembleState, Fit

_LEAST_RANGE = 1e-6  # of the rewards in a batch


@dataclasses.dataclass(frozen=True)
class RatingConfig(EnsembleConfig):
    """A reward learned from ratings: its ensemble and how a round of labels is fitted."""

    batch_size: Annotated[int, Ge(1)] = 512
    """Ratings in a batch."""
    loss: Literal["mae", "cross_entropy"] = "mae"
    """mae: absolute differences of class probabilities, which wrong labels harm less (the paper);
    cross_entropy: its ablation."""
    sharpness: Annotated[float, Gt(0)] = 30.0
    """How fast the probability of a class falls beyond its boundaries (k)."""
    weighting: bool = True
    """Rarer classes count more."""
    stratify: bool = True
    """Every batch has its share of each class."""


class Ratings(NamedTuple):
    """Rated clips, padded to M; rows from `count` on are ignored."""

    frames: jax.Array  # [M, H, F]
    rating: jax.Array  # [M] int32, 0 is the worst class

    def with_frames(self, of: Callable[..., jax.Array]) -> Ratings:
        """The labels with frames made from what stands in their place: `of(*frames)`."""
        return self._replace(frames=of(*self.frames))


class RatingModel(NamedTuple):
    """A learned reward as pure functions; as a `PreferenceModel`, but fitted to `Ratings`."""

    init: Callable[..., EnsembleState]
    standardise: Callable[..., EnsembleState]
    predict: Callable[..., jax.Array]
    members: Callable[..., jax.Array]
    fit: Callable[..., tuple[EnsembleState, dict[str, jax.Array]]]


def make_rating(
    config: RatingConfig,
    classes: int,
    network: networks.Network | None = None,
    released: bool = False,
) -> RatingModel:
    """Builds the model.

    Args:
        config: sizes and loss.
        classes: of a rating.
        network: one member; an MLP over state frames by default.
        released: compute boundaries and loss as the released code does, see `class_boundaries` and
            `rating_loss`.
    """
    single = network or networks.state_network(config.hidden)
    net = networks.ensemble(single, config.members)
    members = lambda state, frames: net.apply(state.params, fitting.scaled(state, frames))
    loss = functools.partial(_loss, config, classes, released, single, net)
    strata = functools.partial(_rarity, classes) if config.stratify else None
    how = Fit(config, loss, strata=strata)

    def fit(state: EnsembleState, data: Ratings, count: jax.Array, key: jax.Array):
        data = data._replace(frames=fitting.scaled(state, data.frames))
        return fitting.fit(how, state, data, count, key)

    return RatingModel(
        init=functools.partial(fitting.init_state, config, net),
        standardise=fitting.standardise,
        predict=lambda state, frames: jnp.mean(members(state, frames), axis=0),
        members=members,
        fit=fit,
    )


def normalised(reward: Float[Array, " batch"], valid: Float[Array, " batch"]) -> jax.Array:
    """Rewards of a batch, scaled to [0, 1] by its valid rows."""
    low = jnp.min(jnp.where(valid > 0, reward, jnp.inf))
    high = jnp.max(jnp.where(valid > 0, reward, -jnp.inf))
    return (reward - low) / (high - low + _LEAST_RANGE)


def class_boundaries(
    scaled: Float[Array, " batch"],
    rating: Int[Array, " batch"],
    valid: Float[Array, " batch"],
    classes: int,
    released: bool = False,
) -> Float[Array, " bounds"]:
    """The n + 1 boundaries of n classes in a batch, in [0, 1]; without a gradient.

    A class that is not in the batch has no width: its boundaries are the same number. The released
    code looks up position -1, the batch's maximum, for the boundary above a lowest class that is
    absent, so that this class takes up all of [0, 1].

    Args:
        scaled: rewards in [0, 1].
        rating: classes.
        valid: 0 for rows that do not count.
        classes: n.
        released: do as the released code.
    """
    last = jnp.sum(valid).astype(jnp.int32) - 1
    ranked = jnp.sort(jnp.where(valid > 0, jax.lax.stop_gradient(scaled), jnp.inf))
    at_most = jnp.cumsum(class_counts(rating, valid, classes))[:-1].astype(jnp.int32)
    absent = ranked[last] if released else 0.0
    inner = jnp.where(at_most > 0, ranked[jnp.maximum(at_most - 1, 0)], absent)
    return jnp.concatenate([jnp.zeros(1), inner, jnp.ones(1)])


def log_probabilities(
    scaled: Float[Array, " batch"], bounds: Float[Array, " bounds"], sharpness: float
) -> Float[Array, "batch classes"]:
    """Log-probability of each class."""
    below, above = (scaled[:, None] - b for b in (bounds[:-1], bounds[1:]))
    return jax.nn.log_softmax(-sharpness * below * above, axis=1)


def class_counts(
    rating: Int[Array, " rows"], valid: Float[Array, " rows"], classes: int
) -> Float[Array, " classes"]:
    """Number of valid ratings of each class."""
    return jnp.zeros(classes).at[rating].add(valid)


def rating_loss(
    config: RatingConfig,
    reward: Float[Array, " batch"],
    rating: Int[Array, " batch"],
    valid: Float[Array, " batch"],
    classes: int,
    released: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Loss of one member on a batch, and its log-probabilities [batch, classes].

    The released code averages over the classes where it does not weigh them and sums where it does,
    so that a batch without one of the n classes counts 1/n as much; here it is the sum always.

    Args:
        config: kind of loss and weighting.
        reward: predicted rewards of clips.
        rating: their classes.
        valid: 0 for rows that do not count.
        classes: n.
        released: do as the released code.
    """
    chex.assert_equal_shape([reward, rating, valid])
    scaled = normalised(reward, valid)
    bounds = class_boundaries(scaled, rating, valid, classes, released)
    log_p = log_probabilities(scaled, bounds, config.sharpness)
    if config.loss == "mae":
        values = jnp.sum(jnp.abs(jax.nn.one_hot(rating, classes) - jnp.exp(log_p)), axis=1)
    else:
        values = -jnp.take_along_axis(log_p, rating[:, None], axis=1)[:, 0]
    weigh = jnp.min(class_counts(rating, valid, classes)) > 0 if config.weighting else False
    weights = valid * jnp.where(weigh, _class_weights(rating, valid, classes)[rating], 1.0)
    value = jnp.sum(values * weights) / jnp.sum(weights)
    if released and config.loss == "mae":
        value = jnp.where(weigh, value, value / classes)
    return value, log_p


def _class_weights(rating: jax.Array, valid: jax.Array, classes: int) -> jax.Array:
    others = jnp.sum(valid) - class_counts(rating, valid, classes)
    return others / jnp.maximum(jnp.min(others), 1.0)


def _loss(
    config: RatingConfig,
    classes: int,
    released: bool,
    single: networks.Network,
    net: networks.Network,
    params: Any,
    batch: Ratings,
    valid: jax.Array,
    key: jax.Array,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Sum of the members' losses; ratings that they predict, and how many there are."""
    rating, frames = batch.rating, batch.frames
    if config.shared_batches:
        look = net.augmented
        rewards = look(params, frames[0], key) if look else net.apply(params, frames[0])
        rating, valid = (
            jnp.broadcast_to(x, (config.members, *x.shape[1:])) for x in (rating, valid)
        )
    else:
        rewards = jax.vmap(single.apply)(params, frames)
    one = lambda r, y, v: rating_loss(config, r, y, v, classes, released)
    values, log_p = jax.vmap(one)(rewards.mean(-1), rating, valid)
    right = valid * (jnp.argmax(log_p, axis=-1) == rating)
    return jnp.sum(values), (jnp.sum(right), jnp.sum(valid))


def _rarity(classes: int, data: Ratings, kept: jax.Array) -> jax.Array:
    """A number for each rating: smaller for rarer classes, another one for each class."""
    counts = class_counts(data.rating, kept.astype(jnp.float32), classes)
    return counts[data.rating] * classes + data.rating
