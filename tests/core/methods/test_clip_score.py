"""CLIP score: the reward is 2 cos(picture, caption) - 1 of an image-text model."""

from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs import rendering
from core_jax.prompts.captions import STATES, goal_caption
from core_jax.reward_models import embedding
from core_jax.runs.checks import check
from core_jax.runs.loop import run
from core_jax.runs.presets import make_config
from core_jax.training.embedding import CaptionScore, EmbeddingConfig, make_embedder

pytestmark = pytest.mark.usefixtures("undrawn")

RANDOM = str(Path(__file__).parents[2] / "data" / "clip")  # random weights
SMALL = {
    "task": "drawer-open", "method": "clip_score", "seeds": 2, "steps": 300, "envs": 10,
    "rollout": 5, "updates": 2, "chunk": 100, "random_steps": 100, "eval_every": 300,
    "eval_episodes": 1, "final_episodes": 1, "checkpoint_every": 0,
    "sac": {"hidden": [16, 16], "batch_size": 16}, "clip": {"weights": RANDOM},
}  # fmt: skip


@pytest.fixture(scope="module")
def embedder(drawer):
    return make_embedder(drawer, EmbeddingConfig(RANDOM))


@pytest.fixture(scope="module")
def snapshots(drawer):
    """Snapshots [7, K] between the start and the goal."""
    start, goal = (np.array(x, np.float32) for x in (drawer.spec.start, drawer.spec.goal))
    return start + np.linspace(0, 1, 7, dtype=np.float32)[:, None] * (goal - start)


def score(embedder, text, snapshots, every, ends=()):
    """Of one seed and one environment, whose episodes end at some steps."""
    cut = np.zeros((1, len(snapshots), 1))
    cut[:, list(ends)] = 1
    steps = SimpleNamespace(snapshot=snapshots[None, :, None], cut=cut)
    return CaptionScore("clip_score", embedder, text, every).score(steps)["clip_score"][0, :, 0]


def test_the_score_is_that_of_the_rendered_picture_and_the_caption(drawer, embedder, snapshots):
    model = embedding.load(RANDOM)
    text = model.text_features(model.tokenize(["the drawer is opened"]))[0]
    np.testing.assert_allclose(embedder.caption("the drawer is opened"), text, atol=1e-6)
    size = model.size
    draw = lambda x: rendering.render(
        drawer.view(x, False), drawer.spec.camera, size, size, 1, False
    )
    pictures = jax.jit(jax.vmap(draw))(snapshots)
    wanted = 2 * model.image_features(pictures) @ text - 1
    found = score(embedder, np.asarray(text), snapshots, 1)
    # A pixel on an edge may differ between two programs.
    np.testing.assert_allclose(found, wanted, atol=2e-3)
    assert np.ptp(found) > 1e-3


def test_steps_between_pictures_have_the_next_ones_score(embedder, snapshots):
    text = embedder.caption("the drawer is opened")
    every_step = score(embedder, text, snapshots, 1)
    found = score(embedder, text, snapshots, 3)
    np.testing.assert_allclose(found, every_step[[2, 2, 2, 5, 5, 5, 6]], atol=1e-5)


def test_the_last_steps_of_an_episode_have_the_score_of_its_last_picture(embedder, snapshots):
    text = embedder.caption("the drawer is opened")
    every_step = score(embedder, text, snapshots, 1)
    found = score(embedder, text, snapshots, 3, ends=(1, 2, 4))
    np.testing.assert_allclose(found, every_step[[1, 1, 2, 4, 4, 5, 6]], atol=1e-5)


@pytest.mark.long
def test_a_run_is_trained_on_the_score_alone(tmp_path):
    rows = []
    summary = run(check(make_config(**SMALL)), tmp_path / "run", quiet=True, on_row=rows.append)
    assert all(set(row["rewards"]) == {"clip_score"} for row in rows)
    np.testing.assert_allclose(rows[-1]["reward"], rows[-1]["rewards"]["clip_score"], atol=1e-6)
    assert all(-3 <= x <= 1 for x in rows[-1]["reward"])
    assert summary["embedding"] == "clip" and summary["caption"] == "the drawer is opened"


def test_captions_are_of_every_task_and_other_tasks_have_their_instruction():
    assert set(STATES) == {*envs.names("metaworld"), *envs.names("softgym")}
    assert goal_caption("soccer", "kick it") == "the ball is in the goal"
    assert goal_caption("mine", "lift the box") == "lift the box"


@pytest.mark.parametrize("task", envs.names())
def test_its_presets_can_be_run_on_every_task(task):
    assert check(make_config(task=task, method="clip_score")).settings.clip.weights == "tiny"


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"clip.every \(2\) must divide rollout \(5\)"):
        check(make_config(method="clip_score", clip={"every": 2}))
    with pytest.raises(ValueError, match="must be 'tiny' or the folder of a checkpoint"):
        check(make_config(method="clip_score", clip={"weights": str(tmp_path / "none")}))
