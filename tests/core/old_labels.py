"""Label files as older versions of the program wrote them."""

import json
import sqlite3

from core_jax.feedback.labels.records import pack_clips

# Of commit 6f2c7e9, without its comments.
VERSION_2 = """
CREATE TABLE IF NOT EXISTS questions (
    key TEXT PRIMARY KEY,
    instruction TEXT NOT NULL,
    clips BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS rounds (
    seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
    question TEXT NOT NULL REFERENCES questions(key),
    env_steps INTEGER NOT NULL,
    mean_reward REAL,
    PRIMARY KEY (seed, round, position)
);
CREATE TABLE IF NOT EXISTS asks (
    question TEXT NOT NULL REFERENCES questions(key),
    teacher TEXT NOT NULL,
    asked_at REAL NOT NULL,
    PRIMARY KEY (question, teacher)
);
CREATE TABLE IF NOT EXISTS pictures (
    hash TEXT PRIMARY KEY,
    png BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS frames (
    question TEXT NOT NULL REFERENCES questions(key),
    teacher TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('start', 'goal', 'a', 'b')),
    step INTEGER NOT NULL,
    picture TEXT NOT NULL REFERENCES pictures(hash),
    PRIMARY KEY (question, teacher, role, step)
);
CREATE TABLE IF NOT EXISTS exchanges (
    id INTEGER PRIMARY KEY,
    question TEXT NOT NULL REFERENCES questions(key),
    teacher TEXT NOT NULL,
    stage TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    reply TEXT NOT NULL,
    problem TEXT NOT NULL,
    tokens INTEGER NOT NULL, cost_usd REAL NOT NULL, seconds REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
    question TEXT NOT NULL REFERENCES questions(key),
    teacher TEXT NOT NULL,
    preference REAL,
    scores_a TEXT NOT NULL, scores_b TEXT NOT NULL,
    ratings TEXT,
    confidence REAL,
    reason TEXT NOT NULL,
    tokens INTEGER NOT NULL, cost_usd REAL NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (question, teacher)
);
CREATE INDEX IF NOT EXISTS exchanges_of ON exchanges (question, teacher);
"""

# Of the commits before c237a78, whose files carry no version number.
VERSION_1 = """
CREATE TABLE IF NOT EXISTS questions (
    key TEXT PRIMARY KEY, seed INTEGER, round INTEGER, position INTEGER, env_steps INTEGER,
    instruction TEXT, clips BLOB);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY REFERENCES questions(key), teacher TEXT, preference REAL,
    scores_a TEXT, scores_b TEXT, reason TEXT, tokens INTEGER, cost_usd REAL);
"""


def write_version_2(path, entries):
    """A file with one round. `entries` are (pair, {teacher: label}, frames, exchanges); pictures
    and exchanges belong to the first teacher."""
    with sqlite3.connect(path) as db:
        db.executescript(f"PRAGMA journal_mode=WAL; {VERSION_2} PRAGMA user_version=2;")
        for i, (pair, labels, frames, exchanges) in enumerate(entries):
            key = pair.key()
            db.execute("INSERT INTO questions VALUES (?,?,?)",
                       (key, pair.instruction, pack_clips(pair)))  # fmt: skip
            db.execute("INSERT INTO rounds VALUES (?,?,?,?,?,?)",
                       (pair.seed, pair.round, i, key, 4_000, 0.25))  # fmt: skip
            teachers = list(labels)
            for teacher, label in labels.items():
                db.execute("INSERT INTO asks VALUES (?,?,1.5)", (key, teacher))
                if label is None:
                    continue
                ratings = None if label.ratings is None else json.dumps(label.ratings)
                db.execute("INSERT INTO answers VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                           (key, teacher, label.preference, json.dumps(label.scores_a),
                            json.dumps(label.scores_b), ratings, label.confidence, label.reason,
                            label.tokens, label.cost_usd, label.seconds))  # fmt: skip
            for digest, frame in enumerate(frames):
                name = f"{i} {digest}"
                db.execute("INSERT INTO pictures VALUES (?,?)", (name, frame.png))
                db.execute("INSERT INTO frames VALUES (?,?,?,?,?)",
                           (key, teachers[0], frame.role, frame.step, name))  # fmt: skip
            for said in exchanges:
                db.execute("INSERT INTO exchanges VALUES (NULL,?,?,?,?,?,?,?,?,?,?)",
                           (key, teachers[0], said.stage, said.model, json.dumps(said.prompt),
                            said.reply, said.problem, said.tokens, said.cost_usd,
                            said.seconds))  # fmt: skip
    db.close()


def write_version_1(path, entries):
    """A file with one round. `entries` are (pair, teacher, label)."""
    with sqlite3.connect(path) as db:
        db.executescript(VERSION_1)
        for i, (pair, teacher, label) in enumerate(entries):
            db.execute("INSERT INTO questions VALUES (?,?,?,?,?,?,?)",
                       (pair.key(), pair.seed, pair.round, i, 4_000, pair.instruction,
                        pack_clips(pair)))  # fmt: skip
            db.execute("INSERT INTO answers VALUES (?,?,?,?,?,?,?,?)",
                       (pair.key(), teacher, label.preference, json.dumps(label.scores_a),
                        json.dumps(label.scores_b), label.reason, label.tokens,
                        label.cost_usd))  # fmt: skip
    db.close()
