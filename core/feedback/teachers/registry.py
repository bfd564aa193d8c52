"""From a config to whoever compares clips, and how it is asked."""

from __future__ import annotations

from pathlib import Path

from core_jax.envs import TaskEnv
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.person import by_hand
from core_jax.feedback.rounds import AtOnce, InBackground, Labelling
from core_jax.feedback.teachers.scripted import ScriptedTeacher
from core_jax.feedback.teachers.vlm import VLMTeacher
from core_jax.models import Books, make_labeller
from core_jax.runs.config import Config
from core_jax.visual.studio import Studio


def make_labelling(
    config: Config, env: TaskEnv, store: LabelStore, folder: Path, books: Books | None
) -> tuple[str, Labelling]:
    """The teacher's name, and what takes rounds of questions to it.

    Args:
        config: a checked config.
        env: whose clips are compared.
        store: the run's labels.
        folder: the run's.
        books: the run's, if it asks hosted models.
    """
    shown = config.feedback.frames_shown
    if config.teacher == "scripted":
        teacher = ScriptedTeacher(config.scripted, config.seed, shown)
        return teacher.name, AtOnce(teacher, store)
    if config.teacher == "person":
        return by_hand.NAME, by_hand.ByHand(store)
    vlm = config.vlm
    batch = 2 * shown if vlm.question == "core" else 2
    studio = Studio(env, vlm.size, vlm.gripper, vlm.shadows, batch)
    asked = make_labeller(config, folder, books=books)
    teacher = VLMTeacher(vlm, asked, studio, store, shown)
    return teacher.name, InBackground(teacher, store, vlm.in_flight)
