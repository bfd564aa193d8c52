"""A method in one file: it rewards the gripper's height, and halves the weight now and then.

python examples/own_method.py FOLDER [STEPS]
"""

import dataclasses
import sys
from typing import ClassVar

import core_jax
from core_jax.methods.base import BaseMethod, BaseRun
from core_jax.methods.triggers import Every
from core_jax.reward_models.source import StatelessSource
from core_jax.training.plan import Rewards


class Height(StatelessSource):
    """A reward source: the gripper's height, in metres."""

    name = "height"
    columns = ("height",)

    def score(self, state, steps, ring=None):
        return {"height": steps.next_obs[..., 2]}, {}


@dataclasses.dataclass(frozen=True)
class LiftConfig:
    """Settings of the method; its fields are flags."""

    weight: float = 1.0
    """Weight of the gripper's height."""
    halve_every: int = 10_000
    """Environment steps after which the weight is halved."""


class Lift(BaseMethod):
    name: ClassVar[str] = "lift"
    summary: ClassVar[str] = "rewards the gripper's height"
    config: ClassVar[type] = LiftConfig

    def rewards(self, config, training, env):
        return Rewards({"height": config.weight}, sources=(Height(),))

    def start(self, config, context, train):
        return LiftRun(config)


class LiftRun(BaseRun):
    def __init__(self, config):
        self.config = config

    @property
    def triggers(self):
        period = self.config.halve_every
        return (Every(period, self.halve, start=period),)

    def halve(self, at):
        weights = {name: 0.5 * w for name, w in at.seeds.weights.items()}
        at.seeds = at.seeds.replace(weights=weights)
        at.events.append("weight halved")


if __name__ == "__main__":
    core_jax.register_method(Lift())
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 120_000
    config = core_jax.make_config(method="lift", weight=2.0, steps=steps)
    summary = core_jax.run(config, sys.argv[1])
    print(f"return of the benchmark's own reward: {summary['episode_return']}")
