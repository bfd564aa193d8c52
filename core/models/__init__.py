"""Who answers questions: language models (`ChatModel`) and teachers (`Teacher`)."""

from core.models.base import Answer, ChatModel, Question, Reply, Teacher
from core.models.chat_config import MODELS, ChatConfig, check_chat
from core.models.factory import check_chat_model, make_chat_model
from core.models.failures import BudgetError, ChatError
from core.models.replay import ReplayModel
from core.models.scripted import ScriptedConfig, ScriptedTeacher

__all__ = [
    "MODELS",
    "Answer",
    "BudgetError",
    "ChatConfig",
    "ChatError",
    "ChatModel",
    "Question",
    "ReplayModel",
    "Reply",
    "ScriptedConfig",
    "ScriptedTeacher",
    "Teacher",
    "check_chat",
    "check_chat_model",
    "make_chat_model",
]
