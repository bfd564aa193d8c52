"""The ray caster: against MuJoCo's own rays, closed-form brightness, and invariance under vmap."""

import functools

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from core_jax import envs
from core_jax.envs import rendering
from core_jax.envs.metaworld import hand
from core_jax.envs.rendering import Camera, primitives

CAMERA = Camera.look_at((0.0, -2.0, 1.2), (0.0, 0.0, 0.2), 40.0)
DOWN = Camera((0.0, 0.0, 2.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), 30.0)
SIZE = 40


def scene(*shapes, **arrays):
    """A scene of `(kind, pos, size, rgb)`, unturned; checks and more by keyword."""
    n = len(shapes)
    given = dict(
        pos=jnp.array([s[1] for s in shapes], jnp.float32),
        mat=jnp.tile(jnp.eye(3), (n, 1, 1)),
        size=jnp.array([s[2] for s in shapes], jnp.float32),
        rgb=jnp.array([s[3] for s in shapes], jnp.float32),
        second=jnp.zeros((n, 3)),
        kinds=tuple(s[0] for s in shapes),
        checks=(0.0,) * n,
    )
    return rendering.Scene(**{**given, **arrays})


def picture_plane(camera):
    """Unit vectors to the right and up, and half a picture's height at a depth of 1."""
    right, up = (np.array(camera.xyaxes[i : i + 3]) for i in (0, 3))
    half = np.tan(np.radians(camera.fovy) / 2)
    return right / np.linalg.norm(right), up / np.linalg.norm(up), half


def mujoco_layers(model, camera, size, qpos=None):
    """Depth and geom ids by `mj_ray`, which needs no OpenGL."""
    data = mujoco.MjData(model)
    data.qpos[:] = model.qpos0 if qpos is None else qpos
    mujoco.mj_forward(model, data)
    right, up, half = picture_plane(camera)
    depth, ids = np.full((size, size), primitives.FAR), np.full((size, size), -1)
    found = np.zeros((1, 1), np.int32)
    for i in range(size):
        for j in range(size):
            x, y = (2 * j + 1 - size) / size * half, (size - 1 - 2 * i) / size * half
            ray = x * right + y * up - np.cross(right, up)
            length = np.linalg.norm(ray)
            hit = mujoco.mj_ray(
                model, data, np.array(camera.pos), ray / length, None, 1, -1, found[0]
            )
            if hit >= 0:
                depth[i, j], ids[i, j] = hit / length, found[0, 0]
    return depth, ids


def assert_same_layers(ours, theirs, share):
    depth, ids = theirs
    same = np.asarray(ours.ids) == ids
    assert same.mean() >= share
    np.testing.assert_allclose(np.asarray(ours.depth)[same], depth[same], rtol=1e-3)


@pytest.mark.parametrize("kind", [k for k in primitives.KINDS if k != "plane"])
def test_each_kind_is_hit_where_mujoco_hits_it(kind):
    spec = """<mujoco><worldbody><geom type="plane" size="2 3 1"/>{}</worldbody></mujoco>"""
    rng = np.random.default_rng(len(kind))
    geoms = []
    for x in (-0.5, 0.0, 0.5):
        quat, size = rng.normal(size=4), rng.uniform(0.05, 0.2, 3)
        geoms.append(
            f'<geom type="{kind}" pos="{x} 0 .3" quat="{" ".join(map(str, quat))}"'
            f' size="{" ".join(map(str, size))}"/>'
        )
    model = mujoco.MjModel.from_xml_string(spec.format("".join(geoms)))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    n = model.ngeom
    ours = rendering.layers(
        rendering.Scene(
            pos=jnp.float32(data.geom_xpos),
            mat=jnp.float32(data.geom_xmat.reshape(n, 3, 3)),
            size=jnp.float32(model.geom_size),
            rgb=jnp.ones((n, 3)),
            second=jnp.ones((n, 3)),
            kinds=("plane", *[kind] * 3),
            checks=(0.0,) * n,
        ),
        CAMERA,
        SIZE,
        SIZE,
    )
    theirs = mujoco_layers(model, CAMERA, SIZE)
    assert set(np.unique(theirs[1])) == {-1, 0, 1, 2, 3}
    assert_same_layers(ours, theirs, 0.998)


@functools.cache
def task_env(task):
    return envs.make(task)


def random_snapshot(env, rng):
    """A reset's snapshot with the hand, the object and the fixture somewhere else."""
    start = np.array(env.snapshot(env.reset(jax.random.key(0)).pipeline_state))
    nq = env.scene.mj_model.nq
    start[:3] = rng.uniform([-0.1, 0.5, 0.06], [0.1, 0.75, 0.3])
    start[3:5] = rng.uniform([0.0, -0.03], [0.04, 0.0])
    start[5:nq] += rng.uniform(-0.05, 0.05, nq - 5)
    start[nq : nq + 2] += rng.uniform(-0.05, 0.05, 2)
    return start


@pytest.mark.parametrize("task", envs.names("metaworld"))
def test_a_task_looks_as_mujoco_sees_it(task):
    env = task_env(task)
    model = env.scene.looks().mj_model
    look = jax.jit(lambda s: rendering.layers(env.view(s), env.spec.camera, SIZE, SIZE))
    rng = np.random.default_rng(0)
    for _ in range(3):
        snapshot = random_snapshot(env, rng)
        qpos, fixture = np.split(snapshot, [model.nq])
        model.body("fixture").pos[:] = fixture
        assert_same_layers(look(snapshot), mujoco_layers(model, env.spec.camera, SIZE, qpos), 0.98)


def in_picture(camera, points):
    """Where points [..., 3] are seen: right and up of the middle, 1 is the picture's edge."""
    right, up, half = picture_plane(camera)
    way = points - np.array(camera.pos)
    depth = -(way @ np.cross(right, up))
    return np.stack([way @ right, way @ up], -1) / (half * depth)[..., None]


@pytest.mark.parametrize("protocol", ["paper", "random"])
@pytest.mark.parametrize("task", envs.names("metaworld"))
def test_object_and_target_are_in_the_picture(task, protocol):
    env = envs.make(task, protocol)
    placed = jax.vmap(env.place)(jax.random.split(jax.random.key(3), 64))
    for points in (placed.origin, placed.target):
        assert np.abs(in_picture(env.spec.camera, np.asarray(points))).max() < 0.97


@pytest.mark.parametrize("task", envs.names("metaworld"))
def test_start_and_goal_are_the_tasks(task):
    env = task_env(task)
    physics = jax.jit(env.reset)(jax.random.key(0)).pipeline_state
    np.testing.assert_allclose(env.spec.start, env.snapshot(physics), atol=1e-5)
    qpos, fixture = np.split(np.array(env.spec.goal, np.float32), [physics.qpos.shape[0]])
    done = physics.replace(qpos=jnp.asarray(qpos), fixture=jnp.asarray(fixture))
    frame = env._frame(done)
    judged = env.judge(frame, jnp.zeros(4), done, hand.gripper(done.qpos))
    assert judged.success == 1


def test_the_gripper_can_be_hidden():
    env = task_env("drawer-open")
    snapshot = env.snapshot(env.reset(jax.random.key(0)).pipeline_state)
    shown, hidden = env.view(snapshot), env.view(snapshot, gripper=False)
    assert len(shown.kinds) == len(hidden.kinds) + 4
    # What is left is what was there.
    rows = {tuple(np.round(np.ravel(x), 5)) for x in shown.pos}
    assert all(tuple(np.round(np.ravel(x), 5)) in rows for x in hidden.pos)


def test_brightness_of_a_lit_and_of_a_shadowed_plane():
    plane = ("plane", (0, 0, 0), (0, 0, 0), (1.0, 0.5, 0.25))
    far_up = tuple(0.8 * x for x in rendering.LIGHT)
    shield = ("box", far_up, (0.3, 0.3, 0.01), (0, 0, 0))
    lit = np.asarray(rendering.render(scene(plane), DOWN, 9, 9))
    towards = np.array(rendering.LIGHT) / np.linalg.norm(rendering.LIGHT)
    light = rendering.AMBIENT + (1 - rendering.AMBIENT) * towards[2]
    np.testing.assert_allclose(lit[4, 4], 255 * light * np.array([1, 0.5, 0.25]), atol=1.0)
    shadowed = rendering.layers(scene(plane, shield), DOWN, 9, 9)
    assert shadowed.ids[4, 4] == 0  # the shield is beside the line of sight
    dark = np.asarray(rendering.render(scene(plane, shield), DOWN, 9, 9))[4, 4]
    expected = 255 * rendering.AMBIENT * np.array([1, 0.5, 0.25])
    np.testing.assert_allclose(dark, expected, atol=1.0)
    free = np.asarray(rendering.render(scene(plane, shield), DOWN, 9, 9, shadows=False))[4, 4]
    np.testing.assert_array_equal(free, lit[4, 4])


def test_a_plane_has_checks():
    plane = ("plane", (0, 0, 0), (0, 0, 0), (1.0, 1.0, 1.0))
    checked = scene(plane, checks=(0.25,))
    seen = np.asarray(rendering.render(checked, DOWN, 64, 64, samples=1))[..., 0]
    middle = (np.arange(64) - 31.5) / 64 * 2 * 2.0 * np.tan(np.radians(15))
    squares = np.floor(middle / 0.25)
    expected = (squares[None] + squares[::-1, None]) % 2 == 0
    assert ((seen > 0) == expected).mean() > 0.98


def test_supersampling_is_the_mean_of_finer_rays():
    shapes = scene(
        ("plane", (0, 0, 0), (0, 0, 0), (0.2, 0.4, 0.6)),
        ("sphere", (0.1, 0.05, 0.1), (0.12, 0, 0), (0.9, 0.1, 0.1)),
    )
    fine = np.asarray(rendering.render(shapes, DOWN, 32, 32, samples=1, shadows=False), float)
    coarse = np.asarray(rendering.render(shapes, DOWN, 16, 16, samples=2, shadows=False))
    mean = fine.reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(coarse, mean, atol=1.0)
    assert len(np.unique(coarse[..., 0])) > 5  # there are edges to soften


def test_two_devices_give_the_pixels_of_one():
    env = task_env("drawer-open")
    rng = np.random.default_rng(1)
    snapshots = jnp.array([random_snapshot(env, rng) for _ in range(4)], jnp.float32)
    draw = jax.vmap(lambda s: rendering.render(env.view(s), env.spec.camera, 32, 32))
    mesh = Mesh(jax.devices()[:2], "frames")
    spread = jax.device_put(snapshots, NamedSharding(mesh, PartitionSpec("frames")))
    axis = PartitionSpec("frames")
    over_two = jax.shard_map(draw, mesh=mesh, in_specs=axis, out_specs=axis, check_vma=False)
    got = jax.jit(over_two)(spread)
    assert len(got.sharding.device_set) == 2
    np.testing.assert_array_equal(got, jax.jit(draw)(snapshots))


def test_vmap_gives_the_pixels_of_a_frame_alone():
    env = task_env("drawer-open")
    rng = np.random.default_rng(1)
    snapshots = jnp.array([random_snapshot(env, rng) for _ in range(3)], jnp.float32)
    draw = lambda s: rendering.render(env.view(s), env.spec.camera, 32, 32)
    together, alone = jax.jit(jax.vmap(draw))(snapshots), jax.jit(draw)
    for i, one in enumerate(snapshots):
        np.testing.assert_array_equal(together[i], alone(one))
    assert together.dtype == jnp.uint8 and together.shape == (3, 32, 32, 3)
