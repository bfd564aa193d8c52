"""Reads CLIP checkpoints in the layout of `transformers` (`openai/clip-vit-base-patch32` and
others): `config.json`, `model.safetensors` and the tokenizer's files in one folder."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from core_jax.reward_models.embedding.clip import CLIP, CLIPConfig, read_config
from core_jax.reward_models.embedding.model import ImageTextModel, unit
from core_jax.reward_models.embedding.preprocess import preprocess
from core_jax.reward_models.embedding.tokenizer import load_tokenizer

_BUFFERS = ("position_ids", "logit_scale")  # stored beside the weights, and not needed here


def load_clip(folder: Path) -> ImageTextModel:
    """The model in a folder.

    Raises:
        ValueError: a weight is missing, unknown or of another shape than `config.json` says.
        ImportError: the optional packages are not installed.
    """
    try:
        from safetensors import safe_open
    except ImportError as error:
        raise ImportError(
            "CLIP checkpoints need safetensors and tokenizers: pip install 'core-jax[clip]'"
        ) from error
    config = read_config(json.loads((folder / "config.json").read_text()))
    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        # One at a time: the whole file beside the parameters would take twice the memory.
        params = to_params(config, ((name, file.get_tensor(name)) for name in file.keys()))
    return make_clip(folder.resolve().name, config, params, load_tokenizer(folder, config.text))


def make_clip(name: str, config: CLIPConfig, params: Any, tokenize: Any) -> ImageTextModel:
    """A model of its parts."""
    net, size = CLIP(config), config.vision.image_size
    return ImageTextModel(
        name=name,
        size=size,
        dim=config.projection_dim,
        params=params,
        images=functools.partial(_images, net, size),
        texts=functools.partial(_texts, net),
        tokenize=tokenize,
    )


def to_params(config: CLIPConfig, weights: Iterable[tuple[str, np.ndarray]]) -> Any:
    """Flax parameters, float32, from a checkpoint's tensors.

    Raises:
        ValueError: as `load_clip`.
    """
    net = CLIP(config)
    size = config.vision.image_size
    shapes = jax.eval_shape(
        net.init, jax.random.key(0), jnp.zeros((1, size, size, 3)), jnp.zeros((1, 2), jnp.int32)
    )
    wanted: dict[Any, Any] = flatten_dict(shapes["params"])
    found = {}
    for name, value in weights:
        if not name.endswith(_BUFFERS):
            path, array = _placed(name, np.asarray(value, np.float32))
            found[path] = (name, jnp.asarray(array))
    if missing := sorted(set(wanted) - set(found)):
        raise ValueError(f"model.safetensors lacks the weight of {'.'.join(missing[0])}")
    if unknown := sorted(set(found) - set(wanted)):
        raise ValueError(f"model.safetensors has {found[unknown[0]][0]}, which CLIP has not")
    for path, (name, array) in found.items():
        if array.shape != wanted[path].shape:
            raise ValueError(
                f"model.safetensors: {name} has the shape {array.shape} and config.json says "
                f"{wanted[path].shape} (inputs first)"
            )
    flat = {path: array for path, (_, array) in found.items()}
    return {"params": unflatten_dict(flat)}


def _placed(name: str, value: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Where a tensor is in flax's tree, and its value in flax's layout."""
    # PyTorch: dense [out, in], convolutions [out, in, h, w].
    *modules, kind = name.replace(".embeddings.", ".").replace(".layers.", ".layers_").split(".")
    if kind != "weight":
        return (*modules, kind), value
    if modules[-1].endswith(("norm", "norm1", "norm2")):
        return (*modules, "scale"), value
    if modules[-1] in ("token_embedding", "position_embedding"):
        return (*modules, "embedding"), value
    layout = (2, 3, 1, 0) if value.ndim == 4 else (1, 0)
    return (*modules, "kernel"), value.transpose(layout) if value.ndim > 1 else value


def _images(net: CLIP, size: int, params: Any, pictures: jax.Array) -> jax.Array:
    features: Any = net.apply(params, preprocess(pictures, size), method="images")
    return unit(features)


def _texts(net: CLIP, params: Any, tokens: jax.Array) -> jax.Array:
    features: Any = net.apply(params, tokens, method="texts")
    return unit(features)
