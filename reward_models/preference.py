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
from annotated_types import Ge, Gt, Le
from flax import struct

from core_jax.reward_models import networks


@dataclasses.dataclass(frozen=True)
class PreferenceConfig:
    """The residual reward: its ensemble and how a round of labels is fitted."""

    hidden: tuple[Annotated[int, Ge(1)], ...] = (128, 128)
    """Widths of the hidden layers of each member that reads numbers."""
    members: Annotated[int, Ge(1)] = 3
    """Networks in the ensemble; the reward is their mean."""
    learning_rate: Annotated[float, Gt(0), Le(1)] = 3e-4
    """Learning rate of the members (Adam)."""
    batch_size: Annotated[int, Ge(1)] = 32
    """Pairs in a batch."""
    epochs: Annotated[int, Ge(1)] = 10
    """Most passes over all labels in one round."""
    batches: Annotated[int, Ge(1)] | None = None
    """Most batches in one round, whatever the passes; no limit when None."""
    stop_accuracy: Annotated[float, Gt(0), Le(1)] = 0.97
    """A round's fit stops once the members' mean accuracy over a pass is above this."""
    importance_weight: Annotated[float, Ge(0)] = 5.0
    """Weight of the loss that draws frames' rewards towards the teacher's scores of them."""
    clip_frames: Annotated[int, Ge(1)] | None = None
    """Frames of a clip in a batch, evenly spaced from a random first one; all when None."""
    shared_batches: bool = False
    """Members learn from the same batches, so that a costly frame is made once for all."""


class Preferences(NamedTuple):
    """Labelled pairs of clips, padded to M; rows from `count` on are ignored."""

    frames_a: jax.Array  # [M, H, F]
    frames_b: jax.Array  # [M, H, F]
    target: jax.Array  # [M] P(B is better): 0, 1, or 0.5 for equal
    importance_a: jax.Array  # [M, H] the teacher's scores over the clip; zeros if it gave none
    importance_b: jax.Array  # [M, H]


class PreferenceState(struct.PyTreeNode):
    """Ensemble parameters, their optimiser, and the scale of the frames."""

    params: Any
    opt: optax.OptState
    shift: jax.Array  # [F]
    scale: jax.Array  # [F]


class PreferenceModel(NamedTuple):
    """A residual reward as pure functions.

    init(key, example_frame [F]) -> PreferenceState
    standardise(state, frames [B, F]) -> PreferenceState, with the frames' mean and spread
    predict(state, frames [..., F]) -> reward [...] in (-1, 1), the members' mean
    fit(state, data, count, key) -> (PreferenceState, {"loss", "accuracy", "epochs", "skipped"})
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
    config: PreferenceConfig, network: networks.Network | None = None
) -> PreferenceModel:
    """Builds the model. `network` is one member; an MLP over state frames by default."""
    single = network or networks.state_network(config.hidden)
    parts = _Parts(config, single, networks.ensemble(single, config.members))
    bind = lambda f: functools.partial(f, parts)
    return PreferenceModel(
        init=bind(_init),
        standardise=_standardise,
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

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam, over all members."""
        return optax.adam(self.config.learning_rate)


def _init(parts: _Parts, key: jax.Array, example: jax.Array) -> PreferenceState:
    params = parts.ensemble.init(key, example)
    return PreferenceState(
        params=params,
        opt=parts.optimizer.init(params),
        shift=jnp.zeros_like(example),
        scale=jnp.ones_like(example),
    )


def _standardise(state: PreferenceState, frames: jax.Array) -> PreferenceState:
    # A floor keeps a feature that has not moved yet from being blown up when it first does.
    scale = jnp.maximum(jnp.std(frames, axis=0), 0.05)
    return state.replace(shift=jnp.mean(frames, axis=0), scale=scale)


def _members(parts: _Parts, state: PreferenceState, frames: jax.Array) -> jax.Array:
    return parts.ensemble.apply(state.params, (frames - state.shift) / state.scale)


def _predict(parts: _Parts, state: PreferenceState, frames: jax.Array) -> jax.Array:
    return jnp.mean(_members(parts, state, frames), axis=0)


def _loss(
    params: Any,
    parts: _Parts,
    batch: Preferences,
    valid: jax.Array,
    length: int,
    key: jax.Array,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Sum of the members' losses; pairs that they order rightly, and decided pairs.

    Each member has its own shuffle: batch leaves are [E, B, ...]; [1, B, ...] if shared.
    """
    config, net = parts.config, parts.ensemble
    chex.assert_equal_shape([batch.frames_a, batch.frames_b])
    both = jnp.concatenate([batch.frames_a, batch.frames_b], axis=1)
    if config.shared_batches:
        rewards = (  # [E, 2B, H]
            net.augmented(params, both[0], key) if net.augmented else net.apply(params, both[0])
        )
        every = lambda x: jnp.broadcast_to(x, (config.members, *x.shape[1:]))
        target, importance_a, importance_b, valid = (
            every(x) for x in (batch.target, batch.importance_a, batch.importance_b, valid)
        )
    else:
        rewards = jax.vmap(parts.single.apply)(params, both)
        target, importance_a, importance_b = batch.target, batch.importance_a, batch.importance_b
    reward_a, reward_b = jnp.split(rewards, 2, axis=1)
    return_a, return_b = (length * r.mean(-1) for r in (reward_a, reward_b))
    value = bradley_terry_loss(return_a, return_b, target)
    if config.importance_weight:
        value += config.importance_weight * (
            importance_loss(importance_a, reward_a) + importance_loss(importance_b, reward_b)
        )
    right = (return_b > return_a) == (target > 0.5)
    decided = valid * (target != 0.5)
    total = jnp.sum(jnp.mean(value * valid, axis=1) * valid.shape[1] / jnp.sum(valid, axis=1))
    return total, (jnp.sum(right * decided), jnp.sum(decided))


def _thin(batch: Preferences, kept: int, key: jax.Array) -> Preferences:
    """Leaves `kept` frames of each clip, evenly spaced from a random first one."""
    step = batch.importance_a.shape[-1] // kept
    at = jax.random.randint(key, (), 0, step) + step * jnp.arange(kept)
    return batch._replace(
        frames_a=batch.frames_a[:, :, at],
        frames_b=batch.frames_b[:, :, at],
        importance_a=batch.importance_a[..., at],
        importance_b=batch.importance_b[..., at],
    )


def _fit(
    parts: _Parts, state: PreferenceState, data: Preferences, count: jax.Array, key: jax.Array
) -> tuple[PreferenceState, dict[str, jax.Array]]:
    config, rows = parts.config, data.target.shape[0]
    size = min(config.batch_size, rows)
    most = jnp.iinfo(jnp.int32).max if config.batches is None else config.batches
    batches = jnp.minimum((count + size - 1) // size, most)
    data = data._replace(
        frames_a=(data.frames_a - state.shift) / state.scale,
        frames_b=(data.frames_b - state.shift) / state.scale,
    )

    def epoch(carry):
        params, opt, key, done, _, _, skipped = carry
        key, shuffle = jax.random.split(key)
        params, opt, value, accuracy, more = _epoch(
            parts, params, opt, data, count, batches, shuffle
        )
        return params, opt, key, done + 1, value, accuracy, skipped + more

    def unfinished(carry):
        _, _, _, done, _, accuracy, _ = carry
        unspent = (done + 1) * batches <= jnp.maximum(most, batches)
        return unspent & (done < config.epochs) & (accuracy <= config.stop_accuracy) & (count > 0)

    none, zero = jnp.int32(0), jnp.float32(0)
    start = (state.params, state.opt, key, none, zero, zero, none)
    params, opt, _, done, value, accuracy, skipped = jax.lax.while_loop(unfinished, epoch, start)
    metrics = {"loss": value, "accuracy": accuracy, "epochs": done, "skipped": skipped}
    return state.replace(params=params, opt=opt), metrics


def _epoch(
    parts: _Parts,
    params: Any,
    opt: Any,
    data: Preferences,
    count: jax.Array,
    batches: jax.Array,
    shuffle: jax.Array,
) -> tuple[Any, Any, jax.Array, jax.Array, jax.Array]:
    """One pass over the first `count` labels, in at most so many batches: parameters, optimiser,
    mean loss, accuracy, and the number of batches that were skipped because their gradient is not
    finite."""
    config, rows, length = parts.config, data.target.shape[0], data.frames_a.shape[1]
    size = min(config.batch_size, rows)
    shuffles = 1 if config.shared_batches else config.members
    # Unlabelled rows sort behind every labelled one. Where the last batch runs out of labels it
    # repeats a labelled row, and `valid` leaves that out.
    order = jax.random.uniform(shuffle, (config.members, rows))
    order = jnp.argsort(order + 2.0 * (jnp.arange(rows) >= count), axis=1)

    def step(i, carry):
        params, opt, total, right, decided, skipped = carry
        slots = i * size + jnp.arange(size)
        index = order[:shuffles, jnp.where(slots < count, slots, 0)]
        valid = jnp.broadcast_to(slots < count, index.shape).astype(jnp.float32)
        batch = jax.tree.map(lambda x: x[index], data)
        thin_key, change = jax.random.split(jax.random.fold_in(shuffle, i))
        if config.clip_frames:
            batch = _thin(batch, config.clip_frames, thin_key)
        (value, (hit, n)), grads = jax.value_and_grad(_loss, has_aux=True)(
            params, parts, batch, valid, length, change
        )
        updates, new_opt = parts.optimizer.update(grads, opt, params)
        new = (optax.apply_updates(params, updates), new_opt, total + value, right + hit)
        # One number that is not finite would stay in the parameters for good: no step then.
        finite = jnp.isfinite(optax.global_norm(grads))
        old = (params, opt, total, right)
        params, opt, total, right = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)
        return params, opt, total, right, decided + n, skipped + ~finite

    zero = jnp.float32(0)
    params, opt, total, right, decided, skipped = jax.lax.fori_loop(
        0, batches, step, (params, opt, zero, zero, zero, jnp.int32(0))
    )
    mean_loss = total / (jnp.maximum(batches - skipped, 1) * config.members)
    return params, opt, mean_loss, right / jnp.maximum(decided, 1.0), skipped
