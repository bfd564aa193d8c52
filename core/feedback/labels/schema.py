"""The tables of `labels.sqlite`, and how files of older versions are migrated.

A query is some clips and an instruction; its key is the hash of its content. It may be asked of
several teachers: what they were shown, their exchanges and their label are kept under (question,
teacher). `kind` and `payload` say which type of query and label a row holds.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3

VERSION = 3  # 2: pairs only; 1: pairs of one teacher only, the file carries no number

_QUESTIONS = """
CREATE TABLE IF NOT EXISTS questions (
    key TEXT PRIMARY KEY,
    instruction TEXT NOT NULL,
    clips BLOB NOT NULL,             -- npz: {role}_next_obs, ..., {role}_progress of each clip
    kind TEXT NOT NULL DEFAULT 'pair',      -- 'pair', 'single' or 'order'
    payload TEXT NOT NULL DEFAULT '{}'      -- JSON: {}, {"asks", "classes"} or {"count"}
);
"""
_ANSWERS = """
CREATE TABLE IF NOT EXISTS answers (
    question TEXT NOT NULL REFERENCES questions(key),
    teacher TEXT NOT NULL,
    kind TEXT NOT NULL,              -- of the question
    decided INTEGER NOT NULL,        -- 0: abstains, see reason
    payload TEXT NOT NULL,           -- JSON: {"preference", "scores_a", "scores_b", "ratings"},
                                     -- {"value"} or {"order"}
    confidence REAL,                 -- in [0, 1], if the teacher gives one
    reason TEXT NOT NULL,
    tokens INTEGER NOT NULL, cost_usd REAL NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (question, teacher)
);
"""
_FRAMES = """
CREATE TABLE IF NOT EXISTS frames (                -- what a teacher is shown
    question TEXT NOT NULL REFERENCES questions(key),
    teacher TEXT NOT NULL,
    role TEXT NOT NULL,              -- 'start', 'goal', or a clip's role in the question
    step INTEGER NOT NULL,           -- of the clip; 0 for start and goal
    picture TEXT NOT NULL REFERENCES pictures(hash),
    PRIMARY KEY (question, teacher, role, step)
);
"""
_ROUNDS = """
CREATE TABLE IF NOT EXISTS rounds (                -- which question was drawn when
    seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
    question TEXT NOT NULL REFERENCES questions(key),
    env_steps INTEGER NOT NULL,
    mean_reward REAL,                -- ground truth, for scripted teachers' thresholds
    PRIMARY KEY (seed, round, position)
);
CREATE TABLE IF NOT EXISTS asks (                  -- written before anything is sent
    question TEXT NOT NULL REFERENCES questions(key),
    teacher TEXT NOT NULL,
    asked_at REAL NOT NULL,          -- Unix time, s
    PRIMARY KEY (question, teacher)
);
CREATE TABLE IF NOT EXISTS pictures (
    hash TEXT PRIMARY KEY,           -- SHA-256 of the PNG
    png BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS exchanges (             -- prompts and replies, unchanged
    id INTEGER PRIMARY KEY,
    question TEXT NOT NULL REFERENCES questions(key),
    teacher TEXT NOT NULL,
    stage TEXT NOT NULL,             -- such as 'description' or 'verdict, swapped'
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,            -- JSON; a picture is {"png": hash}
    reply TEXT NOT NULL,
    problem TEXT NOT NULL,           -- why there is no reply, or none that can be used
    tokens INTEGER NOT NULL, cost_usd REAL NOT NULL, seconds REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS exchanges_of ON exchanges (question, teacher);
"""
_TABLES = _QUESTIONS + _ROUNDS + _FRAMES + _ANSWERS


class MigrationError(Exception):
    """A file that cannot be brought to this version."""


def create_or_migrate(db: sqlite3.Connection) -> None:
    """Brings a file to this version in one transaction: all of it or nothing.

    Raises:
        MigrationError: its tables are of an unknown or a newer version, or its labels damaged.
    """
    if _version(db) == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")  # another process may be doing the same
    try:
        version = _version(db)
        if version == 0:
            _execute_all(db, _TABLES)
        elif version == 1:
            _from_version_1(db)
        elif version == 2:
            _from_version_2(db)
        elif version != VERSION:
            found = "unknown" if version is None else version
            raise MigrationError(
                f"holds labels of version {found}; this program reads versions 1 to {VERSION}. "
                "Read it with the version that wrote it"
            )
        db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # the first error is the one to report
            db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection) -> int | None:
    """0: an empty file; None: tables of something else."""
    [version] = db.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    if version or not tables:
        return version
    return 1 if {"questions", "answers"} <= tables else None


def _from_version_2(db: sqlite3.Connection) -> None:
    """Adds kinds and payloads; labels become JSON payloads, in the order they were given."""
    db.execute("ALTER TABLE questions ADD COLUMN kind TEXT NOT NULL DEFAULT 'pair'")
    db.execute("ALTER TABLE questions ADD COLUMN payload TEXT NOT NULL DEFAULT '{}'")
    db.execute("ALTER TABLE frames RENAME TO frames_2")  # its roles were limited to those of pairs
    db.execute("ALTER TABLE answers RENAME TO answers_2")
    _execute_all(db, _TABLES)
    db.execute(
        "INSERT INTO frames SELECT question, teacher, role, step, picture FROM frames_2 "
        "ORDER BY rowid"
    )
    rows = db.execute(
        "SELECT question, teacher, preference, scores_a, scores_b, ratings, confidence, reason, "
        "tokens, cost_usd, seconds FROM answers_2 ORDER BY rowid"
    ).fetchall()
    for question, teacher, *label in rows:
        _insert_pair_label(db, question, teacher, *label)
    db.execute("DROP TABLE frames_2")
    db.execute("DROP TABLE answers_2")


def _from_version_1(db: sqlite3.Connection) -> None:
    """One teacher's pairs: places were columns of the questions."""
    db.execute("ALTER TABLE questions RENAME TO questions_1")
    db.execute("ALTER TABLE answers RENAME TO answers_1")
    _execute_all(db, _TABLES)
    db.execute(
        "INSERT INTO questions SELECT key, instruction, clips, 'pair', '{}' FROM questions_1"
    )
    db.execute(
        "INSERT INTO rounds SELECT seed, round, position, key, env_steps, NULL FROM questions_1"
    )
    rows = db.execute(
        "SELECT key, teacher, preference, scores_a, scores_b, NULL, NULL, reason, tokens, "
        "cost_usd, 0.0 FROM answers_1 ORDER BY rowid"
    ).fetchall()
    for question, teacher, *label in rows:
        db.execute("INSERT INTO asks VALUES (?,?,0.0)", (question, teacher))
        _insert_pair_label(db, question, teacher, *label)
    db.execute("DROP TABLE answers_1")
    db.execute("DROP TABLE questions_1")


def _insert_pair_label(
    db: sqlite3.Connection,
    question: str,
    teacher: str,
    preference: float | None,
    scores_a: str,
    scores_b: str,
    ratings: str | None,
    *common: object,
) -> None:
    try:
        payload = {
            "preference": preference,
            "scores_a": json.loads(scores_a),
            "scores_b": json.loads(scores_b),
            "ratings": None if ratings is None else json.loads(ratings),
        }
    except ValueError as error:
        raise MigrationError(f"holds a damaged label of {question}: {error}") from error
    db.execute(
        "INSERT INTO answers VALUES (?,?,'pair',?,?,?,?,?,?,?)",
        (question, teacher, preference is not None, json.dumps(payload), *common),
    )


def _execute_all(db: sqlite3.Connection, statements: str) -> None:
    """Executes statements inside the open transaction, which `executescript` would commit."""
    for statement in statements.split(";\n"):
        if statement.strip():
            db.execute(statement)
