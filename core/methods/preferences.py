"""What methods share that learn a reward from preferences: asking, fitting, switching it on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp

from core_jax import envs
from core_jax.agents import replay
from core_jax.feedback.collector import (
    CollectorSetup,
    PairCollector,
    clip_sampler,
    empty_labels,
)
from core_jax.feedback.config import FeedbackConfig
from core_jax.methods.base import BaseMethod, BaseRun, Context
from core_jax.methods.triggers import Arrived, Boundary
from core_jax.reward_models.preference import PreferenceConfig, Preferences
from core_jax.training.config import TrainingConfig
from core_jax.training.reward_input import (
    InputKind,
    NetworkSource,
    PixelConfig,
    make_input,
    make_preference_source,
)
from core_jax.training.state import SeedState
from core_jax.training.streams import Stream, stream_keys
from core_jax.training.train import Train

_STANDARDISED_BY = 4096  # steps of replay whose frames set the scale


def make_collector(
    context: Context,
    train: Train,
    feedback: FeedbackConfig,
    source: NetworkSource | None,
    importance: bool,
) -> PairCollector:
    """The labels of a run that asks about pairs of clips.

    Args:
        context: the run's.
        train: its functions.
        feedback: when labels are asked for, and how many.
        source: the learned source, which some sampling rules consult.
        importance: whether per-frame scores are kept.
    """
    setup = CollectorSetup(
        feedback,
        context.seeds,
        context.seed,
        context.env.spec.instruction,
        context.judge,
        importance,
        context.wait_for_labels,
    )
    sampler = clip_sampler(feedback, context.training.envs, source)
    draw = train.over_seeds(sampler, "clips", options=source and source.compiler_options)
    labelling = context.labelling(feedback.frames_shown)
    return PairCollector(setup, train, draw, labelling, context.store)


class LabelledPairs(Protocol):
    """Labels that a reward can be fitted to."""

    def preferences(self) -> Preferences:
        """All labels; frames are (next_obs, snapshot) [S, M, H, ...]."""
        ...

    def counts(self) -> jax.Array:
        """How many of them are usable, of each seed [S]; those come first."""
        ...


class LearnedReward:
    """A reward learned from preferences, during a run.

    Args:
        train: the run's functions.
        source: the learned source.
        first_seed: number of the first seed.
        weights: column -> weight, once it has been fitted.
        critic_updates: updates right after the first fit, on fresh critics.
        rescore_every: fits from one relabelling of all replay to the next, after the second.
    """

    def __init__(
        self,
        train: Train,
        source: NetworkSource,
        first_seed: int,
        weights: dict[str, float],
        critic_updates: int,
        rescore_every: int,
    ):
        self._train, self._source, self._first_seed = train, source, first_seed
        self._weights, self._critic_updates = weights, critic_updates
        self._rescore_every = rescore_every
        options = source.compiler_options
        self._fit = train.over_seeds(self._fit_one, "fit", donate=True, options=options)
        self._standardise = train.over_seeds(self._standardise_one, "standardise", donate=True)

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
        train, counts = self._train, labels.counts()
        count = counts.shape[0]
        if fits == 0:
            seeds = self._standardise(seeds)
        keys = stream_keys(self._first_seed, count, Stream.FIT, fits)
        seeds, metrics = self._fit(seeds, labels.preferences(), counts, keys)
        # Pictures make relabelling expensive; the very first fits change the reward the most.
        if fits < 2 or fits % self._rescore_every == 0:
            seeds = train.rescore(seeds, self._source.name)
        if fits == 0:
            weights = {k: jnp.full((count,), w, jnp.float32) for k, w in self._weights.items()}
            seeds = train.reset_value(seeds.replace(weights=weights))
            if not train.plan.learner.on_policy:
                seeds, _ = train.learn(seeds, self._critic_updates)
        return seeds, {f"fit_{k}": v for k, v in metrics.items()}

    def _fit_one(
        self, seed: SeedState, labels: Any, count: jax.Array, key: jax.Array
    ) -> tuple[SeedState, dict[str, jax.Array]]:
        name = self._source.name
        state, metrics = self._source.fit(seed.sources[name], labels, count, key)
        return seed.replace(sources={**seed.sources, name: state}), metrics

    def _standardise_one(self, seed: SeedState) -> SeedState:
        """Sets the scale of the frames from steps of replay, where frames are scaled."""
        if not self._source.input.scaled:
            return seed
        key, sample_key = jax.random.split(seed.key)
        index = replay.sample_index(seed.replay, sample_key, (_STANDARDISED_BY,))
        steps = replay.gather(seed.replay, *index)
        state = self._source.standardise(seed.sources[self._source.name], steps)
        return seed.replace(key=key, sources={**seed.sources, self._source.name: state})


class PreferenceRun(BaseRun):
    """A run whose only learned reward is fitted to preferences.

    Attributes:
        collector: the labels.
        learned: the reward that is fitted to them.
    """

    def __init__(self, context: Context, collector: PairCollector, learned: LearnedReward):
        self.context, self.collector, self.learned = context, collector, learned

    @property
    def fitted(self) -> bool:
        """Whether the reward has been fitted."""
        return int(self.collector.labels["fits"]) > 0

    def ask(self, at: Boundary) -> None:
        """Asks a round, until all labels are spent."""
        if not self.collector.exhausted:
            self.collector.ask(at.seeds, at.env_steps, fits=True)

    def collect(self, at: Boundary) -> None:
        """Keeps the labels that have arrived."""
        collected = self.collector.collect(at.env_steps)
        at.row.update(collected.row)
        at.events += collected.events
        if collected.answered or collected.fits:
            at.arrived = Arrived(collected.answered, collected.fits)

    def fit(self, at: Boundary) -> None:
        """Fits the reward; its first fit switches it on."""
        if at.arrived is None or not at.arrived.fits or not self.collector.complete:
            return
        labels = self.collector.labels
        at.seeds, metrics = self.learned.fit(at.seeds, self.collector, int(labels["fits"]))
        labels["fits"] += 1
        at.row.update(jax.device_get(metrics))

    def row(self) -> dict[str, Any]:
        """Labels asked for so far."""
        waited = round(self.collector.labelling.waited, 2)
        return {"labels": self.collector.asked, "label_wait_seconds": waited}

    def summary(self) -> dict[str, Any]:
        """Labels asked for."""
        return {"labels": self.collector.asked}

    def problem(self) -> Exception | None:
        """What stopped the teacher for good."""
        return self.collector.labelling.problem

    def arrays(self) -> dict[str, Any]:
        """The labels."""
        return {"labels": self.collector.labels}

    def state(self) -> dict[str, Any]:
        """Rounds under way."""
        return {"pending": self.collector.state()}

    def restore(self, arrays: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint."""
        self.collector.restore(arrays["labels"], state["pending"])

    def close(self) -> None:
        """Stops sending queries; waits for replies on their way, which are paid for."""
        self.collector.labelling.close()


def check_clips(feedback: FeedbackConfig, training: TrainingConfig, spec: envs.TaskSpec) -> None:
    """Raises a ValueError unless clips fit into episodes, and replay holds two when the first are
    drawn."""
    length, envs_ = feedback.clip_length, training.envs
    if training.random_steps < 2 * length * envs_:
        raise ValueError(
            f"random_steps ({training.random_steps}) must be at least {2 * length * envs_}: two "
            f"clips of {length} steps in each of {envs_} environments"
        )
    if length > spec.horizon:
        raise ValueError(
            f"feedback.clip_length ({length}) must be at most {spec.horizon}, an episode of "
            f"{spec.name}"
        )
    if feedback.window < length * envs_:
        raise ValueError(
            f"feedback.window ({feedback.window}) must be at least {length * envs_}: a clip of "
            f"{length} steps in each of {envs_} environments"
        )


def check_input(
    kind: InputKind,
    pixels: PixelConfig,
    fit: PreferenceConfig,
    feedback: FeedbackConfig,
    training: TrainingConfig,
    spec: envs.TaskSpec,
) -> None:
    """Raises a ValueError unless a learned reward can read what it is to read."""
    if kind == "state":
        return
    if spec.camera is None:
        raise ValueError(f"pixels cannot be read: task {spec.name} has no pictures")
    if training.rollout % pixels.every:
        raise ValueError(f"pixels.every ({pixels.every}) must divide rollout ({training.rollout})")
    if fit.clip_frames is not None and feedback.clip_length % fit.clip_frames:
        raise ValueError(
            f"clip_frames ({fit.clip_frames}) must divide feedback.clip_length "
            f"({feedback.clip_length})"
        )


class PreferenceMethod(BaseMethod):
    """A method whose reward is learned from preferences alone.

    Its config has the fields `reward_input`, `feedback`, `reward` and `pixels`.

    Attributes:
        column: the learned reward's.
    """

    column: ClassVar[str] = "preference"

    def asks_teacher(self, config: Any) -> bool:
        """Yes."""
        del config
        return True

    def check(self, config: Any, training: TrainingConfig, spec: envs.TaskSpec) -> None:
        """Clips fit into episodes and replay, and what is to be read can be read."""
        check_clips(config.feedback, training, spec)
        check_input(config.reward_input, config.pixels, config.reward, config.feedback,
                    training, spec)  # fmt: skip

    def unused(self, config: Any) -> Mapping[str, str]:
        """What the input turns off, and the weight of a part: the learned reward is the whole."""
        found = {"feedback.alpha": "the learned reward is the whole reward"}
        if config.feedback.label_filter is None:
            found |= {"feedback.rime": "--feedback.denoise none: labels are not filtered"}
        if config.reward_input == "pixels":
            return found | {"reward.hidden": "--reward-input pixels: the network is a CNN"}
        return found | {"pixels": "--reward-input state: no picture is rendered"}

    def learned_source(
        self, config: Any, training: TrainingConfig, env: envs.TaskEnv
    ) -> NetworkSource:
        """The learned reward."""
        batch, hidden = training.render_batch, config.reward.hidden
        frames = make_input(config.reward_input, env, config.pixels, hidden, batch)
        keep = config.feedback.label_filter
        return make_preference_source(self.column, config.reward, frames, batch, keep)

    def empty_arrays(
        self, config: Any, training: TrainingConfig, env: envs.TaskEnv
    ) -> dict[str, Any]:
        """Room for the labels."""
        return {"labels": empty_labels(training.seeds, config.feedback, env)}


def rescore_every(config: Any) -> int:
    """Fits from one relabelling of replay to the next: pictures make it expensive."""
    return config.pixels.rescore_every if config.reward_input == "pixels" else 1
