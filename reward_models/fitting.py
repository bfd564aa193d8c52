"""Ensembles of reward networks, and how one is fitted to labels: passes over shuffled batches until
it is accurate enough.

What the labels say and what the loss is, is the model's (`preference`, `rating`, `relative`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Gt, Le
from flax import struct

from core_jax.reward_models import networks


@dataclasses.dataclass(frozen=True)
class EnsembleConfig:
    """An ensemble and how a round of labels is fitted."""

    hidden: tuple[Annotated[int, Ge(1)], ...] = (128, 128)
    """Widths of the hidden layers of each member that reads numbers."""
    members: Annotated[int, Ge(1)] = 3
    """Networks in the ensemble; the reward is their mean."""
    learning_rate: Annotated[float, Gt(0), Le(1)] = 3e-4
    """Learning rate of the members (Adam)."""
    batch_size: Annotated[int, Ge(1)] = 32
    """Labels in a batch."""
    epochs: Annotated[int, Ge(1)] = 10
    """Most passes over all labels in one round."""
    batches: Annotated[int, Ge(1)] | None = None
    """Most batches in one round, whatever the passes; no limit when None."""
    stop_accuracy: Annotated[float, Gt(0), Le(1)] = 0.97
    """A round's fit stops once the members' mean accuracy over a pass is above this."""
    shared_batches: bool = False
    """Members learn from the same batches, so that a costly frame is made once for all."""


class EnsembleState(struct.PyTreeNode):
    """Ensemble parameters, their optimiser, and the scale of the frames."""

    params: Any
    opt: optax.OptState
    shift: jax.Array  # [F]
    scale: jax.Array  # [F]


class FilteredState(EnsembleState):
    """With what a filter of labels remembers. A class of its own, so that checkpoints of ensembles
    without a filter stay as they were."""

    trust: Any


# Loss of one batch: `(params, batch, valid, key) -> (sum of the members' losses, (right, counted))`
# with the number of labels that the members predict rightly, and of those that can be. Each member
# has its own shuffle: leaves of the batch are [E, B, ...], or [1, B, ...] if members share batches,
# and so is `valid`, which is 0 for rows that fill the batch up.
Loss = Callable[[Any, Any, jax.Array, jax.Array], tuple[jax.Array, tuple[jax.Array, jax.Array]]]


class Pass(NamedTuple):
    """What one pass over the labels learns from. `data` leaves are [M, ...]; `kept` [M] are the
    rows that count."""

    data: Any
    kept: jax.Array
    trust: Any = None
    metrics: dict[str, jax.Array] = {}  # noqa: RUF012  never changed


Prepare = Callable[[Any, Any, jax.Array, Any], Pass]  # (params, data, labelled [M], trust)


def everything(params: Any, data: Any, labelled: jax.Array, trust: Any) -> Pass:
    """A pass over all that is labelled."""
    del params
    return Pass(data, labelled, trust)


@dataclasses.dataclass(frozen=True)
class Fit:
    """How an ensemble is fitted.

    Attributes:
        config: sizes.
        loss: see `Loss`.
        prepare: chooses what a pass learns from.
        prepared_metrics: names of the metrics that it gives.
        strata: a number for each row [M], given the data and which rows count: rows are dealt to
            the batches one by one from the lowest number to the highest, so that every batch has
            its share of each. None draws batches uniformly.
    """

    config: EnsembleConfig
    loss: Loss
    prepare: Prepare = everything
    prepared_metrics: tuple[str, ...] = ()
    strata: Callable[[Any, jax.Array], jax.Array] | None = None

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam, over all members."""
        return optax.adam(self.config.learning_rate)


def init_state(
    config: EnsembleConfig,
    network: networks.Network,
    key: jax.Array,
    example: jax.Array,
    trust: Any = None,
) -> EnsembleState:
    """A fresh ensemble.

    Args:
        config: sizes.
        network: with a member axis.
        key: for its parameters.
        example: one frame [F].
        trust: what a filter of labels begins with; None without one.
    """
    params = network.init(key, example)
    opt = optax.adam(config.learning_rate).init(params)
    scale = jnp.zeros_like(example), jnp.ones_like(example)
    if trust is None:
        return EnsembleState(params, opt, *scale)
    return FilteredState(params, opt, *scale, trust)


def standardise(state: EnsembleState, frames: jax.Array) -> EnsembleState:
    """The state with the frames' [B, F] mean and spread as their scale."""
    # A floor keeps a feature that has not moved yet from being blown up when it first does.
    scale = jnp.maximum(jnp.std(frames, axis=0), 0.05)
    return state.replace(shift=jnp.mean(frames, axis=0), scale=scale)


def scaled(state: EnsembleState, frames: jax.Array) -> jax.Array:
    """Frames [..., F] as the networks read them."""
    return (frames - state.shift) / state.scale


def fit(
    how: Fit, state: EnsembleState, data: Any, count: int | jax.Array, key: jax.Array
) -> tuple[EnsembleState, dict[str, jax.Array]]:
    """Fits to the first `count` rows of the labels.

    Args:
        how: the fit.
        state: the ensemble.
        data: leaves [M, ...], of NumPy or JAX, frames scaled.
        count: labelled rows.
        key: for the shuffles.

    Returns:
        The new state; loss and accuracy of the last pass, the number of passes, and the number of
        batches that were skipped because their gradient is not finite.
    """
    data = jax.tree.map(jnp.asarray, data)  # a traced index needs JAX's arrays
    config, rows = how.config, jax.tree.leaves(data)[0].shape[0]
    labelled = jnp.arange(rows) < count
    most = jnp.iinfo(jnp.int32).max if config.batches is None else config.batches
    batches = _batches(count, min(config.batch_size, rows), most)

    def one_pass(carry):
        params, opt, trust, key, done, before = carry
        key, shuffle = jax.random.split(key)
        chosen = how.prepare(params, data, labelled, trust)
        params, opt, metrics = _pass(how, params, opt, chosen, most, shuffle)
        metrics |= {**chosen.metrics, "skipped": before["skipped"] + metrics["skipped"]}
        return params, opt, chosen.trust, key, done + 1, metrics

    def unfinished(carry):
        *_, done, metrics = carry
        unspent = (done + 1) * batches <= jnp.maximum(most, batches)
        accurate = metrics["accuracy"] > config.stop_accuracy
        return unspent & (done < config.epochs) & ~accurate & (count > 0)

    zeros: dict[str, jax.Array] = {"skipped": jnp.int32(0)}
    zeros |= {name: jnp.float32(0) for name in ("loss", "accuracy", *how.prepared_metrics)}
    trust = state.trust if isinstance(state, FilteredState) else None
    start = (state.params, state.opt, trust, key, jnp.int32(0), zeros)
    params, opt, trust, _, done, metrics = jax.lax.while_loop(unfinished, one_pass, start)
    state = state.replace(params=params, opt=opt)
    if isinstance(state, FilteredState):
        state = state.replace(trust=trust)
    return state, {**metrics, "epochs": done}


def _batches(count: int | jax.Array, size: int, most: int) -> jax.Array:
    return jnp.minimum((count + size - 1) // size, most)


def _pass(
    how: Fit, params: Any, opt: Any, chosen: Pass, most: int, shuffle: jax.Array
) -> tuple[Any, Any, dict[str, jax.Array]]:
    """One pass over what was chosen, in at most so many batches."""
    config, data, count = how.config, chosen.data, jnp.sum(chosen.kept)
    rows = chosen.kept.shape[0]
    size = min(config.batch_size, rows)
    batches, all_batches = (_batches(count, size, n) for n in (most, jnp.iinfo(jnp.int32).max))
    shuffles = 1 if config.shared_batches else config.members
    drawn = jax.random.uniform(shuffle, (config.members, rows))
    order, dealt = _order(how, chosen, drawn[:shuffles])

    def step(i, carry):
        params, opt, total, right, counted, skipped = carry
        each = jnp.arange(size)
        slots = each * all_batches + i if dealt else i * size + each
        # Where a batch runs out of labels it repeats a labelled row, and `valid` leaves that out.
        index = order[:, jnp.where(slots < count, slots, 0)]
        valid = jnp.broadcast_to(slots < count, index.shape).astype(jnp.float32)
        batch = jax.tree.map(lambda x: x[index], data)
        (value, (hit, n)), grads = jax.value_and_grad(how.loss, has_aux=True)(
            params, batch, valid, jax.random.fold_in(shuffle, i)
        )
        updates, new_opt = how.optimizer.update(grads, opt, params)
        new = (optax.apply_updates(params, updates), new_opt, total + value, right + hit)
        # One number that is not finite would stay in the parameters for good: no step then.
        finite = jnp.isfinite(optax.global_norm(grads))
        old = (params, opt, total, right)
        params, opt, total, right = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)
        return params, opt, total, right, counted + n, skipped + ~finite

    zero = jnp.float32(0)
    params, opt, total, right, counted, skipped = jax.lax.fori_loop(
        0, batches, step, (params, opt, zero, zero, zero, jnp.int32(0))
    )
    mean_loss = total / (jnp.maximum(batches - skipped, 1) * config.members)
    accuracy = right / jnp.maximum(counted, 1.0)
    return params, opt, {"loss": mean_loss, "accuracy": accuracy, "skipped": skipped}


def _order(how: Fit, chosen: Pass, drawn: jax.Array) -> tuple[jax.Array, bool]:
    """Rows in the order in which they are learned from [E, M], those that count first; and whether
    they are dealt to the batches one by one, instead of batch after batch."""
    if how.strata is None:
        return jnp.argsort(drawn + 2.0 * ~chosen.kept, axis=1), False
    strata = how.strata(chosen.data, chosen.kept)
    return jax.vmap(lambda x: jnp.lexsort((x, strata, ~chosen.kept)))(drawn), True
