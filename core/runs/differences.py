"""Which settings of a run differ from today's defaults of its task and method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core_jax import envs, methods
from core_jax.agents import learner as learners
from core_jax.feedback import teachers
from core_jax.models.chat_config import MODELS
from core_jax.runs import fields
from core_jax.runs.config import Config
from core_jax.runs.layout import to_dict
from core_jax.runs.presets import make_config
from core_jax.runs.run_folder import current_version

# Defaults depend on these, so their own differences are looked for without them.
_CHOICES = ("learner", "model", "teacher", "frm", "rrm", "residual_input", "reward_input")
# No result depends on these, or a report has columns of its own for them.
_APART = {
    "task", "method", "protocol", "seed", "seeds", "teacher", "scripted.kind", "max_cost",
    "render_batch", "checkpoint_every", "final_episodes", "stop_at",
    *(f"{chat}.{name}" for chat in ("chat", "vlm.chat") for name in ("timeout", "retries")),
}  # fmt: skip


def differences(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a stored config other than the defaults, by dotted name.

    Settings that this version does not know are among them; a config is never refused.

    Args:
        stored: a run's `config.json`, of any version.
    """
    try:
        stored = current_version(stored)
    except (ValueError, TypeError, AttributeError):
        pass  # of a version that cannot be translated: its names are compared as they are
    chosen = _defaults(stored, ("task", "method", "protocol", *_CHOICES))
    plain = _defaults(stored, ("task", "method", "protocol"))
    found = {}
    for name, value in fields.flatten(stored):
        known = plain if name in _CHOICES and name in plain else chosen
        if name not in _APART and (name not in known or not _same(known[name], value)):
            found[name] = value
    return found


def _defaults(stored: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Today's defaults for some of a config's choices, flat; choices that are no more are left
    out."""
    choices = {name: stored[name] for name in names if _known(name, stored.get(name))}
    own = set(to_dict(Config(method=choices.get("method", Config.method))))
    choices = {k: v for k, v in choices.items() if k in own}
    return dict(fields.flatten(to_dict(make_config(**choices))))


def _known(name: str, value: Any) -> bool:
    if name == "method":
        return isinstance(value, str) and methods.known(value)
    valid = {
        "task": envs.names,
        "protocol": lambda: envs.PROTOCOLS,
        "learner": learners.names,
        "model": lambda: MODELS,
        "teacher": teachers.names,
        "frm": lambda: (True, False),
        "rrm": lambda: (True, False),
        "residual_input": lambda: ("state", "pixels"),
        "reward_input": lambda: ("state", "pixels"),
    }[name]()
    return isinstance(value, (str, bool)) and value in valid


def _same(a: Any, b: Any) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)
