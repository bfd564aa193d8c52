"""`Collector`: asks rounds of queries for every seed and keeps the labels as arrays for fits.

Labels live in host arrays of fixed size, one row per usable answer and seed, so that a checkpoint
has one shape and a fit compiles once. What is asked and kept is a subclass's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import envs
from core_jax.feedback import health
from core_jax.feedback.config import FeedbackConfig
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.queries import NO_REPLY, Clip, Label, Query
from core_jax.feedback.rounds import Entry, Labelling, Round, rounds_of, state_of
from core_jax.training.state import SeedState
from core_jax.training.streams import Stream, stream_keys

Labels = dict[str, np.ndarray]
Draw = Callable[[SeedState, jax.Array], Any]
Q = TypeVar("Q", bound=Query)
L = TypeVar("L", bound=Label)


class Collected(NamedTuple):
    """What `Collector.collect` returned. `row` is for the metrics: the latest round, its lag in
    environment steps from asking to use, and how many answers came, abstained and are missing."""

    row: dict[str, Any]
    events: list[str]
    answered: bool  # any answer came, abstentions included
    fits: bool  # a round arrived after which the reward is fitted


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


class Collector(Generic[Q, L]):
    """The labels of all seeds.

    Args:
        setup: see there.
        labels: room for them, see `counters` and `clip_room`.
        draw: jitted over seeds: `(seed, key) -> Transition`, the clips of a round.
        labelling: takes rounds to the teacher.
        store: the run's labels on disk.
    """

    query_type: type[Q]
    label_type: type[L]

    def __init__(
        self,
        setup: CollectorSetup,
        labels: Labels,
        draw: Draw,
        labelling: Labelling,
        store: LabelStore,
    ):
        self.setup, self.labels, self.labelling = setup, labels, labelling
        self._draw, self._store, self._tally = draw, store, health.Tally()

    def query(self, drawn: Any, s: int, i: int, index: int) -> Q:
        """The i-th query of a round, from what was drawn for all seeds."""
        raise NotImplementedError

    def keep(self, s: int, row: int, query: Q, label: L) -> None:
        """Writes a usable label into a row of a seed."""
        raise NotImplementedError

    def worth_asking(self, query: Q) -> bool:
        """Whether anybody could answer."""
        del query
        return True

    def usable(self, label: L) -> bool:
        """Whether a label is kept for fits."""
        return label.decided

    @property
    def asked(self) -> int:
        """Queries asked per seed (the most over seeds: some are not worth asking)."""
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
        """Whether every seed has a usable label, so that a reward can be fitted."""
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
            queries: list[Any] = [asked.question for asked in kept] or [
                self.query(drawn, s, i, index)
                for i in range(min(setup.config.labels_per_round, left))
            ]
            queries = [q for q in queries if self.worth_asking(q)]
            mean_reward = float(truth[s].mean())
            labels["asked"][s] += len(queries)
            entries += [Entry(s, query, mean_reward) for query in queries]
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
                self._keep_usable(s, query, label)
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

    def _keep_usable(self, s: int, query: Any, label: Any) -> None:
        # It asks one kind of query; the types of rounds allow more.
        asked = isinstance(query, self.query_type) and isinstance(label, self.label_type)
        if asked and self.usable(label):
            self.keep(s, int(self.labels["count"][s]), query, label)
            self.labels["count"][s] += 1


def counters(seeds: int) -> Labels:
    """What all kinds of labels have: how many are usable, how many were asked for (abstentions
    included), and in how many rounds and fits."""
    return {
        "count": np.zeros(seeds, np.int32),
        "asked": np.zeros(seeds, np.int32),
        "rounds": np.zeros((), np.int32),
        "fits": np.zeros((), np.int32),
    }


def clip_room(shape: tuple[int, ...], env: envs.TaskEnv) -> Labels:
    """Room for the steps of clips: arrays `[*shape, ...]`."""
    state = jax.eval_shape(env.reset, jax.random.key(0))
    target = state.info["target"].shape
    snapshot = jax.eval_shape(env.snapshot, state.pipeline_state).shape
    action = () if getattr(env.spec, "discrete", False) else (env.action_size,)
    return {
        "next_obs": np.zeros((*shape, env.observation_size), np.float32),
        "snapshot": np.zeros((*shape, *snapshot), np.float32),
        "action": np.zeros((*shape, *action), np.float32),
        "target": np.zeros((*shape, *target), np.float32),
    }


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
