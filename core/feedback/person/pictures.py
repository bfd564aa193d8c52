"""The pictures of questions, rendered by one thread before they are needed."""

from __future__ import annotations

import dataclasses
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image

from core_jax.envs import TaskEnv
from core_jax.feedback.labels import LabelStore

Render = Callable[[np.ndarray], np.ndarray]
_KEPT = 24  # questions whose pictures are kept in memory
_BATCH = 16  # pictures rendered between two reports of progress: one batch of a `FrameRenderer`


@dataclasses.dataclass
class Rendering:
    """The pictures of one question, finished or not.

    Attributes:
        total: number of pictures.
        done: how many of them are rendered.
        strips: each clip by its role as one PNG, its frames from top to bottom.
    """

    total: int
    done: int = 0
    strips: Future[dict[str, bytes]] = dataclasses.field(default_factory=Future)

    @property
    def ready(self) -> bool:
        """Whether nothing is left to do: all are rendered, or they cannot be."""
        return self.strips.done()

    @property
    def problem(self) -> str:
        """Why they cannot be rendered; "" if they can, or if that is not known yet."""
        ended = self.strips.done() and not self.strips.cancelled()
        error = self.strips.exception() if ended else None
        return "" if error is None else f"the clips cannot be rendered: {error}"


class Pictures:
    """Pictures of a run's questions. All methods may be called from several threads.

    Args:
        store: of the questions.
        env: whose start and goal are shown.
        render: pictures uint8 [N, size, size, 3] of snapshots [N, K]; called by one thread only.
    """

    def __init__(self, store: LabelStore, env: TaskEnv, render: Render):
        self._store, self._env, self._render = store, env, render
        self._lock = threading.Lock()
        self._closed = False
        self._renderer = ThreadPoolExecutor(1, thread_name_prefix="renderer")
        self._kept: OrderedDict[str, Rendering] = OrderedDict()
        self._ends: dict[str, Future[bytes]] = {}

    def of(self, key: str) -> Rendering:
        """A question's pictures; begins to render them if need be.

        Raises:
            CancelledError: after `close`.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            else:
                clips = self._store.question(key).question.shown
                snapshots = {role: clip.snapshot for role, clip in clips.items()}
                found = Rendering(sum(map(len, snapshots.values())))
                found.strips = self._submit(self._draw, snapshots, found)
                self._kept[key] = found
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return self._kept[key]

    def end(self, name: str) -> bytes:
        """The task's "start" or its "goal" as a PNG; waits until it is rendered."""
        with self._lock:
            if name not in self._ends:
                snapshot = np.array(getattr(self._env.spec, name), np.float32)
                self._ends[name] = self._submit(lambda: _png(self._render(snapshot[None])))
            rendered = self._ends[name]
        return rendered.result()

    def close(self) -> None:
        """Waits for the pictures that are being rendered; those not begun are cancelled."""
        with self._lock:
            self._closed = True
        self._renderer.shutdown(cancel_futures=True)

    def _submit(self, draw: Callable[..., Any], *arguments: Any) -> Future[Any]:
        if self._closed:
            raise CancelledError
        return self._renderer.submit(draw, *arguments)

    def _draw(self, snapshots: dict[str, np.ndarray], progress: Rendering) -> dict[str, bytes]:
        every, drawn = np.concatenate(list(snapshots.values())), []
        for i in range(0, len(every), _BATCH):
            if self._closed:
                raise CancelledError
            drawn.append(self._render(every[i : i + _BATCH]))
            progress.done += len(drawn[-1])
        ends = np.cumsum([len(some) for some in snapshots.values()])
        parts = np.split(np.concatenate(drawn), ends[:-1])
        return {role: _png(part) for role, part in zip(snapshots, parts, strict=True)}


def _png(frames: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frames.reshape(-1, *frames.shape[2:])).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
