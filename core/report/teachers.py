"""Teachers side by side: a table of their quality and a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core_jax.feedback.quality import EDGES, Bin, Quality
from core_jax.report.plots import COLOURS, MARKERS
from core_jax.visual.figures import as_label, new_figure

_RATES = (
    ("asked", "questions"),
    ("decided", "decided"),
    ("equal", "equal"),
    ("abstained", "abstained"),
    ("accuracy", "right, of the decided"),
    ("prefers_second", "says B"),
    ("order_consistency", "same clip in the other order"),
    ("calibration_error", "calibration error"),
    ("score_correlation", "rank correlation of scores with progress"),
    ("seconds", "seconds a question"),
    ("tokens", "tokens"),
    ("cost_usd", "USD"),
)


def markdown(found: Mapping[str, Quality]) -> str:
    """A table: a row for each figure and each bin of difficulty, a column for each teacher."""
    lines = [["", *found], ["---"] * (len(found) + 1)]
    for field, name in _RATES:
        lines.append([name, *(_figure(getattr(q, field)) for q in found.values())])
    for field, name in (("by_reward_gap", "reward"), ("by_progress_gap", "progress")):
        for low, high in zip(EDGES[:-1], EDGES[1:], strict=True):
            bins = [_at(getattr(q, field), low) for q in found.values()]
            if any(bins):
                cells = (f"{b.right:.2f} of {b.count}" if b else "–" for b in bins)
                lines.append([f"right, {name} gap {low:g} to {high:g}", *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_json(found: Mapping[str, Quality]) -> dict[str, Any]:
    """The same, JSON-able."""
    result = {}
    for name, q in found.items():
        fields = q._asdict()
        for field, value in fields.items():
            if isinstance(value, tuple):
                fields[field] = [one._asdict() for one in value]
        result[name] = fields
    return result


def draw(found: Mapping[str, Quality], title: str, path: Path) -> None:
    """Writes a PNG: accuracy by difficulty, by both kinds of gap, and calibration where a teacher
    gives its confidence. Bars are 95% score intervals (Wilson's)."""
    sure = {name: q for name, q in found.items() if q.calibration}
    panels = 3 if sure else 2
    figure = new_figure(figsize=(4.4 * panels, 4.0), layout="constrained")
    from matplotlib.lines import Line2D  # after matplotlib was imported safely

    axes = figure.subplots(1, panels)
    shift = np.linspace(-0.15, 0.15, len(found)) if len(found) > 1 else [0.0]
    for i, q in enumerate(found.values()):
        style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        for axis, bins in zip(axes, (q.by_reward_gap, q.by_progress_gap), strict=False):
            at = [EDGES.index(b.low) + shift[i] for b in bins]
            _points(axis, at, bins, style)
    for axis, name in zip(axes, ("reward", "progress"), strict=False):
        names = [f"{a:g}–{b:g}" for a, b in zip(EDGES[:-1], EDGES[1:], strict=True)]
        axis.set_xticks(range(len(names)), names, fontsize=8, rotation=35, ha="right")
        axis.set(xlim=(-0.5, len(names) - 0.5), xlabel=f"gap in mean {name} per step (truth)")
        axis.axhline(0.5, color="gray", lw=1, ls=":")
    axes[0].set_ylabel("decided answers that are right")
    if sure:
        axes[2].plot([0, 1], [0, 1], color="gray", lw=1, ls=":")
        for name, q in sure.items():
            i = list(found).index(name)
            style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
            _points(axes[2], [(b.low + b.high) / 2 for b in q.calibration], q.calibration, style)
        axes[2].set(xlim=(0, 1), xlabel="the teacher's confidence")
    for axis in axes:
        axis.set_ylim(-0.03, 1.03)
        axis.grid(alpha=0.3)
    handles = [
        Line2D(
            [],
            [],
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            label=as_label(
                f"{name}: {_figure(q.accuracy)} of {q.decided} decided, {q.abstained} abstained"
            ),
        )
        for i, (name, q) in enumerate(found.items())
    ]
    figure.legend(handles=handles, loc="outside lower center", fontsize=8, frameon=False)
    figure.suptitle(as_label(title), fontsize=11)
    figure.savefig(path, dpi=130)


def _points(axis: Any, at: list[float], bins: tuple[Bin, ...], style: dict[str, str]) -> None:
    right = np.array([b.right for b in bins])
    low, high = np.array([_wilson(b.right, b.count) for b in bins]).reshape(-1, 2).T
    axis.errorbar(
        at, right, [right - low, high - right], capsize=2, lw=1.5, ms=5, elinewidth=0.9, **style
    )


def _wilson(share: float, count: int) -> tuple[float, float]:
    z = 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return min(middle - half, share), max(middle + half, share)


def _at(bins: tuple[Bin, ...], low: float) -> Bin | None:
    return next((b for b in bins if b.low == low), None)


def _figure(value: float | int | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
