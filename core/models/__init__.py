"""Who answers questions: language models (`ChatModel`) and teachers (`Teacher`)."""

from core.models.base import Answer, ChatModel, Question, Reply, Teacher
from core.models.replay import ReplayModel
from core.models.scripted import ScriptedConfig, ScriptedTeacher

__all__ = [
    "Answer",
    "ChatModel",
    "Question",
    "ReplayModel",
    "Reply",
    "ScriptedConfig",
    "ScriptedTeacher",
    "Teacher",
]
