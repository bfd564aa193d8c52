"""Hyperparameter sweeps: one run whose seeds differ in settings of the learner.

Every combination of values is trained with every seed. Together they are the run's seed axis, so
that one program, compiled once, trains them all, and members with the same seed draw the same
random numbers.
"""

from __future__ import annotations

import itertools
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from core_jax.agents import learner as learners
from core_jax.runs import fields
from core_jax.runs.config import Config


class Member(NamedTuple):
    """A place on the seed axis: the number of its seed, and its values by dotted name."""

    seed: int
    values: dict[str, float]


def of(config: Config) -> list[Member]:
    """The seed axis of a run: combinations of values in the order given (the last name's values
    change first), each with all seeds. Without a sweep there is one combination, of nothing."""
    seeds = range(config.seed, config.seed + config.training.seeds)
    combinations = itertools.product(*config.sweep.values())
    names = tuple(config.sweep)
    return [Member(s, dict(zip(names, c, strict=True))) for c in combinations for s in seeds]


def keys(config: Config) -> jax.Array:
    """One key per member [S], that of its seed."""
    return jax.vmap(jax.random.key)(jnp.array([m.seed for m in of(config)]))


def values(config: Config) -> dict[str, jax.Array]:
    """What `Train.init` takes: field of the learner's config -> the value of each member [S]."""
    found = of(config)
    return {
        name.partition(".")[2]: jnp.array([m.values[name] for m in found], jnp.float32)
        for name in config.sweep
    }


def described(config: Config) -> list[dict[str, float]]:
    """What a summary says of each member: its seed and its values."""
    return [{"seed": m.seed, **m.values} for m in of(config)]


def parse(words: Sequence[Sequence[str]]) -> dict[str, list[float]]:
    """A sweep from the words of its flags, `["sac.gamma", "0.97", "0.99"]` for each.

    Raises:
        ValueError: a name twice or without values, or a value that is no number.
    """
    found: dict[str, list[float]] = {}
    for name, *texts in words:
        name = name.replace("-", "_")
        if name in found:
            raise ValueError(f"--sweep names {name} twice")
        try:
            found[name] = [float(text) for text in texts]
        except ValueError as error:
            raise ValueError(f"--sweep {name}: {error}") from error
    return found


def check(config: Config) -> None:
    """Raises a ValueError for a sweep of what cannot be swept, or of values out of bounds."""
    if not isinstance(config.sweep, Mapping):
        raise ValueError(f"sweep must be values by name, not {config.sweep!r}")
    for name, given in config.sweep.items():
        _check_name(config, name)
        annotation = fields.hints(type(config.learner_settings))[name.partition(".")[2]]
        if not isinstance(given, Sequence) or isinstance(given, str) or not given:
            raise ValueError(f"sweep of {name} needs values, not {given!r}")
        for i, value in enumerate(given):
            fields.check_value(f"sweep {name}[{i}]", value, annotation)
            if not isinstance(value, numbers.Real):
                raise ValueError(f"sweep {name}[{i}] must be a number, not {value!r}")
        if len(set(given)) < len(given):
            raise ValueError(f"sweep of {name} has a value twice: {', '.join(map(str, given))}")
    if config.sweep:
        _check_method(config)


def _check_name(config: Config, name: Any) -> None:
    group, _, field = str(name).partition(".")
    sweepable = learners.sweepable(config.learner)
    if group == config.learner and field in sweepable:
        return
    known = ", ".join(f"{config.learner}.{one}" for one in sweepable)
    why = "it is no setting of the learner, and only those differ between the seeds of one program"
    if group == config.learner:
        why = f"{config.learner} has no such setting"
        if field in fields.hints(type(config.learner_settings)):
            why = "a shape or the program itself depends on it, so each value needs a program"
    raise ValueError(f"{name} cannot be swept: {why}. There can be: {known}")


def _check_method(config: Config) -> None:
    recipe = config.recipe
    why = ""
    if recipe.asks_teacher(config.settings):
        why = "it keeps labels for each seed, and members of a sweep share their seeds"
    elif recipe.asks_writer(config.settings) or hasattr(config.settings, "formal"):
        why = "it keeps reward code for each seed, and members of a sweep share their seeds"
    if why:
        raise ValueError(
            f"method {config.method} cannot be swept: {why}. env_dense and env_sparse can be"
        )


__all__ = ["Member", "check", "described", "keys", "of", "parse", "values"]
