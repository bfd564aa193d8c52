"""Every question and answer ever paid for, in a run's `labels.sqlite`.

A question's key is the hash of its content, so an answer is never paid for twice: what was
answered before a run was killed is found again when it is resumed. Each round is one transaction.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.models.base import Answer, Question, Teacher

_SCHEMA = """
CREATE TABLE IF NOT EXISTS questions (
    key TEXT PRIMARY KEY, seed INTEGER, round INTEGER, position INTEGER, env_steps INTEGER,
    instruction TEXT, clips BLOB);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY REFERENCES questions(key), teacher TEXT, preference REAL,
    scores_a TEXT, scores_b TEXT, reason TEXT, tokens INTEGER, cost_usd REAL);
"""


class LabelStore:
    """The label store of one run."""

    def __init__(self, path: Path):
        self._db = sqlite3.connect(path)
        # A commit must survive kill -9 and must not be lost to a half-written page.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def ask(
        self, teacher: Teacher, questions: Sequence[Question], env_steps: int, context: object
    ) -> list[Answer]:
        """Answers to all questions, in order; only those never answered go to the teacher."""
        keys = [q.key() for q in questions]
        known = {key: answer for key in keys if (answer := self.find(key)) is not None}
        missing = [(k, i) for i, k in enumerate(keys) if k not in known]
        answers = teacher.ask([questions[i] for _, i in missing], context)
        with self._db:
            for (key, i), answer in zip(missing, answers, strict=True):
                self._store(key, i, questions[i], env_steps, teacher.name, answer)
                known[key] = answer
        return [known[key] for key in keys]

    def find(self, key: str) -> Answer | None:
        """The stored answer to a question, if there is one."""
        row = self._db.execute(
            "SELECT preference, scores_a, scores_b, reason, tokens, cost_usd FROM answers "
            "WHERE key = ?",
            (key,),
        ).fetchone()
        if row is None:
            return None
        scores = [tuple(json.loads(text)) for text in row[1:3]]
        return Answer(row[0], *scores, reason=row[3], tokens=row[4], cost_usd=row[5])

    def totals(self) -> dict[str, float]:
        """Answers, tokens and cost so far."""
        row = self._db.execute(
            "SELECT COUNT(*), COALESCE(SUM(tokens), 0), COALESCE(SUM(cost_usd), 0) FROM answers"
        ).fetchone()
        return {"labels": row[0], "tokens": row[1], "cost_usd": row[2]}

    def rows(self) -> list[tuple]:
        """Every question with its answer, without the clips, in the order asked."""
        return self._db.execute(
            "SELECT q.key, q.seed, q.round, q.position, q.env_steps, a.teacher, a.preference, "
            "a.scores_a, a.scores_b, a.reason FROM questions q JOIN answers a ON a.key = q.key "
            "ORDER BY q.seed, q.round, q.position"
        ).fetchall()

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def _store(
        self, key: str, position: int, question: Question, env_steps: int, name: str, answer: Answer
    ) -> None:
        buffer = io.BytesIO()
        arrays = {}
        for side in ("a", "b"):
            arrays |= {f"{side}_{k}": v for k, v in getattr(question, side)._asdict().items()}
        np.savez_compressed(buffer, **arrays)
        self._db.execute(
            "INSERT OR IGNORE INTO questions VALUES (?,?,?,?,?,?,?)",
            (key, question.seed, question.round, position, env_steps, question.instruction)
            + (buffer.getvalue(),),
        )
        self._db.execute(
            "INSERT OR IGNORE INTO answers VALUES (?,?,?,?,?,?,?,?)",
            (key, name, answer.preference, json.dumps(answer.scores_a))
            + (json.dumps(answer.scores_b), answer.reason, answer.tokens, answer.cost_usd),
        )
