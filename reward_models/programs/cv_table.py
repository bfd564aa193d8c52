"""OpenCV's functions for image programs: the table that `cv2.` is looked up in."""

from __future__ import annotations

from typing import Any

from core_jax.reward_models.programs import (
    cv_contours,
    cv_drawing,
    cv_filters,
    cv_pixels,
    cv_statistics,
)
from core_jax.reward_models.programs.values import Primitive

_TABLES = (cv_pixels, cv_statistics, cv_filters, cv_contours, cv_drawing)
CV2: dict[str, Any] = {
    name: Primitive(f"cv2.{name}", call)
    for table in _TABLES
    for name, call in table.FUNCTIONS.items()
}
for _table in _TABLES:
    CV2 |= _table.CONSTANTS
