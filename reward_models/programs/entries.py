"""Which function or class of a source is the program, and which pictures it takes."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Literal

from core_jax.reward_models.formal.errors import RewardError, diagnostic_at, diagnostic_for

Role = Literal["first", "previous", "current"]

NAMES = (
    "reward", "compute_reward", "get_reward", "calculate_reward", "check_and_progress", "step",
    "update", "__call__", "evaluate", "progress", "check", "score", "process", "process_frame",
    "compute", "forward", "check_progress", "check_completion", "is_complete", "completed",
)  # fmt: skip
_FIRST = ("first", "initial", "start", "begin", "reference", "init_")
_PREVIOUS = ("prev", "last", "before", "old")
HINT = "define `def reward(image):`, or a class with a method `reward(self, image)`"


@dataclass(frozen=True)
class Entry:
    """How a program is called.

    Attributes:
        function: the function, or the entry method of `owner`.
        owner: the class; None for a plain function.
        roles: which picture each of the required parameters gets.
        start: `__init__` (or `reset` where there is none), if the class has one.
        start_roles: which pictures that takes.
    """

    function: ast.FunctionDef
    owner: ast.ClassDef | None
    roles: tuple[Role, ...]
    start: ast.FunctionDef | None = None
    start_roles: tuple[Role, ...] = ()

    @property
    def name(self) -> str:
        return self.owner.name if self.owner else self.function.name


def find(source: str, tree: ast.Module) -> Entry:
    """The program of a source: a function with a usual name, else a class, else the last function.

    Raises:
        RewardError: there is none, or it takes something that is no picture.
    """
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) if _method(node)]
    usual = [node for node in functions if node.name in NAMES]
    if usual and not (classes and not _required(usual[-1])):
        return _of_function(source, usual[-1])
    if classes:
        return _of_class(source, classes[-1])
    taking = [node for node in functions if _required(node)]
    if not taking:
        node = functions[-1] if functions else None
        message = "no function or class takes a picture"
        found = diagnostic_for(source, node, message, HINT) if node else (
            diagnostic_at(source, 1, 0, message, HINT))  # fmt: skip
        raise RewardError([found])
    called = {n.func.id for n in ast.walk(tree)
              if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}  # fmt: skip
    own = [node for node in taking if node.name not in called]
    return _of_function(source, (own or taking)[-1])


def _of_function(source: str, node: ast.FunctionDef) -> Entry:
    return Entry(node, None, _roles(source, node, _required(node)))


def _of_class(source: str, node: ast.ClassDef) -> Entry:
    method = _method(node)
    assert method is not None
    found = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    start = found.get("__init__", found.get("reset"))
    roles = _roles(source, method, _required(method)[1:])
    start_roles: tuple[Role, ...] = ()
    if start is not None:
        start_roles = tuple("first" for _ in _required(start)[1:])
    return Entry(method, node, roles, start, start_roles)


def _method(node: ast.ClassDef) -> ast.FunctionDef | None:
    """The entry method of a class."""
    methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    taking = [part for part in methods if len(_required(part)) >= 2 and part.name != "__init__"]
    for name in NAMES:
        for part in taking:
            if part.name == name:
                return part
    called = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    own = [part for part in taking if part.name not in called and not part.name.startswith("_")]
    return own[-1] if own else None


def _required(node: ast.FunctionDef) -> list[str]:
    """Parameters without a default."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    return [arg.arg for arg in positional[: len(positional) - len(arguments.defaults)]]


def _roles(source: str, node: ast.FunctionDef, names: list[str]) -> tuple[Role, ...]:
    roles: list[Role] = []
    for name in names:
        lower = name.lower()
        if lower.startswith(_FIRST) or "_first" in lower or "_initial" in lower:
            roles.append("first")
        elif lower.startswith(_PREVIOUS) or "_prev" in lower:
            roles.append("previous")
        else:
            roles.append("current")
    if roles.count("current") > 1 or not names:
        message = f"`{node.name}` takes ({', '.join(names)}): one of these must be the picture"
        hint = "take one picture, and `first_image` or `previous_image` beside it"
        raise RewardError([diagnostic_for(source, node, message, hint)])
    return tuple(roles)
