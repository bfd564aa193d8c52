"""How the source of a reward is called: three arrays, named pieces of them, or an environment.

CoRe's rewards take `(observation, action, target_pos)`. Eureka's (Ma et al. 2024) name the pieces
of the state that they need, and Text2Reward's (Xie et al. 2024) read them from a small tree of
classes: `self.robot.ee_position`. All are data here: an input's path in the source, and the slice
of the three arrays that it stands for. The text for prompts is made from the same data, so what a
language model is told and what the compiler accepts cannot differ.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from core_jax.reward_models.formal.errors import RewardError, diagnostic_at, diagnostic_for
from core_jax.reward_models.formal.values import Namespace

Kind = Literal["core", "eureka", "text2reward"]
OBSERVATION, ACTION, TARGET = range(3)  # the arguments of a FormalReward
ARGUMENTS = ("observation", "action", "target_pos")
FUNCTION_NAMES = (
    "compute_reward",
    "reward_function",
    "reward",
    "get_reward",
    "calculate_reward",
    "reward_fn",
    "compute_reward_function",
    "compute_dense_reward",
    "dense_reward",
)

# Text2Reward's names of what tabletop tasks share; other fields keep their own, under `self`.
_PLACES = {
    "hand_pos": "robot.ee_position",
    "gripper_opening": "robot.gripper_openness",
    "object_pos": "obj1.position",
    "object_quat": "obj1.quaternion",
    "second_pos": "obj2.position",
    "second_quat": "obj2.quaternion",
}


@dataclass(frozen=True)
class Input:
    """One thing that a source can read.

    Attributes:
        path: the name of a parameter, or `self` and the attributes that lead there, with dots.
        argument: where it comes from: OBSERVATION, ACTION or TARGET.
        start, stop: its slice of that array; both None for the whole. A slice of one is a number.
        unit: of the numbers, "1" for dimensionless.
        description: one line.
    """

    path: str
    argument: int
    start: int | None = None
    stop: int | None = None
    unit: str = field(default="1", compare=False)
    description: str = field(default="", compare=False)

    @property
    def is_number(self) -> bool:
        return self.start is not None and self.stop is not None and self.stop - self.start == 1

    def read(self, arguments: tuple[Any, Any, Any]) -> Any:
        """Its value, from the three arrays; these may have a leading axis of a batch."""
        array = arguments[self.argument]
        if self.start is None:
            return array
        return array[..., self.start] if self.is_number else array[..., self.start : self.stop]


@dataclass(frozen=True)
class Signature:
    """How a reward function is called.

    Attributes:
        kind: its name.
        function: what the reward function is called.
        inputs: all that it can read.
        positional: whether the function takes all inputs in this order, under any names; else it
            takes those that it names, in any order.
        bare: whether it may return the total alone, without components.
    """

    kind: Kind
    function: str
    inputs: tuple[Input, ...]
    positional: bool = False
    bare: bool = True

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that a function can have."""
        return tuple(dict.fromkeys(one.path.split(".")[0] for one in self.inputs))

    @property
    def attributes(self) -> frozenset[str]:
        """Names of all attributes in the inputs' paths."""
        return frozenset(name for one in self.inputs for name in one.path.split(".")[1:])

    @property
    def head(self) -> str:
        """The line that a source defines its reward function with."""
        returns = " -> float" if self.kind == "text2reward" else ""
        return f"def {self.function}({', '.join(self.parameters)}){returns}:"

    def describe(self) -> str:
        """The inputs as text for a language model: a list, or the classes that `self` leads to."""
        top = [one for one in self.inputs if "." not in one.path]
        lines = [f"- {one.path}: {_kind(one)}: {_about(one)}" for one in top]
        if len(top) < len(self.inputs):
            return "\n".join(["```python", *self._classes(), "```", *lines])
        return "\n".join(lines)

    def _classes(self) -> list[str]:
        bodies: dict[str, dict[str, str]] = {"Environment": {}}
        for one in self.inputs:
            *groups, name = one.path.split(".")[1:] or [""]
            owner = "Environment"
            for group in groups:
                of = "".join(part.capitalize() for part in group.split("_"))
                bodies[owner][group] = f"    {group}: {of}"
                owner = of
                bodies.setdefault(owner, {})
            if name:
                bodies[owner][name] = f"    {name}: {_kind(one)}  # {_about(one)}"
        blocks = [[f"class {name}:", *body.values()] for name, body in bodies.items()]
        return "\n\n".join("\n".join(block) for block in blocks).split("\n")

    def find(self, source: str, tree: ast.Module) -> ast.FunctionDef:
        """The reward function: of the fitting ones the last, preferring the usual names.

        Raises:
            RewardError: there is none, or it has parameters that are no inputs or take no names.
        """
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        hint = f"define `{self.head}` at the top level"
        if not functions:
            raise RewardError([diagnostic_at(source, 1, 0, "no function is defined", hint)])
        usual = (self.function, *FUNCTION_NAMES)
        if self.positional:
            named = [node for node in functions if node.name in usual]
            fitting = [node for node in named or functions if _takes_three(node.args)]
            if not fitting:
                node, asked = (named or functions)[-1], ", ".join(self.parameters)
                message = f"no function takes exactly ({asked})"
                if named:
                    taken = ", ".join(arg.arg for arg in _all(node.args))
                    message = f"`{node.name}` takes ({taken}); {message}"
                raise RewardError([diagnostic_for(source, node, message, hint)])
            return fitting[-1] if named else _most_likely(tree, fitting)
        known = set(self.parameters)
        taking = [node for node in functions if known & {arg.arg for arg in _all(node.args)}]
        function = ([n for n in functions if n.name in usual] or taking or functions)[-1]
        unnamed = [arg for arg in function.args.posonlyargs if arg.arg in known]
        message = "inputs are passed by name, which the `/` forbids"
        found = [diagnostic_for(source, arg, message, "remove the `/`") for arg in unnamed]
        for arg in _required(function.args):
            if arg.arg not in known:
                close = difflib.get_close_matches(arg.arg, self.parameters, 1, 0.5)
                hint = f"did you mean `{close[0]}`? " if close else ""
                hint += f"the inputs are {', '.join(self.parameters)}"
                message = f"the parameter `{arg.arg}` is not an input of the reward"
                found.append(diagnostic_for(source, arg, message, hint))
        if found:
            raise RewardError(found)
        return function

    def bind(
        self, function: ast.FunctionDef, arguments: tuple[Any, Any, Any]
    ) -> tuple[tuple, dict[str, Any]]:
        """What `function` is called with: positional arguments and keywords."""
        if self.positional:
            return tuple(one.read(arguments) for one in self.inputs), {}
        taken = {arg.arg for arg in _all(function.args)}
        values: dict[str, Any] = {}
        for one in self.inputs:
            names = one.path.split(".")
            if names[0] not in taken:
                continue
            owner = values
            for name in names[:-1]:
                owner = owner.setdefault(name, Namespace(name, {})).names
            owner[names[-1]] = one.read(arguments)
        return (), values

    def members(self, path: str) -> tuple[str, ...]:
        """The attributes that `path` has, such as `self.robot`; empty if it is no group."""
        paths = (one.path for one in self.inputs if one.path.startswith(f"{path}."))
        return tuple(dict.fromkeys(name[len(path) + 1 :].split(".")[0] for name in paths))

    def check_sizes(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        """Raises ValueError if an input lies outside of its array."""
        for one in self.inputs:
            shape = shapes[one.argument]
            if one.stop is not None and (len(shape) != 1 or one.stop > shape[0]):
                piece = f"{ARGUMENTS[one.argument]}[{one.start}:{one.stop}]"
                raise ValueError(f"the input {one.path!r} is {piece}, of an array of shape {shape}")


CORE = Signature(
    kind="core",
    function="compute_reward",
    inputs=(
        Input("observation", OBSERVATION, description="the state, one flat array"),
        Input("action", ACTION, description="the action that led to it"),
        Input("target_pos", TARGET, description="the target"),
    ),
    positional=True,
    bare=False,
)


def make_signature(kind: Kind, fields: Iterable[Any], action: str, target: str) -> Signature:
    """The signature of a task.

    Args:
        kind: how the source is called.
        fields: pieces of the observation that a formal reward sees; each has `name`, `start`,
            `stop`, `unit` and `description`, as those of a task's spec.
        action: what an action is, one line.
        target: what the target is, one line.

    Raises:
        ValueError: for an unknown kind.
    """
    act = Input("action", ACTION, description=action)
    if kind == "core":
        return CORE
    if kind == "eureka":
        inputs = [_piece(one.name, one) for one in fields]
        inputs += [act, Input("target_pos", TARGET, description=target)]
        return Signature(kind, "compute_reward", tuple(inputs))
    if kind == "text2reward":
        inputs = [_piece(f"self.{_PLACES.get(one.name, one.name)}", one) for one in fields]
        inputs += [Input("self.goal_position", TARGET, description=target), act]
        inputs += [Input("obs", OBSERVATION, description="all of the state as one flat array")]
        return Signature(kind, "compute_dense_reward", tuple(inputs))
    raise ValueError(f"unknown signature {kind!r}; there are core, eureka, text2reward")


def _piece(path: str, one: Any) -> Input:
    return Input(path, OBSERVATION, one.start, one.stop, one.unit, one.description)


def _kind(one: Input) -> str:
    return "float" if one.is_number else "np.ndarray"


def _about(one: Input) -> str:
    facts = []
    if one.start is not None and one.stop is not None and not one.is_number:
        facts.append(f"shape ({one.stop - one.start},)")
    if one.unit != "1":
        facts.append(one.unit)
    return f"{', '.join(facts)}: {one.description}" if facts else one.description


def _all(arguments: ast.arguments) -> list[ast.arg]:
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def _required(arguments: ast.arguments) -> list[ast.arg]:
    """Parameters without a default."""
    positional = [*arguments.posonlyargs, *arguments.args]
    positional = positional[: len(positional) - len(arguments.defaults)]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return positional + [arg for arg, default in pairs if default is None]


def _most_likely(tree: ast.Module, functions: list[ast.FunctionDef]) -> ast.FunctionDef:
    """Of functions with other names: one that no other calls, that says so or returns a pair."""
    called = {
        node.func.id
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    def rank(indexed: tuple[int, ast.FunctionDef]) -> tuple:
        index, function = indexed
        values = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
        pair = any(isinstance(v, ast.Tuple) and len(v.elts) == 2 for v in values)
        return function.name not in called, pair, "reward" in function.name.lower(), index

    return max(enumerate(functions), key=rank)[1]


def _takes_three(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    keywords_ok = all(default is not None for default in arguments.kw_defaults)
    return keywords_ok and required <= 3 <= positional and (required == 3 or positional == 3)
