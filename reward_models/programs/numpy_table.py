"""The part of NumPy that image programs may use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from core_jax.reward_models.programs import numpy_creation as creation
from core_jax.reward_models.programs import numpy_functions as functions
from core_jax.reward_models.programs.reductions import REDUCTIONS
from core_jax.reward_models.programs.values import Primitive, Type

_FLOATS = (
    "sqrt exp log log2 log10 log1p sin cos tan arctan arcsin arccos tanh floor ceil trunc rint "
    "degrees radians deg2rad rad2deg cbrt"
)
_PAIRS = {"maximum": False, "minimum": False, "fmax": False, "fmin": False}
_PAIRS |= dict.fromkeys(("arctan2", "hypot"), True)
_OPERATORS = {
    "add": "Add", "subtract": "Sub", "multiply": "Mult", "divide": "Div", "true_divide": "Div",
    "floor_divide": "FloorDiv", "mod": "Mod", "power": "Pow", "bitwise_and": "BitAnd",
    "bitwise_or": "BitOr", "bitwise_xor": "BitXor", "matmul": "MatMult",
}  # fmt: skip
_SHAPED = (
    "reshape ravel transpose squeeze expand_dims flip fliplr flipud roll rot90 tile repeat diff "
    "swapaxes moveaxis pad round around atleast_2d"
)
_TYPES = (
    "uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 bool_ intp"
).split()


def _comparison(name: str) -> Callable[..., Any]:
    return lambda evaluator, a, b: evaluator.compare(name, a, b)


def _entries() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {
        name: functions.floats(name) for name in _FLOATS.split()
    }
    found |= {
        name: functions.same(name) for name in "abs absolute sign isnan isfinite isinf".split()
    }
    found |= {name: functions.pair(name, floats) for name, floats in _PAIRS.items()}
    found |= {name: functions.operator(kind) for name, kind in _OPERATORS.items()}
    logical = "logical_and logical_or logical_xor logical_not".split()
    found |= {name: functions.logical(name) for name in logical}
    found |= {name: functions.reduction(name) for name in REDUCTIONS}
    found |= {
        "amax": functions.reduction("max"),
        "amin": functions.reduction("min"),
        "nonzero": functions.nonzero,
    }
    found |= {
        "where": functions.where,
        "argwhere": functions.argwhere,
        "count_nonzero": functions.count_nonzero,
    }
    found |= {
        "array": creation.array,
        "asarray": creation.array,
        "zeros": creation.filled(0),
        "ones": creation.filled(1),
    }
    found |= {
        "full": creation.filled(None),
        "zeros_like": creation.like(0),
        "ones_like": creation.like(1),
    }
    found |= {
        "full_like": creation.like(None),
        "arange": creation.arange,
        "linspace": creation.linspace,
        "clip": functions.clip,
    }
    found |= {name: functions.shaped(name) for name in _SHAPED.split()}
    found |= {
        name: functions.joined(name) for name in "concatenate stack vstack hstack dstack".split()
    }
    found |= {
        "array_equal": functions.array_equal,
        "isclose": functions.isclose,
        "allclose": functions.allclose,
    }
    found |= {
        "dot": functions.dot,
        "average": functions.average,
        "unique": functions.unique,
        "sort": functions.sort,
    }
    found |= {
        "square": functions.square,
        "invert": functions.invert,
        "bitwise_not": functions.invert,
    }
    found |= {"column_stack": functions.column_stack}
    names = dict(
        equal="Eq",
        not_equal="NotEq",
        greater="Gt",
        less="Lt",
        greater_equal="GtE",
        less_equal="LtE",
    )
    found |= {name: _comparison(kind) for name, kind in names.items()}
    return found


_WHOLE = {"array", "asarray"}
NUMPY: dict[str, Any] = {
    name: Primitive(f"np.{name}", call, name in _WHOLE) for name, call in _entries().items()
}
NUMPY |= {name: Type("bool" if name == "bool_" else name) for name in _TYPES}
NUMPY |= {"pi": np.pi, "inf": np.inf, "nan": np.nan, "e": np.e, "newaxis": None}
NUMPY |= {"ndarray": Type("ndarray"), "float_": Type("float64"), "integer": Type("int64")}
LINALG = {"norm": Primitive("np.linalg.norm", functions.norm)}
