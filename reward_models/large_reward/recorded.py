"""A judge's answers in a file: a recording that is played back, and a cache of what was paid for.

Answers are kept by question, instruction and the frames' keys; abstentions are kept, failures are
not. A line of the file is one answer as JSON.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np

from core_jax.reward_models.large_reward.judge import (
    ABSTAINED,
    ANSWERED,
    FAILED,
    Frames,
    Judge,
    Judgements,
    UniformJudge,
)


class RecordedJudge(UniformJudge):
    """Answers from a file; what is not in it is asked of another judge and added, or fails.

    Args:
        path: of the file; made if there is a judge to ask.
        judge: who is asked what the file does not have; None to play back alone.
        size: of pictures, without a judge.

    Attributes:
        asked: questions that were not in the file.

    Raises:
        ValueError: there is neither a file nor a judge, or the file has a line that is no answer.
    """

    def __init__(self, path: Path, judge: Judge | None = None, size: int = 64):
        if judge is None and not path.exists():
            raise ValueError(f"there is no recording {path}")
        self._path, self._judge, self._lock = path, judge, threading.Lock()
        self.name = f"recorded {path.name}" if judge is None else judge.name
        self.sees = judge is not None and judge.sees
        self.size = size if judge is None else judge.size
        self._known: dict[str, tuple[float, float, int]] = {}
        self.asked = 0
        if path.exists():
            self._read()

    def _answers(
        self,
        question: str,
        frames: tuple[Frames, ...],
        instruction: str,
        start: Frames | None,
        goal: Frames | None,
    ) -> Judgements:
        shown = (*frames, start, goal)
        keys = [_key(question, instruction, shown, i) for i in range(len(frames[0]))]
        with self._lock:
            missing = np.array([i for i, key in enumerate(keys) if key not in self._known], int)
        found = {key: self._known[key] for key in keys if key in self._known}
        if len(missing) and self._judge is not None:
            take = lambda x: None if x is None else x.take(missing)
            some = [frames.take(missing) for frames in frames]
            new = getattr(self._judge, question)(*some, instruction, take(start), take(goal))
            rows = zip(*(x.tolist() for x in new), strict=True)
            asked = {keys[i]: row for i, row in zip(missing, rows, strict=True)}
            found |= asked
            self._keep(asked)
        nothing = (math.nan, math.nan, FAILED)
        value, confidence, status = zip(*(found.get(key, nothing) for key in keys), strict=True)
        return Judgements(
            np.array(value, np.float32), np.array(confidence, np.float32), np.array(status, np.int8)
        )

    def _keep(self, rows: dict[str, tuple[float, float, int]]) -> None:
        with self._lock:
            self.asked += len(rows)
            kept = {k: row for k, row in rows.items() if row[2] in (ANSWERED, ABSTAINED)}
            new = [json.dumps(_line(k, row)) + "\n" for k, row in kept.items()
                   if k not in self._known]  # fmt: skip
            self._known |= kept
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(new)

    def _read(self) -> None:
        lines = self._path.read_text(encoding="utf-8").split("\n")
        whole = lines.pop() == ""  # else a line was being written when the process ended
        if not whole and self._judge is not None:
            text = "".join(line + "\n" for line in lines)
            self._path.write_text(text, encoding="utf-8")
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                value = math.nan if row["value"] is None else float(row["value"])
                confidence = math.nan if row["confidence"] is None else float(row["confidence"])
                self._known[row["key"]] = value, confidence, int(row["status"])
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"line {number} of {self._path} is no answer: {error}") from None


def _key(question: str, instruction: str, shown: tuple[Frames | None, ...], row: int) -> str:
    parts = [None if x is None else _frame_key(x, row) for x in shown]
    return hashlib.sha256(json.dumps([question, instruction, parts]).encode()).hexdigest()[:32]


def _frame_key(frames: Frames, row: int) -> int:
    if frames.key is None:
        raise ValueError("a recording needs the frames' keys")
    return int(frames.key[row])


def _line(key: str, row: tuple[float, float, int]) -> dict[str, Any]:
    number = lambda x: None if math.isnan(x) else x
    return {"key": key, "value": number(row[0]), "confidence": number(row[1]), "status": row[2]}
