"""The replay model: recorded replies of a language model to this project's exact prompts.

A recording belongs to a task and a way of writing rewards (CoRe's, Eureka's, Text2Reward's). It
holds, per kind of question (`initial`, `refinement`), the conversation as it was sent and the
replies verbatim. They were recorded before any training result existed and are never tuned. A
refinement question holds statistics of the run, which differ from run to run; the recorded replies
answer the same template with the statistics of random actions. A question that is asked again with
the refused replies gets the next replies of its kind: no recording answers a refusal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from core_jax.models.base import Reply, Schema
from core_jax.prompts.message import Message

REPLIES = Path(__file__).parent / "replies"


def recording(task: str, writer: str, folder: Path = REPLIES) -> Path:
    """The file of a task's replies to the prompts of a writer; it may not exist."""
    return (folder if writer == "core" else folder / writer) / f"{task}.json"


class ConversationReplay:
    """Returns recorded replies to recorded conversations, `n` at a time: a recording is a list of
    conversations, each the texts of its turns, the pictures in them as `[picture]`, and the
    replies."""

    def __init__(self, task: str, writer: str, folder: Path = REPLIES):
        """Reads a recording.

        Raises:
            ValueError: there is none.
        """
        path = recording(task, writer, folder)
        if not path.exists():
            raise ValueError(_unknown(task, writer, path))
        self.name = "replay"
        self.recording = json.loads(path.read_text())
        self._path = path

    def complete(
        self, messages: Sequence[Message], n: int, attempt: int = 0, schema: Schema | None = None
    ) -> list[Reply]:
        """Replies `attempt * n` to `(attempt + 1) * n` of the conversation, whose last turn may go
        on, with refusals; fewer, or none, once they are used up.

        Raises:
            ValueError: the conversation was not recorded.
        """
        now = [transcript(m) for m in messages]
        for one in self.recording:
            asked = one["messages"]
            same = len(asked) == len(now) and asked[:-1] == now[:-1]
            if same and now[-1].startswith(asked[-1]):
                return [Reply(text) for text in one["replies"][attempt * n : (attempt + 1) * n]]
        raise ValueError(_stale(self._path))


def transcript(message: Message) -> str:
    """A turn's text, its pictures as `[picture]`."""
    return "".join(p if isinstance(p, str) else "[picture]" for p in message.parts)


def _unknown(task: str, writer: str, path: Path) -> str:
    known = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "none"
    return (
        f"no recorded {writer} replies for task {task!r}; recorded: {known}. Ask a "
        "language model (--model gemini or openai), or use a method without formal "
        "rewards (--method env_dense, or --no-frm)"
    )


def _stale(path: Path) -> str:
    return (
        f"the replies in {path.name} answer another prompt than the one asked now: "
        "record new ones, or restore the prompt's text and the task's description"
    )


class ReplayModel:
    """Returns a task's recorded replies in their recorded order, `n` at a time."""

    def __init__(self, task: str, writer: str = "core", folder: Path = REPLIES):
        """Reads a recording.

        Raises:
            ValueError: there is none.
        """
        path = recording(task, writer, folder)
        if not path.exists():
            raise ValueError(_unknown(task, writer, path))
        self.name = "replay"
        self.recording = json.loads(path.read_text())
        self._path = path

    def complete(
        self, messages: Sequence[Message], n: int, attempt: int = 0, schema: Schema | None = None
    ) -> list[Reply]:
        """Replies `attempt * n` to `(attempt + 1) * n` of the conversation's kind; fewer, or none,
        once the recording is used up.

        Raises:
            ValueError: the question is not the one that was recorded.
        """
        kind = "initial" if len(messages) == 2 else "refinement"
        recorded = self.recording[kind]
        asked = [m["content"] for m in recorded["messages"][:2]]
        now = [str(m.content) for m in messages[:2]]
        if now[0] != asked[0] or not now[1].startswith(asked[1]):  # refusals may follow
            raise ValueError(_stale(self._path))
        texts = recorded["replies"][attempt * n : (attempt + 1) * n]
        return [Reply(text) for text in texts]
