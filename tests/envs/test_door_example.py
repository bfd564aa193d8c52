"""examples/door_open.py: a task outside of the package, judged by the original's recorded steps.

The steps are of metaworld==3.1.1 with mujoco==3.3.0: its scripted policy, the policy with noise,
and random actions, every 25th step of twelve episodes.
"""

import dataclasses
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs.metaworld import hand

ROOT = Path(__file__).parents[2]
NAME = "door_open:DoorOpen"
ROWS = json.loads((ROOT / "tests/data/metaworld/door_open.json").read_text())


@pytest.fixture(scope="module")
def env():
    sys.path.append(str(ROOT / "examples"))
    yield envs.make(NAME, protocol="random")
    sys.path.remove(str(ROOT / "examples"))


@pytest.fixture(scope="module")
def judged(env):
    """Reward, success, progress and the object's pose of all recorded steps."""
    recorded = {key: jnp.array([row[key] for row in ROWS]) for key in ROWS[0]}
    physics = env.reset(jax.random.key(0)).pipeline_state

    def judge(obs, action, theta, door, **_):
        qpos = physics.qpos.at[:3].set(obs[:3]).at[hand.N_JOINTS].set(theta)
        target = door + jnp.array([-0.3, -0.45, 0.0])
        now = physics.replace(qpos=qpos, fixture=door, target=target)
        return env.judge(obs[:18], action, now, hand.gripper(qpos)), env.objects(now)

    return recorded, *jax.jit(jax.vmap(lambda row: judge(**row)))(recorded)


def test_reward_and_success_are_the_originals(judged):
    recorded, found, _ = judged
    np.testing.assert_allclose(found.dense, recorded["reward"], atol=1e-4)
    np.testing.assert_array_equal(found.success, recorded["success"])
    assert 0 < found.success.sum() < len(found.success)


def test_the_handle_is_where_the_original_shows_it(judged):
    recorded, _, pose = judged
    np.testing.assert_allclose(pose[:, :3], recorded["obs"][:, 4:7], atol=1e-4)
    quat, expected = pose[:, 3:], recorded["obs"][:, 7:11]  # q and -q are one rotation
    np.testing.assert_allclose(jnp.abs(jnp.sum(quat * expected, axis=1)), 1.0, atol=1e-4)


def test_progress_ends_where_success_begins(judged):
    """A door that is opened further than the target's band keeps its progress."""
    recorded, found, pose = judged
    reached = pose[:, 0] <= recorded["door"][:, 0] - 0.3 + 0.08
    np.testing.assert_array_equal(found.progress == 1.0, reached)
    assert reached[found.success > 0].all() and (reached.sum() > found.success.sum())


def test_the_expert_opens_the_door(env):
    """The original's policy needs 75 to 89 steps, and fails on one of eight resets."""
    policy = envs.registry.expert_of(env.spec)

    @jax.jit
    def play(keys):
        step = lambda state, _: (lambda new: (new, new.metrics["success"]))(
            jax.vmap(env.step)(state, jax.vmap(policy)(state.obs))
        )
        return jax.lax.scan(step, jax.vmap(env.reset)(keys), None, 100)[1]

    done = play(jax.random.split(jax.random.key(1), 16)).max(axis=0)
    assert done.mean() >= 0.8


def test_its_spec_fits_its_world(env):
    assert env.spec.observation_size == env.observation_size == 39
    snapshot = env.snapshot(env.reset(jax.random.key(0)).pipeline_state)
    assert len(env.spec.start) == len(env.spec.goal) == snapshot.shape[0]
    np.testing.assert_allclose(env.spec.start[6:8], (0.1, 0.95))  # protocol paper's safe


@pytest.mark.parametrize(
    ("hook", "value", "message"),
    [
        ("HAND_START", {"paper": None}, "HAND_START has no 'random'; it has paper"),
        ("objects", lambda self, physics: jnp.zeros(6), r"objects: \[7\] .* not \[6\]"),
        ("start", (0.0,) * 6, r"spec\.start must be 6 joint positions .* 9 numbers, not 6"),
        ("success", jnp.zeros(3), r"judge: success must be one number, not .* \[3\]"),
        ("object_qpos", jnp.zeros(()), r"place: object_qpos must have the shape \[1\], not \[\]"),
        ("dor", "", "shapes of 'dor', which is no body; there are world, hand, .*, door"),
        ("door", "<geom type='box' material='purple'/>", "material 'purple'; it must be one of"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_hook_is_named(env, hook, value, message, monkeypatch):
    """Each is found when the world is made or reset, before anything is trained."""
    import door_open

    base = door_open.DoorOpen
    changed = {
        "start": lambda: {"describe": classmethod(
            lambda cls, protocol="paper": dataclasses.replace(base.describe(), start=value))},
        "success": lambda: {"judge": lambda self, *given: base.judge(self, *given)._replace(
            success=value)},
        "object_qpos": lambda: {"place": lambda self, key: base.place(self, key)._replace(
            object_qpos=value)},
    }.get(hook, lambda: {hook: value})  # fmt: skip
    if hook in ("dor", "door"):
        monkeypatch.setattr(door_open, "_SHAPES", {hook: value})
    made = type("Changed", (base,), changed())
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(made(protocol="random").reset, jax.random.key(0))
