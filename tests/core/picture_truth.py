"""Knows what a picture of a run shows: the ground truth that an honest fake model answers by.

Every picture is in the run's own `labels.sqlite` before it is sent, beside the clip and its true
progress and reward.
"""

from __future__ import annotations

import base64
import collections
import hashlib
import json
import re
import threading
from pathlib import Path

from core_jax.feedback.labels import LabelStore


class PictureTruth:
    """Answers requests of OpenAI's protocol by what the run in a folder has recorded."""

    def __init__(self, run: Path):
        self.run, self._lock = run, threading.Lock()
        self._store: LabelStore | None = None

    def close(self) -> None:
        """Closes the run's label file."""
        if self._store:
            self._store.close()

    def says(self, body: dict) -> str:
        """An honest reply to a request's body."""
        content = body["messages"][-1]["content"]
        if isinstance(content, str):  # the second stage: what the first has said
            return self._judges(json.loads(re.search(r"TRUTH (\{.*\})", content)[1]), content)
        shown: dict[str, list[str]] = {}
        for before, part in zip(content, content[1:], strict=False):
            named = re.match(
                r"(?:Clip (?P<clip>[AB]), picture|Picture (?P<place>[12]):|The (?P<one>picture):)",
                before.get("text", ""),
            )
            if named:
                png = base64.b64decode(part["image_url"]["url"].split(",")[1])
                side = named["clip"] or {"1": "A", "2": "B"}.get(named["place"], "one")
                shown.setdefault(side, []).append(hashlib.sha256(png).hexdigest())
        if "one" in shown:
            return self._one(shown["one"][0], content[-1]["text"])
        return f"TRUTH {json.dumps(self._pair(shown))}"

    def _judges(self, truth: dict, prompt: str) -> str:
        """The verdict that a prompt asks for, by what the description has said."""
        if "progress" in truth:  # a rating: the words stand in the example of JSON
            words = re.findall(r'"([^"]+)"', prompt.split('"rating":')[1].split(', "conf')[0])
            place = min(int(truth["progress"] * len(words)), len(words) - 1)
            truth["rating"] = words[place]
        if '"1" or "2"' in prompt:
            truth["choice"] = {"A": "1", "B": "2"}[truth["choice"]]
        return json.dumps(truth)

    def _one(self, digest: str, prompt: str) -> str:
        """What is said about one picture: its rating is described, the rest told at once."""
        [(key, role, step)] = self._lookup([digest], "role NOT IN ('start', 'goal')")[:1]
        progress = float(self._clip(key, role).progress[step])
        told = {"reason": f"progress {progress:.3f}", "confidence": 0.9}
        if '"completed"' in prompt:
            return json.dumps(told | {"completed": "yes" if progress >= 0.95 else "no"})
        if '"progress"' in prompt:
            return json.dumps(told | {"progress": f"{progress:.1f}"})
        return f"TRUTH {json.dumps(told | {'progress': progress})}"

    def _pair(self, shown: dict[str, list[str]]) -> dict:
        """The verdict of one that knows the larger sum of true rewards, and true progress."""
        digests = shown["A"] + shown["B"]
        of = collections.defaultdict(list)
        for question, role, step, picture in self._lookup(digests, "role IN ('a', 'b')", True):
            of[question].append((role, step, picture))
        [key, found] = next((k, f) for k, f in of.items() if {p for *_, p in f} == set(digests))
        scores, sums = {}, {}
        for side, pictures in shown.items():
            role = next(r for r in "ab" if {p for q, _, p in found if q == r} == set(pictures))
            clip, step = self._clip(key, role), {p: s for r, s, p in found if r == role}
            scores[side] = [round(float(clip.progress[step[p]]), 4) for p in pictures]
            sums[side] = float(clip.dense.sum())
        return {
            "reason": f"rewards sum to {sums['A']:.4f} and {sums['B']:.4f}",
            "scores_a": scores["A"],
            "scores_b": scores["B"],
            "choice": "B" if sums["B"] > sums["A"] else "A",
            "confidence": 0.9,
        }

    def _lookup(self, digests: list[str], where: str, pictures: bool = False) -> list[tuple]:
        """Question, role and step of pictures that the run has shown."""
        with self._lock:
            self._store = self._store or LabelStore(self.run / "labels.sqlite")
            store = self._store
        marks, columns = ",".join("?" * len(digests)), "question, role, step"
        columns += ", picture" if pictures else ""
        return store.database.all(
            f"SELECT {columns} FROM frames WHERE picture IN ({marks}) AND {where}", digests
        )

    def _clip(self, key: str, role: str):
        return self._store.question(key).question.shown[role]
