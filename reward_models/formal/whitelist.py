"""What a formal reward may hold (nodes, attributes, imports), and hints for what it may not."""

from __future__ import annotations

import ast
import typing

import numpy.typing

from core_jax.reward_models.formal.methods_table import METHOD_NAMES
from core_jax.reward_models.formal.modules import DETERMINISTIC, MODULES
from core_jax.reward_models.formal.numpy_more import FINFO
from core_jax.reward_models.formal.rotation import METHODS as ROTATION_METHODS
from core_jax.reward_models.formal.torch_methods import TORCH_METHODS

MODULE_NAMES = {"np", "numpy", "math", "torch"}


DECORATORS = ("torch.jit.script", "torch.jit.export", "torch.no_grad()", "torch.jit.ignore")


DATACLASSES = tuple(
    f"{path}{options}"
    for path in ("dataclass", "dataclasses.dataclass")
    for options in ("", "()", "(frozen=True)")
)
ATTRIBUTES = (
    METHOD_NAMES
    | TORCH_METHODS
    | {
        "linalg",
        "reduce",
        "accumulate",
        "outer",
        "flat",
        "fill",
        "fromkeys",
        "values",
        "indices",
        *FINFO,
        "epsilon",
        *ROTATION_METHODS,
    }
    | {part for path in MODULES for part in path.split(".")}
    | {name for table in MODULES.values() for name in table}
)


_ALLOWED = (
    "Module FunctionDef arguments arg Return Assign AugAssign AnnAssign For If Expr Pass Break "
    "Continue Assert Import ImportFrom alias BoolOp And Or BinOp Add Sub Mult Div FloorDiv Mod Pow "
    "MatMult BitAnd BitOr BitXor UnaryOp UAdd USub Not Invert IfExp Dict List Tuple Compare Eq "
    "NotEq Lt LtE Gt GtE Is IsNot In NotIn Call keyword Constant Attribute Subscript Slice Name "
    "Load Store Del Delete While Starred ListComp DictComp GeneratorExp comprehension JoinedStr "
    "FormattedValue "
    "ClassDef Lambda NamedExpr Try ExceptHandler With Raise"
)


TYPES = {"typing": frozenset(typing.__all__), "numpy.typing": frozenset(numpy.typing.__all__)}


_ANNOTATION = "Name Attribute Subscript Tuple List Constant BinOp BitOr Load"


ALLOWED = frozenset(getattr(ast, name) for name in _ALLOWED.split())


ANNOTATION = frozenset(getattr(ast, name) for name in _ANNOTATION.split())


REFUSED = {
    "TryStar": ("`try` statements", "test for the case beforehand with `if` or np.where"),
    "Global": ("`global`", "a reward remembers nothing from one call to the next: remove it"),
    "Nonlocal": ("`nonlocal`", "return the new value from the inner function instead"),
    "Yield": ("generators", "collect the values in a list"),
    "YieldFrom": ("generators", "collect the values in a list"),
    "Await": ("`await`", "remove it"),
    "AsyncFunctionDef": ("`async`", "use a plain `def`"),
    "AsyncFor": ("`async`", "use a plain `for`"),
    "AsyncWith": ("`async`", "remove it"),
    "Match": ("`match`", "use if/elif/else"),
    "Set": ("sets", "use a tuple or a list"),
    "SetComp": ("sets", "use a list"),
    "LShift": ("bit shifts", "multiply or divide"),
    "RShift": ("bit shifts", "multiply or divide"),
    "TypeAlias": ("type aliases", "remove it"),
}


NAME_HINTS = {
    "random": DETERMINISTIC,
    "set": "use a tuple or a list",
    "iter": "loop over the list itself",
    "getattr": "name the value directly",
    "hasattr": "the inputs are NumPy arrays: remove the test",
}
