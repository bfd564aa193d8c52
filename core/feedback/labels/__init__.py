"""Every question and label of a run, on disk: its `labels.sqlite`."""

from core_jax.feedback.labels.database import LabelFileError
from core_jax.feedback.labels.records import Asked, Counts, Exchange, Frame, Row
from core_jax.feedback.labels.schema import VERSION
from core_jax.feedback.labels.store import LabelStore

__all__ = [
    "VERSION",
    "Asked",
    "Counts",
    "Exchange",
    "Frame",
    "LabelFileError",
    "LabelStore",
    "Row",
]
