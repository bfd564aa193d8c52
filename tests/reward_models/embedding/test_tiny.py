"""`tiny`, the model that is part of the package: what it knows, and its size."""

from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs import rendering
from core_jax.prompts.captions import goal_caption, graded_captions
from core_jax.reward_models import embedding


@pytest.fixture(scope="module")
def model():
    return embedding.load("tiny")


def test_vectors_have_length_one_and_pictures_may_have_any_size(model):
    rng = np.random.default_rng(0)
    for size in (model.size, 100):
        pictures = rng.integers(0, 256, (2, size, size, 3)).astype(np.uint8)
        found = model.image_features(pictures)
        assert found.shape == (2, model.dim) == (2, embedding.dimension("tiny"))
        np.testing.assert_allclose(jnp.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    text = model.text_features(model.tokenize(["the drawer is opened", ""]))
    np.testing.assert_allclose(jnp.linalg.norm(text, axis=1), 1.0, atol=1e-5)


def test_unknown_words_are_one_token_and_long_sentences_are_cut_off(model):
    one, other, long = model.tokenize(["The zebra!", "the yak", "the drawer " * 20])
    np.testing.assert_array_equal(one, other)
    assert one[1] == 1 and not one[2:].any()
    assert long.all() and len(long) == len(one)


def test_every_word_of_the_captions_is_known(model):
    for task in envs.names("metaworld") + envs.names("softgym"):
        captions = [goal_caption(task, ""), *(c for level in graded_captions(task) for c in level)]
        assert not (model.tokenize(captions) == 1).any()


def test_a_finished_task_looks_more_like_its_caption_than_an_untouched_one(model):
    env = envs.make("drawer-open")
    ends = np.array([env.spec.start, env.spec.goal], np.float32)
    draw = lambda x: rendering.render(env.view(x, False), env.spec.camera, 64, 64, 1, False)
    start, goal = model.image_features(jax.jit(jax.vmap(draw))(ends))
    done, not_yet = model.text_features(
        model.tokenize(["the drawer is opened", "the drawer is not opened yet"])
    )
    assert goal @ done > start @ done + 0.1
    assert start @ not_yet > goal @ not_yet + 0.1


def test_it_is_small():
    path = resources.files("core_jax.reward_models.embedding") / "tiny.npz"
    assert len(path.read_bytes()) < 1_000_000
