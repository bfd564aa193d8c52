"""PrefVLM's settings. Defaults are the published schedule on Meta-World."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from annotated_types import Ge

from core_jax.feedback.config import FeedbackConfig
from core_jax.reward_models.denoise import RimeConfig
from core_jax.reward_models.embedding.adapters import AdapterConfig
from core_jax.reward_models.preference import PreferenceConfig
from core_jax.training.config import TrainingConfig
from core_jax.training.embedding import EmbeddingConfig


@dataclasses.dataclass(frozen=True)
class PairsConfig:
    """Rounds of pairs, and the oracle's share of them."""

    pairs_per_round: Annotated[int, Ge(1)] = 128
    """Pairs of clips that the image-text model labels in one round, for each seed."""
    round_every: Annotated[int, Ge(1)] = 3_000
    """Environment steps between rounds; the first is after the exploration."""
    clip_length: Annotated[int, Ge(1)] = 50
    """Steps of a clip."""
    window: Annotated[int, Ge(1)] = 50_000
    """Clips come from this many latest environment steps."""
    critic_updates: Annotated[int, Ge(0)] = 100
    """Updates right after the first fit, on reinitialised critics."""
    oracle_per_round: Annotated[int, Ge(1)] = 32
    """With --oracle: most uncertain pairs that the teacher is asked about in one round."""
    oracle_labels: Annotated[int, Ge(1)] = 2_000
    """With --oracle: most pairs that the teacher is asked about in the whole run, for each
    seed."""
    frames_shown: Annotated[int, Ge(1)] = 3
    """With --oracle: pictures of each clip that a teacher is shown."""
    max_lag: Annotated[int, Ge(0)] = 20_000
    """With --oracle: environment steps that training may go on while a round is answered in the
    background; then it waits."""

    def feedback(self) -> FeedbackConfig:
        """The same in the terms of the clip sampler."""
        return FeedbackConfig(
            labels_per_round=self.pairs_per_round,
            clip_length=self.clip_length,
            window=self.window,
        )


@dataclasses.dataclass(frozen=True)
class PrefVLMConfig:
    """PrefVLM."""

    oracle: bool = False
    """Ask the teacher about uncertain pairs, and fit the adapters to its answers. Without it only
    the image-text model labels pairs, and uncertain ones are left out."""
    unsupervised_steps: Annotated[int, Ge(0)] = 9_000
    """Environment steps of exploration by state entropy, after the random ones."""
    prefvlm: PairsConfig = dataclasses.field(default_factory=PairsConfig)
    rime: RimeConfig = dataclasses.field(default_factory=RimeConfig)
    adapter: AdapterConfig = dataclasses.field(default_factory=AdapterConfig)
    reward: PreferenceConfig = dataclasses.field(default_factory=PreferenceConfig)
    clip: EmbeddingConfig = dataclasses.field(default_factory=EmbeddingConfig)

    def first_round(self, training: TrainingConfig) -> int:
        """Environment step of the first round."""
        return training.random_steps + self.unsupervised_steps

    def rounds(self, training: TrainingConfig) -> int:
        """Number of rounds of a run."""
        left = training.steps - self.first_round(training)
        return max(1, left // self.prefvlm.round_every + 1)

    def pairs(self, training: TrainingConfig) -> int:
        """Number of pairs of a run, for each seed."""
        return self.rounds(training) * self.prefvlm.pairs_per_round

    def oracle_labels(self, training: TrainingConfig) -> int:
        """Most answers of a run, for each seed; 1 without an oracle, so that no array is empty."""
        most = self.rounds(training) * self.prefvlm.oracle_per_round
        return min(self.prefvlm.oracle_labels, most) if self.oracle else 1


def presets(task: str) -> dict[str, Any]:
    """Defaults that depend on the task: clips are of one episode, and SoftGym's are short."""
    # A fit reads every fifth frame of a clip: one with all of them costs five times as much.
    found: dict[str, Any] = {
        "random_steps": 1_000, "reward.importance_weight": 0.0, "reward.batch_size": 128,
        "reward.batches": 100, "reward.clip_frames": 10,
    }  # fmt: skip
    if task in ("flatten-rope", "pass-water"):
        found |= {"prefvlm.clip_length": 20, "prefvlm.window": 4_000}
        found |= {"reward.clip_frames": 20, "clip.every": 1}
    if task == "fold-cloth":
        found |= {
            "random_steps": 300, "unsupervised_steps": 300, "prefvlm.clip_length": 3,
            "prefvlm.round_every": 1_000, "prefvlm.window": 300, "reward.clip_frames": 3,
            "clip.every": 1, "prefvlm.max_lag": 1_000,
        }  # fmt: skip
    return found
