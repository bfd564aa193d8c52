"""Teachers: scripted, and a vision-language model."""

from core_jax.feedback.teachers.scripted import ScriptedConfig
from core_jax.feedback.teachers.vlm_config import VLMConfig


def names():
    return ("scripted", "vlm", "person", "replay")


def config_class(name):
    return {"scripted": ScriptedConfig, "vlm": VLMConfig}.get(name)


def make_labelling(teacher, settings, *, env, store, frames_shown, seed, labeller):
    from core_jax.feedback.rounds import AtOnce
    from core_jax.feedback.teachers.scripted import ScriptedTeacher

    one = ScriptedTeacher(settings, seed, frames_shown)
    return one.name, AtOnce(one, store)
