"""CLIP (Radford et al. 2021): a vision transformer and a causal text transformer.

Modules and parameters have the names of `transformers`' checkpoints, so that a weight's place is
its name. Layer norms come before attention and MLP; the picture's vector is read at the class
token, the text's at the end-of-text token, which has the highest number of the vocabulary.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "quick_gelu": lambda x: x * jax.nn.sigmoid(1.702 * x),
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
}


@dataclasses.dataclass(frozen=True)
class TowerConfig:
    """One transformer; fields have the names of `config.json`, defaults are ViT-B/32's vision."""

    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5


@dataclasses.dataclass(frozen=True)
class VisionConfig(TowerConfig):
    """The picture's tower."""

    image_size: int = 224
    patch_size: int = 32


@dataclasses.dataclass(frozen=True)
class TextConfig(TowerConfig):
    """The text's tower."""

    hidden_size: int = 512
    intermediate_size: int = 2048
    num_attention_heads: int = 8
    vocab_size: int = 49408
    max_position_embeddings: int = 77


@dataclasses.dataclass(frozen=True)
class CLIPConfig:
    """Both towers."""

    vision: VisionConfig = VisionConfig()
    text: TextConfig = TextConfig()
    projection_dim: int = 512


def read_config(values: Mapping[str, Any]) -> CLIPConfig:
    """A checkpoint's `config.json`; what it leaves out has ViT-B/32's value, as in `transformers`.

    Raises:
        ValueError: it describes no CLIP, or one with another activation.
    """
    if not {"vision_config", "text_config"} <= set(values):
        raise ValueError(
            f"config.json describes {values.get('model_type', 'no')!r} model, not CLIP: it needs "
            "vision_config and text_config"
        )

    def part(cls: type, name: str) -> Any:
        known = {f.name for f in dataclasses.fields(cls)}
        return cls(**{k: v for k, v in values[name].items() if k in known})

    config = CLIPConfig(
        part(VisionConfig, "vision_config"),
        part(TextConfig, "text_config"),
        values.get("projection_dim", CLIPConfig.projection_dim),
    )
    for tower in (config.vision, config.text):
        if tower.hidden_act not in ACTIVATIONS:
            valid = ", ".join(ACTIVATIONS)
            raise ValueError(f"config.json: hidden_act {tower.hidden_act!r} is not one of {valid}")
    return config


class Attention(nn.Module):
    """Multi-head self-attention."""

    config: TowerConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "B L W"], mask: Bool[Array, "L L"] | None
    ) -> Float[Array, "B L W"]:
        width, heads = self.config.hidden_size, self.config.num_attention_heads
        split = lambda y: y.reshape(*y.shape[:-1], heads, width // heads)
        q, k, v = (split(nn.Dense(width, name=f"{n}_proj")(x)) for n in "qkv")
        mixed = jax.nn.dot_product_attention(q, k, v, mask=mask)
        return nn.Dense(width, name="out_proj")(mixed.reshape(x.shape))


class MLP(nn.Module):
    """Two dense layers."""

    config: TowerConfig

    @nn.compact
    def __call__(self, x: Float[Array, "B L W"]) -> Float[Array, "B L W"]:
        x = nn.Dense(self.config.intermediate_size, name="fc1")(x)
        x = ACTIVATIONS[self.config.hidden_act](x)
        return nn.Dense(self.config.hidden_size, name="fc2")(x)


class Layer(nn.Module):
    """One block, layer norms first."""

    config: TowerConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "B L W"], mask: Bool[Array, "L L"] | None
    ) -> Float[Array, "B L W"]:
        eps = self.config.layer_norm_eps
        normal = nn.LayerNorm(epsilon=eps, name="layer_norm1")(x)
        x = x + Attention(self.config, name="self_attn")(normal, mask)
        return x + MLP(self.config, name="mlp")(nn.LayerNorm(epsilon=eps, name="layer_norm2")(x))


class Encoder(nn.Module):
    """All blocks."""

    config: TowerConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "B L W"], mask: Bool[Array, "L L"] | None = None
    ) -> Float[Array, "B L W"]:
        for i in range(self.config.num_hidden_layers):
            x = Layer(self.config, name=f"layers_{i}")(x, mask)
        return x


class VisionTower(nn.Module):
    """Pictures as `preprocess` makes them -> vectors before projection."""

    config: VisionConfig

    @nn.compact
    def __call__(self, pictures: Float[Array, "B R R 3"]) -> Float[Array, "B W"]:
        config, width = self.config, self.config.hidden_size
        patch = (config.patch_size, config.patch_size)
        x = nn.Conv(width, patch, patch, "VALID", use_bias=False, name="patch_embedding")(pictures)
        x = x.reshape(x.shape[0], -1, width)
        first = self.param("class_embedding", nn.initializers.normal(), (width,))
        x = jnp.concatenate([jnp.broadcast_to(first, (x.shape[0], 1, width)), x], axis=1)
        places = (config.image_size // config.patch_size) ** 2 + 1
        x = x + nn.Embed(places, width, name="position_embedding")(jnp.arange(places))
        # The name is misspelt in every checkpoint.
        x = nn.LayerNorm(epsilon=config.layer_norm_eps, name="pre_layrnorm")(x)
        x = Encoder(config, name="encoder")(x)
        return nn.LayerNorm(epsilon=config.layer_norm_eps, name="post_layernorm")(x[:, 0])


class TextTower(nn.Module):
    """Tokens -> vectors before projection."""

    config: TextConfig

    @nn.compact
    def __call__(self, tokens: Int[Array, "B L"]) -> Float[Array, "B W"]:
        config, length = self.config, tokens.shape[1]
        x = nn.Embed(config.vocab_size, config.hidden_size, name="token_embedding")(tokens)
        places = config.max_position_embeddings
        positions = nn.Embed(places, config.hidden_size, name="position_embedding")
        x = x + positions(jnp.arange(length))
        x = Encoder(config, name="encoder")(x, jnp.tril(jnp.ones((length, length), bool)))
        x = nn.LayerNorm(epsilon=config.layer_norm_eps, name="final_layer_norm")(x)
        return x[jnp.arange(x.shape[0]), jnp.argmax(tokens, axis=1)]


class CLIP(nn.Module):
    """Both towers with their projections; vectors are not normalised yet."""

    config: CLIPConfig

    def setup(self) -> None:
        self.vision_model = VisionTower(self.config.vision)
        self.text_model = TextTower(self.config.text)
        dim = self.config.projection_dim
        self.visual_projection = nn.Dense(dim, use_bias=False)
        self.text_projection = nn.Dense(dim, use_bias=False)

    def images(self, pictures: Float[Array, "B R R 3"]) -> Float[Array, "B D"]:
        """Vectors of preprocessed pictures."""
        return self.visual_projection(self.vision_model(pictures))

    def texts(self, tokens: Int[Array, "B L"]) -> Float[Array, "B D"]:
        """Vectors of token sequences."""
        return self.text_projection(self.text_model(tokens))

    def __call__(self, pictures: Float[Array, "B R R 3"], tokens: Int[Array, "B L"]) -> Any:
        """Both, for `init`."""
        return self.images(pictures), self.texts(tokens)
