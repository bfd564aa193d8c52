"""How good rewards are on graded episodes: measures of each, as a table and as a page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core_jax.report.html import document, image, note
from core_jax.report.text import as_html
from core_jax.reward_models.large_reward import metrics
from core_jax.reward_models.large_reward.graded import GradedFrames
from core_jax.visual.figures import as_label, new_figure

_WORST = 8  # frames that are shown


@dataclasses.dataclass(frozen=True)
class Scored:
    """A reward's values on M frames of graded episodes.

    Attributes:
        values: [M]; NaN where there is none.
        backwards, shuffled: [M] its values of the same frames where clips were played backwards, or
            in random order. None where it was not asked.
        played_shuffled: [M] when each frame was shown in the shuffled clip.
        is_chance: whether a value is a probability that the task is done.
        is_progress: whether a value means progress in [0, 1].
        seconds: that a value took.
        cost_usd: that all values took.
    """

    values: np.ndarray
    backwards: np.ndarray | None = None
    shuffled: np.ndarray | None = None
    played_shuffled: np.ndarray | None = None
    is_chance: bool = False
    is_progress: bool = False
    seconds: float = float("nan")
    cost_usd: float = 0.0


def measures(scored: Scored, frames: GradedFrames, seed: int = 0) -> dict[str, Any]:
    """All that can be said of one reward, JSON-able; what is not defined is None."""
    known = np.isfinite(scored.values)
    kept = _rows(frames, known)
    values, rng = scored.values[known], np.random.default_rng(seed)
    done = [e for e in range(kept.episodes) if np.any(kept.success[kept.episode == e] > 0)]
    tau, rho = metrics.rank_correlations(values, kept.progress)
    near = metrics.near_misses(kept.progress, kept.success)
    level = 0.5 if scored.is_chance else metrics.best_threshold(values, kept.success)
    found: dict[str, Any] = {
        "frames": len(frames.step),
        "unanswered": float(np.mean(~known)),
        "kendall": tau,
        "spearman": rho,
        "value_order": metrics.value_order_correlation(values, kept.episode, kept.step),
        "value_order_successful": metrics.value_order_correlation(
            values, kept.episode, kept.step, done
        ),
        "pairs": metrics.pair_accuracy(values, kept.progress, rng) if len(values) else {},
        "success_auc": metrics.area_under_curve(values, kept.success),
        "episode_auc": _episode_auc(values, kept),
        "threshold": level,
        "near_misses": int(near.sum()),
        "near_misses_called_done": float(np.mean(values[near] >= level)) if near.any() else None,
    }
    if scored.is_progress:
        found["mae"] = metrics.mean_absolute_error(values, kept.progress)
        found["acc_02"] = metrics.accuracy_within(values, kept.progress)
    if scored.is_chance:
        found["calibration_error"] = metrics.calibration_error(values, kept.success)
    for name, order in (("backwards", None), ("shuffled", scored.played_shuffled)):
        found[f"value_order_{name}"] = _in_order(getattr(scored, name), frames, order)
    found |= {"seconds_per_frame": scored.seconds, "cost_usd": scored.cost_usd}
    return _plain(found)


def write_page(
    out: Path,
    title: str,
    rewards: Mapping[str, Scored],
    found: Mapping[str, Mapping[str, Any]],
    frames: GradedFrames,
) -> None:
    """Writes `index.html`, which needs no other file, and its plots into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    parts = [f"<h1>{as_html(title)}</h1>", _about(frames), _table(found)]
    for name, scored in rewards.items():
        parts.append(f"<h2>{as_html(name)}</h2>")
        stem = "".join(c if c.isalnum() else "-" for c in name)
        _plot(scored, frames, name, out / f"{stem}.png")
        parts.append(image(out / f"{stem}.png", f"{name}: values over time and over progress"))
        if frames.picture.shape[1]:
            _worst(scored, frames, out / f"{stem}-worst.png")
            parts.append("<h3>Where it is most wrong</h3>")
            parts.append(image(out / f"{stem}-worst.png", "the frames that it is most wrong about"))
            parts.append(note("Frames by the distance between their rank by value and by progress; "
                              "each from another episode."))  # fmt: skip
    (out / "index.html").write_text(document(title, parts), encoding="utf-8")


def _about(frames: GradedFrames) -> str:
    done = [np.any(frames.success[frames.episode == e] > 0) for e in range(frames.episodes)]
    text = (
        f"{len(frames.step)} frames of {frames.episodes} episodes of scripted experts, from "
        f"the perfect one to one of deficit {frames.deficit.max():g}; {int(np.sum(done))} episodes "
        "are successful. Progress is ground truth. value_order: mean rank correlation of value and "
        "time in an episode; near misses: progress of at least 0.6 in a task that is not done."
    )
    return note(text)


def _table(found: Mapping[str, Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in found.values() for name in row if name != "pairs"))
    gaps = list(dict.fromkeys(g for row in found.values() for g in row.get("pairs", {})))
    cell = lambda x: "" if x is None else (f"{x:.3g}" if isinstance(x, float) else str(x))
    rows = [(name, [row.get(name) for row in found.values()]) for name in names]
    rows += [(f"pairs, gap {g}", [r.get("pairs", {}).get(g) for r in found.values()]) for g in gaps]
    head = "".join(f"<th>{as_html(name)}</th>" for name in found)
    body = "".join(
        f"<tr><td>{as_html(name)}</td>" + "".join(f"<td>{cell(x)}</td>" for x in values) + "</tr>"
        for name, values in rows
    )
    return f'<div class="wide"><table><tr><th></th>{head}</tr>{body}</table></div>'


def _plot(scored: Scored, frames: GradedFrames, name: str, path: Path) -> None:
    """Values over time of episodes, over progress, and how they are calibrated."""
    figure = new_figure(figsize=(12, 3.4), layout="constrained")
    time, progress, third = figure.subplots(1, 3)
    shown = np.linspace(0, frames.episodes - 1, min(frames.episodes, 9)).round().astype(int)
    for number in np.unique(shown):
        rows = frames.episode == number
        shade = number / max(frames.episodes - 1, 1)
        time.plot(frames.step[rows], scored.values[rows], color=(shade, 0.3, 1 - shade), lw=1)
    time.set(xlabel="step", ylabel=as_label(name), title="episodes, blue (best) to red (worst)")
    done = frames.success > 0
    for rows, colour, label in ((~done, "#0072B2", "not done"), (done, "#D55E00", "done")):
        progress.plot(frames.progress[rows], scored.values[rows], ".", ms=3, c=colour, label=label)
    progress.set(xlabel="progress", title="all frames")
    progress.legend(fontsize=8)
    known = np.isfinite(scored.values)
    if scored.is_chance:
        at = np.clip((scored.values[known] * 10).astype(int), 0, 9)
        truth = frames.success[known]
        rate = [truth[at == i].mean() if np.any(at == i) else np.nan for i in range(10)]
        third.plot([0, 1], [0, 1], ":", c="grey")
        third.plot(np.arange(10) / 10 + 0.05, rate, "o-", c="#009E73")
        third.set(xlabel="said", ylabel="share done", title="calibration")
    else:
        both = [scored.values[known & ~done], scored.values[known & done]]
        third.hist(both, bins=20, label=["not done", "done"], color=["#0072B2", "#D55E00"])
        third.set(xlabel=as_label(name), title="frames by value")
        third.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def _worst(scored: Scored, frames: GradedFrames, path: Path) -> None:
    known = np.flatnonzero(np.isfinite(scored.values))
    rank = lambda x: np.argsort(np.argsort(x, kind="stable"), kind="stable") / max(len(x), 1)
    off = rank(scored.values[known]) - rank(frames.progress[known])
    chosen: list[int] = []
    for i in np.argsort(-np.abs(off)):
        row = int(known[i])
        if frames.episode[row] not in frames.episode[chosen]:
            chosen.append(row)
        if len(chosen) == _WORST:
            break
    figure = new_figure(figsize=(12, 2.2), layout="constrained")
    for axis, row in zip(np.ravel(figure.subplots(1, _WORST)), chosen, strict=False):
        axis.imshow(frames.picture[row])
        said, truth = scored.values[row], frames.progress[row]
        axis.set_title(f"value {said:.2f}\nprogress {truth:.2f}", fontsize=8)
    for axis in figure.axes:
        axis.axis("off")
    figure.savefig(path, dpi=110)


def _in_order(
    values: np.ndarray | None, frames: GradedFrames, played: np.ndarray | None
) -> float | None:
    """Mean rank correlation of value and the time at which a frame was shown."""
    if values is None:
        return None
    known = np.isfinite(values)
    shown = -frames.step if played is None else played
    return metrics.value_order_correlation(values[known], frames.episode[known], shown[known])


def _episode_auc(values: np.ndarray, frames: GradedFrames) -> float:
    """How well an episode's last value tells whether it was successful at its end."""
    if not len(values):
        return float("nan")
    last = np.append(frames.episode[1:] != frames.episode[:-1], True)
    return metrics.area_under_curve(values[last], frames.success[last])


def _rows(frames: GradedFrames, kept: np.ndarray) -> GradedFrames:
    per_frame = ("picture", "episode", "step", "progress", "success", "snapshot")
    return dataclasses.replace(frames, **{name: getattr(frames, name)[kept] for name in per_frame})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(x) for name, x in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 5)
    return value
