"""`ImageTextModel`: what every image-text model here offers, and `load`, which makes one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

TINY = "tiny"
"""Name of the model that is part of the package."""


@dataclasses.dataclass(frozen=True)
class ImageTextModel:
    """Frozen towers for pictures and for text, with unit vectors of the same space.

    Attributes:
        name: in tables and metrics: `tiny`, or the checkpoint folder's name.
        size: height and width of the pictures that it reads; others are resized.
        dim: length D of a feature vector.
        params: of both towers.
        images: pure: `(params, pictures uint8 [B, H, W, 3]) -> [B, D]`.
        texts: pure: `(params, tokens int32 [B, L]) -> [B, D]`.
        tokenize: sentences -> tokens [B, L], on the host.
    """

    name: str
    size: int
    dim: int
    params: Any
    images: Callable[[Any, Array], Array]
    texts: Callable[[Any, Array], Array]
    tokenize: Callable[[Sequence[str]], np.ndarray]

    def image_features(self, pictures: UInt8[Array, "B H W 3"]) -> Float[Array, "B D"]:
        """Unit vectors of pictures."""
        return jax.jit(self.images)(self.params, jnp.asarray(pictures))

    def text_features(self, tokens: Int[Array, "B L"]) -> Float[Array, "B D"]:
        """Unit vectors of sentences, from `tokenize`."""
        return jax.jit(self.texts)(self.params, jnp.asarray(tokens))


def load(weights: str | Path) -> ImageTextModel:
    """Loads a model.

    Args:
        weights: `tiny`, or a folder with a CLIP checkpoint as `transformers` stores it:
            `config.json`, `model.safetensors`, and `tokenizer.json` or `vocab.json` and
            `merges.txt`.

    Raises:
        ValueError: the folder or one of its files is missing, or is something else.
    """
    check_weights(weights)
    if str(weights) == TINY:
        from core_jax.reward_models.embedding.tiny import load_tiny

        return load_tiny()
    from core_jax.reward_models.embedding.checkpoint import load_clip

    return load_clip(Path(weights))


def check_weights(weights: str | Path) -> None:
    """Raises a ValueError unless `load` would find its files."""
    if str(weights) == TINY:
        return
    folder = Path(weights)
    if not folder.is_dir():
        raise ValueError(f"clip.weights ({weights}) must be {TINY!r} or the folder of a checkpoint")
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise ValueError(f"clip.weights ({weights}) has no {name}")
    has = {
        name for name in ("tokenizer.json", "vocab.json", "merges.txt") if (folder / name).is_file()
    }
    if "tokenizer.json" not in has and not {"vocab.json", "merges.txt"} <= has:
        raise ValueError(
            f"clip.weights ({weights}) has no tokenizer.json, and not both of vocab.json and "
            "merges.txt"
        )


def dimension(weights: str | Path) -> int:
    """Length of the feature vectors of the model that `load` would load."""
    if str(weights) == TINY:
        from core_jax.reward_models.embedding.tiny import DIM

        return DIM
    from core_jax.reward_models.embedding.clip import read_config

    check_weights(weights)
    return read_config(json.loads((Path(weights) / "config.json").read_text())).projection_dim


def unit(features: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """Vectors of length 1."""
    return features / jnp.linalg.norm(features, axis=-1, keepdims=True)
