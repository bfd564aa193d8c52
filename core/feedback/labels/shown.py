"""How many pictures a teacher was shown, and when."""

from __future__ import annotations

from typing import NamedTuple

from core_jax.feedback.labels.store import LabelStore

_SHOWN = """
WITH places AS (SELECT seed, env_steps, question, ROW_NUMBER() OVER (
    PARTITION BY question ORDER BY round, seed, position) AS nth FROM rounds)
SELECT q.seed, q.env_steps, COUNT(*) FROM places q JOIN frames f ON f.question = q.question
WHERE q.nth = 1 AND f.teacher = ? GROUP BY q.seed, q.env_steps ORDER BY 2, 1
"""


class Shown(NamedTuple):
    """Pictures of one seed's round."""

    seed: int
    env_steps: int
    pictures: int


def pictures_shown(store: LabelStore, teacher: str) -> list[Shown]:
    """The pictures that a teacher was shown, by step and seed: the start and the goal count once
    for every query that shows them. A query of several rounds counts in the first."""
    return [Shown(*map(int, row)) for row in store.database.all(_SHOWN, (teacher,))]
