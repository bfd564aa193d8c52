"""panda-gym's tasks as environments: what they return, when they end, experts and pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs import rendering
from core_jax.envs.wrappers import TrainingWrapper


def test_the_parts_of_an_observation(pusher):
    start = pusher.start()
    obs, fields = np.asarray(start.obs), {f.name: f for f in pusher.env.spec.observation_fields}
    part = lambda name: obs[:, fields[name].start : fields[name].stop]
    np.testing.assert_allclose(part("end_effector"), [[0.0384, 0.0, 0.1974]] * 24, atol=1e-4)
    np.testing.assert_array_equal(part("goal"), start.info["target"])
    np.testing.assert_array_equal(part("cube"), start.pipeline_state.body.place)
    assert not part("end_effector_velocity").any() and not part("cube_velocity").any()
    goal = pusher.env.spec.goal_fields
    assert obs[:, slice(*goal.achieved)].tolist() == part("cube").tolist()
    assert obs[:, slice(*goal.desired)].tolist() == part("goal").tolist()


def test_success_ends_the_episode_and_progress_is_1(pusher):
    played = pusher(pusher.start(seed=1))
    np.testing.assert_array_equal(played["done"], played["success"])
    assert played["success"].any()
    np.testing.assert_array_equal(played["progress"] == 1, played["success"] == 1)
    goal, cube = played["obs"][..., 18:21], played["obs"][..., 6:9]
    apart = np.linalg.norm(goal - cube, axis=-1)
    np.testing.assert_allclose(played["dense"], -apart, atol=1e-6)
    np.testing.assert_allclose(played["reward"], played["dense"])
    near = np.abs(apart - 0.05) < 1e-6
    assert ((played["success"] == (apart < 0.05)) | near).all()
    assert not played["nonfinite"].any()


def test_experts_solve_their_tasks(reacher, pusher, slider):
    success = lambda player: player(player.start(seed=2))["success"].max(axis=1).mean()
    assert success(reacher) == 1.0
    assert success(pusher) > 0.85
    assert success(slider) > 0.35


@pytest.mark.long
@pytest.mark.parametrize(
    ("task", "least"),
    [("panda-reach-joints", 0.95), ("panda-push-joints", 0.7), ("panda-slide-joints", 0.5)],
)
def test_experts_of_joint_control_solve_their_tasks(task, least):
    from tests.envs.panda.conftest import Player

    player = Player(task)
    assert player(player.start(seed=2))["success"].max(axis=1).mean() >= least


def test_a_batch_is_a_loop(pusher):
    state = pusher.start(3, seed=4)
    actions = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (3, 50, 3)), jnp.float32)
    together = pusher(state, actions)["obs"]
    one = lambda i: jax.tree.map(lambda x: x[i : i + 1], state)
    apart = [pusher(one(i), actions[i : i + 1])["obs"][0] for i in range(3)]
    np.testing.assert_allclose(together, np.stack(apart), atol=2e-3)


def test_an_object_falls_off_the_edge(slider):
    state = slider.start(1)
    physics = state.pipeline_state
    body = physics.body.replace(
        place=jnp.array([[0.59, 0.0, 0.0144]]), velocity=jnp.array([[0.5, 0.0, 0.0]])
    )
    moved = slider(state.replace(pipeline_state=physics.replace(body=body)), 0.0)["obs"]
    assert (np.diff(moved[0, 1:, 8]) < 0).all() and moved[0, -1, 8] < -5
    assert not moved[0, :, 7].any()


def test_an_episode_is_cut_after_50_steps():
    env = TrainingWrapper(envs.make("panda-reach"))
    assert env.episode_length == 50


@pytest.mark.parametrize("task", envs.names("panda"))
def test_a_picture_shows_a_yellow_goal_and_a_green_object(task):
    env, camera = envs.make(task), envs.spec(task).camera
    shot = jnp.array(env.spec.start)
    see = lambda robot: np.asarray(
        rendering.render(env.view(shot, robot), camera, 120, 160, 1, False), int
    )
    with_robot, alone = see(True), see(False)
    r, g, b = np.moveaxis(alone, -1, 0)
    yellow = (r > 120) & (g > 100) & (b < 80)
    green = (g > 90) & (r < 60) & (b < 60)
    assert 2 <= yellow.sum() < 200
    assert (green.sum() > 4) == ("reach" not in task)
    assert (with_robot != alone).any(axis=-1).sum() > 200
