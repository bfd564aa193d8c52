"""What methods are tested with: a context without a run, and models with fixed replies."""

import dataclasses
from pathlib import Path

import pytest

from core_jax.agents.learner import ActionSpace, make_learner
from core_jax.methods.base import Context
from core_jax.models.base import Reply
from core_jax.runs.presets import make_config


class FixedReplies:
    """A chat model that gives the same replies whatever it is asked, a few at each attempt."""

    name = "fixed"

    def __init__(self, *codes):
        self.codes, self.asked = codes, []

    def complete(self, messages, n, attempt=0, schema=None):
        self.asked.append(messages)
        return [Reply(f"```python\n{c}\n```") for c in self.codes[attempt * n : (attempt + 1) * n]]


def reward_code(body):
    """CoRe's convention: a reward of the observation (`observation[2]` is the hand's height)."""
    head = "def compute_reward(observation, action, target_pos):\n"
    return head + f"    r = {body}\n    return r, {{'r': r}}"


@pytest.fixture(scope="session")
def fixed_replies():
    return FixedReplies


@pytest.fixture(scope="session")
def code():
    return reward_code


@pytest.fixture(scope="session")
def context_for(drawer):
    """Makes the context of a run that is not there: `notes` are kept, labels are not asked for."""

    def make(config, folder, model=None, notes=None, env=drawer):
        space = ActionSpace(env.action_size)
        settings = config.learner_settings
        return Context(
            training=config.training,
            env=env,
            learner=make_learner(config.learner, settings, env.observation_size, space),
            seed=config.seed,
            title=f"{config.method} on {config.task} ({config.protocol})",
            folder=folder,
            store=None,
            labelling=None,
            judge="reward",
            wait_for_labels=config.wait_for_labels,
            chat_model=lambda kind: model,
            note=([] if notes is None else notes).append,
        )

    return make


TINY_PEBBLE = {
    "task": "point_world:Point", "reward_input": "state", "seeds": 1, "steps": 600, "envs": 10,
    "rollout": 5, "updates": 2, "chunk": 100, "random_steps": 100, "unsupervised_steps": 300,
    "eval_every": 600, "eval_episodes": 2, "final_episodes": 2, "checkpoint_every": 0,
    "sac": {"hidden": [16, 16], "batch_size": 16}, "reward": {"hidden": [16], "epochs": 2},
    "feedback": {"labels": 16, "labels_per_round": 8, "round_every": 200, "critic_updates": 2},
}  # fmt: skip


@pytest.fixture(scope="session")
def tiny_pebble():
    """Makes the config of a run of one of PEBBLE's family that is small enough for a test."""

    def make(method, **values):
        feedback = TINY_PEBBLE["feedback"] | values.pop("feedback", {})
        return make_config(**{**TINY_PEBBLE, **values, "method": method, "feedback": feedback})

    return make


@pytest.fixture(scope="session")
def script_flags():
    """A script's own flags, as the command line needs them."""

    @dataclasses.dataclass(frozen=True)
    class Flags:
        """A script."""

        out: Path = Path("run")
        """The folder."""

    return Flags
