"""Rendering snapshots to pictures, for whoever judges clips."""

import io
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

from core_jax import envs
from core_jax.envs import rendering
from core_jax.training.devices import rendering_options
from core_jax.visual.frames import FrameRenderer, to_png


def decode(png):
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize("shape", [(7, 5, 3), (1, 1, 3), (64, 64, 3)])
def test_png_is_the_picture(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    image = Image.open(io.BytesIO(to_png(picture)))
    assert image.format == "PNG" and image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), picture)


@pytest.fixture(scope="module")
def env():
    return envs.make("drawer-open")


@pytest.fixture(scope="module")
def renderer(env):
    return FrameRenderer(env, 64, gripper=True, shadows=False, batch=2)


def test_start_and_goal_are_the_tasks(env, renderer):
    start, goal = (np.array(s, np.float32) for s in (env.spec.start, env.spec.goal))
    pictures = renderer.png(np.stack([start, goal, start]))  # one more than a batch
    assert pictures == [renderer.start, renderer.goal, renderer.start]
    draw = jax.jit(
        lambda s: rendering.render(env.view(s), env.spec.camera, 64, 64, 2, False),
        compiler_options=rendering_options(),
    )
    apart = np.abs(decode(renderer.goal).astype(int) - np.asarray(draw(goal)))
    # Compiled without the batch, a ray may take the other side of an edge.
    assert (apart > 2).mean() < 0.01
    assert (decode(renderer.start) != decode(renderer.goal)).mean() > 0.1


def test_batches_change_no_picture(env, renderer):
    start, goal = (np.array(s, np.float32) for s in (env.spec.start, env.spec.goal))
    snapshots = np.linspace(start, goal, 6).reshape(2, 3, -1)
    pictures = renderer.render(snapshots)
    assert pictures.shape == (2, 3, 64, 64, 3) and pictures.dtype == np.uint8
    alone = np.stack([renderer.render(s) for s in snapshots.reshape(6, -1)])
    np.testing.assert_array_equal(pictures.reshape(alone.shape), alone)
    assert renderer.render(snapshots[:0]).shape == (0, 3, 64, 64, 3)


def test_the_gripper_can_be_hidden(env, renderer):
    hidden = FrameRenderer(env, 64, gripper=False, shadows=False, batch=2)
    assert (decode(hidden.start) != decode(renderer.start)).any(axis=-1).mean() > 0.03


def test_a_task_without_a_camera_is_refused():
    env = SimpleNamespace(spec=SimpleNamespace(has_pictures=False, name="blind"))
    with pytest.raises(ValueError, match="task blind has no pictures"):
        FrameRenderer(env, 64)
