"""`compile_program`: from untrusted Python text on pictures to a JAX reward with state.

The source defines either of
- a function of one picture (`reward(image)`), or of the first (`first`, `initial`, `start` in the
  parameter's name), the previous (`prev`, `last`) and the current one;
- a class whose entry method (`reward`, `check_and_progress`, `step`, ...) takes such pictures and
  whose attributes are kept from one frame to the next.

Pictures are given as RGB. A program that reads its argument with `cv2.imread`, as a path, gets
BGR, as OpenCV gives; one that takes the picture itself gets RGB.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from core_jax.reward_models.formal.errors import RewardError, diagnostic_at
from core_jax.reward_models.formal.parse import parse
from core_jax.reward_models.programs import entries, packing, structures
from core_jax.reward_models.programs.check import check
from core_jax.reward_models.programs.entries import Entry
from core_jax.reward_models.programs.evaluator import Evaluator
from core_jax.reward_models.programs.structures import Node
from core_jax.reward_models.programs.values import Array, Cell, Instance, Scope, ValueProblem

MAX_PIXELS = 1 << 18
_ATTEMPTS = 8

State = tuple[jax.Array, ...]  # what a program keeps between frames


@dataclass(frozen=True)
class Program:
    """A reward on pictures that can be jitted, vmapped and scanned.

    Attributes:
        source: the Python text; it and the size of the pictures make two programs equal.
        height, width: of the pictures, in pixels.
        name: of the function or class in the source.
        warnings: where Python may raise, one sentence each.
    """

    source: str
    height: int
    width: int
    name: str = field(compare=False, default="")
    warnings: tuple[str, ...] = field(compare=False, repr=False, default=())
    _lowered: Any = field(compare=False, repr=False, default=None)

    def init(self, frame: jax.Array) -> State:
        """The state before an episode's first step.

        Args:
            frame: [height, width, 3] uint8 RGB, the episode's first picture. A constructor or
                `reset` that takes a picture gets it, and so does a parameter for the first
                picture; it is not scored.

        Returns:
            A tuple of arrays, of the same number and shapes for every frame.

        Raises:
            ValueError: the picture has another shape or type.
        """
        return self._lowered.init(self._checked(frame))

    def step(self, state: State, frame: jax.Array) -> tuple[State, jax.Array]:
        """The reward of one picture.

        Args:
            state: from `init` or the previous `step`.
            frame: [height, width, 3] uint8 RGB.

        Returns:
            The state for the next picture and the 0-d float32 reward (a truth value is 0 or 1).
            Where the source, run by Python, would raise, the reward is NaN and the state stays.

        Raises:
            ValueError: the picture has another shape or type.
        """
        return self._lowered.step(state, self._checked(frame))

    def _checked(self, frame: Any) -> jax.Array:
        frame, wanted = jnp.asarray(frame), (self.height, self.width, 3)
        if frame.shape != wanted or frame.dtype != jnp.uint8:
            raise ValueError(
                f"program compiled for uint8 pictures of shape {wanted}, called with "
                f"{frame.dtype} of shape {frame.shape}"
            )
        return frame


def compile_program(source: str, height: int, width: int) -> Program:
    """Check `source` and lower it to a reward on pictures of one size.

    Args:
        source: Python text that defines the function or class; see the module.
        height: of the pictures, in pixels.
        width: of the pictures, in pixels.

    Raises:
        RewardError: the text is no such program; the diagnostics say where, why and what to write
            instead.
        ValueError: the size is not positive, or too large.
    """
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ValueError(f"pictures of {height} x {width}: 1 to {MAX_PIXELS} pixels can be")
    try:
        lowered = _lower(source, height, width)
    except RecursionError:
        message, hint = "the source is nested too deeply", "simplify it"
        raise RewardError([diagnostic_at(source, 1, 0, message, hint)]) from None
    warnings = tuple(lowered.warnings)
    return Program(source, height, width, lowered.entry.name, warnings, lowered)


def _lower(source: str, height: int, width: int) -> Lowered:
    tree = parse(source)
    found = check(source, tree)
    if found:
        raise RewardError(found)
    entry = entries.find(source, tree)
    lowered = Lowered(source, tree, entry, height, width)
    lowered.find_structure()
    return lowered


class Lowered:
    """A program whose state has a known structure.

    Attributes:
        entry: how it is called.
        structure: of what it keeps: the object, the first and the previous picture.
        warnings: what its runs have noted.
    """

    def __init__(self, source: str, tree: ast.Module, entry: Entry, height: int, width: int):
        self.source, self.tree, self.entry = source, tree, entry
        self.height, self.width = height, width
        self.structure: Node | None = None
        self.warnings: dict[str, None] = {}
        self.reads_files = any(
            isinstance(node, ast.Attribute) and node.attr == "imread" for node in ast.walk(tree)
        )
        evaluator = self._evaluator()
        self.module: Scope = evaluator.run_module()
        self.base, self.limit = evaluator.store, Cell(None).serial

    def _evaluator(self) -> Evaluator:
        return Evaluator(self.source, self.tree, self.height * self.width, True)

    def _begun(self, frame: jax.Array) -> tuple[Evaluator, Array]:
        evaluator = self._evaluator()
        evaluator.scope, evaluator.store = self.module, self.base.copy()
        evaluator.frame = Array(frame)
        return evaluator, evaluator.frame

    def find_structure(self) -> None:
        """Find a structure of the state that every step keeps."""
        frame = jax.ShapeDtypeStruct((self.height, self.width, 3), jnp.uint8)
        jax.eval_shape(self._first_structure, frame)
        for _ in range(_ATTEMPTS):
            assert self.structure is not None
            before = self.structure
            leaves = packing.zeros(before)
            jax.eval_shape(self._widen, leaves, frame)
            if structures.equal(self.structure, before):
                return
        raise ValueProblem("the attributes of the class change their kind in every step")

    def _first_structure(self, frame: jax.Array) -> None:
        evaluator, root = self._start(frame)
        self.structure = structures.stripped(structures.node_of(root, evaluator.store), -1)

    def _widen(self, leaves: list, frame: jax.Array) -> None:
        evaluator, root, _ = self._run(leaves, frame)
        after = structures.stripped(structures.node_of(root, evaluator.store), -1)
        assert self.structure is not None
        self.structure = structures.stripped(structures.join(self.structure, after, -1), -1)

    def _start(self, frame: jax.Array) -> tuple[Evaluator, tuple]:
        """The object, and the pictures kept for its parameters."""
        evaluator, first = self._begun(frame)
        entry, made = self.entry, None
        if entry.owner is not None:
            cls = evaluator.store.get(self.module)[entry.owner.name]
            pictures = (first,) * len(entry.start_roles)

            def create() -> Instance:
                start = entry.start
                if start is None or start.name == "__init__":
                    return evaluator.instance(cls, pictures, {})
                made = Instance(cls, {})
                evaluator.call(cls.names["reset"], (made, *pictures), {})
                return made

            made = evaluator.at(entry.start or entry.owner, create)
        kept = tuple(
            Array(frame) if role in entry.roles else None for role in ("first", "previous")
        )
        return evaluator, (made, *kept)

    def _run(self, leaves: Any, frame: jax.Array) -> tuple[Evaluator, tuple, Any]:
        evaluator, current = self._begun(frame)
        assert self.structure is not None
        made, first, previous = packing.build(self.structure, iter(leaves))
        evaluator.frames = [one for one in (first, previous) if one is not None]
        pictures = {"first": first, "previous": previous, "current": current}
        args = tuple(pictures[role] for role in self.entry.roles)
        node, owner = self.entry.function, self.entry.owner

        def call() -> Any:
            if owner is None:
                return evaluator.call(evaluator.store.get(self.module)[node.name], args, {})
            return evaluator.call(made.cls.names[node.name], (made, *args), {})

        given = evaluator.at(node, call)
        given = given[0] if isinstance(given, tuple) and given else given
        value = evaluator.at(evaluator.last_return or node, lambda: evaluator.reward_of(given))
        self._check_module(evaluator)
        self.warnings.update(dict.fromkeys(evaluator.doubts.values()))
        kept = None if previous is None else Array(frame)
        return evaluator, (made, first, kept), value

    def _check_module(self, evaluator: Evaluator) -> None:
        """Refuse what is changed outside of the object, which would not be kept."""
        for cell in evaluator.store.held:
            if cell.serial < self.limit and cell is not evaluator.flags:
                if evaluator.store.get(cell) is not self.base.get(cell):
                    message = "a list, dict or array outside of the class is changed"
                    hint = "keep it in an attribute: self.history = []"
                    evaluator.fail(self.entry.function, message, hint)

    def init(self, frame: jax.Array) -> State:
        """The leaves of the state before the first step; the last tells whether Python raised."""
        evaluator, root = self._start(frame)
        assert self.structure is not None
        leaves = packing.lift(root, self.structure, evaluator.store)
        return (*map(jnp.asarray, leaves), evaluator.raised)

    def step(self, state: State, frame: jax.Array) -> tuple[State, jax.Array]:
        """One step on the leaves of the state."""
        *leaves, failed = state
        evaluator, root, value = self._run(leaves, frame)
        raised = jnp.logical_or(evaluator.raised, failed)
        assert self.structure is not None
        new = packing.lift(root, self.structure, evaluator.store)
        kept = [jnp.where(raised, a, b) for a, b in zip(leaves, new, strict=True)]
        return (*kept, failed), jnp.where(raised, jnp.nan, value)
