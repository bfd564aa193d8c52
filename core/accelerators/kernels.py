"""Kernel launches and memory traffic of a compiled program, counted in its HLO text.

XLA prints the program after all optimisation: what is not fused, not free and not control flow is a
kernel of its own. Loops multiply what is in them by their trip count where XLA knows it; a loop
whose count depends on data is counted once and listed.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Iterator

from core_jax.accelerators import hlo
from core_jax.accelerators.hlo import Op

_NAME = re.compile(r"%([\w.\-]+)")
_TRIPS = re.compile(r'known_trip_count":\{"n":"(\d+)"')
_CALLBACK = re.compile(r'custom_call_target="[^"]*callback[^"]*"')
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
# No kernel: names and views of buffers, and the ends of what was started before.
_FREE = frozenset(
    "parameter constant tuple get-tuple-element bitcast after-all domain opt-barrier iota "
    "partition-id replica-id add-dependency copy-done async-done async-update send-done recv-done "
    "all-reduce-done all-gather-done collective-permute-done slice-done".split()
)
_FREE_CALLS = ("AllocateBuffer", "AssumeGatherIndicesInBound", "Sharding", "BitcastConvert")
_SCALAR = frozenset(
    "add subtract multiply compare and or not select minimum maximum convert".split()
)
_ONE_NUMBER = re.compile(r"\w+\[\]")
_PARTIAL = frozenset(("dynamic-slice", "gather", "slice"))  # read a part of their first operand


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop without a static trip count.

    Attributes:
        name: in the program, after the JAX function that it comes from.
        kernels: of one iteration, its condition included.
        traffic: bytes of one iteration.
    """

    name: str
    kernels: int
    traffic: int


@dataclasses.dataclass(frozen=True)
class Counts:
    """What running a program once takes.

    Attributes:
        kernels: launches; loops without a static trip count are counted once.
        traffic: bytes read and written by them.
        loops: those loops, outer ones first.
        callbacks: calls of the host, through loops as kernels are.
    """

    kernels: int
    traffic: int
    loops: tuple[Loop, ...]
    callbacks: int


@dataclasses.dataclass
class _Total:
    kernels: int = 0
    traffic: int = 0
    callbacks: int = 0
    loops: tuple[Loop, ...] = ()

    def add(self, other: _Total, times: int = 1) -> None:
        self.kernels += times * other.kernels
        self.traffic += times * other.traffic
        self.callbacks += times * other.callbacks
        self.loops += other.loops


def count(text: str) -> Counts:
    """Counts a program.

    Args:
        text: of a compiled program (`jax.stages.Compiled.as_text`).

    Raises:
        ValueError: it is no such text.
    """
    computations, entry = hlo.parse(text)
    if entry is None:
        raise ValueError("no entry computation: this is not the text of a compiled program")
    total = _Counter(computations).total(entry)
    return Counts(total.kernels, total.traffic, total.loops, total.callbacks)


class _Counter:
    def __init__(self, computations: dict[str, list[Op]]):
        self._computations = computations
        self._known: dict[str, _Total] = {}

    def total(self, name: str) -> _Total:
        """The counts of one computation."""
        if name not in self._known:
            found, here = _Total(), {op.name: op for op in self._computations[name]}
            for op in here.values():
                found.add(self._of(op, here))
            self._known[name] = found
        return self._known[name]

    def _of(self, op: Op, here: dict[str, Op]) -> _Total:
        found = _Total()
        if op.kind == "while":
            self._add_loop(found, op, here)
        elif op.kind == "conditional":
            branches = [self.total(name) for name in _branches(op.line)]
            found.add(max(branches, key=lambda x: x.kernels))
        elif op.kind == "call":
            found.add(self.total(_attribute(op.line, "to_apply")))
        elif op.kind == "async-start":
            found.add(self.total(_attribute(op.line, "calls")))
        elif not _is_free(op):
            found.kernels = 1
            found.callbacks = int(_calls_host(op))
            found.traffic = self._traffic(op, {name: x.bytes for name, x in here.items()})
        return found

    def _add_loop(self, found: _Total, op: Op, here: dict[str, Op]) -> None:
        body = self.total(_attribute(op.line, "body"))
        trips = self._trips(op, here)
        if trips is not None:
            found.add(body, trips)  # such a loop runs without its condition
            return
        once = _Total()
        once.add(self.total(_attribute(op.line, "condition")))
        inner = once.loops + body.loops
        once.add(body)
        found.add(dataclasses.replace(once, loops=()))
        found.loops = (Loop(_origin(op), once.kernels, once.traffic), *inner)

    def _trips(self, op: Op, here: dict[str, Op]) -> int | None:
        """The trip count of a loop: as XLA notes it, or (a TPU's compiler does not) from a
        condition that compares a counter with a constant, where the counter starts at a constant
        and grows by 1."""
        if found := _TRIPS.search(op.line):
            return int(found[1])
        condition = {x.name: x for x in self._computations[_attribute(op.line, "condition")]}
        last = list(condition.values())[-1]
        if last.kind != "compare" or "direction=LT" not in last.line:
            return None
        counter, limit = (condition[name] for name in last.operands)
        stop, start = _constant(limit), here.get(op.operands[0])
        if counter.kind != "get-tuple-element" or stop is None or start is None:
            return None
        place = _index(counter)
        first = _constant(_element(start, place, here))
        body = {x.name: x for x in self._computations[_attribute(op.line, "body")]}
        after = _element(list(body.values())[-1], place, body)
        if first is None or after is None or after.kind != "add":
            return None
        steps = [_constant(body.get(name)) for name in after.operands]
        return stop - first if 1 in steps else None

    def _traffic(self, op: Op, sizes: dict[str, int]) -> int:
        """Bytes that a kernel writes and reads; of what it only indexes, the parts it reads."""
        reads = [sizes.get(name, 0) for name in op.operands]
        written = op.bytes
        if op.kind in _PARTIAL:
            reads[:1] = [op.bytes]
        elif op.kind == "dynamic-update-slice":
            reads, written = reads[1:], reads[1] if len(reads) > 1 else 0
        elif op.kind == "fusion":
            inside = self._computations.get(_attribute(op.line, "calls"), [])
            parts, in_place = _parts_read(inside)
            reads = [min(size, parts.get(i, size)) for i, size in enumerate(reads)]
            written = max(0, written - in_place)
        return written + sum(reads)


def _parts_read(ops: list[Op]) -> tuple[dict[int, int], int]:
    """Of a fusion's parameters that it only indexes or updates in place: number -> bytes read; and
    the bytes of its result that an update in place leaves as they are."""
    number = {op.name: _parameter(op) for op in ops if op.kind == "parameter"}
    sizes = {op.name: op.bytes for op in ops}
    # Views of a parameter stand for it.
    for op in ops:
        if op.kind == "bitcast" and op.operands and op.operands[0] in number:
            number[op.name] = number[op.operands[0]]
    uses: dict[int, list[tuple[Op, int]]] = collections.defaultdict(list)
    for op in ops:
        for place, operand in enumerate(op.operands):
            if operand in number and op.kind != "bitcast":
                uses[number[operand]].append((op, place))
    found, in_place = {}, 0
    for i, users in uses.items():
        if all(op.kind in _PARTIAL and place == 0 for op, place in users):
            found[i] = sum(op.bytes for op, _ in users)
        elif all(op.kind == "dynamic-update-slice" and place == 0 for op, place in users):
            found[i] = 0
            for op, _ in users:
                in_place += max(0, op.bytes - sizes.get(op.operands[1], 0))
    return found, in_place


def _is_free(op: Op) -> bool:
    """Whether an instruction is no kernel. A single number that is computed outside of a fusion
    belongs to control flow."""
    if op.kind == "custom-call":
        return any(f'"{name}"' in op.line for name in _FREE_CALLS)
    return op.kind in _FREE or (op.kind in _SCALAR and _ONE_NUMBER.match(op.line) is not None)


def _constant(op: Op | None) -> int | None:
    """The value of an integer constant, None for anything else."""
    found = re.search(r"s32\[\]\S* constant\((-?\d+)\)", op.line) if op is not None else None
    return int(found[1]) if found else None


def _index(op: Op) -> int:
    found = re.search(r"index=(\d+)", op.line)
    return int(found[1]) if found else -1


def _element(op: Op, place: int, here: dict[str, Op]) -> Op | None:
    """What stands at a place of a tuple, through copies."""
    if op.kind != "tuple" or not 0 <= place < len(op.operands):
        return None
    found = here.get(op.operands[place])
    while found is not None and found.kind in ("copy", "bitcast"):
        found = here.get(found.operands[0])
    return found


def _calls_host(op: Op) -> bool:
    is_call = op.kind == "custom-call" and _CALLBACK.search(op.line) is not None
    return is_call or (op.kind in ("send", "recv") and "is_host_transfer=true" in op.line)


def _attribute(line: str, name: str) -> str:
    found = re.search(rf"\b{name}=%?([\w.\-]+)", line)
    return found[1] if found else ""


def _branches(line: str) -> Iterator[str]:
    if found := _BRANCHES.search(line):
        yield from _NAME.findall(found[1])
        return
    yield _attribute(line, "true_computation")
    yield _attribute(line, "false_computation")


def _parameter(op: Op) -> int:
    found = re.search(r"parameter\((\d+)\)", op.line)
    return int(found[1]) if found else -1


def _origin(op: Op) -> str:
    found = re.search(r'op_name="([^"]*)"', op.line)
    return found[1] if found else op.name
