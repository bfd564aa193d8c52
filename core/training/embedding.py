"""Pictures of steps as vectors of an image-text model, in a program of its own.

The model's weights are an argument of that program: there is one copy for all seeds, and none in
checkpoints. So scores come from the host stage of training (`HostSource`), not from inside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge
from jaxtyping import Float

from core_jax import envs
from core_jax.reward_models.embedding import TINY, ImageTextModel, check_weights, load
from core_jax.training.devices import rendering_options

_AT_ONCE = 64  # most pictures that pass through the model at once
_ENDS = 8  # last pictures of episodes that do


@dataclasses.dataclass(frozen=True)
class EmbeddingConfig:
    """The image-text model, and the pictures that it is shown."""

    weights: str = TINY
    """Folder of a CLIP checkpoint (config.json, model.safetensors, tokenizer.json); `tiny` is a
    small model that was trained on this project's renderer and is no substitute for CLIP."""
    caption: str = ""
    """What the pictures are compared with; by default what is to be seen when the task is done."""
    samples: Annotated[int, Ge(1)] = 1
    """Rays per pixel along each side; more is smoother and slower."""
    shadows: bool = False
    """Whether things cast shadows."""
    gripper: bool = False
    """Whether the gripper is visible."""
    every: Annotated[int, Ge(1)] = 5
    """Steps from one picture to the next."""


def check_embedding(config: EmbeddingConfig, spec: envs.TaskSpec) -> None:
    """Raises a ValueError unless the model's files exist and it has pictures to look at."""
    check_weights(config.weights)
    if not spec.has_pictures:
        raise ValueError(f"task {spec.name} has no pictures for an image-text model to look at")


class PictureEmbedder:
    """Unit vectors of the pictures of snapshots.

    Args:
        env: whose snapshots.
        model: that looks at them; they are rendered in its size.
        config: how they are rendered.
    """

    def __init__(self, env: envs.TaskEnv, model: ImageTextModel, config: EmbeddingConfig):
        self.model = model

        def look(params: Any, snapshots: jax.Array) -> jax.Array:
            size, look = model.size, (config.samples, config.shadows, config.gripper)
            draw = lambda snapshot: env.picture(snapshot, size, size, *look)
            return model.images(params, jax.vmap(draw)(snapshots))

        self._look = jax.jit(look, compiler_options=rendering_options())

    def features(
        self, snapshots: Float[np.ndarray, "*B K"], size: int | None = None
    ) -> Float[np.ndarray, "*B D"]:
        """Vectors [..., D] of snapshots [..., K].

        Args:
            snapshots: any number of them.
            size: how many are looked at together, which is compiled once for each size; by default
                as many as fit for this number.
        """
        flat = np.asarray(snapshots, np.float32).reshape(-1, np.shape(snapshots)[-1])
        if size is None:
            size = -(-len(flat) // -(-len(flat) // _AT_ONCE))
        parts = []
        for i in range(0, len(flat), size):
            some = flat[i : i + size]
            padded = np.concatenate([some, np.repeat(some[-1:], size - len(some), axis=0)])
            parts.append(np.asarray(self._look(self.model.params, padded))[: len(some)])
        return np.concatenate(parts).reshape(*np.shape(snapshots)[:-1], self.model.dim)

    def caption(self, text: str) -> Float[np.ndarray, " D"]:
        """The unit vector of a sentence."""
        tokens = jnp.asarray(self.model.tokenize([text]))
        return np.asarray(self.model.text_features(tokens))[0]


def make_embedder(env: envs.TaskEnv, config: EmbeddingConfig) -> PictureEmbedder:
    """Loads the model.

    Raises:
        ValueError: as `reward_models.embedding.load`.
    """
    return PictureEmbedder(env, load(config.weights), config)


@dataclasses.dataclass(frozen=True)
class CaptionScore:
    """How well steps look like a caption, as a `HostSource`: `2 cos(picture, caption) - 1`.

    Each step has the score of the next picture of its episode. Pictures are of every few steps, of
    an episode's last one, and of a block's.

    Attributes:
        column: that it fills.
        embedder: looks at the pictures.
        text: the caption's unit vector [D].
        every: steps from one picture to the next.
    """

    column: str
    embedder: PictureEmbedder
    text: np.ndarray
    every: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def score(self, steps: Any) -> Mapping[str, np.ndarray]:
        """Scores [S, T, N]."""
        cut, snapshot = np.asarray(steps.cut) > 0, np.asarray(steps.snapshot)
        length = cut.shape[1]
        read = np.append(np.arange(self.every - 1, length - 1, self.every), length - 1)
        score = np.zeros(cut.shape, np.float32)
        known = np.zeros(cut.shape, bool)
        known[:, read] = True
        score[:, read] = self._scores(snapshot[:, read])
        ends = cut & ~known
        if ends.any():  # few, and never the same number
            score[ends] = self._scores(snapshot[ends], _ENDS)
        known |= ends
        for t in reversed(range(length - 1)):
            score[:, t] = np.where(known[:, t], score[:, t], score[:, t + 1])
        return {self.column: score}

    def _scores(self, snapshots: np.ndarray, size: int | None = None) -> np.ndarray:
        return 2.0 * self.embedder.features(snapshots, size) @ self.text - 1.0
