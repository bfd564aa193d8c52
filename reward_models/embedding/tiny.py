"""`tiny`: a small image-text model that was trained on this project's own renderer.

It stands in for CLIP where no weights are at hand, so that methods and tests have something to run
on. It has seen nothing but the ten built-in tasks, so its scores say nothing about CLIP's.
`scripts/tools/train_tiny.py` made `tiny.npz`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict
from jaxtyping import Array, Float, Int, UInt8

from core_jax.reward_models.embedding.model import TINY, ImageTextModel, unit
from core_jax.reward_models.embedding.preprocess import resize

SIZE, DIM, LENGTH = 64, 64, 16
UNKNOWN = 1  # token of words that it does not know; 0 fills up


class TinyModel(nn.Module):
    """Three convolutions over a picture; an MLP over the mean of a sentence's words."""

    words: int
    channels: tuple[int, int, int] = (32, 48, 64)

    def setup(self) -> None:
        first, second, third = self.channels
        self.conv1 = nn.Conv(first, (4, 4), (4, 4))
        self.conv2 = nn.Conv(second, (3, 3), (2, 2))
        self.conv3 = nn.Conv(third, (3, 3), (2, 2))
        self.picture_out = nn.Dense(DIM)
        self.embed = nn.Embed(self.words, DIM)
        self.text_hidden = nn.Dense(2 * DIM)
        self.text_out = nn.Dense(DIM)
        self.scale = self.param("scale", nn.initializers.constant(2.7), ())

    def images(self, pictures: UInt8[Array, "B H W 3"]) -> Float[Array, "B D"]:
        """Unit vectors of pictures of any size."""
        x = resize(pictures, SIZE, SIZE) / 255.0 - 0.5
        for conv in (self.conv1, self.conv2, self.conv3):
            x = nn.relu(conv(x))
        return unit(self.picture_out(x.reshape(x.shape[0], -1)))

    def texts(self, tokens: Int[Array, "B L"]) -> Float[Array, "B D"]:
        """Unit vectors of sentences."""
        given = (tokens > 0).astype(jnp.float32)[..., None]
        count = jnp.maximum(jnp.sum(given, axis=1), 1.0)
        mean = jnp.sum(self.embed(tokens) * given, axis=1) / count
        return unit(self.text_out(nn.relu(self.text_hidden(mean))))

    def __call__(
        self, pictures: UInt8[Array, "B H W 3"], tokens: Int[Array, "C L"]
    ) -> Float[Array, "B C"]:
        """Logits of every picture with every sentence."""
        return jnp.exp(self.scale) * self.images(pictures) @ self.texts(tokens).T


def tokenize(words: Mapping[str, int], texts: Sequence[str]) -> np.ndarray:
    """Tokens int32 `[B, LENGTH]`, one for each word; a longer text is cut off."""
    rows = np.zeros((len(texts), LENGTH), np.int32)
    for row, text in zip(rows, texts, strict=True):
        ids = [words.get(w, UNKNOWN) for w in re.findall(r"[a-z]+", text.lower())][:LENGTH]
        row[: len(ids)] = ids
    return rows


def numbered(words: Sequence[str]) -> dict[str, int]:
    """Tokens of known words."""
    return {word: UNKNOWN + 1 + i for i, word in enumerate(words)}


def make_tiny(words: Sequence[str], params: Any) -> ImageTextModel:
    """The model with some parameters."""
    net = TinyModel(UNKNOWN + 1 + len(words))
    return ImageTextModel(
        name=TINY,
        size=SIZE,
        dim=DIM,
        params=params,
        images=functools.partial(_apply, net, "images"),
        texts=functools.partial(_apply, net, "texts"),
        tokenize=functools.partial(tokenize, numbered(words)),
    )


def load_tiny() -> ImageTextModel:
    """The model that is part of the package."""
    path = resources.files("core_jax.reward_models.embedding") / "tiny.npz"
    with path.open("rb") as file, np.load(file) as stored:
        words = [str(w) for w in stored["words"]]
        flat = {k: jnp.asarray(stored[k], jnp.float32) for k in stored.files if k != "words"}
    return make_tiny(words, {"params": unflatten_dict(flat, sep="/")})


def _apply(net: TinyModel, method: str, params: Any, x: jax.Array) -> jax.Array:
    features: Any = net.apply(params, x, method=method)
    return features
