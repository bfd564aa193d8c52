"""Sweeps: every combination of values with every seed, as one program that is traced once; each
member is the run that it would be alone."""

import dataclasses
import json
from pathlib import Path

import brax.envs
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs, report
from core_jax.agents import sac
from core_jax.report import table
from core_jax.runs import flags, members, setup
from core_jax.runs.checks import check
from core_jax.runs.differences import differences
from core_jax.runs.layout import to_dict
from core_jax.runs.loop import run
from core_jax.runs.presets import make_config

pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = {
    "method": "env_dense", "steps": 60, "envs": 2, "rollout": 5, "updates": 2, "random_steps": 20,
    "chunk": 20, "eval_every": 40, "eval_episodes": 2, "final_episodes": 2,
    "sac": {"hidden": [8, 8], "batch_size": 8},
}  # fmt: skip
SWEEP = {"sac.actor_lr": [1e-3, 1e-2], "sac.gamma": [0.9, 0.99]}


@dataclasses.dataclass(frozen=True)
class Script:
    """Flags of a script."""

    out: Path = Path()
    resume: bool = False


class Point(brax.envs.Env):
    """Move a point to the origin."""

    episode_length = 10
    observation_size = action_size = 2
    backend = "none"

    def reset(self, rng):
        """Somewhere in a square."""
        zero, at = jnp.float32(0), jax.random.uniform(rng, (2,), minval=-1.0)
        return brax.envs.State(None, at, zero, zero, {"success": zero})

    def step(self, state, action):
        """Moves by a tenth of the action."""
        obs = state.obs + 0.1 * action
        return state.replace(obs=obs, reward=-jnp.sum(obs**2))


WORLD = envs.BraxTask(Point())


def config_of(**values):
    return make_config(**{**SMALL, **values})


def trained(config):
    """Functions, final state and last row of a config, without a run's folder."""
    train = setup.make_train(check(config, WORLD.spec), WORLD)
    state = train.init(members.keys(config), members.values(config))
    for _ in range(config.training.steps // config.training.chunk):
        state, row = train.train_chunk(state)
    return train, state, row


def test_members_are_combinations_times_seeds():
    found = members.of(config_of(seeds=2, seed=5, sweep=SWEEP))
    rates = [m.values["sac.actor_lr"] for m in found]
    gammas = [m.values["sac.gamma"] for m in found]
    assert [m.seed for m in found] == [5, 6] * 4
    assert rates == [1e-3] * 4 + [1e-2] * 4
    assert gammas == [0.9, 0.9, 0.99, 0.99] * 2
    assert [m for m in members.of(config_of(seeds=2))] == [(0, {}), (1, {})]


def test_a_member_is_the_run_with_its_values_and_the_sweep_is_traced_once():
    train, state, row = trained(config_of(seeds=2, sweep=SWEEP))
    assert max(train.traces[name] for name in ("collect", "learn", "init")) <= 1
    losses = np.asarray(row["critic_loss"])
    assert losses.shape == (8,) and len(set(losses.tolist())) == 8
    seed, values = members.of(config_of(seeds=2, sweep=SWEEP))[6]
    own = {k.removeprefix("sac."): v for k, v in values.items()}
    _, alone, _ = trained(config_of(seed=seed, sac={**SMALL["sac"], **own}))
    for name in ("actor", "critic", "target_critic"):
        together, single = (
            getattr(x.seeds.learner, name)["params"]["mlp"]["layer_0"]["kernel"]
            for x in (state, alone)
        )
        # Constants are folded where one value serves all, so the last bits may differ.
        np.testing.assert_allclose(together[6], single[0], atol=2e-6)


def test_every_setting_that_can_be_swept_has_an_effect_of_its_own():
    """Ten members with one key: the first has the defaults, each other differs in one setting."""
    names, defaults = sac.SAC.sweepable, sac.SACConfig(target_entropy=-2.0)
    values = {name: np.full(10, getattr(defaults, name), np.float32) for name in names}
    for i, name in enumerate(names, 1):
        values[name][i] = 0.6
    train = setup.make_train(check(config_of(seeds=10), WORLD.spec), WORLD)
    state = train.init(jnp.repeat(jax.random.key(0)[None], 10), values)
    for _ in range(3):
        state, _ = train.train_chunk(state)
    learner = state.seeds.learner
    parts = (learner.actor, learner.average_actor, learner.critic, learner.target_critic)
    leaves = jax.tree.leaves((parts, learner.log_temperature))
    flat = np.concatenate([np.reshape(x, (10, -1)) for x in leaves], axis=1)
    differing = np.abs(flat[1:] - flat[0]).max(axis=1)
    assert dict(zip(names, differing > 1e-5, strict=True)) == dict.fromkeys(names, True)


def test_ppo_is_swept_too():
    base = {k: v for k, v in SMALL.items() if k != "sac"} | {"random_steps": 0}
    ppo, sweep = {"hidden": [8], "minibatches": 2, "epochs": 2}, {"ppo.actor_lr": [1e-4, 1e-2]}
    train, state, _ = trained(make_config(**base, learner="ppo", ppo=ppo, sweep=sweep))
    assert train.traces["learn_on_policy"] <= 1
    moved = np.asarray(state.seeds.learner.actor["params"]["mlp"]["layer_0"]["kernel"])
    assert np.abs(moved[0] - moved[1]).max() > 1e-5


@pytest.mark.slow
def test_a_run_names_its_members(tmp_path):
    config = config_of(sweep={"sac.tau": (0.01, 0.1)}, checkpoint_every=20)
    summary = run(config, tmp_path / "run", quiet=True, env=WORLD)
    assert summary["members"] == [{"seed": 0, "sac.tau": 0.01}, {"seed": 0, "sac.tau": 0.1}]
    assert len(summary["success"]) == 2
    rows = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all(len(row["critic_loss"]) == 2 for row in rows)
    with pytest.raises(ValueError, match="another config: sweep.sac.tau was"):
        run(
            config_of(sweep={"sac.tau": [0.01, 0.2]}, steps=80),
            tmp_path / "run",
            resume=True,
            env=WORLD,
        )


@pytest.mark.long
def test_a_sweep_is_resumed_with_more_steps(tmp_path):
    config = config_of(sweep={"sac.tau": (0.01, 0.1)}, checkpoint_every=20)
    summary = run(config, tmp_path / "run", quiet=True, env=WORLD)
    longer = config_of(sweep={"sac.tau": (0.01, 0.1)}, checkpoint_every=20, steps=80)
    again = run(longer, tmp_path / "run", resume=True, quiet=True, env=WORLD)
    assert again["env_steps"] == 80 and again["members"] == summary["members"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sac.hidden": [8, 16]}, "sac.hidden cannot be swept: a shape or the program itself"),
        ({"sac.batch_size": [8, 16]}, "sac.batch_size cannot be swept: a shape or the program"),
        ({"sac.gama": [0.9]}, "sac.gama cannot be swept: sac has no such setting. There can be"),
        ({"steps": [10]}, "steps cannot be swept: it is no setting of the learner"),
        ({"sac.gamma": [0.9, 1.5]}, r"sweep sac.gamma\[1\] must be at most 1, not 1.5"),
        ({"sac.gamma": [0.9, "x"]}, r"sweep sac.gamma\[1\] must be a finite number, not 'x'"),
        ({"sac.gamma": [0.9, 0.9]}, "sweep of sac.gamma has a value twice: 0.9, 0.9"),
        ({"sac.gamma": []}, "sweep of sac.gamma needs values"),
        ({"sac.gamma": 0.9}, "sweep of sac.gamma needs values, not 0.9"),
        ({"sac.target_entropy": [None]}, "must be a number, not None"),
    ],
)
def test_what_cannot_be_swept_is_refused_with_the_reason(values, message):
    with pytest.raises(ValueError, match=message):
        check(config_of(sweep=values))


@pytest.mark.parametrize("method", ["core", "rl_vlm_f", "eureka", "code"])
def test_methods_that_keep_something_for_each_seed_cannot_be_swept(method):
    config = make_config(method=method, sweep={"sac.gamma": [0.9, 0.99]})
    with pytest.raises(ValueError, match=f"method {method} cannot be swept: it keeps"):
        check(config)


def test_values_of_the_library_are_checked():
    config = config_of()
    train = setup.make_train(check(config, WORLD.spec), WORLD)
    with pytest.raises(ValueError, match="sac.hidden cannot be swept; of sac there can be"):
        train.init(members.keys(config), {"hidden": [1.0]})
    with pytest.raises(ValueError, match=r"values of shape \(2,\), not one for each of 1 seeds"):
        train.init(members.keys(config), {"gamma": [0.9, 0.99]})
    assert train.init(members.keys(config), members.values(config)).seeds.values == {}


def test_the_command_line_names_each_setting_once():
    words = "--method env_dense --sweep sac.actor-lr 1e-4 3e-4 --sweep sac.gamma .97 .99".split()
    config, _ = flags.parse(Script, words)
    assert config.sweep == {"sac.actor_lr": [1e-4, 3e-4], "sac.gamma": [0.97, 0.99]}
    with pytest.raises(ValueError, match="--sweep names sac.gamma twice"):
        flags.parse(Script, "--method env_dense --sweep sac.gamma 1 --sweep sac.gamma 1".split())


def test_a_report_has_one_row_for_each_value(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    config = to_dict(config_of(seeds=2, seed=3, sweep={"sac.tau": [0.01, 0.1]}))
    (folder / "config.json").write_text(json.dumps(config))
    row = {"env_steps": 60, "evaluated": True, "success": [0.0, 0.2, 0.4, 0.6], "events": ["a"] * 4,
           "rewards": {"dense": [1.0, 2.0, 3.0, 4.0]}, "components": [{}] * 4}  # fmt: skip
    (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    first, second = report.load_all(folder, differences)
    assert first.settings["sac.tau"] == 0.01 and second.settings["sac.tau"] == 0.1
    assert first.success == [0.0, 0.2] and second.success == [0.4, 0.6]
    assert second.rewards == {"dense": 3.5} and second.rows[0]["events"] == ["a"] * 4
    assert second.seeds == [3, 4] and len(second.rows[0]["components"]) == 2
    assert len(table.conditions([first, second])) == 2
    config["sweep"] = {"sac.tau": "abc"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="sweep is .*, not lists of numbers by name"):
        report.load_all(folder, differences)
