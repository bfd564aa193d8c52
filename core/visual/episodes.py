"""What a policy does, as a sheet of frames and as a video of one episode a seed.

Frames are rendered from the snapshots that an evaluation recorded; nothing is simulated again.
Success and every reward column are drawn along the bottom.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core_jax import envs
from core_jax.visual.figures import new_figure
from core_jax.visual.frames import FrameRenderer

_SHEET_FRAMES, _SHEET_SIZE = 8, 160
_VIDEO_SIZE, _FRAMES_PER_SECOND = 256, 20  # most frames; fewer where a step takes longer
_STRIP = 48  # pixels, height of the curves under a video
# Okabe and Ito's colours, which the colour-blind can tell apart.
_COLOURS = ((230, 159, 0), (0, 158, 115), (204, 121, 167), (213, 94, 0), (0, 0, 0))


class Episodes(NamedTuple):
    """One episode of each seed, on the host."""

    snapshot: np.ndarray  # [S, T, K]
    success: np.ndarray  # [S, T]
    rewards: dict[str, np.ndarray]  # column name -> [S, T]


def from_record(record: Any, rewards: Mapping[str, Any]) -> Episodes:
    """Episodes from an evaluation's record and its reward columns.

    A column that exceeds [-1, 1] is scaled down to fit the plot.

    Args:
        record: an `EpisodeRecord` [S, T].
        rewards: column name -> [S, T].
    """
    columns = {}
    for name, value in rewards.items():
        value = np.asarray(value)
        largest = np.abs(value).max(axis=1, keepdims=True)
        columns[name] = value / np.maximum(1.0, largest)
    return Episodes(np.asarray(record.snapshot), np.asarray(record.truth.success), columns)


def contact_sheet(
    env: envs.TaskEnv, episodes: Episodes, title: str, path: Path, seed: int = 0
) -> None:
    """Writes a PNG: a row of frames for each seed, and its rewards and success below.

    Args:
        env: whose episodes they are; a task without pictures has curves only.
        episodes: one of each seed.
        title: of the figure.
        path: to write.
        seed: number of the first row's seed.
    """
    seeds, steps = episodes.success.shape
    figure = new_figure(figsize=(13, 3.1 * seeds + 0.3), layout="constrained")
    axes = figure.subplots(2 * seeds, 1, height_ratios=[1.75, 1.0] * seeds, squeeze=False)
    moments = np.stack([_moments(one) for one in episodes.success])
    strips = _frames(env, episodes.snapshot, moments, _SHEET_SIZE)
    for s, at in enumerate(moments):
        top, bottom = axes[2 * s, 0], axes[2 * s + 1, 0]
        if strips is not None:
            strips[s][:, :, -3:] = 255  # a gap
            top.imshow(np.concatenate(list(strips[s]), axis=1))
        top.set_axis_off()
        name = f"{title}, seed {seed + s}" if s == 0 else f"seed {seed + s}"
        top.set_title(f"{name}; steps {', '.join(str(t + 1) for t in at)}", fontsize=8, loc="left")
        for i, (label, value) in enumerate(episodes.rewards.items()):
            colour = np.array(_COLOURS[i % len(_COLOURS)]) / 255
            bottom.plot(1 + np.arange(steps), value[s], color=colour, label=label)
        done = episodes.success[s] > 0.5
        bottom.fill_between(1 + np.arange(steps), -1, 1, where=done, color="tab:blue", alpha=0.12)
        bottom.vlines(at + 1, -1, 1, color="gray", lw=0.5)
        bottom.set(ylim=(-1.05, 1.05), xlim=(1, max(2, steps)), ylabel="reward")
        bottom.set_xticks(np.unique(np.linspace(1, steps, min(steps, 8)).round().astype(int)))
        bottom.tick_params(labelsize=7)
        if s == 0 and episodes.rewards:
            bottom.legend(fontsize=7, loc="lower right", title="blue: success", title_fontsize=7)
    axes[-1, 0].set_xlabel("step", fontsize=8)
    figure.savefig(path, dpi=90)


def check_video_path(path: Path) -> None:
    """Raises ValueError unless a video can be written there."""
    if path.suffix not in (".mp4", ".gif"):
        raise ValueError(f"--video {path}: must end in .mp4 or .gif")
    if path.suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise ValueError(
            f"--video {path}: an .mp4 needs `pip install 'core-jax[video]'`; .gif does not"
        )


def video(env: envs.TaskEnv, episodes: Episodes, path: Path) -> None:
    """Writes the episodes side by side, in real time, with their curves growing below.

    Raises:
        ValueError: unknown ending, no encoder for it, or a task without pictures.
    """
    check_video_path(path)
    if not env.spec.has_pictures:
        raise ValueError(f"--video {path}: task {env.spec.name} has no pictures")
    steps = episodes.success.shape[1]
    every = max(1, round(1.0 / (_FRAMES_PER_SECOND * env.spec.step_seconds)))
    seconds = every * env.spec.step_seconds  # of a frame
    at = np.arange(every - 1, steps, every)
    columns = []
    shots = _frames(
        env, episodes.snapshot, np.tile(at, (episodes.success.shape[0], 1)), _VIDEO_SIZE
    )
    assert shots is not None
    for s, frames in enumerate(shots):
        strips = np.stack([_strip(episodes, s, t) for t in at])
        columns.append(np.concatenate([frames, strips], axis=1))
    whole = np.concatenate(columns, axis=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mp4":
        import imageio.v2 as imageio  # pyright: ignore[reportMissingImports]  an extra

        imageio.mimwrite(path, list(whole), fps=1.0 / seconds, macro_block_size=1)
        return
    from PIL import Image

    first, *rest = (Image.fromarray(frame) for frame in whole)
    first.save(path, save_all=True, append_images=rest, duration=round(1000 * seconds), loop=0)


def _frames(
    env: envs.TaskEnv, snapshots: np.ndarray, at: np.ndarray, size: int
) -> np.ndarray | None:
    """Pictures [S, N, size, size, 3] of the steps [S, N]; None for a task without pictures."""
    if not env.spec.has_pictures:
        return None
    return FrameRenderer(env, size).render(np.take_along_axis(snapshots, at[..., None], axis=1))


def _moments(success: np.ndarray) -> np.ndarray:
    """Which steps to show: most of them up to a little after the first success."""
    last = len(success) - 1
    first = int(np.argmax(success > 0.5)) + 3 if success.any() else last
    if first >= last - _SHEET_FRAMES:
        return np.round(np.linspace(0, last, min(_SHEET_FRAMES, last + 1))).astype(int)
    early = _SHEET_FRAMES - 2
    return np.round(
        np.concatenate([np.linspace(0, first, early), np.linspace(first, last, 3)[1:]])
    ).astype(int)


def _strip(episodes: Episodes, s: int, now: int) -> np.ndarray:
    """The curves up to a step, as pixels [_STRIP, _VIDEO_SIZE, 3]."""
    strip = np.full((_STRIP, _VIDEO_SIZE, 3), 255, np.uint8)
    steps = episodes.success.shape[1]
    strip[_STRIP // 2] = 225
    upto = np.arange(now + 1)
    x = upto * (_VIDEO_SIZE - 1) // max(1, steps - 1)
    strip[:, x[episodes.success[s, : now + 1] > 0.5]] = (225, 234, 250)
    for i, value in enumerate(episodes.rewards.values()):
        y = np.round((1.0 - np.clip(value[s, : now + 1], -1, 1)) / 2.0 * (_STRIP - 3)).astype(int)
        strip[y, x] = strip[y + 1, x] = _COLOURS[i % len(_COLOURS)]
    return strip
