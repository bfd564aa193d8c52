"""The label store of one run.

A question's key is the hash of its content and a label's is (question, teacher), so a label is
never paid for twice: what was answered before a run was killed is found again when it is resumed,
and what was asked but not answered is known as open. Every write is one transaction; all threads
of a process may share a store, and other processes may open the same file.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from core_jax.feedback.labels import records
from core_jax.feedback.labels.database import Database
from core_jax.feedback.labels.reading import read_asked, read_label, read_query
from core_jax.feedback.labels.records import Asked, Counts, Exchange, Frame, Row
from core_jax.feedback.queries import (
    Kind,
    Label,
    OrderLabel,
    PairLabel,
    Query,
    SingleLabel,
    Teacher,
    check_label,
    check_query,
)

_LABEL = "kind, payload, reason, tokens, cost_usd, confidence, seconds"
_QUERY = "q.clips, q.kind, q.payload, q.instruction"
_ASKED = (
    f"SELECT r.question, {_QUERY}, r.seed, r.round, r.position, r.env_steps, r.mean_reward "
    "FROM rounds r JOIN questions q ON q.key = r.question"
)


class LabelStore:
    """Queries, the teachers asked, the pictures shown, the exchanges, and the labels.

    Every method raises `LabelFileError` if the file is damaged or stays locked.
    """

    def __init__(self, path: Path, read_only: bool = False):
        self.path = path
        self.database = Database(path, read_only)

    def ask(
        self,
        teacher: Teacher,
        questions: Sequence[Query],
        env_steps: int,
        mean_reward: float | None,
    ) -> list[Label]:
        """Labels of all questions, in order, at once; only those that the teacher has never
        answered go to it."""
        keys = self.put(teacher.name, questions, env_steps, mean_reward)
        known = {k: label for k in keys if (label := self.find(k, teacher.name)) is not None}
        missing = [(k, q) for k, q in zip(keys, questions, strict=True) if k not in known]
        labels = teacher.ask([q for _, q in missing], mean_reward)
        with self.database.transaction():
            for (key, _), label in zip(missing, labels, strict=True):
                self.answer(key, teacher.name, label)
                known[key] = label
        return [known[key] for key in keys]

    def put(
        self,
        teacher: str,
        questions: Sequence[Query],
        env_steps: int,
        mean_reward: float | None = None,
    ) -> list[str]:
        """Writes one seed's round of questions down as asked of a teacher; returns their keys.

        Raises:
            ValueError: other questions are kept for that round.
        """
        keys = [q.key() for q in questions]
        with self.database.transaction() as db:
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

    def keep(self, question: Query) -> str:
        """Keeps a question that this run has not drawn (yet), such as another run's.

        Raises:
            ValueError: it is not a question that can be asked.
        """
        check_query(question)
        key = question.key()
        payload = json.dumps(records.query_payload(question))
        with self.database.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO questions (key, instruction, clips, kind, payload) "
                "VALUES (?,?,?,?,?)",
                (key, question.instruction, records.pack_clips(question), question.kind, payload),
            )
        return key

    def put_to(self, teacher: str, key: str) -> None:
        """Notes that a question that is there already is asked of another teacher, too."""
        with self.database.transaction() as db:
            db.execute("INSERT OR IGNORE INTO asks VALUES (?,?,?)", (key, teacher, time.time()))

    def show(self, key: str, teacher: str, frames: Sequence[Frame]) -> None:
        """Keeps what a teacher is shown, before it is. Equal pictures are kept once."""
        with self.database.transaction() as db:
            for frame in frames:
                digest = hashlib.sha256(frame.png).hexdigest()
                db.execute("INSERT OR IGNORE INTO pictures VALUES (?,?)", (digest, frame.png))
                db.execute(
                    "INSERT OR REPLACE INTO frames VALUES (?,?,?,?,?)",
                    (key, teacher, frame.role, frame.step, digest),
                )

    def exchange(self, key: str, teacher: str, exchange: Exchange) -> None:
        """Keeps one prompt and its reply; a reply that was kept before is not kept again."""
        content = (exchange.stage, exchange.model, json.dumps(exchange.prompt))
        content += (_text(exchange.reply), _text(exchange.problem))
        with self.database.transaction() as db:
            db.execute(
                "INSERT INTO exchanges SELECT NULL,?,?,?,?,?,?,?,?,?,? WHERE NOT EXISTS "
                "(SELECT 1 FROM exchanges WHERE (question, teacher, stage, model, prompt, reply, "
                "problem) = (?,?,?,?,?,?,?))",
                (key, teacher, *content, exchange.tokens, exchange.cost_usd, exchange.seconds)
                + (key, teacher, *content),
            )

    def answer(self, key: str, teacher: str, label: Label) -> bool:
        """Keeps a teacher's label; False if it has answered this question before: the first label
        stays.

        Raises:
            ValueError: there is no such question, or the label is not a valid answer to it.
        """
        with self.database.transaction() as db:
            check_label(self._query(key), label)
            self.put_to(teacher, key)
            payload = json.dumps(records.label_payload(label))
            done = db.execute(
                f"INSERT OR IGNORE INTO answers (question, teacher, decided, {_LABEL}) "
                "VALUES (?,?,?,?,?,?,?,?,?,?)",
                (key, teacher, label.decided, _KINDS[type(label)], payload, _text(label.reason))
                + (label.tokens, label.cost_usd, label.confidence, label.seconds),
            )
        return done.rowcount == 1

    def retract(self, teacher: str) -> str | None:
        """Takes a teacher's latest answer back; returns its question's key, None without one. Only
        for people, who may press the wrong key: a model's labels stay."""
        with self.database.transaction() as db:
            row = db.execute(
                "SELECT rowid, question FROM answers WHERE teacher = ? ORDER BY rowid DESC LIMIT 1",
                (teacher,),
            ).fetchone()
            if row is None:
                return None
            db.execute("DELETE FROM answers WHERE rowid = ?", row[:1])
        return row[1]

    def find(self, key: str, teacher: str) -> Label | None:
        """A teacher's label of a question, if there is one."""
        return self.answers(key).get(teacher)

    def answers(self, key: str) -> dict[str, Label]:
        """All labels of a question by teacher, the first one given first."""
        rows = self.database.all(
            f"SELECT teacher, {_LABEL} FROM answers WHERE question = ? ORDER BY rowid", (key,)
        )
        return {teacher: read_label(self.path, *row) for teacher, *row in rows}

    def questions(self, seed: int | None = None, round: int | None = None) -> Iterator[Asked]:
        """Every question as it was drawn, by seed, round and position; clips are read as needed.

        Args:
            seed, round: leave out all others.
        """
        where = "WHERE r.seed = COALESCE(?, r.seed) AND r.round = COALESCE(?, r.round)"
        places = self.database.all(
            f"SELECT r.seed, r.round, r.position FROM rounds r {where} ORDER BY 1, 2, 3",
            (seed, round),
        )
        for place in places:
            [row] = self.database.all(
                f"{_ASKED} WHERE r.seed = ? AND r.round = ? AND r.position = ?", place
            )
            yield read_asked(self.path, *row)

    def question(self, key: str) -> Asked:
        """One question, as it was first drawn.

        Raises:
            ValueError: there is no such question.
        """
        rows = self.database.all(
            f"{_ASKED} WHERE r.question = ? ORDER BY r.round, r.seed LIMIT 1", (key,)
        )
        if not rows:
            raise ValueError(f"{self.path} has no question {key}")
        return read_asked(self.path, *rows[0])

    def frames(self, key: str, teacher: str | None = None) -> list[Frame]:
        """What a teacher was shown of a question: start, goal, then each clip by step; of any
        teacher if None. Empty if no picture was shown."""
        if teacher is None:
            first = "SELECT teacher FROM frames WHERE question = ? ORDER BY rowid LIMIT 1"
            found = self.database.all(first, (key,))
            if not found:
                return []
            [(teacher,)] = found
        rows = self.database.all(
            "SELECT f.role, f.step, p.png FROM frames f JOIN pictures p ON p.hash = f.picture "
            "WHERE f.question = ? AND f.teacher = ?",
            (key, teacher),
        )
        ends = {"start": 0, "goal": 1}
        # Roles of an order are numbers: sorted by length first, "10" comes after "9".
        place = lambda f: (ends.get(f.role, 2), len(f.role), f.role, f.step)
        return sorted((Frame(*row) for row in rows), key=place)

    def exchanges(self, key: str, teacher: str) -> list[Exchange]:
        """Prompts and replies of a teacher about a question, in order."""
        rows = self.database.all(
            "SELECT stage, model, prompt, reply, problem, tokens, cost_usd, seconds FROM exchanges "
            "WHERE question = ? AND teacher = ? ORDER BY id",
            (key, teacher),
        )
        return [Exchange(a, b, json.loads(prompt), *rest) for a, b, prompt, *rest in rows]

    def open(self, teacher: str) -> list[str]:
        """Keys of what a teacher was asked and has not answered, in the order asked."""
        rows = self.database.all(
            "SELECT question FROM asks WHERE teacher = ? AND NOT EXISTS (SELECT 1 FROM answers a "
            "WHERE a.question = asks.question AND a.teacher = asks.teacher) ORDER BY asks.rowid",
            (teacher,),
        )
        return [key for (key,) in rows]

    def progress(self) -> dict[str, Counts]:
        """How far every teacher is."""
        rows = self.database.all(
            "SELECT k.teacher, COUNT(*), COALESCE(SUM(a.decided), 0), "
            "COALESCE(SUM(1 - a.decided), 0), COUNT(*) - COUNT(a.question), "
            "COALESCE(SUM(a.tokens), 0), COALESCE(SUM(a.cost_usd), 0.0) FROM asks k "
            "LEFT JOIN answers a ON a.question = k.question AND a.teacher = k.teacher "
            "GROUP BY k.teacher ORDER BY MIN(k.rowid)"
        )
        return {teacher: Counts(*counts) for teacher, *counts in rows}

    def rows(self) -> list[Row]:
        """Every question with each of its labels, without clips, by seed, round, position and
        teacher."""
        rows = self.database.all(
            "SELECT r.question, r.seed, r.round, r.position, r.env_steps, a.teacher, a.kind, "
            "a.payload, a.reason, a.tokens, a.cost_usd, a.confidence, a.seconds FROM rounds r "
            "JOIN answers a ON a.question = r.question "
            "ORDER BY r.seed, r.round, r.position, a.teacher"
        )
        found = []
        for key, seed, round, position, env_steps, teacher, *label in rows:
            given = read_label(self.path, *label)
            found.append(Row(key, seed, round, position, env_steps, teacher, given))
        return found

    def close(self) -> None:
        """Closes the database."""
        self.database.close()

    def _query(self, key: str) -> Query:
        """A question by its content alone: seed and round are 0."""
        rows = self.database.all(f"SELECT {_QUERY} FROM questions q WHERE q.key = ?", (key,))
        if not rows:
            raise ValueError(f"{self.path} has no question {key}")
        return read_query(self.path, *rows[0], 0, 0)


_KINDS: dict[type, Kind] = {PairLabel: "pair", SingleLabel: "single", OrderLabel: "order"}


def _text(text: str) -> str:
    """Text that SQLite can keep: lone surrogates, which no UTF-8 can hold, become '?'."""
    return text.encode("utf-8", "replace").decode("utf-8")
