"""Values of rewards of every kind on frames of graded episodes, for `evaluate_reward.py`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from core_jax import envs
from core_jax.agents.replay import Truth
from core_jax.envs.metaworld.experts import Trajectory
from core_jax.models.chat_judge import ChatJudge
from core_jax.models.factory import make_labeller
from core_jax.models.ledger import open_ledger
from core_jax.prompts.captions import goal_caption
from core_jax.report.reward_quality import Scored
from core_jax.reward_models.large_reward import Judge, trained
from core_jax.reward_models.large_reward.client import ServerJudge
from core_jax.reward_models.large_reward.graded import GradedFrames
from core_jax.reward_models.large_reward.scripted import ScriptedJudge
from core_jax.training import programs
from core_jax.training.embedding import EmbeddingConfig, make_embedder
from core_jax.training.state import EpisodeRecord
from core_jax.visual import judged
from core_jax.visual.frames import FrameRenderer, to_png


def of_judge(flags: Any, env: envs.TaskEnv, frames: GradedFrames) -> dict[str, Scored]:
    """Progress, completion, and the summed comparisons of successive frames of a judge, also of
    clips that are played backwards or shuffled; and tri, the mean of the three.

    Args:
        flags: of the command: judge, truth, chat, max_cost, out.
        env: whose frames.
        frames: in order of episode and step.
    """
    judge, spent = _judge(flags)
    known = judged.as_frames(frames)
    goal = None
    if judge.sees:
        renderer = FrameRenderer(env, judge.size, True, False, 1, 16)
        known = dataclasses.replace(known, pictures=renderer.render(frames.snapshot))
        goal = judged.goal_frames(renderer.render(np.array([env.spec.goal]))[0], len(known))
    rng, count = np.random.default_rng(0), len(known)
    orders = {"": np.arange(count), "backwards": _reordered(frames, None),
              "shuffled": _reordered(frames, rng)}  # fmt: skip
    text, found, began = env.spec.instruction, {}, time.monotonic()
    values: dict[str, dict[str, np.ndarray]] = {"progress": {}, "completion": {}, "comparison": {}}
    first = frames.firsts()
    for name, order in orders.items():
        clip = known.take(order)
        start = clip.take(first)
        for question in ("progress", "completion"):
            given = getattr(judge, question)(clip, text, start, goal).value
            values[question][name] = given
        before = np.maximum(np.arange(count) - 1, first)
        given = judge.comparison(clip.take(before), clip, text, start, goal).value
        values["comparison"][name] = np.where(before == np.arange(count), 0.0, given)
    seconds = (time.monotonic() - began) / (9 * count)
    shown = np.arange(count)
    for question, of in values.items():
        restored = {name: _at_frames(x, orders[name]) for name, x in of.items()}
        if question == "comparison":
            restored = {n: _at_frames(_summed(x, frames), orders[n]) for n, x in of.items()}
        found[question] = Scored(
            restored[""],
            backwards=restored["backwards"],
            shuffled=restored["shuffled"],
            played_shuffled=_at_frames(shown, orders["shuffled"]),
            is_chance=question == "completion",
            is_progress=question == "progress",
            seconds=seconds,
            cost_usd=spent(),
        )
    tri = (values["comparison"][""] + 1.0) / 2 + values["progress"][""] + values["completion"][""]
    found["tri"] = Scored(tri / 3.0, seconds=3 * seconds, cost_usd=spent())
    return found


def of_run(restored: Any, played: Trajectory, frames: GradedFrames) -> dict[str, Scored]:
    """Every reward column of a run's first seed, and their weighted sum."""
    seeds = jax.tree.leaves(restored.seeds.key)[0].shape[0]
    columns: dict[str, list[np.ndarray]] = {}
    began, count = time.monotonic(), np.shape(played.progress)[0]
    weights = {k: float(np.ravel(v)[0]) for k, v in restored.seeds.weights.items()}
    scale = restored.config.training.dense_scale
    for i in range(count):
        one = jax.tree.map(lambda x, i=i: np.repeat(np.asarray(x[i])[None], seeds, 0), played)
        length = one.progress.shape[1]
        target = np.repeat(one.target[:, None], length, axis=1)
        cut = np.tile(np.arange(length) == length - 1, (seeds, 1)).astype(np.float32)
        truth = Truth(scale * one.dense, one.progress, one.success)
        fields: Any = (one.next_obs, one.action, target, one.snapshot, truth, cut)
        record = EpisodeRecord(*fields)
        scored = restored.train.score_record(restored.seeds, record, restored.programs)
        for name, value in scored.items():
            columns.setdefault(name, []).append(np.asarray(value)[0])
    seconds = (time.monotonic() - began) / (count * np.shape(played.progress)[1])
    at = frames.episode, frames.step - 1
    stacked = {name: np.stack(rows)[at] for name, rows in columns.items()}
    total = sum(w * stacked[name] for name, w in weights.items() if name in stacked)
    if len(stacked) > 1:
        stacked["reward"] = np.asarray(total)
    return {name: Scored(value, seconds=seconds) for name, value in stacked.items()}


def of_formal(
    path: Path, env: envs.TaskEnv, played: Trajectory, frames: GradedFrames
) -> dict[str, Scored]:
    """Reward code in CoRe's convention.

    Raises:
        ValueError: the file cannot be read, or its code is refused.
    """
    from core_jax.writing.writer import reward_compiler

    try:
        code = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"--formal {path}: {error.strerror}") from error
    reward = reward_compiler("core", env)(code)
    target = np.repeat(np.asarray(played.target)[:, None], played.progress.shape[1], axis=1)
    evaluate = programs.batch_function(reward, env.spec.formal_view)
    began = time.monotonic()
    value = np.asarray(evaluate(played.next_obs, played.action, target)[0])
    seconds = (time.monotonic() - began) / value.size
    return {"formal": Scored(value[frames.episode, frames.step - 1], seconds=seconds)}


def of_clip(weights: str, env: envs.TaskEnv, frames: GradedFrames) -> dict[str, Scored]:
    """Similarity with a caption of the finished task."""
    embedder = make_embedder(env, EmbeddingConfig(weights=weights))
    text = embedder.caption(goal_caption(env.spec.name, env.spec.instruction))
    began = time.monotonic()
    value = 2.0 * embedder.features(frames.snapshot) @ text - 1.0
    return {"clip_score": Scored(value, seconds=(time.monotonic() - began) / len(value))}


def _judge(flags: Any) -> tuple[Judge, Callable[[], float]]:
    """The judge of `--judge`, and what it has cost so far, USD."""
    name = flags.judge or "own"
    nothing = lambda: 0.0
    if name == "scripted":
        return ScriptedJudge(flags.truth), nothing
    if name.startswith(("http://", "https://")):
        return ServerJudge(name), nothing
    if name in ("gemini", "openai"):
        flags.out.mkdir(parents=True, exist_ok=True)
        note = lambda text: None
        ledger = open_ledger(flags.max_cost, flags.out, note)
        model = make_labeller(name, flags.chat, ledger=ledger)
        return ChatJudge(model, to_png), lambda: ledger.spent()[1]
    return trained.load(name), nothing


def _reordered(frames: GradedFrames, rng: np.random.Generator | None) -> np.ndarray:
    """[M] which frame is shown in place of each: its episode's backwards, or in random order."""
    order = np.arange(len(frames.step))
    for number in range(frames.episodes):
        rows = np.flatnonzero(frames.episode == number)
        order[rows] = rows[::-1] if rng is None else rng.permutation(rows)
    return order


def _at_frames(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Values in the order of playing as values of the frames that were shown."""
    found = np.empty_like(values)
    found[order] = values
    return found


def _summed(values: np.ndarray, frames: GradedFrames) -> np.ndarray:
    """Sums of comparisons from each episode's beginning on; a missing one counts as no change."""
    found = np.zeros_like(values)
    for number in range(frames.episodes):
        rows = frames.episode == number
        found[rows] = np.cumsum(np.nan_to_num(values[rows]))
    return found
