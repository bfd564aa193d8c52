"""Checks of a whole config: bounds of every value, then what must fit together."""

from __future__ import annotations

from core_jax import envs
from core_jax.feedback.teachers.vlm_config import check_vlm
from core_jax.models.chat_config import check_chat
from core_jax.runs import members
from core_jax.runs.config import Config, check_names
from core_jax.runs.layout import RUN_FIELDS, check_fields


def check(config: Config, spec: envs.TaskSpec | None = None) -> Config:
    """Returns the config, or raises a ValueError naming field, value and what is right.

    Args:
        config: to check.
        spec: of the task, where it is not a built-in one.
    """
    check_names({name: getattr(config, name) for name in RUN_FIELDS})
    check_fields(config)
    members.check(config)
    training = config.training
    if config.seed + training.seeds > 2**31:
        raise ValueError(
            f"seed ({config.seed}) must be at most {2**31 - training.seeds}, so that all "
            f"{training.seeds} seeds are less than 2**31"
        )
    if training.chunk % training.block:
        raise ValueError(
            f"chunk ({training.chunk}) must be a multiple of envs * rollout ({training.block})"
        )
    for name in ("steps", "eval_every", "checkpoint_every", "random_steps"):
        value = getattr(training if hasattr(training, name) else config, name)
        if value % training.chunk:
            raise ValueError(f"{name} ({value}) must be a multiple of chunk ({training.chunk})")
    _check_sizes(config)
    if config.labeller is not None:
        check_vlm(config.teacher_settings, *config.labeller, config.max_cost)
    if config.asks_writer and config.model != "replay":
        check_chat(config.model, config.chat, config.max_cost)
    spec = envs.spec(config.task, config.protocol) if spec is None else spec
    config.recipe.check(config.settings, training, spec)
    if getattr(config.learner_settings, "hindsight", 0.0) > 0 and spec.goal_fields is None:
        having = [name for name in envs.names() if envs.spec(name).goal_fields is not None]
        raise ValueError(
            f"sac.hindsight must be 0: observations of {config.task} hold no goal, as those of "
            f"{', '.join(having)} do"
        )
    return config


def _check_sizes(config: Config) -> None:
    """Checks that there is time to learn, and room in replay for what is read from it."""
    training = config.training
    if training.random_steps >= training.steps:
        raise ValueError(
            f"random_steps ({training.random_steps}) must be less than steps ({training.steps}): "
            "until then actions are random and nothing is learned; give --random-steps 0 or some "
            f"multiple of --chunk ({training.chunk})"
        )
    needs = {"envs * rollout, which is added at once": training.block}
    if config.learner == "sac":
        needs["sac.batch_size"] = config.learner_settings.batch_size
    feedback = getattr(config.settings, "feedback", None)
    if config.asks_teacher and feedback is not None:
        needs["two clips of all envs"] = 2 * feedback.clip_length * training.envs
    what, least = max(needs.items(), key=lambda item: item[1])
    if training.replay < least:
        raise ValueError(f"replay ({training.replay}) must be at least {least}: {what}")
