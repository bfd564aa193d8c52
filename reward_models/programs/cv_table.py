"""OpenCV's functions for image programs: the table that `cv2.` is looked up in."""

from __future__ import annotations

from typing import Any

from core_jax.reward_models.programs import cv_pixels
from core_jax.reward_models.programs.values import Primitive

FUNCTIONS = {**cv_pixels.FUNCTIONS}
CONSTANTS: dict[str, Any] = {**cv_pixels.CONSTANTS}
CV2: dict[str, Any] = {name: Primitive(f"cv2.{name}", call) for name, call in FUNCTIONS.items()}
CV2 |= CONSTANTS
