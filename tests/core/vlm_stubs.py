"""A renderer and a model that do as they are told, and what a conversation shows and says."""

import json

from core_jax.models.base import Reply
from core_jax.prompts.message import Picture


class Pictures:
    """A picture of a snapshot says its first number."""

    start, goal = b"start", b"goal"

    def png(self, snapshots):
        return [f"{x[0]:g}".encode() for x in snapshots]


class Model:
    """Replies from a list; an entry may be a Reply, a dict (as JSON) or a text."""

    name = "m"

    def __init__(self, *replies):
        self.replies, self.asked = list(replies), []

    def complete(self, messages, n, attempt=0, schema=None):
        self.asked.append((messages, attempt, schema))
        reply = self.replies.pop(0)
        if isinstance(reply, Reply):
            return [reply]
        text = json.dumps(reply) if isinstance(reply, dict) else reply
        return [Reply(text, 10, 2, 0.25)]

    def stop(self):
        pass


def shown(messages):
    return [p.png.decode() for m in messages for p in m.parts if isinstance(p, Picture)]


def words(messages):
    return "\n".join(p for m in messages for p in m.parts if isinstance(p, str))
