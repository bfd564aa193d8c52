"""Settings of a vision-language model that answers questions (`--teacher vlm`)."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from annotated_types import Ge, Le

from core_jax.models.chat_config import LARGEST_PICTURE, ChatConfig, check_chat
from core_jax.prompts.preference import RATINGS

_SMALLEST_PICTURE = 64


@dataclasses.dataclass(frozen=True)
class VLMConfig:
    """A vision-language model as a teacher.

    Requests per pair: two (`core`, `rl_vlm_f`) or four (`rating`), twice as many with both orders;
    per single clip: two. Pictures are sent with the first of each two only.
    """

    question: Literal["core", "rl_vlm_f", "rating"] = "core"
    """How pairs are asked about. core: start, goal and some pictures of each clip; rl_vlm_f: the
    last picture of each; rating: each clip's last picture alone is given a class, and the higher
    class is preferred. Only core gives scores of pictures. Pairs of single pictures are always
    asked about as in rl_vlm_f, unless this is rating."""
    both_orders: bool = False
    """Ask about (A, B) and (B, A), and keep an answer only if both prefer the same clip."""
    abstain: bool = True
    """Whether the model may reply that it is unsure."""
    min_confidence: Annotated[float, Ge(0.0), Le(1.0)] = 0.0
    """Answers with a lower confidence count as abstentions."""
    shuffle: bool = False
    """Show the pictures of a clip in a random order, against a bias towards later pictures."""
    ratings: Annotated[int, Ge(min(RATINGS)), Le(max(RATINGS))] = 3
    """Number of classes of a rating."""
    size: Annotated[int, Ge(_SMALLEST_PICTURE), Le(LARGEST_PICTURE)] = 300
    """Height and width of a picture, in pixels."""
    gripper: bool = True
    """Whether the gripper is visible; the paper hides it."""
    shadows: bool = False
    """Render shadows; takes half as long again on a CPU."""
    attempts: Annotated[int, Ge(1)] = 2
    """Number of requests for a reply before one that cannot be read becomes an abstention."""
    in_flight: Annotated[int, Ge(1), Le(1_000)] = 16
    """Largest number of concurrent questions."""
    model: Literal["same", "gemini", "openai"] = "same"
    """Which service answers; same: the one that writes formal rewards, --model and --chat."""
    chat: ChatConfig = dataclasses.field(default_factory=ChatConfig)
    """The model of --vlm.model, unless that is same."""


def check_vlm(vlm: VLMConfig, provider: str, chat: ChatConfig, max_cost: float) -> None:
    """Checks what the bounds of single fields cannot express.

    Args:
        vlm: to check.
        provider, chat: the service that answers, and its settings.
        max_cost: USD of the whole run.

    Raises:
        ValueError: names the field, its value and what is right.
    """
    if provider == "replay":
        raise ValueError(
            "teacher 'vlm' needs a model to ask: --model gemini or openai, or its own --vlm.model "
            "beside --model replay"
        )
    check_chat(provider, chat, max_cost)
    if vlm.both_orders and vlm.question == "rating":
        raise ValueError("vlm.both_orders needs a question about two clips, not rating")
    if vlm.shuffle and vlm.question != "core":
        raise ValueError(f"vlm.shuffle needs several pictures of a clip, not {vlm.question}")
