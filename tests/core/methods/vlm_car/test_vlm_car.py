"""VLM-CaR as a run: programs are verified first, its reward is of completed sub-tasks, and a
resumed run is the uninterrupted one."""

import dataclasses
import json
import shutil
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from car_programs import STATELESS, good

from core_jax import envs
from core_jax.envs.minigrid import experts
from core_jax.methods.vlm_car.config import CarConfig
from core_jax.methods.vlm_car.watcher import SubTaskWatcher
from core_jax.models import replay
from core_jax.models.replay import ConversationReplay
from core_jax.prompts.message import Message, Picture
from core_jax.reward_models.programs import compile_program
from core_jax.reward_models.subtasks import Chain
from core_jax.runs import checkpoint
from core_jax.runs.checks import check
from core_jax.runs.loop import run
from core_jax.runs.metrics import WALL_COLUMNS
from core_jax.runs.presets import make_config
from core_jax.training.watching import WatchedColumn, score

pytestmark = pytest.mark.usefixtures("undrawn")

TASK = "minigrid-doorkey-6x6"


class Steps(NamedTuple):
    """A block of steps."""

    snapshot: jax.Array
    discount: jax.Array
    cut: jax.Array


SMALL = {
    "task": TASK, "method": "vlm_car", "steps": 800, "envs": 4, "rollout": 25, "chunk": 200,
    "eval_every": 800, "eval_episodes": 1, "final_episodes": 1, "checkpoint_every": 400,
    "replay": 200, "ppo": {"hidden": [8], "epochs": 1, "minibatches": 2},
    "car": {"generate": {"samples": 1}, "verify": {"experts": 20, "randoms": 20}},
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small run: its config, folder, rows and summary."""
    config, out, rows = check(make_config(**SMALL)), tmp_path_factory.mktemp("car") / "run", []
    summary = run(config, out, quiet=True, on_row=rows.append)
    return config, out, rows, summary


def plain(row):
    return {k: v for k, v in row.items() if k not in WALL_COLUMNS}


@pytest.mark.slow
def test_a_run_verifies_programs_and_pays_for_sub_tasks(finished):
    _, out, rows, summary = finished
    assert summary["subtasks"][0].startswith("Pick up the yellow key")
    assert len(summary["subtasks"]) == 3 and summary["programs_refused"] >= 1
    report = json.loads((out / "rewards" / "verification.json").read_text())
    accepted = [e for e in report if e["accepted"]]
    assert [e["subtask"] for e in accepted] == [0, 1, 2]
    assert all(e["confusion"]["true_positives"] == 20 for e in accepted)
    refused = next(e for e in report if not e["accepted"])
    assert refused["problem"] and refused["file"]
    text = (out / "rewards" / "verification.md").read_text()
    assert "| expert | 20 | 0 |" in text and "Accepted, in order" in text
    assert (out / "rewards" / refused["file"].replace(".py", ".png")).stat().st_size > 100
    for row in rows:
        assert row["reward"] == row["rewards"]["subtasks"]
        assert set(row["components"][0]) == {"subtask_1", "subtask_2", "subtask_3"}


@pytest.mark.slow
def test_a_resumed_run_is_the_uninterrupted_one(finished, tmp_path):
    config, out, rows, _ = finished
    again, resumed = tmp_path / "resumed", []
    shutil.copytree(out, again)
    (again / "summary.json").unlink()
    shutil.rmtree(again / "checkpoints" / "step_000000800")
    run(config, again, resume=True, quiet=True, on_row=resumed.append)
    assert [plain(r) for r in resumed] == [plain(r) for r in rows[2:]]
    last = "checkpoints/step_000000800"
    like = lambda folder: _arrays(folder / last)
    for a, b in zip(like(out), like(again), strict=True):
        assert a.tobytes() == b.tobytes()


def _arrays(path):
    with checkpoint.orbax_calls.checkpointer() as reader:
        return [np.asarray(x) for x in jax.tree.leaves(reader.restore(path.absolute() / "arrays"))]


def test_every_task_has_replies_to_its_exact_prompts():
    folder = replay.recording("any", "vlm_car").parent
    names = {path.stem for path in folder.glob("*.json")}
    assert names >= set(envs.names("minigrid"))
    for name in names:
        recorded = json.loads((folder / f"{name}.json").read_text())
        assert all(one["replies"] for one in recorded) and len(recorded) >= 2


def test_a_recording_answers_its_conversations_alone(tmp_path):
    (tmp_path / "vlm_car").mkdir()
    path = tmp_path / "vlm_car" / "fly.json"
    asked = [Message("system", "be brief"), Message("user", ("look", Picture(b"x"), "now"))]
    texts = ["be brief", "look[picture]now"]
    path.write_text(json.dumps([{"messages": texts, "replies": ["a", "b", "c"]}]))
    model = ConversationReplay("fly", "vlm_car", tmp_path)
    assert [r.text for r in model.complete(asked, 2)] == ["a", "b"]
    longer = [asked[0], Message("user", (*asked[1].parts, " and again", Picture(b"y")))]
    assert [r.text for r in model.complete(longer, 2, 1)] == ["c"]
    assert model.complete(asked, 2, 2) == []
    with pytest.raises(ValueError, match="fly.json answer another prompt"):
        model.complete([asked[0]], 1)
    with pytest.raises(
        ValueError, match="no recorded vlm_car replies for task 'swim'; recorded: f"
    ):
        ConversationReplay("swim", "vlm_car", tmp_path)


def watcher_of(form):
    env = envs.make(TASK)
    car = dataclasses.replace(make_config(task=TASK, method="vlm_car").settings.car, form=form)
    programs = tuple(compile_program(text, car.height, car.width) for text in good(TASK))
    return env, SubTaskWatcher(env, Chain(programs), car, 0.99)


@pytest.mark.parametrize("form", ["bonus", "potential"])
def test_an_experts_episode_earns_every_sub_task_once(form):
    env, watcher = watcher_of(form)
    episode = jax.jit(lambda key: experts.play(env, key, 0.0, 24))(jax.random.key(3))
    steps = int(np.argmax(episode.success)) + 1
    shots = jnp.concatenate([episode.start[None], episode.snapshot])[None, :, None]
    cut = jnp.zeros((1, 24, 1)).at[0, steps - 1].set(1.0)
    block = Steps(shots[:, 1:], 1.0 - cut, cut)
    column = WatchedColumn("subtasks", watcher.memory)
    memory = column.empty(1)[None]
    _, value, _ = score(column, [watcher], memory, shots[:, :-1], block)
    value = np.asarray(value)[0, :steps, 0]
    if form == "bonus":
        assert value.sum() == 3.0 and value[-1] == 1.0 and set(value) == {0.0, 1.0}
    else:  # all potentials are given back when the world ends
        np.testing.assert_allclose(np.sum(0.99 ** np.arange(steps) * value), 0.0, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"car": {"verify": {"steps": 400}}}, "car.verify.steps .400. must be at most 360"),
        ({"car": {"height": 600, "width": 600}}, "must be at most 262144"),
        ({"task": "point_world:Point", "learner": "ppo"}, "task point has no expert"),
    ],
)
def test_what_does_not_fit_is_refused(values, problem):
    with pytest.raises(ValueError, match=problem):
        check(make_config(**{"task": TASK, "method": "vlm_car", **values}))


@pytest.mark.parametrize("task", envs.names())
def test_its_presets_can_be_run_on_every_task(task):
    car = check(make_config(task=task, method="vlm_car")).settings.car
    assert isinstance(car, CarConfig)
    if task in envs.names("minigrid"):
        assert (car.height // 8, car.width // 8) == envs.spec(task).tiles
        assert compile_program(STATELESS.format(condition="True"), car.height, car.width)
