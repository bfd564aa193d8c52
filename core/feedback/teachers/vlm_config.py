"""Settings of a vision-language model that compares clips (`--teacher vlm`)."""

from __future__ import annotations

import dataclasses
from typing import Literal

from core_jax.models.chat_config import LARGEST_PICTURE, ChatConfig, check_chat
from core_jax.prompts.preference import RATINGS

_SMALLEST_PICTURE = 64


@dataclasses.dataclass(frozen=True)
class VLMConfig:
    """A vision-language model as a teacher.

    What one question costs: two requests (`core`, `rl_vlm_f`) or four (`rating`), twice as many
    with both orders; pictures go with the first of each two only.
    """

    question: Literal["core", "rl_vlm_f", "rating"] = "core"
    """core: start, goal and some pictures of each clip; rl_vlm_f: the last picture of each;
    rating: each clip's last picture alone is given a class, and the higher class is preferred.
    Only core gives scores of pictures."""
    both_orders: bool = False
    """Ask about (A, B) and (B, A), and keep an answer only if it is the same clip."""
    abstain: bool = True
    """The model may say that it is unsure; off: it must choose."""
    min_confidence: float = 0.0
    """Answers that the model is less confident in, from 0 to 1, are abstentions."""
    shuffle: bool = False
    """Show the pictures of a clip in a random order, so that later is not taken for better."""
    ratings: int = 3
    """Classes of a rating, 2 to 5."""
    size: int = 300
    """Height and width of a picture."""
    gripper: bool = True
    """Whether the gripper is visible; the paper hides it."""
    shadows: bool = False
    """Half as long again to render, which a CPU feels."""
    attempts: int = 2
    """Times that a reply is asked for before one that cannot be read becomes an abstention."""
    in_flight: int = 16
    """Most questions under way at once."""
    model: Literal["same", "gemini", "openai"] = "same"
    """Who is asked; same: who writes formal rewards, --model and --chat."""
    chat: ChatConfig = dataclasses.field(default_factory=ChatConfig)
    """Of --vlm.model, unless that is same."""


def check_vlm(vlm: VLMConfig, provider: str, chat: ChatConfig, max_cost: float) -> None:
    """Raises a ValueError naming field, value and what is right.

    Args:
        vlm: to check.
        provider, chat: who is asked, and how.
        max_cost: USD of the whole run.
    """
    if provider == "replay":
        raise ValueError(
            "teacher 'vlm' needs somebody to ask: --model gemini or openai, or --vlm.model of its "
            "own beside --model replay"
        )
    check_chat(provider, chat, max_cost)
    if not _SMALLEST_PICTURE <= vlm.size <= LARGEST_PICTURE:
        raise ValueError(
            f"vlm.size must be {_SMALLEST_PICTURE} to {LARGEST_PICTURE} pixels, not {vlm.size}"
        )
    if not 0.0 <= vlm.min_confidence <= 1.0:
        raise ValueError(f"vlm.min_confidence must be in [0, 1], not {vlm.min_confidence}")
    if vlm.ratings not in RATINGS:
        raise ValueError(f"vlm.ratings must be 2 to 5 classes, not {vlm.ratings}")
    for name in ("attempts", "in_flight"):
        if getattr(vlm, name) < 1:
            raise ValueError(f"vlm.{name} must be at least 1, not {getattr(vlm, name)}")
    if vlm.both_orders and vlm.question == "rating":
        raise ValueError("vlm.both_orders needs a question about two clips, not rating")
    if vlm.shuffle and vlm.question != "core":
        raise ValueError(f"vlm.shuffle needs several pictures of a clip, not {vlm.question}")
