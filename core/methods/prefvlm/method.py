"""PrefVLM as a `Method`: its settings, its reward columns, and what must fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import numpy as np

from core_jax import envs
from core_jax.methods.base import BaseMethod, Context
from core_jax.methods.prefvlm.algorithm import PrefVLMRun
from core_jax.methods.prefvlm.config import PrefVLMConfig, presets
from core_jax.methods.prefvlm.pairs import empty_pairs
from core_jax.reward_models import embedding
from core_jax.reward_models.denoise import first_trust
from core_jax.reward_models.embedding.adapters import AdapterModel
from core_jax.reward_models.entropy import StateEntropy
from core_jax.training.config import TrainingConfig
from core_jax.training.embedding import check_embedding
from core_jax.training.plan import Rewards
from core_jax.training.reward_input import PixelConfig, make_input, make_preference_source
from core_jax.training.train import Train

REWARD, ENTROPY = "preference", "entropy"


class PrefVLM(BaseMethod):
    """Reward from pairs that an image-text model labels, and an oracle where it is uncertain."""

    name: ClassVar[str] = "prefvlm"
    summary: ClassVar[str] = "reward learned from pairs that an image-text model labels"
    config: ClassVar[type] = PrefVLMConfig

    def asks_teacher(self, config: PrefVLMConfig) -> bool:
        """Only with an oracle."""
        return config.oracle

    def presets(self, config: PrefVLMConfig, task: str) -> Mapping[str, Any]:
        """Shorter clips on SoftGym."""
        return presets(task)

    def unused(self, config: PrefVLMConfig) -> Mapping[str, str]:
        """What the oracle needs, without one."""
        found = {"reward.importance_weight": "no scores are asked for"}
        if not config.oracle:
            names = ("oracle_per_round", "oracle_labels", "frames_shown", "max_lag")
            reason = "--no-oracle: nobody is asked"
            found |= {f"prefvlm.{name}": reason for name in names} | {"adapter": reason}
        return found

    def check(self, config: PrefVLMConfig, training: TrainingConfig, spec: envs.TaskSpec) -> None:
        """There are weights and pictures, and clips fit into episodes and replay."""
        check_embedding(config.clip, spec)
        pairs, length = config.prefvlm, config.prefvlm.clip_length
        first, least = config.first_round(training), 2 * length * training.envs
        if first < least:
            raise ValueError(
                f"random_steps + unsupervised_steps ({first}) must be at least {least}: two clips "
                f"of {length} steps in each of {training.envs} environments"
            )
        if length > spec.horizon:
            raise ValueError(
                f"prefvlm.clip_length ({length}) must be at most {spec.horizon}, an episode of "
                f"{spec.name}"
            )
        if pairs.window < length * training.envs:
            raise ValueError(
                f"prefvlm.window ({pairs.window}) must be at least {length * training.envs}: a "
                f"clip of {length} steps in each of {training.envs} environments"
            )
        frames = config.reward.clip_frames
        for name, value in (("clip.every", config.clip.every), ("reward.clip_frames", frames)):
            if value is not None and length % value:
                raise ValueError(f"{name} ({value}) must divide prefvlm.clip_length ({length})")

    def rewards(
        self, config: PrefVLMConfig, training: TrainingConfig, env: envs.TaskEnv
    ) -> Rewards:
        """State entropy, then the learned reward alone. It reads states, as published."""
        rows = -(-config.first_round(training) // training.envs)
        batch = training.render_batch
        frames = make_input("state", env, PixelConfig(), config.reward.hidden, batch)
        learned = make_preference_source(REWARD, config.reward, frames, batch)
        entropy = StateEntropy(ENTROPY, window=max(1, rows))
        return Rewards({ENTROPY: 1.0, REWARD: 0.0}, (learned, entropy))

    def empty_arrays(
        self, config: PrefVLMConfig, training: TrainingConfig, env: envs.TaskEnv
    ) -> dict[str, Any]:
        """Room for all pairs; fresh adapters and thresholds."""
        dim = embedding.dimension(config.clip.weights)
        length, every = config.prefvlm.clip_length, config.clip.every
        seeds = training.seeds
        pairs = empty_pairs(
            seeds,
            config.pairs(training),
            config.oracle_labels(training),
            length,
            env.observation_size,
            length // every if config.oracle else 1,
            dim,
        )
        trust = jax.tree.map(lambda x: np.broadcast_to(x, (seeds,)).copy(), first_trust())
        found: dict[str, Any] = {"pairs": pairs, "trust": trust}
        if config.oracle:
            model = AdapterModel(config.adapter, env.action_size, np.zeros(dim, np.float32), every)
            shapes = jax.eval_shape(model.init, jax.random.key(0))
            found["adapters"] = jax.tree.map(lambda x: np.zeros((seeds, *x.shape), x.dtype), shapes)
        return found

    def start(self, config: PrefVLMConfig, context: Context, train: Train) -> PrefVLMRun:
        """Starts a run."""
        arrays = self.empty_arrays(config, context.training, context.env)
        return PrefVLMRun(config, context, train, arrays)
