"""Queries and labels of all kinds in words and as JSON, for the command line."""

from __future__ import annotations

import re
from typing import Any

from core_jax.feedback.labels.records import Asked
from core_jax.feedback.quality import progress_gap, reward_gap, verdict
from core_jax.feedback.queries import Label, Order, Pair, PairLabel, Query, Single, SingleLabel
from core_jax.feedback.teachers.scripted_values import true_value

_PREFERENCES = {0.0: "A is better", 0.5: "equal", 1.0: "B is better"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def line(asked: Asked, answers: dict[str, Label]) -> str:
    """A query and its labels as one line of a terminal."""
    query = asked.question
    place = f"{asked.key[:8]} seed {query.seed} round {query.round:>2} step {asked.env_steps:>9,}"
    told = [f"{name}: {label_words(query, label)}" for name, label in answers.items()]
    return plain(f"{place}  {truth_words(query)}  {'; '.join(told) or 'no answer yet'}")


def plain(text: str) -> str:
    """Text without control characters: names and errors may hold a terminal's escape sequences."""
    return _CONTROL.sub("?", text)


def truth_words(query: Query) -> str:
    """What is asked and the ground truth."""
    if isinstance(query, Pair):
        return f"B better by {reward_gap(query):+.4f} a step"
    if isinstance(query, Single):
        return f"{asks_words(query)}: truth {true_value(query):g}"
    values = ", ".join(f"{clip.progress[-1]:.3f}" for clip in query.clips)
    return f"order of {len(query.clips)}: progress {values}"


def label_words(query: Query, label: Label) -> str:
    """A label, and for pairs whether it is right."""
    if not label.decided:
        text = "can't tell"
    elif isinstance(label, PairLabel):
        text = _PREFERENCES.get(label.preference or 0.0, f"P(B better) = {label.preference}")
    elif isinstance(label, SingleLabel):
        text = f"{label.value:g}"
    else:
        text = " < ".join(map(str, label.order or ()))
    if label.confidence is not None:
        text += f" (confidence {label.confidence:.2f})"
    if isinstance(query, Pair) and isinstance(label, PairLabel):
        text += f" ({verdict(query, label)})"
    return text


def asks_words(query: Single) -> str:
    """What is asked about a single clip."""
    return query.asks if query.classes is None else f"{query.asks} 0..{query.classes - 1}"


def as_json(asked: Asked, answers: dict[str, Label]) -> dict[str, Any]:
    """A query and its labels, JSON-able; gaps are B's mean ground truth per step less A's."""
    query = asked.question
    labels: dict[str, Any] = {name: label._asdict() for name, label in answers.items()}
    content: dict[str, Any] = {
        "key": asked.key,
        "kind": query.kind,
        "asks": query.asks,
        "seed": query.seed,
        "round": query.round,
        "position": asked.position,
        "env_steps": asked.env_steps,
        "instruction": query.instruction,
    }
    if isinstance(query, Pair):
        content |= {"reward_gap": reward_gap(query), "progress_gap": progress_gap(query)}
        for name, label in answers.items():
            if isinstance(label, PairLabel):
                labels[name]["verdict"] = verdict(query, label)
    elif isinstance(query, Single):
        content |= {"classes": query.classes, "truth": true_value(query)}
    elif isinstance(query, Order):
        content["progress"] = [float(clip.progress[-1]) for clip in query.clips]
    return content | {"answers": labels}
