"""The tables of `labels.sqlite`, and how the file is opened.

A question is two clips and an instruction; its key is the hash of that content. It may be asked of
several teachers: what they were shown, said and decided is kept under (question, teacher).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

VERSION = 2  # files of the first version carry no number

_TABLES = """
CREATE TABLE IF NOT EXISTS questions (
    key TEXT PRIMARY KEY,
    instruction TEXT NOT NULL,
    clips BLOB NOT NULL              -- npz: a_next_obs, ..., b_progress
);
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
CREATE TABLE IF NOT EXISTS frames (                -- what a teacher is shown
    question TEXT NOT NULL REFERENCES questions(key),
    teacher TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('start', 'goal', 'a', 'b')),
    step INTEGER NOT NULL,           -- of the clip; 0 for start and goal
    picture TEXT NOT NULL REFERENCES pictures(hash),
    PRIMARY KEY (question, teacher, role, step)
);
CREATE TABLE IF NOT EXISTS exchanges (             -- prompts and replies, word for word
    id INTEGER PRIMARY KEY,
    question TEXT NOT NULL REFERENCES questions(key),
    teacher TEXT NOT NULL,
    stage TEXT NOT NULL,             -- such as 'analysis' or 'decision, swapped'
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,            -- JSON; a picture is {"png": hash}
    reply TEXT NOT NULL,
    problem TEXT NOT NULL,           -- why there is no reply, or none that can be used
    tokens INTEGER NOT NULL, cost_usd REAL NOT NULL, seconds REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
    question TEXT NOT NULL REFERENCES questions(key),
    teacher TEXT NOT NULL,
    preference REAL,                 -- P(B better): 0, 0.5, 1; NULL: abstains, see reason
    scores_a TEXT NOT NULL, scores_b TEXT NOT NULL,   -- JSON lists, [] if not given
    ratings TEXT,                    -- JSON [of A, of B], classes from 0
    confidence REAL,                 -- in [0, 1], if the teacher gives one
    reason TEXT NOT NULL,
    tokens INTEGER NOT NULL, cost_usd REAL NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (question, teacher)
);
CREATE INDEX IF NOT EXISTS exchanges_of ON exchanges (question, teacher);
"""


def connect(path: Path) -> sqlite3.Connection:
    """Opens a label file for all threads of a process; makes it if there is none.

    Raises:
        ValueError: it is no label file, or one of another version.
    """
    db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    try:
        # A commit must survive kill -9 and must not be lost to a half-written page.
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        version, tables = _look(db)
        if not (version or tables):
            # Another process may be making the same tables.
            db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={VERSION}; COMMIT;")
            version, tables = _look(db)
    except sqlite3.DatabaseError as error:
        db.close()
        raise ValueError(f"{path} cannot be read as a label file: {error}") from error
    if version != VERSION:
        db.close()
        found = version or (1 if {"questions", "answers"} <= tables else "unknown")
        raise ValueError(
            f"{path} holds labels of version {found}; this program keeps version {VERSION}. Read "
            "it with the version that wrote it"
        )
    return db


def _look(db: sqlite3.Connection) -> tuple[int, set[str]]:
    [version] = db.execute("PRAGMA user_version").fetchone()
    return version, {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
