"""LRM as a method: its settings, where its reward comes from, and its run.

The policy is cloned before the first step; PPO then refines it, with the cloned policy as the
reference of its KL penalty. The judged reward, the benchmark's success and its dense reward are
three columns, so any of them can be the reward, or a mixture. With reward code as well
(`--formal.file`) the judged reward stands in for CoRe's residual.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax
import numpy as np

from core_jax import envs
from core_jax.agents.ppo import PPO
from core_jax.methods.base import BaseMethod, BaseRun, Context
from core_jax.methods.code import CodeRun, check_file
from core_jax.methods.lrm import cloning
from core_jax.methods.lrm.config import JudgeConfig, LRMConfig
from core_jax.methods.lrm.judges import check_judge, make_judge
from core_jax.methods.lrm.questions import WorldStates
from core_jax.methods.lrm.source import COLUMN, JudgedReward
from core_jax.methods.triggers import Trigger
from core_jax.methods.written import COLUMN as FORMAL_COLUMN
from core_jax.methods.written import FORMAL
from core_jax.reward_models.source import GroundTruth
from core_jax.training.config import TrainingConfig
from core_jax.training.plan import Rewards
from core_jax.training.programs import Program
from core_jax.training.state import SeedState
from core_jax.training.streams import Stream, stream_keys
from core_jax.training.train import Train

_ITERATION = 6_400  # environment steps: 64 environments for 100 steps
_EPISODE = 150  # steps: what comes later in Meta-World's 500 is the finished task, or none
_BASELINES = {
    "sparse_weight": GroundTruth("success", "sparse"),
    "dense_weight": GroundTruth("dense", "dense"),
}


class LRM(BaseMethod):
    """Imitation, then refinement by a large reward model."""

    name: ClassVar[str] = "lrm"
    summary: ClassVar[str] = "a cloned policy refined by progress, completion and comparison"
    config: ClassVar[type] = LRMConfig
    learner: ClassVar[str] = "ppo"

    def asks_writer(self, config: LRMConfig) -> bool:
        """Whether the judge is a chat model."""
        return config.lrm.weight > 0 and config.lrm.judge == "vlm"

    def presets(self, config: LRMConfig, task: str) -> Mapping[str, Any]:
        """30 iterations of PPO, as in the paper, and its discount, clipping and passes."""
        del config
        long = ":" not in task and envs.spec(task).horizon > _EPISODE
        return {
            "envs": 64,
            "rollout": 100,
            "chunk": _ITERATION,
            "steps": 30 * _ITERATION,
            "replay": _ITERATION,
            "random_steps": 0,
            "eval_every": 5 * _ITERATION,
            "checkpoint_every": 10 * _ITERATION,
            "episode_steps": _EPISODE if long else None,
            "ppo.hidden": (128, 128),
            "ppo.actor_lr": 1e-4,
            "ppo.clip": 0.1,
            "ppo.epochs": 4,
            "ppo.minibatches": 8,
            "ppo.kl_weight": 0.05,
            "ppo.value_warm_up": 2,
        }

    def unused(self, config: LRMConfig) -> Mapping[str, str]:
        """Settings of judges that are not asked."""
        asked, found = config.lrm, {}
        if config.formal.file is None:
            found["formal.weight"] = "There is no --formal.file."
        if asked.weight == 0:
            names = {f for f in JudgeConfig.__dataclass_fields__ if not f.endswith("weight")}
            idle = ("truth", *(f"lrm.{n}" for n in sorted(names)))
            return found | dict.fromkeys(idle, "With --lrm.weight 0 nobody is asked.")
        if asked.judge != "scripted":
            found["truth"] = "The judge is not scripted."
        if asked.judge != "own":
            found["lrm.file"] = found["lrm.abstain_below"] = "The judge is not own."
        if asked.judge != "server":
            reason = "The judge is not a server."
            found |= {"lrm.url": reason, "lrm.timeout": reason, "lrm.retries": reason}
        if asked.judge != "vlm":
            reason = "The judge is no chat model."
            found |= {"lrm.both_orders": reason, "lrm.shuffle": reason}
        if asked.judge not in ("server", "vlm"):
            found["lrm.concurrency"] = "The judge is no service."
        if asked.reward != "tri":
            found["lrm.tri_weights"] = f"The reward is {asked.reward} alone."
        if asked.reward not in ("completion", "tri"):
            found["lrm.threshold"] = "Completion is not part of the reward."
        return found

    def check(self, config: LRMConfig, training: TrainingConfig, spec: envs.TaskSpec) -> None:
        """There is a reward, an expert, pictures where they are looked at, and a judge."""
        lrm = config.lrm
        check_file(config.formal.file)
        if not (lrm.weight or lrm.sparse_weight or lrm.dense_weight or config.formal.file):
            raise ValueError(
                "one of lrm.weight, lrm.sparse_weight, lrm.dense_weight must not be 0, or there "
                "must be a formal.file"
            )
        if spec.expert is None:
            raise ValueError(f"task {spec.name} has no expert whose demonstrations can be cloned")
        if config.demos.best > config.demos.worst:
            raise ValueError(
                f"demos.best ({config.demos.best}) must be at most demos.worst "
                f"({config.demos.worst}): they are deficits of skill"
            )
        if abs(sum(lrm.tri_weights) - 1.0) > 1e-4:
            raise ValueError(f"lrm.tri_weights must sum to 1, not {sum(lrm.tri_weights):g}")
        if lrm.weight > 0:
            check_judge(lrm, spec)

    def rewards(self, config: LRMConfig, training: TrainingConfig, env: envs.TaskEnv) -> Rewards:
        """The judged reward, and what is mixed with it."""
        del training
        lrm = config.lrm
        weights = {s.column: getattr(lrm, name) for name, s in _BASELINES.items()}
        weights = {column: weight for column, weight in weights.items() if weight > 0}
        sources = tuple(s for s in _BASELINES.values() if s.column in weights)
        codes = () if config.formal.file is None else (FORMAL_COLUMN,)
        if codes:
            weights[FORMAL] = config.formal.weight
        if lrm.weight == 0:
            return Rewards(weights, sources, codes)
        host = JudgedReward(env, lrm, lambda: make_judge(config, None, None))
        return Rewards({COLUMN: lrm.weight, **weights}, sources, codes, (host,))

    def empty_arrays(
        self, config: LRMConfig, training: TrainingConfig, env: envs.TaskEnv
    ) -> dict[str, Any]:
        """The worlds of the judged reward."""
        if config.lrm.weight == 0:
            return {}
        fresh = WorldStates.fresh(training.seeds, training.envs, _snapshot_size(env))
        return {"worlds": fresh.arrays()}

    def start(self, config: LRMConfig, context: Context, train: Train) -> LRMRun:
        """Starts a run.

        Raises:
            ValueError: the learner is not PPO.
        """
        learner = context.learner
        if not isinstance(learner, PPO):
            raise ValueError(f"method lrm refines a policy by --learner ppo, not {learner.name}")
        return LRMRun(config, context, train, learner)


class LRMRun(BaseRun):
    """LRM during one run.

    Attributes:
        cloned: what was found of the cloned policies, quantity -> one number per seed.
    """

    def __init__(self, config: LRMConfig, context: Context, train: Train, learner: PPO):
        self._config, self._context, self._train, self._learner = config, context, train, learner
        self._host = next((h for h in train.rewards.hosts if isinstance(h, JudgedReward)), None)
        self.cloned: dict[str, list[float]] = {}
        self._code = None if config.formal.file is None else CodeRun(config, context)
        if self._host is not None:
            training, size = context.training, _snapshot_size(context.env)
            self._host.worlds = WorldStates.fresh(training.seeds, training.envs, size)
            self._host.judge = lambda: make_judge(config, context.folder, context.chat_model)

    @property
    def phase(self) -> str:
        """Refinement: cloning is before the first step."""
        return "refinement"

    def prepare(self, seeds: SeedState) -> SeedState:
        """Clones the policies, and evaluates them."""
        context, config = self._context, self._config
        one = functools.partial(cloning.clone, context.env, self._learner, config)
        keys = stream_keys(context.seed, context.seeds, Stream.DEMONSTRATIONS, 0)
        seeds, found = self._train.over_seeds(one, "clone", donate=True)(seeds, keys)
        keys = stream_keys(context.seed, context.seeds, Stream.DEMONSTRATIONS, 1)
        episodes, _ = self._train.evaluate(seeds, keys)
        found = {**found, "cloned_success": np.asarray(episodes.success).mean(axis=1)}
        found = {name: np.asarray(x).tolist() for name, x in jax.device_get(found).items()}
        self.cloned = {name: [round(x, 4) for x in values] for name, values in found.items()}
        context.note(f"cloned: {', '.join(f'{k} {v}' for k, v in self.cloned.items())}")
        return seeds

    @property
    def triggers(self) -> Sequence[Trigger]:
        """Statistics of the reward code are kept."""
        return () if self._code is None else self._code.triggers

    def begin(self) -> None:
        """Every seed uses the reward code."""
        if self._code is not None:
            self._code.begin()

    def programs(self) -> Mapping[str, Sequence[Program]]:
        """The reward code of each seed."""
        return {} if self._code is None else self._code.programs()

    def row(self) -> dict[str, Any]:
        """How often the judge was asked, and how often it gave no answer."""
        if self._host is None:
            return {}
        return {f"lrm_{name}": count for name, count in self._host.counts.items()}

    def summary(self) -> dict[str, Any]:
        """The cloned policies, and the judge."""
        asked = {} if self._host is None else {"judge": self._config.lrm.judge}
        return {**self.cloned, **asked, **self.row()}

    def arrays(self) -> dict[str, Any]:
        """The worlds of the judged reward."""
        if self._host is None or self._host.worlds is None:
            return {}
        return {"worlds": self._host.worlds.arrays()}

    def state(self) -> dict[str, Any]:
        """Counts, and what was found of the cloned policies."""
        counts = {} if self._host is None else dict(self._host.counts)
        code = None if self._code is None else self._code.state()
        return {"cloned": self.cloned, "counts": counts, "formal": code}

    def restore(self, arrays: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint."""
        self.cloned = dict(state["cloned"])
        if self._code is not None:
            self._code.restore(arrays, state["formal"])
        if self._host is not None:
            worlds = {name: np.array(x) for name, x in arrays["worlds"].items()}
            self._host.worlds = WorldStates(**worlds)
            self._host.counts.clear()
            self._host.counts.update(state["counts"])


def _snapshot_size(env: envs.TaskEnv) -> int:
    snapshot = lambda key: env.snapshot(env.reset(key).pipeline_state)
    return jax.eval_shape(snapshot, jax.random.key(0)).shape[0]
