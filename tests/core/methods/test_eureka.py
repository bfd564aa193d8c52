"""Eureka: what is asked, trained, paid and taken; and a killed search, resumed."""

import json

import pytest

from core_jax import envs
from core_jax.methods import trials
from core_jax.methods.eureka import EurekaRun
from core_jax.methods.trials import Trial
from core_jax.models import open_ledger
from core_jax.models.base import Reply
from core_jax.models.chat_config import ChatConfig
from core_jax.models.hosted import HostedModel
from core_jax.models.keys import Key
from core_jax.models.retry import RetryPolicy
from core_jax.models.service import Sample, ServiceAnswer
from core_jax.runs import setup
from core_jax.runs.checks import check
from core_jax.runs.loop import run

pytestmark = pytest.mark.usefixtures("undrawn")

SEARCH = {"iterations": 3, "candidates": 2}


def code(value):
    return (
        "```python\ndef compute_reward(object_pos, target_pos):\n"
        f"    r = {value} * object_pos[1]\n    return r, {{'r': r}}\n```"
    )


class StatedFitness:
    """In place of trials: a reward's fitness is the number in its source."""

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


@pytest.fixture
def searching(changed, drawer, context_for, tmp_path):
    """Makes runs in one folder: what a killed process left is there for the next one."""
    ledgers = []

    def make(model, fitness):
        config = check(changed(method="eureka", steps=120_000, eureka=SEARCH), drawer.spec)
        notes = []
        run = EurekaRun(config.settings.eureka, context_for(config, tmp_path, model, notes))
        run.trials = fitness
        return run, notes

    def hosted(service):
        ledgers.append(open_ledger(5.0, tmp_path))
        chat = ChatConfig(name="fake", prices=(1.0, 1.0))
        return HostedModel(service, chat, ledgers[-1], RetryPolicy(retries=0))

    make.hosted = hosted
    yield make
    for ledger in ledgers:
        ledger.close()


def test_eureka_reflects_on_each_iterations_best_and_keeps_the_best_of_all(searching, tmp_path):
    service, fitness = Service(), StatedFitness()
    model = searching.hosted(service)
    run, notes = searching(model, fitness)
    run.begin()
    assert [len(group) for group in fitness.groups] == [2, 2, 2]
    initial, second, third = service.asked
    assert len(initial) == 2 and len(second) == len(third) == 4
    assert "r = 2 *" in second[2].content and "r = 9 *" in third[2].content
    assert "score: [2.000, 2.000]" in second[3].content and "12000 environment" in second[3].content
    programs = run.programs()["formal"]
    assert len(programs) == 2 and all("r = 9 *" in reward.source for reward in programs)
    assert "iteration1_candidate00.py" in notes[-1]
    events = [(h["seed"], h["event"]) for h in run.written.history.entries]
    assert events == [(None, f"leads iteration {i}") for i in range(3)] + [
        (0, "selected"), (1, "selected"),
    ]  # fmt: skip
    story = (tmp_path / "rewards" / "story.md").read_text()
    assert "## All seeds" in story and "-    r = 2 * object_pos[1]" in story
    assert model.spent()[0] == 330


def test_a_killed_search_pays_for_nothing_twice(searching):
    service = Service()
    run, _ = searching(searching.hosted(service), StatedFitness(fail_at=1))
    with pytest.raises(KeyboardInterrupt):
        run.begin()
    assert len(service.asked) == 2
    model = searching.hosted(service)
    again, _ = searching(model, StatedFitness())
    again.begin()
    assert len(service.asked) == 3
    tokens, _ = model.spent()
    assert tokens == 330, "the whole run's, the killed process's included"
    assert all("r = 9 *" in reward.source for reward in again.programs()["formal"])


def test_a_checkpoint_restores_the_rewards(searching):
    run, _ = searching(searching.hosted(Service()), StatedFitness())
    run.begin()
    state = json.loads(json.dumps(run.state()))
    again, _ = searching(None, StatedFitness())
    again.restore({}, state)
    assert again.programs() == run.programs()
    assert again.written.history.entries == run.written.history.entries


def test_a_missing_recording_is_named_before_the_folder_is_made(changed, tmp_path):
    config = changed(task="hammer", method="eureka", steps=20_000)
    with pytest.raises(ValueError, match="no recorded eureka replies for task 'hammer'; recorded:"):
        run(config, tmp_path / "run", quiet=True, env=envs.make("hammer"))
    assert not (tmp_path / "run").exists()


def test_a_later_iteration_without_a_reward_ends_the_search(searching):
    class Chat:
        name = "fake"

        def complete(self, messages, n, attempt=0, schema=None):
            return [Reply(code(7) if len(messages) == 2 else "I would rather not.")] * n

    fitness = StatedFitness()
    run, notes = searching(Chat(), fitness)
    run.begin()
    assert len(fitness.groups) == 1 and "the search ends" in notes[1]
    assert [h["event"] for h in run.written.history.entries][1] == "iteration 1 fails"
    assert all("r = 7 *" in reward.source for reward in run.programs()["formal"])


def test_a_trial_must_be_long_enough_to_learn(changed, drawer):
    with pytest.raises(ValueError, match=r"trial \(500 steps\) .* raise eureka.trial_fraction"):
        check(changed(method="eureka", steps=5_000), drawer.spec)
    with pytest.raises(ValueError, match="eureka.candidates must be at least 1, not 0"):
        check(changed(method="eureka", eureka={"candidates": 0}), drawer.spec)


class Writer:
    """A language model that rewards nearness, differently in each candidate."""

    name = "fake"

    def complete(self, messages, n, attempt=0, schema=None):
        scale = 1 + len(messages)
        body = "r = -{} * np.linalg.norm(point_pos - target_pos[0:2])"
        head = "def compute_reward(point_pos, target_pos):"
        return [
            Reply(f"```python\n{head}\n    {body.format(scale + i)}\n    return r, {{'r': r}}\n```")
            for i in range(n)
        ]


@pytest.fixture(scope="module")
def writing():
    """Runs ask `Writer`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup, "check_chat_model", lambda *_, **__: None)
        patch.setattr(setup, "make_chat_model", lambda *_, **__: Writer())
        yield


@pytest.fixture(scope="module")
def searched(changed, point, writing, tmp_path_factory):
    """An undisturbed run of Eureka in a few hundred steps, and its config."""
    config = changed(
        task="point_world:Point", method="eureka", steps=1_000, checkpoint_every=0,
        eureka={"iterations": 2, "candidates": 2, "trial_fraction": 0.75},
    )  # fmt: skip
    out = tmp_path_factory.mktemp("eureka") / "undisturbed"
    return config, out, run(config, out, quiet=True, env=point)


@pytest.mark.slow
def test_a_run_of_eureka(searched):
    config, out, summary = searched
    assert summary["method"] == "eureka" and len(summary["success"]) == 2
    assert "labels" not in summary and summary["trial_steps"] == 4 * 750
    found = sorted(p.name for p in (out / "rewards").glob("iteration*.py"))
    assert found == [f"iteration{i}_candidate0{c}.py" for i in range(2) for c in range(2)]
    history = json.loads((out / "rewards" / "history.json").read_text())
    best = max(float(s) for h in history[:2] for s in h["scores"].values())
    assert history[2]["reason"].endswith(f"{best:.4f}")
    assert len(json.loads((out / "rewards" / "trials.json").read_text())) == 4


@pytest.mark.long
def test_a_search_that_was_killed_trains_no_candidate_twice(searched, point, tmp_path, monkeypatch):
    config, undisturbed, summary = searched
    out, trained = tmp_path / "killed", []
    train_group = trials.Trials._train_group

    def killed_in_the_second_iteration(self, jobs):
        if len(trained) == 1:
            trained.append("killed")
            raise KeyboardInterrupt
        trained.append(len(jobs))
        return train_group(self, jobs)

    monkeypatch.setattr(trials.Trials, "_train_group", killed_in_the_second_iteration)
    with pytest.raises(KeyboardInterrupt):
        run(config, out, quiet=True, env=point)
    again = run(config, out, resume=True, quiet=True, env=point)
    assert trained == [2, "killed", 2]
    for name in ("success", "episode_return", "trial_steps"):
        assert again[name] == summary[name]
    for name in ("history.json", "story.md", "trials.json"):
        ours, theirs = ((f / "rewards" / name).read_text() for f in (out, undisturbed))
        assert ours == theirs
