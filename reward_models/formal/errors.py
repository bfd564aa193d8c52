"""Located diagnostics: what is wrong in a formal reward, where, and what to write instead.

The text of a `RewardError` goes back to the language model that wrote the reward (CoRe, formal
reward module; Eureka feeds tracebacks back the same way), so every diagnostic names a line, a
column and a remedy.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_LINE_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Diagnostic:
    """One problem at one place of the source.

    Attributes:
        line: line number, counted from 1.
        column: column in characters, counted from 1.
        message: what is wrong.
        hint: what to write instead; may be empty.
        source_line: the text of the line, without its line break.
    """

    line: int
    column: int
    message: str
    hint: str
    source_line: str

    def __str__(self) -> str:
        caret = " " * (self.column - 1) + "^"
        shown = self.source_line.replace("\t", " ")
        text = f"line {self.line}, column {self.column}: {self.message}\n    {shown}\n    {caret}"
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class RewardError(ValueError):
    """The source is not a formal reward; `diagnostics` says why, in source order."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...] | list[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n".join(str(diagnostic) for diagnostic in self.diagnostics)


class PythonError(RewardError):
    """A place of which Python raises as well, if it comes there."""


def source_lines(source: str) -> list[str]:
    """Lines of `source` as the Python parser counts them (`str.splitlines` counts others too)."""
    return _LINE_BREAK.split(source)


def diagnostic_at(
    source: str, line: int | None, offset: int | None, message: str, hint: str = ""
) -> Diagnostic:
    """Diagnostic at a 1-based line and a 0-based offset in characters, clipped to the source."""
    lines = source_lines(source)
    line = min(max(line or 1, 1), len(lines))
    text = lines[line - 1][:300]
    column = min(max(offset or 0, 0), len(text)) + 1
    return Diagnostic(line, column, message, hint, text)


def diagnostic_for(source: str, node: ast.AST, message: str, hint: str = "") -> Diagnostic:
    """Diagnostic at a syntax node. `ast` counts columns in UTF-8 bytes, people in characters."""
    line = getattr(node, "lineno", 1)
    lines = source_lines(source)
    text = lines[min(line, len(lines)) - 1]
    prefix = text.encode("utf-8", "replace")[: getattr(node, "col_offset", 0)]
    return diagnostic_at(source, line, len(prefix.decode("utf-8", "ignore")), message, hint)


def plain_error(error: Exception) -> tuple[str, bool]:
    """What an error of Python, NumPy or JAX means, and whether Python raises there too."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    if isinstance(error, ZeroDivisionError):
        return "division by zero", True
    if "zero-size array" in text or "empty sequence" in text:
        return "the maximum, minimum or argmax of an empty array", True
    if "contracting dim" in text or "not aligned" in text or "mismatch in its core" in text:
        return "arrays of shapes that do not fit each other", True
    if "incompatible shapes" in text or "could not be broadcast" in text:
        shapes = re.findall(r"\(\d*,?(?: ?\d+,?)*\)", text)
        return f"arrays of shapes that do not fit: {' and '.join(shapes)}", True
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", text)
    if unexpected:
        return f"the argument `{unexpected[1]}` is not available here", False
    if re.search(r"missing \d+ required|takes (from )?\d+|takes no ", text):
        return "this call has too few or too many arguments", False
    if "indices must be concrete" in text:
        return "how many elements this mask picks depends on the state", False
    if "not inexact" in text or "does not accept dtype bool" in text:
        return "this does not take truth values: use float(x) or x.astype(float)", False
    if "unsupported operand" in text or "object is not" in text or "has no attribute" in text:
        return "these values do not fit this operation", False
    if "at least one dimensional" in text:
        return "this needs an array, not a number", True
    text = re.sub(r"[;,]? ?(got |for )?\S*Tracer\S*", "", text)  # JAX's own words for values
    return text, isinstance(error, IndexError | KeyError)
