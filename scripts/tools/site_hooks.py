"""Hooks of mkdocs: the parts of the documentation site that are generated when it is built.

- `<!-- configuration -->` becomes tables of every setting, from the config dataclasses.
- `<!-- api: MODULE -->` becomes one mkdocstrings entry for each name in the module's `__all__`, or
  one for the module where it has none.
- Links out of `docs/` (`../results/`), which the site does not hold, become text.
"""

from __future__ import annotations

import importlib
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import annotated_types

ROOT = Path(__file__).resolve().parents[2]
VIEW = ROOT / "build" / "site_view"  # its own: a run may be using the other one
_API = re.compile(r"^<!-- api: ([\w.]+) -->$", re.M)


def on_config(config: Any) -> Any:
    """Lays out the packages where mkdocstrings and this file import them from."""
    sys.path[:0] = [str(ROOT / "scripts" / "tools"), str(VIEW)]
    importlib.import_module("linked_view").make_view(VIEW)
    return config


def on_page_markdown(markdown: str, page: Any, **others: Any) -> str:
    """A page's text with its generated parts."""
    del others
    markdown = _API.sub(lambda found: api(found[1]), markdown)
    if "<!-- configuration -->" in markdown:
        markdown = markdown.replace("<!-- configuration -->", "\n".join(configuration()))
    up = page.file.src_uri.count("/") + 1
    return re.sub(rf"\[([^\]]+)\]\((?:\.\./){{{up}}}[^)]*\)", r"`\1`", markdown)


def api(module: str) -> str:
    """Entries for the public names of a module."""
    names = getattr(importlib.import_module(module), "__all__", None)
    if names is None:
        return f"::: {module}\n"
    return "\n".join(f"::: {module}.{name}\n" for name in names)


Groups = dict[type, list[str]]  # class of a group of settings -> the flags that it stands behind


def configuration() -> Iterator[str]:
    """Lines of the configuration reference."""
    from core_jax import methods
    from core_jax.agents import learner as learners
    from core_jax.feedback import teachers
    from core_jax.models.chat_config import ChatConfig
    from core_jax.runs import presets
    from core_jax.runs.config import Config
    from core_jax.training.config import TrainingConfig

    groups: Groups = {ChatConfig: ["--chat.*"]}
    yield "## Every run\n"
    parts = ("training", "settings", "learner_settings", "teacher_settings", "chat")
    yield from _table(Config, Config(), "--", groups, leave_out=parts)
    yield "\n### Training\n"
    yield from _table(TrainingConfig, TrainingConfig(), "--", groups)
    yield "\n## Methods\n"
    for name in methods.names():
        config = presets.defaults({"method": name})
        summary = methods.get(name).summary
        yield f"\n### --method {name}\n\n{summary[:1].upper()}{summary[1:]}.\n"
        yield from _table(type(config.settings), config.settings, "--", groups)
        yield from _presets(name)
    for title, names, find in (
        ("Learners", learners.names(), learners.config_class),
        ("Teachers", teachers.names(), teachers.config_class),
    ):
        yield f"\n## {title}\n"
        for name in names:
            cls = find(name)
            yield f"\n### --{title[:-1].lower()} {name}\n"
            yield from _table(cls, cls(), f"--{name}.", groups) if cls else ["No settings."]
    yield from _groups(groups)
    yield "\n## Presets by task and learner\n"
    for name, preset in {**presets.TASKS, **presets.LEARNERS}.items():
        yield f"- `{name}`: {_listed(preset)}"


def _groups(groups: Groups) -> Iterator[str]:
    """Tables of the groups, and of the groups in them."""
    yield "\n## Groups\n"
    yield "Defaults of the classes. What a method sets instead is listed with the method.\n"
    done: set[type] = set()
    while left := [cls for cls in groups if cls not in done]:
        for cls in left:
            done.add(cls)
            behind = ", ".join(f"`{flags}`" for flags in groups[cls])
            prefix = groups[cls][0].removesuffix("*") if len(groups[cls]) == 1 else "."
            yield f"\n### {cls.__name__}\n\n{behind}\n"
            yield from _table(cls, cls(), prefix, groups)


def _presets(method: str) -> Iterator[str]:
    """What a method sets on drawer-open, besides its own fields."""
    from core_jax import methods

    recipe = methods.get(method)
    found = recipe.presets(recipe.config(), "drawer-open")
    if found:
        yield f"\nPresets on drawer-open: {_listed(found)}.\n"


def _listed(preset: Mapping[str, Any]) -> str:
    return ", ".join(f"`--{k.replace('_', '-')} {_value(v)}`" for k, v in preset.items())


def _table(
    cls: type, default: Any, prefix: str, groups: Groups, leave_out: tuple[str, ...] = ()
) -> Iterator[str]:
    """A row for each field of a config, its flag behind a prefix; a group is a row that names its
    class, which is added to `groups`."""
    from core_jax.runs import fields

    texts = fields.docs(cls)
    rows = [(name, kind) for name, kind in fields.hints(cls).items() if name not in leave_out]
    if not rows:
        yield "No settings."
        return
    yield "| flag | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, kind in rows:
        flag = f"{prefix}{name}".replace("_", "-")
        text = texts.get(name, "").replace("|", "\\|")
        if fields.is_group(kind):
            group = fields.bare(kind)
            behind = groups.setdefault(group, [])
            if f"{flag}.*" not in behind:
                behind.append(f"{flag}.*")
            yield f"| `{flag}.*` | [{group.__name__}](#{group.__name__.lower()}) | | {text} |"
            continue
        value = getattr(default, name)
        yield f"| `{flag}` | {_type(kind)} | `{_value(value)}` | {text} |"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, (tuple, list)):
        return " ".join(map(_value, value)) or "()"
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    return str(value) if not isinstance(value, str) else value or "(empty)"


def _type(kind: Any) -> str:
    """A field's type with its bounds, in words."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        inner, *bounds = args
        found = " and ".join(b for one in bounds for b in _bounds(one))
        return f"{_type(inner)}, {found}" if found else _type(inner)
    if origin is typing.Literal:
        return " \\| ".join(f"`{one}`" for one in args)
    if origin is tuple:
        return f"list of {_type(args[0])}" if args[-1] is Ellipsis else ", ".join(map(_type, args))
    if args and type(None) in args:
        return " or ".join([*(_type(a) for a in args if a is not type(None)), "None"])
    names = {int: "int", float: "float", bool: "bool", str: "text", Path: "path", Any: "values"}
    return names.get(kind, str(kind).replace("|", "\\|"))


def _bounds(bound: Any) -> Iterator[str]:
    if isinstance(bound, annotated_types.Interval):
        for one in bound:
            yield from _bounds(one)
        return
    for name, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<")):
        if hasattr(bound, name):
            limit = getattr(bound, name)
            yield f"{sign} {limit:,}" if isinstance(limit, int) else f"{sign} {limit:g}"
    if isinstance(bound, annotated_types.MinLen):
        yield f"at least {bound.min_length} long"
