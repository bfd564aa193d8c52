"""One person's questions of a run: those that they have not answered, as pictures.

Every answer is on disk before the next question is shown; undo takes the last one back, also after
a restart. All methods may be called from several threads.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any, NamedTuple

from core_jax.envs import TaskEnv
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.labels.reading import asked_of
from core_jax.feedback.person.choices import choices, label_of, title
from core_jax.feedback.person.labelling import ANSWERS
from core_jax.feedback.person.pictures import Pictures, Render

_AHEAD = 3  # questions rendered before they are needed


class _Place(NamedTuple):
    asks: Any
    classes: int | None


class LabelSession:
    """One person's questions of one run.

    Args:
        run: the run's folder; the run may be under way.
        env: the run's environment, whose clips are shown.
        render: pictures uint8 [N, size, size, 3] of snapshots [N, K]; called by one thread only.
        name: of the person, where there are several.

    Raises:
        ValueError: the run has no questions, or the name is not plain.
    """

    def __init__(self, run: Path, env: TaskEnv, render: Render, name: str = ""):
        if name and not re.fullmatch(r"[a-z0-9_-]{1,40}", name):
            raise ValueError(f"--name {name!r}: only a-z, 0-9, - and _, at most 40 of them")
        self.teacher = f"person-{name}" if name else "person"
        path = run / "labels.sqlite"
        if not path.exists():
            raise ValueError(f"{run} has asked no questions yet: it has no labels.sqlite")
        self.run, self.env, self.store = run, env, LabelStore(path)
        self._pictures = Pictures(self.store, env, render)
        self._lock = threading.Lock()
        self.closed = False
        self._keys: list[str] = []
        self._asks: dict[str, _Place] = {}
        self._answered: set[str] = set()
        self.refresh()
        if not self._keys:
            self.close()
            kinds = ", ".join(sorted(ANSWERS))
            raise ValueError(f"{run} has asked no questions of these kinds yet: {kinds}")

    def refresh(self) -> None:
        """Looks for questions that a run under way has asked since."""
        asked = {k: _Place(*v) for k, v in asked_of(self.store).items() if v[0] in ANSWERS}
        rows = self.store.rows()
        keys = [row.key for row in rows]
        for teacher in self.store.progress():  # a model may not have answered them yet
            keys += self.store.open(teacher)
        keys = [key for key in dict.fromkeys(keys) if key in asked]
        answered = {row.key for row in rows if row.teacher == self.teacher}
        with self._lock:
            self._keys, self._asks, self._answered = keys, asked, answered

    def state(self) -> dict[str, Any]:
        """What the page shows, JSON-able: progress and the next question, None at the end."""
        with self._lock:
            over = self._answered.issuperset(self._keys)
        if over:
            self.refresh()
        with self._lock:
            open_ = [key for key in self._keys if key not in self._answered]
            done, total = len(self._answered.intersection(self._keys)), len(self._keys)
        for key in open_[:_AHEAD]:
            self._pictures.of(key)
        return {
            "run": self.run.name,
            "teacher": self.teacher,
            "task": self.env.spec.name,
            "answered": done,
            "total": total,
            "next": self._question(open_[0]) if open_ else None,
        }

    def answer(self, key: str, choice: str, seconds: float) -> None:
        """Keeps an answer.

        Args:
            key: of the question.
            choice: one of its choices.
            seconds: that the person took, finite and at least 0.

        Raises:
            ValueError: there is no such question or choice, or it has been answered.
        """
        with self._lock:
            if key not in self._keys:
                raise ValueError("no such question")
            label = label_of(*self._asks[key], choice, seconds)
            if not self.store.answer(key, self.teacher, label):
                raise ValueError("this question has been answered")
            self._answered.add(key)

    def undo(self) -> bool:
        """Takes the person's last answer back; False if there is none."""
        with self._lock:
            key = self.store.retract(self.teacher)
            if key is None:
                return False
            self._answered.discard(key)
            if key in self._keys:  # it is asked again before all others
                self._keys.remove(key)
                self._keys.insert(0, key)
            return True

    def frames(self, key: str, role: str) -> bytes:
        """A clip as one PNG, its frames from top to bottom; waits until it is rendered.

        Raises:
            ValueError: there is no such question, or no clip of that role.
        """
        with self._lock:
            known = key in self._keys
        strips = self._pictures.of(key).strips.result() if known else {}
        if role not in strips:
            raise ValueError("no such clip")
        return strips[role]

    def end(self, name: str) -> bytes:
        """The task's start or its goal as a PNG; waits until it is rendered.

        Raises:
            ValueError: neither is meant.
        """
        if name not in ("start", "goal"):
            raise ValueError("no such picture")
        return self._pictures.end(name)

    def close(self) -> None:
        """Waits for the picture that is being rendered and closes the store. `closed` is true from
        the beginning on: requests that are under way then may fail."""
        self.closed = True
        self._pictures.close()
        self.store.close()

    def _question(self, key: str) -> dict[str, Any]:
        place, rendering = self._asks[key], self._pictures.of(key)
        return {
            "key": key,
            "asks": place.asks,
            "title": title(place.asks, self.env.spec.instruction),
            "roles": ["a", "b"] if place.asks == "pair" else ["clip"],
            "choices": [c._asdict() for c in choices(*place)],
            "pictures": rendering.total,
            "rendered": rendering.done,
            "ready": rendering.ready,
            "problem": rendering.problem,
        }
