"""CoRe's residual reward: its fits, what they are to explain, and its weight."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.feedback.collector import PairCollector
from core_jax.methods.base import Context, FitCall
from core_jax.methods.core import weighting
from core_jax.methods.core.config import CoreConfig
from core_jax.methods.core.formal import FormalRewards
from core_jax.methods.learned_reward import LearnedReward
from core_jax.methods.written import FORMAL
from core_jax.reward_models.preference import Preferences
from core_jax.training.programs import ProgramColumn
from core_jax.training.reward_input import NetworkSource
from core_jax.training.state import SeedState
from core_jax.training.train import Train

RESIDUAL = "residual"
COLUMN = ProgramColumn(FORMAL, limit=1.0)  # CoRe's prompt asks for rewards in [-1, 1]


class ResidualReward:
    """The residual reward of each seed, fitted to all labels after each round.

    Args:
        config: CoRe's settings.
        context: the run's.
        train: the run's functions.
        collector: the labels.
        formal: the formal rewards; None if the residual reward is the whole reward.
    """

    def __init__(
        self,
        config: CoreConfig,
        context: Context,
        train: Train,
        collector: PairCollector,
        formal: FormalRewards | None,
    ):
        self._config, self._collector, self._formal = config, collector, formal
        self._alpha = config.feedback.alpha if formal else 1.0
        self._weighs = formal is not None and config.weighting != "fixed"
        self._records = [weighting.Record() for _ in range(context.seeds)]
        weights = {FORMAL: 1.0 - self._alpha} if formal else {}
        every = config.pixels.rescore_every if config.residual_input == "pixels" else 1
        source = residual_source(train)
        self._learned = LearnedReward(
            train, source, context.seed, weights | {RESIDUAL: self._alpha},
            config.feedback.critic_updates, every,
        )  # fmt: skip
        if self._weighs:
            # Of rounds that arrive together the newest labels are read.
            self._newest = min(2 * config.feedback.labels_per_round, config.feedback.labels)
            self._returns = train.stage(
                _returns, source, ("sources",), changes=False, options=source.compiler_options
            )

    def fit(self, seeds: SeedState) -> tuple[SeedState, dict[str, Any]]:
        """Fits to all labels; the first fit switches the residual reward on.

        Args:
            seeds: donated.

        Returns:
            The seeds, and metrics with one number per seed.
        """
        labels = self._collector.labels
        if self._weighs:
            self._judge(seeds)
        seeds, metrics = self._learned.fit_to(
            seeds, self._preferences(), self._collector.counts(), int(labels["fits"])
        )
        labels["fits"] += 1
        if self._weighs:
            rule = {"agreement": weighting.alpha, "earned": weighting.earned}
            weigh = rule[self._config.weighting]
            alpha = np.array([weigh(record, self._alpha) for record in self._records], np.float32)
            weights = {FORMAL: jnp.asarray(1.0 - alpha), RESIDUAL: jnp.asarray(alpha)}
            seeds, metrics = seeds.replace(weights=weights), {**metrics, "alpha": alpha}
        return seeds, metrics

    def fit_call(self) -> FitCall:
        """The jitted fit to all labels, and its arguments after the seeds."""
        return self._learned.fit_call(self._preferences(), self._collector.counts())

    def state(self) -> list[dict[str, Any]]:
        """JSON-able, for a checkpoint; empty where the weight is fixed."""
        return [dataclasses.asdict(record) for record in self._records if self._weighs]

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Takes over a checkpoint's state."""
        self._records = [weighting.from_json(dict(record)) for record in state]

    def _preferences(self) -> Preferences:
        """All labels; with what the formal reward explains of them, if the rest is to be learned.

        Of (1 - a) F + a R the labels see the clips' difference divided by a, so that R's own has
        the scale that it has alone.
        """
        preferences, formal = self._collector.preferences(), self._formal
        if formal is None or self._config.residual_target == "preferences":
            return preferences
        labels, ratio = self._collector.labels, (1.0 - self._alpha) / self._alpha
        offset = np.zeros(labels["preference"].shape, np.float32)
        for s, reward in enumerate(formal.written.current):
            if reward is not None:
                returns = formal.returns(labels, s, COLUMN.limit)
                offset[s] = ratio * (returns[:, 1] - returns[:, 0])
        return preferences._replace(offset=jnp.asarray(offset))

    def _judge(self, seeds: SeedState) -> None:
        """Records whether both rewards are right about the labels that came since the last fit."""
        labels, formal, size = self._collector.labels, self._formal, self._newest
        assert formal is not None
        counts, rows = labels["count"], labels["preference"].shape[1]
        if not int(labels["fits"]):  # nothing was fitted: the residual reward is not one yet
            self._records = [weighting.Record(int(count)) for count in counts]
            return
        first = np.clip(counts - size, 0, rows - size)
        clips = {
            name: np.stack([labels[name][s, at : at + size] for s, at in enumerate(first)])
            for name in ("next_obs", "snapshot")
        }
        residual = np.asarray(self._returns(seeds, clips["next_obs"], clips["snapshot"]))
        for s, (at, count) in enumerate(zip(first, counts, strict=True)):
            new = slice(max(self._records[s].seen, int(at)), int(count))
            theirs = formal.returns(labels, s, COLUMN.limit)[new]
            mine = residual[s, new.start - at : new.stop - at]
            record = weighting.added(self._records[s], theirs, mine, labels["preference"][s, new])
            self._records[s] = dataclasses.replace(record, seen=int(count))


def residual_source(train: Train) -> NetworkSource:
    """The residual reward's source."""
    [source] = train.plan.sources
    assert isinstance(source, NetworkSource)
    return source


def _returns(
    source: NetworkSource, seed: SeedState, next_obs: jax.Array, snapshot: jax.Array
) -> jax.Array:
    """Mean reward of clips [..., H, O] by one seed's residual reward [...]; of those frames alone
    that are read during training."""
    every = source.input.every
    read = slice(every - 1, None, every)
    frames = source.input.frames(next_obs[..., read, :], snapshot[..., read, :])
    return jnp.mean(source.model.predict(seed.sources[source.name], frames), axis=-1)
