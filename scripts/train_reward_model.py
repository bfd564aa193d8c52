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
from typing import Any

import numpy as np
import tyro

from core_jax import envs
from core_jax.reward_models.large_reward import metrics, network, trained
from core_jax.reward_models.large_reward.examples import TIE, Examples
from core_jax.reward_models.large_reward.fitting import FitConfig, fit
from core_jax.reward_models.large_reward.graded import GradedFrames
from core_jax.training import cache, devices
from core_jax.visual import judged, trajectories
from core_jax.visual.frames import FrameRenderer

EPISODES = {"fold-cloth": 120, "flatten-rope": 40, "pass-water": 20}  # 160 elsewhere
HELD_OUT = 5  # of this many episodes one is not trained on
SKILLS = (0.55, 0.75)  # deficits of skill that are not trained on
SIZE = network.SIZE
_FIT, _SHORT_FIT = FitConfig(), FitConfig(steps=1_000)


def record(
    folder: tyro.conf.Positional[Path],
    tasks: tuple[str, ...] = (),
    protocol: str = "random",
    episodes: int | None = None,
    seed: int = 0,
) -> int:
    """Plays experts of graded skill and writes a file of frames for each task.

    Args:
        folder: where the files are written; those that exist are kept.
        tasks: which; all that have an expert and pictures by default.
        protocol: of the resets.
        episodes: of each task; 160 by default, fewer where physics is slow.
        seed: of resets and errors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for task in tasks or _recordable():
        path, began = folder / f"{task}.npz", time.monotonic()
        if path.exists():
            continue
        env = envs.make(task, protocol)
        count = episodes or EPISODES.get(task, 160)
        frames = trajectories.record(env, count, seed + envs.names().index(task), _renderer(env))
        frames.save(path)
        done = [frames.success[frames.episode == i].max() for i in range(count)]
        told = f"{len(frames.step)} frames of {count} episodes, {np.mean(done):.2f} successful"
        print(f"{task}: {told}, {time.monotonic() - began:.0f} s", flush=True)
    print(json.dumps({"folder": str(folder), "files": len(list(folder.glob("*.npz")))}))
    return 0


def train(
    folder: tyro.conf.Positional[Path],
    out: Path = Path("reward_model.npz"),
    protocol: str = "random",
    settings: FitConfig = _FIT,
) -> int:
    """Fits the network to all tasks, and writes it and its card.

    Args:
        folder: of `record`.
        out: the file to write; the card has the same name with .json.
        protocol: as `record` was given it.
        settings: how it is fitted.
    """
    frames = _read(folder)
    texts = {task: envs.spec(task).instruction for task in frames}
    words, began = network.vocabulary(list(texts.values())), time.monotonic()
    kept = {task: f.of(_split(f)["trained"]) for task, f in frames.items()}
    params = _fit(kept, texts, words, settings)
    trained.save(out, words, params)
    judge = trained.load(out)
    card: dict[str, Any] = {
        "protocol": protocol,
        "frames": {task: len(f.step) for task, f in kept.items()},
        "fit": dataclasses.asdict(settings),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "held_out": {task: held_out(judge, task, f, protocol) for task, f in frames.items()},
    }
    out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"out": str(out), **card}))
    return 0


def leave_one_out(
    folder: tyro.conf.Positional[Path],
    tasks: tuple[str, ...] = (),
    out: Path | None = None,
    settings: FitConfig = _SHORT_FIT,
) -> int:
    """Trains without each task in turn, its words included, and evaluates on that task.

    Args:
        folder: of `record`.
        tasks: which are left out; each in turn by default.
        out: folder to write the models to, as TASK.npz.
        settings: how each is fitted.
    """
    frames = _read(folder)
    rows = {}
    for task in tasks or tuple(frames):
        others = {name: f.of(_split(f)["trained"]) for name, f in frames.items() if name != task}
        texts = {name: envs.spec(name).instruction for name in frames}
        words = network.vocabulary([texts[name] for name in others])
        params = _fit(others, texts, words, settings)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            trained.save(out / f"{task}.npz", words, params)
        judge = trained.TrainedJudge(words, params, name=f"without-{task}")
        rows[task] = figures(judge, frames[task].of(_split(frames[task])["resets"]), task)
        print(f"without {task}: {rows[task]}", flush=True)
    print(json.dumps({"leave_one_out": rows, "fit": dataclasses.asdict(settings)}))
    return 0


def held_out(
    judge: trained.TrainedJudge, task: str, frames: GradedFrames, protocol: str
) -> dict[str, Any]:
    """Figures on what was not trained on, beside those of a constant slope over time and of ground
    truth."""
    parts = _split(frames)
    resets = frames.of(parts["resets"])
    found = {name: figures(judge, frames.of(parts[name]), task) for name in ("resets", "skills")}
    env = envs.make(task, protocol)
    camera = moved(env.spec.camera)
    picture = _renderer(env, camera).render(resets.snapshot)
    found["camera"] = figures(judge, dataclasses.replace(resets, picture=picture), task, camera)
    found["slope"] = _scores(resets.step / resets.step.max(), resets)
    found["truth"] = _scores(resets.progress, resets)
    return found


def figures(
    judge: trained.TrainedJudge,
    frames: GradedFrames,
    task: str,
    camera: envs.Camera | None = None,
) -> dict[str, float]:
    """What a model's three answers are worth on some frames of a task."""
    spec, goal = envs.spec(task), _goal(task, camera)
    progress = judged.ask(judge, "progress", frames, spec, goal).value
    chance = judged.ask(judge, "completion", frames, spec, goal).value
    pairs = np.random.default_rng(0).integers(len(frames.step), size=(2, 1_000))
    gap = frames.progress[pairs[1]] - frames.progress[pairs[0]]
    pairs, gap = pairs[:, np.abs(gap) > TIE], gap[np.abs(gap) > TIE]
    compared = judged.compare(judge, frames, pairs, spec, goal).value
    near = metrics.near_misses(frames.progress, frames.success)
    rate = lambda rows: float(np.mean(rows)) if len(rows) else float("nan")
    found = _scores(progress, frames) | {
        "completion_auc": metrics.area_under_curve(chance, frames.success),
        "completion_ece": metrics.calibration_error(chance, frames.success),
        "comparison_accuracy": rate((compared > 0) == (gap > 0)),
        "near_misses": int(near.sum()),
        "near_misses_done": rate(chance[near] >= 0.5),
        "near_misses_progress_1": rate(progress[near] >= 0.95),
        "near_misses_further_than_done": _beaten(judge, frames, near, spec, goal),
    }
    return {name: round(x, 3) for name, x in found.items()}


def moved(camera: Any) -> envs.Camera:
    """A camera 8 cm to the side of another and 5 cm above it, which looks the same way."""
    x, y, z = camera.pos
    return dataclasses.replace(camera, pos=(x + 0.08, y, z + 0.05))


def _beaten(
    judge: Any, frames: GradedFrames, near: np.ndarray, spec: envs.TaskSpec, goal: np.ndarray
) -> float:
    """Share of pairs of a near miss and a finished frame in which the near miss is called
    further."""
    misses, done = np.flatnonzero(near), np.flatnonzero(frames.success > 0)
    if not len(misses) or not len(done):
        return float("nan")
    rng = np.random.default_rng(1)
    pairs = np.stack([rng.choice(done, 300), rng.choice(misses, 300)])
    return float(np.mean(judged.compare(judge, frames, pairs, spec, goal).value > 0))


def _scores(values: np.ndarray, frames: GradedFrames) -> dict[str, float]:
    """How near some values are to progress."""
    tau, rho = metrics.rank_correlations(values, frames.progress)
    found = {
        "mae": metrics.mean_absolute_error(values, frames.progress),
        "acc_02": metrics.accuracy_within(values, frames.progress),
        "kendall": tau,
        "spearman": rho,
    }
    return {name: round(x, 3) for name, x in found.items()}


def _fit(
    frames: Mapping[str, GradedFrames],
    texts: Mapping[str, str],
    words: Sequence[str],
    config: FitConfig,
) -> Any:
    goals = {task: _goal(task) for task in frames}
    examples, began = Examples(frames, goals, texts, words), time.monotonic()

    def note(step: int, losses: dict[str, float]) -> None:
        shown = ", ".join(f"{name} {x:.3f}" for name, x in losses.items())
        print(f"step {step}: {shown}, {time.monotonic() - began:.0f} s", flush=True)

    return fit(examples, len(words), config, note)


def _split(frames: GradedFrames) -> dict[str, np.ndarray]:
    """Numbers of the episodes that are trained on, and of those that are not: because of their
    skill or, of all other skills, because of their reset."""
    number = np.arange(frames.episodes)
    skills = (frames.deficit >= SKILLS[0]) & (frames.deficit < SKILLS[1])
    resets = (number % HELD_OUT == 0) & ~skills
    return {
        "trained": number[~skills & ~resets],
        "resets": number[resets],
        "skills": number[skills],
    }


def _read(folder: Path) -> dict[str, GradedFrames]:
    found = {path.stem: GradedFrames.load(path) for path in sorted(folder.glob("*.npz"))}
    if not found:
        raise ValueError(f"{folder} has no frames: run `train_reward_model.py record {folder}`")
    return found


def _goal(task: str, camera: envs.Camera | None = None) -> np.ndarray:
    """The picture of a task's goal."""
    key = task, camera
    if key not in _GOALS:
        env = envs.make(task, "random")
        _GOALS[key] = _renderer(env, camera).render(np.array([env.spec.goal]))[0]
    return _GOALS[key]


_GOALS: dict[tuple[str, envs.Camera | None], np.ndarray] = {}


def _renderer(env: envs.TaskEnv, camera: envs.Camera | None = None) -> FrameRenderer:
    return FrameRenderer(env, SIZE, True, False, 1, 16, camera)


def _recordable() -> Sequence[str]:
    known = [(name, envs.spec(name)) for name in envs.names()]
    return [name for name, spec in known if spec.expert is not None and spec.camera is not None]


def main() -> int:
    """Runs a subcommand; returns 2 for a bad argument."""
    devices.prepare_cpu(1)
    cache.enable()
    commands: dict[str, Any] = {"record": record, "train": train, "leave-one-out": leave_one_out}
    try:
        return tyro.extras.subcommand_cli_from_dict(commands, description=__doc__)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
