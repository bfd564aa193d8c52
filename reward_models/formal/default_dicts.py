"""A `defaultdict` in other words: as a dict, each of whose reads says what a new entry is.

`d = defaultdict(float)` becomes `d = {}`, and `d[key]` becomes `d.setdefault(key, 0.0)`. This is
done where every use of the name is seen: in one function, and not handed on.
"""

from __future__ import annotations

import ast

_EMPTY: dict[str, ast.expr] = {
    "float": ast.Constant(0.0),
    "int": ast.Constant(0),
    "bool": ast.Constant(False),
    "str": ast.Constant(""),
    "list": ast.List([], ast.Load()),
    "dict": ast.Dict([], []),
}
_READERS = frozenset("len sum max min dict list sorted any all print tuple".split())


def without_default_dicts(tree: ast.Module) -> ast.Module:
    """The module with dicts for the `defaultdict`s of its functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            found = _defaults(node)
            if found:
                _Rewriter(found).generic_visit(node)
                ast.fix_missing_locations(node)
    return tree


def _default_of(value: ast.expr | None) -> ast.expr | None:
    """What a new entry of `defaultdict(...)` is; None of any other expression."""
    if not isinstance(value, ast.Call) or len(value.args) != 1 or value.keywords:
        return None
    if ast.unparse(value.func) not in ("defaultdict", "collections.defaultdict"):
        return None
    factory = value.args[0]
    if isinstance(factory, ast.Lambda) and not ast.unparse(factory.args):
        return factory.body
    return _EMPTY.get(factory.id) if isinstance(factory, ast.Name) else None


def _defaults(function: ast.FunctionDef) -> dict[str, ast.expr]:
    """The names that are always a `defaultdict` and never handed on, with their new entries."""
    found: dict[str, ast.expr] = {}
    bound: dict[str, int] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            default = _default_of(node.value)
            if len(targets) == 1 and isinstance(targets[0], ast.Name) and default is not None:
                found[targets[0].id] = default
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound[node.id] = bound.get(node.id, 0) + 1
    seen = {id(name) for node in ast.walk(function) for name in _plain_uses(node)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in seen:
            found.pop(node.id, None)
        elif isinstance(node, ast.arg):  # another value of this name
            found.pop(node.arg, None)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Subscript):
            name = getattr(node.target.value, "id", "")
            if not isinstance(found.get(name), ast.Constant) or _may_act(node.target.slice):
                found.pop(name, None)
    return {name: default for name, default in found.items() if bound[name] == 1}


def _may_act(key: ast.expr) -> bool:
    """Whether evaluating a key may do more than give its value."""
    return any(isinstance(part, ast.Call | ast.NamedExpr) for part in ast.walk(key))


def _plain_uses(node: ast.AST) -> list[ast.expr]:
    """Names that a node reads without handing the object on."""
    if isinstance(node, ast.Subscript | ast.Attribute):
        return [node.value]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _READERS:
        return node.args
    if isinstance(node, ast.Compare):
        return node.comparators
    if isinstance(node, ast.For | ast.comprehension):
        return [node.iter]
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        return node.value.elts
    return []


class _Rewriter(ast.NodeTransformer):
    def __init__(self, defaults: dict[str, ast.expr]):
        self.defaults = defaults

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if _default_of(node.value) is not None and getattr(node.targets[0], "id", "") in (
            self.defaults
        ):
            node.value = ast.copy_location(ast.Dict([], []), node.value)
            return node
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if _default_of(node.value) is not None and getattr(node.target, "id", "") in self.defaults:
            node.value = ast.copy_location(ast.Dict([], []), node.target)
            return node
        return self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        target = node.target
        if isinstance(target, ast.Subscript) and self._is_one(target.value):
            old = self._read(ast.Subscript(target.value, target.slice, ast.Load()), node)
            value = ast.copy_location(ast.BinOp(old, node.op, self.visit(node.value)), node)
            return ast.copy_location(ast.Assign([target], value), node)
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load) and self._is_one(node.value):
            return self._read(node, node)
        return node

    def _is_one(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.defaults

    def _read(self, node: ast.Subscript, place: ast.AST) -> ast.expr:
        assert isinstance(node.value, ast.Name)
        method = ast.copy_location(ast.Attribute(node.value, "setdefault", ast.Load()), place)
        given = [node.slice, self.defaults[node.value.id]]
        return ast.copy_location(ast.Call(method, given, []), place)
