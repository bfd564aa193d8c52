"""What teachers are asked and what they reply: queries, labels, and the teacher protocol.

A query shows one or more clips and asks one thing about them. Its key is a hash of its content, so
the same clips, asked about again, are the same query in every run and every label file.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

Kind: TypeAlias = Literal["pair", "single", "order"]
SingleAsks: TypeAlias = Literal["rating", "progress", "completion"]
Asks: TypeAlias = Literal["pair", "rating", "progress", "completion", "order"]

SINGLE_ASKS: tuple[SingleAsks, ...] = ("rating", "progress", "completion")
NO_REPLY = "no usable reply"  # how the reason of such an abstention begins


class Clip(NamedTuple):
    """H consecutive steps of one episode, on the host; H = 1 is a single picture."""

    next_obs: np.ndarray  # [H, O]
    action: np.ndarray  # [H, A]
    target: np.ndarray  # [H, G]
    snapshot: np.ndarray  # [H, K] what pictures of the steps depend on
    dense: np.ndarray  # [H] ground truth; only scripted teachers read it
    progress: np.ndarray  # [H] ground truth


class Pair(NamedTuple):
    """Which of two clips is better?"""

    a: Clip
    b: Clip
    instruction: str
    seed: int
    round: int

    @property
    def kind(self) -> Literal["pair"]:
        """The type of query, as the label store names it."""
        return "pair"

    @property
    def asks(self) -> Literal["pair"]:
        """What a teacher must be able to answer."""
        return "pair"

    @property
    def shown(self) -> dict[str, Clip]:
        """The clips by role."""
        return {"a": self.a, "b": self.b}

    def key(self) -> str:
        """Content hash. Label files written by every version rely on these exact bytes."""
        digest = hashlib.sha256(self.instruction.encode())
        for array in (*self.a, *self.b):
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
        return digest.hexdigest()


class Single(NamedTuple):
    """How far has one clip come with the task: a rating, its progress, or is the task completed?

    All three are about the clip's last step.
    """

    clip: Clip
    asks: SingleAsks
    classes: int | None  # number of classes of a rating; None otherwise
    instruction: str
    seed: int
    round: int

    @property
    def kind(self) -> Literal["single"]:
        """The type of query, as the label store names it."""
        return "single"

    @property
    def shown(self) -> dict[str, Clip]:
        """The clip by role."""
        return {"clip": self.clip}

    def key(self) -> str:
        """Content hash; the same clip asked for a rating and for progress are two queries."""
        return _key(f"single {self.asks} {self.classes}", self.instruction, (self.clip,))


class Order(NamedTuple):
    """In which order, from the least to the most progress at their last steps, do clips come?"""

    clips: tuple[Clip, ...]
    instruction: str
    seed: int
    round: int

    @property
    def kind(self) -> Literal["order"]:
        """The type of query, as the label store names it."""
        return "order"

    @property
    def asks(self) -> Literal["order"]:
        """What a teacher must be able to answer."""
        return "order"

    @property
    def shown(self) -> dict[str, Clip]:
        """The clips by role: their indices."""
        return {str(i): clip for i, clip in enumerate(self.clips)}

    def key(self) -> str:
        """Content hash; another order of presentation is another query."""
        return _key("order", self.instruction, self.clips)


class PairLabel(NamedTuple):
    """A teacher's answer to a `Pair`. `preference` is P(B better): 0, 1, 0.5 for equal; None
    abstains."""

    preference: float | None
    scores_a: tuple[float, ...]  # completion in [0, 1] of each shown frame; empty if not given
    scores_b: tuple[float, ...]
    reason: str
    tokens: int = 0
    cost_usd: float = 0.0
    confidence: float | None = None  # in [0, 1]
    ratings: tuple[int, int] | None = None  # of A and of B, classes from 0
    seconds: float = 0.0  # from asking to answering

    @property
    def decided(self) -> bool:
        """Whether the teacher gave an answer."""
        return self.preference is not None


class SingleLabel(NamedTuple):
    """A teacher's answer to a `Single`. `value` is a class index 0..classes-1 for a rating, in
    [0, 1] for progress, 0 or 1 for completion; None abstains."""

    value: float | None
    reason: str
    tokens: int = 0
    cost_usd: float = 0.0
    confidence: float | None = None  # in [0, 1]
    seconds: float = 0.0

    @property
    def decided(self) -> bool:
        """Whether the teacher gave an answer."""
        return self.value is not None


class OrderLabel(NamedTuple):
    """A teacher's answer to an `Order`: indices of the clips, least progress first; None
    abstains."""

    order: tuple[int, ...] | None
    reason: str
    tokens: int = 0
    cost_usd: float = 0.0
    confidence: float | None = None  # in [0, 1]
    seconds: float = 0.0

    @property
    def decided(self) -> bool:
        """Whether the teacher gave an answer."""
        return self.order is not None


Query: TypeAlias = Pair | Single | Order
Label: TypeAlias = PairLabel | SingleLabel | OrderLabel


class Teacher(Protocol):
    """Answers queries: ground truth, a model or a person. `answers` holds the values of
    `query.asks` that it can answer."""

    name: str
    answers: frozenset[str]

    def ask(self, queries: Sequence[Query], context: Any = None) -> list[Label]:
        """One label per query, in order, of the query's kind.

        Args:
            queries: each with `asks` in `answers`.
            context: mean ground-truth reward per step of recent experience; only scripted teachers
                read it.
        """
        ...


def check_answers(teacher: str, answers: frozenset[str], queries: Sequence[Query]) -> None:
    """Raises ValueError if a teacher of this name and these `answers` cannot answer a query."""
    for query in queries:
        if query.asks not in answers:
            valid = ", ".join(sorted(answers))
            raise ValueError(f"teacher {teacher} cannot answer {query.asks!r}; it answers: {valid}")


def check_query(query: Query) -> None:
    """Raises ValueError if a query cannot be asked: no clip, empty clips, or wrong classes."""
    if not query.shown:
        raise ValueError("a query must show at least one clip")
    for role, clip in query.shown.items():
        if len(clip.next_obs) < 1:
            raise ValueError(f"clip {role!r} has no steps; it needs at least one")
    if isinstance(query, Order) and len(query.clips) < 2:
        raise ValueError(f"an order query needs at least 2 clips, not {len(query.clips)}")
    if isinstance(query, Single):
        if query.asks not in SINGLE_ASKS:
            raise ValueError(f"asks is {query.asks!r}; valid: {', '.join(SINGLE_ASKS)}")
        if query.asks == "rating" and (query.classes is None or query.classes < 2):
            raise ValueError(f"a rating needs at least 2 classes, not {query.classes}")
        if query.asks != "rating" and query.classes is not None:
            raise ValueError(f"{query.asks} has no classes, but classes is {query.classes}")


def check_label(query: Query, label: Label) -> None:
    """Raises ValueError, naming the field and its value, if a label is no answer to a query."""
    wanted = {"pair": PairLabel, "single": SingleLabel, "order": OrderLabel}[query.kind]
    if type(label) is not wanted:
        raise ValueError(f"a {query.kind} query takes a {wanted.__name__}, not {label!r}")
    if isinstance(label, PairLabel):
        if label.preference is not None:
            _check_unit("preference", label.preference)
        for name in ("scores_a", "scores_b"):
            for score in getattr(label, name):
                _check_unit(name, score)
        _check_ratings(label.ratings)
    elif isinstance(label, OrderLabel) and isinstance(query, Order):
        if label.order is not None and sorted(label.order) != list(range(len(query.clips))):
            count = len(query.clips)
            raise ValueError(f"order must be a permutation of 0..{count - 1}, not {label.order}")
    elif isinstance(label, SingleLabel) and isinstance(query, Single):
        _check_value(query, label.value)
    if label.confidence is not None:
        _check_unit("confidence", label.confidence)
    for name in ("tokens", "cost_usd", "seconds"):
        if not (_is_number(value := getattr(label, name)) and 0 <= value < math.inf):
            raise ValueError(f"{name} must be a finite number of at least 0, not {value!r}")


def _check_value(query: Single, value: float | None) -> None:
    if value is None:
        return
    _check_finite("value", value)
    if query.asks == "rating":
        classes = query.classes or 0
        if value != int(value) or not 0 <= value < classes:
            raise ValueError(f"value must be a class in 0..{classes - 1}, not {value!r}")
    elif query.asks == "completion":
        if value not in (0.0, 1.0):
            raise ValueError(f"value must be 0 or 1, not {value!r}")
    else:
        _check_unit("value", value)


def _check_ratings(ratings: Any) -> None:
    if ratings is None:
        return
    valid = len(ratings) == 2 and all(isinstance(r, int) and r >= 0 for r in ratings)
    if not valid:
        raise ValueError(f"ratings must be two classes from 0 on, not {ratings!r}")


def _check_unit(name: str, value: Any) -> None:
    _check_finite(name, value)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must be in [0, 1], not {value!r}")


def _check_finite(name: str, value: Any) -> None:
    if not (_is_number(value) and math.isfinite(value)):
        raise ValueError(f"{name} must be a finite number, not {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _key(prefix: str, instruction: str, clips: Sequence[Clip]) -> str:
    # 0xff never occurs in UTF-8, with which a Pair's hashed bytes begin: kinds cannot collide.
    digest = hashlib.sha256(b"\xff" + prefix.encode() + b"\xff" + instruction.encode() + b"\xff")
    for clip in clips:
        for array in clip:
            content = np.ascontiguousarray(array, np.float32)
            digest.update(repr(content.shape).encode() + content.tobytes())
    return digest.hexdigest()
