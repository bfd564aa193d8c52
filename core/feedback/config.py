"""When a run asks for labels, how many, and about which clips."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from annotated_types import Ge, Le

from core_jax.feedback.sampling import Rule
from core_jax.reward_models.denoise import Denoise, RimeConfig


@dataclasses.dataclass(frozen=True)
class FeedbackConfig:
    """Schedule and size of the feedback rounds (CoRe's on Meta-World)."""

    labels: Annotated[int, Ge(1)] = 500
    """Number of questions asked per seed in the whole run, abstentions included."""
    labels_per_round: Annotated[int, Ge(1)] = 20
    """Number of questions asked per seed in one round."""
    first_round: Annotated[int, Ge(0)] = 20_000
    """Environment step of the first round after which the residual reward is fitted."""
    round_every: Annotated[int, Ge(1)] = 4_000
    """Environment steps between rounds."""
    clip_length: Annotated[int, Ge(1)] = 20
    """Steps of a clip; 1 is a single picture."""
    frames_shown: Annotated[int, Ge(1)] = 3
    """Pictures of each clip that a teacher is shown."""
    window: Annotated[int, Ge(1)] = 50_000
    """Clips come from this many latest environment steps (100 episodes of 500)."""
    pairs: Rule = "uniform"
    """Which pairs are asked about. uniform (the paper); disagreement, entropy: of a larger pool,
    those with the largest disagreement or entropy of the ensemble; recent: newer clips more often;
    quantiles: clips from all quantiles of both rewards."""
    denoise: Denoise = "none"
    """Which labels a fit learns from. none: all of them; rime: those that the ensemble's own
    predictions do not contradict, and some with the answer exchanged (Cheng et al., ICML 2024)."""
    rime: RimeConfig = dataclasses.field(default_factory=RimeConfig)
    alpha: Annotated[float, Ge(0.0), Le(1.0)] = 0.5
    """Weight of the residual reward after the first fit; 0 before."""
    critic_updates: Annotated[int, Ge(0)] = 100
    """Updates right after the first fit, on reinitialised critics."""
    max_lag: Annotated[int, Ge(0)] = 20_000
    """Environment steps that training may go on while a round is answered in the background; then
    it waits."""
    max_unanswered_rounds: Annotated[int, Ge(1)] = 3
    """Stop the run after this many rounds in a row in which the teacher answered no question."""

    @property
    def label_filter(self) -> RimeConfig | None:
        """The thresholds of the filter of labels; None without one."""
        return self.rime if self.denoise == "rime" else None
