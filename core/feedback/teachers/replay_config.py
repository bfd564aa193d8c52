"""Settings of a teacher that repeats another run's labels (`--teacher replay`)."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class ReplayTeacherConfig:
    """Labels of another run, by the content of the question."""

    path: str = ""
    """A run's folder or its labels.sqlite."""
    teacher: str = ""
    """Whose labels, by the name that `python -m core_jax.feedback.labels RUN` lists; empty: the
    only teacher of that file."""
    unknown: Literal["abstain", "error"] = "abstain"
    """What to do with a question that has no label there."""
