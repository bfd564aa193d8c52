"""A person as a teacher: a page on this machine plays two clips and asks which is better."""

from core_jax.feedback.person.desk import Desk
from core_jax.feedback.person.server import make_server

__all__ = ["Desk", "make_server"]
