"""Eureka and Text2Reward: what is asked, trained, paid and taken; and a killed search, resumed."""

import dataclasses
import json

import pytest

from core_jax import envs
from core_jax.methods import eureka_search as eureka
from core_jax.methods import text2reward_write as text2reward
from core_jax.methods import trials
from core_jax.methods.core.formal import FormalModule
from core_jax.methods.trials import Trial
from core_jax.models import ReplayModel
from core_jax.models.base import Reply
from core_jax.models.budget import Budget
from core_jax.models.chat_config import ChatConfig
from core_jax.models.hosted import HostedModel
from core_jax.models.keys import Key
from core_jax.models.reply_cache import ReplyCache
from core_jax.models.retry import Patience
from core_jax.models.service import Sample, ServiceAnswer
from core_jax.runs.config import Config, EurekaConfig, check
from core_jax.runs.loop import run

ENV = envs.make("drawer-open")
SPEC = ENV.spec
SEARCH = EurekaConfig(iterations=3, candidates=2)


def code(value):
    return (
        "```python\ndef compute_reward(object_pos, target_pos):\n"
        f"    r = {value} * object_pos[1]\n    return r, {{'r': r}}\n```"
    )


class Book:
    """Stands in for trials: a reward's fitness is the number in its source."""

    def __init__(self, fail_at=None):
        self.groups, self.fail_at = [], fail_at

    def run(self, rewards, seeds):
        if len(self.groups) == self.fail_at:
            raise KeyboardInterrupt
        self.groups.append([r.source for r in rewards])
        found = [float(r.source.split("r = ")[1].split(" ")[0]) for r in rewards]
        return [Trial(0.0, x, {"score": [x, x], "r": [0.0, x]}) for x in found]


class Service:
    """A hosted language model whose replies are numbered."""

    provider, model, key = "openai", "fake", Key("OPENAI_API_KEY", "sk-fake")

    def __init__(self):
        self.asked = []

    def ask(self, messages, n, schema=None):
        self.asked.append(messages)
        number = len(self.asked)
        # The second iteration has the best candidate, the third is worse again.
        values = {1: (1, 2), 2: (9, 3), 3: (4, 5)}[number]
        return ServiceAnswer(tuple(Sample(code(v)) for v in values), 100, 10)


def hosted(service, folder):
    chat = ChatConfig(name="fake", prices=(1.0, 1.0))
    cache = ReplyCache(folder / "replies.sqlite")
    return HostedModel(service, cache, chat, Budget(5.0, cache), Patience(retries=0))


def searching(model, folder, **fields):
    config = check(Config(method="eureka", seeds=2, eureka=SEARCH, **fields))
    (folder / "rewards").mkdir(exist_ok=True)
    return config, FormalModule(config, ENV, model, folder / "rewards")


def test_eureka_reflects_on_each_iterations_best_and_keeps_the_best_of_all(tmp_path):
    service, book = Service(), Book()
    config, module = searching(hosted(service, tmp_path), tmp_path)
    events = eureka.search(config, SPEC, module, book)
    assert [len(group) for group in book.groups] == [2, 2, 2]
    initial, second, third = service.asked
    assert len(initial) == 2 and len(second) == len(third) == 4
    assert "r = 2 *" in second[2].content and "r = 9 *" in third[2].content
    assert "score: [2.000, 2.000]" in second[3].content and "12000 environment" in second[3].content
    assert all("r = 9 *" in reward.source for reward in module.current)
    assert "iteration1_candidate00.py" in events[-1]
    history = [(h["seed"], h["event"]) for h in module.history]
    assert history == [(None, f"leads iteration {i}") for i in range(3)] + [
        (0, "selected"), (1, "selected"),
    ]  # fmt: skip
    story = (tmp_path / "rewards" / "story.md").read_text()
    assert "## All seeds" in story and "-    r = 2 * object_pos[1]" in story
    assert module.author.model.spent()[0] == 330


def test_a_killed_search_pays_for_nothing_twice(tmp_path):
    service = Service()
    config, module = searching(hosted(service, tmp_path), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        eureka.search(config, SPEC, module, Book(fail_at=1))
    assert len(service.asked) == 2
    config, again = searching(hosted(service, tmp_path), tmp_path)
    eureka.search(config, SPEC, again, Book())
    assert len(service.asked) == 3
    tokens, _ = again.author.model.spent()
    assert tokens == 330, "the whole run's, the killed process's included"
    assert all("r = 9 *" in reward.source for reward in again.current)


def test_text2reward_tells_the_model_what_was_refused(tmp_path):
    class Chat:
        name, asked = "fake", []

        def complete(self, messages, n, attempt=0):
            self.asked.append((messages, n))
            bad = "    import os\n    return self.obj1.colour"
            good = "    return -(self.obj1.position - self.goal_position)[1]"
            head = "def compute_dense_reward(self, action, obs) -> float:\n"
            return [Reply(f"```python\n{head}{(bad, good)[attempt]}\n```")]

    config = check(Config(method="text2reward", seeds=2))
    module = FormalModule(config, ENV, Chat(), tmp_path)
    [event] = text2reward.write(config, SPEC, module)
    (first, one), (again, _) = Chat.asked
    assert one == 1 and len(again) == len(first) == 2
    assert "self.obj1.colour" in again[1].content and "`self.obj1` has no" in again[1].content
    assert module.current[0] == module.current[1] and "goal_position" in module.current[0].source
    assert event.startswith("reply 1 is the reward; refused: 1")
    assert module.history[0]["refused"].keys() == {"0"}


def test_methods_without_recorded_replies_say_so(tmp_path):
    config = check(Config(task="hammer", method="eureka"))
    with pytest.raises(ValueError, match="no recorded eureka replies for task 'hammer'; recorded:"):
        run(config, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_later_iteration_without_a_reward_ends_the_search(tmp_path):
    class Chat:
        name = "fake"

        def complete(self, messages, n, attempt=0):
            return [Reply(code(7) if len(messages) == 2 else "I would rather not.")] * n

    config, module = searching(Chat(), tmp_path)
    book = Book()
    events = eureka.search(config, SPEC, module, book)
    assert len(book.groups) == 1 and "the search ends" in events[1]
    assert [h["event"] for h in module.history][1] == "iteration 1 fails"
    assert all("r = 7 *" in reward.source for reward in module.current)


def test_a_trial_must_be_long_enough_to_learn():
    with pytest.raises(ValueError, match=r"trial \(2000 steps\) .* raise eureka.trial_fraction"):
        check(Config(method="eureka", steps=20_000))
    with pytest.raises(ValueError, match="eureka.candidates must be at least 1, not 0"):
        check(Config(method="eureka", eureka=EurekaConfig(candidates=0)))


@pytest.fixture(scope="module")
def searched(small, tmp_path_factory):
    """An undisturbed run of Eureka in a few hundred steps, and its config."""
    config = check(
        dataclasses.replace(
            small, method="eureka", steps=1_000, checkpoint_every=0,
            eureka=EurekaConfig(iterations=2, candidates=2, trial_fraction=0.75),
        )
    )  # fmt: skip
    out = tmp_path_factory.mktemp("eureka") / "undisturbed"
    return config, out, run(config, out, quiet=True)


@pytest.mark.slow
def test_a_run_of_eureka(searched):
    config, out, summary = searched
    assert summary["method"] == "eureka" and len(summary["success"]) == 2
    assert summary["labels"] == 0 and summary["trial_steps"] == 4 * 750
    found = sorted(p.name for p in (out / "rewards").glob("iteration*.py"))
    assert found == [f"iteration{i}_candidate0{c}.py" for i in range(2) for c in range(2)]
    history = json.loads((out / "rewards" / "history.json").read_text())
    best = max(float(s) for h in history[:2] for s in h["scores"].values())
    assert history[2]["reason"].endswith(f"{best:.4f}")
    assert len(json.loads((out / "rewards" / "trials.json").read_text())) == 4


@pytest.mark.slow
def test_a_search_that_was_killed_trains_no_candidate_twice(searched, tmp_path, monkeypatch):
    config, undisturbed, summary = searched
    out, trained = tmp_path / "killed", []
    train_lanes = trials.Trials._train_lanes

    def killed_in_the_second_iteration(self, rewards, seeds):
        if len(trained) == 1:
            trained.append("killed")
            raise KeyboardInterrupt
        trained.append(len(rewards))
        return train_lanes(self, rewards, seeds)

    monkeypatch.setattr(trials.Trials, "_train_lanes", killed_in_the_second_iteration)
    with pytest.raises(KeyboardInterrupt):
        run(config, out, quiet=True)
    again = run(config, out, resume=True, quiet=True)
    assert trained == [2, "killed", 2]
    for name in ("success", "episode_return", "trial_steps"):
        assert again[name] == summary[name]
    for name in ("history.json", "story.md", "trials.json"):
        ours, theirs = ((f / "rewards" / name).read_text() for f in (out, undisturbed))
        assert ours == theirs


def test_replay_hands_out_text2rewards_recording_one_by_one():
    config = check(Config(method="text2reward"))
    model = ReplayModel("drawer-open", "text2reward")
    replies = [model.complete(text2reward.prompts.initial_messages(SPEC), 1, i) for i in range(5)]
    assert [len(r) for r in replies] == [1, 1, 1, 1, 0]
    assert config.trial_lanes == 0 and not config.refines_formal
