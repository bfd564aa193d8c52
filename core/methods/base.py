"""What a method is, to the loop."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Method:
    """Which parts of a reward a method uses."""

    name: str
    summary: str
    formal: bool = False
    """A formal reward, written and refined by a language model."""
    residual: bool = False
    """A residual reward, learned from preferences."""
    ground_truth: Literal["dense", "sparse"] | None = None
    """The environment's own reward, for the baselines that are given it."""
