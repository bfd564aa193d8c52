"""Button-press-topdown against Meta-World's facts: starts, rewards, the rim's force, walls."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playing import player

from core_jax import envs
from core_jax.envs.metaworld.hand import Gripper, gripper

TASK = "button-press-topdown"
HOLD = [0.0, 0.0, 0.0, 1.0]


@pytest.fixture(scope="module")
def random_env():
    return envs.make(TASK, protocol="random")


@pytest.fixture(scope="module")
def paper_env():
    return envs.make(TASK)


@pytest.fixture(scope="module")
def step(random_env):
    jitted = jax.jit(random_env.step)
    return lambda state, action: jitted(state, jnp.asarray(action, jnp.float32))


@pytest.fixture(scope="module")
def play(random_env):
    return player(random_env)


@pytest.fixture
def start(paper_env):
    return paper_env.reset(jax.random.key(0))


def go(step, state, *parts):
    for count, action in parts:
        for _ in range(count):
            state = step(state, action)
    return state


def slide(state):
    return float(state.pipeline_state.qpos[5])


def test_paper_reset_is_fixed(paper_env, start):
    frame = [0.004409, 0.651311, 0.295565, 1, 0, 0.8, 0.3084615, 0.707388, -0.706825, 0, 0]
    np.testing.assert_allclose(start.obs[:11], frame, atol=1e-5)
    np.testing.assert_allclose(start.info["target"], [0, 0.79992, 0.215], atol=1e-5)
    np.testing.assert_array_equal(start.obs, paper_env.reset(jax.random.key(1)).obs)
    assert start.metrics["progress"] < 1e-5 and start.metrics["success"] == 0


def test_random_resets_are_uniform_over_the_box(random_env):
    state = jax.jit(jax.vmap(random_env.reset))(jax.random.split(jax.random.key(0), 2000))
    xy = np.asarray(state.obs[:, 4:6])
    assert np.all(xy.min(axis=0) >= [-0.1, 0.8]) and np.all(xy.max(axis=0) <= [0.1, 0.9])
    np.testing.assert_allclose(xy.mean(axis=0), [0, 0.85], atol=0.005)
    np.testing.assert_allclose(xy.std(axis=0), np.array([0.2, 0.1]) / np.sqrt(12), atol=0.003)
    assert abs(np.corrcoef(xy.T)[0, 1]) < 0.07
    np.testing.assert_allclose(state.obs[:, 36:38] - xy, [[0, -8e-5]] * 2000, atol=1e-6)
    np.testing.assert_allclose(state.metrics["progress"], 0, atol=1e-5)


@pytest.mark.parametrize(
    ("tcp", "opening", "z", "dense", "success"),
    [  # values of the original's own formula at these positions
        ((0.0, 0.8, 0.25), 1.0, 0.3084615, 0.0, 0),
        ((0.0, 0.8, 0.31), 0.3, 0.3084615, 4.052110, 0),
        ((0.0, 0.75, 0.30), 0.5, 0.28, 1.815783, 0),
        ((0.0, 0.8, 0.24), 0.2966, 0.239, 7.162258, 1),
        ((0.0, 0.8, 0.21), 0.2966, 0.2195, 8.517, 1),
    ],
)
def test_ground_truth_in_closed_form(paper_env, start, tcp, opening, z, dense, success):
    frame = jnp.zeros(18).at[3:7].set(jnp.array([opening, 0.0, 0.8, z]))
    points = Gripper(jnp.array(tcp), jnp.zeros(3), jnp.zeros(3))
    judged = paper_env.judge(frame, jnp.zeros(4), start.pipeline_state, points)
    np.testing.assert_allclose(judged.dense, dense, atol=1e-3)
    assert judged.success == success
    np.testing.assert_allclose(
        judged.progress, np.clip((0.3084615 - z) / (0.0934615 - 0.024), 0, 1), atol=1e-4
    )


def test_the_spring_brings_the_button_back(step, start):
    physics = start.pipeline_state
    state = start.replace(pipeline_state=physics.replace(qpos=physics.qpos.at[5].set(-0.05)))
    state = go(step, state, (40, HOLD))
    assert slide(state) == pytest.approx(0.00046, abs=2e-4)


# Where the hand's target has to be for what, measured in the original: it presses with 70 N at
# success and slips through the rim at 137 N.
def test_success_takes_force_and_the_rim_gives_way(step, start):
    over = ((20, [0, 0, 0.5, 1]), (60, [0, 0.25, 0, 1]), (60, HOLD))
    state = go(step, start, *over)
    found = []
    for height in (0.30, 0.285, 0.265, 0.25, 0.15):
        for _ in range(70):
            dz = (height - float(state.pipeline_state.mocap[2])) * 100
            state = step(state, [0, 0, np.clip(dz, -1, 1), 1])
        found.append((float(state.obs[6]), float(state.metrics["success"])))
    tops, successes = np.array(found).T
    np.testing.assert_array_equal(successes, [0, 0, 1, 1, 1])
    np.testing.assert_allclose(tops[[0, 1, 3]], [0.2491, 0.2395, 0.2248], atol=1e-3)
    assert 0.2155 < tops[4] < 0.2245  # the original: .2195
    state = go(step, state, (150, [0, 0, 1, 1]))
    assert slide(state) > 0 and state.metrics["success"] == 0


@pytest.mark.parametrize(
    ("parts", "axis", "at"),
    [  # where the hand ends, measured in the original
        (((30, [0.35, 0, 0.3, 1]), (15, [0, 1, 0, 1]), (40, HOLD), (60, [0, 0, -1, 1])), 2, 0.249),
        (((30, [0, -0.2, 0, 1]), (30, [0, 0, -0.8, 1]), (20, HOLD), (60, [0, 1, 0, 1])), 1, 0.6505),
        (((15, [0, -0.2, 0, 1]), (20, HOLD), (60, [0, 0.5, 0, 1])), 1, 0.7627),
    ],
    ids=["down on the box", "into the box's front", "into the cap's side"],
)
def test_walls_keep_the_hand_out(step, start, parts, axis, at):
    state = go(step, start, *parts, (60, HOLD))
    assert abs(float(state.pipeline_state.mocap[axis]) - at) > 0.1  # it does push
    assert state.obs[axis] == pytest.approx(at, abs=0.025)
    assert state.metrics["success"] == 0 and state.metrics["progress"] < 0.2


@pytest.mark.parametrize("x", [0.1, 0.16])
def test_nothing_presses_the_button_from_beside_the_box(step, start, x):
    """Down beside the cap or the box, then towards the axis with a kilonewton."""
    aside = ((30, [x / 0.3, 0, 0, 1]), (30, [0, 0.5, 0, 1]), (60, [0, 0, -1, 1]))
    state = go(step, start, *aside, (30, [-0.5, 0, 0, 1]), (40, HOLD))
    assert state.pipeline_state.mocap[0] < 0.02 and state.obs[0] > 0.03
    assert state.metrics["success"] == 0 and state.metrics["progress"] < 0.4


def test_expert_succeeds_as_early_as_in_the_original(play):
    played = play(7, 1.0)
    success = played["success"]
    assert success.max(axis=0).mean() >= 0.95
    first = success.argmax(axis=0) + 1
    assert 58 <= first.mean() <= 76  # the original: 67 on average
    assert success[150].mean() >= 0.95 and played["dense"][150].mean() > 7.5
    assert played["dense"].max() <= 10 and played["nonfinite"].max() == 0
    rising = played["progress"][: int(first.min())]
    assert rising[0].max() < 1e-3 and np.diff(rising, axis=0).min() > -0.05


def test_random_actions_leave_everything_in_place(play):
    played = play(8, 0.0)
    assert played["nonfinite"].max() == 0 and np.isfinite(played["obs"]).all()
    depth = played["qpos"][..., 5]
    assert depth.max() < 0.01 and depth.min() > -0.1
    assert np.all(np.abs(played["qpos"][..., :3]) < [0.6, 1.1, 0.7])
    hand, button = played["obs"][..., :3], played["obs"][..., 4:7]
    inside = (np.abs(hand - button)[..., :2] < 0.1).all(axis=-1)
    assert hand[inside, 2].min(initial=1.0) > 0.22


def test_hand_points_are_where_the_reward_measures(start):
    points = gripper(start.pipeline_state.qpos)
    np.testing.assert_allclose(points.tcp, [0.004149, 0.651396, 0.250604], atol=1e-3)
