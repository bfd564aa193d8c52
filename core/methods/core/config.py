"""CoRe's settings. Defaults are its paper's schedule on Meta-World."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from core_jax import envs
from core_jax.feedback.config import FeedbackConfig
from core_jax.reward_models.preference import PreferenceConfig
from core_jax.training.reward_input import InputKind, PixelConfig, pixel_fit

Fraction = Annotated[float, Gt(0), Le(1)]


@dataclasses.dataclass(frozen=True)
class FormalConfig:
    """How the formal reward is found and refined."""

    file: Path | None = None
    """Use the reward in this file; nothing is asked of a language model, and nothing refined."""
    select: Literal["label_agreement", "gt_score"] = "label_agreement"
    """How the first one is chosen: by agreement with a first round of labels (needs no ground
    truth), or by ground-truth success after a short training of each (the paper)."""
    candidates: Annotated[int, Ge(1)] = 4
    """Replies asked for at once."""
    attempts: Annotated[int, Ge(1)] = 3
    """Number of attempts before a refinement is given up."""
    trial_fraction: Fraction = 0.1
    """Length of a candidate's training under `gt_score`, as a part of `steps`."""
    refine_at: tuple[Annotated[int, Ge(1)], ...] = (25_000, 50_000, 75_000, 100_000)
    """Environment steps at which a better formal reward is looked for."""
    accept: Literal["better", "not_worse"] = "better"
    """When a refined reward is accepted. better: if it agrees with more labels (the paper);
    not_worse: unless it agrees with significantly fewer (a sign test of those on which the two
    differ, at 5%): where labels cannot tell, the language model has seen how training went."""
    rollback_margin: Annotated[float, Ge(0)] = 0.2
    """A refined reward is rolled back if, by its second evaluation, success has dropped by more
    than this (`gt_score`), or it agrees with that much less of the newer labels than the previous
    one."""


@dataclasses.dataclass(frozen=True)
class CoreConfig:
    """CoRe: formal reward + residual reward."""

    frm: bool = True
    """Use a formal reward (off: an ablation)."""
    rrm: bool = True
    """Use a residual reward (off: an ablation)."""
    importance: bool = True
    """Use the teacher's per-frame scores (off: an ablation)."""
    residual_input: InputKind = "state"
    """What the residual reward reads: what a picture shows, as numbers, or the picture."""
    residual_target: Literal["preferences", "remainder"] = "preferences"
    """What the residual reward is fitted to. preferences: it explains the labels by itself (the
    paper); remainder: it explains them together with the formal reward, as they are added up, and
    so learns what the formal reward gets wrong."""
    weighting: Literal["fixed", "agreement", "earned"] = "fixed"
    """Weight of the residual reward. fixed: `feedback.alpha` (the paper); agreement: by how many of
    the newest labels, before they were learned from, each of the two rewards was right about;
    earned: the more, up to `feedback.alpha`, the more of those the residual reward was right about
    (none at half of them, all at three quarters)."""
    formal: FormalConfig = dataclasses.field(default_factory=FormalConfig)
    feedback: FeedbackConfig = dataclasses.field(default_factory=FeedbackConfig)
    residual: PreferenceConfig = dataclasses.field(default_factory=PreferenceConfig)
    pixels: PixelConfig = dataclasses.field(default_factory=PixelConfig)

    @property
    def selects_by_labels(self) -> bool:
        """Whether the first formal reward is chosen by agreement with labels."""
        given = self.formal.file is not None
        return self.frm and not given and self.formal.select == "label_agreement"

    @property
    def refines(self) -> bool:
        """Whether the formal reward is refined during training."""
        return self.frm and self.formal.file is None and bool(self.formal.refine_at)

    @property
    def asks(self) -> bool:
        """Whether labels are asked for."""
        return self.rrm or self.selects_by_labels or self.refines


def presets(task: str, pixels: bool) -> dict[str, object]:
    """Defaults that depend on the task and on the residual reward's input.

    A fit to pictures costs more: it has fewer batches of fewer frames, and all members read the
    same ones. SoftGym's schedules are CoRe's own. On peg-insert-side labels last to the end of the
    run: spent after half of it, one of three seeds was led astray by what its residual reward said
    of behaviour that no label covered; shadows tell a lifted peg from one that lies on the table.
    """
    found: dict[str, object] = {}
    if pixels:
        short = 2 if task in envs.names("tabletop") else 4  # an episode may have four steps
        found |= pixel_fit("residual", 3 if task in _WINDOWS else short)
    if task == "peg-insert-side":
        found |= {"feedback.round_every": 11_000, "pixels.shadows": True}
    if task in _WINDOWS:
        found |= {
            "feedback.labels": 200,
            "feedback.labels_per_round": 10,
            "feedback.first_round": 10_000,
            "feedback.round_every": 5_000,
            "feedback.clip_length": 3,
            "feedback.window": _WINDOWS[task],
            "pixels.every": 1,
        }
    if task == "fold-cloth":
        found |= {
            "feedback.labels": 150,
            "feedback.first_round": 500,
            "feedback.round_every": 1_000,
            "feedback.max_lag": 1_000,
            "formal.refine_at": (2_400, 4_800, 7_200, 9_600),
        }
    return found


_WINDOWS = {"flatten-rope": 4_000, "pass-water": 7_500, "fold-cloth": 300}  # steps of 100 episodes
