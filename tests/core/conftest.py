"""What tests of `core` share: the small run, worlds, a service."""

import pytest
from services import SECRET, Server
from small_run import POINT, TASK, small_config

from core_jax import envs
from core_jax.runs import finish
from core_jax.runs.checks import check
from core_jax.runs.setup import make_functions


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


@pytest.fixture(scope="module")
def undrawn():
    """For files of tests that do not look at the pictures which a finished run leaves behind: to
    compile their renderer takes seconds in each run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finish, "draw", lambda *args: None)
        yield


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
