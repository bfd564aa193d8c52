"""Clients of language models: hosted services, recorded replies, and what they cost."""

from core_jax.models.base import ChatModel, Reply
from core_jax.models.chat_config import MODELS, ChatConfig, check_chat
from core_jax.models.factory import (
    check_chat_model,
    check_labeller,
    make_chat_model,
    make_labeller,
)
from core_jax.models.failures import AccessError, BudgetError, ChatError
from core_jax.models.ledger import UsageLedger, open_ledger
from core_jax.models.replay import ReplayModel
from core_jax.models.retry import RetryPolicy

__all__ = [
    "MODELS",
    "AccessError",
    "BudgetError",
    "ChatConfig",
    "ChatError",
    "ChatModel",
    "ReplayModel",
    "Reply",
    "RetryPolicy",
    "UsageLedger",
    "check_chat",
    "check_chat_model",
    "check_labeller",
    "make_chat_model",
    "make_labeller",
    "open_ledger",
]
