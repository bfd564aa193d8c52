"""A report's figures. Colours are Okabe and Ito's, which the colour-blind can tell apart; lines and
markers differ, too, so that nothing depends on colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from core_jax.report import statistics
from core_jax.report.ablations import Ablation
from core_jax.report.table import Condition
from core_jax.visual.figures import as_label, new_figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", "-.", ":")
_PER_ROW = 3
_SEEDS_SHOWN = 2  # conditions in a panel up to which single seeds are drawn, too


class Drawable(Protocol):
    """What has a learning curve: a panel's title, a legend's text, and seeds."""

    @property
    def where(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def seeds(self) -> Sequence[int]: ...
    @property
    def finished(self) -> bool: ...
    def curve(self) -> tuple[np.ndarray, np.ndarray]: ...


def curves(found: Sequence[Drawable], path: Path) -> bool:
    """Success over environment steps, a panel for each task and protocol.

    Lines are means over seeds, bands Student's 95% intervals, thin lines single seeds where there
    is room for them.

    Returns:
        whether there was anything to draw.
    """
    shown = [one for one in found if len(one.curve()[0])]
    if not shown:
        return False
    panels = list(dict.fromkeys(one.where for one in shown))
    styles = _styles(shown)
    figure, axes = _grid(len(panels))
    for axis, where in zip(axes, panels, strict=False):
        here = [one for one in shown if one.where == where]
        for i, one in enumerate(here):
            style = styles[one.label]
            steps, success = one.curve()
            intervals = [statistics.student(row, 0.0, 1.0) for row in success]
            mean = [x.mean for x in intervals]
            # Earlier ones are drawn wider, so that curves on top of each other can all be seen.
            width = 2.0 + 0.9 * (len(here) - 1 - i)
            axis.plot(steps / 1000, mean, lw=width, **style, zorder=3 + i)
            if success.shape[1] > 1:
                low, high = ([getattr(x, end) for x in intervals] for end in ("low", "high"))
                axis.fill_between(
                    steps / 1000, low, high, color=style["color"], alpha=0.13, lw=0, zorder=1
                )
                if len(here) <= _SEEDS_SHOWN:
                    thin = {"alpha": 0.35, "lw": 0.8, "zorder": 2}
                    axis.plot(steps / 1000, success, color=style["color"], **thin)
        axis.set(ylim=(-0.04, 1.04), title=as_label(where), xlabel="environment steps (thousands)")
        axis.set_xlim(left=0)
        axis.grid(alpha=0.3)
    for axis in axes[:: _columns(len(panels))]:
        axis.set_ylabel("success rate")
    _legend(figure, shown, styles)
    _save(figure, path)
    return True


def sensitivity(found: Sequence[Condition], path: Path) -> bool:
    """What a teacher's errors cost: success, and the environment steps to 0.9, over how many of the
    labels were right; two panels for each task and protocol.

    Success: filled final, hollow the mean over the evaluations; bars are Student's 95% intervals
    over seeds. Steps: a mark for each seed, at the top if it never got there.

    Returns:
        whether any task was tried with two label accuracies.
    """
    panels: dict[str, list[Condition]] = {}
    for one in found:
        if one.label_accuracy is not None and one.success is not None:
            panels.setdefault(one.where, []).append(one)
    panels = {where: some for where, some in panels.items() if len(some) > 1}
    if not panels:
        return False
    styles = {
        label: {**style, "linestyle": "none", "ms": 8, "markeredgecolor": style["color"]}
        for label, style in _styles(one for some in panels.values() for one in some).items()
    }
    figure, axes = _grid(2 * len(panels), columns=2)
    for i, (where, some) in enumerate(panels.items()):
        success, steps = axes[2 * i : 2 * i + 2]
        _success_by_accuracy(success, some, styles)
        _steps_by_accuracy(steps, some, styles)
        least = min(one.label_accuracy or 0.0 for one in some)
        for axis in (success, steps):
            axis.set(xlim=(least - 0.05, 1.02), title=as_label(where))
            axis.set_xlabel("part of the labels that are right")
            axis.grid(alpha=0.3)
    _legend(figure, [one for some in panels.values() for one in some], styles)
    _save(figure, path)
    return True


def ablation(found: Ablation, path: Path) -> None:
    """What a method's parts are worth: a panel for each task with the environment steps to a
    success of 0.9, a mark for each seed and a bar at the median, at the dotted line if it never got
    there; then the interquartile mean of the final success with its 95% interval."""
    names = [variant.name for variant in found.variants]
    figure, axes = _grid(len(found.tasks) + 1)
    for axis, task in zip(axes, found.tasks, strict=False):
        lines = [variant.steps_to_success(task) for variant in found.variants]
        known = [x for steps in lines for x in steps if np.isfinite(x)]
        never = 1.15 * max(known, default=1_000.0) / 1000
        for i, steps in enumerate(lines):
            at = [min(x / 1000, never) for x in steps]
            side = 0.06 * (np.arange(len(at)) - (len(at) - 1) / 2)  # or seeds hide each other
            axis.plot(at, i + side, COLOURS[i % len(COLOURS)], ls="none", marker="o", alpha=0.8)
            if at:
                axis.vlines(np.median(at), i - 0.3, i + 0.3, COLOURS[i % len(COLOURS)])
        axis.axvline(never, color="#888", lw=0.8, ls=":")
        axis.annotate("never ", (never, 0.98), xycoords=("data", "axes fraction"), ha="right",
                      va="top", fontsize=8, color="#666")  # fmt: skip
        axis.set(title=as_label(task), xlabel="thousand steps to 0.9", xlim=(0, 1.05 * never))
    for i, variant in enumerate(found.variants):
        if (iqm := found.success(variant)) and iqm.low is not None and iqm.high is not None:
            bars = [[iqm.mean - iqm.low], [iqm.high - iqm.mean]]
            axes[-1].errorbar([iqm.mean], [i], xerr=bars, fmt="D", capsize=3,
                              color=COLOURS[i % len(COLOURS)])  # fmt: skip
    axes[-1].set(title="all of them", xlabel="success, IQM", xlim=(-0.04, 1.04))
    for i, axis in enumerate(axes):
        axis.set(ylim=(len(names) - 0.4, -0.6), yticks=range(len(names)))
        axis.set_yticklabels(names if i % _columns(len(axes)) == 0 else [])
        axis.grid(alpha=0.3)
    _save(figure, path)


def _success_by_accuracy(axis: Any, some: Sequence[Condition], styles: dict[str, Any]) -> None:
    for one in some:
        style = styles[one.label]
        for values, fill, shift in (
            (_average(one), "white", 0.006),
            (one.success, style["color"], -0.006),
        ):
            if values is None:
                continue
            interval = statistics.student(values, 0.0, 1.0)
            bars = None
            if interval.low is not None and interval.high is not None:
                bars = [[interval.mean - interval.low], [interval.high - interval.mean]]
            at = (one.label_accuracy or 0.0) + shift
            axis.errorbar([at], [interval.mean], bars, capsize=3, markerfacecolor=fill, **style)
    axis.set(ylim=(-0.04, 1.04), ylabel="success rate")


def _steps_by_accuracy(axis: Any, some: Sequence[Condition], styles: dict[str, Any]) -> None:
    ends = [one.curve()[0][-1] / 1000 for one in some if len(one.curve()[0])]
    never = 1.08 * max(ends, default=1.0)
    for one in some:
        first = [never if x is None else x / 1000 for x in one.first_at(0.9)]
        side = 0.004 * (np.arange(len(first)) - (len(first) - 1) / 2)  # or seeds hide each other
        axis.plot((one.label_accuracy or 0.0) + side, first, alpha=0.8, **styles[one.label])
    axis.axhline(never, color="#888", lw=0.8, ls=":")
    axis.annotate("never", (0.01, never), xycoords=("axes fraction", "data"), va="bottom",
                  fontsize=8, color="#666")  # fmt: skip
    axis.set(ylim=(0, 1.08 * never), ylabel="thousand steps to 0.9, each seed")


def _average(one: Condition) -> np.ndarray | None:
    steps, success = one.curve()
    return success.mean(axis=0) if len(steps) else None


def _styles(found: Any) -> dict[str, dict[str, Any]]:
    """One look for each label, the same in all panels."""
    labels = list(dict.fromkeys(one.label for one in found))
    return {
        label: {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[(i + i // len(COLOURS)) % len(MARKERS)],
            "linestyle": _LINES[i // len(COLOURS) % len(_LINES)],
            "ms": 5,
            "markeredgecolor": "white" if i else COLOURS[0],
        }
        for i, label in enumerate(labels)
    }


def _legend(figure: Any, shown: Sequence[Drawable], styles: dict[str, dict[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for label, style in styles.items():
        these = [one for one in shown if one.label == label]
        counts = sorted({len(one.seeds) for one in these})
        seeds = f"{'–'.join(map(str, counts))} seed{'s' * (counts != [1])}"
        open_ = "" if all(one.finished for one in these) else ", unfinished"
        handles.append(Line2D([], [], lw=2, label=as_label(f"{label} ({seeds}{open_})"), **style))
    figure.legend(handles=handles, loc="outside lower center", ncols=1, fontsize=8, frameon=False)


def _grid(count: int, columns: int | None = None) -> tuple[Any, list]:
    columns = columns or _columns(count)
    rows = -(-count // columns)
    width = 6.4 if count == 1 else 4.2 * columns
    figure = new_figure(figsize=(width, 3.5 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[count:]:
        axis.set_visible(False)
    return figure, list(axes.flat[:count])


def _columns(count: int) -> int:
    return 2 if count == 4 else min(count, _PER_ROW)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=130)
