"""Settings of a scripted teacher (`--teacher scripted`) and the kinds that set them."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal, NamedTuple, TypeAlias

from annotated_types import Ge, Gt, Le, Lt

Probability: TypeAlias = Annotated[float, Ge(0.0), Le(1.0)]
NotNegative: TypeAlias = Annotated[float, Ge(0.0), Lt(float("inf"))]
Finite: TypeAlias = Annotated[float, Gt(float("-inf")), Lt(float("inf"))]

Judge = Literal["reward", "progress"]
Kind = Literal["oracle", "mistake", "noisy", "skip", "myopic", "equal", "vlm_like"]


class Parameters(NamedTuple):
    """What makes a kind; the same fields as in `ScriptedConfig`."""

    judge: Judge = "reward"
    beta: float = -1.0  # negative: perfectly rational
    gamma: float = 1.0
    mistake: float = 0.0
    skip: float = 0.0
    equal: float = 0.0
    resolution: float = 0.0  # 0: no perceptual error
    unsure: float = 0.0
    order_bias: float = 0.0


# All but the last have the values of B-Pref's paper. For vlm_like, these facts are published: a
# vision-language model may answer "can't tell", and that answer is dropped (RL-VLM-F, CoRe);
# answers depend on the order of the pictures (VLM-AR3L asks in both orders for that reason); and an
# 8B model tuned for rewards is right about which of two frames is later in 85.5% of cases (LRM; a
# secondary source). `resolution` is set so that about that many of its decided pairs are right:
# 0.852 by `scripts/tools/teacher_report.py --task drawer-open --protocol random --questions 1000`.
# `unsure`, `mistake` and `order_bias` are assumptions: no figures are published.
PRESETS: dict[str, Parameters] = {
    "oracle": Parameters(),
    "mistake": Parameters(mistake=0.1),
    "noisy": Parameters(beta=1.0),
    "skip": Parameters(skip=0.1),
    "myopic": Parameters(gamma=0.9),
    "equal": Parameters(equal=0.1),
    "vlm_like": Parameters(mistake=0.05, resolution=0.03, unsure=0.3, order_bias=-0.3),
}


@dataclasses.dataclass(frozen=True)
class ScriptedConfig:
    """A simulated human. Fields left at None take the kind's value."""

    kind: Kind = "vlm_like"
    """Which preset the other fields come from: B-Pref's simulated teachers, or vlm_like, which
    abstains and errs as vision-language models do."""
    judge: Judge | None = None
    """What is compared. reward: the benchmark's dense reward, as in B-Pref; progress: how far the
    task is done, which is what CoRe asks a vision-language model about."""
    beta: Finite | None = None
    """Inverse temperature of a stochastic choice; negative: always the larger sum."""
    gamma: Annotated[float, Gt(0.0), Le(1.0)] | None = None
    """Discount towards the clip's start: below 1 is myopic."""
    mistake: Probability | None = None
    """Probability of a wrong answer at random: the other clip, another class, two clips of an order
    exchanged."""
    skip: NotNegative | None = None
    """Abstains if both sums, or a rated step, are below this fraction of the recent average."""
    equal: NotNegative | None = None
    """Calls a pair equal if the sums differ by less than this fraction of the recent average."""
    resolution: NotNegative | None = None
    """Gap in mean reward per step (0 to 1) at which 73% of answers are right, and the scale of the
    error of ratings and progress; 0: no perceptual error."""
    unsure: Probability | None = None
    """Probability of no answer on equal clips, or at the boundary of two classes; falls with the
    distance."""
    order_bias: Finite | None = None
    """Bias towards the second clip, negative towards the first, in resolutions."""
    abstain: Probability = 0.0
    """Probability of no answer at all."""
    score_noise: NotNegative = 0.05
    """Standard deviation of the noise on per-frame scores and on progress."""
    both_orders: bool = False
    """Asks about each pair with the clips exchanged as well and keeps an answer only if both
    agree."""

    def parameters(self) -> Parameters:
        """The kind's parameters where none is given."""
        given = {name: getattr(self, name) for name in Parameters._fields}
        return PRESETS[self.kind]._replace(**{k: v for k, v in given.items() if v is not None})
