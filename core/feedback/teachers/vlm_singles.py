"""How a vision-language model is asked about one picture: a rating, progress, or completion."""

from __future__ import annotations

from core_jax.feedback.queries import Single, SingleLabel
from core_jax.feedback.teachers.vlm_config import VLMConfig
from core_jax.feedback.teachers.vlm_requests import Requests
from core_jax.prompts import preference as prompts
from core_jax.prompts import single_picture
from core_jax.prompts.message import Picture
from core_jax.prompts.verdict import Verdict


def judge_picture(
    requests: Requests,
    config: VLMConfig,
    key: str,
    query: Single,
    picture: bytes,
    ends: tuple[Picture, Picture],
) -> SingleLabel:
    """The model's answer about the last step of a clip.

    Args:
        requests: how it is asked.
        config: the teacher's.
        key: of the query.
        query: what is asked.
        picture: of the clip's last step, PNG.
        ends: the task's start and goal.

    Raises:
        ValueError: a rating of a number of classes that there are no words for.
        NoVerdict: nothing that can be used.
        ChatError: no reply.
    """
    task, unsure, shown = query.instruction, config.abstain, Picture(picture)
    if query.asks == "rating":
        words = prompts.rating_words(query.classes)
        verdict = rate_picture(requests, key, task, picture, len(words))
        value = float(words.index(verdict.choice))
    elif query.asks == "progress":
        verdict = requests.read(
            key,
            "progress",
            single_picture.progress_ask(task, *ends, shown, unsure),
            lambda text: single_picture.progress_read(text, unsure),
            single_picture.progress_schema(unsure),
        )
        value = None if verdict.choice == prompts.UNSURE else float(verdict.choice)
    else:
        verdict = requests.read(
            key,
            "completion",
            single_picture.completion_ask(task, ends[1], shown, unsure),
            lambda text: single_picture.completion_read(text, unsure),
            single_picture.completion_schema(unsure),
        )
        value = {"no": 0.0, "yes": 1.0}.get(verdict.choice)
    reason, confidence = verdict.reason, verdict.confidence
    least = config.min_confidence
    if value is not None and least and (confidence is None or confidence < least):
        given = "no confidence given" if confidence is None else f"confidence {confidence:g}"
        below = "" if confidence is None else f" is below {least:g}"
        value, reason = None, f"{given}{below}: {reason}"
    return SingleLabel(value, reason, confidence=confidence)


def rate_picture(
    requests: Requests, key: str, task: str, picture: bytes, classes: int, which: str = ""
) -> Verdict:
    """A rating in two requests: a description by the picture, a class by the description.

    Args:
        requests: how the model is asked.
        key: of the query.
        task: the instruction.
        picture: PNG.
        classes: number of classes.
        which: suffix of the requests' names, where several pictures are rated.
    """
    look = prompts.rate_look(task, Picture(picture))
    description = requests.describe(key, f"description{which}", look)
    return requests.read(
        key,
        f"rating{which}",
        prompts.rate_judge(task, description, classes),
        lambda text: prompts.rate_read(text, classes),
        prompts.rate_schema(classes),
    )
