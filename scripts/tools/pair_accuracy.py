"""How often learned rewards order two clips as the ground truth does.

    python scripts/tools/pair_accuracy.py RUN --pairs 200
    python scripts/tools/pair_accuracy.py --task soccer --input pixels --labels 500 --pairs 200

Of a run: pairs are drawn uniformly from all of its replay; one that shares a frame with a labelled
clip is left out. Every reward column is evaluated (a learned one on every frame), and their
weighted sum, which the policy is trained on. Of a task: a fresh reward is fitted, in rounds as a
run does it, to an oracle's labels of clips of scripted experts of all skills, and evaluated on
clips of other episodes.

The ground truth is what the scripted teacher judges by; pairs whose clips are equally good are left
out. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from annotated_types import Ge, Gt, Le

from core_jax import envs
from core_jax.agents import replay
from core_jax.feedback.expert_pairs import expert_questions
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import Clip, Pair
from core_jax.feedback.teachers.scripted import ScriptedTeacher
from core_jax.feedback.teachers.scripted_config import Judge, ScriptedConfig
from core_jax.feedback.teachers.scripted_values import ground_truth
from core_jax.reward_models.preference import PreferenceConfig, Preferences, interpolate_scores
from core_jax.runs import restore
from core_jax.runs.config import suggest
from core_jax.training import cache, devices
from core_jax.training.reward_input import (
    InputKind,
    NetworkSource,
    PixelConfig,
    make_input,
    make_preference_source,
)
from core_jax.training.state import SeedState

_AT_ONCE = 64  # pairs drawn at once
_EPISODES = 480
"""Episodes from which clips of experts are drawn, for labels and again for the pairs to evaluate
on. Of 48, one in which a peg is stuck decides ten of 600 pairs."""
_PIXEL_FIT = {"learning_rate": 1e-3, "batches": 12, "clip_frames": 4, "shared_batches": True}
Accuracy = dict[str, float]  # reward column, or "sum" -> share of pairs in the right order

DESCRIPTION = """How often learned rewards order two clips as the ground truth does: those of a run
(RUN), or a fresh one that is fitted to experts' clips (--task T). Its settings are flags, too:
--residual.* and --pixels.*; the oracle's: --scripted.* (train.py --method core --help)."""


@dataclasses.dataclass(frozen=True)
class OwnFlags:
    """CoRe-JAX: how often are learned rewards right?"""

    run: Annotated[Path | None, tyro.conf.Positional] = None
    """A run's folder; without it, a fresh reward is fitted for --task."""
    pairs: Annotated[int, Ge(1)] = 200
    """Pairs to evaluate on, for each seed."""
    judge: Judge | None = None
    """What is right: more summed dense reward, or progress. None: as the run's teacher judges, or
    as --scripted does."""
    labels: Annotated[int, Ge(1)] = 500
    """Without a run: preferences to fit."""
    labels_per_round: Annotated[int, Ge(1)] = 20
    clip_length: Annotated[int, Ge(1), Le(150)] = 20
    task: str = "drawer-open"
    protocol: str = "paper"
    seed: Annotated[int, Ge(0), Le(2**30)] = 0
    seeds: Annotated[int, Ge(1)] = 1
    dense_scale: Annotated[float, Gt(0.0)] = 0.1
    input: InputKind = "state"
    """What the reward reads: what a picture shows, as numbers, or the picture."""
    render_batch: Annotated[int, Ge(1)] = 512


@dataclasses.dataclass(frozen=True)
class Flags(OwnFlags):
    """With the settings that have flags and are not listed: there are several times as many."""

    scripted: ScriptedConfig = dataclasses.field(default_factory=lambda: ScriptedConfig("oracle"))
    residual: PreferenceConfig = dataclasses.field(default_factory=PreferenceConfig)
    pixels: PixelConfig = dataclasses.field(default_factory=PixelConfig)


def main() -> int:
    """Prints accuracies of every seed; returns 2 for a bad flag."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        tyro.cli(OwnFlags, description=DESCRIPTION)  # lists them and exits
    flags = tyro.cli(Flags, description=DESCRIPTION)
    devices.prepare_cpu(1)
    cache.enable()
    try:
        if flags.run is not None:
            about, rows = of_run(flags.run, flags.pairs, flags.judge)
        else:
            about, rows = of_task(flags)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    columns = {name: [round(row[name], 4) for row in rows] for name in rows[0]}
    for name, values in columns.items():
        print(f"{name}: " + " ".join(f"{v:.3f}" for v in values))
    print(json.dumps({**about, "pairs": flags.pairs, **columns}))
    return 0


def of_run(
    run: Path, pairs: int, judge: Judge | None = None
) -> tuple[dict[str, Any], list[Accuracy]]:
    """Evaluates a run's rewards as its newest checkpoint has them.

    Raises:
        ValueError: no run there, or too little in its replay.
    """
    restored = restore.load(run)
    config = restored.config
    settings = config.teacher_settings
    if judge is None:
        judge = settings.parameters().judge if isinstance(settings, ScriptedConfig) else "reward"
    length, count = config.settings.feedback.clip_length, config.training.seeds
    labelled: dict[int, set[bytes]] = {config.seed + s: set() for s in range(count)}
    store = LabelStore(run / "labels.sqlite")
    for asked in store.questions():
        for clip in asked.question.shown.values():
            labelled[asked.question.seed].update(map(frame_name, clip.next_obs))
    store.close()
    draw, rows = clip_drawer(tuple(restored.train.plan.sources), length), []
    for s in range(count):
        seed = jax.tree.map(lambda x, s=s: x[s], restored.seeds)
        try:
            rows.append(accuracy(draw, seed, labelled[config.seed + s], pairs, judge))
        except ValueError as error:
            raise ValueError(f"seed {config.seed + s}: {error}") from error
    about = {"run": str(run), "task": config.task, "env_steps": restored.env_steps, "truth": judge}
    return about, rows


def clip_drawer(
    sources: tuple[Any, ...], length: int
) -> Callable[[SeedState, jax.Array], replay.Transition]:
    """A jitted function that draws clips `[2 * 64, H]` from all of a seed's replay; columns of
    learned sources are scored anew, on every frame."""

    def draw(seed: SeedState, key: jax.Array) -> replay.Transition:
        window = seed.replay.data.cut.shape[0]
        clips = replay.sample_clips(seed.replay, key, 2 * _AT_ONCE, length, window)
        rewards = dict(clips.rewards)
        for source in sources:
            if isinstance(source, NetworkSource):
                rewards |= source.score_episode(seed.sources[source.name], clips)
        return clips._replace(rewards=rewards)

    options = next((s.compiler_options for s in sources if s.compiler_options), None)
    return jax.jit(draw, compiler_options=options)


def accuracy(
    draw: Callable[[SeedState, jax.Array], replay.Transition],
    seed: SeedState,
    labelled: set[bytes],
    pairs: int,
    judge: Judge,
) -> Accuracy:
    """Shares of pairs that each column and the weighted sum order as the ground truth does.

    Args:
        draw: from `clip_drawer`.
        seed: of the run.
        labelled: names of frames that a teacher was asked about.
        pairs: number of pairs.
        judge: the ground truth.

    Raises:
        ValueError: too few pairs can be evaluated.
    """
    weights = {name: float(w) for name, w in seed.weights.items()}
    right: list[dict[str, bool]] = []
    for i in range(20 * -(-pairs // _AT_ONCE)):
        clips = jax.device_get(draw(seed, jax.random.fold_in(jax.random.key(0), i)))
        steps = clips.truth.dense if judge == "reward" else clips.truth.progress
        truth = steps.sum(1, dtype=np.float64)
        sums = {name: value.sum(1) for name, value in clips.rewards.items()}
        sums["sum"] = sum((weights[n] * v for n, v in sums.items() if n in weights), 0.0 * truth)
        for a in range(0, 2 * _AT_ONCE, 2):
            frames = clips.next_obs[a : a + 2].reshape(-1, clips.next_obs.shape[-1])
            if truth[a] == truth[a + 1] or any(frame_name(x) in labelled for x in frames):
                continue
            second = truth[a + 1] > truth[a]
            right.append({n: bool((v[a + 1] > v[a]) == second) for n, v in sums.items()})
        if len(right) >= pairs:
            kept = right[:pairs]
            return {name: float(np.mean([row[name] for row in kept])) for name in kept[0]}
    raise ValueError(f"only {len(right)} pairs can be evaluated")


def of_task(flags: Flags) -> tuple[dict[str, Any], list[Accuracy]]:
    """Fits fresh rewards, in rounds, and evaluates them on other episodes.

    Raises:
        ValueError: a bad flag, or a task without an expert.
    """
    suggest("task", flags.task, envs.names())
    suggest("protocol", flags.protocol, envs.PROTOCOLS)
    judge = flags.judge or flags.scripted.parameters().judge
    env, model = envs.make(flags.task, flags.protocol), flags.residual
    if flags.input == "pixels":
        model = dataclasses.replace(model, **_PIXEL_FIT)
    read = make_input(flags.input, env, flags.pixels, model.hidden, flags.render_batch)
    source = make_preference_source("residual", model, read, flags.render_batch)
    fit, predict = (
        jax.jit(f, compiler_options=source.compiler_options)
        for f in (source.fit, source.score_episode)
    )
    rows = []
    for s in range(flags.seed, flags.seed + flags.seeds):
        labels = _labelled(flags, 2 * s, _questions(flags, env, flags.labels, 2 * s))
        others = [
            q
            for q in _questions(flags, env, 3 * flags.pairs, 2 * s + 1)
            if ground_truth(q.a, judge).sum() != ground_truth(q.b, judge).sum()
        ][: flags.pairs]
        state = source.init(jax.random.key(2 * s), jax.tree.map(lambda x: x[0], others[0].a))
        state = source.standardise(state, _steps(labels))
        count = len(labels.target)
        step = flags.labels_per_round
        for known in range(step, count + step, step):
            key = jax.random.fold_in(jax.random.key(2 * s), known)
            state, _ = fit(state, labels, jnp.int32(min(known, count)), key)
        a, b = (
            np.asarray(predict(state, _stacked([getattr(q, side) for q in others]))["residual"])
            for side in "ab"
        )
        truth = [ground_truth(q.b, judge).sum() > ground_truth(q.a, judge).sum() for q in others]
        rows.append({"residual": float(np.mean((b.sum(1) > a.sum(1)) == np.array(truth)))})
    about = {"task": flags.task, "input": flags.input, "labels": flags.labels}
    return {**about, "protocol": flags.protocol, "truth": judge}, rows


def frame_name(frame: np.ndarray) -> bytes:
    """What identifies a frame: its observation."""
    return np.ascontiguousarray(frame, np.float32).tobytes()


def _questions(flags: Flags, env: envs.TaskEnv, count: int, seed: int) -> list[Pair]:
    return expert_questions(
        env,
        count,
        clip_length=flags.clip_length,
        dense_scale=flags.dense_scale,
        seed=seed,
        episodes=_EPISODES,
    )


def _labelled(flags: Flags, seed: int, questions: list[Pair]) -> Preferences:
    labels = ScriptedTeacher(flags.scripted, seed).ask(questions)
    spread = lambda scores: interpolate_scores(np.array(scores), flags.clip_length)
    kept: list[tuple[Pair, Any]] = [
        (q, label) for q, label in zip(questions, labels, strict=True) if label.decided
    ]
    frames = []
    for side in ("a", "b"):
        clips = _stacked([getattr(q, side) for q, _ in kept])
        frames.append((jnp.asarray(clips.next_obs), jnp.asarray(clips.snapshot)))
    return Preferences(
        frames_a=frames[0],
        frames_b=frames[1],
        target=jnp.array([label.preference for _, label in kept], jnp.float32),
        importance_a=jnp.array([spread(label.scores_a) for _, label in kept]),
        importance_b=jnp.array([spread(label.scores_b) for _, label in kept]),
    )


def _steps(labels: Preferences) -> SimpleNamespace:
    """The steps of all labelled first clips, without a clip axis."""
    next_obs, snapshot = (x.reshape(-1, x.shape[-1]) for x in labels.frames_a)
    return SimpleNamespace(next_obs=next_obs, snapshot=snapshot)


def _stacked(clips: list[Clip]) -> Clip:
    """Clips as one with a leading axis."""
    return Clip(*(np.stack(arrays) for arrays in zip(*clips, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
