"""The residual reward module: choose pairs, ask, fit, relabel (CoRe, section on the RRM).

Labels live in fixed-size host arrays, one row per usable answer and seed, and go to the device
for a fit. Pairs are drawn uniformly from recent steps, as in the paper.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.feedback.labels import LabelStore
from core_jax.feedback.rounds import Entry, Labelling, Round, rounds_of, state_of
from core_jax.feedback.teachers.scripted import ground_truth
from core_jax.models.base import Answer, Clip, Question
from core_jax.reward_models.preference import Preferences, interpolate_scores
from core_jax.runs.config import Config
from core_jax.training.rewards import mixed_weights
from core_jax.training.state import Lane, Train


def empty_labels(config: Config, env: Any) -> dict[str, np.ndarray]:
    """Room for every label of a run: arrays [S, M, ...], two clips of H steps a label."""
    seeds, f = config.seeds, config.feedback
    goal = jax.eval_shape(env.reset, jax.random.key(0)).info["target"].shape
    shape = (seeds, f.labels, 2, f.clip_length)
    return {
        "next_obs": np.zeros((*shape, env.observation_size), np.float32),
        "snapshot": np.zeros((*shape, *_snapshot_shape(env)), np.float32),
        "action": np.zeros((*shape, env.action_size), np.float32),
        "target": np.zeros((*shape, *goal), np.float32),
        "importance": np.zeros(shape, np.float32),  # zeros: no scores
        "preference": np.zeros((seeds, f.labels), np.float32),
        "count": np.zeros(seeds, np.int32),  # usable answers
        "asked": np.zeros(seeds, np.int32),  # abstentions included
        "rounds": np.zeros((), np.int32),
        "fits": np.zeros((), np.int32),
    }


def _snapshot_shape(env: Any) -> tuple[int, ...]:
    state = jax.eval_shape(env.reset, jax.random.key(0))
    return jax.eval_shape(env.snapshot, state.pipeline_state).shape


class Collected(NamedTuple):
    """What `collect` brought. `row` is for the metrics: the latest round, its lag in environment
    steps from asking to use, and how many answers came, abstained and stayed out."""

    row: dict[str, Any]
    events: list[str]
    answered: bool  # whether any answer came, abstentions included
    fits: bool  # whether the residual reward is due to be fitted


class ResidualModule:
    """Labels of all seeds, and what is done with them."""

    def __init__(self, config: Config, train: Train, labelling: Labelling, store: LabelStore):
        self._config, self._train, self._labelling, self._store = config, train, labelling, store
        self.labels = empty_labels(config, train.env)

    @property
    def asked(self) -> int:
        """Questions asked per seed (the most over seeds: identical clips are skipped)."""
        return int(self.labels["asked"].max())

    @property
    def rounds(self) -> int:
        """Rounds asked."""
        return int(self.labels["rounds"])

    @property
    def pending(self) -> int:
        """Questions under way, over all seeds."""
        return sum(len(r.entries) for r in self._labelling.pending())

    def due(self, env_steps: int) -> bool:
        """Whether a scheduled round falls on this environment step."""
        f = self._config.feedback
        late = env_steps - f.first_round
        return late >= 0 and late % f.round_every < self._config.chunk and self.asked < f.labels

    def ask(self, lanes: Lane, env_steps: int, fits: bool) -> None:
        """Asks one round of questions for every seed; `collect` brings the answers.

        Args:
            lanes: where the clips come from.
            env_steps: now.
            fits: whether the residual reward is fitted once the answers are there.
        """
        config, labels, index = self._config, self.labels, self.rounds
        drawn = jax.device_get(self._train.clips(lanes, self._keys(index, "pairs")))
        entries = []
        for s in range(config.seeds):
            left = config.feedback.labels - int(labels["asked"][s])
            # A process that was killed may have asked this round, of clips from a future that took
            # another course: its questions are paid for and as good.
            kept = self._store.questions(config.seed + s, index)
            pairs = [asked.question for asked in kept] or [
                self._question(drawn, s, 2 * i, index)
                for i in range(min(config.feedback.labels_per_round, left))
            ]
            # Two clips that look the same cannot be told apart by anybody.
            pairs = [q for q in pairs if np.abs(q.a.next_obs - q.b.next_obs).max() > 1e-6]
            mean_reward = float(ground_truth(drawn, config.scripted.parameters().judge)[s].mean())
            labels["asked"][s] += len(pairs)
            entries += [Entry(s, question, mean_reward) for question in pairs]
        labels["rounds"] += 1
        self._labelling.put(Round(index, env_steps, fits, tuple(entries)))

    def collect(self, env_steps: int) -> Collected:
        """Keeps the labels of all rounds that are answered; waits for those that may not lag."""
        config = self._config
        lag = 0 if config.wait_for_labels else config.feedback.max_lag
        arrived = self._labelling.collect(env_steps - lag)
        answers = [a for round in arrived for a in round.answers]
        for round, given in arrived:
            for entry, answer in zip(round.entries, given, strict=True):
                if answer is not None and answer.preference is not None:
                    self._keep(entry.lane, entry.question, answer)
        row: dict[str, Any] = {"labels_pending": self.pending}
        events = []
        if missing := sum(a is None for a in answers):
            why = self._labelling.failure
            events.append(f"{missing} of {len(answers)} questions had no answer: {why}")
        if arrived:
            row["feedback"] = {
                "round": max(r.index for r, _ in arrived),
                "lag": max(env_steps - r.env_steps for r, _ in arrived),
                "asked": self.asked,
                "abstained": sum(a is not None and a.preference is None for a in answers),
                "unanswered": missing,
            }
        fits = any(r.fits for r, _ in arrived)
        return Collected(row, events, any(a is not None for a in answers), fits)

    def state(self) -> list[dict[str, Any]]:
        """What is under way, JSON-able, for a checkpoint; the rest of it is `labels`."""
        return state_of(self._labelling.pending())

    def restore(self, labels: dict[str, np.ndarray], state: list[dict[str, Any]]) -> None:
        """Takes over a checkpoint's labels and asks what was under way and has no answer yet."""
        self.labels = {k: np.array(v) for k, v in labels.items()}
        for round in rounds_of(state, self._store):
            self._labelling.put_again(round)

    def fit(self, lanes: Lane) -> tuple[Lane, dict[str, Any]]:
        """Fits the residual reward on all labels and relabels replay; the first fit also turns
        the residual on and starts the critics afresh."""
        config, train, labels = self._config, self._train, self.labels
        first = int(labels["fits"]) == 0
        if first:
            lanes = train.standardise(lanes)
        keys = self._keys(int(labels["fits"]), "fit")
        lanes, metrics = train.fit(lanes, self._preferences(), jnp.asarray(labels["count"]), keys)
        # Pictures make relabelling dear; the very first fits change the reward the most.
        fits = int(labels["fits"])
        dear = config.residual_input == "pixels"
        if not dear or fits < 2 or fits % config.pixels.relabel == 0:
            lanes = train.relabel_residual(lanes)
        if first:
            weights = jax.tree.map(lambda w: jnp.full((config.seeds,), w), mixed_weights(config))
            lanes = train.reset_critic(lanes.replace(weights=weights))
            lanes, _ = train.learn(lanes, config.feedback.critic_updates)
        labels["fits"] += 1
        return lanes, {f"fit_{k}": v for k, v in metrics.items()}

    def _preferences(self) -> Preferences:
        labels = self.labels
        importance = labels["importance"]
        return Preferences(
            frames_a=tuple(jnp.asarray(labels[k][:, :, 0]) for k in ("next_obs", "snapshot")),
            frames_b=tuple(jnp.asarray(labels[k][:, :, 1]) for k in ("next_obs", "snapshot")),
            target=jnp.asarray(labels["preference"]),
            importance_a=jnp.asarray(importance[:, :, 0]),
            importance_b=jnp.asarray(importance[:, :, 1]),
        )

    def _question(self, drawn: Any, s: int, first: int, index: int) -> Question:
        a, b = (
            Clip(*(np.asarray(getattr(drawn, name)[s, i]) for name in Clip._fields))
            for i in (first, first + 1)
        )
        instruction = self._train.env.spec.instruction
        return Question(a, b, instruction, seed=self._config.seed + s, round=index)

    def _keep(self, s: int, question: Question, answer: Answer) -> None:
        labels, row = self.labels, int(self.labels["count"][s])
        length = self._config.feedback.clip_length
        sides = ((question.a, answer.scores_a), (question.b, answer.scores_b))
        for side, (clip, scores) in enumerate(sides):
            for name in ("next_obs", "snapshot", "action", "target"):
                labels[name][s, row, side] = getattr(clip, name)
            if scores and self._config.importance:
                labels["importance"][s, row, side] = interpolate_scores(np.array(scores), length)
        labels["preference"][s, row] = answer.preference
        labels["count"][s] += 1

    def _keys(self, index: int, purpose: str) -> jax.Array:
        # Streams of their own, by round: a resumed run draws what an undisturbed one would.
        offset = {"pairs": 1_000_000, "fit": 2_000_000}[purpose] + index
        seeds = self._config.seed + jnp.arange(self._config.seeds)
        return jax.vmap(lambda s: jax.random.fold_in(jax.random.key(s), offset))(seeds)
