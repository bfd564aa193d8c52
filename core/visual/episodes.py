"""What a policy does, to be looked at: a contact sheet and a video of one episode a seed.

Frames are rendered from the snapshots that an evaluation kept; nothing is played again. Success
and both rewards are drawn along the bottom.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import envs, methods
from core_jax.envs import rendering
from core_jax.runs.config import Config
from core_jax.training.reward_input import looking_options
from core_jax.training.rewards import Formal, batch_function
from core_jax.training.state import Film, Lane, Train

_SHEET_FRAMES, _SHEET_SIZE = 8, 160
_VIDEO_SIZE, _FRAMES_PER_SECOND = 256, 20  # most frames; fewer where a step takes longer
_STRIP = 48  # pixels, height of the curves under a video
_BATCH = 16  # frames rendered at once
_COLOURS = {"formal": (240, 140, 40), "residual": (60, 160, 60)}


class Reel(NamedTuple):
    """One episode of each seed, on the host: snapshots [S, T, K], the rest [S, T]."""

    snapshot: np.ndarray
    success: np.ndarray
    formal: np.ndarray
    residual: np.ndarray


def develop(
    config: Config, train: Train, lanes: Lane, formal: Sequence[Formal], film: Film
) -> Reel:
    """Adds both rewards to an evaluation's film [S, T]: the formal one as it is learned from,
    scaled down to fit the picture where it is larger than 1."""
    limit = methods.get(config.method).formal_limit
    residual = np.asarray(train.residual_of(lanes, film))
    values = []
    for s, reward in enumerate(formal):
        one = jax.tree.map(lambda x, s=s: jnp.asarray(np.asarray(x)[s]), film)
        if reward is None:
            values.append(np.zeros(residual.shape[1]))
            continue
        value, _ = batch_function(reward, train.env.spec.formal_view)(
            one.next_obs, one.action, one.target
        )
        value = np.clip(np.asarray(value), -limit, limit)
        values.append(value / max(1.0, float(np.abs(value).max())))
    host = jax.tree.map(np.asarray, film)
    return Reel(host.snapshot, host.success, np.stack(values), residual)


def painter(env: envs.TaskEnv, size: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from snapshots [N, K] to uint8 [N, size, size, 3], compiled once; the gripper is
    shown."""
    camera = env.spec.camera
    draw = jax.jit(
        jax.vmap(lambda s: rendering.render(env.view(s), camera, size, size)),
        compiler_options=looking_options(),
    )

    def paint(snapshots: np.ndarray) -> np.ndarray:
        count = -(-len(snapshots) // _BATCH) * _BATCH
        last = np.repeat(snapshots[-1:], count - len(snapshots), axis=0)
        padded = np.concatenate([snapshots, last])
        parts = [np.asarray(draw(padded[i : i + _BATCH])) for i in range(0, count, _BATCH)]
        return np.concatenate(parts)[: len(snapshots)]

    return paint


def pictures(env: envs.TaskEnv, snapshots: np.ndarray, size: int) -> np.ndarray:
    """Renders snapshots [N, K] as uint8 [N, size, size, 3], the gripper shown."""
    return painter(env, size)(snapshots)


def contact_sheet(env: envs.TaskEnv, reel: Reel, title: str, path: Path, seed: int = 0) -> None:
    """Writes a PNG: a row of frames for each seed, and its rewards and success below.

    Args:
        env: whose episodes they are.
        reel: what was filmed.
        title: of the figure.
        path: to write.
        seed: number of the first row's seed.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    seeds, steps = reel.success.shape
    figure, axes = plt.subplots(
        2 * seeds,
        1,
        figsize=(13, 3.1 * seeds + 0.3),
        height_ratios=[1.75, 1.0] * seeds,
        squeeze=False,
        layout="constrained",
    )
    moments = np.stack([_moments(one) for one in reel.success])
    shots = _each(env, reel.snapshot, moments, _SHEET_SIZE)
    for s, (at, strip) in enumerate(zip(moments, shots, strict=True)):
        top, bottom = axes[2 * s, 0], axes[2 * s + 1, 0]
        strip[:, :, -3:] = 255  # a gap
        top.imshow(np.concatenate(list(strip), axis=1))
        top.set_axis_off()
        name = f"{title}, seed {seed + s}" if s == 0 else f"seed {seed + s}"
        top.set_title(f"{name}; steps {', '.join(str(t + 1) for t in at)}", fontsize=8, loc="left")
        for label in ("formal", "residual"):
            colour = np.array(_COLOURS[label]) / 255
            bottom.plot(1 + np.arange(steps), getattr(reel, label)[s], color=colour, label=label)
        done = reel.success[s] > 0.5
        bottom.fill_between(1 + np.arange(steps), -1, 1, where=done, color="tab:blue", alpha=0.12)
        bottom.vlines(at + 1, -1, 1, color="gray", lw=0.5)
        bottom.set(ylim=(-1.05, 1.05), xlim=(1, max(2, steps)), ylabel="reward")
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
        bottom.tick_params(labelsize=7)
        if s == 0:
            bottom.legend(fontsize=7, loc="lower right", title="blue: success", title_fontsize=7)
    axes[-1, 0].set_xlabel("step", fontsize=8)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def check_path(path: Path) -> None:
    """Raises ValueError unless a video can be written there."""
    if path.suffix not in (".mp4", ".gif"):
        raise ValueError(f"--video {path}: must end in .mp4 or .gif")
    if path.suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise ValueError(
            f"--video {path}: an .mp4 needs `pip install -e '.[video]'`; .gif does not"
        )


def video(env: envs.TaskEnv, reel: Reel, path: Path) -> None:
    """Writes the episodes side by side, in real time, with their curves growing below.

    Raises:
        ValueError: unknown ending, or no encoder for it.
    """
    check_path(path)
    steps = reel.success.shape[1]
    every = max(1, round(1.0 / (_FRAMES_PER_SECOND * env.spec.step_seconds)))
    seconds = every * env.spec.step_seconds  # of a frame
    at = np.arange(every - 1, steps, every)
    lanes = []
    moments = np.tile(at, (reel.success.shape[0], 1))
    for s, frames in enumerate(_each(env, reel.snapshot, moments, _VIDEO_SIZE)):
        strips = np.stack([_strip(reel, s, t) for t in at])
        lanes.append(np.concatenate([frames, strips], axis=1))
    whole = np.concatenate(lanes, axis=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mp4":
        import imageio.v2 as imageio

        imageio.mimwrite(path, list(whole), fps=1.0 / seconds, macro_block_size=1)
        return
    from PIL import Image

    first, *rest = (Image.fromarray(frame) for frame in whole)
    first.save(path, save_all=True, append_images=rest, duration=round(1000 * seconds), loop=0)


def _each(env: envs.TaskEnv, snapshots: np.ndarray, at: np.ndarray, size: int) -> np.ndarray:
    """Pictures [S, N, size, size, 3] of the steps [S, N]; all by one compiled function."""
    chosen = np.take_along_axis(snapshots, at[..., None], axis=1)
    flat = pictures(env, chosen.reshape(-1, chosen.shape[-1]), size)
    return flat.reshape(*at.shape, size, size, 3)


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


def _strip(reel: Reel, s: int, now: int) -> np.ndarray:
    """The curves up to a step, as pixels [_STRIP, _VIDEO_SIZE, 3]."""
    strip = np.full((_STRIP, _VIDEO_SIZE, 3), 255, np.uint8)
    steps = reel.success.shape[1]
    strip[_STRIP // 2] = 225
    upto = np.arange(now + 1)
    x = upto * (_VIDEO_SIZE - 1) // max(1, steps - 1)
    strip[:, x[reel.success[s, : now + 1] > 0.5]] = (225, 234, 250)
    for name in ("formal", "residual"):
        value = np.clip(getattr(reel, name)[s, : now + 1], -1.0, 1.0)
        y = np.round((1.0 - value) / 2.0 * (_STRIP - 3)).astype(int)
        strip[y, x] = strip[y + 1, x] = _COLOURS[name]
    return strip
