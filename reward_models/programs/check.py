"""The whitelist of image programs: the formal reward's, and classes that keep state."""

from __future__ import annotations

import ast
import difflib

from core_jax.reward_models.formal.check import Checker, diagnostics
from core_jax.reward_models.formal.desugar import is_errstate
from core_jax.reward_models.formal.errors import Diagnostic
from core_jax.reward_models.formal.signatures import CORE
from core_jax.reward_models.programs.builtins_table import BUILTINS, EXCEPTIONS
from core_jax.reward_models.programs.evaluator import MODULES

_SPECIAL = ("__init__", "__call__")
_UNUSED = ("matplotlib", "matplotlib.pyplot", "os", "sys", "time", "PIL", "glob", "logging")
_HINTS = {
    "open": "a program sees its frame only: read the parameter itself",
    "eval": "write the expression out",
    "exec": "write the statements out",
    "set": "use a list, or masks",
    "getattr": "name the attribute directly",
    "setattr": "assign the attribute directly",
    "input": "a program sees its frame only",
    "super": "write one class without a base class",
}


class _ProgramChecker(Checker):
    subject = "an image program"

    def __init__(self, source: str, tree: ast.Module):
        super().__init__(source, tree, CORE)
        self.names = set(BUILTINS) | EXCEPTIONS | self.own
        self.read = {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }

    def check_Name(self, node: ast.Name) -> None:
        if node.id.startswith("__"):
            self.check_identifier(node, node.id)
        elif isinstance(node.ctx, ast.Load) and node.id not in self.names:
            close = difflib.get_close_matches(node.id, sorted(self.own), 1, 0.7)
            hint = f"did you mean `{close[0]}`?" if close else "define it before it is used"
            hint = _HINTS.get(node.id, hint)
            self.report(node, f"the name `{node.id}` is unknown", hint)

    def check_Attribute(self, node: ast.Attribute) -> None:
        if node.attr.startswith("__"):
            self.report(node, f"the attribute `{node.attr}` starts with two underscores", "")

    def check_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name not in _SPECIAL:
            self.check_identifier(node, node.name)
        others = [one for one in node.decorator_list if ast.unparse(one) != "staticmethod"]
        if others:
            self.report(
                others[0], "decorators other than @staticmethod cannot be used", "remove it"
            )
        node.decorator_list[:] = [one for one in node.decorator_list if one not in others]

    def check_ClassDef(self, node: ast.ClassDef) -> None:
        self.check_identifier(node, node.name)
        if node.keywords or any(ast.unparse(base) != "object" for base in node.bases):
            self.report(node, "a class with a base class cannot be used", "write one class")
            node.bases[:], node.keywords[:] = [], []
        for one in node.decorator_list:
            if not ast.unparse(one).startswith(("dataclass", "dataclasses.dataclass")):
                self.report(one, "decorators of classes cannot be used", "remove it")
                node.decorator_list[:] = []
        for part in node.body:
            targets = getattr(part, "targets", [getattr(part, "target", None)])
            simple = isinstance(part, ast.Assign | ast.AnnAssign) and all(
                isinstance(one, ast.Name)
                or isinstance(one, ast.Tuple)
                and all(isinstance(part, ast.Name) for part in one.elts)
                for one in targets
            )
            text = isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
            if not (simple or text or isinstance(part, ast.FunctionDef | ast.Pass)):
                self.report(part, "a class may hold functions and constants only", "move it")

    def check_With(self, node: ast.With) -> None:
        if not is_errstate(node):
            super().check_With(node)

    def check_kept(self, value: ast.expr | None) -> None:
        """Generators are lists here."""

    def check_Import(self, node: ast.Import) -> None:
        for alias in list(node.names):
            name = alias.asname or alias.name.split(".")[0]
            if alias.name in MODULES:
                self.check_identifier(node, name)
            elif alias.name in _UNUSED and name not in self.read:
                node.names.remove(alias)
            else:
                hint = "only cv2, numpy, math and typing can be"
                self.report(node, f"`{alias.name}` cannot be imported", hint)
        node.names = node.names or [ast.alias("math", None)]

    def check_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module in ("__future__", "typing", "dataclasses", "collections.abc"):
            return
        table = MODULES.get(node.module or "", {})
        for alias in node.names:
            if (
                node.level
                or alias.name not in table
                and f"{node.module}.{alias.name}" not in MODULES
            ):
                what = f"{node.module or '.'}.{alias.name}"
                self.report(node, f"`{what}` cannot be imported", "import cv2 and numpy")


def check(source: str, tree: ast.Module) -> tuple[Diagnostic, ...]:
    """All uses of what image programs may not hold, in source order."""
    return diagnostics(_ProgramChecker(source, tree), tree)
