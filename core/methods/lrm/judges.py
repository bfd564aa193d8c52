"""Makes the judge that a run asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core_jax import envs
from core_jax.methods.lrm.config import JudgeConfig, LRMConfig
from core_jax.models.base import ChatModel
from core_jax.models.chat_judge import ChatJudge
from core_jax.models.replay import ReplayModel
from core_jax.reward_models.large_reward import Judge, trained
from core_jax.reward_models.large_reward.client import ServerJudge
from core_jax.reward_models.large_reward.recorded import RecordedJudge
from core_jax.reward_models.large_reward.scripted import ScriptedJudge
from core_jax.visual.frames import to_png

ANSWERS = "judgements.jsonl"
"""The file of a run's folder in which a service's answers are kept: a resumed run does not pay for
them twice."""


def check_judge(config: JudgeConfig, spec: envs.TaskSpec) -> None:
    """Raises a ValueError unless the judge can be made and has what it looks at."""
    if config.judge == "server" and not config.url:
        raise ValueError("lrm.judge server needs lrm.url, such as http://127.0.0.1:5001")
    if config.judge != "scripted" and not spec.has_pictures:
        raise ValueError(f"task {spec.name} has no pictures for lrm.judge {config.judge}")
    if config.judge != "scripted" and config.goal and not spec.goal:
        raise ValueError(f"task {spec.name} has no picture of its goal: lrm.goal must be off")
    if config.judge == "vlm" and not (config.goal and config.start):
        raise ValueError("lrm.judge vlm is shown start and goal: lrm.start and lrm.goal must be on")
    if config.judge == "own":
        trained.load(config.file)


def make_judge(
    config: LRMConfig, folder: Path | None, chat_model: Callable[[str], ChatModel] | None
) -> Judge:
    """The judge of a run.

    Args:
        config: the method's settings, checked.
        folder: the run's, where a service's answers are kept; None keeps none.
        chat_model: makes the chat model of `--lrm.judge vlm`, for a kind of prompt.

    Raises:
        ValueError: a chat model is needed, and there is none that sees pictures.
    """
    lrm = config.lrm
    if lrm.judge == "scripted":
        return ScriptedJudge(config.truth)
    if lrm.judge == "own":
        return trained.load(lrm.file, lrm.abstain_below)
    if lrm.judge == "server":
        judge: Judge = ServerJudge(
            lrm.url, concurrency=lrm.concurrency, timeout=lrm.timeout, retries=lrm.retries
        )
    else:
        model = None if chat_model is None else chat_model("core")
        if model is None or isinstance(model, ReplayModel):
            raise ValueError("lrm.judge vlm needs --model gemini or openai: replay has no pictures")
        judge = ChatJudge(
            model,
            to_png,
            concurrency=lrm.concurrency,
            both_orders=lrm.both_orders,
            shuffle=lrm.shuffle,
        )
    return judge if folder is None else RecordedJudge(folder / ANSWERS, judge)
