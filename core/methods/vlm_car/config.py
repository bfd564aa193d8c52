"""What can be set of VLM-CaR."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

Count = Annotated[int, Ge(1)]
Share = Annotated[float, Interval(ge=0, le=1)]


@dataclasses.dataclass(frozen=True)
class GenerateConfig:
    """How sub-tasks and programs are asked for."""

    lists: Count = 2
    """Lists of sub-tasks that are asked for at most: another one when a list's last sub-task finds
    no program."""
    samples: Count = 2
    """Programs asked for at once."""
    attempts: Count = 3
    """Times that programs for a sub-task are asked for, the second time on with the verdicts."""


@dataclasses.dataclass(frozen=True)
class VerifyConfig:
    """When a program is believed."""

    experts: Count = 200
    """Expert trajectories."""
    randoms: Count = 200
    """Trajectories of uniformly random actions, as long as the longest of an expert."""
    tpr_min: Share = 1.0
    """Share of expert trajectories that a program must complete, in order."""
    fpr_max: Share = 0.1
    """Share of random trajectories that a program may complete as early as the quick experts, that
    all programs together may complete, and share of trajectories that may begin completed."""
    frames: Count = 2
    """Pictures in which a program must fire to complete a trajectory. What an expert has finished
    is shown that often."""
    quick: Share = 0.25
    """Quantile of the experts' times of completing a sub-task up to which random trajectories are
    watched: later, chance completes easy ones."""
    early: Annotated[int, Ge(0)] = 0
    """Steps before the end of an expert trajectory in which the last program may fire already."""
    steps: Count = 150
    """Most steps of a trajectory."""
    every: Count = 1
    """Steps from one picture of a trajectory to the next."""
    expert_noise: Share = 0.0
    """Share of an expert's actions that are uniformly random, or noise on continuous ones."""


@dataclasses.dataclass(frozen=True)
class CarConfig:
    """The reward that is made of the programs, and the pictures that they see."""

    form: Literal["bonus", "potential"] = "bonus"
    """bonus: a reward for each sub-task that is completed; potential: potential-based shaping by
    the number of sub-tasks done, added to the task's success, which keeps the optimal policy."""
    bonus: Annotated[float, Gt(0)] = 1.0
    """Reward of a sub-task, or its potential."""
    frames: Count = 1
    """Pictures in which a program must fire in training until its sub-task is done."""
    height: Count = 64
    """Height of the pictures, pixels."""
    width: Count = 64
    """Width of the pictures, pixels."""
    gripper: bool = True
    """Whether the gripper is visible."""
    memory: Count = 131_072
    """Bytes kept of an episode for each environment: what the programs remember."""
    generate: GenerateConfig = dataclasses.field(default_factory=GenerateConfig)
    verify: VerifyConfig = dataclasses.field(default_factory=VerifyConfig)


@dataclasses.dataclass(frozen=True)
class VLMCaRConfig:
    """VLM-CaR."""

    car: CarConfig = dataclasses.field(default_factory=CarConfig)
