"""The command line of a run: the flags of the chosen method, teacher, learner and input alone.

What is chosen is read first, then the defaults that depend on it; the other flags are parsed by
tyro from a dataclass that is made for this choice.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from core_jax import envs, methods
from core_jax.agents import learner as learners
from core_jax.feedback import teachers
from core_jax.runs import fields, members, presets, run_folder
from core_jax.runs.config import Config, check_names
from core_jax.runs.follow import follow
from core_jax.runs.layout import Place, check_fields, places, with_values


class NoEffect(ValueError):
    """A flag that has no effect in this run, with the reason.

    Attributes:
        flag: its dotted name.
    """

    def __init__(self, flag: str, reason: str):
        shown = "--" + flag.replace("_", "-")
        super().__init__(f"{shown} has no effect in this run{reason}")
        self.flag = flag


_CHOICES = ("task", "method", "protocol", "teacher", "learner", "model")
_Sweeps = tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]]  # --sweep NAME VALUE VALUE ...
_LISTED = {
    "task": lambda: (*envs.names(), "module:attribute"),
    "method": lambda: (*methods.names(), "module:attribute"),
    "protocol": lambda: envs.PROTOCOLS,
    "teacher": teachers.names,
    "learner": learners.names,
    "model": lambda: ("replay", "gemini", "openai"),
}


def parse(extra: type, argv: Sequence[str] | None = None, prog: str | None = None) -> Any:
    """Parses a command line.

    Args:
        extra: a dataclass of the script's own flags, all with defaults. With a field `resume` and a
            field `out`, a resumed run's own config gives the defaults.
        argv: the words; the process's by default.
        prog: name of the program in its help.

    Returns:
        `(config, extra's instance)`; the config is not checked yet.

    Raises:
        NoEffect: a flag that has no effect in this run.
        ValueError: a config file that cannot be read.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    default, given = _default(argv, extra)
    known = places(default)
    _refuse_foreign(argv, default, known, extra)
    if {"-h", "--help"} & set(argv):
        # Flags without effect are parsed, to be refused, but not shown.
        unused = default.recipe.unused(default.settings)
        known = {name: place for name, place in known.items() if name not in unused}
    cls, own = _flags_class(extra, default, known)
    parsed = tyro.cli(cls, args=argv, prog=prog, description=extra.__doc__)
    values = {name: getattr(parsed, name) for name in known}
    if "sweep" in known:
        values["sweep"] = members.parse(parsed.sweep) or default.sweep
    config = default
    for name, place in known.items():
        config = place.put(config, values[name])
    _refuse_unused(argv, config)
    config = follow(config, given | named(argv))
    return config, extra(**{name: getattr(parsed, name) for name in own})


def named(argv: Sequence[str]) -> set[str]:
    """Dotted names of the flags in a command line: `--no-frm` is frm."""
    found = set()
    for word in argv:
        if match := re.match(r"--([A-Za-z][\w.\-]*)", word):
            name = match[1].replace("-", "_")
            found.add(name)
            found.add(re.sub(r"(^|\.)no_", r"\1", name))
    return found


def _default(argv: Sequence[str], extra: type) -> tuple[Config, set[str]]:
    """The config before the command line, and the names that a config file gave."""
    seen = _peek(argv, {name: str for name in (*_CHOICES, "config", "out")} | {"resume": bool})
    own = {f.name: f.default for f in dataclasses.fields(extra)}
    out = Path(seen["out"]) if "out" in seen else own.get("out")
    if seen.get("resume") and isinstance(out, Path) and (out / "config.json").exists():
        if "config" in seen:
            raise ValueError(f"--config has no effect with --resume: {out} has its own config")
        return run_folder.load_config(out), set()
    choices = {name: seen[name] for name in _CHOICES if name in seen}
    values = _read_file(Path(seen["config"])) if "config" in seen else {}
    choices = {name: values[name] for name in _CHOICES if name in values} | choices
    check_names(choices)
    # The method's own switches decide which of its groups have an effect, and some defaults.
    switches = {
        name: fields.bare(kind)
        for name, kind in fields.hints(methods.get(choices.get("method", "core")).config).items()
        if not fields.is_group(kind)
    }
    choices |= {name: values[name] for name in switches if name in values}
    peeked = _peek(argv, {k: v if v is bool else str for k, v in switches.items()})
    choices |= {k: _number(v, switches[k]) for k, v in peeked.items()}
    config = presets.defaults(choices)
    if values:
        config = with_values(config, {**values, **choices})
        check_fields(config)
    return config, {name for name, _ in fields.flatten(values)} | set(values)


def _peek(argv: Sequence[str], names: Mapping[str, type]) -> dict[str, Any]:
    """The values of some flags, as text or as booleans, before the rest can be parsed."""
    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name, kind in names.items():
        flags = [f"--{name.replace('_', '-')}", f"--{name}"]
        if kind is bool:
            peek.add_argument(*flags, dest=name, action="store_true", default=None)
            negated = [f"--no-{name.replace('_', '-')}", f"--no_{name}"]
            peek.add_argument(*negated, dest=name, action="store_false", default=None)
        else:
            peek.add_argument(*flags, dest=name)
    return {k: v for k, v in vars(peek.parse_known_args(argv)[0]).items() if v is not None}


def _number(value: Any, kind: Any) -> Any:
    """A flag's text as the number that its field holds; other text, and no number, as it is."""
    if kind not in (int, float):
        return value
    try:
        return kind(value)
    except ValueError:
        return value  # tyro says what is wrong with it


def _read_file(path: Path) -> dict[str, Any]:
    own = path / "config.json"
    if path.is_dir():
        hint = f"give {own}" if own.exists() else "give a .json, .yaml or .yml file"
        raise ValueError(f"--config {path} is a folder; {hint}")
    if path.suffix not in ("", ".json", ".yaml", ".yml"):
        raise ValueError(f"--config {path} must be a .json, .yaml or .yml file, not {path.suffix}")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"--config {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"--config {path} is not a text file (UTF-8)") from error
    try:
        if path.suffix in (".yaml", ".yml"):
            import yaml

            content = yaml.safe_load(text)
        else:
            content = json.loads(text)
    except Exception as error:  # each parser has errors of its own; all of them mean this
        raise ValueError(f"--config {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"--config {path} must hold named settings, as a run's config.json does")
    return run_folder.current_version(content)


def _flags_class(
    extra: type, config: Config, known: Mapping[str, Place]
) -> tuple[type, tuple[str, ...]]:
    """A dataclass with every flag of this choice, and the names that are the script's own."""
    own = dataclasses.fields(extra)
    texts, kinds = fields.docs(extra), fields.hints(extra)
    rows: list[tuple[str, Any, Any]] = []
    for f in own:
        rows.append((f.name, _documented(kinds[f.name], texts.get(f.name, "")), _field(f.default)))
    for name, place in known.items():
        owner = getattr(config, place.part) if place.part else config
        text = fields.docs(type(owner)).get(name, "") if place.field else ""
        if name in _LISTED:
            text = f"{text} Choices: {', '.join(_LISTED[name]())}."
        annotation = place.annotation if fields.is_group(place.annotation) else _documented(
            place.annotation, text
        )  # fmt: skip
        if name == "sweep":
            annotation, value = _documented(_Sweeps, text), ()
        else:
            value = place.get(config)
        rows.append((name, annotation, _field(value)))
    cls = dataclasses.make_dataclass("Flags", rows, frozen=True)
    return cls, tuple(f.name for f in own)


def _documented(annotation: Any, text: str) -> Any:
    return Annotated[annotation, tyro.conf.arg(help=text or None)]


def _field(default: Any) -> Any:
    return dataclasses.field(default_factory=lambda: default)


def _refuse_unused(argv: Sequence[str], config: Config) -> None:
    """Raises a ValueError for a flag that has no effect with the other settings, with the
    reason."""
    given = named(argv)
    for name, reason in {**_idle(config), **config.recipe.unused(config.settings)}.items():
        for flag in sorted(given):
            if flag == name or flag.startswith(f"{name}."):
                raise NoEffect(flag, f". {reason}")


def _idle(config: Config) -> dict[str, str]:
    """Run settings that were changed from their defaults and have no effect, with the reason."""
    found, default = {}, Config()
    if not config.asks_teacher:
        reason = f"Method {config.method} with these settings asks for no labels."
        found = {"teacher": reason, "wait_for_labels": reason}
    elif config.teacher not in ("vlm", "person"):
        found = {"wait_for_labels": f"Teacher {config.teacher} answers at once."}
    if not (config.hosted or config.asks_writer):
        found["model"] = "No language model is asked."
    if not config.hosted:
        found["max_cost"] = "No hosted model is asked."
    if config.task in set(envs.names()) - set(envs.names("metaworld")):
        found["randomise"] = "Only Meta-World's tasks can vary their physics."
    return {k: v for k, v in found.items() if getattr(config, k) != getattr(default, k)}


def _refuse_foreign(
    argv: Sequence[str], config: Config, known: Mapping[str, Place], extra: type
) -> None:
    """Raises `NoEffect` for a flag of another method, teacher, learner or model."""
    valid = {f.name for f in dataclasses.fields(extra)}
    this = (
        f"this is --method {config.method} --teacher {config.teacher} --learner {config.learner} "
        f"--model {config.model}"
    )
    for flag in sorted(named(argv)):
        top = flag.partition(".")[0]
        if top in valid or (top in known and _has(known[top].annotation, flag)):
            continue
        owner = _methods_with(flag) if top in known else _owner(top)
        if owner is None:  # a misspelt one; tyro suggests others
            continue
        if top in teachers.names() and not config.asks_teacher:
            raise NoEffect(flag, f": method {config.method} with these settings asks for no labels")
        raise NoEffect(flag, f": it belongs to {owner}, and {this}")


def _owner(top: str) -> str | None:
    """Whose flags begin with a name."""
    if top in learners.names():
        return f"--learner {top}"
    if top in teachers.names():
        return f"--teacher {top}"
    if top == "chat":
        return "--model gemini or openai"
    return _methods_with(top)


def _methods_with(flag: str) -> str | None:
    """The methods that have a flag."""
    found = []
    for name in methods.names():
        kind = fields.hints(methods.get(name).config).get(flag.partition(".")[0])
        if kind is not None and _has(kind, flag):
            found.append(name)
    return f"--method {' or '.join(found)}" if found else None


def _has(annotation: Any, flag: str) -> bool:
    """Whether the field that a flag's first word names, a group or not, has the rest of it."""
    for name in flag.split(".")[1:]:
        if not fields.is_group(annotation):
            return False
        annotation = fields.hints(fields.bare(annotation)).get(name)
        if annotation is None:
            return False
    return True
