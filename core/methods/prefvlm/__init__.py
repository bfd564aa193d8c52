"""PrefVLM (2025), extended as ROVED (ICRA 2026): pairs labelled by an image-text model."""

from core_jax.methods.prefvlm.config import PrefVLMConfig
from core_jax.methods.prefvlm.method import PrefVLM

__all__ = ["PrefVLM", "PrefVLMConfig"]
