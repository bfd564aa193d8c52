"""Who answers questions: language models (`ChatModel`) and teachers (`Teacher`)."""

from core_jax.models.base import Answer, ChatModel, Question, Reply, Teacher
from core_jax.models.chat_config import MODELS, ChatConfig, check_chat
from core_jax.models.factory import (
    Books,
    check_chat_model,
    check_labeller,
    make_chat_model,
    make_labeller,
    open_books,
)
from core_jax.models.failures import AccessError, BudgetError, ChatError
from core_jax.models.replay import ReplayModel

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
    "Teacher",
    "check_chat",
    "check_chat_model",
    "check_labeller",
    "make_chat_model",
    "make_labeller",
    "open_books",
]
