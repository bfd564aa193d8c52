"""How often learned rewards are right about which of two clips is better.

    python scripts/tools/pair_accuracy.py RUN --pairs 200
    python scripts/tools/pair_accuracy.py --task soccer --residual-input pixels --labels 500 --pairs
    200

Of a run: pairs are drawn uniformly from all of its replay; one that shares a frame with a labelled
clip is left out. The residual reward (looking at every frame), the formal one and their sum are
judged. Of a task: a fresh residual reward is fitted, in rounds as a run does it, to an oracle's
labels of clips of scripted experts of all skills, and judged on clips of other episodes.

What is right is the ground truth that the scripted teacher judges by; pairs whose clips are equally
good are left out. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from core_jax import envs
from core_jax.agents import replay
from core_jax.feedback.expert_pairs import expert_questions
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import Pair
from core_jax.feedback.teachers.scripted import ScriptedTeacher
from core_jax.feedback.teachers.scripted_values import ground_truth
from core_jax.reward_models.preference import Preferences, interpolate_scores
from core_jax.runs import restore
from core_jax.runs.config import Config, check
from core_jax.training import cache, devices
from core_jax.training.reward_input import Sight, make_sight
from core_jax.training.state import Lane

_AT_ONCE = 64  # pairs drawn at once
_EPISODES = 480
"""Of which clips of experts are drawn, for labels and again for the pairs to judge. Of 48, one in
which a peg is stuck decides ten of 600 pairs, and figures differ by that."""


@dataclasses.dataclass(frozen=True)
class Flags(Config):
    """CoRe-JAX: how often are learned rewards right?"""

    run: Annotated[Path | None, tyro.conf.Positional] = None
    """A run's folder; without it, a fresh residual reward is fitted for --task."""
    pairs: int = 200
    """Pairs to judge, for each seed."""
    labels: int = 500
    """Without a run: preferences to fit."""


class Right(NamedTuple):
    """Parts of pairs that rewards order rightly."""

    residual: float
    formal: float = float("nan")
    both: float = float("nan")


def main() -> int:
    """Prints accuracies of every seed; returns 2 for a bad flag."""
    flags = tyro.cli(Flags)
    devices.prepare_cpu(1)
    cache.enable()
    try:
        if flags.run is not None:
            about, rows = of_run(flags.run, flags.pairs)
        else:
            about, rows = of_task(flags)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    columns = {
        name: [round(getattr(row, name), 4) for row in rows]
        for name in Right._fields
        if not np.isnan(getattr(rows[0], name))
    }
    for name, values in columns.items():
        print(f"{name}: " + " ".join(f"{v:.3f}" for v in values))
    print(json.dumps({**about, "pairs": flags.pairs, **columns}))
    return 0


def of_run(run: Path, pairs: int) -> tuple[dict[str, Any], list[Right]]:
    """Judges a run's rewards as its newest checkpoint has them.

    Raises:
        ValueError: no run there, or too little in its replay.
    """
    restored = restore.load(run)
    config = restored.config
    seen: dict[int, set[bytes]] = {config.seed + s: set() for s in range(config.seeds)}
    store = LabelStore(run / "labels.sqlite")
    for asked in store.questions():
        for clip in asked.question.shown.values():
            seen[asked.question.seed].update(map(_name, clip.next_obs))
    store.close()
    rows = _of_lanes(restored, [seen[config.seed + s] for s in range(config.seeds)], pairs)
    about = {"run": str(run), "task": config.task, "env_steps": restored.env_steps}
    return {**about, "truth": config.scripted.parameters().judge}, rows


def _of_lanes(restored: restore.Restored, seen: list[set[bytes]], pairs: int) -> list[Right]:
    config = restored.config
    sight = make_sight(config, restored.train.env)
    judge, length = config.scripted.parameters().judge, config.feedback.clip_length

    def draw(lane: Lane, key: jax.Array) -> replay.Transition:
        window = lane.replay.data.cut.shape[0]
        clips = replay.sample_clips(lane.replay, key, 2 * _AT_ONCE, length, window)
        reward = sight.model.predict(lane.residual, sight.frames(clips.next_obs, clips.snapshot))
        return clips._replace(residual=reward)

    drawn = jax.jit(draw, compiler_options=sight.compiler_options)

    def of_lane(s: int) -> Right:
        lane, right = jax.tree.map(lambda x: x[s], restored.lanes), []
        for i in range(20 * -(-pairs // _AT_ONCE)):
            clips = jax.device_get(drawn(lane, jax.random.fold_in(jax.random.key(s), i)))
            truth = ground_truth(clips, judge).sum(1, dtype=np.float64)
            formal, residual = np.clip(clips.formal, -1, 1).sum(1), clips.residual.sum(1)
            for a in range(0, 2 * _AT_ONCE, 2):
                known = any(_name(x) in seen[s] for clip in clips.next_obs[a : a + 2] for x in clip)
                if known or truth[a] == truth[a + 1]:
                    continue
                gaps = (x[a + 1] - x[a] for x in (residual, formal, formal + residual))
                right.append([(gap > 0) == (truth[a + 1] > truth[a]) for gap in gaps])
            if len(right) >= pairs:
                return Right(*np.mean(right[:pairs], axis=0).tolist())
        raise ValueError(f"only {len(right)} pairs of seed {config.seed + s} are fit to be judged")

    return [of_lane(s) for s in range(config.seeds)]


def of_task(flags: Flags) -> tuple[dict[str, Any], list[Right]]:
    """Fits fresh residual rewards, in rounds, and judges them on other episodes.

    Raises:
        ValueError: a bad config, or a task without an expert.
    """
    config = check(Config.of(flags))
    judge, env = config.scripted.parameters().judge, envs.make(config.task, config.protocol)
    sight, rows = make_sight(config, env), []
    compiled = [
        jax.jit(f, compiler_options=sight.compiler_options)
        for f in (sight.model.fit, sight.model.predict)
    ]
    for s in range(config.seeds):
        of_seed = dataclasses.replace(config, seed=2 * (config.seed + s))
        labels = _labelled(of_seed, _questions(of_seed, env, flags.labels))
        unseen = dataclasses.replace(of_seed, seed=of_seed.seed + 1)
        others = [
            q
            for q in _questions(unseen, env, 3 * flags.pairs)
            if ground_truth(q.a, judge).sum() != ground_truth(q.b, judge).sum()
        ]
        rows.append(_fitted(of_seed, sight, *compiled, labels, others[: flags.pairs]))
    about = {"task": config.task, "input": config.residual_input, "labels": flags.labels}
    return {**about, "protocol": config.protocol, "truth": judge}, rows


def _questions(config: Config, env: envs.TaskEnv, count: int) -> list[Pair]:
    return expert_questions(
        env,
        count,
        clip_length=config.feedback.clip_length,
        dense_scale=config.dense_scale,
        seed=config.seed,
        episodes=_EPISODES,
    )


def _labelled(config: Config, questions: list[Pair]) -> Preferences:
    teacher = ScriptedTeacher(config.scripted, config.seed, config.feedback.frames_shown)
    answers = teacher.ask(questions)
    spread = lambda scores: interpolate_scores(np.array(scores), config.feedback.clip_length)
    kept = [(q, a) for q, a in zip(questions, answers, strict=True) if a.preference is not None]
    return Preferences(
        *(_sides([getattr(q, side) for q, _ in kept]) for side in "ab"),
        target=jnp.array([a.preference for _, a in kept], jnp.float32),
        importance_a=jnp.array([spread(a.scores_a) for _, a in kept]),
        importance_b=jnp.array([spread(a.scores_b) for _, a in kept]),
    )


def _sides(clips: list[Any]) -> tuple[jax.Array, jax.Array]:
    return tuple(jnp.array([getattr(c, k) for c in clips]) for k in ("next_obs", "snapshot"))


def _fitted(
    config: Config,
    sight: Sight,
    fit: Callable,
    predict: Callable,
    labels: Preferences,
    others: list[Pair],
) -> Right:
    data = labels._replace(
        frames_a=sight.frames(*labels.frames_a), frames_b=sight.frames(*labels.frames_b)
    )
    state = sight.model.init(jax.random.key(config.seed), data.frames_a[0, 0])
    if sight.scaled:
        state = sight.model.standardise(state, data.frames_a.reshape(-1, data.frames_a.shape[-1]))
    count, step = len(labels.target), config.feedback.labels_per_round
    for known in range(step, count + step, step):
        key = jax.random.fold_in(jax.random.key(config.seed), known)
        state, _ = fit(state, data, jnp.int32(min(known, count)), key)
    a, b = (
        predict(state, sight.frames(*_sides([getattr(q, side) for q in others]))).sum(1)
        for side in "ab"
    )
    judge = config.scripted.parameters().judge
    truth = [ground_truth(q.b, judge).sum() > ground_truth(q.a, judge).sum() for q in others]
    return Right(float(np.mean((np.asarray(b) > np.asarray(a)) == np.array(truth))))


def _name(frame: np.ndarray) -> bytes:
    return np.ascontiguousarray(frame, np.float32).tobytes()


if __name__ == "__main__":
    sys.exit(main())
