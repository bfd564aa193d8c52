"""CLIP beside the reference implementation, whose results for random weights are recorded
(`scripts/tools/clip_reference.py`), and what is refused as a checkpoint."""

import json
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models import embedding
from core_jax.reward_models.embedding.clip import read_config
from core_jax.reward_models.embedding.preprocess import MEAN, STD, resize

FOLDER = Path(__file__).parents[2] / "data" / "clip"
SENTENCES = (  # as in `clip_reference.py`
    "the drawer is opened",
    "The ball is   in the goal!",
    "it's 2 metres of blue rope, don't cut it",
    "",
    "a caf\u00e9 table with a red circle " * 12,
)


@pytest.fixture(scope="module")
def model():
    return embedding.load(FOLDER)


@pytest.fixture(scope="module")
def expected():
    return dict(np.load(FOLDER / "expected.npz"))


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copytree(FOLDER, tmp_path / "copy"))


def test_tokens_are_the_references(model, expected):
    found, wanted = model.tokenize(SENTENCES), expected["tokens"]
    assert found.shape == wanted.shape == (5, 77)
    for one, other in zip(found, wanted, strict=True):
        used = one.argmax() + 1  # what follows the end-of-text token has no effect
        np.testing.assert_array_equal(one[:used], other[:used])
        assert not one[used:].any()
    assert found[4].argmax() == 76  # the long one is cut off, its end kept


def test_text_features_are_the_references(model, expected):
    found = model.text_features(model.tokenize(SENTENCES))
    np.testing.assert_allclose(found, expected["texts"], atol=1e-5)
    np.testing.assert_allclose(jnp.linalg.norm(found, axis=1), 1.0, atol=1e-5)


def test_image_features_are_the_references(model, expected):
    for i, name in enumerate(("smaller", "larger", "same")):
        found = model.image_features(expected[f"picture_{name}"][None])[0]
        np.testing.assert_allclose(found, expected["images"][i], atol=1e-4)


def test_preprocessing_is_pillows_but_for_a_rounding(expected):
    step = 1 / 255 / min(STD)  # of one 8-bit level
    for name in ("smaller", "larger", "same"):
        found = embedding.preprocess(expected[f"picture_{name}"][None], 32)[0]
        off = np.abs(np.asarray(found) - expected[f"read_{name}"])
        assert off.max() < 1.01 * step
        assert np.mean(off > 1e-5) < 0.002


def test_a_picture_of_the_right_size_is_only_normalised():
    picture = np.full((1, 32, 32, 3), 51, np.uint8)
    np.testing.assert_array_equal(resize(picture, 32, 32), picture)
    found = embedding.preprocess(picture, 32)
    wanted = np.broadcast_to((0.2 - np.array(MEAN)) / STD, found.shape)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_the_tokenizer_of_one_file_is_that_of_two(model, copy):
    model.tokenize.args[0].save(str(copy / "tokenizer.json"))
    for name in ("vocab.json", "merges.txt"):
        (copy / name).unlink()
    found = embedding.load(copy).tokenize(SENTENCES)
    np.testing.assert_array_equal(found, model.tokenize(SENTENCES))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no model.safetensors"),
        ("merges.txt", "has no tokenizer.json, and not both of vocab.json and merges.txt"),
    ],
)
def test_a_file_that_is_missing_is_named(copy, name, message):
    (copy / name).unlink()
    with pytest.raises(ValueError, match=message):
        embedding.load(copy)


def test_weights_that_are_missing_unknown_or_of_another_shape_are_named(copy):
    from safetensors.numpy import load_file, save_file

    path = copy / "model.safetensors"
    weights = load_file(path)
    first = "text_model.final_layer_norm.bias"
    save_file({k: v for k, v in weights.items() if k != first}, path)
    with pytest.raises(ValueError, match="lacks the weight of text_model.final_layer_norm.bias"):
        embedding.load(copy)
    save_file({**weights, "visual_projection.bias": np.zeros(16, np.float32)}, path)
    with pytest.raises(ValueError, match="has visual_projection.bias, which CLIP has not"):
        embedding.load(copy)
    save_file({**weights, first: np.zeros(25, np.float32)}, path)
    with pytest.raises(ValueError, match=r"final_layer_norm.bias has the shape \(25,\)"):
        embedding.load(copy)


def test_half_precision_and_stored_buffers_are_read(copy, model):
    from safetensors.numpy import load_file, save_file

    path = copy / "model.safetensors"
    weights = {k: v.astype(np.float16) for k, v in load_file(path).items()}
    weights["text_model.embeddings.position_ids"] = np.arange(77)[None]
    save_file(weights, path)
    found = embedding.load(copy).text_features(model.tokenize(SENTENCES))
    assert found.dtype == jnp.float32
    wanted = model.text_features(model.tokenize(SENTENCES))
    np.testing.assert_allclose(found, wanted, atol=5e-3)


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="describes 'bert' model, not CLIP"):
        read_config({"model_type": "bert"})
    values = json.loads((FOLDER / "config.json").read_text())
    values["text_config"]["hidden_act"] = "relu"
    with pytest.raises(ValueError, match="hidden_act 'relu' is not one of quick_gelu, gelu"):
        read_config(values)
    assert read_config({"vision_config": {}, "text_config": {}}).text.vocab_size == 49408


def test_a_folder_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"clip.weights \(nowhere\) must be 'tiny' or the folder"):
        embedding.load("nowhere")
