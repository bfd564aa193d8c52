"""fold-cloth: the sheet's physics, the task's numbers, its goals and its expert."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.agents import evaluation
from core_jax.envs.softgym import cloth, fold_cloth
from core_jax.envs.softgym.particles import Body

FAST = cloth.FAST


@pytest.fixture(scope="module")
def env():
    return envs.make("fold-cloth")


@pytest.fixture(scope="module")
def step(env):
    return jax.jit(jax.vmap(env.step))


@pytest.fixture(scope="module")
def start(env):
    return jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 3))


@pytest.fixture(scope="module")
def moved(step, start):
    """One move each: the expert's, none, and one across the cloth to the side."""
    stay = -cloth.SIDE / 2 / fold_cloth.REACH
    opposite = [fold_cloth.OPPOSITE] * 2
    return step(start, jnp.array([opposite, [stay, stay], [0.6, -0.9]]))


@functools.partial(jax.jit, static_argnums=2)
def frames(body, corner, count):
    return jax.lax.scan(lambda b, _: (FAST.advance(b, corner), None), body, length=count)[0]


def edges(x, spacing=FAST.spacing):
    """Stretches of edges along rows and columns of cloths [..., 3, n, n], 1 at rest."""
    rows = np.linalg.norm(np.diff(x, axis=-2), axis=-3)
    columns = np.linalg.norm(np.diff(x, axis=-1), axis=-3)
    return np.concatenate([rows.ravel(), columns.ravel()]) / spacing


def diagonals(x, spacing=FAST.spacing):
    """The same across the cells."""
    down = np.linalg.norm(x[..., 1:, 1:] - x[..., :-1, :-1], axis=-3)
    up = np.linalg.norm(x[..., 1:, :-1] - x[..., :-1, 1:], axis=-3)
    return np.concatenate([down.ravel(), up.ravel()]) / (spacing * 2**0.5)


def test_a_flat_cloth_stays_where_it_is():
    body = FAST.flat()
    still = frames(body, body.x[:, 0, 0], 10)
    np.testing.assert_allclose(still.x, body.x, atol=1e-5)
    np.testing.assert_allclose(still.v, 0.0, atol=2e-3)


def test_a_tether_keeps_the_cloth_with_its_corner():
    body = FAST.flat()
    far = body.x[:, 0, 0] + jnp.array([-0.005, 0.0, 0.0])  # away from the cloth, 0.5 m/s
    for _ in range(3):
        body = frames(body, far, 1)
        far = far + jnp.array([-0.005, 0.0, 0.0])
    np.testing.assert_allclose(body.x[:, 0, 0], far + jnp.array([0.005, 0.0, 0.0]), atol=1e-6)
    gap = np.linalg.norm(body.x - body.x[:, :1, :1], axis=0)
    rest = np.linalg.norm(FAST.flat().x - FAST.flat().x[:, :1, :1], axis=0)
    # Friction and what is mended last have the last word over a substep's 1.25 mm.
    assert (gap <= 1.03 * rest + 2e-4).all()


def test_a_floor_is_the_layer_below_or_the_ground():
    x = np.array(FAST.flat().x)
    ground = FAST.floors(jnp.asarray(x))
    np.testing.assert_allclose(ground, cloth.GROUND, atol=1e-6)
    # One half onto the other: mirrored across the middle column, 1 cm above it.
    x[0, :10], x[1, :10] = x[0, :9:-1], cloth.GROUND + 0.01
    floor = np.asarray(FAST.floors(jnp.asarray(x)))
    np.testing.assert_allclose(floor[10:], cloth.GROUND, atol=1e-6)
    np.testing.assert_allclose(floor[:8], cloth.GROUND + cloth.THICKNESS, atol=1e-6)
    np.testing.assert_allclose(floor[9], cloth.GROUND, atol=1e-6)  # next to the fold: one sheet


def test_a_crumpled_cloth_is_no_tower():
    x = np.zeros((3, 20, 20), np.float32)  # every particle above the same point, 2 m high in all
    x[1] = cloth.GROUND + 0.005 * np.arange(400).reshape(20, 20)
    floor = np.asarray(FAST.floors(jnp.asarray(x)))
    assert floor.max() == pytest.approx(cloth.GROUND + 4 * cloth.THICKNESS)


def test_what_is_held_by_two_corners_hangs_from_both():
    sheet = dataclasses.replace(FAST, held=((0, 0), (0, 19)))
    lift = jnp.array([0.0, 0.3, 0.0])[:, None]
    start = sheet.flat()
    body = start.replace(x=start.x + lift[..., None])
    corners = body.x[:, 0, np.array([0, 19])]
    for _ in range(5):
        body = sheet.advance(body, corners)
    np.testing.assert_allclose(body.x[:, 0, np.array([0, 19])], corners, atol=1e-6)
    x = np.asarray(body.x)
    np.testing.assert_allclose(x[:2], x[:2, :, ::-1], atol=1e-3)  # as far along from either
    # In free fall for 50 ms, but for what hangs near the corners.
    assert x[1, -1].mean() == pytest.approx(0.305 - 0.5 * 9.8 * 0.05**2, abs=0.003)


def test_folded_it_lies_in_two_layers(moved):
    x = np.asarray(moved.pipeline_state.body.x[0])
    i, j = np.mgrid[:20, :20]
    upper, lower = i + j < 14, i + j > 22
    # The two edges of the upper layer hang over those of the lower one.
    free = upper & (i >= 2) & (j >= 2)
    assert x[1][free].min() > cloth.GROUND + 0.5 * cloth.THICKNESS
    assert abs(np.median(x[1][free]) - cloth.GROUND - cloth.THICKNESS) < 0.001
    assert np.quantile(x[1][lower], 0.95) < cloth.GROUND + 0.001
    # Upper particles lie over their mirror images.
    mirrored = x[:, ::-1, ::-1].transpose(0, 2, 1)
    gap = np.linalg.norm((x - mirrored)[[0, 2]], axis=0)[free]
    assert np.median(gap) < 0.025


def test_it_stretches_little(moved):
    for x in np.asarray(moved.pipeline_state.body.x):
        assert np.abs(edges(x) - 1).mean() < 0.02
        assert np.quantile(edges(x), 0.99) < 1.05
    folded = np.asarray(moved.pipeline_state.body.x[0])
    assert edges(folded).max() < 1.05 and diagonals(folded).max() < 1.05


@pytest.mark.parametrize("preset", ["fast", "full"])
def test_no_edge_of_a_goal_is_stretched(preset):
    env = envs.make("fold-cloth", preset=preset)
    assert edges(env.goal, env.cloth.spacing).max() < 1.05
    assert diagonals(env.goal, env.cloth.spacing).max() < 1.05


def test_floors_give_way_to_what_is_held():
    # A corner held at the ground, in the middle of the cloth, which it is folded upon.
    x = np.array(FAST.flat().x)
    i, j = np.mgrid[:20, :20]
    mirrored = x[:, ::-1, ::-1].transpose(0, 2, 1) + np.array([0.0, 0.01, 0.0])[:, None, None]
    body = Body(jnp.asarray(np.where(i + j < 16, mirrored, x), jnp.float32), jnp.zeros_like(x))
    corner = body.x[:, 0, 0].at[1].set(cloth.GROUND)
    x = np.asarray(frames(body, corner, 10).x)
    near = np.linalg.norm(x[:, [0, 1, 1], [1, 0, 1]] - x[:, :1, 0], axis=0)
    assert (near < 1.05 * FAST.spacing * np.array([1.0, 1.0, 2**0.5])).all()
    assert np.median(x[1][(i + j < 12) & (i + j > 5)]) > cloth.GROUND + 0.9 * cloth.THICKNESS


@pytest.mark.long
def test_the_full_cloth_folds_into_its_goal():
    env = envs.make("fold-cloth", preset="full")
    start = env.place(jax.random.key(0))
    move = jax.jit(lambda p: env.advance(p, fold_cloth.expert(env.observe(p))))
    x = np.asarray(move(start).body.x)
    assert edges(x, env.cloth.spacing).max() < 1.05
    assert diagonals(x, env.cloth.spacing).max() < 1.05
    assert np.linalg.norm(x - env.goal, axis=0).mean() < 0.003


def test_reward_success_and_progress(env, start, moved):
    goal = env.goal
    x = np.asarray(moved.pipeline_state.body.x)
    distance = np.linalg.norm(x - goal, axis=1).mean((1, 2))
    np.testing.assert_allclose(moved.reward, -10 * distance, atol=1e-4)
    first = np.linalg.norm(np.asarray(FAST.flat().x) - goal, axis=0).mean()
    done = 1 - distance / first
    np.testing.assert_allclose(moved.metrics["progress"], np.clip(done, 0, 1), atol=1e-4)
    np.testing.assert_array_equal(moved.metrics["success"], done > 0.9)
    np.testing.assert_allclose(start.metrics["progress"], 0.0, atol=1e-6)
    # The expert makes the goal; not moving, or folding elsewhere, is far from it.
    assert moved.metrics["success"][0] == 1 and moved.reward[0] > -0.08
    assert (np.asarray(moved.reward[1:]) < -0.3).all()


def test_the_recorded_goals_have_the_shape_of_the_original():
    for preset in ("fast", "full"):
        goal = envs.make("fold-cloth", preset=preset).goal
        for axis in (0, 2):  # of the original's: -0.113 to 0.131
            assert goal[axis].min() == pytest.approx(-0.113, abs=0.005)
            assert goal[axis].max() == pytest.approx(0.131, abs=0.005)
        assert 0.0049 < goal[1].min() and goal[1].max() < 0.028  # 0.005 to 0.0214


def test_spaces_are_rl_vlm_fs(env, start, moved):
    assert (env.observation_size, env.action_size, env.spec.horizon) == (111, 2, 3)
    assert envs.make("fold-cloth", moves=1).spec.horizon == 1
    full = envs.make("fold-cloth", preset="full")
    assert full.place(jax.random.key(0)).body.x.shape == (3, 40, 40)
    x = np.asarray(moved.pipeline_state.body.x[2])
    np.testing.assert_allclose(moved.obs[2, 3:6], x[:, 0, 4], atol=1e-6)
    np.testing.assert_allclose(moved.obs[2, 105:108], x[:, 19, 19], atol=1e-6)
    np.testing.assert_allclose(moved.obs[2, 108:], [0.09, cloth.GROUND, -0.135], atol=1e-5)


def test_a_rewards_author_is_told_where_the_points_are(env, start):
    points, picker = env.spec.formal_fields
    assert (points.start, points.stop, picker.start, picker.stop) == (0, 108, 108, 111)
    obs = np.asarray(start.obs).reshape(-1, 111)[0]
    for (i, j), place in {
        (0, 0): [-0.122, -0.122],
        (5, 2): [0.122, -0.0192],
        (5, 5): [0.122] * 2,
    }.items():
        at = 18 * i + 3 * j  # as the field says
        assert "18 * i + 3 * j" in points.description
        np.testing.assert_allclose(obs[[at, at + 2]], place, atol=1e-3)
    assert "has 3 steps" in env.spec.action_description
    assert "has 1 steps" not in envs.make("fold-cloth", moves=1).spec.action_description


def test_the_world_ends_after_the_last_move(env):
    once = envs.make("fold-cloth", moves=1)
    act = lambda obs, key: jax.vmap(fold_cloth.expert)(obs)
    play = jax.jit(lambda key: evaluation.rollout(once.reset, once.step, act, key, 1, 1))
    got, _ = play(jax.random.key(0))
    assert got.success[0] == 1 and -0.08 < got.episode_return[0] < 0.0
    thrice = env.ended(fold_cloth.Folding(FAST.flat(), jnp.int32(2)))
    assert thrice == 0 and env.ended(fold_cloth.Folding(FAST.flat(), jnp.int32(3))) == 1


def test_a_picture_is_a_float16_snapshot(env, start):
    snapshot = env.snapshot(jax.tree.map(lambda a: a[0], start.pipeline_state))
    assert snapshot.shape == (1200,) and snapshot.dtype == jnp.float16
    np.testing.assert_allclose(snapshot, env.spec.start, atol=1e-4)
    assert len(env.spec.goal) == 1200
    assert len(env.view(snapshot).kinds) == len(env.view(snapshot, gripper=False).kinds) + 1


@pytest.mark.long
def test_random_moves_end_in_a_whole_cloth(env):
    state = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 8))

    # Tests compile code that is not optimised, which is slow over 10,000 frames.
    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 3})
    def play(state, key):
        def body(state, key):
            state = state.replace(done=jnp.zeros(8))
            action = jax.random.uniform(key, (8, 2), minval=-1.0)
            state = jax.vmap(env.step)(state, action)
            return state, (state.pipeline_state.body.x, state.metrics["nonfinite"])

        return jax.lax.scan(body, state, jax.random.split(key, 14))[1]  # 10,000 frames of 8 worlds

    x, nonfinite = play(state, jax.random.key(1))
    assert np.isfinite(x).all() and not np.asarray(nonfinite).any()
    x = np.asarray(x)
    assert x[:, :, 1].max() < 0.2
    assert edges(x).max() < 1.3 and np.mean(edges(x) > 1.05) < 0.01
