"""A reward that is learned from labels, during a run: its fits, and what the first one changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from core_jax.agents import replay
from core_jax.methods.base import FitCall
from core_jax.reward_models.preference import Preferences
from core_jax.reward_models.source import LearnedSource
from core_jax.training.reward_input import RewardInput
from core_jax.training.state import SeedState
from core_jax.training.streams import Stream, stream_keys
from core_jax.training.train import Train

_STANDARDISED_BY = 4096  # steps of replay whose frames set the scale


class LabelledPairs(Protocol):
    """Labels that a reward can be fitted to."""

    def preferences(self) -> Preferences:
        """All labels; frames are (next_obs, snapshot) [S, M, H, ...]."""
        ...

    def counts(self) -> jax.Array:
        """How many of them are usable, of each seed [S]; those come first."""
        ...


class FittedSource(LearnedSource, Protocol):
    """A source that reads frames and is fitted to labels of them, such as a `NetworkSource`."""

    @property
    def input(self) -> RewardInput: ...

    def standardise(self, state: Any, steps: Any) -> Any:
        """The state with the scale of some steps' frames."""
        ...


class LearnedReward:
    """A reward learned from labels, during a run.

    Args:
        train: the run's functions.
        source: the learned source; or several, which are fitted to the same labels.
        first_seed: number of the first seed.
        weights: column -> weight, once it has been fitted.
        critic_updates: updates right after the first fit, on fresh critics.
        rescore_every: fits from one relabelling of all replay to the next, after the second.
    """

    def __init__(
        self,
        train: Train,
        source: FittedSource | Sequence[FittedSource],
        first_seed: int,
        weights: dict[str, float],
        critic_updates: int,
        rescore_every: int,
    ):
        self._train, self._first_seed = train, first_seed
        self._sources = tuple(source) if isinstance(source, Sequence) else (source,)
        self._weights, self._critic_updates = weights, critic_updates
        self._rescore_every = rescore_every
        options = self._sources[0].compiler_options
        self._fit = train.stage(_fit_one, self._sources, ("sources",), options=options, name="fit")
        self._standardise = train.stage(
            _standardise_one, self._sources, ("key", "sources", "replay"), name="standardise"
        )

    def fit(
        self, seeds: SeedState, labels: LabelledPairs, fits: int
    ) -> tuple[SeedState, dict[str, Any]]:
        """Fits to all labels and relabels replay; the first fit also changes the weights and starts
        the critics afresh (PEBBLE, Lee et al. 2021).

        Args:
            seeds: donated.
            labels: all labels so far.
            fits: how often it was fitted before.

        Returns:
            The seeds and the fit's metrics.
        """
        return self.fit_to(seeds, labels.preferences(), labels.counts(), fits)

    def fit_to(
        self, seeds: SeedState, labels: Any, counts: jax.Array, fits: int
    ) -> tuple[SeedState, dict[str, Any]]:
        """As `fit`, to the first `counts` [S] labels of any kind that the source takes."""
        train, count = self._train, counts.shape[0]
        if fits == 0:
            seeds = self._standardise(seeds)
        keys = stream_keys(self._first_seed, count, Stream.FIT, fits)
        seeds, metrics = self._fit(seeds, labels, counts, keys)
        # Pictures make relabelling expensive; the very first fits change the reward the most.
        if fits < 2 or fits % self._rescore_every == 0:
            for source in self._sources:
                seeds = train.rescore(seeds, source.name)
        if fits == 0:
            weights = {k: jnp.full((count,), w, jnp.float32) for k, w in self._weights.items()}
            seeds = train.reset_value(seeds.replace(weights=weights))
            if not train.plan.learner.on_policy:
                seeds, _ = train.learn(seeds, self._critic_updates)
        return seeds, {f"fit_{k}": v for k, v in metrics.items()}

    def fit_call(self, labels: Any, counts: jax.Array) -> FitCall:
        """The jitted fit to labels, and its arguments after the seeds."""
        keys = stream_keys(self._first_seed, len(counts), Stream.FIT, 0)
        return self._fit, (labels, counts, keys)


def _fit_one(
    sources: tuple[FittedSource, ...],
    seed: SeedState,
    labels: Any,
    count: jax.Array,
    key: jax.Array,
) -> tuple[SeedState, dict[str, jax.Array]]:
    states, metrics = dict(seed.sources), {}
    for i, source in enumerate(sources):
        own = key if i == 0 else jax.random.fold_in(key, i)
        states[source.name], found = source.fit(states[source.name], labels, count, own)
        # The first source's metrics have plain names.
        metrics |= {k if i == 0 else f"{source.name}_{k}": v for k, v in found.items()}
    return seed.replace(sources=states), metrics


def _standardise_one(sources: tuple[FittedSource, ...], seed: SeedState) -> SeedState:
    """Sets the scale of the frames from steps of replay, where frames are scaled."""
    if not any(source.input.scaled for source in sources):
        return seed
    key, sample_key = jax.random.split(seed.key)
    index = replay.sample_index(seed.replay, sample_key, (_STANDARDISED_BY,))
    steps = replay.gather(seed.replay, *index)
    scaled = {s.name: s.standardise(seed.sources[s.name], steps) for s in sources}
    return seed.replace(key=key, sources={**seed.sources, **scaled})
