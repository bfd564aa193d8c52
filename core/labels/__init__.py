"""Every question and answer ever paid for, on disk: a run's `labels.sqlite`."""

from core.labels.records import Asked, Counts, Exchange, Frame
from core.labels.schema import VERSION
from core.labels.store import LabelStore

__all__ = ["VERSION", "Asked", "Counts", "Exchange", "Frame", "LabelStore"]
