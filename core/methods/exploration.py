"""PEBBLE's loop (Lee et al., ICML 2021), which methods that learn from a teacher's labels share.

    explore by state entropy, an intrinsic reward, after some random steps
    then, round after round: ask, fit R to all labels and relabel replay
    from the first fit on train on R alone, with fresh critics and a hundred updates

What is asked and what R is, is the method's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core_jax import envs
from core_jax.feedback.collecting import Collector
from core_jax.methods.base import Context
from core_jax.methods.fit_checks import check_clips, check_input
from core_jax.methods.learned_reward import FittedSource, LearnedReward
from core_jax.methods.preferences import (
    PreferenceMethod,
    PreferenceRun,
    make_collector,
    rescore_every,
)
from core_jax.methods.triggers import Boundary, EachChunk, Every, OnArrival, Trigger
from core_jax.reward_models.entropy import StateEntropy
from core_jax.training.config import TrainingConfig
from core_jax.training.plan import Rewards
from core_jax.training.reward_input import NetworkSource
from core_jax.training.state import SeedState
from core_jax.training.train import Train

ENTROPY = "entropy"


class ExploringMethod(PreferenceMethod):
    """A method that explores by state entropy before its first round.

    Its config has the fields `reward_input`, `unsupervised_steps`, `feedback`, `reward`, `pixels`.
    """

    def unused(self, config: Any) -> Mapping[str, str]:
        """The first round has its own rule, and no scores are asked for."""
        return {
            **super().unused(config),
            "feedback.first_round": "the first round follows --unsupervised-steps",
            "reward.importance_weight": "no scores are asked for",
        }

    def check(self, config: Any, training: TrainingConfig, spec: envs.TaskSpec) -> None:
        """Clips fit into what is explored, and what is to be read can be read."""
        check_clips(config.feedback, training, spec, config.unsupervised_steps)
        check_input(config.reward_input, config.pixels, config.reward, config.feedback,
                    training, spec)  # fmt: skip

    def learned_sources(
        self, config: Any, training: TrainingConfig, env: envs.TaskEnv
    ) -> tuple[FittedSource, ...]:
        """The learned rewards; all are fitted to the same labels."""
        return (self.learned_source(config, training, env),)

    def weights(self, config: Any) -> dict[str, float]:
        """Weight of each learned column from the first fit on."""
        del config
        return {self.column: 1.0}

    def rewards(self, config: Any, training: TrainingConfig, env: envs.TaskEnv) -> Rewards:
        """State entropy, then the learned rewards alone."""
        rows = -(-(config.unsupervised_steps + training.random_steps) // training.envs)
        entropy = StateEntropy(ENTROPY, window=max(1, rows))
        off = dict.fromkeys(self.weights(config), 0.0)
        learned = self.learned_sources(config, training, env)
        return Rewards({ENTROPY: 1.0, **off}, (*learned, entropy))

    def collector(self, config: Any, context: Context, train: Train) -> Collector:
        """What asks and keeps the labels: pairs of clips by default."""
        source = train.plan.sources[0]
        assert isinstance(source, NetworkSource)
        return make_collector(context, train, config.feedback, source, importance=False)

    def start(self, config: Any, context: Context, train: Train) -> ExploringRun:
        """Starts a run."""
        collector = self.collector(config, context, train)
        return ExploringRun(config, self.weights(config), context, train, collector)


class EntropyPhase:
    """Scores replay by state entropy, on the scale of what has been seen so far.

    Args:
        train: the run's functions.
        entropy: one of its sources.
    """

    def __init__(self, train: Train, entropy: StateEntropy):
        self._train, self._entropy = train, entropy
        self._normalise = train.over_seeds(self._normalise_one, "normalise", donate=True)

    def rescore(self, seeds: SeedState) -> SeedState:
        """Scores all of replay anew, for every seed."""
        return self._train.rescore(self._normalise(seeds), self._entropy.name)

    def _normalise_one(self, seed: SeedState) -> SeedState:
        scale = self._entropy.scale(seed.replay)
        return seed.replace(sources={**seed.sources, self._entropy.name: scale})


class ExploringRun(PreferenceRun):
    """Such a method during one run.

    Args:
        config: the method's settings.
        weights: learned column -> weight from the first fit on.
        context: the run's.
        train: its functions.
        collector: asks and keeps the labels.
    """

    def __init__(
        self,
        config: Any,
        weights: Mapping[str, float],
        context: Context,
        train: Train,
        collector: Collector,
    ):
        learned: Any = train.plan.sources[:-1]
        entropy = train.plan.sources[-1]
        assert isinstance(entropy, StateEntropy)
        updates, every = config.feedback.critic_updates, rescore_every(config)
        switched = {ENTROPY: 0.0, **weights}
        reward = LearnedReward(train, learned, context.seed, switched, updates, every)
        super().__init__(context, collector, reward)
        self._config, self._exploration = config, EntropyPhase(train, entropy)

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """What is done when, in this order."""
        first = self.context.training.random_steps + self._config.unsupervised_steps
        return (
            EachChunk(self.explore),
            Every(self._config.feedback.round_every, self.ask, start=first),
            EachChunk(self.collect),
            OnArrival(self.fit),
        )

    @property
    def phase(self) -> str:
        """What the policy is trained on now."""
        return "learned reward" if self.fitted else "state entropy"

    def explore(self, at: Boundary) -> None:
        """Scores the states seen so far by each other."""
        if not self.fitted:
            at.seeds = self._exploration.rescore(at.seeds)
