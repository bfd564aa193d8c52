"""Programs of the corpus with small changes."""

from __future__ import annotations

import ast
import copy
import random


def mutated(source: str, rng: random.Random) -> str:
    """A program of the corpus with one to three small changes."""
    tree = copy.deepcopy(ast.parse(source))
    names = sorted({n.id for n in ast.walk(tree) if isinstance(n, ast.Name)})
    for _ in range(rng.randint(1, 3)):
        size = sum(1 for _ in ast.walk(tree))
        tree = _Change(rng, rng.randrange(size), names).visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


class _Change(ast.NodeTransformer):
    """Changes the node with a number: a constant, an operator, a comparison, a name."""

    def __init__(self, rng: random.Random, place: int, names: list[str]):
        self.rng, self.place, self.names, self.at = rng, place, names, -1

    def generic_visit(self, node: ast.AST) -> ast.AST:
        self.at += 1
        if self.at == self.place:
            return self._changed(node)
        return super().generic_visit(node)

    def _changed(self, node: ast.AST) -> ast.AST:
        rng = self.rng
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            value = rng.choice([0, 1, -1, node.value + 1, node.value * 2, node.value / 2, 255])
            return ast.copy_location(ast.Constant(value), node)
        if isinstance(node, ast.BinOp):
            node.op = rng.choice([ast.Add(), ast.Sub(), ast.Mult(), ast.Div(), ast.FloorDiv()])
        elif isinstance(node, ast.Compare):
            node.ops = [rng.choice([ast.Lt(), ast.Gt(), ast.LtE(), ast.Eq(), ast.NotEq()])
                        for _ in node.ops]  # fmt: skip
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            node.id = rng.choice(self.names)
        elif isinstance(node, ast.If) and node.orelse:
            node.body, node.orelse = node.orelse, node.body
        elif isinstance(node, ast.Break | ast.Continue):
            return rng.choice([ast.Break(), ast.Continue(), ast.Pass()])
        elif isinstance(node, ast.Return) and node.value is not None:
            node.value = rng.choice([node.value, ast.Constant(None)])
        return node
