"""`metrics.jsonl`, the live line, and the learning curve of a run."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

# Columns that differ between two runs of the same seed on the same machine.
WALL_COLUMNS = ("wall_seconds", "steps_per_second", "label_wait_seconds")


def to_host(row: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers and lists of numbers in place of arrays; nested containers are kept."""

    def leaf(x: Any) -> Any:
        if isinstance(x, (bool, int, float, str)) or x is None:
            return x
        x = np.asarray(x)
        return [round(float(v), 6) for v in x] if x.ndim else round(float(x), 6)

    return jax.tree.map(leaf, dict(row))


class MetricsFile:
    """One JSON object per line, flushed at once."""

    def __init__(self, path: Path, keep_until: int | None = None):
        """Opens the file. With `keep_until`, rows of later environment steps are dropped: a
        resumed run writes them again."""
        self._path = path
        if keep_until is not None and path.exists():
            kept = [row for row in read_rows(path) if row["env_steps"] <= keep_until]
            scratch = path.with_suffix(".tmp")
            scratch.write_text("".join(json.dumps(row) + "\n" for row in kept))
            os.replace(scratch, path)
        self._file = path.open("a")

    def write(self, row: Mapping[str, Any]) -> None:
        """Appends one row."""
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def rows(self) -> list[dict[str, Any]]:
        """All rows so far."""
        self._file.flush()
        return read_rows(self._path)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All whole rows of a metrics file; none if there is no file."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break  # the line that a kill cut short; nothing follows it
    return rows


class Progress:
    """A live line on stderr: rewritten in place on a terminal, one line per report elsewhere."""

    def __init__(self, steps: int, quiet: bool = False):
        self._steps, self._quiet = steps, quiet
        self._tty = sys.stderr.isatty()
        self._began, self._first, self._last_line = time.monotonic(), None, 0.0

    def update(self, env_steps: int, row: Mapping[str, Any], force: bool = False) -> None:
        """Shows where the run is. `row` is the latest row of metrics."""
        now = time.monotonic()
        if self._first is None:
            self._first = (env_steps, now)  # the first chunk holds the compilation
        if self._quiet or not (self._tty or force or now - self._last_line > 5.0):
            return
        self._last_line = now
        since = env_steps - self._first[0]
        rate = since / (now - self._first[1]) if since else 0.0
        left = (self._steps - env_steps) / rate if rate else float("nan")
        text = (
            f"{env_steps:>7,}/{self._steps:,} steps | success {_mean(row, 'success')} | "
            f"return {_mean(row, 'episode_return', 1)} | reward {_mean(row, 'reward', 3)} | "
            f"labels {row.get('labels', 0)} | {rate:,.0f} steps/s | {_clock(left)} left"
        )
        print(("\r\033[K" if self._tty else "") + text, end="" if self._tty else "\n",
              file=sys.stderr, flush=True)  # fmt: skip

    def note(self, text: str) -> None:
        """Says one thing that happened, on a line of its own."""
        if not self._quiet:
            print(("\r\033[K" if self._tty else "") + text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the live line."""
        if self._tty and not self._quiet:
            print(file=sys.stderr)


def plot_curve(rows: list[dict[str, Any]], title: str, path: Path) -> None:
    """Learning curve: success per seed and its mean, and the reward's parts, over env steps."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 6), sharex=True)
    evaluated = [r for r in rows if r["evaluated"]]
    if evaluated:
        x = [r["env_steps"] for r in evaluated]
        y = np.array([r["success"] for r in evaluated])
        for i in range(y.shape[1]):
            top.plot(x, y[:, i], color="tab:blue", alpha=0.35, lw=1)
        top.plot(
            x,
            y.mean(1),
            color="tab:blue",
            lw=2,
            marker="o",
            ms=3,
            label=f"evaluation, mean of {y.shape[1]} seed(s)",
        )
    x = [r["env_steps"] for r in rows]
    exploring = [np.mean(r["step_success"]) for r in rows]
    top.plot(x, exploring, color="gray", lw=1, label="share of training steps in success")
    top.legend(loc="lower right", fontsize=8)
    top.set(ylabel="success rate", ylim=(-0.03, 1.03), title=title)
    for name, color in (("formal", "tab:orange"), ("residual", "tab:green"), ("dense", "gray")):
        label = {"dense": "ground truth, dense"}.get(name, f"{name} reward")
        bottom.plot(x, [np.mean(r[name]) for r in rows], color=color, label=label)
    for r in rows:
        if any("accepted" in e or "rolled back" in e for e in r.get("events", [])):
            bottom.axvline(r["env_steps"], color="tab:orange", ls=":", lw=1)
    bottom.set(xlabel="environment steps", ylabel="mean per step")
    bottom.legend(loc="best", fontsize=8)
    for axis in (top, bottom):
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _mean(row: Mapping[str, Any], name: str, digits: int = 2) -> str:
    return f"{np.mean(row[name]):.{digits}f}" if name in row else "-"


def _clock(seconds: float) -> str:
    if not np.isfinite(seconds):
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
