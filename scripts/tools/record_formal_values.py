"""Writes NumPy's values into the corpus of formal rewards: `tests/data/formal_corpus`.

Each line of `programs.jsonl` is a body of a reward function; this runs it under NumPy, in float64,
on the states of `states.json`, and writes what it returns. Where PyTorch is installed, the bodies
of `torch.jsonl` are run under it as well, each state as a batch of one. Only for programs of the
corpus, which are trusted: their text is executed.

    python scripts/tools/record_formal_values.py
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

CORPUS = Path(__file__).resolve().parents[2] / "tests" / "data" / "formal_corpus"
HEAD = "import math\nimport numpy as np\n\ndef compute_reward(observation, action, target_pos):\n"
TORCH_HEAD = """\
import torch
import torch.nn.functional as F


def compute_reward(hand_pos, gripper_opening, object_pos, object_quat, action, target_pos):
"""
RAISED = (ArithmeticError, LookupError, ValueError, TypeError, NameError, AssertionError)


def source_of(body: str, head: str = HEAD) -> str:
    """The text of the reward with this body."""
    return head + "".join(f"    {line}\n" for line in body.split("\n"))


def values_of(source: str, states: list[np.ndarray]) -> list[float | None]:
    """The total on each state, to nine digits; None where Python raises or it is not finite."""
    found: list[float | None] = []
    for state in zip(*states, strict=True):
        names: dict = {"print": lambda *args, **kwargs: None}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            exec(source, names)
            try:
                total = names["compute_reward"](*(np.float64(part) for part in state))
                value = float(total[0] if isinstance(total, tuple) else total)
            except RAISED:
                value = math.nan
        found.append(float(f"{value:.9g}") if math.isfinite(value) else None)
    return found


def torch_values_of(source: str, states: list[np.ndarray]) -> list[float]:
    """The total on each state, to nine digits."""
    import torch

    torch.set_default_dtype(torch.float64)
    found = []
    for state in zip(*states, strict=True):
        observation, action, target = (torch.tensor(np.float64(part))[None] for part in state)
        pieces = (observation[:, :3], observation[:, 3], observation[:, 4:7], observation[:, 7:11])
        names: dict = {}
        exec(source, names)
        total = names["compute_reward"](*(one.clone() for one in (*pieces, action, target)))
        found.append(float(f"{float(total):.9g}"))
    return found


def read_states() -> list[np.ndarray]:
    """Observations [N, 11], actions [N, 4] and targets [N, 3], float32."""
    return [np.array(part, np.float32) for part in json.loads((CORPUS / "states.json").read_text())]


def record(name: str, head: str, values_of: Callable[[str, list[np.ndarray]], list]) -> None:
    """Runs the programs of one file and writes their values into it."""
    states, path, lines = read_states(), CORPUS / name, []
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        if "refused" not in entry:
            entry["values"] = values_of(source_of(entry["body"], head), states)
        lines.append(json.dumps(entry, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n")
    print(f"{name}: {len(lines)} programs")


def main() -> int:
    record("programs.jsonl", HEAD, values_of)
    path = CORPUS / "replies.json"
    replies = json.loads(path.read_text())
    replies["values"] = values_of(replies["program"], read_states())
    path.write_text(json.dumps(replies, indent=1) + "\n")
    if importlib.util.find_spec("torch"):
        record("torch.jsonl", TORCH_HEAD, torch_values_of)
    return 0


if __name__ == "__main__":
    argparse.ArgumentParser(
        description="Writes NumPy's values into the corpus of formal rewards."
    ).parse_args()
    sys.exit(main())
