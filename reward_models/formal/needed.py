"""Which statements of a module its reward function needs; the others are not looked at.

A reply often ends with an example call on made-up arrays, or begins with imports that nothing
uses. What no needed function reads, and what changes nothing that one reads, has no part in the
reward.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator


def needed(tree: ast.Module, function: ast.FunctionDef) -> ast.Module:
    """The module with only the statements that `function` needs, in their order."""
    wanted, kept = {function.name}, set[int]()
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    modules = {_bound(alias) for node in imports for alias in node.names}
    modules |= {"np", "numpy", "math", "torch"}
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    changed = True
    while changed:
        changed = False
        for index, node in enumerate(tree.body):
            if index in kept or not _concerns(node, wanted, functions, modules):
                continue
            kept.add(index)
            wanted |= set(_reads(node))
            changed = True
    body = [node for index, node in enumerate(tree.body) if index in kept]
    used = {name for node in body for name in _reads(node)}
    module = ast.Module(body, [])
    return _WithoutImports(used).visit(module)


class _WithoutImports(ast.NodeTransformer):
    """Drops imports whose names are not read."""

    def __init__(self, used: set[str]):
        self.used = used

    def _kept(self, node: ast.Import | ast.ImportFrom) -> ast.stmt | None:
        names = [alias for alias in node.names if _bound(alias) in self.used]
        if len(names) == len(node.names):
            return node
        node.names[:] = names
        return node if names else ast.copy_location(ast.Pass(), node)

    def visit_Import(self, node: ast.Import) -> ast.stmt | None:
        return self._kept(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | None:
        star = any(alias.name == "*" for alias in node.names)
        return node if star else self._kept(node)


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _concerns(
    node: ast.stmt, wanted: set[str], functions: dict[str, ast.FunctionDef], modules: set[str]
) -> bool:
    """Whether a statement binds or changes something wanted, or is an import of everything."""
    if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
        return True
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name in wanted
    if wanted & set(_changes(node, modules)):
        return True
    return any(
        _changed_by(call, wanted - set(functions) - modules, functions, modules)
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
    )


def _changed_by(
    call: ast.Call, data: set[str], functions: dict[str, ast.FunctionDef], modules: set[str]
) -> bool:
    """Whether a call of a function of the module may change the objects of `data`."""
    called = functions.get(call.func.id) if isinstance(call.func, ast.Name) else None
    if called is None:
        return False
    changed = {name for part in called.body for name in _changes(part, modules)}
    parameters = {arg.arg for arg in ast.walk(called.args) if isinstance(arg, ast.arg)}
    values = (*call.args, *(keyword.value for keyword in call.keywords))
    given = {n.id for value in values for n in ast.walk(value) if isinstance(n, ast.Name)}
    local = {n.id for n in ast.walk(called)
             if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}  # fmt: skip
    return bool((changed - parameters - local) & data or changed & parameters and given & data)


def _changes(node: ast.AST, modules: set[str]) -> Iterator[str]:
    """Names that a statement binds, or whose objects it may change by a method or a subscript."""
    for part in ast.walk(node):
        if isinstance(part, ast.Import | ast.ImportFrom):
            yield from (_bound(alias) for alias in part.names)
        elif isinstance(part, ast.FunctionDef | ast.ClassDef):
            yield part.name
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store | ast.Del):
            yield part.id
        elif isinstance(part, ast.Subscript | ast.Attribute):
            if isinstance(part.ctx, ast.Store | ast.Del):
                yield _root(part)
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            if _root(part.func) not in modules:
                yield _root(part.func)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _reads(node: ast.AST) -> Iterator[str]:
    """Names that a statement reads, but for those in annotations."""
    stack: list[ast.AST] = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, ast.Name):
            yield part.id
        for name, child in ast.iter_fields(part):
            if name in ("annotation", "returns"):
                continue
            children = child if isinstance(child, list) else [child]
            stack.extend(one for one in children if isinstance(one, ast.AST))
