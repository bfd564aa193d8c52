"""The label store of one run.

A question's key is the hash of its content and an answer's is (question, teacher), so an answer is
never paid for twice: what was answered before a run was killed is found again when it is resumed,
and what was asked but not answered is known as open. Every write is one transaction; all threads
of a process may share a store, and other processes may open the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from core_jax.feedback.labels import schema
from core_jax.feedback.labels.records import (
    Asked,
    Counts,
    Exchange,
    Frame,
    pack_clips,
    unpack_clips,
)
from core_jax.feedback.queries import Pair, PairLabel, Teacher

_ANSWER = "preference, scores_a, scores_b, reason, tokens, cost_usd, confidence, ratings, seconds"
_ASKED = (
    "SELECT r.question, q.clips, q.instruction, r.seed, r.round, r.position, r.env_steps, "
    "r.mean_reward FROM rounds r JOIN questions q ON q.key = r.question"
)


class LabelStore:
    """Questions, who was asked, what they were shown, said and decided."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.RLock()
        self._db = schema.connect(path)

    def ask(
        self,
        teacher: Teacher,
        questions: Sequence[Pair],
        env_steps: int,
        mean_reward: float | None,
    ) -> list[PairLabel]:
        """Answers to all questions, in order, at once; only those that the teacher has never
        answered go to it."""
        keys = self.put(teacher.name, questions, env_steps, mean_reward)
        known = {k: answer for k in keys if (answer := self.find(k, teacher.name)) is not None}
        missing = [(k, q) for k, q in zip(keys, questions, strict=True) if k not in known]
        answers = teacher.ask([q for _, q in missing], mean_reward)
        with self._transaction():
            for (key, _), answer in zip(missing, answers, strict=True):
                self.answer(key, teacher.name, answer)
                known[key] = answer
        return [known[key] for key in keys]

    def put(
        self,
        teacher: str,
        questions: Sequence[Pair],
        env_steps: int,
        mean_reward: float | None = None,
    ) -> list[str]:
        """Writes one seed's round of questions down as asked of a teacher; returns their keys.

        Raises:
            ValueError: other questions are kept for that round.
        """
        keys = [q.key() for q in questions]
        with self._transaction() as db:
            for i, (key, question) in enumerate(zip(keys, questions, strict=True)):
                self.keep(question)
                place = (question.seed, question.round, i)
                db.execute(
                    "INSERT OR IGNORE INTO rounds VALUES (?,?,?,?,?,?)",
                    (*place, key, env_steps, mean_reward),
                )
                there = "SELECT question FROM rounds WHERE (seed, round, position) = (?,?,?)"
                if db.execute(there, place).fetchone() != (key,):
                    raise ValueError(f"{self.path} has another question at {place}")
                self.put_to(teacher, key)
        return keys

    def keep(self, question: Pair) -> str:
        """Keeps a question that this run has not drawn (yet), such as another run's."""
        key = question.key()
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO questions VALUES (?,?,?)",
                (key, question.instruction, pack_clips(question)),
            )
        return key

    def put_to(self, teacher: str, key: str) -> None:
        """Notes that a question that is there already is asked of another teacher, too."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO asks VALUES (?,?,?)", (key, teacher, time.time()))

    def show(self, key: str, teacher: str, frames: Sequence[Frame]) -> None:
        """Keeps what a teacher is shown, before it is. Equal pictures are kept once."""
        with self._transaction() as db:
            for frame in frames:
                digest = hashlib.sha256(frame.png).hexdigest()
                db.execute("INSERT OR IGNORE INTO pictures VALUES (?,?)", (digest, frame.png))
                db.execute(
                    "INSERT OR REPLACE INTO frames VALUES (?,?,?,?,?)",
                    (key, teacher, frame.role, frame.step, digest),
                )

    def exchange(self, key: str, teacher: str, said: Exchange) -> None:
        """Keeps one prompt and its reply; a reply that was kept before is not kept again."""
        content = (said.stage, said.model, json.dumps(said.prompt), said.reply, said.problem)
        with self._transaction() as db:
            db.execute(
                "INSERT INTO exchanges SELECT NULL,?,?,?,?,?,?,?,?,?,? WHERE NOT EXISTS "
                "(SELECT 1 FROM exchanges WHERE (question, teacher, stage, model, prompt, reply, "
                "problem) = (?,?,?,?,?,?,?))",
                (key, teacher, *content, said.tokens, said.cost_usd, said.seconds)
                + (key, teacher, *content),
            )

    def answer(self, key: str, teacher: str, answer: PairLabel) -> bool:
        """Keeps a teacher's answer; False if it has answered this question before: the first
        answer stays.

        Raises:
            ValueError: there is no such question.
        """
        with self._transaction() as db:
            if not db.execute("SELECT 1 FROM questions WHERE key = ?", (key,)).fetchone():
                raise ValueError(f"{self.path} has no question {key}")
            self.put_to(teacher, key)
            ratings = None if answer.ratings is None else json.dumps(answer.ratings)
            done = db.execute(
                f"INSERT OR IGNORE INTO answers (question, teacher, {_ANSWER}) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (key, teacher, answer.preference, json.dumps(answer.scores_a))
                + (json.dumps(answer.scores_b), answer.reason, answer.tokens, answer.cost_usd)
                + (answer.confidence, ratings, answer.seconds),
            )
        return done.rowcount == 1

    def retract(self, teacher: str) -> str | None:
        """Takes a teacher's latest answer back; returns its question's key, None without one. Only
        for people, who may press the wrong key: what a model has said stays."""
        with self._transaction() as db:
            row = db.execute(
                "SELECT rowid, question FROM answers WHERE teacher = ? ORDER BY rowid DESC LIMIT 1",
                (teacher,),
            ).fetchone()
            if row is None:
                return None
            db.execute("DELETE FROM answers WHERE rowid = ?", row[:1])
        return row[1]

    def find(self, key: str, teacher: str) -> PairLabel | None:
        """A teacher's answer to a question, if there is one."""
        return self.answers(key).get(teacher)

    def answers(self, key: str) -> dict[str, PairLabel]:
        """All answers to a question, by teacher."""
        rows = self._all(f"SELECT teacher, {_ANSWER} FROM answers WHERE question = ?", (key,))
        return {teacher: _answer(row) for teacher, *row in rows}

    def questions(self, seed: int | None = None, round: int | None = None) -> Iterator[Asked]:
        """Every question as it was drawn, by seed, round and position; clips are read as needed.

        Args:
            seed, round: leave out all others.
        """
        where = "WHERE r.seed = COALESCE(?, r.seed) AND r.round = COALESCE(?, r.round)"
        places = self._all(
            f"SELECT r.seed, r.round, r.position FROM rounds r {where} ORDER BY 1, 2, 3",
            (seed, round),
        )
        for place in places:
            [row] = self._all(
                f"{_ASKED} WHERE r.seed = ? AND r.round = ? AND r.position = ?", place
            )
            yield _asked(row)

    def question(self, key: str) -> Asked:
        """One question, as it was first drawn.

        Raises:
            ValueError: there is no such question.
        """
        rows = self._all(f"{_ASKED} WHERE r.question = ? ORDER BY r.round, r.seed LIMIT 1", (key,))
        if not rows:
            raise ValueError(f"{self.path} has no question {key}")
        return _asked(rows[0])

    def frames(self, key: str, teacher: str | None = None) -> list[Frame]:
        """What a teacher was shown of a question: start, goal, then A and B by step; of any
        teacher if None. Empty if nobody was shown a picture."""
        if teacher is None:
            first = "SELECT teacher FROM frames WHERE question = ? ORDER BY rowid LIMIT 1"
            found = self._all(first, (key,))
            if not found:
                return []
            [(teacher,)] = found
        rows = self._all(
            "SELECT f.role, f.step, p.png FROM frames f JOIN pictures p ON p.hash = f.picture "
            "WHERE f.question = ? AND f.teacher = ?",
            (key, teacher),
        )
        order = {"start": 0, "goal": 1, "a": 2, "b": 3}
        return sorted((Frame(*row) for row in rows), key=lambda f: (order[f.role], f.step))

    def exchanges(self, key: str, teacher: str) -> list[Exchange]:
        """What was said between a run and a teacher about a question, in order."""
        rows = self._all(
            "SELECT stage, model, prompt, reply, problem, tokens, cost_usd, seconds FROM exchanges "
            "WHERE question = ? AND teacher = ? ORDER BY id",
            (key, teacher),
        )
        return [Exchange(a, b, json.loads(prompt), *rest) for a, b, prompt, *rest in rows]

    def open(self, teacher: str) -> list[str]:
        """Keys of what a teacher was asked and has not answered, in the order asked."""
        rows = self._all(
            "SELECT question FROM asks WHERE teacher = ? AND NOT EXISTS (SELECT 1 FROM answers a "
            "WHERE a.question = asks.question AND a.teacher = asks.teacher) ORDER BY asks.rowid",
            (teacher,),
        )
        return [key for (key,) in rows]

    def progress(self) -> dict[str, Counts]:
        """How far every teacher is."""
        rows = self._all(
            "SELECT k.teacher, COUNT(*), COUNT(a.preference), "
            "COUNT(a.question) - COUNT(a.preference), COUNT(*) - COUNT(a.question), "
            "COALESCE(SUM(a.tokens), 0), COALESCE(SUM(a.cost_usd), 0.0) FROM asks k "
            "LEFT JOIN answers a ON a.question = k.question AND a.teacher = k.teacher "
            "GROUP BY k.teacher ORDER BY MIN(k.rowid)"
        )
        return {teacher: Counts(*counts) for teacher, *counts in rows}

    def rows(self) -> list[tuple]:
        """Every question with each of its answers, without clips, times and money: key, seed,
        round, position, env_steps, teacher, preference, scores_a, scores_b, reason."""
        return self._all(
            "SELECT r.question, r.seed, r.round, r.position, r.env_steps, a.teacher, a.preference, "
            "a.scores_a, a.scores_b, a.reason FROM rounds r JOIN answers a "
            "ON a.question = r.question ORDER BY r.seed, r.round, r.position, a.teacher"
        )

    def close(self) -> None:
        """Closes the database."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, for one thread at a time; one inside another is part of it."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _all(self, statement: str, values: Sequence = ()) -> list[tuple]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()


def _answer(row: Sequence) -> PairLabel:
    preference, scores_a, scores_b, reason, tokens, cost_usd, confidence, ratings, seconds = row
    return PairLabel(
        preference,
        tuple(json.loads(scores_a)),
        tuple(json.loads(scores_b)),
        reason,
        tokens,
        cost_usd,
        confidence,
        None if ratings is None else tuple(json.loads(ratings)),
        seconds,
    )


def _asked(row: Sequence) -> Asked:
    key, clips, instruction, seed, round, position, env_steps, mean_reward = row
    question = Pair(*unpack_clips(clips), instruction, seed, round)
    return Asked(key, question, position, env_steps, mean_reward)
