"""From runs' folders to a report: curves with confidence intervals, tables, clips, labels, code."""

from core_jax.report.members import load_all
from core_jax.report.page import write
from core_jax.report.records import Record, find, load

__all__ = ["Record", "find", "load", "load_all", "write"]
