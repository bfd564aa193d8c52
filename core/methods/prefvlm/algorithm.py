"""PrefVLM's algorithm.

explore by state entropy (PEBBLE's unsupervised phase, Lee et al. 2021), then in every round
  draw pairs of clips; label each by the image-text model: the clip with the larger sum of
    cos(picture, caption) is better
  sort all pairs so far by how far their label is from what the reward predicts (RIME): clean ones
    are used, contradicted ones with the opposite label, uncertain ones left out
  with an oracle: ask it about some of the new uncertain pairs, use its answers, and fit adapters of
    the image-text model to them and to inverse dynamics; later labels are the adapted model's
  fit R to what is used and relabel replay; the first fit makes R the reward, with fresh critics
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax.agents import replay
from core_jax.feedback.collector import clip_of, clip_sampler
from core_jax.feedback.queries import Pair, PairLabel
from core_jax.feedback.rounds import Entry, Labelling, Round, rounds_of, state_of
from core_jax.methods.base import BaseRun, Context
from core_jax.methods.exploration import EntropyPhase
from core_jax.methods.learned_reward import LearnedReward
from core_jax.methods.prefvlm.config import PrefVLMConfig
from core_jax.methods.prefvlm.pairs import PairTable
from core_jax.methods.triggers import Arrived, Boundary, EachChunk, Every, Trigger
from core_jax.prompts.captions import goal_caption
from core_jax.reward_models.denoise import UNCERTAIN, Trust, rime
from core_jax.reward_models.embedding.adapters import AdapterModel, Transitions
from core_jax.reward_models.entropy import StateEntropy
from core_jax.training.embedding import make_embedder
from core_jax.training.reward_input import NetworkSource
from core_jax.training.state import SeedState
from core_jax.training.streams import Stream, stream_keys
from core_jax.training.train import Train


class PrefVLMRun(BaseRun):
    """PrefVLM during one run.

    Args:
        config: the method's settings.
        context: the run's.
        train: its functions.
        arrays: from `PrefVLM.empty_arrays`.
    """

    def __init__(
        self, config: PrefVLMConfig, context: Context, train: Train, arrays: dict[str, Any]
    ):
        learned, entropy = train.plan.sources
        assert isinstance(learned, NetworkSource) and isinstance(entropy, StateEntropy)
        self.config, self.context, self.train = config, context, train
        self.table, self.trust = PairTable(arrays["pairs"]), arrays["trust"]
        self._source, self._exploration = learned, EntropyPhase(train, entropy)
        self._weights = {entropy.name: 0.0, learned.name: 1.0}
        updates = config.prefvlm.critic_updates
        self.learned = LearnedReward(train, learned, context.seed, self._weights, updates, 1)
        self._embedder = make_embedder(context.env, config.clip)
        spec = context.env.spec
        self.caption = config.clip.caption or goal_caption(spec.name, spec.instruction)
        self._text = self._embedder.caption(self.caption)
        sampler = clip_sampler(config.prefvlm.feedback(), context.training.envs)
        self._draw = train.over_seeds(sampler, "clips")
        self._triage = train.over_seeds(self._triage_one, "triage")
        self._asked_rows: dict[str, int] = {}  # query -> row of its pair
        self._labelling: Labelling | None = None
        if config.oracle:
            self._labelling = context.labelling(config.prefvlm.frames_shown)
            self._start_adapters(config)

    def _start_adapters(self, config: PrefVLMConfig) -> None:
        """Fresh adapters, and their functions over seeds."""
        context, train = self.context, self.train
        model = AdapterModel(config.adapter, context.env.action_size, self._text, config.clip.every)
        keys = stream_keys(context.seed, context.seeds, Stream.ADAPTERS, 0)
        self.adapters = jax.vmap(model.init)(keys)
        self._returns = train.over_seeds(model.returns, "adapted_returns")
        self._fit_adapters = train.over_seeds(model.fit, "fit_adapters")
        self._draw_steps = train.over_seeds(self._transitions, "transitions")

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """What is done when, in this order."""
        first = self.config.first_round(self.context.training)
        return (
            EachChunk(self.explore),
            Every(self.config.prefvlm.round_every, self.ask, start=first),
            EachChunk(self.collect),
            EachChunk(self.fit),
        )

    @property
    def fitted(self) -> bool:
        """Whether the reward has been fitted."""
        return int(self.table.arrays["fits"]) > 0

    @property
    def phase(self) -> str:
        """What the policy is trained on now."""
        return "learned reward" if self.fitted else "state entropy"

    def explore(self, at: Boundary) -> None:
        """Scores the states seen so far by each other."""
        if not self.fitted:
            at.seeds = self._exploration.rescore(at.seeds)

    def ask(self, at: Boundary) -> None:
        """Draws pairs, labels them by the image-text model, and sorts all pairs so far."""
        if self.table.full:
            return
        seeds, index = self.context.seeds, int(self.table.arrays["rounds"])
        keys = stream_keys(self.context.seed, seeds, Stream.QUERIES, index)
        drawn = jax.device_get(self._draw(at.seeds, keys))  # [S, 2P, H, ...]
        every = self.config.clip.every
        features = self._embedder.features(drawn.snapshot[:, :, every - 1 :: every])
        returns = self._clip_returns(features)
        dense = self.context.judge == "reward"
        truth = (drawn.truth.dense if dense else drawn.truth.progress).sum(-1)
        clips = drawn.next_obs.reshape(seeds, -1, 2, *drawn.next_obs.shape[2:])
        label, true = _second_is_better(returns), _second_is_better(truth)
        first = [self.table.add(s, clips[s], label[s], true[s]) for s in range(seeds)]
        self._sort_pairs(at.seeds)
        asked = self._ask_oracle(drawn, first, at.env_steps) if self.config.oracle else False
        self.table.arrays["rounds"] += 1
        if not asked:  # nothing to wait for
            at.arrived = Arrived(answered=True, fits=True)

    def collect(self, at: Boundary) -> None:
        """Keeps the oracle's answers that have arrived."""
        if self._labelling is None:
            return
        lag = 0 if self.context.wait_for_labels else self.config.prefvlm.max_lag
        every = self.config.clip.every
        for round, labels in self._labelling.collect(at.env_steps - lag):
            missing = sum(label is None for label in labels)
            if missing:
                why = self._labelling.failure
                at.events.append(f"{missing} of {len(labels)} queries had no answer: {why}")
            for (s, query, _), label in zip(round.entries, labels, strict=True):
                row = self._asked_rows.pop(query.key(), None)
                if not (isinstance(query, Pair) and isinstance(label, PairLabel)):
                    continue
                if label.preference is not None and row is not None:
                    shown = np.stack([query.a.snapshot, query.b.snapshot])
                    features = self._embedder.features(shown[:, every - 1 :: every])
                    self.table.answer(s, row, features, label.preference)
            at.arrived = Arrived(answered=True, fits=True)

    def fit(self, at: Boundary) -> None:
        """Fits the reward to the pairs that are used; with an oracle, the adapters too."""
        counts = np.asarray(self.table.counts())
        if at.arrived is None or not at.arrived.fits or counts.min() == 0:
            return
        fits = int(self.table.arrays["fits"])
        at.seeds, metrics = self.learned.fit(at.seeds, self.table, fits)
        if self.config.oracle and self.table.arrays["oracle_count"].any():
            metrics |= self._adapt(at.seeds, fits)
        self.table.arrays["fits"] += 1
        at.row.update(jax.device_get(metrics))
        at.row["triage"] = self.table.shares()

    def _clip_returns(self, features: np.ndarray) -> np.ndarray:
        """Summed scores [S, 2P] of clips, from their pictures' vectors [S, 2P, K, D]. A seed's
        adapters count once they have been fitted."""
        plain = self.config.clip.every * (features @ self._text).sum(-1)
        if not self.config.oracle:
            return plain
        adapted = np.asarray(self._returns(self.adapters, jnp.asarray(features)))
        known = self.table.arrays["oracle_count"] > 0
        return np.where(known[:, None], adapted, plain)

    def _sort_pairs(self, seeds: SeedState) -> None:
        """RIME's verdict on all pairs so far."""
        arrays = self.table.arrays
        known = arrays["answer"] >= 0  # an answer is right by definition; the others are in doubt
        target = np.where(known, arrays["answer"], arrays["label"])
        labelled = np.arange(target.shape[1]) < arrays["count"][:, None]
        verdict, self.trust = jax.device_get(
            self._triage(seeds, arrays["next_obs"], target, labelled, self.trust)
        )
        arrays["verdict"] = np.where(labelled, verdict, UNCERTAIN)

    def _triage_one(
        self,
        seed: SeedState,
        next_obs: jax.Array,
        target: jax.Array,
        labelled: jax.Array,
        trust: Trust,
    ) -> tuple[jax.Array, Trust]:
        every = self.config.clip.every
        frames = self._source.input.frames(next_obs[:, :, every - 1 :: every], next_obs)
        rewards = self._source.model.members(seed.sources[self._source.name], frames)
        returns = every * jnp.sum(rewards, axis=-1)  # [E, M, 2]
        p_second = jnp.mean(jax.nn.sigmoid(returns[..., 1] - returns[..., 0]), axis=0)
        found = rime(self.config.rime, trust, p_second, target, labelled)
        return found.verdict, found.trust

    def _ask_oracle(self, drawn: replay.Transition, first: list[int], env_steps: int) -> bool:
        """Asks about some of the new uncertain pairs; whether there were any."""
        assert self._labelling is not None
        arrays, context, pairs = self.table.arrays, self.context, self.config.prefvlm
        index, entries = int(arrays["rounds"]), []
        keys = stream_keys(context.seed, context.seeds, Stream.ORACLE, index)
        most = arrays["oracle_answer"].shape[1]
        truth = drawn.truth.dense if context.judge == "reward" else drawn.truth.progress
        for s in range(context.seeds):
            new = arrays["verdict"][s, first[s] : int(arrays["count"][s])]
            order = np.asarray(jax.random.permutation(keys[s], len(new)))
            chosen = [i for i in order if new[i] == UNCERTAIN]
            chosen = chosen[: min(pairs.oracle_per_round, most - int(arrays["asked"][s]))]
            for i in chosen:
                a, b = (clip_of(drawn, (s, 2 * i + side)) for side in (0, 1))
                instruction = context.env.spec.instruction
                pair = Pair(a, b, instruction, seed=context.seed + s, round=index)
                self._asked_rows[pair.key()] = first[s] + int(i)
                entries.append(Entry(s, pair, float(truth[s].mean())))
            arrays["asked"][s] += len(chosen)
        if entries:
            self._labelling.put(Round(index, env_steps, True, tuple(entries)))
        return bool(entries)

    def _adapt(self, seeds: SeedState, fits: int) -> dict[str, Any]:
        """Fits the adapters to all answers and to transitions of replay."""
        keys = stream_keys(self.context.seed, self.context.seeds, Stream.ADAPTERS, 1 + fits)
        steps = jax.device_get(self._draw_steps(seeds, keys))  # [S, T, 2, ...]
        features = jnp.asarray(self._embedder.features(steps.snapshot))
        transitions = Transitions(features, jnp.asarray(steps.action[:, :, 1]))
        labels, count = self.table.oracle_labels()
        self.adapters, metrics = self._fit_adapters(self.adapters, labels, count, transitions, keys)
        return {f"adapter_{k}": v for k, v in metrics.items()}

    def _transitions(self, seed: SeedState, key: jax.Array) -> replay.Transition:
        rows = seed.replay.data.cut.shape[0]
        count = self.config.adapter.transitions
        return replay.sample_clips(seed.replay, key, count, 2, rows)

    def row(self) -> dict[str, Any]:
        """Pairs labelled by the image-text model, and labels asked of the oracle."""
        arrays = self.table.arrays
        return {"pairs": int(arrays["count"].max()), "labels": int(arrays["asked"].max())}

    def summary(self) -> dict[str, Any]:
        """The same, and which model compared the pictures with what."""
        return self.row() | {"embedding": self._embedder.model.name, "caption": self.caption}

    def problem(self) -> Exception | None:
        """What stopped the teacher for good."""
        return self._labelling.problem if self._labelling else None

    def arrays(self) -> dict[str, Any]:
        """Pairs, thresholds, adapters."""
        adapters = {"adapters": self.adapters} if self.config.oracle else {}
        return {"pairs": self.table.arrays, "trust": self.trust, **adapters}

    def state(self) -> dict[str, Any]:
        """Rounds under way."""
        pending = self._labelling.pending() if self._labelling else []
        return {"pending": state_of(pending), "rows": self._asked_rows}

    def restore(self, arrays: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint and asks what was under way and has no answer yet."""
        self.table = PairTable({k: np.array(v) for k, v in arrays["pairs"].items()})
        self.trust = arrays["trust"]
        self._asked_rows = dict(state["rows"])
        if self._labelling is not None:
            self.adapters = arrays["adapters"]
            for round in rounds_of(state["pending"], self.context.store):
                self._labelling.put_again(round)

    def close(self) -> None:
        """Stops sending queries; waits for replies on their way."""
        if self._labelling is not None:
            self._labelling.close()


def _second_is_better(values: np.ndarray) -> np.ndarray:
    """Labels [S, P] of pairs from values [S, 2P] of their clips: 0, 1, or 0.5 for equal."""
    first, second = values[:, ::2], values[:, 1::2]
    return np.where(first == second, 0.5, second > first).astype(np.float32)
