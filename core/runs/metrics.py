"""`metrics.jsonl`, the live line, and the learning curve of a run."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from core_jax import files
from core_jax.visual.figures import as_label, new_figure

# Columns that differ between two runs of the same seed on the same machine.
WALL_COLUMNS = ("wall_seconds", "steps_per_second", "label_wait_seconds")
# Okabe and Ito's colours, which the colour-blind can tell apart.
_COLOURS = ("#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
_LINES = ("-", "--", "-.", ":")
_MARKED = (("accepted", "#009E73", ":"), ("rolled back", "#D55E00", "--"))

read_rows = files.read_rows


def to_host(row: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers and lists of numbers in place of arrays; nested containers are kept."""

    def leaf(x: Any) -> Any:
        if isinstance(x, (bool, int, float, str)) or x is None:
            return x
        x = np.asarray(x)
        return [round(float(v), 6) for v in x] if x.ndim else round(float(x), 6)

    return jax.tree.map(leaf, dict(row))


class MetricsFile:
    """One JSON object per line, flushed at once; what is not finite is null."""

    def __init__(self, path: Path, keep_until: int | None = None):
        """Opens the file.

        Args:
            path: of the file; made if need be.
            keep_until: rows of later environment steps are dropped: a resumed run writes them
                again. None keeps the file as it is.
        """
        self._path = path
        if keep_until is not None and path.exists():
            kept = [row for row in files.read_rows(path) if row["env_steps"] <= keep_until]
            files.write_text(path, "".join(map(_line, kept)))
        self._file = path.open("a", encoding="utf-8")

    def write(self, row: Mapping[str, Any]) -> None:
        """Appends one row."""
        self._file.write(_line(row))
        self._file.flush()

    def rows(self) -> list[dict[str, Any]]:
        """All rows so far."""
        self._file.flush()
        return files.read_rows(self._path)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class Progress:
    """Where a run is, on stderr: a progress bar on a terminal, one line per report elsewhere."""

    def __init__(self, steps: int, quiet: bool = False):
        """Shows nothing yet.

        Args:
            steps: environment steps of the whole run.
            quiet: show nothing at all.
        """
        self._steps, self._quiet = steps, quiet
        self._tty = sys.stderr.isatty()
        self._first: tuple[int, float] | None = None
        self._last_line = 0.0
        self._bar: Any = None

    def update(self, env_steps: int, row: Mapping[str, Any], force: bool = False) -> None:
        """Shows where the run is.

        Args:
            env_steps: environment steps so far.
            row: the latest row of metrics.
            force: also where the last line was shown a moment ago.
        """
        now = time.monotonic()
        if self._first is None:
            self._first = (env_steps, now)  # the first chunk includes the compilation
        if self._quiet or not (self._tty or force or now - self._last_line > 5.0):
            return
        self._last_line = now
        parts = [
            *([str(row["phase"])] if row.get("phase") else []),
            f"success {_mean(row, 'success')}",
            f"return {_mean(row, 'episode_return', 1)}",
            f"reward {_mean(row, 'reward', 3)}",
            *([f"labels {row['labels']}"] if "labels" in row else []),
        ]
        if self._tty:
            self._update_bar(env_steps, " | ".join(parts))
            return
        since = env_steps - self._first[0]
        rate = since / (now - self._first[1]) if since else 0.0
        left = (self._steps - env_steps) / rate if rate else float("nan")
        parts.insert(0, f"{env_steps:>7,}/{self._steps:,} steps")
        parts += [f"{rate:,.0f} steps/s", f"{_clock(left)} left"] if rate else []
        print(" | ".join(parts), file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Logs a line of its own."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)  # above the bar
        elif not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()

    def _update_bar(self, env_steps: int, text: str) -> None:
        if self._bar is None:
            self._bar = tqdm(
                total=self._steps, initial=env_steps, file=sys.stderr, unit="step",
                dynamic_ncols=True, mininterval=0.0,
            )  # fmt: skip
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(env_steps - self._bar.n)


def plot_curve(
    rows: Sequence[Mapping[str, Any]],
    title: str,
    path: Path,
    final: Sequence[float] | None = None,
) -> None:
    """Draws a run over its environment steps: success above, reward columns below.

    Above: success of each seed's evaluations and their mean, and the share of training steps in
    success. Below: each reward column and the ground-truth dense reward (gray), mean per step.
    Shaded spans are the method's phases; vertical lines are refinements of the reward that were
    accepted or rolled back.

    Args:
        rows: of `metrics.jsonl`, of any version.
        title: of the figure.
        path: of the PNG.
        final: success of each seed in the final evaluation, the last point of the curve.
    """
    figure = new_figure(figsize=(7.5, 6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    _draw_success(top, rows, final)
    _draw_rewards(bottom, rows)
    _draw_phases((top, bottom), rows)
    _draw_refinements(bottom, rows)
    top.set(ylabel="success rate", ylim=(-0.03, 1.03), title=as_label(title))
    bottom.set(xlabel="environment steps", ylabel="mean per step")
    for axis in (top, bottom):
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(loc="best", fontsize=8)
    figure.savefig(path, dpi=120)


def phases(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, int]]:
    """The method's phases as (name, first environment step, last): each begins at the boundary
    whose row names it first, the first one at 0."""
    found: list[tuple[str, int, int]] = []
    for row in rows:
        name, step = str(row.get("phase") or ""), int(row["env_steps"])
        if not name:
            continue
        if found and found[-1][0] == name:
            found[-1] = (name, found[-1][1], step)
            continue
        if found:  # the phase before lasted until this boundary
            found[-1] = (found[-1][0], found[-1][1], step)
        found.append((name, step if found else 0, step))
    return found


def evaluations(
    rows: Sequence[Mapping[str, Any]], final: Sequence[float] | None = None
) -> tuple[list[int], np.ndarray]:
    """Environment steps [K] and success [K, S] of a run's evaluations. The final one, which has
    more episodes, takes the place of another at the last row."""
    found = {r["env_steps"]: r["success"] for r in rows if r.get("evaluated") and r.get("success")}
    if rows and final is not None:
        found[rows[-1]["env_steps"]] = final
    return list(found), np.array(list(found.values()), float)


def _draw_success(
    axis: Any, rows: Sequence[Mapping[str, Any]], final: Sequence[float] | None
) -> None:
    x, y = evaluations(rows, final)
    if x:
        axis.plot(x, y, color="tab:blue", alpha=0.35, lw=1)
        label = f"evaluation, mean of {y.shape[1]} seed{'s' * (y.shape[1] > 1)}"
        axis.plot(x, y.mean(1), color="tab:blue", lw=2, marker="o", ms=3, label=label)
    exploring = [_number(r.get("step_success")) for r in rows]
    label = "share of training steps in success"
    axis.plot([r["env_steps"] for r in rows], exploring, color="gray", lw=1, label=label)


def _draw_rewards(axis: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = [files.reward_columns(r) for r in rows]
    x = [r["env_steps"] for r in rows]
    for i, name in enumerate(dict.fromkeys(name for one in columns for name in one)):
        style = {"color": _COLOURS[i % len(_COLOURS)], "ls": _LINES[i // len(_COLOURS) % 4]}
        y = [_number(one.get(name)) for one in columns]
        axis.plot(x, y, label=as_label(f"{name} reward"), **style)
    dense = [_number(r.get("dense")) for r in rows]
    axis.plot(x, dense, color="gray", label="ground truth, dense", zorder=1)


def _draw_phases(axes: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    spans = phases(rows)
    if len(spans) < 2:  # nothing changes
        return
    for i, (name, begin, end) in enumerate(spans):
        for axis in axes:
            axis.axvspan(begin, end, color="tab:blue", alpha=0.10 if i % 2 else 0.04, lw=0)
        middle = ((begin + end) / 2, 0.5)
        style = {"rotation": 90, "fontsize": 7, "color": "#666", "ha": "center", "va": "center"}
        axes[0].annotate(as_label(name), middle, xycoords=("data", "axes fraction"), **style)


def _draw_refinements(axis: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    for event, colour, line in _MARKED:
        at = [r["env_steps"] for r in rows if any(event in str(e) for e in r.get("events") or ())]
        for i, step in enumerate(at):
            label = f"refinement {event}" if i == 0 else None
            axis.axvline(step, color=colour, ls=line, lw=1, label=label)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(files.finite(row), allow_nan=False) + "\n"


def _number(value: Any) -> float:
    """Mean over seeds; NaN, which matplotlib leaves out, where nothing was measured."""
    if value is None or value == []:
        return float("nan")
    return float(np.mean(np.array(value, float)))  # None becomes NaN


def _mean(row: Mapping[str, Any], name: str, digits: int = 2) -> str:
    return f"{_number(row[name]):.{digits}f}" if name in row else "-"


def _clock(seconds: float) -> str:
    if not np.isfinite(seconds):
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
