"""Soccer against Meta-World's facts: resets, rewards, how the ball rolls, what stops hand and ball.

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
from core_jax.envs.metaworld.soccer import GOAL

OPEN, CLOSE = (0.0, 0.0, 0.0, -1.0), (0.0, 0.0, 0.0, 1.0)
RADIUS = 0.026


@pytest.fixture(scope="module")
def env():
    return envs.make("soccer", protocol="random")


@pytest.fixture(scope="module")
def paper_env():
    return envs.make("soccer")


@pytest.fixture(scope="module")
def roll(env):
    return roller(env)


@pytest.fixture(scope="module")
def reset(env):
    return jax.jit(jax.vmap(env.reset))


def stage(state, ball, velocity=(0.0, 0.0), hand_pos=None, target=None):
    """One world with its goal at the paper's place, its ball rolling, its hand somewhere."""
    physics = jax.tree.map(lambda x: x[0], state.pipeline_state)
    spin = [-velocity[1] / RADIUS, velocity[0] / RADIUS, 0.0]
    hand_pos = physics.qpos[:3] if hand_pos is None else jnp.array(hand_pos)
    mocap = physics.mocap if target is None else jnp.array(target)
    fingers = jnp.array([-FINGER_REST, FINGER_REST])
    return physics.replace(
        qpos=jnp.concatenate([hand_pos, fingers, jnp.array([*ball, 1.0, 0.0, 0.0, 0.0])]),
        qvel=jnp.zeros(11).at[5:].set(jnp.array([*velocity, 0.0, *spin])),
        mocap=mocap,
        arm=init(hand_pos, mocap),
        reference=physics.reference.replace(pos=hand_pos),
        fixture=jnp.array(GOAL),
        target=jnp.array(GOAL),
    )


def test_paper_reset_is_the_originals(paper_env):
    a, b = (paper_env.reset(jax.random.key(k)) for k in (0, 1))
    np.testing.assert_array_equal(a.obs, b.obs)
    turned = [-0.0939185, -0.1712038, 0.2314236, 0.9530539]
    frame = [0.003158, 0.563243, 0.046284, 1, 0, 0.65, 0.03, *turned] + [0] * 7
    np.testing.assert_allclose(a.obs, frame + frame + [0, 0.85, 0], atol=1e-6)


def test_random_resets(env):
    states = jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(0), 3000))
    ball, goal = np.asarray(states.obs[:, 4:7]), np.asarray(states.obs[:, 36:39])
    low, high = ball.min(0), ball.max(0)
    np.testing.assert_allclose(low, [-0.1, 0.6, 0.03], atol=0.002)
    np.testing.assert_allclose(high, [0.1, 0.7, 0.03], atol=0.002)
    np.testing.assert_allclose(goal.min(0), [-0.1, 0.8, 0.0], atol=0.002)
    np.testing.assert_allclose(goal.max(0), [0.1, 0.9, 0.0], atol=0.002)
    assert np.linalg.norm((ball - goal)[:, :2], axis=1).min() >= 0.15
    np.testing.assert_array_equal(states.pipeline_state.fixture, goal)


@pytest.mark.parametrize(
    ("protocol", "origin", "goal", "seen", "tcp", "pads", "dense"),
    [  # values of the original's own formula at these places
        (
            "paper",
            (0.0, 0.65, 0.03),
            (0.0, 0.85, 0.0),
            (-0.005883, 0.624942, 0.049331, 0.508074, 0.001066, 0.677654, 0.025759),
            (-0.006517, 0.626396, 0.004353),
            (0.646602, 0.601848),
            0.07581,
        ),
        (
            "paper",
            (0.0, 0.65, 0.03),
            (0.0, 0.85, 0.0),
            (0.005165, 0.680285, 0.049421, 0.291718, 0.001126, 0.742549, 0.02587),
            (0.004033, 0.6886, 0.004912),
            (0.69696, 0.67387),
            2.38715,
        ),
        (
            "random",
            (-0.012483, 0.689177, 0.03),
            (-0.023312, 0.879173, 0.0),
            (-0.02103, 0.65308, 0.058545, 0.296467, -0.016286, 0.697246, 0.016694),
            (-0.021101, 0.657761, 0.013511),
            (0.669894, 0.646248),
            0.05955,
        ),
        (
            "random",
            (-0.012483, 0.689177, 0.03),
            (-0.023312, 0.879173, 0.0),
            (-0.01095, 0.719372, 0.0539, 0.296675, -0.010049, 0.803462, 0.03092),
            (-0.012066, 0.727347, 0.009345),
            (0.736144, 0.712562),
            5.00326,
        ),
    ],
)
def test_reward_is_the_originals(env, paper_env, protocol, origin, goal, seen, tcp, pads, dense):
    env = {"paper": paper_env, "random": env}[protocol]
    physics = env.reset(jax.random.key(0)).pipeline_state
    physics = physics.replace(target=jnp.array(goal), origin=jnp.array(origin))
    frame = jnp.array([*seen] + [0.0] * 11)
    left, right = (jnp.array([0.0, y, 0.0]) for y in pads)
    judged = env.judge(frame, jnp.zeros(4), physics, Gripper(jnp.array(tcp), left, right))
    np.testing.assert_allclose(judged.dense, dense, atol=1e-3)
    error = np.linalg.norm(np.subtract(seen[4:], goal))
    assert judged.success == (error <= 0.07)
    start = np.linalg.norm(np.subtract(origin, goal))
    np.testing.assert_allclose(
        judged.progress, np.clip((start - error) / (start - 0.07), 0, 1), atol=1e-4
    )


def test_expert_scores_and_stays_sane(roll, reset, paper_env):
    state = reset(jax.random.split(jax.random.key(5), WORLDS))
    paper = paper_env.reset(jax.random.key(0))
    state = jax.tree.map(lambda many, one: many.at[0].set(one), state, paper)
    _, (obs, metrics) = played(roll, state, 2)
    won = metrics["success"].max(0) > 0
    first = metrics["success"].argmax(0) + 1
    assert won.mean() >= 0.95
    assert first[0] <= 32  # the original's: 23
    assert 45 <= first[won].mean() <= 62  # the original's: 55
    assert metrics["nonfinite"].max() == 0
    assert np.all(metrics["progress"][metrics["success"] > 0] >= 0.999)


def test_ball_and_hand_stop_where_the_originals_do(roll, reset):
    state = reset(jax.random.split(jax.random.key(6), WORLDS))
    away = (0.4, 0.4, RADIUS)
    still = script((160, OPEN))
    wait = (20, CLOSE)
    push = lambda *action: script(wait, (30, (*action, 1.0)), (110, CLOSE))
    high, side = (0.00353, 0.82461, 0.29582), (0.24701, 0.80795, 0.10414)
    scenes = [  # ball, its velocity, hand and its target, actions
        ((0.0, 0.72, RADIUS), (0.0, 0.5), None, None, still),
        ((0.09, 0.72, RADIUS), (0.0, 0.5), None, None, still),
        ((0.02, 0.82, 0.25), (0.0, 0.0), None, None, still),
        ((0.5, 0.4, RADIUS), (0.8, 0.3), None, None, still),
        (away, (0.0, 0.0), high, (0.0, 0.83, 0.3), push(0, 0, -1)),
        (away, (0.0, 0.0), side, (0.25, 0.83, 0.1), push(-1, 0, 0)),
        (away, (0.0, 0.0), (0.00451, 0.60173, 0.14499), (0.0, 0.6, 0.15), push(0, 1, 0)),
        (away, (0.0, 0.0), (0.00272, 0.60319, 0.04618), (0.0, 0.6, 0.05), push(0, 1, 0)),
        ((0.0, 0.6, RADIUS), (0.0, 0.0), (-0.15, 0.6, 0.046), (-0.15, 0.6, 0.05),
         script((40, CLOSE), (30, (0.4, 0, 0, 1)), (90, CLOSE))),
    ]  # fmt: skip
    physics, actions = state.pipeline_state, np.zeros((160, WORLDS, 4))
    for i, (ball, velocity, at, target, acts) in enumerate(scenes):
        one = stage(state, ball, velocity, at, target)
        physics = jax.tree.map(lambda many, x, i=i: many.at[i].set(x), physics, one)
        actions[:, i] = acts
    _, (obs, _) = played(roll, state.replace(pipeline_state=physics), 4, actions)
    ball, hand_pos = obs[-1, :, 4:7], obs[-1, :, :3]
    assert ball[0] == pytest.approx([0.0, 0.8639, 0.0259], abs=2e-3)  # the net stops it
    assert ball[1, 1] < 0.73 and ball[1, 0] < 0.09  # off the post: the original's .083, .66
    assert ball[2] == pytest.approx([0.02, 0.82, 0.191], abs=2e-3)  # it lies on the roof
    assert np.abs(obs[:, 3, 4]).max() <= 0.66 and np.abs(obs[:, 3, 5] - 0.6).max() <= 0.36
    assert hand_pos[4, 2] == pytest.approx(0.207, abs=0.01)  # fingers on the roof
    assert hand_pos[5, 0] == pytest.approx(0.1247, abs=0.008)  # against the side
    assert hand_pos[6, 1] == pytest.approx(0.7706, abs=0.008)  # against the roof's edge
    assert hand_pos[7, 1] <= 0.83  # the closed fingers at the back: the original's .819
    assert obs[100, 8, 4] == pytest.approx(0.0117, abs=0.006)  # a ball between the finger edges
    assert np.abs(obs[-1, 8, 4] - obs[-21, 8, 4]) < 0.01  # stops with them, it does not roll on


def test_random_actions_keep_the_world_sane(roll, reset):
    state = reset(jax.random.split(jax.random.key(7), WORLDS))
    noise = np.random.default_rng(0).normal(size=(480, WORLDS, 4)) * 2
    noise[:, ::2] = np.repeat(noise[::20, ::2], 20, axis=0)
    _, (obs, metrics) = played(roll, state, 12, np.clip(noise, -1, 1))
    assert metrics["nonfinite"].max() == 0
    ball = obs[:, :, 4:7]
    assert np.abs(ball[..., 0]).max() < 0.67 and np.abs(ball[..., 1] - 0.6).max() < 0.37
    assert ball[..., 2].min() > -0.01 and ball[..., 2].max() < 0.5
    np.testing.assert_allclose(np.linalg.norm(obs[..., 7:11], axis=-1), 1, atol=1e-4)
    assert 0 <= metrics["progress"].min() and metrics["dense"].max() <= 10
