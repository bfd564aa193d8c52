"""Trains a large reward model: `python scripts/train_reward_model.py record FOLDER`, then
`... train FOLDER --out FILE`, `... leave-one-out FOLDER`.

`record` plays scripted experts of graded skill on every task and keeps pictures at every tenth of
progress. `train` fits the network to progress, completion and comparison
(`core_jax.reward_models.large_reward.examples` says how labels and negatives are made) and writes
it with a card of held-out figures: episodes from resets that were not trained on, episodes of
skills that were not trained on, and another camera. `leave-one-out` trains without each task in
turn, its words included, and evaluates on that task. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from core_jax import envs
from core_jax.commands.reward_model_figures import (
    figures,
    goal_picture,
    held_out,
    renderer_of,
    split,
)
from core_jax.reward_models.large_reward import network, trained
from core_jax.reward_models.large_reward.examples import Examples
from core_jax.reward_models.large_reward.fitting import FitConfig, fit
from core_jax.reward_models.large_reward.graded import GradedFrames
from core_jax.training import cache, devices
from core_jax.visual import trajectories

EPISODES = {"fold-cloth": 120, "flatten-rope": 40, "pass-water": 20}  # 160 elsewhere


@dataclasses.dataclass(frozen=True)
class Record:
    """Plays experts of graded skill and writes a file of frames for each task."""

    folder: tyro.conf.Positional[Path]
    """Where the files are written; those that exist are kept."""
    tasks: tuple[str, ...] = ()
    """Which; all that have an expert and pictures by default."""
    protocol: str = "random"
    """Of the resets."""
    episodes: int | None = None
    """Of each task; 160 by default, fewer where physics is slow."""
    seed: int = 0
    """Of resets and errors; each task has its own beside it."""


@dataclasses.dataclass(frozen=True)
class Train:
    """Fits the network to all tasks, and writes it and its card."""

    folder: tyro.conf.Positional[Path]
    """Of `record`."""
    out: Path = Path("reward_model.npz")
    """The file to write; the card has the same name with .json."""
    protocol: str = "random"
    """As `record` was given it."""
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)
    """How it is fitted."""


@dataclasses.dataclass(frozen=True)
class LeaveOneOut:
    """Trains without each task in turn, its words included, and evaluates on that task."""

    folder: tyro.conf.Positional[Path]
    """Of `record`."""
    tasks: tuple[str, ...] = ()
    """Which are left out; each in turn by default."""
    out: Path | None = None
    """Folder to write the models to, as TASK.npz."""
    fit: FitConfig = dataclasses.field(default_factory=lambda: FitConfig(steps=1_000))
    """How each is fitted."""


def _named(name: str) -> Any:
    return tyro.conf.subcommand(name=name, prefix_name=False)


@dataclasses.dataclass(frozen=True)
class Flags:
    """CoRe-JAX: a large reward model of your own."""

    command: Annotated[
        Annotated[Record, _named("record")]
        | Annotated[Train, _named("train")]
        | Annotated[LeaveOneOut, _named("leave-one-out")],
        tyro.conf.arg(name=""),
    ]


def record(flags: Record) -> dict[str, Any]:
    """Plays experts, and writes the files; returns how many there are."""
    flags.folder.mkdir(parents=True, exist_ok=True)
    for task in flags.tasks or _recordable():
        path, began = flags.folder / f"{task}.npz", time.monotonic()
        if path.exists():
            continue
        env = envs.make(task, flags.protocol)
        count = flags.episodes or EPISODES.get(task, 160)
        seed = flags.seed + envs.names().index(task)
        frames = trajectories.record(env, count, seed, renderer_of(env))
        frames.save(path)
        done = [frames.success[frames.episode == i].max() for i in range(count)]
        told = f"{len(frames.step)} frames of {count} episodes, {np.mean(done):.2f} successful"
        print(f"{task}: {told}, {time.monotonic() - began:.0f} s", flush=True)
    return {"folder": str(flags.folder), "files": len(list(flags.folder.glob("*.npz")))}


def train(flags: Train) -> dict[str, Any]:
    """Fits and writes; returns the card."""
    frames = _read(flags.folder)
    texts = {task: envs.spec(task).instruction for task in frames}
    words, began = network.vocabulary(list(texts.values())), time.monotonic()
    kept = {task: f.of(split(f)["trained"]) for task, f in frames.items()}
    params = _fit(kept, texts, words, flags.fit)
    trained.save(flags.out, words, params)
    judge = trained.load(flags.out)
    card: dict[str, Any] = {
        "protocol": flags.protocol,
        "frames": {task: len(f.step) for task, f in kept.items()},
        "fit": dataclasses.asdict(flags.fit),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "held_out": {task: held_out(judge, task, f, flags.protocol) for task, f in frames.items()},
    }
    text = json.dumps(card, indent=1) + "\n"
    flags.out.with_suffix(".json").write_text(text, encoding="utf-8")
    return {"out": str(flags.out), **card}


def leave_one_out(flags: LeaveOneOut) -> dict[str, Any]:
    """Fits without each task; returns the figures on it."""
    frames = _read(flags.folder)
    rows = {}
    for task in flags.tasks or tuple(frames):
        others = {name: f.of(split(f)["trained"]) for name, f in frames.items() if name != task}
        texts = {name: envs.spec(name).instruction for name in frames}
        words = network.vocabulary([texts[name] for name in others])
        params = _fit(others, texts, words, flags.fit)
        if flags.out is not None:
            flags.out.mkdir(parents=True, exist_ok=True)
            trained.save(flags.out / f"{task}.npz", words, params)
        judge = trained.TrainedJudge(words, params, name=f"without-{task}")
        rows[task] = figures(judge, frames[task].of(split(frames[task])["resets"]), task)
        print(f"without {task}: {rows[task]}", flush=True)
    return {"leave_one_out": rows, "fit": dataclasses.asdict(flags.fit)}


def _fit(
    frames: Mapping[str, GradedFrames],
    texts: Mapping[str, str],
    words: Sequence[str],
    config: FitConfig,
) -> Any:
    goals = {task: goal_picture(task) for task in frames}
    examples, began = Examples(frames, goals, texts, words), time.monotonic()

    def note(step: int, losses: dict[str, float]) -> None:
        shown = ", ".join(f"{name} {x:.3f}" for name, x in losses.items())
        print(f"step {step}: {shown}, {time.monotonic() - began:.0f} s", flush=True)

    return fit(examples, len(words), config, note)


def _read(folder: Path) -> dict[str, GradedFrames]:
    found = {path.stem: GradedFrames.load(path) for path in sorted(folder.glob("*.npz"))}
    if not found:
        raise ValueError(f"{folder} has no frames: run `train_reward_model.py record {folder}`")
    return found


def _recordable() -> Sequence[str]:
    known = [(name, envs.spec(name)) for name in envs.names()]
    return [name for name, spec in known if spec.expert is not None and spec.has_pictures]


def main() -> int:
    """Runs a subcommand; returns 2 for a bad argument."""
    devices.prepare_cpu(1)
    cache.enable()
    command = tyro.cli(Flags, description=__doc__).command
    try:
        if isinstance(command, Record):
            found = record(command)
        elif isinstance(command, Train):
            found = train(command)
        else:
            found = leave_one_out(command)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
