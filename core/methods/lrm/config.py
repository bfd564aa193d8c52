"""What can be set of LRM."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

from core_jax.agents.bc import BCConfig
from core_jax.envs import graded
from core_jax.methods.code import CodeFile
from core_jax.reward_models.large_reward.scripted import ScriptedJudgeConfig

Weight = Annotated[float, Interval(ge=0, le=1e3)]


@dataclasses.dataclass(frozen=True)
class JudgeConfig:
    """The large reward model, and the reward that is made of its answers."""

    reward: Literal["progress", "completion", "contrastive", "tri"] = "tri"
    """Which answers are the reward. contrastive: +1 if the picture is further than the one before;
    tri: the weighted mean of the three, the contrastive one mapped to [0, 1]."""
    judge: Literal["own", "scripted", "server", "vlm"] = "own"
    """Who answers. own: a small network of this project; scripted: ground truth with errors
    (--truth); server: a server of the released protocol (--lrm.url); vlm: the chat model of
    --model."""
    every: Annotated[int, Ge(1)] = 10
    """Steps from one judged picture to the next, in every episode from its first step on; the
    reward is held between."""
    weight: Weight = 0.1
    """Weight of the judged reward. With 0 nobody is asked."""
    sparse_weight: Weight = 0.0
    """Weight of the benchmark's success signal, added to it."""
    dense_weight: Weight = 0.0
    """Weight of the benchmark's dense reward, added to it; for baselines."""
    tri_weights: tuple[Weight, Weight, Weight] = (1 / 3, 1 / 3, 1 / 3)
    """Weights of contrastive, progress and completion in tri; they must sum to 1."""
    threshold: Annotated[float, Interval(gt=0, lt=1)] | None = None
    """Completion counts as 1 from this probability on and as 0 below; the probability itself when
    None."""
    abstain_below: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Confidence below which an answer is not used; the reward is held instead."""
    failures: Literal["hold", "error"] = "hold"
    """What becomes of a request that fails. hold: the reward is held, and the metric
    `lrm_failures` counts it; error: the run stops."""
    start: bool = True
    """Show the episode's first picture beside each."""
    goal: bool = True
    """Show a picture of the finished task beside each."""
    file: str = "own"
    """The network's parameters, a file of `train_reward_model.py`, for --lrm.judge own."""
    url: str = ""
    """Address of the server, such as http://127.0.0.1:5001."""
    concurrency: Annotated[int, Ge(1)] = 8
    """Requests to a server or a chat model that are under way together."""
    both_orders: bool = False
    """Ask a chat model every comparison in both orders; answers that contradict each other are an
    abstention."""
    shuffle: bool = False
    """Ask a chat model about a rollout's frames in random order."""
    timeout: Annotated[float, Gt(0)] = 60.0
    """Seconds that a server has for an answer."""
    retries: Annotated[int, Ge(0)] = 2
    """Repetitions of a request to a server that fails."""


@dataclasses.dataclass(frozen=True)
class DemosConfig:
    """The demonstrations: episodes of the scripted expert with errors."""

    episodes: Annotated[int, Ge(1)] = 30
    """Number of episodes."""
    steps: Annotated[int, Ge(1)] = 150
    """Steps of each."""
    best: Annotated[float, Interval(ge=0, le=graded.WORST)] = 0.0
    """Deficit of the best demonstrator's skill: 0 is the expert, 1 a poor one."""
    worst: Annotated[float, Interval(ge=0, le=graded.WORST)] = 0.6
    """Deficit of the worst one; the others are evenly spaced between."""
    successful: bool = False
    """Clone successful episodes alone."""


@dataclasses.dataclass(frozen=True)
class FormalConfig(CodeFile):
    """Reward code, to which the judged reward is the residual, as in CoRe."""

    weight: Weight = 0.1
    """Weight of the code's value, clipped to [-1, 1]."""


@dataclasses.dataclass(frozen=True)
class LRMConfig:
    """LRM: imitation, then PPO with a large reward model's judgements."""

    lrm: JudgeConfig = dataclasses.field(default_factory=JudgeConfig)
    """The large reward model, and the reward that is made of its answers."""
    demos: DemosConfig = dataclasses.field(default_factory=DemosConfig)
    """The demonstrations."""
    bc: BCConfig = dataclasses.field(default_factory=BCConfig)
    """Behaviour cloning of the demonstrations."""
    formal: FormalConfig = dataclasses.field(default_factory=FormalConfig)
    """Reward code, to which the judged reward is the residual, as in CoRe."""
    truth: ScriptedJudgeConfig = dataclasses.field(default_factory=ScriptedJudgeConfig)
    """The errors of --lrm.judge scripted."""
