"""Divisions between Python's numbers, which raise at zero where NumPy's give infinity.

With every number a float32, a program's numbers are NumPy's, and a division of Python's by what
underflows to zero would not raise. So its divisions are found first, in float64.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

_NAME = "__divided__"
_OPERATIONS = {"Div": operator.truediv, "FloorDiv": operator.floordiv, "Mod": operator.mod}
_IN_PLACE = {"Div": operator.itruediv, "FloorDiv": operator.ifloordiv, "Mod": operator.imod}


class Divisions(ast.NodeTransformer):
    """Turns `a / b` into a call that notes, and later enforces, that it is Python's.

    Attributes:
        places: the divisions, by their number in the program, of two numbers of Python.
        enforced: whether they raise at a zero of any type, instead of being noted.
    """

    def __init__(self) -> None:
        self.places: set[int] = set()
        self.enforced = False
        self._count = 0

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Numbers the divisions anew, in the same order for the same program."""
        self._count = 0
        return self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """`a / b` becomes `__divided__(0, "Div", False, a, b)`."""
        self.generic_visit(node)
        if type(node.op).__name__ not in _OPERATIONS:
            return node
        return self._call(node, node.left, node.right, in_place=False)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        """`a /= b` becomes `a = __divided__(0, "Div", True, a, b)`."""
        self.generic_visit(node)
        if type(node.op).__name__ not in _OPERATIONS or not isinstance(node.target, ast.Name):
            return node
        read = ast.Name(node.target.id, ast.Load())
        call = self._call(node, read, node.value, in_place=True)
        made = ast.copy_location(ast.Assign([node.target], call), node)
        return ast.fix_missing_locations(made)

    def _call(
        self, node: ast.BinOp | ast.AugAssign, left: ast.expr, right: ast.expr, in_place: bool
    ) -> ast.expr:
        parts = [self._count, type(node.op).__name__, in_place]
        self._count += 1
        arguments = [*map(ast.Constant, parts), left, right]
        call = ast.Call(ast.Name(_NAME, ast.Load()), arguments, [])
        return ast.fix_missing_locations(ast.copy_location(call, node))

    def names(self) -> dict[str, Callable]:
        """What the changed program calls."""
        return {_NAME: self._divided}

    def _divided(self, place: int, name: str, in_place: bool, left: Any, right: Any) -> Any:
        if self.enforced and place in self.places and np.ndim(right) == 0 and right == 0:
            raise ZeroDivisionError
        if not self.enforced and all(_of_python(value) for value in (left, right)):
            self.places.add(place)
        return (_IN_PLACE if in_place else _OPERATIONS)[name](left, right)


def _of_python(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, np.generic)
