"""Statements that a reward may hold and that mean nothing more once it is lowered.

`with np.errstate(...)` silences warnings that JAX does not give. The handlers of a `try` are
dropped, with a warning: where Python would come to them (a division of its numbers by zero, a math
domain error), the reward is NaN here. An `if` that only raises is an assertion.
"""

from __future__ import annotations

import ast

EXCEPTIONS = frozenset(
    "Exception ArithmeticError ZeroDivisionError FloatingPointError OverflowError ValueError "
    "TypeError IndexError KeyError AttributeError NameError RuntimeError AssertionError "
    "NotImplementedError RuntimeWarning".split()
)


_ERRORS = ("all", "divide", "over", "under", "invalid")
_QUIET = (None, "ignore", "warn", "print")  # any other mode changes what a program computes


def is_errstate(node: ast.With) -> bool:
    """Whether a `with` is `with np.errstate(all="ignore")`, or another that only silences."""
    for item in node.items:
        call = item.context_expr
        if item.optional_vars is not None or not isinstance(call, ast.Call) or call.args:
            return False
        called = ast.unparse(call.func)
        if called == "torch.no_grad" and not call.keywords:
            continue
        if called not in ("np.errstate", "numpy.errstate"):
            return False
        for keyword in call.keywords:
            value = keyword.value
            if keyword.arg not in _ERRORS or not isinstance(value, ast.Constant):
                return False
            if value.value not in _QUIET:
                return False
    return True


def without_main(tree: ast.Module) -> ast.Module:
    """The module without `if __name__ == "__main__":`, which is not run."""
    body = []
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            body += node.orelse
        else:
            body.append(node)
    tree.body = body
    return tree


class _Sets(ast.NodeTransformer):
    """Makes the set in `x in {1, 2}` a tuple, which holds the same."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for index, (op, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
            if isinstance(op, ast.In | ast.NotIn) and isinstance(right, ast.Set):
                made = ast.copy_location(ast.Tuple(right.elts, ast.Load()), right)
                node.comparators[index] = made
        return node


def without_sets(tree: ast.Module) -> ast.Module:
    """The module with tuples for the sets that are only looked into."""
    return _Sets().visit(tree)


def desugar(tree: ast.Module) -> tuple[ast.Module, list[str]]:
    """The tree without `try` and `with`, and what was dropped with them, one sentence each."""
    transformer = _Plain()
    return transformer.visit(tree), transformer.dropped


class _Plain(ast.NodeTransformer):
    def __init__(self) -> None:
        self.dropped: list[str] = []

    def visit_With(self, node: ast.With) -> ast.AST:
        return self._block(node, node.body)

    def visit_Try(self, node: ast.Try) -> ast.AST:
        for handler in node.handlers:
            self.dropped.append(
                f"line {handler.lineno}: the handler was dropped, no reward where it runs"
            )
        return self._block(node, [*node.body, *node.orelse, *node.finalbody])

    def visit_If(self, node: ast.If) -> ast.AST:
        """`if wrong: raise ...` is an assertion."""
        self.generic_visit(node)
        if len(node.body) == 1 and isinstance(node.body[0], ast.Raise) and not node.orelse:
            right = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
            return ast.copy_location(ast.Assert(right), node)
        return node

    def _block(self, node: ast.stmt, body: list[ast.stmt]) -> ast.AST:
        always = ast.copy_location(ast.Constant(True), node)
        block = ast.If(always, [self.visit(part) for part in body], [])
        return ast.copy_location(block, node)
