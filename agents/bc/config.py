"""What can be set of behaviour cloning."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from annotated_types import Ge, Gt, Le


@dataclasses.dataclass(frozen=True)
class BCConfig:
    """Behaviour cloning by maximum likelihood."""

    gradient_steps: Annotated[int, Ge(1), Le(10_000_000)] = 1_500
    """Gradient steps."""
    batch_size: Annotated[int, Ge(1)] = 256
    """Steps of demonstrations in a batch, drawn with replacement."""
    lr: Annotated[float, Gt(0), Le(1)] = 3e-3
    """Learning rate (Adam), which falls to 0 by a cosine."""
    weight_decay: Annotated[float, Ge(0), Le(1)] = 1e-4
    """Weight decay (AdamW)."""
    max_grad_norm: Annotated[float, Gt(0)] = 1.0
    """Norm to which gradients are limited."""
