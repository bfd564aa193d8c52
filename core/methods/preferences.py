"""What methods share that learn a reward from preferences: asking, fitting, switching it on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax

from core_jax import envs
from core_jax.feedback.collecting import Collector
from core_jax.feedback.collector import (
    CollectorSetup,
    PairCollector,
    clip_sampler,
    empty_labels,
)
from core_jax.feedback.config import FeedbackConfig
from core_jax.methods.base import BaseMethod, BaseRun, Context, FitCall
from core_jax.methods.fit_checks import check_clips, check_input
from core_jax.methods.learned_reward import LearnedReward
from core_jax.methods.triggers import Arrived, Boundary
from core_jax.training.config import TrainingConfig
from core_jax.training.reward_input import (
    NetworkSource,
    make_input,
    make_preference_source,
)
from core_jax.training.train import Train


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
    setup = collector_setup(context, feedback, importance)
    sampler = clip_sampler(feedback, context.training.envs, source)
    draw = train.over_seeds(sampler, "clips", options=source and source.compiler_options)
    labelling = context.labelling(feedback.frames_shown)
    return PairCollector(setup, train, draw, labelling, context.store)


def collector_setup(
    context: Context, feedback: FeedbackConfig, importance: bool = False
) -> CollectorSetup:
    """What any collector of a run needs to know."""
    return CollectorSetup(
        feedback,
        context.seeds,
        context.seed,
        context.env.spec.instruction,
        context.judge,
        importance,
        context.wait_for_labels,
    )


class PreferenceRun(BaseRun):
    """A run whose only learned reward is fitted to a teacher's labels, preferences by default.

    Attributes:
        collector: the labels.
        learned: the reward that is fitted to them.
    """

    def __init__(self, context: Context, collector: Collector, learned: LearnedReward):
        self.context, self.collector, self.learned = context, collector, learned

    def labels_to_fit(self) -> Any:
        """All labels, as the learned source takes them."""
        assert isinstance(self.collector, PairCollector)
        return self.collector.preferences()

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
        labels, counts = self.collector.labels, self.collector.counts()
        at.seeds, metrics = self.learned.fit_to(
            at.seeds, self.labels_to_fit(), counts, int(labels["fits"])
        )
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

    def fit_call(self) -> FitCall:
        """The fit to all labels."""
        return self.learned.fit_call(self.labels_to_fit(), self.collector.counts())

    def close(self) -> None:
        """Stops sending queries; waits for replies on their way, which are paid for."""
        self.collector.labelling.close()


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
