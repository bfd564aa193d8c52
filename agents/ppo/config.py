"""What can be set of PPO."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from annotated_types import Ge, Gt, Interval, Le

Width = Annotated[int, Ge(1)]


@dataclasses.dataclass(frozen=True)
class PPOConfig:
    """Proximal policy optimisation.

    The actor and the value network are separate, each with its own optimiser, so that there is no
    weight of the value loss to set and a changed reward can reset the value network alone.
    """

    hidden: tuple[Width, ...] = (256, 256)
    """Widths of the hidden layers of the policy and of the value network."""
    actor_lr: Annotated[float, Gt(0), Le(1)] = 3e-4
    """Learning rate of the policy (Adam)."""
    value_lr: Annotated[float, Gt(0), Le(1)] = 1e-3
    """Learning rate of the value network (Adam)."""
    decay_updates: Annotated[int, Ge(1)] | None = None
    """Updates (rollouts) over which both learning rates fall linearly to 0; constant when None."""
    max_grad_norm: Annotated[float, Gt(0)] = 0.5
    """Norm to which the gradient of each network is limited."""
    gamma: Annotated[float, Gt(0), Le(1)] = 0.99
    """Discount per environment step."""
    gae_lambda: Annotated[float, Interval(ge=0, le=1)] = 0.95
    """Decay of the advantage estimate: 0 is one step, 1 is the whole return."""
    epochs: Annotated[int, Ge(1), Le(1000)] = 10
    """Passes over a rollout in one update."""
    minibatches: Annotated[int, Ge(1)] = 16
    """Parts of a rollout with one gradient step each; must divide its steps times environments."""
    clip: Annotated[float, Interval(gt=0, lt=1)] = 0.2
    """Relative change of an action's probability beyond which the surrogate does not improve."""
    value_clip: Annotated[float, Gt(0)] | None = None
    """Change of a value in one update beyond which its loss does not fall, in units of return; not
    limited when None."""
    target_kl: Annotated[float, Gt(0)] | None = None
    """KL divergence from the policy that acted, in nats, from which on an update takes no more
    gradient steps; not limited when None."""
    entropy_weight: Annotated[float, Ge(0), Le(1e3)] = 0.0
    """Weight of the policy's entropy in its loss."""
    kl_weight: Annotated[float, Ge(0), Le(1e3)] = 0.0
    """Weight of KL(policy || reference policy) in the policy's loss."""
    value_warm_up: Annotated[int, Ge(0)] = 0
    """Updates (rollouts) at the start that fit the value network alone and leave the policy as it
    is, for a policy that was not learned with this value network."""
    normalise_advantage: bool = True
    """Standardise the advantages of each minibatch."""
    normalise_obs: bool = True
    """Normalise observations with the mean and deviation of all that the learner was given."""
    state_dependent_std: bool = False
    """Let the policy network give the deviation of each action; else it is one learned number per
    action entry. Continuous actions only."""
    init_std: Annotated[float, Gt(0), Le(10)] = 0.6
    """Deviation of the first policy's actions, where a box is 2 wide. Continuous actions only."""
    min_std: Annotated[float, Gt(0), Le(10)] = 0.05
    """Least deviation of actions; below `init_std`. Continuous actions only."""

    def __post_init__(self) -> None:
        if self.min_std >= self.init_std:
            raise ValueError(
                f"min_std ({self.min_std}) must be less than init_std ({self.init_std})"
            )
