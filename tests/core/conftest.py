"""A run small enough for a test: every part of CoRe's loop, in a few thousand steps."""

from collections.abc import Mapping

import pytest
from services import SECRET, Server

from core_jax import envs
from core_jax.runs.checks import check
from core_jax.runs.presets import make_config
from core_jax.runs.setup import make_functions

TASK, POINT = "drawer-open", "point_world:Point"
TRAINING = {
    "task": TASK,
    "seeds": 2,
    "steps": 2_000,
    "envs": 10,
    "rollout": 5,
    "updates": 4,
    "random_steps": 500,
    "chunk": 250,
    "eval_every": 1_000,
    "eval_episodes": 2,
    "final_episodes": 3,
    "checkpoint_every": 500,
    "sac": {"hidden": [16, 16], "batch_size": 16},
}
CORE = {
    "residual": {"hidden": [16], "epochs": 3},
    "feedback": {
        "labels": 14, "labels_per_round": 4, "first_round": 1_000, "round_every": 250,
        "clip_length": 20, "window": 1_000, "critic_updates": 5,
    },
    "formal": {"refine_at": [1_250, 1_750], "candidates": 2},
    "scripted": {"kind": "oracle"},
}  # fmt: skip


def small_config(**values):
    """The small config with some values changed; groups are changed value by value.

    A method other than CoRe has the same training, and of its own settings what is given.
    """
    base = TRAINING | (CORE if values.get("method", "core") == "core" else {})
    merged = dict(base)
    for name, value in values.items():
        both = isinstance(value, Mapping) and isinstance(base.get(name), Mapping)
        merged[name] = {**base[name], **value} if both else value
    return make_config(**merged)


@pytest.fixture(scope="session")
def drawer():
    """One world of the small run's task."""
    return envs.make(TASK)


@pytest.fixture(scope="session")
def point():
    """A world that compiles in no time, for what is the same in every world."""
    return envs.make(POINT)


@pytest.fixture(scope="session")
def small(drawer):
    return check(small_config(), drawer.spec)


@pytest.fixture(scope="session")
def train(small, drawer):
    return make_functions(small, drawer)


@pytest.fixture(scope="session")
def changed():
    """Makes the small config with some values changed, by the names of the command line."""
    return small_config


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def keys(monkeypatch):
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEMINI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
