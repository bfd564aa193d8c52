"""A teacher that repeats the labels of another run's `labels.sqlite`, for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import (
    Label,
    Order,
    OrderLabel,
    PairLabel,
    Query,
    Single,
    SingleLabel,
    check_label,
)
from core_jax.feedback.teachers.replay_config import ReplayTeacherConfig


class ReplayTeacher:
    """Implements `Teacher`. Only questions with exactly the same clips have a label: another run's
    with the same seed and settings, up to the first difference between the two.

    Raises:
        ValueError: there are no labels at the path, or none or several teachers fit.
    """

    answers = frozenset({"pair", "rating", "progress", "completion", "order"})

    def __init__(self, config: ReplayTeacherConfig):
        if not config.path:
            raise ValueError("teacher 'replay' needs a path: a run's folder or a labels.sqlite")
        path = Path(config.path)
        path = path / "labels.sqlite" if path.is_dir() else path
        if not path.exists():
            raise ValueError(f"replay path {config.path} has no labels: {path} does not exist")
        self.config = config
        self._store = LabelStore(path)
        self._teacher = self._choose(config.teacher)
        self.name = f"replay {self._teacher}"

    def ask(self, queries: Sequence[Query], context: Any = None) -> list[Label]:
        """The stored label of each query; `context` is not read.

        Raises:
            ValueError: a query has no label, and `unknown` is "error".
        """
        return [self._label(query) for query in queries]

    def close(self) -> None:
        """Closes the label file."""
        self._store.close()

    def _label(self, query: Query) -> Label:
        label = self._store.find(query.key(), self._teacher)
        if label is not None:
            check_label(query, label)
            return label._replace(tokens=0, cost_usd=0.0, seconds=0.0)
        reason = f"{self._store.path} has no label of {self._teacher} for this question"
        if self.config.unknown == "error":
            raise ValueError(f"{reason} ({query.key()}, round {query.round})")
        if isinstance(query, Single):
            return SingleLabel(None, reason)
        if isinstance(query, Order):
            return OrderLabel(None, reason)
        return PairLabel(None, (), (), reason)

    def _choose(self, wanted: str) -> str:
        known = list(self._store.progress())
        if wanted in known or (not wanted and len(known) == 1):
            return wanted or known[0]
        listed = ", ".join(repr(name) for name in known) or "no teacher"
        asked = f"no teacher {wanted!r}" if wanted else "not exactly one teacher"
        raise ValueError(f"{self._store.path} has {asked}; it has labels of {listed}")
