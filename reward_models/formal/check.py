"""The whitelist: every syntax node a formal reward may hold, all violations reported at once.

A whitelist, not a blacklist: what is not named here is refused. It is a first, readable answer to
the author; safety does not rest on it alone, as the evaluator (`lower.py`) can only call the
functions of the tables and never runs Python code of the source.
"""

from __future__ import annotations

import ast
import difflib
from collections import Counter
from dataclasses import replace

from core_jax.reward_models.formal.builtins_table import BUILTINS
from core_jax.reward_models.formal.desugar import EXCEPTIONS, is_errstate
from core_jax.reward_models.formal.errors import Diagnostic, diagnostic_for
from core_jax.reward_models.formal.modules import ATTRIBUTE_HINTS, MODULES
from core_jax.reward_models.formal.signatures import Signature
from core_jax.reward_models.formal.whitelist import (
    ALLOWED,
    ANNOTATION,
    ATTRIBUTES,
    DATACLASSES,
    DECORATORS,
    MODULE_NAMES,
    NAME_HINTS,
    REFUSED,
    TYPES,
)

MAX_DIAGNOSTICS = 10
SAME = 2  # places that are shown of one problem
MAX_EXPONENT = 64


class Checker:
    """Visits a tree and reports what the whitelist does not hold; image programs widen it."""

    subject = "a formal reward"

    def __init__(self, source: str, tree: ast.Module, signature: Signature):
        self.source, self.signature = source, signature
        self.found: list[Diagnostic] = []
        self.members = _members(tree) | signature.attributes
        self.own = _bound_names(tree)
        self.names = set(BUILTINS) | MODULE_NAMES | EXCEPTIONS | self.own

    def report(self, node: ast.AST, message: str, hint: str = "") -> None:
        self.found.append(diagnostic_for(self.source, node, message, hint))

    def visit(self, node: ast.AST, parent: ast.AST | None = None) -> None:
        if type(node) not in ALLOWED:
            name = type(node).__name__
            what, hint = REFUSED.get(name, (f"`{name}` syntax", "use plain arithmetic, if, for"))
            located = node if hasattr(node, "lineno") else parent or node
            self.report(located, f"{what} cannot be used in {self.subject}", hint)
            return
        method = getattr(self, f"check_{type(node).__name__}", None)
        if method:
            method(node)
        if isinstance(node, ast.With):  # what it enters is not evaluated
            for part in node.body:
                self.visit(part, node)
            return
        for name, child in ast.iter_fields(node):
            for item in child if isinstance(child, list) else [child]:
                if isinstance(item, ast.AST):
                    if name in ("annotation", "returns"):
                        self.check_annotation(item)
                    else:
                        self.visit(item, node)

    def check_annotation(self, root: ast.AST) -> None:
        """Annotations are erased, so only their form matters."""
        for node in ast.walk(root):
            name = getattr(node, "id", getattr(node, "attr", ""))
            if type(node) not in ANNOTATION or str(name).startswith("_"):
                self.report(root, "this annotation is too complicated", "use float, np.ndarray")
                return

    def check_identifier(self, node: ast.AST, name: str) -> None:
        if name.startswith("__"):
            message = f"the name `{name}` starts with two underscores"
            self.report(node, message, "use a name without them")

    def check_Name(self, node: ast.Name) -> None:
        if node.id.startswith("__"):
            self.check_identifier(node, node.id)
        elif isinstance(node.ctx, ast.Load) and node.id not in self.names:
            close = difflib.get_close_matches(node.id, sorted(self.own), 1, 0.8)
            hint = f"did you mean `{close[0]}`?" if close else "define it before it is used"
            hint = NAME_HINTS.get(node.id, hint)
            self.report(node, f"the name `{node.id}` is unknown", hint)

    def check_Attribute(self, node: ast.Attribute) -> None:
        if node.attr.startswith("_"):
            message = f"the attribute `{node.attr}` starts with an underscore"
            self.report(node, message, "use functions of numpy and math only")
        elif members := self.signature.members(_path(node.value)):
            if node.attr not in members:
                message = f"`{_path(node.value)}` has no `{node.attr}`"
                self.report(node, message, f"it has {', '.join(members)}; nothing is remembered")
        elif node.attr not in ATTRIBUTES | self.members:
            hint = ATTRIBUTE_HINTS.get(node.attr, "write it out with functions of NumPy")
            self.report(node, f"`.{node.attr}` is not available", hint)
        if not isinstance(node.ctx, ast.Load):
            hint = "use a variable; nothing is remembered from one call to the next"
            self.report(node, "attributes cannot be assigned", hint)

    def check_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.check_identifier(node, node.name)
        node.decorator_list[:] = [
            one for one in node.decorator_list if ast.unparse(one) not in DECORATORS
        ]
        if node.decorator_list:
            self.report(node.decorator_list[0], "decorators cannot be used", "remove it")
            node.decorator_list[:] = []
        if getattr(node, "type_params", None):
            self.report(node, "type parameters cannot be used", "remove them")

    def check_ClassDef(self, node: ast.ClassDef) -> None:
        """A class may only hold constants."""
        self.check_identifier(node, node.name)
        plain = all(
            isinstance(part, ast.Assign | ast.AnnAssign | ast.Pass | ast.Expr) for part in node.body
        )
        decorated = [ast.unparse(one) for one in node.decorator_list]
        dataclass = all(one in DATACLASSES for one in decorated) and len(decorated) < 2
        if dataclass and decorated and any(_is_mutable(part) for part in node.body):
            dataclass = False
        if node.bases or node.keywords or not dataclass or not plain:
            self.report(
                node,
                "classes other than lists of constants cannot be used",
                "use functions and dicts",
            )
            node.bases[:], node.keywords[:], node.decorator_list[:] = [], [], []
            node.body[:] = []

    def check_arg(self, node: ast.arg) -> None:
        self.check_identifier(node, node.arg)

    def check_keyword(self, node: ast.keyword) -> None:
        if node.arg is not None:
            self.check_identifier(node, node.arg)

    def check_With(self, node: ast.With) -> None:
        if not is_errstate(node):
            message = f"`with` statements cannot be used in {self.subject}"
            self.report(node, message, "only `with np.errstate(all='ignore')` can; remove it")

    def check_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(target, ast.Name) for target in node.targets):
            self.check_kept(node.value)

    def check_Return(self, node: ast.Return) -> None:
        self.check_kept(node.value)

    def check_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in self.own:
            for value in node.args:
                self.check_kept(value)

    def check_kept(self, value: ast.expr | None) -> None:
        """A generator or filter gives its items once, when they are asked for; here all at once."""
        called = value.func if isinstance(value, ast.Call) else None
        kept = isinstance(called, ast.Name) and called.id == "filter" not in self.own
        if isinstance(value, ast.Attribute) and value.attr == "flat":
            self.report(value, "`.flat` gives its items once and cannot be kept", "use .ravel()")
        if value is not None and (kept or isinstance(value, ast.GeneratorExp)):
            self.report(value, "a generator cannot be kept", "make a list of it: [... for ...]")

    def check_Try(self, node: ast.Try) -> None:
        """What `finally` holds is run after the block, so nothing may jump over it."""
        body = [
            part for block in (node.body, node.orelse) for one in block for part in ast.walk(one)
        ]
        jumps = [one for one in body if isinstance(one, ast.Return | ast.Break | ast.Continue)]
        if node.finalbody and jumps:
            message = "a jump out of a `try` with `finally`"
            self.report(jumps[0], message, "leave out the `finally`")

    def check_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.check_identifier(node, node.name or "")
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type or ast.Name("")]
        if not all(isinstance(kind, ast.Name) for kind in kinds):
            self.report(node, "this `except` is too complicated", "use `except Exception:`")

    def check_comprehension(self, node: ast.comprehension) -> None:
        if node.is_async:
            self.report(node.iter, "`async` cannot be used", "use a plain `for`")

    def check_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bytes | complex):
            kind = "bytes" if isinstance(value, bytes) else "complex numbers"
            self.report(node, f"{kind} cannot be used", "use real numbers")
        elif isinstance(value, int) and abs(value) > 2**53:
            self.report(node, "the integer is too large", "use a float such as 1e6")

    def check_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant):
            exponent = node.right.value
            if isinstance(exponent, int | float) and abs(exponent) > MAX_EXPONENT:
                message = f"the exponent is larger than {MAX_EXPONENT}"
                self.report(node.right, message, "use np.exp or a smaller exponent")

    def check_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name not in (*MODULES, "typing", "numpy.typing"):
                hint = (
                    "only numpy, math, scipy, torch and a few of Python's own modules can be used"
                )
                self.report(node, f"`{alias.name}` cannot be imported", hint)
            if alias.asname:
                self.check_identifier(node, alias.asname)

    def check_ImportFrom(self, node: ast.ImportFrom) -> None:
        future = node.module == "__future__" and [a.name for a in node.names] == ["annotations"]
        if future and not node.level:
            return
        table = TYPES.get(node.module or "") or MODULES.get(node.module or "")
        for alias in node.names:
            known = f"{node.module}.{alias.name}" in MODULES
            known |= table is not None and alias.name in table
            if node.level or not known:
                what = f"{node.module or '.'}.{alias.name}"
                hint = "only names of numpy, math, scipy, torch and typing can be"
                self.report(node, f"`{what}` cannot be imported", hint)
            if alias.asname:
                self.check_identifier(node, alias.asname)


def _is_mutable(part: ast.stmt) -> bool:
    """Whether a field of a dataclass would be one object of all instances, which Python refuses."""
    value = getattr(part, "value", None)
    return isinstance(part, ast.AnnAssign) and isinstance(value, ast.List | ast.Dict | ast.Call)


def _path(node: ast.expr) -> str:
    """The dotted path that an expression is, such as `self.robot`; empty for any other."""
    if isinstance(node, ast.Attribute):
        return (owner := _path(node.value)) and f"{owner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _members(tree: ast.Module) -> set[str]:
    """Names assigned in the bodies of classes."""
    names: set[str] = set()
    for node in ast.walk(tree):
        for part in node.body if isinstance(node, ast.ClassDef) else []:
            targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", 0)]
            targets = [p for t in targets for p in (t.elts if isinstance(t, ast.Tuple) else [t])]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def _bound_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
    return names


def check(source: str, tree: ast.Module, signature: Signature) -> tuple[Diagnostic, ...]:
    """All uses of what the whitelist does not hold, in source order, at most MAX_DIAGNOSTICS."""
    return diagnostics(Checker(source, tree, signature), tree)


def diagnostics(checker: Checker, tree: ast.Module) -> tuple[Diagnostic, ...]:
    """What a checker finds in a tree, in source order, at most MAX_DIAGNOSTICS."""
    checker.visit(tree)
    found = sorted(set(checker.found), key=lambda one: (one.line, one.column))
    return tuple(_few_of_each(found)[:MAX_DIAGNOSTICS])


def _few_of_each(found: list[Diagnostic]) -> list[Diagnostic]:
    """At most SAME diagnostics with one message; the last says in how many more places it holds."""
    counts = Counter(one.message for one in found)
    seen: Counter[str] = Counter()
    kept = []
    for one in found:
        seen[one.message] += 1
        more = counts[one.message] - SAME
        if seen[one.message] == SAME and more > 0:
            places = f"{more} more place{'s' * (more > 1)}"
            one = replace(one, message=f"{one.message} (and in {places})")
        if seen[one.message] <= SAME:
            kept.append(one)
    return kept
