"""What is on a person's desk: the questions of a run that they have not answered, as pictures.

Every answer is on disk before the next question is shown; undo takes the last one back, also after
a restart. All methods may be called from several threads.
"""

from __future__ import annotations

import io
import re
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core_jax import envs
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import PairLabel
from core_jax.runs import run_folder
from core_jax.visual import episodes as film

CHOICES = {"a": 0.0, "b": 1.0, "equal": 0.5, "unsure": None}
_SIZE = 320  # pixels, height and width of a frame
_KEPT = 24  # questions whose pictures are kept in memory
_AHEAD = 3  # questions drawn before they are asked for


class Desk:
    """One person's questions of one run."""

    def __init__(self, run: Path, name: str = ""):
        """Opens a run, which may be under way.

        Args:
            run: its folder.
            name: of the person, where there are several.

        Raises:
            ValueError: no run there, one without questions, or a name that is not plain.
        """
        if name and not re.fullmatch(r"[a-z0-9_-]{1,40}", name):
            raise ValueError(f"--name {name!r}: only a-z, 0-9, - and _, at most 40 of them")
        self.teacher = f"person-{name}" if name else "person"
        config = run_folder.load_config(run)
        path = run / "labels.sqlite"
        if not path.exists():
            raise ValueError(f"{run} has asked no questions yet: it has no labels.sqlite")
        self.run = run
        self.env = envs.make(config.task, protocol=config.protocol)
        self.store = LabelStore(path)
        self._paint = film.painter(self.env, _SIZE)
        self._lock = threading.Lock()
        self._painter = ThreadPoolExecutor(1, thread_name_prefix="painter")
        self._pictures: OrderedDict[str, Future] = OrderedDict()
        self._keys: list[str] = []
        self._answered: set[str] = set()
        self.refresh()
        if not self._keys:
            self.close()
            raise ValueError(f"{run} has asked no questions yet: there is none in its labels")

    def refresh(self) -> None:
        """Looks for questions that a run under way has asked since."""
        rows = self.store.rows()
        keys = [row[0] for row in rows]
        for teacher in self.store.progress():  # a model may still be thinking about them
            keys += self.store.open(teacher)
        keys = list(dict.fromkeys(keys))
        answered = {row[0] for row in rows if row[5] == self.teacher}
        with self._lock:
            self._keys, self._answered = keys, answered

    def state(self) -> dict[str, Any]:
        """What the page shows, JSON-able: progress, and the next question, None at the end."""
        with self._lock:
            over = self._answered.issuperset(self._keys)
        if over:
            self.refresh()
        with self._lock:
            open_ = [key for key in self._keys if key not in self._answered]
            done, total = len(self._answered), len(self._keys)
        for key in open_[:_AHEAD]:
            self._drawn(key)
        return {
            "run": self.run.name,
            "teacher": self.teacher,
            "task": self.env.spec.name,
            "instruction": self.env.spec.instruction,
            "answered": done,
            "total": total,
            "size": _SIZE,
            "next": open_[0] if open_ else None,
        }

    def answer(self, key: str, choice: str, seconds: float) -> None:
        """Keeps an answer.

        Args:
            key: of the question.
            choice: one of `CHOICES`.
            seconds: that the person took.

        Raises:
            ValueError: there is no such question or choice, or it has been answered.
        """
        if choice not in CHOICES:
            raise ValueError(f"no choice {choice!r}. Valid: {', '.join(CHOICES)}.")
        with self._lock:
            if key not in self._keys:
                raise ValueError("no such question")
            given = PairLabel(CHOICES[choice], (), (), reason="", seconds=seconds)
            if not self.store.answer(key, self.teacher, given):
                raise ValueError("this question has been answered")
            self._answered.add(key)

    def undo(self) -> bool:
        """Takes the person's last answer back; False if there is none."""
        with self._lock:
            key = self.store.retract(self.teacher)
            if key is None:
                return False
            # It is asked again first of all.
            self._answered.discard(key)
            if key in self._keys:
                self._keys.remove(key)
                self._keys.insert(0, key)
            return True

    def frames(self, key: str, side: str) -> bytes:
        """A clip as one PNG, its frames from top to bottom.

        Raises:
            ValueError: there is no such question or side.
        """
        if side not in ("a", "b"):
            raise ValueError("no such side")
        with self._lock:
            known = key in self._keys
        if not known:
            raise ValueError("no such question")
        return self._drawn(key).result()["ab".index(side)]

    def landmark(self, name: str) -> bytes:
        """The task's start or its goal as a PNG.

        Raises:
            ValueError: neither is meant.
        """
        if name not in ("start", "goal"):
            raise ValueError("no such picture")
        snapshot = np.array(getattr(self.env.spec, name), np.float32)
        return self._painter.submit(lambda: _png(self._paint(snapshot[None]))).result()

    def close(self) -> None:
        """Waits for the painter and closes the store."""
        self._painter.shutdown(cancel_futures=True)
        self.store.close()

    def _drawn(self, key: str) -> Future:
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
            else:
                self._pictures[key] = self._painter.submit(self._draw, key)
                if len(self._pictures) > _KEPT:
                    self._pictures.popitem(last=False)
            return self._pictures[key]

    def _draw(self, key: str) -> tuple[bytes, bytes]:
        question = self.store.question(key).question
        both = self._paint(np.concatenate([question.a.snapshot, question.b.snapshot]))
        return _png(both[: len(question.a.snapshot)]), _png(both[len(question.a.snapshot) :])


def _png(frames: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frames.reshape(-1, *frames.shape[2:])).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
