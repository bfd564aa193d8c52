"""A finished run's folder as a `Result`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core_jax.feedback.labels import LabelStore
from core_jax.feedback.labels.shown import Shown, pictures_shown
from core_jax.report.records import Record
from core_jax.report.results import Reached, Result, thinned

THRESHOLD = 0.9
_OF_SINGLES = {"rating": 1, "completion": 2, "progress": 3}  # with the goal, with both ends


def result(record: Record) -> Result:
    """The result of a finished run.

    Raises:
        ValueError: it has not finished, or its seeds have several settings.
    """
    summary, config = record.summary, record.config
    if config.get("sweep"):
        names = ", ".join(config["sweep"])
        raise ValueError(
            f"{record.folder} is a sweep of {names}: a result has one setting; train the chosen "
            "values as a run of their own"
        )
    if summary is None:
        raise ValueError(f"{record.folder} has not finished: {record.status}")
    steps, success = record.curve()
    curve = [(int(x), tuple(map(float, y))) for x, y in zip(steps, success, strict=True)]
    shown = _pictures(record)
    returns = summary.get("episode_return")
    return Result(
        task=config["task"],
        method=record.method,
        protocol=config["protocol"],
        learner=config.get("learner", "sac"),
        teacher=record.teacher,
        settings=record.settings,
        seeds=tuple(record.seeds),
        success=tuple(summary["success"]),
        config=config,
        episode_return=tuple(returns) if returns else None,
        episodes=summary.get("episodes"),
        env_steps=record.env_steps,
        curve=tuple(thinned(curve)),
        reached=_reached(record, steps, success, shown),
        labels=record.labels,
        pictures=_most(shown, record.seeds, record.env_steps),
        pictures_per_label=pictures_per_label(record) if record.labels else None,
        tokens=summary.get("tokens"),
        cost_usd=summary.get("cost_usd"),
        minutes=round(record.wall_seconds / 60, 1),
        device=summary.get("device"),
        commit=summary.get("commit"),
        versions=summary.get("versions"),
        date=summary.get("date"),
        note=_note(summary),
    )


def pictures_per_label(record: Record) -> int | None:
    """Pictures that a vision-language model is shown for one query of a run: of a pair of single
    pictures both, of other pairs some of each clip, the start and the goal, of one picture that
    and the ends that it is compared with. None where queries are of several kinds."""
    kinds, pairs = record.other_labels.get(record.teacher, {}), record.teacher in record.teachers
    feedback = record.config.get("feedback")
    if kinds:
        return _OF_SINGLES.get(next(iter(kinds))) if len(kinds) == 1 and not pairs else None
    if not isinstance(feedback, Mapping) or "clip_length" not in feedback:
        return None
    if feedback["clip_length"] == 1:
        return 2
    return 2 * feedback["frames_shown"] + 2


def _note(summary: Mapping[str, Any]) -> str:
    level = summary.get("stopped_at")
    return "" if level is None else f"training ended early, at success {level:g} (--stop-at)"


def _reached(
    record: Record, steps: np.ndarray, success: np.ndarray, shown: Sequence[Shown] | None
) -> tuple[Reached | None, ...]:
    found: list[Reached | None] = []
    for seed, reached in zip(record.seeds, (success >= THRESHOLD).T, strict=True):
        if not reached.any():
            found.append(None)
            continue
        at = int(steps[reached.argmax()])
        row = _row_at(record.rows, at)
        spent = row.get("cost_usd")
        found.append(
            Reached(
                env_steps=at,
                labels=row.get("labels", 0 if not record.labels else None),
                pictures=_most(shown, [seed], at),
                cost_usd=None if spent is None else round(spent / len(record.seeds), 6),
            )
        )
    return tuple(found)


def _row_at(rows: Sequence[Mapping[str, Any]], env_steps: int) -> Mapping[str, Any]:
    return next((row for row in rows if row["env_steps"] == env_steps), {})


def _pictures(record: Record) -> list[Shown] | None:
    """Pictures that the run's teacher was shown; None where the labels cannot be read."""
    if record.label_problem:
        return None
    if not (record.folder / "labels.sqlite").exists() or not record.teacher:
        return []
    store = LabelStore(record.folder / "labels.sqlite", read_only=True)
    try:
        return pictures_shown(store, record.teacher)
    finally:
        store.close()


def _most(shown: Sequence[Shown] | None, seeds: Sequence[int], until: int) -> int | None:
    """Pictures shown until a step, of the seed with the most."""
    if shown is None:
        return None
    return max(
        sum(one.pictures for one in shown if one.seed == seed and one.env_steps <= until)
        for seed in seeds
    )
