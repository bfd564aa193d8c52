"""Which names a function of a program assigns, which are its own from its first line on."""

from __future__ import annotations

import ast
import functools


@functools.lru_cache(maxsize=512)
def assigned_names(function: ast.FunctionDef) -> frozenset[str]:
    """The local names of a function without its arguments: what its body assigns or imports."""
    finder = _Finder()
    for statement in function.body:
        finder.visit(statement)
    return frozenset(finder.assigned - finder.outer)


class _Finder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.assigned: set[str] = set()
        self.outer: set[str] = set()  # as `nonlocal` or `global` says

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.assigned.add(node.id)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.assigned.add(node.name)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.assigned.add(node.name)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Assigns nothing outside."""

    def visit_comprehension(self, node: ast.comprehension) -> None:
        """Its target is the comprehension's own; `:=` in it is refused elsewhere."""

    def visit_Import(self, node: ast.Import) -> None:
        self.assigned |= {alias.asname or alias.name.split(".")[0] for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.assigned |= {alias.asname or alias.name for alias in node.names}

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.outer.update(node.names)

    def visit_Global(self, node: ast.Global) -> None:
        self.outer.update(node.names)
