"""A reward learned from preferences between clips, and from the teacher's scores of frames.

Bradley-Terry cross-entropy on the clips' summed rewards (Christiano et al. 2017) plus CoRe's
state-importance term: the teacher's scores of the shown frames, interpolated over the clip, are a
distribution over time that the softmax of the predicted rewards should match,
L = CE + 5 [KL(p_A || q_A) + KL(p_B || q_B)].
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
from annotated_types import Ge

from core_jax.reward_models import fitting, networks
from core_jax.reward_models.denoise import CLEAN, FLIPPED, RimeConfig, Trust, first_trust, rime
from core_jax.reward_models.fitting import EnsembleConfig, EnsembleState, Fit, Pass

PreferenceState = EnsembleState
Metrics = dict[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class PreferenceConfig(EnsembleConfig):
    """A reward learned from preferences: its ensemble and how a round of labels is fitted."""

    importance_weight: Annotated[float, Ge(0)] = 5.0
    """Weight of the loss that draws frames' rewards towards the teacher's scores of them."""
    clip_frames: Annotated[int, Ge(1)] | None = None
    """Frames of a clip in a batch, evenly spaced from a random first one; all when None."""
    pessimism: Annotated[float, Ge(0)] = 0.0
    """Standard deviations of the members that are taken off their mean, so that where they have
    not learned to agree the reward is lower."""


class Preferences(NamedTuple):
    """Labelled pairs of clips, padded to M; rows from `count` on are ignored. NumPy arrays will
    do."""

    frames_a: jax.Array  # [M, H, F]
    frames_b: jax.Array  # [M, H, F]
    target: jax.Array  # [M] P(B is better): 0, 1, or 0.5 for equal
    # [M, H] the teacher's scores over the clip; zeros where it gave none, None if it never does
    importance_a: jax.Array | None = None
    importance_b: jax.Array | None = None
    # [M] how much larger B's return is by another reward that is added to this one, in units of
    # this one's return; None where this one alone is to explain the labels
    offset: jax.Array | None = None

    def with_frames(self, of: Callable[..., jax.Array]) -> Preferences:
        """The labels with frames made from what stands in their place: `of(*frames_a)`."""
        return self._replace(frames_a=of(*self.frames_a), frames_b=of(*self.frames_b))


class PreferenceModel(NamedTuple):
    """A learned reward as pure functions.

    init(key, example_frame [F]) -> EnsembleState
    standardise(state, frames [B, F]) -> EnsembleState, with the frames' mean and spread
    predict(state, frames [..., F]) -> reward [...], the members' mean minus `pessimism` times their
        standard deviation; in (-1, 1) without pessimism
    members(state, frames [..., F]) -> rewards [E, ...]
    fit(state, data, count, key) -> (EnsembleState, {"loss", "accuracy", "epochs", "skipped"})
    """

    init: Callable[..., PreferenceState]
    standardise: Callable[..., PreferenceState]
    predict: Callable[..., jax.Array]
    members: Callable[..., jax.Array]
    fit: Callable[..., tuple[PreferenceState, dict[str, jax.Array]]]


def bradley_terry_loss(return_a: jax.Array, return_b: jax.Array, target: jax.Array) -> jax.Array:
    """Cross-entropy of `P(B better) = sigmoid(return_b - return_a)` with `target`, elementwise.

    Args:
        return_a, return_b: summed rewards of the clips, any one shape.
        target: probability that B is better, same shape; 0.5 says equal.
    """
    chex.assert_equal_shape([return_a, return_b, target])
    return optax.sigmoid_binary_cross_entropy(return_b - return_a, target)


def importance_loss(scores: jax.Array, rewards: jax.Array) -> jax.Array:
    """KL( softmax_t(scores) || softmax_t(rewards) ) over the last axis.

    Args:
        scores: the teacher's scores along the clip [..., H]; all zero where it gave none, and then
            the loss is zero, too.
        rewards: predicted rewards along the clip [..., H].
    """
    chex.assert_equal_shape([scores, rewards])
    log_p = jax.nn.log_softmax(scores, axis=-1)
    log_q = jax.nn.log_softmax(rewards, axis=-1)
    given = jnp.any(scores > 0, axis=-1)
    return jnp.where(given, jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1), 0.0)


def shown_frames(length: int, shown: int) -> np.ndarray:
    """Which of a clip's frames a teacher sees: `shown` evenly spaced positions, ends included."""
    return np.round(np.linspace(0, length - 1, shown)).astype(int)


def interpolate_scores(scores: np.ndarray, length: int) -> np.ndarray:
    """Scores of the shown frames [..., K] spread linearly over the clip [..., length], >= 1e-6."""
    scores = np.asarray(scores, np.float64)
    at, flat = shown_frames(length, scores.shape[-1]), scores.reshape(-1, scores.shape[-1])
    spread = np.stack([np.interp(np.arange(length), at, row) for row in flat])
    return np.maximum(spread, 1e-6).reshape(*scores.shape[:-1], length).astype(np.float32)


def make_preference(
    config: PreferenceConfig,
    network: networks.Network | None = None,
    denoise: RimeConfig | None = None,
) -> PreferenceModel:
    """Builds the model.

    Args:
        config: sizes.
        network: one member; an MLP over state frames by default.
        denoise: thresholds of a filter that every pass over the labels begins with; None: no
            filter.
    """
    single = network or networks.state_network(config.hidden)
    parts = _Parts(config, single, networks.ensemble(single, config.members), denoise)
    bind = lambda f: functools.partial(f, parts)
    return PreferenceModel(
        init=bind(_init),
        standardise=fitting.standardise,
        predict=bind(_predict),
        members=bind(_members),
        fit=bind(_fit),
    )


@dataclasses.dataclass(frozen=True)
class _Parts:
    """What the model's functions share."""

    config: PreferenceConfig
    single: networks.Network
    ensemble: networks.Network
    denoise: RimeConfig | None


def _init(parts: _Parts, key: jax.Array, example: jax.Array) -> EnsembleState:
    trust = None if parts.denoise is None else first_trust()
    return fitting.init_state(parts.config, parts.ensemble, key, example, trust)


def _members(parts: _Parts, state: EnsembleState, frames: jax.Array) -> jax.Array:
    return parts.ensemble.apply(state.params, fitting.scaled(state, frames))


def _predict(parts: _Parts, state: EnsembleState, frames: jax.Array) -> jax.Array:
    members = _members(parts, state, frames)
    mean = jnp.mean(members, axis=0)
    if not parts.config.pessimism:
        return mean
    return mean - parts.config.pessimism * jnp.std(members, axis=0)


def _fit(
    parts: _Parts, state: EnsembleState, data: Preferences, count: jax.Array, key: jax.Array
) -> tuple[EnsembleState, Metrics]:
    if (data.importance_a is None) != (data.importance_b is None):
        raise ValueError("importance_a and importance_b must both be given, or both be None")
    data = data._replace(
        frames_a=fitting.scaled(state, data.frames_a),
        frames_b=fitting.scaled(state, data.frames_b),
        target=jnp.asarray(data.target, jnp.float32),
    )
    loss = functools.partial(_loss, parts)
    if parts.denoise is None:
        how = Fit(parts.config, loss)
    else:
        keep = functools.partial(filtered, parts.denoise, functools.partial(_p_second, parts))
        how = Fit(parts.config, loss, keep, FILTERED)
    return fitting.fit(how, state, data, count, key)


def _loss(
    parts: _Parts, params: Any, batch: Preferences, valid: jax.Array, key: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Sum of the members' losses; pairs that they order rightly, and decided pairs."""
    config, net, length = parts.config, parts.ensemble, batch.frames_a.shape[2]
    chex.assert_equal_shape([batch.frames_a, batch.frames_b])
    thin_key, key = jax.random.split(key)
    if config.clip_frames:
        batch = _thin(batch, config.clip_frames, thin_key)
    both = jnp.concatenate([batch.frames_a, batch.frames_b], axis=1)
    if config.shared_batches:
        rewards = (  # [E, 2B, H]
            net.augmented(params, both[0], key) if net.augmented else net.apply(params, both[0])
        )
        every = lambda x: jnp.broadcast_to(x, (config.members, *x.shape[1:]))
        batch, valid = jax.tree.map(every, (batch, valid))
    else:
        rewards = jax.vmap(parts.single.apply)(params, both)
    reward_a, reward_b = jnp.split(rewards, 2, axis=1)
    return_a, return_b = (length * r.mean(-1) for r in (reward_a, reward_b))
    if batch.offset is not None:
        return_b = return_b + batch.offset
    value = bradley_terry_loss(return_a, return_b, batch.target)
    if config.importance_weight and batch.importance_a is not None:
        assert batch.importance_b is not None  # `_fit` checks it
        value += config.importance_weight * (
            importance_loss(batch.importance_a, reward_a)
            + importance_loss(batch.importance_b, reward_b)
        )
    right = (return_b > return_a) == (batch.target > 0.5)
    decided = valid * (batch.target != 0.5)
    total = jnp.sum(jnp.mean(value * valid, axis=1) * valid.shape[1] / jnp.sum(valid, axis=1))
    return total, (jnp.sum(right * decided), jnp.sum(decided))


def _thin(batch: Preferences, kept: int, key: jax.Array) -> Preferences:
    """Leaves `kept` frames of each clip, evenly spaced from a random first one."""
    step = batch.frames_a.shape[2] // kept
    at = jax.random.randint(key, (), 0, step) + step * jnp.arange(kept)
    cut = lambda x: None if x is None else x[:, :, at]
    return batch._replace(
        frames_a=batch.frames_a[:, :, at],
        frames_b=batch.frames_b[:, :, at],
        importance_a=cut(batch.importance_a),
        importance_b=cut(batch.importance_b),
    )


FILTERED = ("trusted", "flipped")  # metrics of a filtered fit: shares of the labels
PSecond = Callable[..., jax.Array]


def filtered(
    denoise: RimeConfig,
    p_second: PSecond,
    params: Any,
    data: Preferences,
    labelled: jax.Array,
    trust: Trust,
) -> Pass:
    """A pass over the labels that the filter keeps, those that it flips exchanged.

    Args:
        denoise: the filter's thresholds.
        p_second: `(params, frames_a [B, H, F], frames_b) -> mean P(B better) [B]`; with labels'
            `offset [B]` as a further argument where they have one.
        params: the ensemble's.
        data: all labels [M].
        labelled: rows that are labels [M]; they come first.
        trust: the filter's, from the pass before.
    """
    count, rows = jnp.sum(labelled), data.target.shape[0]
    size = min(_READ_AT_ONCE, rows)

    def read(i: jax.Array, p: jax.Array) -> jax.Array:
        # The last window is moved back to end with the rows; what it repeats stays the same.
        start = jnp.minimum(i * size, rows - size)
        window = lambda x: jax.lax.dynamic_slice_in_dim(x, start, size)
        more = () if data.offset is None else (window(data.offset),)
        new = p_second(params, window(data.frames_a), window(data.frames_b), *more)
        return jax.lax.dynamic_update_slice(p, new, (start,))

    p = jax.lax.fori_loop(0, (count + size - 1) // size, read, jnp.full((rows,), 0.5))
    verdict, target, trust = rime(denoise, trust, p, data.target, labelled)
    clean, flipped = ((verdict == v) & labelled for v in (CLEAN, FLIPPED))
    shares = (jnp.sum(x) / jnp.maximum(count, 1) for x in (clean, flipped))
    metrics: Metrics = dict(zip(FILTERED, shares, strict=True))
    return Pass(data._replace(target=target), clean | flipped, trust, metrics)


_READ_AT_ONCE = 128  # pairs


def _p_second(
    parts: _Parts,
    params: Any,
    frames_a: jax.Array,
    frames_b: jax.Array,
    offset: jax.Array | None = None,
) -> jax.Array:
    length, thin = frames_a.shape[1], parts.config.clip_frames
    step = length // thin if thin else 1
    return_a, return_b = (
        length * parts.ensemble.apply(params, x[:, step // 2 :: step]).mean(-1)
        for x in (frames_a, frames_b)
    )
    gap = return_b - return_a if offset is None else return_b + offset - return_a
    return jnp.mean(jax.nn.sigmoid(gap), axis=0)
