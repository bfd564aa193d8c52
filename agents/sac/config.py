"""What can be set of SAC."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from annotated_types import Ge, Gt, Interval, Le

Width = Annotated[int, Ge(1)]


@dataclasses.dataclass(frozen=True)
class SACConfig:
    """Soft actor-critic. Sizes are static; rates are plain floats.

    The defaults are for few updates over many environments: an update for every ten steps learns
    from faster rates, a shorter horizon and 3-step returns (as FastTD3 and FlashSAC do), where the
    paper, with an update for each step, has 3e-4, 0.99, 0.005 and 1.
    """

    hidden: tuple[Width, ...] = (256, 256, 256)
    """Widths of the hidden layers of the actor and of each critic."""
    layer_norm: bool = True
    """Layer norm in the critics."""
    normalise_obs: bool = False
    """Normalise observations with the mean and deviation of all that the updates have read (as in
    SimBa, Lee et al. 2025)."""
    actor_lr: Annotated[float, Gt(0), Le(1)] = 1e-3
    """Learning rate of the actor (Adam)."""
    critic_lr: Annotated[float, Gt(0), Le(1)] = 1e-3
    """Learning rate of the critics (Adam)."""
    temperature_lr: Annotated[float, Ge(0), Le(1)] = 3e-4
    """Learning rate of the temperature (Adam); 0 keeps the initial temperature."""
    init_temperature: Annotated[float, Gt(0), Le(1e3)] = 0.1
    """Temperature at the first update: the weight of entropy against reward."""
    gamma: Annotated[float, Gt(0), Le(1)] = 0.97
    """Discount per environment step."""
    tau: Annotated[float, Gt(0), Le(1)] = 0.02
    """Rate of the target critics' moving average, per update."""
    actor_average: Annotated[float, Gt(0), Le(1)] = 0.005
    """Rate of the moving average of the actor's weights, per update; 1 is no average. The average
    acts where nothing explores: in evaluations and exports."""
    n_step: Annotated[int, Ge(1), Le(1000)] = 3
    """Steps of return before the bootstrap."""
    batch_size: Annotated[int, Ge(1)] = 256
    """Transitions per update."""
    hindsight: Annotated[float, Interval(ge=0, le=1)] = 0.0
    """Share of an update's transitions that get another goal, a place that their episode reaches
    later (hindsight experience replay, Andrychowicz et al. 2017; 0.8 there). Only for tasks whose
    observation holds the goal, with the environment's own reward."""
    noise_correlation: Annotated[float, Interval(ge=0, lt=1)] = 0.9
    """Correlation of exploration noise from one step to the next; 0 is independent noise."""
    target_entropy: Annotated[float, Interval(ge=-1e3, le=1e3)] | None = None
    """Entropy that the temperature's updates keep the policy at, in nats; minus the action size
    when None."""
