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
    """A formal reward, written by a language model."""
    writer: Literal["core", "eureka", "text2reward"] = "core"
    """Whose way of writing it. core: selected among candidates, then refined by labels; eureka:
    candidates are trained and the best reflected on, again and again; text2reward: one reply."""
    formal_limit: float = 1.0
    """The formal reward is clipped to this size. Only CoRe's prompt asks for [-1, 1]; elsewhere
    the limit just keeps a runaway reward from overflowing the critics."""
    residual: bool = False
    """A residual reward, learned from preferences."""
    ground_truth: Literal["dense", "sparse"] | None = None
    """The environment's own reward, for the baselines that are given it."""
