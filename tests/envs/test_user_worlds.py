"""Worlds of a user's own: how they are found, what is derived, how a step is completed."""

import dataclasses
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from brax.envs.base import Env, State

from core_jax import envs
from core_jax.envs.brax_task import BraxTask, first_paragraph
from core_jax.envs.wrappers import TrainingWrapper

N = 3


class Walk(Env):
    """Walk to the right on a line.

    There is no physics: `pipeline_state` is None.
    """

    def __init__(self, start=0.0):
        self.start = start

    def reset(self, rng):
        obs = jnp.array([self.start, 0.0]) + 0.1 * jax.random.uniform(rng, (2,))
        zero = jnp.zeros(())
        return State(None, obs, zero, zero, {"speed": zero}, {"count": jnp.int32(0)})

    def step(self, state, action):
        obs = state.obs.at[0].add(action[0])
        state.metrics.update(speed=action[0])  # in place, as brax's own do
        info = {**state.info, "count": state.info["count"] + 1}
        return state.replace(obs=obs, reward=obs[0], done=obs[0] > 5.0, info=info)

    @property
    def observation_size(self):
        return 2

    @property
    def action_size(self):
        return 1

    @property
    def backend(self):
        return "none"


class Judged(Walk):
    """Tells more."""

    instruction = "walk to the right"
    episode_length = 7

    def _judged(self, state):
        metrics = {"success": state.obs[0] > 2.0, "progress": state.obs[0] / 2, "dense": 3.0}
        target = {"target": jnp.array([2.0, 0.0])}
        return state.replace(metrics={**state.metrics, **metrics}, info={**state.info, **target})

    def reset(self, rng):
        return self._judged(super().reset(rng))

    def step(self, state, action):
        return self._judged(super().step(state, action))


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module into the current folder, which is not where Python looks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [p for p in __import__("sys").path if p])

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))

    return write


def test_what_is_derived():
    task = BraxTask(Walk(), "mine:Walk")
    spec = task.spec
    assert (spec.name, spec.instruction) == ("mine:Walk", "Walk to the right on a line.")
    assert (spec.horizon, spec.observation_size, spec.action_size) == (1000, 2, 1)
    assert (spec.camera, spec.has_pictures, spec.expert, spec.suite) == (None, False, None, "user")
    assert [f.name for f in spec.formal_fields] == ["observation"] and spec.target_size == 0
    obs = np.arange(2.0)
    assert spec.formal_view(obs) is obs and spec.frame_view(obs) is obs
    assert task.snapshot(None).shape == (0,)
    with pytest.raises(ValueError, match="mine:Walk has no pictures"):
        task.view(task.snapshot(None))


def test_what_an_environment_tells_is_taken():
    spec = BraxTask(Judged()).spec
    assert (spec.name, spec.instruction, spec.horizon) == ("Judged", "walk to the right", 7)
    assert spec.target_size == 2
    state = BraxTask(Judged(1.0)).reset(jax.random.key(0))
    after = BraxTask(Judged(1.0)).step(state, jnp.array([1.5]))
    assert {k: float(after.metrics[k]) for k in ("success", "sparse", "dense", "nonfinite")} == {
        "success": 1.0,
        "sparse": 1.0,
        "dense": 3.0,
        "nonfinite": 0.0,
    }
    np.testing.assert_allclose(after.metrics["progress"], after.obs[0] / 2)
    np.testing.assert_array_equal(after.info["target"], [2.0, 0.0])
    assert after.reward == after.obs[0]


def test_what_an_environment_does_not_tell_is_zero():
    task = BraxTask(Walk())
    after = task.step(task.reset(jax.random.key(0)), jnp.array([2.0]))
    assert after.metrics["dense"] == after.reward == after.obs[0]
    assert [float(after.metrics[k]) for k in ("success", "progress", "sparse", "nonfinite")] == [
        0.0
    ] * 4
    assert after.metrics["speed"] == 2.0 and after.info["target"].shape == (0,)
    assert after.reward.dtype == after.done.dtype == jnp.float32


def test_a_nan_ends_the_episode_and_nothing_else():
    task = BraxTask(Walk())
    state = task.step(task.reset(jax.random.key(0)), jnp.array([1.0]))
    after = task.step(state, jnp.array([jnp.nan]))
    assert (after.done, after.reward, after.metrics["nonfinite"]) == (1.0, 0.0, 1.0)
    np.testing.assert_array_equal(after.obs, state.obs)
    assert after.metrics["speed"] == 1.0 and after.info["count"] == state.info["count"]
    assert jax.tree.structure(after) == jax.tree.structure(state)


def test_training_wrapper_keeps_a_users_info_and_needs_no_physics():
    wrapper = TrainingWrapper(BraxTask(Walk()), episode_length=3)
    state = wrapper.reset(jax.random.split(jax.random.key(0), N))

    def body(state, _):
        state = wrapper.step(state, jnp.array([[1.0], [6.0], [-1.0]]))
        return state, (state.info["steps"], state.info["count"], state.done)

    state, (steps, count, done) = jax.lax.scan(body, state, length=4)
    np.testing.assert_array_equal(steps[:, 0], [1, 2, 3, 1])
    np.testing.assert_array_equal(count[:, 0], [1, 2, 0, 1])  # of the new episode after a reset
    np.testing.assert_array_equal(done, [[0, 1, 0], [0, 1, 0], [1, 1, 1], [0, 1, 0]])
    assert state.info["last_snapshot"].shape == (N, 0) and state.pipeline_state is None


def test_discrete_actions():
    class Choose(Walk):
        discrete = True

        @property
        def action_size(self):
            return 4

        def step(self, state, action):
            return super().step(state, jnp.asarray(action, jnp.float32)[None])

    task = BraxTask(Choose())
    assert task.spec.discrete and task.spec.action_description == "one integer, 0 to 3"
    wrapper = TrainingWrapper(task)
    state = wrapper.reset(jax.random.split(jax.random.key(0), N))
    after = wrapper.step(state, jnp.array([0, 1, 3]))
    np.testing.assert_allclose(after.obs[:, 0] - state.obs[:, 0], [0, 1, 3], atol=1e-6)
    with pytest.raises(ValueError, match="action of shape"):
        wrapper.step(state, jnp.zeros((N, 4)))


def test_module_attribute_finds_classes_factories_and_instances(module):
    module(
        "own_worlds",
        """
        from brax.envs.fast import Fast
        from core_jax.envs import BraxTask

        class Mine(Fast):
            \"\"\"Go fast.\"\"\"
            episode_length = 9
            def __init__(self, protocol="paper", **more):
                self.protocol = protocol
                super().__init__(**more)

        def factory():
            \"\"\"Made by a factory.\"\"\"
            return Fast()

        instance = Fast()
        class inner:
            world = Mine
        task = BraxTask(Mine(), "other name")
        """,
    )
    assert envs.spec("own_worlds:Mine").horizon == 9
    assert envs.make("own_worlds:Mine").spec == envs.spec("own_worlds:Mine")
    assert envs.make("own_worlds:Mine", "random").env.protocol == "random"
    assert envs.make("own_worlds:inner.world").spec.instruction == "Go fast."
    assert envs.make("own_worlds:factory").spec.instruction == "Made by a factory."
    assert envs.make("own_worlds:instance").spec.instruction == "Trains an agent to go fast."
    assert envs.make("own_worlds:task").spec.name == "other name"
    assert envs.make("brax:fast").spec.name == "brax:fast"
    with pytest.raises(ValueError, match="own_worlds:factory has no protocols"):
        envs.make("own_worlds:factory", "random")
    with pytest.raises(ValueError, match="own_worlds:factory takes no speed"):
        envs.make("own_worlds:factory", speed=3)
    with pytest.raises(ValueError, match="own_worlds:instance is an instance: it takes no speed"):
        envs.make("own_worlds:instance", speed=3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:Reacher", "no module 'no_such_module' .*current folder"),
        ("no_such.module:Reacher", "no module 'no_such.module'"),
        ("bad_worlds:Reachr", "no attribute 'Reachr' in module 'bad_worlds'"),
        ("bad_worlds:", "'bad_worlds:' is not a task: it must be module:attribute"),
        ("bad/worlds.py:Plain", "not a task.*leave out folder and .py"),
        (":Reacher", "':Reacher' is not a task"),
        ("bad_worlds:number", "bad_worlds:number is no environment: it gives 'int'"),
        ("bad_worlds:Plain", "bad_worlds:Plain is no environment: Plain is not a brax.envs.Env"),
        ("bad_worlds:plain", "bad_worlds:plain is no environment: it gives 'Plain'"),
        ("bad_worlds:pixels", "bad_worlds:pixels: a reset's observation must be one vector"),
        ("bad_worlds:wrapped", "bad_worlds:wrapped: a reset's `info` has .*EpisodeWrapper"),
        ("brax:reachr", "brax has no environment 'reachr'. Valid: .*brax:reacher"),
        ("reachr", "unknown task: 'reachr'.*module:attribute"),
    ],
)
def test_what_is_no_world_is_told(module, name, message):
    module(
        "bad_worlds",
        """
        from brax.envs.fast import Fast
        from brax.envs.wrappers.training import EpisodeWrapper
        number = 3
        class Plain: pass
        plain = lambda: Plain()
        pixels = lambda: Fast(obs_mode="dict_pixels")
        wrapped = lambda: EpisodeWrapper(Fast(), 10, 1)
        """,
    )
    for ask in (envs.make, envs.spec):
        with pytest.raises(ValueError, match=message):
            ask(name)


def test_a_module_that_fails_raises_its_own_error(module):
    module("broken_world", "import a_module_that_is_not_installed")
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_installed"):
        envs.make("broken_world:Reacher")
    module("another_broken_world", "raise ValueError('the gravity must be positive')")
    with pytest.raises(ValueError, match="the gravity must be positive"):
        envs.make("another_broken_world:Reacher")


def test_a_world_is_traced_once_whoever_steps_it():
    traced = []

    class Counted(Walk):
        def reset(self, rng):
            traced.append("reset")
            return super().reset(rng)

        def step(self, state, action):
            traced.append("step")
            return super().step(state, action)

    env = BraxTask(Counted())
    for count in (N, N + 1):
        worlds = TrainingWrapper(env)
        state = jax.eval_shape(worlds.reset, jax.random.split(jax.random.key(0), count))
        jax.eval_shape(worlds.step, state, jnp.zeros((count, 1)))
    jax.eval_shape(env.step, jax.eval_shape(env.reset, jax.random.key(0)), jnp.zeros(1))
    assert sorted(traced) == ["reset", "step"]


def test_an_attached_spec_is_used_and_checked():
    spec = dataclasses.replace(BraxTask(Walk()).spec, name="walk", horizon=12)
    with_spec = type("WithSpec", (Walk,), {"spec": spec})
    assert BraxTask(with_spec()).spec is spec
    wrong = type("Wrong", (Walk,), {"spec": dataclasses.replace(spec, action_size=3)})
    with pytest.raises(ValueError, match="walk: action_size is 3 in `spec` and 1 in the world"):
        BraxTask(wrong())
    seen = type(
        "Seen", (Walk,), {"spec": dataclasses.replace(spec, camera=envs.Camera((0,) * 3, (0,) * 6))}
    )
    with pytest.raises(ValueError, match="walk: `spec` has a camera"):
        BraxTask(seen())


def test_a_step_must_lead_to_a_state_like_the_one_before():
    class Adds(Walk):
        def step(self, state, action):
            after = super().step(state, action)
            return after.replace(info={**after.info, "late": action})

    class Vector(Walk):
        def step(self, state, action):
            return super().step(state, action).replace(reward=action)

    for env, message in ((Adds(), "adds late to `info`"), (Vector(), r"reward has shape \(1,\)")):
        task = BraxTask(env)
        with pytest.raises(ValueError, match=message):
            task.step(task.reset(jax.random.key(0)), jnp.zeros(1))


def test_first_paragraph_of_a_docstring():
    assert first_paragraph(None) == ""
    assert first_paragraph("\n  ### Title\n\n  One\n  two.\n\n  Three.") == "One two."
