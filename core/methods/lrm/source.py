"""The judged reward as a column: what a large reward model says of pictures every few steps."""

from __future__ import annotations

import concurrent.futures
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from core_jax import envs
from core_jax.methods.lrm.config import JudgeConfig
from core_jax.methods.lrm.questions import Questions, WorldStates, collect, hold
from core_jax.reward_models.large_reward import (
    ABSTAINED,
    ANSWERED,
    FAILED,
    Frames,
    Judge,
    Judgements,
)
from core_jax.reward_models.large_reward.judge import judgements
from core_jax.visual.frames import FrameRenderer

COLUMN = "lrm"
_ASKED = {
    "progress": ("progress",),
    "completion": ("completion",),
    "contrastive": ("comparison",),
    "tri": ("comparison", "progress", "completion"),
}


class JudgeError(ValueError):
    """A large reward model did not answer."""


class JudgedReward:
    """A host source with the column `lrm`, whose worlds go on from rollout to rollout.

    All questions of a rollout are asked together, each kind in a thread of its own; a judge that is
    a service answers its batch with several requests under way.

    Args:
        env: whose steps are judged.
        config: which answers are the reward.
        judge: makes the model that answers, when it is first needed.

    Attributes:
        judge: the same, which may be replaced before that.
        worlds: the state between rollouts; None before the first.
        counts: questions asked, and answers that were abstentions or failures.
    """

    columns = (COLUMN,)

    def __init__(self, env: envs.TaskEnv, config: JudgeConfig, judge: Callable[[], Judge]):
        self._env, self._config, self.judge = env, config, judge
        self._made: Judge | None = None
        self._renderer: FrameRenderer | None = None
        self.worlds: WorldStates | None = None
        self.counts: Counter[str] = Counter({"questions": 0, "abstentions": 0, "failures": 0})

    def score(self, steps: Any) -> Mapping[str, np.ndarray]:
        """The reward of a rollout [S, T, N].

        Raises:
            JudgeError: a request failed and `failures` is `error`, or no question was answered.
        """
        seeds, _, count = np.shape(steps.cut)
        if self.worlds is None:
            self.worlds = WorldStates.fresh(seeds, count, np.shape(steps.snapshot)[-1])
        return {COLUMN: self._score(steps, self.worlds, self.counts)}

    def score_episode(self, steps: Any) -> Mapping[str, np.ndarray]:
        """The reward of episodes [S, T, N] from their first step on, apart from the training."""
        seeds, _, count = np.shape(steps.cut)
        worlds = WorldStates.fresh(seeds, count, np.shape(steps.snapshot)[-1])
        return {COLUMN: self._score(steps, worlds, Counter())}

    def _score(self, steps: Any, worlds: WorldStates, counts: Counter[str]) -> np.ndarray:
        questions = collect(steps, worlds, self._config.every)
        shape = np.shape(steps.cut)
        if len(questions.frame) == 0:
            return hold(np.zeros(0, np.float32), questions, shape, worlds)
        answers = self._ask(questions)
        self._count(answers, counts)
        if "comparison" in answers:
            answers["comparison"] = _with_firsts(answers["comparison"], questions.is_first)
        values = reward_of(answers, self._config)
        return hold(values, questions, shape, worlds)

    def _ask(self, questions: Questions) -> dict[str, Judgements]:
        """The answers, by kind of question; comparisons are not asked of frames with which an
        episode begins, which have no frame before."""
        if self._made is None:
            self._made = self.judge()
        judge, config, text = self._made, self._config, self._env.spec.instruction
        frames = self._frames(questions, judge)
        has_goal = config.goal and len(self._env.spec.goal) > 0
        goal = self._goal(judge).take(np.zeros(len(questions.frame), int)) if has_goal else None
        start = frames.take(questions.start) if config.start else None
        now, later = frames.take(questions.frame), np.flatnonzero(~questions.is_first)
        some = lambda x: None if x is None else x.take(later)

        def ask(kind: str) -> Judgements:
            if kind != "comparison":
                return getattr(judge, kind)(now, text, start, goal)
            if not len(later):
                return judgements(np.zeros(0), np.zeros(0))
            before = frames.take(questions.before[later])
            return judge.comparison(before, now.take(later), text, some(start), some(goal))

        kinds = _ASKED[config.reward]
        with concurrent.futures.ThreadPoolExecutor(len(kinds)) as pool:
            return dict(zip(kinds, pool.map(ask, kinds), strict=True))

    def _frames(self, questions: Questions, judge: Judge) -> Frames:
        return Frames(
            pictures=self._draw(judge).render(questions.snapshot) if judge.sees else None,
            progress=questions.truth[:, 0],
            success=questions.truth[:, 1],
            key=np.array([digest(x) for x in questions.snapshot], np.int64),
        )

    def _goal(self, judge: Judge) -> Frames:
        goal = np.asarray(self._env.spec.goal, np.float32)[None]
        return Frames(
            pictures=self._draw(judge).render(goal) if judge.sees else None,
            progress=np.ones(1),
            success=np.ones(1),
            key=np.array([digest(goal[0])], np.int64),
        )

    def _draw(self, judge: Judge) -> FrameRenderer:
        if self._renderer is None:
            self._renderer = FrameRenderer(self._env, judge.size, True, False, 1, 16)
        return self._renderer

    def _count(self, answers: Mapping[str, Judgements], counts: Counter[str]) -> None:
        status = np.concatenate([a.status for a in answers.values()])
        found = {"questions": len(status), "abstentions": int(np.sum(status == ABSTAINED))}
        found["failures"] = int(np.sum(status == FAILED))
        counts.update(found)
        if found["failures"] and self._config.failures == "error":
            raise JudgeError(
                f"{found['failures']} of {len(status)} requests to the large reward model failed"
            )
        if found["failures"] and not np.any(status == ANSWERED):
            raise JudgeError(
                f"the large reward model answered none of {len(status)} requests; --resume "
                "continues from the last checkpoint"
            )


def reward_of(answers: Mapping[str, Judgements], config: JudgeConfig) -> np.ndarray:
    """Rewards [Q] of judged frames; NaN where an answer that it needs is missing.

    Args:
        answers: by kind of question.
        config: which answers are the reward.
    """
    values = {kind: a.value.astype(np.float32) for kind, a in answers.items()}
    if "completion" in values and config.threshold is not None:
        done = values["completion"]
        counted = (done >= config.threshold).astype(np.float32)
        values["completion"] = np.where(np.isnan(done), done, counted)
    if config.reward == "tri":
        contrastive, progress, completion = config.tri_weights
        return (
            contrastive * (values["comparison"] + 1.0) / 2.0
            + progress * values["progress"]
            + completion * values["completion"]
        )
    [value] = values.values()
    return value


def _with_firsts(compared: Judgements, is_first: np.ndarray) -> Judgements:
    """Comparisons of all judged frames [Q], from those that were asked; 0 for first frames."""
    count = len(is_first)
    found = judgements(np.zeros(count), np.ones(count))
    for whole, part in zip(found, compared, strict=True):
        whole[~is_first] = part
    return found


def digest(snapshot: np.ndarray) -> int:
    """A number in [0, 2**63) that belongs to a snapshot."""
    content = hashlib.sha256(np.ascontiguousarray(snapshot, np.float32).tobytes()).digest()
    return int.from_bytes(content[:8], "little") >> 1
