"""Who answers questions: language models (`ChatModel`) and teachers (`Teacher`)."""

from core.models.base import Answer, ChatModel, Question, Reply, Teacher
from core.models.chat_config import MODELS, ChatConfig, check_chat
from core.models.factory import (
    Books,
    check_chat_model,
    check_labeller,
    make_chat_model,
    make_labeller,
    open_books,
)
from core.models.failures import AccessError, BudgetError, ChatError
from core.models.replay import ReplayModel
from core.models.scripted import ScriptedConfig, ScriptedTeacher
from core.models.vlm import VLMTeacher
from core.models.vlm_config import VLMConfig

__all__ = [
    "MODELS",
    "AccessError",
    "Answer",
    "Books",
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
    "VLMConfig",
    "VLMTeacher",
    "check_chat",
    "check_chat_model",
    "check_labeller",
    "make_chat_model",
    "make_labeller",
    "open_books",
]
