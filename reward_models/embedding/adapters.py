"""Adapters of a frozen image-text model to a task, as in PrefVLM (2025) and ROVED (ICRA 2026).

Two small MLPs on the frozen vectors, G_I for pictures and G_T for text, are trained by the answers
of an oracle (Bradley-Terry on the summed cosines of a clip) and by inverse dynamics: the action
between two steps is predicted from both adapted pictures.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Gt, Le
from flax import struct
from jaxtyping import Array, Float, Int

from core_jax.reward_models.preference import bradley_terry_loss


@dataclasses.dataclass(frozen=True)
class AdapterConfig:
    """Adapters of the image-text model, and how a round fits them."""

    hidden: Annotated[int, Ge(1)] = 256
    """Width of an adapter's hidden layer."""
    out: Annotated[int, Ge(1)] = 64
    """Length of an adapted vector."""
    learning_rate: Annotated[float, Gt(0), Le(1)] = 3e-4
    """Of Adam."""
    batches: Annotated[int, Ge(1)] = 50
    """Batches of one fit."""
    batch_size: Annotated[int, Ge(1)] = 64
    """Pairs, and as many transitions, in a batch."""
    transitions: Annotated[int, Ge(1)] = 256
    """Transitions of replay whose pictures a fit reads."""
    inverse_weight: Annotated[float, Ge(0)] = 1.0
    """Weight of inverse dynamics beside the preferences."""


class Adapters(nn.Module):
    """Both adapters and the inverse dynamics."""

    config: AdapterConfig
    actions: int

    def setup(self) -> None:
        hidden, out = self.config.hidden, self.config.out
        self.picture = _mlp(hidden, out)
        self.text = _mlp(hidden, out)
        self.inverse = _mlp(out, self.actions)

    def scores(
        self, pictures: Float[Array, "... D"], text: Float[Array, " D"]
    ) -> Float[Array, "..."]:
        """Cosine of adapted pictures and the adapted text."""
        return unit_or_zero(self.picture(pictures)) @ unit_or_zero(self.text(text))

    def action(self, pictures: Float[Array, "B 2 D"]) -> Float[Array, "B A"]:
        """The action between two pictures."""
        both = self.picture(pictures)
        return self.inverse(both.reshape(both.shape[0], -1))

    def __call__(self, pictures: Float[Array, "B 2 D"], text: Float[Array, " D"]) -> Any:
        """All parts, for `init`."""
        return self.scores(pictures, text), self.action(pictures)


class AdapterState(struct.PyTreeNode):
    """Parameters and optimiser."""

    params: Any
    opt: optax.OptState


class OracleLabels(NamedTuple):
    """Pairs with an oracle's answer, padded to Q rows."""

    features: jax.Array  # [Q, 2, K, D] of K pictures of each clip
    target: jax.Array  # [Q] P(second is better)


class Transitions(NamedTuple):
    """Steps of replay."""

    features: jax.Array  # [T, 2, D] of the pictures before and after
    action: jax.Array  # [T, A]


@dataclasses.dataclass(frozen=True)
class AdapterModel:
    """Adapters as pure functions.

    Attributes:
        config: sizes and fit.
        actions: length A of an action.
        text: the caption's vector [D].
        every: steps that a picture stands for in a clip's return.
    """

    config: AdapterConfig
    actions: int
    text: Any
    every: int

    @property
    def _net(self) -> Adapters:
        return Adapters(self.config, self.actions)

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        return optax.adam(self.config.learning_rate)

    def init(self, key: jax.Array) -> AdapterState:
        """Fresh adapters."""
        text = jnp.asarray(self.text)
        params = self._net.init(key, jnp.zeros((1, 2, text.shape[0])), text)
        return AdapterState(params, self._optimizer.init(params))

    def returns(
        self, state: AdapterState, features: Float[Array, "... K D"]
    ) -> Float[Array, "..."]:
        """Summed scores of clips."""
        return self._returns(state.params, features)

    def fit(
        self,
        state: AdapterState,
        labels: OracleLabels,
        count: Int[Array, ""],
        steps: Transitions,
        key: jax.Array,
    ) -> tuple[AdapterState, dict[str, jax.Array]]:
        """Fits to the first `count` labels and to the transitions; no change without a label."""
        size = self.config.batch_size
        labels, steps = jax.tree.map(jnp.asarray, (labels, steps))

        def batch(carry: Any, key: jax.Array) -> Any:
            params, opt = carry
            pair_key, step_key = jax.random.split(key)
            pairs = jax.random.randint(pair_key, (size,), 0, jnp.maximum(count, 1))
            rows = jax.random.randint(step_key, (size,), 0, steps.action.shape[0])
            taken = jax.tree.map(lambda x: x[pairs], labels)
            (_, parts), grads = jax.value_and_grad(self._loss, has_aux=True)(
                params, taken, jax.tree.map(lambda x: x[rows], steps)
            )
            updates, opt = self._optimizer.update(grads, opt, params)
            return (optax.apply_updates(params, updates), opt), parts

        keys = jax.random.split(key, self.config.batches)
        (params, opt), parts = jax.lax.scan(batch, (state.params, state.opt), keys)
        known = count > 0
        fitted = AdapterState(params, opt)
        state = jax.tree.map(lambda new, old: jnp.where(known, new, old), fitted, state)
        return state, {k: jnp.mean(v) for k, v in parts.items()}

    def _returns(self, params: Any, features: jax.Array) -> jax.Array:
        scores: Any = self._net.apply(params, features, jnp.asarray(self.text), method="scores")
        return self.every * jnp.sum(scores, axis=-1)

    def _loss(self, params: Any, labels: OracleLabels, steps: Transitions) -> Any:
        returns = self._returns(params, labels.features)
        preference = jnp.mean(bradley_terry_loss(returns[:, 0], returns[:, 1], labels.target))
        action: Any = self._net.apply(params, steps.features, method="action")
        inverse = jnp.mean(jnp.sum((action - steps.action) ** 2, axis=-1))
        parts = {"preference_loss": preference, "inverse_loss": inverse}
        return preference + self.config.inverse_weight * inverse, parts


def unit_or_zero(x: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """Vectors of length 1; one of length 0 stays, with a finite gradient."""
    square = jnp.sum(x**2, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-12))


def _mlp(hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential([nn.Dense(hidden), nn.relu, nn.Dense(out)])
