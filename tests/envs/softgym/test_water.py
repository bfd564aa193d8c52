"""pass-water: the fluid's invariants, the glass's walls, the task's numbers and its expert."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs.softgym import pairs, pass_water
from core_jax.envs.softgym.particles import Body
from core_jax.envs.softgym.pass_water import FAST, HEIGHT, LEVEL, TARGET, WALL, Pouring


@pytest.fixture(scope="module")
def env():
    return envs.make("pass-water")


@pytest.fixture(scope="module")
def start(env):
    return jax.jit(env.reset)(jax.random.key(0))


@pytest.fixture(scope="module")
def pour(env):
    """(start [..], speeds [K] m/s, frames) -> the worlds at the end, from rest at x = 0."""

    @jax.jit
    def run(physics, speeds, frames):
        def frame(_, p):
            return env.pour(p, jnp.minimum(p.glass + 0.01 * speeds_of, TARGET))

        speeds_of = speeds
        return jax.lax.fori_loop(0, frames, frame, physics)

    return lambda physics, speed, frames: run(physics, jnp.float32(speed), frames)


WATER = FAST.fluid


def cloud(n=60, seed=0):
    side = 2.5 * WATER.spacing
    x = np.random.default_rng(seed).uniform(-side, side, (3, n))
    return jnp.asarray(x, jnp.float32)


def test_a_lattice_has_density_one():
    u = np.arange(-3, 4) * WATER.spacing
    x = jnp.asarray(np.stack(np.meshgrid(u, u, u)).reshape(3, -1), jnp.float32)
    middle = np.abs(x).max(0) < 1.5 * WATER.spacing
    np.testing.assert_allclose(WATER.densities(x)[middle], 1.0, rtol=1e-5)


def test_corrections_and_viscosity_keep_momentum():
    x = cloud()
    moves = WATER._correction(x)
    assert np.abs(moves).max() > 1e-4
    np.testing.assert_allclose(moves.sum(1), 0.0, atol=1e-5)
    v = jnp.asarray(np.random.default_rng(1).normal(size=x.shape), jnp.float32)
    mixed, _ = WATER._mix(x, v)
    np.testing.assert_allclose(mixed.sum(1), v.sum(1), atol=1e-3)
    assert (mixed**2).sum() < (v**2).sum()


def test_the_swirl_is_the_sum_over_all_pairs():
    """Equations 15 and 16, written out."""
    x = cloud(n=80)
    v = jnp.asarray(np.random.default_rng(2).normal(size=x.shape), jnp.float32)
    far = jnp.array([[3.0], [0.0], [-2.0]])  # m; the sums must not lose digits away from 0
    _, push = jax.jit(WATER._mix)(x + far, v)
    x, v = np.float64(x), np.float64(v)
    d, dv = x[:, :, None] - x[:, None], v[:, :, None] - v[:, None]
    near = np.maximum(1.0 - (d**2).sum(0) / WATER.reach**2, 0.0)
    slope = -6.0 / WATER.reach**2 / WATER.rest_density * near**2 * d
    curl = np.cross(dv, slope, axis=0).sum(1)
    strength = np.linalg.norm(curl, axis=0)
    to = -(slope * strength[:, None]).sum(1)
    to /= np.sqrt((to**2).sum(0) + 1e-6)
    expected = WATER.vorticity * np.cross(to, curl, axis=0)
    np.testing.assert_allclose(push, expected, atol=2e-3 * np.abs(expected).max())


def test_worlds_together_are_worlds_alone(env):
    state = jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(3), 3))
    action = jnp.array([[0.9], [-0.5], [0.3]])
    together = jax.jit(jax.vmap(env.step))(state, action)
    one = jax.tree.map(lambda x: x[1], state)
    alone = jax.jit(env.step)(one, action[1])
    np.testing.assert_allclose(together.obs[1], alone.obs, atol=1e-4)
    np.testing.assert_allclose(
        together.pipeline_state.body.x[1], alone.pipeline_state.body.x, atol=1e-3
    )


def test_what_is_too_dense_thins():
    x = cloud(n=200)
    before = WATER.densities(x)
    assert before.mean() > 1.2
    after = WATER.densities(x + 0.5 * WATER._correction(x))
    assert after.mean() < before.mean()


def test_swirl_pushes_along_an_eddy():
    x = cloud(n=120)
    v = jnp.stack([-x[1], x[0], 0 * x[0]])  # turns about z
    _, push = WATER._mix(x, v)
    turning = jnp.mean(x[0] * push[1] - x[1] * push[0])
    assert turning > 0.0


def test_walls_push_out_the_shortest_way():
    inner = jnp.array([0.21, 0.21])
    gap = 0.01
    half = 0.105
    x = jnp.array(
        [
            [0.0, 0.1, 0.0],  # inside, free
            [half + 0.01, 0.1, 0.0],  # a little in the right wall: back in
            [half + WALL - 0.01, 0.1, 0.0],  # nearly through: out
            [0.0, HEIGHT + 0.005, half + 0.02],  # on a wall's rim: up
            [0.0, -0.02, 0.0],  # in the floor: up
            [0.5, -0.06, 0.0],  # in the ground outside: up
        ]
    ).T
    glass = jnp.float32(0.3)
    moved = pass_water.out_of_walls(x.at[0].add(glass), glass, inner, gap).at[0].add(-glass)
    expected = np.array(x)
    expected[0, 1], expected[0, 2] = half - gap, half + WALL + gap
    expected[1, 3], expected[1, 4], expected[1, 5] = HEIGHT + gap, gap, gap - WALL
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_water_at_rest_keeps_its_volume_and_stays(env, pour):
    x = env.starts
    assert x.shape == (3, 3, 3, FAST.count)
    area = np.outer(pass_water.INNER, pass_water.INNER)
    volume = 2 * x[:, :, 1].mean(-1) * area
    np.testing.assert_allclose(volume, LEVEL * 0.21**2, rtol=0.06)
    still = Pouring(
        Body(jnp.asarray(x[1, 1]), jnp.zeros_like(x[1, 1])), jnp.zeros(()), jnp.array([0.21, 0.21])
    )
    after = pour(still, 0.0, 40)
    assert pass_water.inside(after) == 1.0
    level = 2 * after.body.x[1].mean()
    np.testing.assert_allclose(level, LEVEL, rtol=0.05)


def test_slow_keeps_and_fast_spills(start, pour):
    slow = pour(start.pipeline_state, 0.2, 60)
    fast = pour(start.pipeline_state, 1.1, 130)
    assert pass_water.inside(slow) > 0.98
    assert pass_water.inside(fast) < 0.97
    assert float(fast.glass) == pytest.approx(TARGET)


def test_spaces_are_rl_vlm_fs(env, start):
    assert (env.observation_size, env.action_size, env.spec.horizon) == (7, 1, 75)
    assert start.obs.shape == (7,) and start.info["target"].shape == (1,)
    after = jax.jit(env.step)(start, jnp.array([0.5]))
    assert float(after.obs[0]) == pytest.approx(0.044, abs=1e-6)
    kept = float(after.obs[5])
    assert kept + float(after.obs[6]) == pytest.approx(1.0)
    assert float(after.reward) == pytest.approx(-10 * (1 - kept) - (TARGET - 0.044), abs=1e-4)
    stops = [0] + [f.stop for f in env.spec.observation_fields]
    assert stops == list(range(8))


def test_a_snapshot_moves_with_the_glass(env, start):
    physics = start.pipeline_state
    moved = physics.replace(
        glass=jnp.float32(0.5), body=Body(physics.body.x.at[0].add(0.5), physics.body.v)
    )
    a, b = (np.asarray(env.snapshot(p), np.float32) for p in (physics, moved))
    np.testing.assert_allclose(a[1:], b[1:], atol=1e-3)
    assert b[0] == 0.5 and len(env.spec.goal) == len(a)


def test_the_full_preset_starts_at_rest():
    env = envs.make("pass-water", preset="full")
    count = pass_water.FULL.count
    assert env.starts.shape == (3, 3, 3, count) and 3_100 <= count <= 4_200  # the original's
    level = 2 * env.starts[:, :, 1].mean(-1) * np.outer(pass_water.INNER, pass_water.INNER)
    np.testing.assert_allclose(level, LEVEL * 0.21**2, rtol=0.05)
    fluid, start = env.fluid, env.place(jax.random.key(0))
    near = pairs.Cells(fluid.reach, *fluid.cells).sort(start.body.x)
    assert int(near.missed) == 0
    after = jax.jit(env.pour)(start, jnp.zeros(()))
    moved = jnp.linalg.norm(after.body.x - start.body.x, axis=0)
    assert float(jnp.median(moved)) < 0.1 * fluid.spacing and pass_water.inside(after) == 1.0
    assert env.snapshot(start).shape == (3 + 3 * 500,) == np.shape(env.spec.start)


@pytest.mark.long
@pytest.mark.parametrize("preset", ["fast", "full"])
def test_the_faster_the_more_is_spilled(preset):
    env = envs.make("pass-water", preset=preset)
    i = jnp.full(5, 1)  # of the middle size
    x = jnp.asarray(env.starts)[i, i]
    inner = jnp.full((5, 2), pass_water.INNER[1])
    still = Pouring(Body(x, jnp.zeros_like(x)), jnp.zeros(5), inner)
    speeds = jnp.array([0.2, 0.4, 0.6, 0.8, 1.1])

    # Tests compile code that is not optimised; here it would run for the better part of an hour.
    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 3})
    def run(physics):
        def frame(_, p):
            return jax.vmap(env.pour)(p, jnp.minimum(p.glass + 0.01 * speeds, TARGET))

        return jax.lax.fori_loop(0, 700, frame, physics)

    kept = np.asarray(jax.vmap(pass_water.inside)(run(still)))
    assert (np.diff(kept) <= 0.004).all(), kept  # a drop of 250 more or less
    assert kept[0] > 0.98 and kept[-1] < kept[0] - 0.05, kept


@pytest.mark.long
def test_ten_thousand_frames_of_random_actions(env, start):
    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 3})
    def play(state, key):
        def body(state, key):
            state = env.step(state, jax.random.uniform(key, (1,), minval=-1.0))
            rest = state.replace(done=jnp.zeros(()))
            return rest, (state.pipeline_state.body.x, state.metrics["nonfinite"])

        return jax.lax.scan(body, state, jax.random.split(key, 1250))[1]

    x, nonfinite = (np.asarray(a) for a in play(start, jax.random.key(1)))
    assert np.isfinite(x).all() and not nonfinite.any()
    assert x[:, 1].min() > -WALL and x[:, 1].max() < 2.0
