"""A program's values under NumPy, in float64 or with every number a float32."""

from __future__ import annotations

import ast
import builtins
import contextlib
import functools
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from scipy.spatial.transform import Rotation

from core_jax.reward_models.formal import FormalReward
from core_jax.reward_models.formal.needed import needed
from core_jax.reward_models.formal.torch_methods import uses_torch
from core_jax.reward_models.formal.values import Namespace
from formal_fuzz import tensors
from formal_fuzz.divisions import Divisions
from formal_fuzz.programs import Program

COMPLEX = np.exceptions.ComplexWarning
RUN_TIME = (ArithmeticError, ValueError, AssertionError, RuntimeError, COMPLEX)
TINY, HUGE = (float(x) for x in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))


def single(function: Any) -> Any:
    """A function of `math` whose result is a float32, as every number of a reward is.

    It raises where the result leaves float32's range, if NumPy is told to.
    """

    @functools.wraps(function)
    def rounded(*args: Any, **kwargs: Any) -> Any:
        args = tuple(float(x) if isinstance(x, np.floating) else x for x in args)
        value = function(*args, **kwargs)
        if not isinstance(value, float):
            return value
        beyond = value and math.isfinite(value) and not TINY <= abs(value) <= HUGE
        if beyond and np.geterr()["under"] == "raise":
            raise FloatingPointError(f"{value} is beyond float32")
        return np.float32(value)

    return rounded


def narrow(value: Any) -> Any:
    """`value` with float32 for float64, in tuples and lists as well."""
    if isinstance(value, np.ndarray | np.float64) and value.dtype == np.float64:
        return value.astype(np.float32)
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(narrow(part) for part in value)
    return value


class Turned:
    """SciPy's `Rotation`, the class or one of its rotations, whose numbers are float32."""

    def __init__(self, found: Any):
        self._found = found

    def __getattr__(self, name: str) -> Any:
        plain = getattr(self._found, name)
        return (lambda *a, **k: _turned(plain(*a, **k))) if callable(plain) else plain

    def __mul__(self, other: Turned) -> Turned:
        return Turned(self._found * other._found)

    def __pow__(self, exponent: float) -> Turned:
        return Turned(self._found**exponent)


def _turned(value: Any) -> Any:
    if isinstance(value, float):
        return np.float32(value)
    return Turned(value) if isinstance(value, Rotation) else narrow(value)


class NarrowUfunc:
    """A ufunc that gives float32 where it would give float64, as of whole numbers; so do its
    methods."""

    def __init__(self, found: Any):
        self._found = found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return narrow(self._found(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        plain = getattr(self._found, name)
        return (lambda *a, **k: narrow(plain(*a, **k))) if callable(plain) else plain


class Narrow:
    """A module whose functions give float32 where they would give float64."""

    def __init__(self, module: Any):
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if isinstance(found, ModuleType):
            found = Narrow(found)
        elif isinstance(found, np.ufunc):
            found = NarrowUfunc(found)
        elif not isinstance(found, type) and callable(found):
            plain = found
            found = functools.wraps(plain)(lambda *a, **k: narrow(plain(*a, **k)))
        elif found is np.float64:
            found = np.float32
        elif found is Rotation:
            found = Turned(found)
        setattr(self, name, found)
        return found


SINGLE = SimpleNamespace(
    **{k: single(f) if callable(f) else f for k, f in vars(math).items() if k[0] != "_"}
)
NARROW = Narrow(np)


def _import(name: str, *rest: Any) -> Any:
    if name.split(".")[0] == "torch":
        return sys.modules.get(name) or tensors.TORCH
    return __import__(name, *rest)


def _import_single(name: str, *rest: Any) -> Any:
    found = {"math": SINGLE, "numpy": NARROW}.get(name) or _import(name, *rest)
    return Narrow(found) if name.split(".")[0] == "scipy" else found


BUILTINS = vars(builtins) | {"__import__": _import}
SINGLE_BUILTINS = vars(builtins) | {
    "float": np.float32, "__import__": _import_single, "__narrow__": narrow,
}  # fmt: skip


class Single(ast.NodeTransformer):
    """Makes a program's constants float32, and moves them a little."""

    def __init__(self, single: bool, scale: float):
        self.single, self.scale = single, scale

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """`0.1` becomes `float(0.1)`, which is one of SINGLE_BUILTINS."""
        if not isinstance(node.value, float):
            return node
        node = ast.copy_location(ast.Constant(node.value * (1 + self.scale)), node)
        self.scale = -self.scale
        if not self.single:
            return node
        name = ast.Name("float", ast.Load())
        return ast.fix_missing_locations(ast.copy_location(ast.Call(name, [node], []), node))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """`a + b` becomes `__narrow__(a + b)`: NumPy adds float32 to whole numbers in float64."""
        self.generic_visit(node)
        if not self.single:
            return node
        call = ast.Call(ast.Name("__narrow__", ast.Load()), [node], [])
        return ast.fix_missing_locations(ast.copy_location(call, node))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        """A text's formats stay constants."""
        return node


class Unhandled(ast.NodeTransformer):
    """Drops the handlers of `try`, as the compiler does: no reward where they run."""

    def visit_Try(self, node: ast.Try) -> list[ast.stmt]:
        """What `try` and `else` hold, and then `finally`."""
        self.generic_visit(node)
        return [*node.body, *node.orelse, *node.finalbody]


def plain(value: Any) -> Any:
    """What `self` stands for, under NumPy; arrays that the program may write into."""
    if isinstance(value, Namespace):
        return SimpleNamespace(**{name: plain(part) for name, part in value.names.items()})
    return value.copy() if isinstance(value, np.ndarray) else value


def code_of(program: Program, dtype: type, scale: float, divisions: Divisions | None = None) -> Any:
    """The program as Python's code; what a mutant's function does not need is left out."""
    tree = ast.parse(program.source)
    if program.origin:
        tree = needed(tree, program.signature.find(program.source, tree))
    tree = Unhandled().visit(tree)
    if dtype is np.float32 or scale:
        tree = Single(dtype is np.float32, scale).visit(tree)
    if divisions is not None:
        tree = divisions.visit(tree)
    return compile(tree, "<fuzz>", "exec")


@contextlib.contextmanager
def finite_matrices() -> Iterator[None]:
    """Decompositions of NaN and infinity raise.

    What LAPACK does with them depends on its build: an error, NaN, numbers, or it never ends.
    """
    with contextlib.ExitStack() as stack:
        for name in ("svd", "svdvals", "pinv", "eigvalsh", "eigh", "lstsq"):
            read = np.tril if name.startswith("eig") else np.asarray
            function = _of_finite(getattr(np.linalg, name), read)
            stack.enter_context(mock.patch.object(np.linalg, name, function))
        fit = _of_finite(np.polyfit, np.asarray)
        stack.enter_context(mock.patch.object(np, "polyfit", fit))
        yield


def _of_finite(function: Callable, read: Callable) -> Callable:
    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else next(iter(kwargs.values()))
        if not np.all(np.isfinite(read(first))):
            raise np.linalg.LinAlgError("NaN or infinity")
        return function(*args, **kwargs)

    return called


def under_numpy(
    program: Program, reward: FormalReward, batch: list[np.ndarray], dtype: type = np.float64,
    scale: float = 0.0, divisions: Divisions | None = None,
) -> np.ndarray:  # fmt: skip
    """Total and the reward's components of each state, from arrays of `dtype`: [state, 1 + C].

    The program's float constants are moved by `scale`, relatively, by turns up and down. With
    float32, constants, `math`, `float` and what NumPy makes are float32 as well. A row is NaN where
    Python raises, and with float32 where a number is too large or too small for it, unless
    `divisions` are given: then such a number is infinite or zero, and the row is NaN where one of
    them is by zero.

    Raises:
        Exception: what Python raises on all states, if no number can be the cause.
    """
    rows, errors = [], []
    function = program.signature.find(program.source, reward.tree)
    beyond = "raise" if dtype is np.float32 and divisions is None else "ignore"
    torch = uses_torch(reward.tree)
    numpy = NARROW if dtype is np.float32 else np
    ignore = np.errstate(all="ignore", over=beyond, under=beyond)
    empty = mock.patch.object(np, "empty", np.zeros)  # whatever the memory held before
    with ignore, empty, finite_matrices(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", COMPLEX)  # a reward is no complex number
        code = code_of(program, dtype, scale, divisions)
        for state in zip(*batch, strict=True):
            namespace: dict[str, Any] = {"np": numpy, "numpy": numpy, "print": lambda *a, **k: None}
            narrowed = dtype is np.float32
            namespace |= {"math": SINGLE if narrowed else math, "torch": tensors.TORCH}
            namespace["__builtins__"] = SINGLE_BUILTINS if narrowed else BUILTINS
            namespace |= {} if divisions is None else divisions.names()
            exec(code, namespace)  # accepted by the compiler, so it can only compute
            arrays = tuple(np.array(part, dtype) for part in state)
            arrays = tuple(tensors.tensor(part[None]) for part in arrays) if torch else arrays
            args, kwargs = program.signature.bind(function, arrays)
            named = {name: plain(value) for name, value in kwargs.items()}
            try:
                result = namespace[reward.name](*(plain(value) for value in args), **named)
                bare = program.signature.bare and not isinstance(result, tuple | list)
                total, parts = (result, {}) if bare else result
                row = [number(total), *(number(parts[k]) for k in reward.component_names)]
            except Exception as error:
                errors.append(error)
                row = [np.nan] * (1 + len(reward.component_names))
            else:
                assert len(row) == 1 + len(parts), parts  # their order may differ
            rows.append(row)
    if len(errors) == len(rows) and not all(isinstance(e, RUN_TIME) for e in errors):
        raise errors[0]
    return np.array(rows)


def number(value: Any) -> float:
    """A result as Python's number; one of PyTorch has a batch axis."""
    return float(value.reshape(())) if isinstance(value, tensors.Tensor) else float(value)
