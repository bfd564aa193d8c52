"""Every question and answer ever paid for, on disk: a run's `labels.sqlite`."""

from core_jax.feedback.labels.records import Asked, Counts, Exchange, Frame
from core_jax.feedback.labels.schema import VERSION
from core_jax.feedback.labels.store import LabelStore

__all__ = ["VERSION", "Asked", "Counts", "Exchange", "Frame", "LabelStore"]
