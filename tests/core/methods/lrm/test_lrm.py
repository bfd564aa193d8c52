"""LRM on the point world: cloning, refinement, judges, failures, and a resumed run."""

import shutil
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from point_expert import ExpertPoint

from core_jax.methods.lrm.config import JudgeConfig
from core_jax.methods.lrm.source import JudgedReward, JudgeError, reward_of
from core_jax.reward_models.large_reward import Judgements
from core_jax.reward_models.large_reward.scripted import ScriptedJudge
from core_jax.runs import finish, flags, restore
from core_jax.runs.checks import check
from core_jax.runs.loop import run
from core_jax.runs.presets import make_config

SMALL = {
    "task": "point_expert:ExpertPoint", "method": "lrm", "seeds": 2, "steps": 1_600, "envs": 8,
    "rollout": 10, "chunk": 160, "replay": 80, "eval_every": 800, "eval_episodes": 4,
    "final_episodes": 4, "checkpoint_every": 320, "episode_steps": 20,
    "ppo": {"hidden": [16, 16], "minibatches": 2, "epochs": 2, "value_warm_up": 1},
    "lrm": {"judge": "scripted", "every": 4},
    "demos": {"episodes": 8, "steps": 20, "worst": 0.4},
    "bc": {"gradient_steps": 300, "batch_size": 32},
}  # fmt: skip
MIXED = {"sparse_weight": 0.5}  # the same columns everywhere: nothing is compiled twice
WALL = ("wall_seconds", "steps_per_second")


def config(**groups):
    merged = dict(SMALL)
    for name, value in groups.items():
        both = isinstance(value, dict) and isinstance(SMALL.get(name), dict)
        merged[name] = {**SMALL[name], **value} if both else value
    return make_config(**merged)


@pytest.fixture(scope="module")
def world():
    return ExpertPoint()


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    """A run with errors of every kind: its config, folder, rows and summary."""
    errors = {"noise": 0.05, "mistake": 0.1, "abstain": 0.1, "fail": 0.1}
    settings = config(truth=errors, lrm=MIXED)
    out, rows = tmp_path_factory.mktemp("lrm") / "run", []
    summary = run(settings, out, quiet=True, env=world, on_row=rows.append)
    return settings, out, rows, summary


@pytest.mark.slow
def test_the_policy_is_cloned_and_the_judge_is_asked(finished):
    settings, out, rows, summary = finished
    assert len(summary["cloned_success"]) == 2 and max(summary["cloned_success"]) > 0
    assert summary["learner"] == "ppo" and summary["judge"] == "scripted"
    # 5 of an episode's 20 steps are judged: by three questions each, but the first by two.
    least = 2 * 1_600 // 20 * (5 * 3 - 1)
    assert least <= summary["lrm_questions"] <= 1.1 * least
    assert abs(summary["lrm_failures"] / summary["lrm_questions"] - 0.1) < 0.03
    assert abs(summary["lrm_abstentions"] / summary["lrm_questions"] - 0.09) < 0.03
    assert set(rows[-1]["rewards"]) == {"lrm", "sparse"}
    assert all(0.0 <= x <= 1.0 for row in rows for x in row["rewards"]["lrm"])
    assert rows[-1]["reference_kl"][0] > 0.0
    assert (out / "episode.png").exists()


@pytest.mark.slow
def test_the_cloned_policy_is_the_penalty_s_reference(finished):
    found = restore.load(finished[1])
    state = found.seeds.learner
    moments = jax.tree.map(np.asarray, (state.obs_stats, state.reference.obs_stats))
    for now, then in zip(*map(jax.tree.leaves, moments), strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-4, atol=1e-5)  # they do not drift


@pytest.mark.slow
def test_resumed_it_is_the_run_that_was_not_interrupted(finished, world, tmp_path, monkeypatch):
    monkeypatch.setattr(finish, "draw", lambda *args: None)
    settings, out, rows, summary = finished
    again = tmp_path / "resumed"
    shutil.copytree(out, again)
    (again / "summary.json").unlink()
    for folder in (again / "checkpoints").iterdir():
        if int(folder.name.split("_")[-1]) > 1_400:
            shutil.rmtree(folder)
    resumed = []
    found = run(settings, again, resume=True, quiet=True, env=world, on_row=resumed.append)
    plain = lambda row: {k: v for k, v in row.items() if k not in WALL}
    assert [plain(r) for r in resumed] == [plain(r) for r in rows[8:]]
    same = ("success", "episode_return", "cloned_success", "lrm_questions", "lrm_failures")
    assert {k: found[k] for k in same} == {k: summary[k] for k in same}


@pytest.mark.slow
def test_a_judge_that_never_answers_stops_the_run(world, tmp_path):
    with pytest.raises(JudgeError, match="none of"):
        run(config(truth={"fail": 1.0}, lrm=MIXED), tmp_path / "run", quiet=True, env=world)
    strict = config(truth={"fail": 0.05}, lrm={**MIXED, "failures": "error"})
    with pytest.raises(JudgeError, match="failed"):
        run(strict, tmp_path / "strict", quiet=True, env=world)


@pytest.mark.slow
def test_with_reward_code_the_judged_reward_is_the_residual(world, tmp_path, monkeypatch):
    monkeypatch.setattr(finish, "draw", lambda *args: None)
    code = tmp_path / "code.py"
    code.write_text(
        "def compute_reward(observation, action, target_pos):\n"
        "    return observation[0] / 2, {'x': observation[0]}\n"
    )
    settings = config(formal={"file": code, "weight": 0.5}, steps=320, eval_every=320)
    rows = []
    out = tmp_path / "run"
    run(settings, out, quiet=True, env=world, on_row=rows.append)
    for row in rows:
        total = 0.1 * np.array(row["rewards"]["lrm"]) + 0.5 * np.array(row["rewards"]["formal"])
        np.testing.assert_allclose(row["reward"], total, atol=1e-5)
    data = restore.load(out).seeds.replay.data
    np.testing.assert_allclose(data.rewards["formal"], data.next_obs[..., 0] / 2, atol=1e-6)


def answers(**values):
    made = lambda v: Judgements(np.array(v, np.float32), np.ones(len(v)), np.zeros(len(v), np.int8))
    return {kind: made(v) for kind, v in values.items()}


def test_tri_is_the_mean_of_the_three_with_the_comparison_mapped_to_one():
    given = answers(comparison=[1.0, -1.0, 0.0], progress=[0.4, 0.4, 0.4], completion=[1, 0, 0.3])
    found = reward_of(given, JudgeConfig(reward="tri"))
    expected = [(1.0 + 0.4 + 1.0) / 3, (0.0 + 0.4 + 0.0) / 3, (0.5 + 0.4 + 0.3) / 3]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    strict = reward_of(given, JudgeConfig(reward="tri", threshold=0.3))
    np.testing.assert_allclose(strict[2], (0.5 + 0.4 + 1.0) / 3, rtol=1e-6)


def test_a_missing_answer_is_a_missing_reward():
    given = answers(comparison=[np.nan, 1.0], progress=[0.5, 0.5], completion=[0.0, np.nan])
    assert np.isnan(reward_of(given, JudgeConfig(reward="tri"))).all()
    only = reward_of(answers(completion=[0.0, np.nan]), JudgeConfig(reward="completion"))
    np.testing.assert_array_equal(only, [0.0, np.nan])


def test_an_episode_s_first_frame_is_compared_with_nothing(world):
    asked = []

    class Counting(ScriptedJudge):
        def comparison(self, a, b, *given):
            asked.append((a.progress, b.progress))
            return super().comparison(a, b, *given)

    source = JudgedReward(world, JudgeConfig(reward="contrastive", every=2), Counting)
    cut = np.zeros((1, 4, 1), np.float32)
    cut[0, 1, 0] = 1.0
    progress = np.array([0.1, 0.2, 0.5, 0.3]).reshape(1, 4, 1)
    steps = SimpleNamespace(
        cut=cut,
        snapshot=np.zeros((1, 4, 1, 2), np.float32),
        truth=SimpleNamespace(progress=progress, success=np.zeros((1, 4, 1))),
    )
    assert source.score(steps)["lrm"].ravel().tolist() == [0.0, 0.0, 0.0, 0.0] and not asked
    later = SimpleNamespace(**{**vars(steps), "cut": np.zeros((1, 4, 1), np.float32)})
    found = source.score(later)["lrm"].ravel()
    assert found.tolist() == [-1.0, -1.0, 1.0, 1.0] and source.counts["questions"] == 2
    np.testing.assert_allclose(asked[0][0], [0.5, 0.1])


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"lrm": {"weight": 0.0}}, "lrm.weight"),
        ({"lrm": {"tri_weights": (0.5, 0.5, 0.5)}}, "tri_weights"),
        ({"lrm": {"judge": "server"}}, "lrm.url"),
        ({"demos": {"best": 0.9, "worst": 0.5}}, "demos.best"),
        ({"lrm": {"judge": "own", "file": "nowhere.npz"}}, "nowhere.npz"),
    ],
)
def test_settings_that_do_not_fit_are_named(world, changes, named):
    with pytest.raises(ValueError, match=named):
        check(config(**changes), world.spec)


@pytest.mark.parametrize(
    "words, flag",
    [
        (["--lrm.judge", "scripted", "--lrm.url", "http://127.0.0.1:1"], "lrm.url"),
        (["--lrm.reward", "progress", "--lrm.threshold", "0.5"], "lrm.threshold"),
        (["--truth.noise", "0.1"], "truth"),
        (["--lrm.both-orders"], "lrm.both_orders"),
        (["--lrm.weight", "0", "--lrm.sparse-weight", "1", "--lrm.every", "5"], "lrm.every"),
    ],
)
def test_flags_without_effect_are_refused(words, flag):
    from core_jax.commands.train import Flags

    with pytest.raises(flags.NoEffect) as refused:
        flags.parse(Flags, ["--method", "lrm", *words])
    assert refused.value.flag.startswith(flag)


def test_its_learner_is_ppo_unless_another_is_chosen():
    assert make_config(task="drawer-open", method="lrm").learner == "ppo"
    other = make_config(task="drawer-open", method="lrm", learner="sac")
    assert other.learner == "sac"


@pytest.mark.slow
def test_its_columns_are_evaluated_on_graded_episodes(finished, tmp_path):
    from core_jax.commands.evaluate_reward import Flags, evaluate

    flags = Flags(run=finished[1], protocol="paper", episodes=4, every=4, out=tmp_path / "page")
    found = evaluate(flags)["measures"]
    assert set(found) == {"lrm", "sparse", "reward"}
    assert found["sparse"]["success_auc"] == 1.0 and found["lrm"]["frames"] == 20
    assert (tmp_path / "page" / "index.html").exists()


@pytest.mark.slow
def test_a_scripted_judge_is_evaluated(tmp_path):
    from core_jax.commands.evaluate_reward import Flags, evaluate

    flags = Flags(
        task=str(SMALL["task"]), protocol="paper", judge="scripted", episodes=4, every=2,
        out=tmp_path / "page",
    )  # fmt: skip
    found = evaluate(flags)["measures"]
    assert set(found) == {"progress", "completion", "comparison", "tri"}
    assert found["progress"]["mae"] < 1e-6 and found["completion"]["success_auc"] == 1.0
    order = found["progress"]["value_order"]
    assert abs(found["progress"]["value_order_backwards"] + order) < 1e-6
