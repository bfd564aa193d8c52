"""The end of a run: the final evaluation, and the pictures in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import envs
from core_jax.agents.evaluation import Episodes
from core_jax.runs import members, metrics
from core_jax.runs.config import Config
from core_jax.training.state import EpisodeRecord, SeedState
from core_jax.training.streams import Stream, in_stream
from core_jax.training.train import Train
from core_jax.visual import episodes as episode_sheets


def means(episodes: Episodes) -> dict[str, list[float]]:
    """Per-seed means of an evaluation."""
    named = {k: np.asarray(v).mean(axis=1) for k, v in episodes._asdict().items()}
    return {k: [round(float(x), 4) for x in v] for k, v in named.items()}


def report_broken(row: Mapping[str, Any], events: list[str], before: bool) -> bool:
    """Adds an event if steps of a chunk were not finite; whether there have been any so far.

    Args:
        row: of metrics.
        events: of the chunk.
        before: whether there were some in an earlier chunk: it is said once.
    """
    count = lambda name: round(float(np.sum(row.get(name, 0.0))))
    worlds, rewards = count("nonfinite"), count("refused_rewards")
    if before or not (worlds or rewards):
        return before
    events.append(
        f"{worlds:,} steps of worlds and {rewards:,} rewards were not finite (NaN or infinite): "
        "such a step ends its episode, such a reward counts as 0. Later ones are in metrics.jsonl "
        "only (nonfinite, refused_rewards)"
    )
    return True


def unasked(config: Config, labels: Any) -> str | None:
    """A line on a run that ended before its first round of labels; None for any other."""
    if not config.asks_teacher or labels != 0:  # None: the method counts none
        return None
    return (
        f"no label was asked for: the first round comes after {config.training.steps:,} steps. "
        "Give more --steps, or an earlier round (--random-steps, and --unsupervised-steps or "
        "--feedback.first-round)"
    )


def play(
    config: Config, train: Train, seeds: SeedState
) -> tuple[dict[str, list[float]], EpisodeRecord]:
    """Plays the final episodes; returns their per-seed means and a record of the first."""
    episodes_at_once = config.training.eval_episodes
    rounds, played, record = -(-config.final_episodes // episodes_at_once), [], None
    of_members = members.keys(config)
    for i in range(rounds):
        keys = in_stream(of_members, Stream.FINAL_EVALUATION, i)
        episodes, one = jax.device_get(train.evaluate(seeds, keys))
        played.append(episodes)
        record = record or one
    joined = [np.concatenate(x, axis=1) for x in zip(*played, strict=True)]
    assert record is not None
    return means(Episodes(*(jnp.asarray(x[:, : config.final_episodes]) for x in joined))), record


def draw(
    config: Config,
    env: envs.TaskEnv,
    record: EpisodeRecord,
    columns: Mapping[str, Any],
    out: Path,
    note: Callable[[str], None],
) -> None:
    """Draws `curve.png` and `episode.png` of a run that has its summary; what cannot be drawn is
    noted."""
    final = lambda: json.loads((out / "summary.json").read_text())["success"]
    title = f"{config.method} on {config.task} ({config.protocol})"
    rows = metrics.read_rows(out / "metrics.jsonl")
    shown = episode_sheets.from_record(record, columns)
    drawings = {
        "curve.png": lambda path: metrics.plot_curve(rows, title, path, final()),
        "episode.png": lambda path: episode_sheets.contact_sheet(
            env, shown, title, path, config.seed
        ),
    }
    for name, drawing in drawings.items():
        try:
            drawing(out / name)
        except Exception as error:  # the training is finished and kept: report, do not lose it
            note(f"{name} was not drawn: {type(error).__name__}: {error}")
