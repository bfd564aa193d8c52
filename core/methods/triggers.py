"""Triggers: what a method does at the boundary between two chunks, and when.

Whether a trigger is due depends on environment steps alone, so that a resumed run is the
uninterrupted run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from core_jax.training.state import SeedState


class Arrived(NamedTuple):
    """What arrived from the teacher at a boundary."""

    answered: bool  # any answer, abstentions included
    fits: bool  # a round after which the reward is fitted


@dataclasses.dataclass
class Boundary:
    """The moment between two chunks. Triggers read it, change `seeds`, and add to `row` and
    `events`.

    Attributes:
        env_steps: environment steps so far.
        seeds: the device state of all seeds.
        row: this boundary's row of metrics.
        events: lines about what happened, for the log.
        evaluation: the latest evaluation, quantity -> one number per seed; empty before the first.
        arrived: labels that arrived at this boundary.
    """

    env_steps: int
    seeds: SeedState
    row: dict[str, Any]
    events: list[str] = dataclasses.field(default_factory=list)
    evaluation: Mapping[str, list[float]] = dataclasses.field(default_factory=dict)
    arrived: Arrived | None = None


Action = Callable[[Boundary], None]


@dataclasses.dataclass(frozen=True)
class EachChunk:
    """Due at every boundary."""

    do: Action


@dataclasses.dataclass(frozen=True)
class Every:
    """Due every `period` environment steps from `start` on."""

    period: int
    do: Action
    start: int = 0


@dataclasses.dataclass(frozen=True)
class At:
    """Due at the first boundary at or after each of some environment steps."""

    steps: tuple[int, ...]
    do: Action


@dataclasses.dataclass(frozen=True)
class OnArrival:
    """Due when labels arrived at this boundary."""

    do: Action


@dataclasses.dataclass(frozen=True)
class AfterEvaluation:
    """Due after every evaluation."""

    do: Action


Trigger = EachChunk | Every | At | OnArrival | AfterEvaluation


def run_due(
    triggers: Sequence[Trigger], boundary: Boundary, chunk: int, evaluated: bool = False
) -> None:
    """Runs the triggers that are due, in order: with `evaluated` those after an evaluation, else
    all others."""
    for trigger in triggers:
        if isinstance(trigger, AfterEvaluation) == evaluated and _due(trigger, boundary, chunk):
            trigger.do(boundary)


def _due(trigger: Trigger, boundary: Boundary, chunk: int) -> bool:
    if isinstance(trigger, Every):
        late = boundary.env_steps - trigger.start
        return late >= 0 and late % trigger.period < chunk
    if isinstance(trigger, At):
        return any(0 <= boundary.env_steps - at < chunk for at in trigger.steps)
    if isinstance(trigger, OnArrival):
        return boundary.arrived is not None
    return True
