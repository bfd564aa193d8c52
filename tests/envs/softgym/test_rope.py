"""flatten-rope: the chain's physics, the task's numbers, its starts and its expert."""

import functools
import importlib
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs.softgym import flatten_rope, particles, rope
from core_jax.envs.softgym.particles import Body, Spring
from core_jax.envs.wrappers import TrainingWrapper

N = 16


@pytest.fixture(scope="module")
def env():
    return envs.make("flatten-rope")


@pytest.fixture(scope="module")
def start(env):
    return jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(0), N))


@pytest.fixture(scope="module")
def play(env):
    """(states, seed, share) -> states and rows of 40 steps: the expert's actions, mixed with a
    share of random ones."""

    @jax.jit
    def run(state, keys, share):
        def body(state, key):
            noise = jax.random.uniform(key, (N, 8), minval=-1.0)
            action = (1.0 - share) * jax.vmap(flatten_rope.expert)(state.obs) + share * noise
            state = jax.vmap(env.step)(state, action)
            row = dict(
                action=action,
                obs=state.obs,
                reward=state.reward,
                x=state.pipeline_state.body.x,
                v=state.pipeline_state.body.v,
                **state.metrics,
            )
            return state, row

        return jax.lax.scan(body, state, keys)

    return lambda state, seed, share, steps=40: run(
        state, jax.random.split(jax.random.key(seed), steps), jnp.float32(share)
    )


@pytest.fixture(scope="module")
def expert_rows(play, start):
    return jax.tree.map(np.asarray, play(start, 1, 0.0)[1])


@pytest.fixture(scope="module")
def random_rows(play, start):
    return jax.tree.map(np.asarray, play(start, 1, 1.0)[1])


@functools.partial(jax.jit, static_argnums=2)
def frames(body, w, count):
    goal = body.x
    return jax.lax.scan(lambda b, _: (rope.advance(b, w, goal), None), body, length=count)[0]


def test_shift_reads_the_neighbour_and_zeros_beyond_the_edge():
    x = jnp.arange(1.0, 13.0).reshape(1, 3, 4)
    np.testing.assert_array_equal(
        particles.shift(x, (1, -2))[0], [[0, 0, 5, 6], [0, 0, 9, 10], [0, 0, 0, 0]]
    )


def test_tridiagonal_solves_what_numpy_solves():
    rng = np.random.default_rng(0)
    below, above = rng.uniform(-1, 1, (2, 40))
    below[0] = above[-1] = 0.0
    middle, right = rng.uniform(2.5, 4, 40), rng.normal(size=40)
    dense = np.diag(middle) + np.diag(below[1:], -1) + np.diag(above[:-1], 1)
    got = particles.tridiagonal(
        *(jnp.asarray(a, jnp.float32) for a in (below, middle, above, right))
    )
    np.testing.assert_allclose(got, np.linalg.solve(dense, right), atol=1e-5)


def test_a_chain_gets_its_length_and_keeps_its_momentum():
    rng = np.random.default_rng(1)
    x = np.cumsum(np.eye(3)[:, :1] * rope.LINK + rng.normal(0, 0.001, (3, 41)), axis=1)
    w = jnp.asarray(rng.uniform(1.0, 3.0, 41), jnp.float32)
    moved = jnp.asarray(x, jnp.float32)
    for _ in range(4):  # it is a Newton step
        moved = particles.chain(moved, w, rope.LINK, 1e-4)
    lengths = np.linalg.norm(np.diff(moved, axis=1), axis=0)
    np.testing.assert_allclose(lengths, rope.LINK, rtol=2e-3)
    mass = 1.0 / np.asarray(w)
    np.testing.assert_allclose((mass * (moved - x)).sum(1), 0.0, atol=1e-5)


def test_a_spring_moves_both_ends_by_their_inverse_masses():
    x = jnp.array([[0.0, 3.0], [0.0, 0.0], [0.0, 0.0]])
    w = jnp.array([1.0, 3.0])
    sweep = particles.pull((Spring((1,), 1.0, 0.5),), w, 1.0)
    np.testing.assert_allclose(sweep(x)[0], [0.25, 2.25], rtol=1e-5)
    held = particles.pull((Spring((1,), 1.0, 1.0),), jnp.array([0.0, 3.0]), 1.0)
    np.testing.assert_allclose(held(x)[0], [0.0, 1.0], atol=1e-5)  # a root's 5e-6


def test_a_sweep_over_a_sheet_is_its_springs_one_by_one():
    rng = np.random.default_rng(0)
    springs = (Spring((0, 1), 0.9, 0.8), Spring((1, -1), 1.3, 0.9), Spring((2, 0), 2.1, 1.0))
    x, w = rng.normal(size=(3, 4, 6)), rng.uniform(0.5, 2.0, (4, 6))
    w[1, 2] = 0.0
    moved, count = np.zeros_like(x), np.zeros((4, 6))
    for s in springs:
        for i, j in np.ndindex(4, 6):
            k, m = i + s.offset[0], j + s.offset[1]
            if not (0 <= k < 4 and 0 <= m < 6):
                continue
            d = x[:, k, m] - x[:, i, j]
            d *= s.stiffness * (1.0 - s.length / np.linalg.norm(d)) / (w[i, j] + w[k, m])
            moved[:, i, j] += w[i, j] * d
            moved[:, k, m] -= w[k, m] * d
            count[i, j], count[k, m] = count[i, j] + 1, count[k, m] + 1
    rows = particles.Rows((4, 6))
    sweep = particles.pull(springs, jnp.asarray(w, jnp.float32), 1.4)
    found = rows.lift(sweep(rows.lay(jnp.asarray(x, jnp.float32))))
    np.testing.assert_allclose(found, x + 1.4 * moved / np.maximum(count, 1), atol=1e-4)
    np.testing.assert_array_equal(rows.lift(rows.lay(x)), x)


def test_particles_that_touch_part_and_others_stay():
    x = jnp.array([[0.0, 0.01, 0.5], [0.0] * 3, [0.0] * 3])
    apart = 1.0 - jnp.eye(3)
    moved = particles.separate(x, jnp.array([1.0, 1.0, 1.0]), apart, 0.03)
    np.testing.assert_allclose(moved[0], [-0.01, 0.02, 0.5], atol=1e-6)
    np.testing.assert_array_equal(particles.separate(x, jnp.ones(3), 0.0 * apart, 0.03), x)


def test_a_sliding_rope_is_stopped_by_coulombs_law():
    x = jnp.asarray(rope.straight_points())
    v = jnp.zeros_like(x).at[2].set(0.5)
    w = jnp.full(41, rope.INVERSE_MASS)
    # 0.5 m/s under a coefficient of 1: at rest after 0.051 s, 12.8 mm on.
    moved = frames(Body(x, v), w, 12)
    assert np.abs(moved.v).max() < 1e-3
    np.testing.assert_allclose(moved.x[2], 0.5**2 / (2 * 9.8), atol=2e-3)
    np.testing.assert_allclose(moved.x[1], rope.GROUND, atol=1e-5)


def test_a_rope_at_rest_stays_at_rest():
    x = jnp.asarray(rope.straight_points())
    moved = frames(Body(x, jnp.zeros_like(x)), jnp.full(41, rope.INVERSE_MASS), 12)
    np.testing.assert_allclose(moved.x, x, atol=1e-4)


def published(x):
    """What is known of SoftGym's own thousand starts, of ropes [N, 3, 41]."""
    ends = np.linalg.norm(x[:, :, 0] - x[:, :, -1], axis=1)
    assert ends.mean() == pytest.approx(0.236, rel=0.15)
    assert np.quantile(ends, 0.95) == pytest.approx(0.445, rel=0.15)
    assert ends.min() < 0.05 and ends.max() == pytest.approx(0.540, rel=0.05)
    assert 0.01 < np.mean(ends >= flatten_rope.SUCCESS) < 0.08  # 0.029
    assert 0.02 < np.mean(x[:, 1].max(1) > 0.1) < 0.09  # 0.048: they are falling
    assert np.median(x[:, 1]) == pytest.approx(0.001, abs=1e-4)


def test_starts_have_the_published_statistics():
    x = flatten_rope.starts().x.astype(np.float32)
    assert len(x) == 1000
    published(x)
    arc = np.linalg.norm(np.diff(x, axis=2), axis=1).sum(1)
    np.testing.assert_allclose(arc, 40 * rope.LINK, rtol=0.02)
    # No strand went through another: particles that are not neighbours keep their distance.
    gaps = np.linalg.norm(x[:, :, :, None] - x[:, :, None], axis=1) + 10 * (1 - rope._APART)
    assert np.quantile(gaps.min((1, 2)), 0.05) > 0.85 * rope.RADIUS


@pytest.mark.long
def test_other_starts_have_the_published_statistics():
    sys.path.insert(0, str(Path(__file__).parents[3] / "scripts" / "tools"))
    record = importlib.import_module("record_ropes")
    # Tests compile code that is not optimised; here it would run for a quarter of an hour.
    options = {"xla_backend_optimization_level": 3}
    make = jax.jit(jax.vmap(record.tangle), compiler_options=options)
    x, v = (np.asarray(a) for a in make(jax.random.split(jax.random.key(7), 1000)))
    print(record.describe(x, v))
    published(x)
    assert np.isfinite(v).all()


def test_a_start_goes_on_falling():
    starts = flatten_rope.starts()
    highest = int(starts.x[:, 1].max(1).argmax())
    body = jax.tree.map(lambda a: jnp.asarray(a[highest], jnp.float32), starts)
    assert body.x[1].max() > 0.1
    after = frames(body, jnp.full(41, rope.INVERSE_MASS), 12)
    assert after.x[1].mean() < body.x[1].mean() - 0.02
    assert 0.02 < np.mean(np.abs(starts.v).max((1, 2)) > 0.05) < 0.2


def test_spaces_are_rl_vlm_fs(env, start):
    assert (env.observation_size, env.action_size, env.spec.horizon) == (36, 8, 40)
    assert start.obs.shape == (N, 36) and start.info["target"].shape == (N, 1)
    x = np.asarray(start.pipeline_state.body.x)
    np.testing.assert_allclose(start.obs[:, 3:6], x[:, :, 4], atol=1e-6)
    np.testing.assert_allclose(start.obs[:, 33:], x[:, :, 40], atol=1e-6)
    for fields in (env.spec.observation_fields, env.spec.formal_fields):
        stops = [0] + [f.stop for f in fields]
        assert [f.start for f in fields] == stops[:-1] and stops[-1] == 36


def test_reward_success_and_progress(start, expert_rows):
    x = expert_rows["x"]
    apart = np.linalg.norm(x[..., 0] - x[..., -1], axis=-1)
    np.testing.assert_allclose(expert_rows["reward"], np.minimum(apart, 0.55), atol=1e-6)
    np.testing.assert_array_equal(expert_rows["success"], apart >= 0.475)
    began = np.asarray(start.pipeline_state.began)
    progress = np.where(apart >= 0.475, 1.0, np.clip((apart - began) / (0.475 - began), 0, 1))
    np.testing.assert_allclose(expert_rows["progress"], progress, atol=1e-4)
    np.testing.assert_array_equal(start.metrics["progress"], began >= 0.475)


def test_the_expert_straightens_the_rope(expert_rows):
    assert expert_rows["success"][-1].all()
    assert expert_rows["reward"].sum(0).mean() > 20.6  # CoRe's own figure
    x = expert_rows["x"][-1]
    links = np.linalg.norm(np.diff(x, axis=2), axis=1)
    np.testing.assert_allclose(links, 0.55 / 40, rtol=0.05)


def test_random_actions_leave_the_rope_whole(random_rows):
    assert np.isfinite(random_rows["x"]).all() and not random_rows["nonfinite"].any()
    links = np.linalg.norm(np.diff(random_rows["x"], axis=3), axis=2) / rope.LINK
    apart = np.linalg.norm(random_rows["x"][..., 0] - random_rows["x"][..., -1], axis=-1)
    slack = links[apart < 0.5]
    assert np.median(slack.max(-1)) < 1.05 and np.quantile(slack, 0.99) < 1.1
    assert (random_rows["x"][:, :, 1] > -1e-4).all()
    assert np.abs(random_rows["x"][..., [0, -1]][:, :, [0, 2]]).max() <= 0.3251


def test_pickers_hold_the_ends_and_move_as_told(env, start):
    state = jax.tree.map(lambda a: a[0], start)
    action = jnp.array([0.2, 0.5, 0.1, 1.0, -0.2, 0.0, -0.1, -1.0])
    after = jax.jit(env.step)(state, action)
    ends = np.asarray(state.pipeline_state.body.x)[:, [0, -1]].T
    ends[:, 1] = np.maximum(ends[:, 1], rope.GROUND)
    meant = ends + 0.06 * np.array([[0.2, 0.5, 0.1], [-0.2, 0.0, -0.1]])
    np.testing.assert_allclose(after.obs[30:].reshape(2, 3), meant, atol=1e-5)


def test_a_broken_world_ends_and_keeps_its_last_state(env, start):
    state = jax.tree.map(lambda a: a[0], start)
    body = state.pipeline_state.body
    broken = Body(body.x, body.v.at[0, 20].set(jnp.nan))
    state = state.replace(pipeline_state=state.pipeline_state.replace(body=broken))
    after = jax.jit(env.step)(state, jnp.zeros(8))
    assert after.done == 1 and after.metrics["nonfinite"] == 1 and after.reward == 0
    np.testing.assert_array_equal(after.obs, state.obs)


def test_protocol_random_turns_the_rope():
    turned = envs.make("flatten-rope", protocol="random")
    key = jax.random.key(3)
    plain, other = envs.make("flatten-rope").reset(key), turned.reset(key)
    a, b = (np.asarray(s.pipeline_state.body.x) for s in (plain, other))
    gram = lambda x: x.T @ x
    np.testing.assert_allclose(gram(a), gram(b), atol=1e-5)
    np.testing.assert_allclose(a[1], b[1], atol=1e-6)
    assert np.abs(a - b).max() > 0.01
    a, b = (np.asarray(s.pipeline_state.body.v) for s in (plain, other))
    np.testing.assert_allclose(gram(a), gram(b), atol=1e-4)


def test_it_works_wrapped(env):
    wrapped = TrainingWrapper(env, episode_length=2)
    state = jax.jit(wrapped.reset)(jax.random.split(jax.random.key(0), 2))
    step = jax.jit(wrapped.step)
    state = step(step(state, jnp.zeros((2, 8))), jnp.zeros((2, 8)))
    np.testing.assert_array_equal(state.info["truncation"], 1.0)
    assert state.info["last_snapshot"].shape == (2, 123)


@pytest.mark.long
def test_ten_thousand_frames_of_random_actions(play, start):
    rows = play(start, 5, 1.0, steps=1670)[1]
    assert np.isfinite(rows["x"]).all() and not np.asarray(rows["nonfinite"]).any()
    assert np.asarray(rows["x"])[:, :, 1].max() < 1.0


def test_a_root_by_newton_is_a_root():
    x = jnp.logspace(-12, 6, 1000)
    np.testing.assert_allclose(particles.inverse_root(x), 1 / np.sqrt(x), rtol=6e-6)
