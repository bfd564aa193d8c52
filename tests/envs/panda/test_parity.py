"""The port against recordings of panda-gym 3.0.7: the hand, the objects, rewards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs.panda import planar
from core_jax.envs.panda.motors import SUBSTEPS, Touch
from tests.envs.panda.conftest import recorded


def hand_errors(player, kind):
    """Distances [trace, step] of the hand from the original's, mm, in 50 steps without feedback;
    and errors of its velocity, m/s."""
    data = recorded("hand")
    count = len(data[f"{kind}_action"])
    far = jnp.full((count, 3), 9.0)  # no goal there
    obs = player(player.placed(far, far), data[f"{kind}_action"])["obs"]
    apart = np.linalg.norm(obs[..., :3] - data[f"{kind}_position"], axis=-1)
    return 1e3 * apart, np.abs(obs[..., 3:6] - data[f"{kind}_velocity"])


def test_a_free_hand_stays_within_5_mm_of_the_originals(reacher):
    apart, faster = hand_errors(reacher, "free")
    assert apart.max() < 5.0 and np.median(apart) < 0.8
    assert np.median(faster) < 0.005 and faster.max() < 0.08


def test_a_hand_that_is_pressed_on_the_table_drifts_by_two_centimetres_at_most(reacher):
    apart, _ = hand_errors(reacher, "low")
    assert apart.max() < 20.0 and np.median(apart) < 2.5
    heights = recorded("hand")["low_position"][..., 2]
    assert (heights < 0.006).mean() > 0.25  # they are pressed


def test_joints_move_the_hand_as_the_originals_do(joint_reacher):
    apart, faster = hand_errors(joint_reacher, "joints")
    assert apart.max() < 1.5 and np.median(apart) < 0.4
    assert faster.max() < 0.05


def coasted(thing, speed, spin, steps):
    """Speeds along x and about the vertical [step] of an untouched object."""
    touch = Touch(jnp.full(3, 9.0), jnp.zeros(3), jnp.zeros(()))
    by = planar.fingers(touch, jnp.diag(jnp.array([1.0, -1.0, -1.0])), thing.height)
    start = planar.Body(
        jnp.array([-0.1, 0.1, thing.rest]), jnp.array([speed, 0.0, 0.0]), jnp.zeros(()), spin
    )

    def control(body, _):
        step = lambda body, _: (planar.advance(body, thing, by, touch, jnp.array(False))[0], None)
        body = jax.lax.scan(step, body, length=SUBSTEPS)[0]
        return body, (body.velocity[0], body.spin)

    return jax.lax.scan(control, start, length=steps)[1]


SPEEDS, SPINS = (0.25, 0.5, 1.0, 0.5, 0.0), (0.0, 0.0, 0.0, 6.0, 6.0)


@pytest.mark.parametrize(
    ("name", "thing", "speed_within", "spin_within"),
    [("cube", planar.CUBE, 0.006, 0.9), ("puck", planar.PUCK, 0.003, 0.3)],
)
def test_objects_slide_as_the_originals_do(name, thing, speed_within, spin_within):
    play = jax.jit(jax.vmap(lambda v, w: coasted(thing, v, w, 18)))
    speed, spin = play(jnp.array(SPEEDS), jnp.array(SPINS))
    theirs = recorded("coasting")[name][:, :18]
    np.testing.assert_allclose(speed, theirs[..., 6], atol=speed_within)
    np.testing.assert_allclose(spin, theirs[..., 11], atol=spin_within)


def test_the_pucks_friction_law():
    speed, _ = jax.jit(lambda: coasted(planar.PUCK, jnp.float32(0.5), jnp.float32(0.0), 1))()
    drag = 0.02 * 9.81 + 0.04 * 0.5 * 1.5  # of the table, and of Bullet's free bodies
    np.testing.assert_allclose(speed[0], 0.5 - 0.04 * drag, atol=1e-4)


@pytest.fixture(scope="module")
def struck(pusher, slider):
    """name -> (recording, what the port makes of its actions)."""
    out = {}
    for name, player in (("push", pusher), ("slide", slider)):
        data = recorded(name)
        state = player.placed(data["obs"][:, 0, 6:9], data["goal"])
        out[name] = data, player(state, data["action"])
    return out


@pytest.mark.parametrize("name", ["push", "slide"])
def test_a_struck_object_starts_as_fast_as_the_originals(struck, name):
    data, ours = struck[name]
    theirs, played = (np.linalg.norm(x[..., 12:14], axis=-1) for x in (data["obs"], ours["obs"]))
    theirs = theirs[:, 1:]
    first = (theirs > 0.05).argmax(axis=1)
    fastest = lambda x: np.array([row[t : t + 3].max() for row, t in zip(x, first, strict=True)])
    ratio = fastest(played) / fastest(theirs)
    assert 0.9 < np.median(ratio) < 1.15
    assert (np.abs(np.log(np.maximum(ratio, 1e-3))) < 0.3).mean() > 0.6


@pytest.mark.parametrize("name", ["push", "slide"])
def test_most_episodes_end_as_the_originals_do(struck, name):
    data, ours = struck[name]
    agree = data["success"].max(axis=1) == ours["success"].max(axis=1)
    assert agree.mean() > 0.7


@pytest.mark.parametrize("name", ["push", "slide"])
def test_rewards_are_the_originals_on_recorded_states(name):
    data, env = recorded(name), envs.make(f"panda-{name}")
    state = jax.jit(env.reset)(jax.random.key(0))

    def judge(place, goal):
        physics = state.pipeline_state
        there = physics.replace(body=physics.body.replace(place=place), goal=goal)
        return env.judge(there)

    goals = jnp.broadcast_to(data["goal"][:, None], (*data["dense"].shape, 3))
    judged = jax.vmap(jax.vmap(judge))(jnp.asarray(data["obs"][:, 1:, 6:9]), goals)
    np.testing.assert_allclose(judged.dense, data["dense"], atol=2e-6)
    # The original rounds distances to a micrometre.
    near = np.abs(-data["dense"] - 0.05) < 2e-6
    agrees = np.asarray(judged.success) == data["success"]
    assert (agrees | near).all()
    assert ((np.asarray(judged.success) - 1 == data["sparse"]) | near).all()


def test_resets_have_the_originals_ranges(pusher, slider, reacher):
    theirs = recorded("resets")
    for name, player in (("push", pusher), ("slide", slider), ("reach", reacher)):
        start = player.start(400)
        ours, goals = np.asarray(start.obs), np.asarray(start.info["target"])
        pairs = [(goals, theirs[f"{name}_goal"])]
        if name != "reach":
            pairs.append((ours[:, 6:8], theirs[f"{name}_obs"][:, 6:8]))
        for a, b in pairs:
            np.testing.assert_allclose(a.min(0), b.min(0), atol=0.02)
            np.testing.assert_allclose(a.max(0), b.max(0), atol=0.02)
            np.testing.assert_allclose(a.mean(0), b.mean(0), atol=0.03)
        np.testing.assert_allclose(ours[:200, :3], theirs[f"{name}_obs"][:, :3], atol=2e-3)
