"""`PairCollector`: asks rounds of queries for every seed and keeps the labels as arrays for fits.

Labels live in host arrays of fixed size, one row per usable answer and seed, so that a checkpoint
has one shape and a fit compiles once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import envs
from core_jax.agents import replay
from core_jax.feedback import health, sampling
from core_jax.feedback.config import FeedbackConfig
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import NO_REPLY, Clip, Label, Pair, PairLabel, Query
from core_jax.feedback.rounds import Entry, Labelling, Round, rounds_of, state_of
from core_jax.reward_models.preference import Preferences, interpolate_scores
from core_jax.training.state import SeedState
from core_jax.training.streams import Stream, stream_keys
from core_jax.training.train import Train

Labels = dict[str, np.ndarray]


class Collected(NamedTuple):
    """What `PairCollector.collect` returned. `row` is for the metrics: the latest round, its lag
    in environment steps from asking to use, and how many answers came, abstained and are
    missing."""

    row: dict[str, Any]
    events: list[str]
    answered: bool  # any answer came, abstentions included
    fits: bool  # a round arrived after which the reward is fitted


def empty_labels(seeds: int, config: FeedbackConfig, env: envs.TaskEnv) -> Labels:
    """Room for every label of a run: arrays [S, M, ...], two clips of H steps a label."""
    state = jax.eval_shape(env.reset, jax.random.key(0))
    target = state.info["target"].shape
    snapshot = jax.eval_shape(env.snapshot, state.pipeline_state).shape
    action = () if getattr(env.spec, "discrete", False) else (env.action_size,)
    shape = (seeds, config.labels, 2, config.clip_length)
    return {
        "next_obs": np.zeros((*shape, env.observation_size), np.float32),
        "snapshot": np.zeros((*shape, *snapshot), np.float32),
        "action": np.zeros((*shape, *action), np.float32),
        "target": np.zeros((*shape, *target), np.float32),
        "importance": np.zeros(shape, np.float32),  # zeros: no scores
        "preference": np.zeros((seeds, config.labels), np.float32),
        "count": np.zeros(seeds, np.int32),  # usable answers
        "asked": np.zeros(seeds, np.int32),  # abstentions included
        "rounds": np.zeros((), np.int32),
        "fits": np.zeros((), np.int32),
    }


def clip_sampler(
    config: FeedbackConfig, envs_: int, source: Any = None
) -> Callable[[SeedState, jax.Array], replay.Transition]:
    """A pure function that draws the clips of one round from a seed's replay.

    Args:
        config: how many, how long, from which steps, by which rule.
        envs_: environments stepped side by side.
        source: the fitted source (`NetworkSource`) that `disagreement` and `entropy` ask about.

    Returns:
        `(seed, key) -> Transition [2 * labels_per_round, H, ...]`; clips 2i and 2i + 1 are a pair.
    """
    pairs, rule = config.labels_per_round, config.pairs
    count, window = sampling.pool_size(rule, pairs), config.window // envs_
    age = sampling.RECENT * window if rule == "recent" else None

    def draw(seed: SeedState, key: jax.Array) -> replay.Transition:
        pool = replay.sample_clips(seed.replay, key, count, config.clip_length, window, age)

        def members_returns() -> jax.Array:  # [E, C]
            every = source.input.every
            frames = source.input.frames(pool.next_obs[:, ::every], pool.snapshot[:, ::every])
            return every * jnp.sum(source.model.members(seed.sources[source.name], frames), axis=-1)

        fitted = seed.weights[source.name] > 0 if source is not None else jnp.bool_(False)
        key = jax.random.fold_in(key, 1)
        return sampling.choose(rule, pool, members_returns, fitted, key, pairs)

    return draw


@dataclasses.dataclass(frozen=True)
class CollectorSetup:
    """What a collector needs to know.

    Attributes:
        config: how many labels, and when.
        seeds, first_seed: which seeds.
        instruction: the task's.
        judge: what a scripted teacher compares: `reward` or `progress`.
        importance: whether per-frame scores are kept.
        wait: whether a round must be answered before training continues.
    """

    config: FeedbackConfig
    seeds: int
    first_seed: int
    instruction: str
    judge: str
    importance: bool
    wait: bool


class PairCollector:
    """The labels of all seeds.

    Args:
        setup: see there.
        train: the run's functions.
        draw: jitted over seeds, from `clip_sampler`.
        labelling: takes rounds to the teacher.
        store: the run's labels on disk.
    """

    def __init__(
        self,
        setup: CollectorSetup,
        train: Train,
        draw: Callable[[SeedState, jax.Array], Any],
        labelling: Labelling,
        store: LabelStore,
    ):
        self.setup, self.labelling = setup, labelling
        self._draw, self._store, self._tally = draw, store, health.Tally()
        self.labels = empty_labels(setup.seeds, setup.config, train.env)

    @property
    def asked(self) -> int:
        """Queries asked per seed (the most over seeds: pairs of identical clips are skipped)."""
        return int(self.labels["asked"].max())

    @property
    def rounds(self) -> int:
        """Rounds asked."""
        return int(self.labels["rounds"])

    @property
    def pending(self) -> int:
        """Queries under way, over all seeds."""
        return sum(len(r.entries) for r in self.labelling.pending())

    @property
    def complete(self) -> bool:
        """Whether every seed has a decided label, so that a reward can be fitted."""
        return bool(self.labels["count"].min() > 0)

    @property
    def exhausted(self) -> bool:
        """Whether all labels have been asked for."""
        return self.asked >= self.setup.config.labels

    def ask(self, seeds: SeedState, env_steps: int, fits: bool) -> None:
        """Asks one round of queries for every seed; `collect` returns the answers.

        Args:
            seeds: where the clips come from.
            env_steps: now.
            fits: whether the learned reward is fitted once the answers have arrived.
        """
        setup, labels, index = self.setup, self.labels, self.rounds
        keys = stream_keys(setup.first_seed, setup.seeds, Stream.QUERIES, index)
        drawn = jax.device_get(self._draw(seeds, keys))
        truth = drawn.truth.dense if setup.judge == "reward" else drawn.truth.progress
        entries = []
        for s in range(setup.seeds):
            left = setup.config.labels - int(labels["asked"][s])
            # A process that was killed may have asked this round, about clips of a future that took
            # another course: its queries are paid for and as good.
            kept = self._store.questions(setup.first_seed + s, index)
            pairs = [asked.question for asked in kept] or [
                self._pair(drawn, s, 2 * i, index)
                for i in range(min(setup.config.labels_per_round, left))
            ]
            # Nobody can tell two clips apart that look the same.
            pairs = [q for q in pairs if np.abs(q.a.next_obs - q.b.next_obs).max() > 1e-6]
            mean_reward = float(truth[s].mean())
            labels["asked"][s] += len(pairs)
            entries += [Entry(s, pair, mean_reward) for pair in pairs]
        labels["rounds"] += 1
        self.labelling.put(Round(index, env_steps, fits, tuple(entries)))

    def collect(self, env_steps: int) -> Collected:
        """Keeps the labels of all rounds that are answered; waits for those that may not lag."""
        config = self.setup.config
        lag = 0 if self.setup.wait else config.max_lag
        arrived = self.labelling.collect(env_steps - lag)
        answers = [label for round in arrived for label in round.labels]
        events: list[str] = []
        for round, given in arrived:
            for (s, query, _), label in zip(round.entries, given, strict=True):
                # It asks about pairs alone; the types of rounds allow more.
                if isinstance(query, Pair) and isinstance(label, PairLabel) and label.decided:
                    self._keep(s, query, label)
            before = self._tally
            self._tally = before.add([e.query for e in round.entries], given)
            events += [event] if (event := health.one_sided_event(before, self._tally)) else []
        row: dict[str, Any] = {"labels_pending": self.pending}
        if missing := sum(a is None for a in answers):
            why = self.labelling.failure
            events.append(f"{missing} of {len(answers)} queries had no answer: {why}")
        useless = [a.reason for a in answers if a is not None and a.reason.startswith(NO_REPLY)]
        if useless:
            events.append(f"{len(useless)} of {len(answers)} queries had {useless[-1]}")
        if arrived:
            row["feedback"] = {
                "round": max(r.index for r, _ in arrived),
                "lag": max(env_steps - r.env_steps for r, _ in arrived),
                "asked": self.asked,
                "abstained": sum(a is not None and not a.decided for a in answers),
                "unanswered": missing,
            }
        fits = any(r.fits for r, _ in arrived)
        return Collected(row, events, any(a is not None for a in answers), fits)

    def preferences(self) -> Preferences:
        """All labels for a fit; frames are (next_obs, snapshot) [S, M, H, ...]."""
        labels, importance = self.labels, self.labels["importance"]
        side = lambda i: tuple(jnp.asarray(labels[k][:, :, i]) for k in ("next_obs", "snapshot"))
        return Preferences(
            frames_a=side(0),  # pyright: ignore[reportArgumentType]
            frames_b=side(1),  # pyright: ignore[reportArgumentType]
            target=jnp.asarray(labels["preference"]),
            importance_a=jnp.asarray(importance[:, :, 0]),
            importance_b=jnp.asarray(importance[:, :, 1]),
        )

    def counts(self) -> jax.Array:
        """Usable labels of each seed [S]."""
        return jnp.asarray(self.labels["count"])

    def state(self) -> dict[str, Any]:
        """What is under way, JSON-able, for a checkpoint; the rest of it is `labels`."""
        return {"rounds": state_of(self.labelling.pending()), "tally": self._tally._asdict()}

    def restore(self, labels: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint's labels and asks what was under way and has no answer yet."""
        self.labels = {k: np.array(v) for k, v in labels.items()}
        self._tally = health.Tally(**state["tally"])
        for round in rounds_of(state["rounds"], self._store):
            self.labelling.put_again(round)

    def _pair(self, drawn: replay.Transition, s: int, first: int, index: int) -> Pair:
        a, b = (clip_of(drawn, (s, i)) for i in (first, first + 1))
        seed = self.setup.first_seed + s
        return Pair(a, b, self.setup.instruction, seed=seed, round=index)

    def _keep(self, s: int, pair: Query, label: Label) -> None:
        assert isinstance(pair, Pair) and isinstance(label, PairLabel)
        labels, row = self.labels, int(self.labels["count"][s])
        length = self.setup.config.clip_length
        sides = ((pair.a, label.scores_a), (pair.b, label.scores_b))
        for side, (clip, scores) in enumerate(sides):
            for name in ("next_obs", "snapshot", "action", "target"):
                labels[name][s, row, side] = getattr(clip, name)
            if scores and self.setup.importance:
                labels["importance"][s, row, side] = interpolate_scores(np.array(scores), length)
        labels["preference"][s, row] = label.preference
        labels["count"][s] += 1


def clip_of(steps: Any, at: Any) -> Clip:
    """Some of a transition batch's steps as a clip, on the host."""
    part = lambda x: np.asarray(x[at])
    return Clip(
        next_obs=part(steps.next_obs),
        action=part(steps.action),
        target=part(steps.target),
        snapshot=part(steps.snapshot),
        dense=part(steps.truth.dense),
        progress=part(steps.truth.progress),
    )
