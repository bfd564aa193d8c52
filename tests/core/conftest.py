"""A run small enough for a test: every part of CoRe's loop, in a few thousand steps."""

import dataclasses

import pytest
from services import SECRET, Server

from core_jax.agents.sac import SACConfig
from core_jax.feedback.teachers.scripted import ScriptedConfig
from core_jax.reward_models.preference import PreferenceConfig
from core_jax.runs.config import Config, FeedbackConfig, FormalConfig, check
from core_jax.training.train import make_train

SMALL = Config(
    seeds=2,
    steps=2_000,
    envs=10,
    rollout=5,
    updates=4,
    random_steps=500,
    chunk=250,
    eval_every=1_000,
    eval_episodes=2,
    final_episodes=3,
    checkpoint_every=500,
    sac=SACConfig(hidden=(16, 16), batch_size=16),
    residual=PreferenceConfig(hidden=(16,), epochs=3),
    feedback=FeedbackConfig(
        labels=14, labels_per_round=4, first_round=1_000, round_every=250, clip_length=20,
        window=1_000, critic_updates=5,
    ),
    formal=FormalConfig(refine_at=(1_250, 1_750), candidates=2),
    scripted=ScriptedConfig("oracle"),
)  # fmt: skip


@pytest.fixture(scope="session")
def small():
    return check(SMALL)


@pytest.fixture(scope="session")
def train(small):
    return make_train(small)


@pytest.fixture
def changed(small):
    return lambda **fields: dataclasses.replace(small, **fields)


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
