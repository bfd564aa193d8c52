"""A person as a teacher: a page on this machine plays clips and asks about them."""

from core_jax.feedback.person.server import LabelServer, make_server
from core_jax.feedback.person.session import LabelSession

__all__ = ["LabelServer", "LabelSession", "make_server"]
