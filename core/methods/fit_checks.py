"""Whether clips fit into episodes and replay, and whether a learned reward can read its input."""

from __future__ import annotations

from core_jax import envs
from core_jax.feedback.config import FeedbackConfig
from core_jax.reward_models.fitting import EnsembleConfig
from core_jax.training.config import TrainingConfig
from core_jax.training.reward_input import InputKind, PixelConfig


def check_clips(
    feedback: FeedbackConfig, training: TrainingConfig, spec: envs.TaskSpec, explored: int = 0
) -> None:
    """Raises a ValueError unless clips fit into episodes, and replay holds two when the first are
    drawn, after the random steps and `explored` more. A run that ends before may be too short."""
    length, envs_ = feedback.clip_length, training.envs
    least = 2 * length * envs_ - explored
    first = training.random_steps + explored if explored else feedback.first_round
    if training.random_steps < least and first < training.steps:
        raise ValueError(
            f"random_steps ({training.random_steps}) must be at least {least}: two "
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
    fit: EnsembleConfig,
    feedback: FeedbackConfig,
    training: TrainingConfig,
    spec: envs.TaskSpec,
) -> None:
    """Raises a ValueError unless a learned reward can read what it is to read."""
    if kind == "state":
        return
    if not spec.has_pictures:
        raise ValueError(f"pixels cannot be read: task {spec.name} has no pictures")
    if training.rollout % pixels.every:
        raise ValueError(f"pixels.every ({pixels.every}) must divide rollout ({training.rollout})")
    kept = getattr(fit, "clip_frames", None)  # of preferences only
    if kept is not None and feedback.clip_length % kept:
        raise ValueError(
            f"clip_frames ({kept}) must divide feedback.clip_length ({feedback.clip_length})"
        )
