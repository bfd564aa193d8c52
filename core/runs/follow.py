"""Values that must fit together follow the ones that were given."""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from typing import Any

from core_jax.runs.config import Config
from core_jax.runs.layout import check_fields, places, with_values

_WHOLE_CHUNKS = ("steps", "eval_every", "checkpoint_every", "random_steps")


def follow(config: Config, given: Set[str]) -> Config:
    """The config in which everything that was not given fits what was.

    A chunk becomes a multiple of a block, and step counts multiples of a chunk; random actions end
    before a short run does, and last long enough for the first clips; the first round is not before
    them. What was given is never
    changed: `check` refuses it if it does not fit.

    Args:
        config: with the given values in it.
        given: their dotted names.

    Raises:
        ValueError: a value of the wrong type or out of its own bounds.
    """
    check_fields(config)
    config = _up_to(config, "chunk", config.training.block, given)
    if config.asks_teacher and hasattr(config.settings, "feedback"):
        least = 2 * config.settings.feedback.clip_length * config.training.envs
        # Where exploration goes on after the random actions, the first clips come from both.
        least -= getattr(config.settings, "unsupervised_steps", 0)
        fits = least < config.training.steps
        if config.training.random_steps < least and fits and "random_steps" not in given:
            config = with_values(config, {"random_steps": least})
    config = _short(config, given)
    for name in _WHOLE_CHUNKS:
        config = _up_to(config, name, config.training.chunk, given)
    if config.asks_teacher and hasattr(config.settings, "feedback"):
        config = _first_round(config, given)
    return config


def _short(config: Config, given: Set[str]) -> Config:
    """Random actions for at most half of the steps, in whole chunks, where steps were given."""
    training = config.training
    if "steps" not in given or "random_steps" in given:
        return config
    if training.random_steps < training.steps:
        return config
    chunk = training.chunk
    return with_values(config, {"random_steps": training.steps // 2 // chunk * chunk})


def _up_to(config: Config, name: str, unit: int, given: Set[str]) -> Config:
    """A value rounded up to a multiple of a unit, unless it was given."""
    value: Any = places(config)[name].get(config)
    if name in given or value % unit == 0:
        return config
    return with_values(config, {name: -(-value // unit) * unit})


def _first_round(config: Config, given: Set[str]) -> Config:
    feedback, random_steps = config.settings.feedback, config.training.random_steps
    if feedback.first_round >= random_steps or "feedback.first_round" in given:
        return config
    feedback = dataclasses.replace(feedback, first_round=random_steps)
    settings = dataclasses.replace(config.settings, feedback=feedback)
    return dataclasses.replace(config, settings=settings)
