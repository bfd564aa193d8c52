"""From Python text to a syntax tree, within limits of size. Nothing is executed."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator

from core_jax.reward_models.formal.default_dicts import without_default_dicts
from core_jax.reward_models.formal.desugar import without_main, without_sets
from core_jax.reward_models.formal.errors import RewardError, diagnostic_at, diagnostic_for

MAX_CHARACTERS = 20_000
MAX_NODES = 5_000
MAX_DEPTH = 60

_TOO_DEEP = "the source is nested too deeply"
_FLATTEN = "split long expressions into named intermediate values"


def parse(source: str) -> ast.Module:
    """Parse `source` within the size limits.

    Raises:
        RewardError: too long, a syntax error, too many nodes or nested too deeply.
    """
    if len(source) > MAX_CHARACTERS:
        message = f"the source has {len(source)} characters; the limit is {MAX_CHARACTERS}"
        raise RewardError([diagnostic_at(source, 1, 0, message, "write a shorter reward")])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # on a syntax error Python reads the file of this name, to show its line: no real one
            tree = ast.parse(source, filename=os.devnull)
    except SyntaxError as error:
        offset = (error.offset or 1) - 1
        found = diagnostic_at(source, error.lineno, offset, f"syntax error: {error.msg}")
        raise RewardError([found]) from None
    except (RecursionError, MemoryError):
        raise RewardError([diagnostic_at(source, 1, 0, _TOO_DEEP, _FLATTEN)]) from None
    except ValueError as error:  # null bytes, lone surrogates, integers of thousands of digits
        raise RewardError([diagnostic_at(source, 1, 0, f"cannot parse: {error}")]) from None
    _check_size(source, tree)
    return without_default_dicts(without_sets(without_main(tree)))


def _check_size(source: str, tree: ast.Module) -> None:
    """Refuse trees that would exhaust the evaluator. Iterative, as the tree may be deep."""
    count = 0
    stack: list[tuple[ast.AST, int, ast.AST]] = [(tree, 0, tree)]
    while stack:
        node, depth, located = stack.pop()
        located = node if hasattr(node, "lineno") else located
        count += 1
        if depth > MAX_DEPTH:
            message = f"{_TOO_DEEP} (limit {MAX_DEPTH})"
            raise RewardError([diagnostic_for(source, located, message, _FLATTEN)])
        if count > MAX_NODES:
            message = f"the source has more than {MAX_NODES} syntax nodes"
            raise RewardError([diagnostic_for(source, located, message, "write a shorter reward")])
        stack.extend((child, depth + 1, located) for child in ast.iter_child_nodes(node))


def returns_of(function: ast.FunctionDef) -> Iterator[ast.Return]:
    """Return statements of a function, without those of functions nested in it."""
    stack: list[ast.AST] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Return):
            yield node
        if not isinstance(node, ast.FunctionDef):
            stack.extend(reversed(list(ast.iter_child_nodes(node))))
