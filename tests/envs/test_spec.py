"""`core_jax.envs.spec`: what it says without a world, and that a world says the same."""

import json
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs.softgym import flatten_rope, fold_cloth, pass_water, rope

LIGHT = """
import json, sys
from core_jax import envs
found = {n: envs.spec(n, p).horizon for n in envs.names() for p in envs.PROTOCOLS}
print(json.dumps([found, [m for m in ("jax", "mujoco", "brax") if m in sys.modules]]))
"""


def test_specs_need_neither_jax_nor_a_simulator():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    found, imported = json.loads(done.stdout)
    assert imported == []
    assert found == {
        **dict.fromkeys(envs.names("metaworld"), 500),
        "minigrid-doorkey-6x6": 360,
        "minigrid-doorkey-8x8": 640,
        "minigrid-unlock": 288,
        "minigrid-unlockpickup": 288,
        "fold-cloth": 3,
        "flatten-rope": 40,
        "pass-water": 75,
        **dict.fromkeys(envs.names("panda"), 50),
        "block-in-bowl": 4,
        "packing-box-pairs": 20,
        "separating-piles": 20,
    }


@pytest.mark.parametrize("protocol", envs.PROTOCOLS)
@pytest.mark.parametrize("task", envs.names())
def test_a_worlds_spec_is_the_registrys(task, protocol):
    env = envs.make(task, protocol)
    assert env.spec == envs.spec(task, protocol)
    state = jax.eval_shape(env.reset, jax.random.key(0))
    assert state.obs.shape == (env.spec.observation_size,) == (env.observation_size,)
    assert env.spec.formal_view(np.zeros(env.observation_size)).shape == (env.spec.formal_size,)
    assert state.info["target"].shape == (env.spec.target_size,)
    snapshot = jax.eval_shape(env.snapshot, state.pipeline_state)
    assert snapshot.shape == (len(env.spec.start),) == (len(env.spec.goal),)
    action = jnp.int32(0) if env.spec.discrete else jnp.zeros(env.spec.action_size)
    assert jax.eval_shape(env.step, state, action).obs.shape == state.obs.shape


@pytest.mark.parametrize("task", envs.names())
def test_a_row_names_its_task(task):
    spec = envs.spec(task)
    assert spec.name == task and task in envs.names(spec.suite)
    assert spec.has_pictures and spec.discrete == (spec.suite == "minigrid")
    assert spec.dense_scale == {"metaworld": 0.1}.get(spec.suite, 1.0)
    action = jax.eval_shape(envs.expert(task), jnp.zeros(spec.observation_size))
    assert action.shape == (() if spec.discrete else (spec.action_size,))


def test_random_resets_have_their_own_camera_where_papers_would_not_show_them():
    moved = {n for n in envs.names() if envs.spec(n, "random").camera != envs.spec(n).camera}
    assert moved == {"dial-turn", "drawer-open", "peg-insert-side"}


def test_overrides_change_the_spec():
    assert envs.overrides("fold-cloth")["moves"] == (3, 1)
    assert envs.spec("fold-cloth", moves=1).horizon == 1
    assert "An episode has 1 step." in envs.spec("fold-cloth", moves=1).action_description
    assert len(envs.spec("pass-water", preset="full").start) == 3 + 3 * 500
    assert envs.spec("pass-water", reward="sparse") == envs.spec("pass-water")
    with pytest.raises(ValueError, match="unknown value of moves: 2. Valid: 3, 1"):
        envs.spec("fold-cloth", moves=2)


@pytest.mark.parametrize("preset", ["fast", "full"])
def test_recorded_snapshots_of_the_cloth_are_the_worlds(preset):
    env, spec = fold_cloth.FoldCloth(preset=preset), envs.spec("fold-cloth", preset=preset)
    start = env.snapshot(env.place(jax.random.key(0)))
    np.testing.assert_array_equal(start, np.float16(spec.start))
    np.testing.assert_array_equal(np.float32(spec.goal), env.cloth.shown(env.goal))
    done = env.place(jax.random.key(0))
    done = done.replace(body=done.body.replace(x=jnp.asarray(env.goal)))
    np.testing.assert_array_equal(env.snapshot(done), np.float16(spec.goal))
    assert env.judge(done).success == 1


def test_recorded_snapshots_of_the_rope_are_the_worlds():
    env, spec = envs.make("flatten-rope"), envs.spec("flatten-rope")
    recorded = flatten_rope.starts().x[0].astype(np.float32)
    world = env.place(jax.random.key(0))
    for shot, x in ((spec.start, recorded), (spec.goal, rope.straight_points())):
        there = world.replace(body=world.body.replace(x=jnp.asarray(x)))
        np.testing.assert_array_equal(np.float32(shot), env.snapshot(there))
    assert env.judge(there).success == 1


@pytest.mark.parametrize("preset", ["fast", "full"])
def test_recorded_snapshots_of_the_water_are_the_worlds(preset):
    env, spec = pass_water.PassWater(preset=preset), envs.spec("pass-water", preset=preset)
    middle = jnp.float32(pass_water.INNER[1])
    still = jnp.asarray(env.starts[1, 1])
    for shot, glass in ((spec.start, 0.0), (spec.goal, pass_water.TARGET)):
        body = env.place(jax.random.key(0)).body.replace(x=still.at[0].add(glass))
        there = pass_water.Pouring(body, jnp.float32(glass), jnp.stack([middle, middle]))
        # float16, and the glass's place was added and taken away again
        np.testing.assert_allclose(env.snapshot(there), np.float16(shot), atol=5e-4)
    assert env.judge(there).success == 1


def test_a_new_task_is_registered_in_one_place(monkeypatch):
    from core_jax.envs import registry

    monkeypatch.setattr(registry, "_registered", {})
    spec = envs.spec("drawer-open")
    envs.register("my-drawer", "core_jax.envs.metaworld.drawer_open:DrawerOpen", spec=spec)
    assert "my-drawer" in envs.names() and envs.names("user") == ("my-drawer",)
    assert envs.suites() == ("metaworld", "softgym", "minigrid", "panda", "tabletop", "user")
    assert envs.spec("my-drawer") is spec
    assert type(envs.make("my-drawer", "random")).__name__ == "DrawerOpen"
    with pytest.raises(ValueError, match="already"):
        envs.register("my-drawer", None)
    with pytest.raises(ValueError, match="no colon"):
        envs.register("my:drawer", None)


def test_there_is_no_expert_for_a_task_of_ones_own(monkeypatch):
    import dataclasses

    from core_jax.envs import registry

    monkeypatch.setattr(registry, "_registered", {})
    spec = dataclasses.replace(envs.spec("drawer-open"), expert=None)
    envs.register("mine", "core_jax.envs.metaworld.drawer_open:DrawerOpen", spec=spec)
    with pytest.raises(ValueError, match="no expert for 'mine'. Valid: .*drawer-open"):
        envs.expert("mine")


@pytest.mark.parametrize("task", envs.names())
def test_an_action_of_another_size_is_refused_when_traced(task):
    env = envs.make(task)
    state, size = jax.eval_shape(env.reset, jax.random.key(0)), env.action_size
    right = () if env.spec.discrete else (size,)
    for shape in {(size - 1,), (size + 3,), (size,), (), (1, size)} - {right}:
        must = re.escape(f"it must be {right}")
        with pytest.raises(ValueError, match=f"{task}: an action of shape .*{must}"):
            jax.eval_shape(env.step, state, jnp.zeros(shape))
