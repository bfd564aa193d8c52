"""HLO text as instructions: what `jax.stages.Compiled.as_text` prints, read back."""

from __future__ import annotations

import dataclasses
import math
import re

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_LINE = re.compile(r"^\s*(ROOT )?%?([\w.\-]+) = ")
_ARRAY = re.compile(r"\b(pred|[a-z]+\d+[a-z0-9]*)\[([\d,]*)\]")
_NAME = re.compile(r"%([\w.\-]+)")
_BYTES = re.compile(r"(\d+)")


@dataclasses.dataclass
class Op:
    """One instruction.

    Attributes:
        name: of its result.
        kind: such as `fusion`.
        bytes: of its result, a tuple's parts together.
        operands: names of what it reads.
        line: all that stands right of its name.
    """

    name: str
    kind: str
    bytes: int
    operands: tuple[str, ...]
    line: str


def parse(text: str) -> tuple[dict[str, list[Op]], str | None]:
    """The instructions of every computation, and the name of the first one to run."""
    computations: dict[str, list[Op]] = {}
    entry, current = None, None
    for line in text.splitlines():
        if header := _HEADER.match(line):
            current = header[2]
            computations[current] = []
            entry = current if header[1] else entry
        elif line.startswith("}"):
            current = None
        elif current is not None and (start := _LINE.match(line)):
            computations[current].append(_op(start[2], line[start.end() :]))
    return computations, entry


def _op(name: str, rest: str) -> Op:
    """An instruction from what stands right of its name: a type, a kind, operands, attributes."""
    end = _closing(rest, 0) + 1 if rest.startswith("(") else rest.index(" ")
    kind, _, after = rest[end:].strip().partition("(")
    close = _closing("(" + after, 0) - 1
    return Op(name, kind, _size(rest[:end]), tuple(_NAME.findall(after[:close])), rest)


def _closing(text: str, start: int) -> int:
    """Where the bracket that opens at `start` closes."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth == 0:
            return i
    return len(text)


def _size(shape: str) -> int:
    """Bytes of a type, a tuple's parts together."""
    return sum(
        _width(kind) * math.prod(int(n) for n in dims.split(",") if n)
        for kind, dims in _ARRAY.findall(shape)
    )


def _width(kind: str) -> int:
    found = _BYTES.search(kind)
    return max(1, int(found[1]) // 8) if found else 1  # pred is a byte
