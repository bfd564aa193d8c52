"""Image-text models: pictures and sentences as unit vectors of one space.

    model = load("tiny")                        # or a folder with a CLIP checkpoint
    text = model.text_features(model.tokenize(["the drawer is open"]))
    score = model.image_features(pictures) @ text[0]   # cosine

Two kinds exist: CLIP, from a checkpoint folder of yours, and `tiny`, a small model that was trained
on this project's own renderer (`scripts/tools/train_tiny.py`) and is no substitute for CLIP.
"""

from core_jax.reward_models.embedding.model import (
    TINY,
    ImageTextModel,
    check_weights,
    dimension,
    load,
)
from core_jax.reward_models.embedding.preprocess import preprocess

__all__ = ["TINY", "ImageTextModel", "check_weights", "dimension", "load", "preprocess"]
