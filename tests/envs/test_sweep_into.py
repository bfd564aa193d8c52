"""Sweep-into against Meta-World's facts: resets, rewards, and what hand, cube and hole do.

Figures called the original's were measured in Meta-World 3.1.1 with the same start and actions.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playing import WORLDS, played, roller, script

from core_jax import envs
from core_jax.envs.metaworld.hand import FINGER_REST, Gripper
from core_jax.envs.metaworld.response import init
from core_jax.envs.metaworld.sweep_into import HOLE

OPEN, CLOSE = (0.0, 0.0, 0.0, -1.0), (0.0, 0.0, 0.0, 1.0)
FLAT = 0.06994  # m, height of the cube on the table


@pytest.fixture(scope="module")
def env():
    return envs.make("sweep-into", protocol="random")


@pytest.fixture(scope="module")
def paper_env():
    return envs.make("sweep-into")


@pytest.fixture(scope="module")
def roll(env):
    return roller(env)


@pytest.fixture(scope="module")
def reset(env):
    return jax.jit(jax.vmap(env.reset))


def stage(state, cube, hand_pos, target):
    """One world with its cube and its hand somewhere."""
    physics = jax.tree.map(lambda x: x[0], state.pipeline_state)
    hand_pos, mocap = jnp.array(hand_pos), jnp.array(target)
    fingers = jnp.array([-FINGER_REST, FINGER_REST])
    return physics.replace(
        qpos=jnp.concatenate([hand_pos, fingers, jnp.array(cube)]),
        qvel=jnp.zeros(8),
        mocap=mocap,
        arm=init(hand_pos, mocap),
        reference=physics.reference.replace(pos=hand_pos),
    )


def test_paper_reset_is_the_originals(paper_env):
    a, b = (paper_env.reset(jax.random.key(k)) for k in (0, 1))
    np.testing.assert_array_equal(a.obs, b.obs)
    frame = [-0.014897, 0.522814, 0.095179, 1, 0, 0.65, 0.0699355, 0, 0, 0, 1] + [0] * 7
    np.testing.assert_allclose(a.obs, frame + frame + [0, 0.84, 0.02], atol=1e-6)


def test_random_resets(env):
    states = jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(0), 3000))
    cube = np.asarray(states.obs[:, 4:7])
    np.testing.assert_allclose(cube.min(0), [-0.1, 0.6, FLAT], atol=0.002)
    np.testing.assert_allclose(cube.max(0), [0.1, 0.7, FLAT], atol=0.002)
    assert np.linalg.norm((cube - HOLE)[:, :2], axis=1).min() >= 0.15


@pytest.mark.parametrize(
    ("protocol", "origin", "seen", "tcp", "pads", "dense"),
    [  # values of the original's own formula at these places
        (
            "paper",
            (0.0, 0.65, 0.069935),
            (0.009851, 0.619956, 0.141613, 1.0, 0.004728, 0.699563, 0.095436),
            (0.009797, 0.623557, 0.096758),
            (0.666964, 0.572945),
            0.04302,
        ),
        (
            "random",
            (0.098068, 0.62169, 0.069935),
            (0.094088, 0.622867, 0.152346, 0.837851, 0.098068, 0.62169, 0.069979),
            (0.093475, 0.621586, 0.107369),
            (0.661682, 0.584056),
            1.34061,
        ),
        (
            "random",
            (0.098068, 0.62169, 0.069935),
            (0.023897, 0.689692, 0.097004, 0.502398, 0.031905, 0.686296, 0.071944),
            (0.024272, 0.686118, 0.051842),
            (0.706422, 0.662556),
            2.42158,
        ),
        (
            "random",
            (0.044411, 0.686638, 0.069935),
            (0.004275, 0.856564, 0.086219, 0.567886, 0.012068, 0.85177, 0.058134),
            (0.001688, 0.856876, 0.040496),
            (0.873133, 0.823295),
            10.0,
        ),
    ],
)
def test_reward_is_the_originals(env, paper_env, protocol, origin, seen, tcp, pads, dense):
    env = {"paper": paper_env, "random": env}[protocol]
    physics = env.reset(jax.random.key(0)).pipeline_state
    physics = physics.replace(origin=jnp.array(origin))
    frame = jnp.array([*seen] + [0.0] * 11)
    left, right = (jnp.array([0.0, y, 0.0]) for y in pads)
    judged = env.judge(frame, jnp.zeros(4), physics, Gripper(jnp.array(tcp), left, right))
    np.testing.assert_allclose(judged.dense, dense, atol=1e-3)
    start, error = (np.linalg.norm(np.subtract(x[:2], HOLE[:2])) for x in (origin, seen[4:]))
    assert judged.success == (error <= 0.05)
    np.testing.assert_allclose(
        judged.progress, np.clip((start - error) / (start - 0.05), 0, 1), atol=1e-4
    )


def test_expert_scores_and_stays_sane(roll, reset, paper_env):
    state = reset(jax.random.split(jax.random.key(5), WORLDS))
    paper = paper_env.reset(jax.random.key(0))
    state = jax.tree.map(lambda many, one: many.at[0].set(one), state, paper)
    _, (_, metrics) = played(roll, state, 2)
    won = metrics["success"].max(0) > 0
    first = metrics["success"].argmax(0) + 1
    assert won.mean() >= 0.95 and won[0]
    assert 32 <= first[won].mean() <= 46  # the original's: 39
    assert metrics["nonfinite"].max() == 0
    np.testing.assert_array_equal(metrics["success"], metrics["progress"] >= 1)


def test_hand_cube_and_hole_behave_as_the_originals(roll, reset):
    state = reset(jax.random.split(jax.random.key(6), WORLDS))
    pressed = ((-0.014897, 0.522814, 0.095179), (0.0, 0.53, 0.05))
    behind = ((0.003, 0.53, 0.105), (0.0, 0.53, 0.11))
    high = ((0.0, 0.535, 0.195), (0.0, 0.53, 0.2))
    above = ((0.003, 0.84, 0.195), (0.0, 0.84, 0.2))
    over = ((0.003, 0.652, 0.195), (0.0, 0.65, 0.2))
    around = ((0.003, 0.652, 0.095), (0.0, 0.65, 0.1))
    away, middle = (0.3, 0.5, FLAT), (0.0, 0.65, FLAT)
    still = script((120, OPEN))
    scenes = [  # cube, hand and its target, actions
        (away, pressed, still),
        (away, pressed, script((20, (0.5, 0, 0, -1)), (100, OPEN))),
        (middle, behind, script((30, CLOSE), (40, (0, 0.5, 0, 1)), (50, CLOSE))),
        (middle, around, script((50, CLOSE), (20, (0, 0, 0.5, 1)), (50, CLOSE))),
        ((0.01, 0.8, 0.07), high, still),
        ((0.01, 0.738, FLAT), high, still),
        ((0.01, 0.783, FLAT), high, still),
        (away, above, script((25, (0, 0, -0.7, -1)), (20, (0, 0.3, 0, -1)), (75, OPEN))),
        (away, above, script((25, (0, 0, -0.7, -1)), (30, (0.4, 0, 0, -1)), (65, OPEN))),
        (middle, over, script((40, CLOSE), (25, (0, 0, -0.7, 1)), (55, CLOSE))),
    ]  # fmt: skip
    physics, actions = state.pipeline_state, np.zeros((120, WORLDS, 4))
    for i, (cube, (at, target), acts) in enumerate(scenes):
        one = stage(state, cube, at, target)
        physics = jax.tree.map(lambda many, x, i=i: many.at[i].set(x), physics, one)
        actions[:, i] = acts
    _, (obs, _) = played(roll, state.replace(pipeline_state=physics), 3, actions)
    hand_pos, cube = obs[-1, :, :3], obs[-1, :, 4:7]
    # Pressed on the table by 4 cm, the hand stays on it and hardly moves along it.
    assert hand_pos[0] == pytest.approx([-0.0047, 0.5281, 0.0936], abs=0.006)
    assert obs[40, 1, 0] == pytest.approx(0.0341, abs=0.012)  # free, it would be at .1
    assert obs[110, 1, 0] == pytest.approx(0.0685, abs=0.012)
    # Pushed by a closed hand; lifted between the fingers; over the rim, on it, in the hole.
    assert cube[2] == pytest.approx([-0.0022, 0.7738, FLAT], abs=0.006)
    assert cube[3, 2] > 0.12 and np.linalg.norm(cube[3] - hand_pos[3]) < 0.06
    assert cube[4] == pytest.approx([0.01, 0.8, 0.0199], abs=1e-3)
    assert cube[5] == pytest.approx([0.01, 0.738, FLAT], abs=1e-3)
    assert cube[6] == pytest.approx([0.01, 0.783, 0.0199], abs=1e-3)
    # Fingers go into the hole and are stopped by its walls.
    assert hand_pos[7] == pytest.approx([0.0, 0.8612, 0.0673], abs=0.008)
    assert hand_pos[8] == pytest.approx([0.0661, 0.8273, 0.0530], abs=0.008)
    # Closed fingers pressed on the cube do not pass through it.
    assert obs[70:, 9, 2].min() > 0.085


def test_random_actions_keep_the_world_sane(roll, reset):
    state = reset(jax.random.split(jax.random.key(7), WORLDS))
    noise = np.random.default_rng(0).normal(size=(480, WORLDS, 4)) * 2
    noise[:, ::2] = np.repeat(noise[::20, ::2], 20, axis=0)
    _, (obs, metrics) = played(roll, state, 12, np.clip(noise, -1, 1))
    assert metrics["nonfinite"].max() == 0
    cube = obs[:, :, 4:7]
    assert np.abs(cube[..., :2] - [0.0, 0.6]).max() < 0.8
    assert cube[..., 2].min() > 0.01 and cube[..., 2].max() < 0.6
    assert obs[..., 2].min() > 0.04  # and no hand below the hole's bottom
    assert 0 <= metrics["progress"].min() and metrics["dense"].max() <= 10
