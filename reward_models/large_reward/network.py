"""The network of this project's own large reward model: one picture encoder and three heads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

SIZE = 64  # height and width of pictures
BINS = 11  # progress 0.0, 0.1 ... 1.0
LENGTH = 16  # words of an instruction
UNKNOWN = 1  # token of unknown words; 0 fills up


class Scene(NamedTuple):
    """What is given beside a frame: vectors of B instructions, start and goal pictures.

    Attributes:
        text: [B, T].
        start, goal: [B, D]; 0 where there is none.
        given: [B, 2] whether there is a start picture, and a goal picture.
    """

    text: Float[Array, "B T"]
    start: Float[Array, "B D"]
    goal: Float[Array, "B D"]
    given: Float[Array, "B 2"]


class RewardNet(nn.Module):
    """Progress, completion and comparison of pictures, by a task's instruction.

    Comparison is antisymmetric by construction: exchanging the two pictures changes its sign.

    Attributes:
        words: size of the vocabulary, with the two special tokens.
        channels: of the three convolutions.
        features: D, size of a picture's vector.
        width: of the hidden layers that join everything.
        embedding: T, size of an instruction's vector.
    """

    words: int
    channels: tuple[int, int, int] = (32, 64, 32)
    features: int = 160
    width: int = 192
    embedding: int = 48

    def setup(self) -> None:
        first, second, third = self.channels
        self.conv1 = nn.Conv(first, (4, 4), (4, 4))
        self.conv2 = nn.Conv(second, (3, 3), (2, 2))
        self.conv3 = nn.Conv(third, (3, 3))
        self.picture_out = nn.Dense(self.features)
        self.embed = nn.Embed(self.words, self.embedding)
        self.text_out = nn.Dense(self.embedding)
        self.join1 = nn.Dense(self.width)
        self.join2 = nn.Dense(self.width)
        self.norm = nn.LayerNorm()
        self.progress_out = nn.Dense(BINS)
        self.completion_out = nn.Dense(1)
        self.pair_hidden = nn.Dense(self.width)
        self.pair_out = nn.Dense(1, use_bias=False)

    def pictures(self, pictures: UInt8[Array, "B 64 64 3"] | Float[Array, "B 64 64 3"]) -> Array:
        """Vectors [B, D] of pictures with values 0 to 255."""
        x = pictures.astype(jnp.float32) / 255.0 - 0.5
        for conv in (self.conv1, self.conv2, self.conv3):
            x = nn.relu(conv(x))
        return self.picture_out(x.reshape(x.shape[0], -1))

    def texts(self, tokens: Int[Array, "B L"]) -> Float[Array, "B T"]:
        """Vectors of instructions."""
        known = (tokens > 0).astype(jnp.float32)[..., None]
        mean = jnp.sum(self.embed(tokens) * known, 1) / jnp.maximum(jnp.sum(known, 1), 1.0)
        return nn.tanh(self.text_out(mean))

    def joined(self, frame: Float[Array, "B D"], scene: Scene) -> Float[Array, "B W"]:
        """Vectors of frames in their scenes."""
        start, goal = scene.given[:, :1], scene.given[:, 1:]
        x = jnp.concatenate(
            [frame, start * (frame - scene.start), goal * (frame - scene.goal), scene.given,
             scene.text], axis=-1,
        )  # fmt: skip
        x = nn.relu(self.norm(self.join1(x)))
        return nn.relu(self.join2(x))

    def progress(self, joined: Float[Array, "B W"]) -> Float[Array, "B 11"]:
        """Logits of progress 0.0, 0.1 ... 1.0."""
        return self.progress_out(joined)

    def completion(self, joined: Float[Array, "B W"]) -> Float[Array, " B"]:
        """Logit of a finished task."""
        return self.completion_out(joined)[:, 0]

    def comparison(self, a: Float[Array, "B W"], b: Float[Array, "B W"]) -> Float[Array, " B"]:
        """Logit of b being further than a, from `joined` vectors."""
        score = lambda x, y: self.pair_out(
            nn.relu(self.pair_hidden(jnp.concatenate([x, y], axis=-1)))
        )
        return (score(a, b) - score(b, a))[:, 0]

    def scene(
        self,
        tokens: Int[Array, "B L"],
        start: UInt8[Array, "B 64 64 3"],
        goal: UInt8[Array, "B 64 64 3"],
        given: Bool[Array, "B 2"],
    ) -> Scene:
        """Encodes what is given beside the frames; pictures that are not given may be anything. The
        encoder is not trained through them, which would take half as much time again."""
        has = given.astype(jnp.float32)
        return Scene(
            self.texts(tokens),
            has[:, :1] * jax.lax.stop_gradient(self.pictures(start)),
            has[:, 1:] * jax.lax.stop_gradient(self.pictures(goal)),
            has,
        )

    def __call__(
        self,
        a: UInt8[Array, "B 64 64 3"],
        b: UInt8[Array, "B 64 64 3"],
        tokens: Int[Array, "B L"],
        start: UInt8[Array, "B 64 64 3"],
        goal: UInt8[Array, "B 64 64 3"],
        given: Bool[Array, "B 2"],
    ) -> tuple[Array, Array, Array]:
        """Logits of b's progress [B, 11] and completion [B], and of b being further than a [B]."""
        scene = self.scene(tokens, start, goal, given)
        first, second = self.joined(self.pictures(a), scene), self.joined(self.pictures(b), scene)
        return self.progress(second), self.completion(second), self.comparison(first, second)


def vocabulary(texts: Sequence[str]) -> tuple[str, ...]:
    """All words of some texts, sorted."""
    return tuple(sorted({word for text in texts for word in _split(text)}))


def tokenize(words: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """Tokens int32 [B, LENGTH] by a vocabulary; a longer text is cut off."""
    numbers = {word: UNKNOWN + 1 + i for i, word in enumerate(words)}
    rows = np.zeros((len(texts), LENGTH), np.int32)
    for row, text in zip(rows, texts, strict=True):
        ids = [numbers.get(word, UNKNOWN) for word in _split(text)][:LENGTH]
        row[: len(ids)] = ids
    return rows


def _split(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())
