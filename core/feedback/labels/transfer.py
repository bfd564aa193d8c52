"""Labels between runs and between teachers: taking over, and how far teachers agree."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from core_jax.feedback.labels.store import LabelStore
from core_jax.feedback.quality import agreement
from core_jax.feedback.queries import Label, OrderLabel, PairLabel, SingleLabel, check_label


def take_over(store: LabelStore, other: LabelStore) -> dict[str, int]:
    """Adds another run's questions and labels, with the pictures shown and the exchanges.

    Labels that are there stay. Every label is checked before anything is written.

    Returns:
        `questions` looked at, and `answers`, the number of new labels.

    Raises:
        ValueError: a label is not a valid answer to its question.
    """
    found = {asked.key: asked.question for asked in other.questions()}
    for key, query in found.items():
        for teacher, label in other.answers(key).items():
            try:
                check_label(query, label)
            except ValueError as error:
                where = f"{other.path}: the label of {teacher} to question {key[:8]} is invalid"
                raise ValueError(f"{where}: {error}") from error
    new = 0
    for key, query in found.items():
        store.keep(query)
        for teacher, label in other.answers(key).items():
            if store.answer(key, teacher, label):
                new += 1
                store.show(key, teacher, other.frames(key, teacher))
                for exchange in other.exchanges(key, teacher):
                    store.exchange(key, teacher, exchange)
    return {"questions": len(found), "answers": new}


def between_teachers(store: LabelStore) -> list[dict[str, Any]]:
    """How far each two teachers agree on the questions that both have answered, by what is
    asked."""
    given: dict[tuple[str, str], dict[str, Label]] = {}
    for key, asks in {a.key: a.question.asks for a in store.questions()}.items():
        for teacher, label in store.answers(key).items():
            given.setdefault((asks, teacher), {})[key] = label
    found = []
    for first, second in itertools.combinations(sorted(given), 2):
        common = sorted(given[first].keys() & given[second].keys())
        if first[0] == second[0] and common:
            both = [[given[one][key] for key in common] for one in (first, second)]
            rates = _rates(both[0], both[1])
            found.append({"teachers": [first[1], second[1]], "asks": first[0], **rates})
    return found


def _rates(first: Sequence[Label], second: Sequence[Label]) -> dict[str, Any]:
    pairs = [
        (x, y)
        for x, y in zip(first, second, strict=True)
        if isinstance(x, PairLabel) and isinstance(y, PairLabel)
    ]
    if pairs:
        return agreement([x for x, _ in pairs], [y for _, y in pairs])
    both = [
        (_value(x), _value(y))
        for x, y in zip(first, second, strict=True)
        if x.decided and y.decided
    ]
    same = sum(x == y for x, y in both) / len(both) if both else None
    return {"questions": len(first), "decided": len(both), "agree": same, "kappa": None}


def _value(label: Label) -> Any:
    if isinstance(label, SingleLabel):
        return label.value
    return label.order if isinstance(label, OrderLabel) else label.preference
