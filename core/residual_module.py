"""The residual reward module: choose pairs, ask, fit, relabel (CoRe, section on the RRM).

Labels live in fixed-size host arrays, one row per usable answer and seed, and go to the device
for a fit. Pairs are drawn uniformly from recent steps, as in the paper.
"""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from core.config import Config
from core.labels import LabelStore
from core.lanes import Lane, Train
from core.models.base import Clip, Question, Teacher
from core.rewards import mixed_weights
from reward_models.preference import Preferences, interpolate_scores


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
        "importance": np.zeros(shape, np.float32),
        "preference": np.zeros((seeds, f.labels), np.float32),
        "count": np.zeros(seeds, np.int32),  # usable answers
        "asked": np.zeros(seeds, np.int32),  # abstentions included
        "rounds": np.zeros((), np.int32),
        "fits": np.zeros((), np.int32),
    }


def _snapshot_shape(env: Any) -> tuple[int, ...]:
    state = jax.eval_shape(env.reset, jax.random.key(0))
    return jax.eval_shape(env.snapshot, state.pipeline_state).shape


class ResidualModule:
    """Labels of all seeds, and what is done with them."""

    def __init__(self, config: Config, train: Train, teacher: Teacher, store: LabelStore):
        self._config, self._train, self._teacher, self._store = config, train, teacher, store
        self.labels = empty_labels(config, train.env)

    @property
    def asked(self) -> int:
        """Questions asked per seed (the most over seeds: identical clips are skipped)."""
        return int(self.labels["asked"].max())

    def due(self, env_steps: int) -> bool:
        """Whether a scheduled round falls on this environment step."""
        f = self._config.feedback
        late = env_steps - f.first_round
        return late >= 0 and late % f.round_every < self._config.chunk and self.asked < f.labels

    def ask(self, lanes: Lane, env_steps: int) -> dict[str, Any]:
        """One round of questions for every seed; answers are stored and kept."""
        config, labels = self._config, self.labels
        index = int(labels["rounds"])
        drawn = jax.device_get(self._train.clips(lanes, self._keys(index, "pairs")))
        abstained = 0
        for s in range(config.seeds):
            left = config.feedback.labels - int(labels["asked"][s])
            pairs = [
                self._question(drawn, s, 2 * i, index)
                for i in range(min(config.feedback.labels_per_round, left))
            ]
            # Two clips that look the same cannot be told apart by anybody.
            pairs = [q for q in pairs if np.abs(q.a.next_obs - q.b.next_obs).max() > 1e-6]
            mean_reward = float(drawn.dense[s].mean())
            answers = self._store.ask(self._teacher, pairs, env_steps, mean_reward)
            labels["asked"][s] += len(pairs)
            for question, answer in zip(pairs, answers, strict=True):
                if answer.preference is None:
                    abstained += 1
                    continue
                self._keep(s, question, answer)
        labels["rounds"] += 1
        return {"round": index, "asked": self.asked, "abstained": abstained}

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

    def _keep(self, s: int, question: Question, answer: Any) -> None:
        labels, row = self.labels, int(self.labels["count"][s])
        length = self._config.feedback.clip_length
        sides = ((question.a, answer.scores_a), (question.b, answer.scores_b))
        for side, (clip, scores) in enumerate(sides):
            for name in ("next_obs", "snapshot", "action", "target"):
                labels[name][s, row, side] = getattr(clip, name)
            labels["importance"][s, row, side] = interpolate_scores(np.array(scores), length)
        labels["preference"][s, row] = answer.preference
        labels["count"][s] += 1

    def _keys(self, index: int, purpose: str) -> chex.PRNGKey:
        # Streams of their own, by round: a resumed run draws what an undisturbed one would.
        offset = {"pairs": 1_000_000, "fit": 2_000_000}[purpose] + index
        seeds = self._config.seed + jnp.arange(self._config.seeds)
        return jax.vmap(lambda s: jax.random.fold_in(jax.random.key(s), offset))(seeds)
