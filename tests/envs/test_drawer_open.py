"""Drawer-open against Meta-World's facts: layout, resets, actions, rewards, the hard stop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs.metaworld import experts, rewards
from core_jax.envs.metaworld.hand import gripper

CLOSE = [0.0, 0.0, 0.0, 1.0]
OPEN = [0.0, 0.0, 0.0, -1.0]


def with_drawer(state, slide, speed=0.0):
    """Returns the state with the drawer put somewhere (joint value, m; speed, m/s)."""
    physics = state.pipeline_state
    return state.replace(
        pipeline_state=physics.replace(
            qpos=physics.qpos.at[5].set(slide), qvel=physics.qvel.at[5].set(speed)
        )
    )


def test_sizes(paper_env):
    assert (paper_env.observation_size, paper_env.action_size) == (39, 4)
    assert paper_env.backend == "mjx"


def test_paper_reset_is_fixed(paper_env):
    a, b = (paper_env.reset(jax.random.key(k)) for k in (0, 1))
    np.testing.assert_array_equal(a.obs, b.obs)
    frame = [0.004181, 0.723113, 0.145040, 1, 0, 0.73, 0.09, 1, 0, 0, 0] + [0] * 7
    np.testing.assert_allclose(a.obs, frame + frame + [0, 0.54, 0.09], atol=1e-6)
    np.testing.assert_allclose(a.info["target"], [0, 0.54, 0.09], atol=1e-6)
    assert a.obs.dtype == jnp.float32 and a.reward == 0 and a.done == 0


def test_random_resets_are_uniform_over_the_drawer(random_env):
    obs = np.asarray(jax.vmap(random_env.reset)(jax.random.split(jax.random.key(0), 2000)).obs)
    x = obs[:, 4]
    assert x.min() >= -0.1 and x.max() <= 0.1
    assert abs(x.mean()) < 0.005 and abs(x.std() - 0.2 / np.sqrt(12)) < 0.003
    np.testing.assert_allclose(obs[:, 36], x, atol=1e-6)
    np.testing.assert_allclose(obs[:, [5, 6, 37, 38]] - [0.73, 0.09, 0.54, 0.09], 0, atol=1e-6)
    np.testing.assert_allclose(obs[:, :3] - [0.004584, 0.601388, 0.195143], 0, atol=1e-6)


def test_observation_stacks_the_previous_frame(step, reset):
    state = reset(jax.random.key(3))
    after = step(state, [1, -1, 0.5, 1])
    np.testing.assert_array_equal(after.obs[18:36], state.obs[:18])
    assert not np.array_equal(after.obs[:18], state.obs[:18])
    np.testing.assert_array_equal(after.obs[36:], state.info["target"])


def test_actions_move_the_target_by_a_centimetre_and_clip(step, reset):
    state = reset(jax.random.key(3))
    after = step(state, [0.5, -1, 7, 0])
    moved = after.pipeline_state.mocap - state.pipeline_state.mocap
    np.testing.assert_allclose(moved, [0.005, -0.01, 0.01], atol=1e-6)
    for _ in range(60):
        after = step(after, [-1, -1, -1, 0])
    np.testing.assert_allclose(after.pipeline_state.mocap, [-0.5, 0.4, 0.05], atol=1e-6)


def test_hand_follows_the_target(step, reset):
    state = start = reset(jax.random.key(3))
    for t in range(70):
        state = step(state, [1, 0, 0, -1] if t < 10 else OPEN)
    np.testing.assert_allclose(state.obs[0] - start.obs[0], 0.1, atol=0.01)
    np.testing.assert_allclose(state.obs[1:3], start.obs[1:3], atol=0.01)


def test_free_hand_follows_the_response_exactly(step, reset):
    state = reset(jax.random.key(3))
    for action in np.random.default_rng(0).uniform(-1, 1, (40, 4)):
        state = step(state, [*action[:2], abs(action[2]), -1])
    physics = state.pipeline_state
    np.testing.assert_allclose(physics.qpos[:3], physics.reference.pos, atol=2e-5)
    np.testing.assert_allclose(physics.qvel[:3], physics.reference.vel, atol=1e-3)


def test_gripper_closes_as_in_the_original(step, reset):
    state = reset(jax.random.key(3))
    openings = [float(state.obs[3])]
    for _ in range(60):
        state = step(state, CLOSE)
        openings.append(float(state.obs[3]))
    # measured in the original after 1, 6, 11 and 60 steps of closing; substeps cost a little phase
    closing = [openings[t] for t in (0, 1, 6, 11, 60)]
    np.testing.assert_allclose(closing, [1, 0.99635, 0.82236, 0.50056, 0.29668], atol=0.02)
    assert openings[60] == pytest.approx(0.29668, abs=1e-3)


@pytest.mark.parametrize(
    ("protocol", "hand", "slide", "dense"),
    [  # values of the original's own formula at these positions
        ("paper", (0.004181, 0.723113, 0.145040), 0.0, 1.218927),
        ("paper", (0.0, 0.70, 0.10), -0.05, 1.717969),
        ("paper", (0.02, 0.58, 0.08), -0.16, 5.316683),
        ("paper", (0.0, 0.54, 0.09), -0.19, 10.0),
        ("random", (0.004584, 0.601388, 0.195143), 0.0, 1.2374660),
        ("random", (0.0, 0.70, 0.10), -0.05, 5.5975906),
        ("random", (0.02, 0.58, 0.08), -0.16, 9.1621024),
    ],
)
def test_ground_truth_in_closed_form(paper_env, random_env, protocol, hand, slide, dense):
    env = {"paper": paper_env, "random": random_env}[protocol]
    frame = jnp.array([*hand, 1.0, 0.0, 0.73 + slide, 0.09] + [0.0] * 11)
    physics = paper_env.reset(jax.random.key(0)).pipeline_state
    judged = env.judge(frame, jnp.zeros(4), physics, gripper(physics.qpos))
    np.testing.assert_allclose(judged.dense, dense, atol=1e-3)
    np.testing.assert_allclose(judged.progress, min(-slide / 0.16, 1), atol=1e-5)
    assert judged.success == (slide <= -0.1601)


def test_step_reports_what_judge_says(step, reset):
    state = with_drawer(reset(jax.random.key(3)), -0.1)
    after = step(state, OPEN)
    assert after.reward == after.metrics["dense"] > 0
    np.testing.assert_allclose(after.metrics["progress"], 0.1 / 0.16, atol=0.01)
    assert after.metrics["sparse"] == after.metrics["success"] == 0
    assert step(with_drawer(state, -0.165), OPEN).metrics["success"] == 1


def test_sparse_reward_and_hidden_goal():
    env = envs.make("drawer-open", reward="sparse", goal_observable=False)
    step = jax.jit(env.step)
    state = env.reset(jax.random.key(0))
    assert not state.obs[36:].any() and state.info["target"].any()
    shut = step(state, jnp.array(OPEN))
    opened = step(with_drawer(state, -0.165), jnp.array(OPEN))
    assert (shut.reward, opened.reward) == (0, 1) and opened.metrics["dense"] > 1
    assert not opened.obs[36:].any()


@pytest.mark.parametrize(
    ("speed", "closest", "steps_of_success"),
    [(-0.02, 0.03119, 0), (-0.05, 0.02982, 7), (-0.2, 0.02894, 6)],  # measured in the original
)
def test_the_soft_stop_gives_as_in_the_original(step, reset, speed, closest, steps_of_success):
    state = with_drawer(reset(jax.random.key(3)), -0.155, speed)
    errors, successes = [], 0
    for _ in range(200):
        state = step(state, OPEN)
        errors.append(float(jnp.linalg.norm(state.obs[4:7] - state.info["target"])))
        successes += int(state.metrics["success"])
    assert min(errors) == pytest.approx(closest, abs=3e-4)
    assert abs(successes - steps_of_success) <= 1


def test_expert_succeeds_as_early_as_in_the_original(expert_run):
    success = expert_run["success"]
    assert success.max(axis=0).mean() >= 0.98
    first = success.argmax(axis=0) + 1
    assert 80 <= first.mean() <= 100  # the original: 90 on average, 93 at most
    assert success[-1].mean() >= 0.98  # and a held drawer stays open
    assert expert_run["nonfinite"].max() == 0


def test_ground_truth_along_an_expert_episode(expert_run):
    progress = expert_run["progress"]
    assert progress.min() == 0 and progress.max() == 1
    np.testing.assert_array_equal(expert_run["success"], progress >= 1)
    assert 0 <= expert_run["dense"].min() and expert_run["dense"].max() <= 10
    assert expert_run["dense"][-1].mean() > 8


def test_a_closed_drawer_needs_a_finger_behind_the_bar(step, reset):
    """Pulling from above, without coming down, opens nothing."""
    state = reset(jax.random.key(3))
    for t in range(120):
        state = step(state, [0, 1, 0, -1] if t < 14 else [0, -1, 0, -1])
    assert state.metrics["progress"] < 0.01


def centred(state):
    """Returns a random reset with its drawer moved to x = 0."""
    fixture = jnp.array([0.0, 0.9, 0.0])
    physics = state.pipeline_state
    return state.replace(pipeline_state=physics.replace(fixture=fixture))


def play(step, state, *parts):
    for count, action in parts:
        for _ in range(count):
            state = step(state, action)
    return state


def test_a_hand_that_rams_the_handle_does_not_pass_through(step, reset):
    forward = ((13, [0, 0, -1, -1]), (40, [0, 1, 0, -1]), (40, OPEN))
    state = play(step, centred(reset(jax.random.key(3))), *forward)
    # the original's hand stops at 0.722 and its drawer gives 4 mm
    assert state.obs[1] == pytest.approx(0.722, abs=0.008)
    assert state.pipeline_state.qpos[5] == pytest.approx(0.004, abs=0.003)
    state = play(step, state, (40, [0, -1, 0, -1]))
    assert state.metrics["progress"] < 0.05


def test_the_handle_catches_a_finger_sideways(step, reset):
    parts = ((13, [0, 1, 0, -1]), (30, OPEN), (13, [0, 0, -1, -1]), (30, OPEN))
    state = play(step, centred(reset(jax.random.key(3))), *parts, (40, [0.3, 0, 0, -1]), (30, OPEN))
    np.testing.assert_allclose(state.pipeline_state.mocap[0], 0.12, atol=1e-4)
    assert state.obs[0] == pytest.approx(0.030, abs=0.006)  # the original's


def test_pressing_on_the_bar_drags_it_by_friction(step, reset):
    parts = ((13, [0, 1, 0, 1]), (40, CLOSE), (15, [0, 0, -1, 1]), (30, CLOSE))
    state = play(
        step, centred(reset(jax.random.key(3))), *parts, (40, [0, -0.5, 0, 1]), (40, CLOSE)
    )
    assert state.pipeline_state.qpos[5] == pytest.approx(-0.173, abs=0.005)  # the original's


def test_a_task_without_an_expert_is_named():
    with pytest.raises(ValueError, match="drawer-open"):
        experts.expert("soccer-with-hands")


def test_shaping_functions():
    x = jnp.array([0.05, 0.1, 0.3, 0.5])
    np.testing.assert_allclose(
        rewards.tolerance(x, 0.0, 0.1, 0.4), [1, 1, 0.30769231, 0.1], atol=1e-6
    )
    np.testing.assert_allclose(
        rewards.tolerance(x, 0.0, 0.1, 0.4, "gaussian"), [1, 1, 0.56234133, 0.1], atol=1e-6
    )
    np.testing.assert_array_equal(rewards.tolerance(x, 0.0, 0.1, 0.0), [1, 1, 0, 0])
    np.testing.assert_allclose(rewards.hamacher(jnp.float32(0.3), jnp.float32(0.6)), 0.25)
    assert rewards.hamacher(jnp.float32(0), jnp.float32(0)) == 0
    with pytest.raises(ValueError, match="linear"):
        rewards.tolerance(x, 0.0, 0.1, 0.4, "linear")
