"""One process asks a hosted model, and the others of the same run ask through it: one key, one
budget, one cache of replies.

Requests go over TCP with an authentication key that only the run's processes know.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from core_jax.models.base import Reply, Schema
from core_jax.models.failures import AccessError, BudgetError, ChatError
from core_jax.prompts.message import Message

Address = tuple[str, int]


class ModelServer:
    """Answers the other processes' requests with this process's models, each in a thread of its
    own.

    Args:
        host: this machine's name, as the others can reach it.
        secret: the authentication key.
    """

    def __init__(self, host: str, secret: bytes):
        # On every interface: a machine's own name may mean its loopback to itself.
        self._host, self._listener = host, Listener(("", 0), authkey=secret)
        self._models: dict[str, Any] = {}
        self._made = threading.Condition()
        threading.Thread(target=self._accept, name="models", daemon=True).start()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._host, int(self._listener.address[1])

    def add(self, role: str, model: Any) -> None:
        """From now on requests for this role go to the model."""
        with self._made:
            self._models[role] = model
            self._made.notify_all()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except Exception:  # a stranger without the key, or a process that was killed meanwhile
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with connection:
            while True:
                try:
                    role, method, arguments = connection.recv()
                except (EOFError, OSError):  # the process has ended
                    return
                try:
                    answer, error = self._call(role, method, arguments), None
                except Exception as raised:  # for the one who asked: a budget, a service's failure
                    answer, error = None, _sendable(raised)
                connection.send((answer, error))

    def _call(self, role: str, method: str, arguments: tuple[Any, ...]) -> Any:
        with self._made:  # this process may not have come so far
            self._made.wait_for(lambda: role in self._models)
        if method == "name":
            return self._models[role].name
        return self._models[role].complete(*arguments)


def _sendable(error: Exception) -> Exception:
    """An error that means the same to the process that gets it, and can be sent there."""
    if isinstance(error, (AccessError, BudgetError)):  # no request will be answered any more
        return AccessError(str(error))
    return ChatError(str(error)) if isinstance(error, ChatError) else RuntimeError(repr(error))


class SharedModel:
    """A model that another process asks.

    Args:
        address: of the `ModelServer`.
        secret: the authentication key.
        role: of the model there.
    """

    def __init__(self, address: Address, secret: bytes, role: str):
        self._connect: Callable[[], Connection] = lambda: Client(address, authkey=secret)
        self._role = role
        self._own = threading.local()  # a connection of each thread
        self.name: str = self._request("name", ())

    def complete(
        self, messages: Sequence[Message], n: int, attempt: int = 0, schema: Schema | None = None
    ) -> list[Reply]:
        """Replies, as `ChatModel.complete`; raises what the model raises there."""
        return self._request("complete", (messages, n, attempt, schema))

    def stop(self) -> None:
        """The process that asks stops by itself."""

    def _request(self, method: str, arguments: tuple[Any, ...]) -> Any:
        if not hasattr(self._own, "connection"):
            self._own.connection = self._connect()
        self._own.connection.send((self._role, method, arguments))
        answer, error = self._own.connection.recv()
        if error is not None:
            raise error
        return answer
