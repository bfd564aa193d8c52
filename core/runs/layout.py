"""The names of a config's values, on the command line and in `config.json`.

Run settings, training's fields and the method's fields are at the top level; the learner's and the
teacher's settings are groups under their names.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

from core_jax.models.chat_config import ChatConfig
from core_jax.runs import fields
from core_jax.runs.config import Config, check_names

_PARTS = ("training", "settings", "learner_settings", "teacher_settings", "chat")
RUN_FIELDS = tuple(f.name for f in dataclasses.fields(Config) if f.name not in _PARTS)


class Place(NamedTuple):
    """Where a top-level value is in a `Config`.

    Attributes:
        part: an attribute of the config; "" for the config itself.
        field: a field of the part; "" for the part as a whole.
        annotation: the value's type and bounds.
    """

    part: str
    field: str
    annotation: Any

    def get(self, config: Config) -> Any:
        """The value."""
        owner = getattr(config, self.part) if self.part else config
        return getattr(owner, self.field) if self.field else owner

    def put(self, config: Config, value: Any) -> Config:
        """The config with another value."""
        if not self.part:
            return dataclasses.replace(config, **{self.field: value})
        if self.field:
            value = dataclasses.replace(getattr(config, self.part), **{self.field: value})
        return dataclasses.replace(config, **{self.part: value})


def places(config: Config) -> dict[str, Place]:
    """Every top-level value that this config has, by name.

    A teacher's settings are among them only if the method asks one, `chat` only if a hosted model
    is asked.
    """
    found = {name: Place("", name, fields.hints(Config)[name]) for name in RUN_FIELDS}
    for part in ("training", "settings"):
        kinds = fields.hints(type(getattr(config, part)))
        found |= {name: Place(part, name, kind) for name, kind in kinds.items()}
    learner = type(config.learner_settings)
    found[config.learner] = Place("learner_settings", "", learner)
    if config.asks_teacher and config.teacher_settings is not None:
        found[config.teacher] = Place("teacher_settings", "", type(config.teacher_settings))
    if config.hosted:
        found["chat"] = Place("chat", "", ChatConfig)
    return found


def to_dict(config: Config) -> dict[str, Any]:
    """The config as nested plain values, JSON-able."""
    return {name: plain(place.get(config)) for name, place in places(config).items()}


def from_dict(values: Mapping[str, Any]) -> Config:
    """The inverse of `to_dict`; what is left out has its default.

    Raises:
        ValueError: an unknown name, or a value of the wrong type.
    """
    run = {name: values[name] for name in RUN_FIELDS if name in values}
    check_names(run)
    config = Config(**run)
    return with_values(config, {k: v for k, v in values.items() if k not in run})


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """The config with some values changed, nested by name.

    Raises:
        ValueError: an unknown name, or a value of the wrong type.
    """
    # The method's settings decide whether a teacher is asked, the teacher's which model is.
    left = dict(values)
    for parts in (
        ("", "training", "settings", "learner_settings"),
        ("teacher_settings",),
        ("chat",),
    ):
        for name, place in places(config).items():
            if place.part in parts and name in left:
                value = read(name, left.pop(name), place.annotation, place.get(config))
                config = place.put(config, value)
    if left:
        name = sorted(left)[0]
        near = difflib.get_close_matches(name, places(config), n=1, cutoff=0.6)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"unknown setting {name!r} of a run with method {config.method}, teacher "
            f"{config.teacher}, learner {config.learner}.{hint} Leave out what belongs to others."
        )
    return config


def check_fields(config: Config) -> None:
    """Raises a ValueError for a value of the wrong type or out of its own bounds."""
    for name, place in places(config).items():
        fields.check_value(name, place.get(config), place.annotation)


def read(name: str, value: Any, annotation: Any, current: Any) -> Any:
    """A value from plain ones; a group keeps the current values of what is left out."""
    if dataclasses.is_dataclass(current) and isinstance(value, Mapping):
        known = {f.name: getattr(current, f.name) for f in dataclasses.fields(current)}
        kinds = fields.hints(type(current))
        if unknown := sorted(set(value) - set(known)):
            raise ValueError(f"unknown setting {name}.{unknown[0]}; known: {', '.join(known)}")
        made = {k: read(f"{name}.{k}", v, kinds[k], known[k]) for k, v in value.items()}
        return dataclasses.replace(current, **made)  # pyright: ignore[reportArgumentType]
    if dataclasses.is_dataclass(current) and not isinstance(value, type(current)):
        raise ValueError(f"{name} must be a group of named settings, not {value!r}")
    return fields.from_plain(value, annotation)


def plain(value: Any) -> Any:
    """Nested dicts and lists of numbers, texts and booleans in place of dataclasses and tuples."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return str(value) if hasattr(value, "__fspath__") else value
