"""Training as pure functions: `make_train` gives `init`, `train_chunk` and what a method needs.

A chunk is blocks of four stages: collect (act and step the worlds, one jitted scan), score by
reward programs and host sources, insert (score by device sources, add to replay), learn. Reward
programs are a stage of their own so that a new one recompiles neither physics nor learner. Every
stage is pure, has a leading seed axis S and is spread over devices where there are several.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from core_jax import envs
from core_jax.agents import learner as learners
from core_jax.agents import replay
from core_jax.agents.learner import Learner
from core_jax.envs.wrappers import TrainingWrapper
from core_jax.reward_models.source import HostSource, RewardSource, columns_of
from core_jax.training import (
    devices,
    given_columns,
    host_columns,
    programs,
    stages,
    watching,
)
from core_jax.training.config import TrainingConfig
from core_jax.training.programs import Program, ProgramColumn
from core_jax.training.sampling import check_hindsight
from core_jax.training.stages import Plan
from core_jax.training.state import EpisodeRecord, SeedState, TrainState
from core_jax.training.watching import WatchedColumn


@dataclasses.dataclass(frozen=True)
class Rewards:
    """Where a run's reward comes from.

    Attributes:
        weights: initial weight of each column that is part of the reward.
        sources: scored on the device, inside jit.
        programs: columns that code fills, one program for each seed.
        hosts: scored outside of the device.
        watched: columns that watch episodes through pictures, one watcher for each seed.
    """

    weights: Mapping[str, float]
    sources: tuple[RewardSource, ...] = ()
    programs: tuple[ProgramColumn, ...] = ()
    hosts: tuple[HostSource, ...] = ()
    watched: tuple[WatchedColumn, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every reward column.

        Raises:
            ValueError: two of them have the same name.
        """
        return columns_of((*self.programs, *self.sources, *self.hosts, *self.watched))


class Train:
    """The functions of a run: all pure; `traces` counts how often each was traced.

    Attributes:
        env: one world.
        plan: what does not change during a run.
        rewards: where the reward comes from.
        mesh: the devices that the seeds are spread over; None for one.
        collect, insert, learn_function, learn_on_policy, evaluate: the stages, jitted.
        traces: function name -> number of traces.
    """

    def __init__(self, plan: Plan, rewards: Rewards, mesh: Mesh | None):
        self.env, self.plan, self.rewards, self.mesh = plan.env, plan, rewards, mesh
        self.traces: collections.Counter[str] = collections.Counter()
        self._options = next((s.compiler_options for s in plan.sources if s.compiler_options), None)
        bind = lambda f: functools.partial(f, plan)
        self._init = self.over_seeds(bind(stages.init), "init")
        self.collect = self.over_seeds(bind(stages.collect), "collect", (1,), donate=True)
        self.insert = self._jit(_insert(plan), "insert", donate=True, options=self._options)
        self.learn_function = self._jit(bind(stages.learn), "learn", (1,), donate=True)
        self.learn_on_policy = self.over_seeds(
            bind(stages.learn_on_policy), "learn_on_policy", donate=True
        )
        self.evaluate = self.over_seeds(bind(stages.evaluate), "evaluate")
        self.reset_value = self.over_seeds(bind(stages.reset_value), "reset_value", donate=True)
        self._score_episode = self.over_seeds(
            bind(stages.score_episode), "episode", options=self._options
        )
        self._rescore: dict[str, Callable] = {}

    def init(
        self, keys: jax.Array, values: Mapping[str, jax.typing.ArrayLike] | None = None
    ) -> TrainState:
        """The state before the first step.

        Args:
            keys: one per seed [S] (or one key).
            values: a sweep: settings of the learner, by field (of `learner.sweepable`), each with
                one value per seed [S].

        Raises:
            ValueError: a field that cannot be swept, or not one value per seed.
        """
        keys = jnp.atleast_1d(keys)
        own = learners.values_of(self.plan.learner, values or {}, len(keys))
        return TrainState(seeds=self._init(keys, own), env_steps=jnp.int32(0))

    def train_chunk(
        self, state: TrainState, given: Mapping[str, Sequence[Program]] | None = None
    ) -> tuple[TrainState, dict[str, Any]]:
        """Trains for `config.chunk` environment steps.

        Args:
            state: donated.
            given: program column -> one program per seed; columns left out are 0.

        Returns:
            The new state and a row of metrics, on the device.
        """
        config, rows = self.plan.config, []
        seeds, env_steps = state.seeds, state.env_steps
        for _ in range(config.chunk // config.block):
            seeds, env_steps, row = self._block(seeds, env_steps, given or {})
            rows.append(row)
        return TrainState(seeds=seeds, env_steps=env_steps), _merge(rows)

    def learn(self, seeds: SeedState, updates: int | jax.Array) -> tuple[SeedState, dict[str, Any]]:
        """`updates` gradient steps of an off-policy learner, for every seed, on its replay."""
        # One type for every caller: JAX would compile a Python number and an array twice.
        return self.learn_function(seeds, jnp.asarray(updates, jnp.int32))

    def rescore(self, seeds: SeedState, name: str) -> SeedState:
        """Scores all of replay anew with the source of that name."""
        return self.rescore_function(name)(seeds)

    def rescore_function(self, name: str) -> Callable:
        """What `rescore` calls for a source, jitted."""
        if name not in self._rescore:
            f = functools.partial(stages.rescore, self.plan, name)
            self._rescore[name] = self.over_seeds(
                f, f"rescore_{name}", donate=True, options=self._options
            )
        return self._rescore[name]

    def rescore_programs(
        self, seeds: SeedState, column: str, given: Sequence[Program]
    ) -> SeedState:
        """Scores all of replay anew with one program per seed."""
        [found] = [p for p in self.rewards.programs if p.name == column]
        data = seeds.replay.data
        value, _ = programs.score(found, given, self.env.spec.formal_view, data, self.mesh)
        data = data._replace(rewards={**data.rewards, column: value})
        return seeds.replace(replay=seeds.replay.replace(data=data))

    def score_record(
        self, seeds: SeedState, record: EpisodeRecord, given: Mapping[str, Sequence[Any]]
    ) -> dict[str, jax.Array]:
        """Every reward column of one recorded episode of each seed, [S, T]; without the program
        columns that are not in `given`."""
        columns = {
            p.name: programs.score_episodes(p, given[p.name], self.env.spec.formal_view, record)
            for p in self.rewards.programs
            if p.name in given
        }
        for column in self.rewards.watched:
            if column.name in given:
                columns[column.name] = watching.score_episodes(given[column.name], record)
        if self.rewards.hosts:
            as_block = jax.tree.map(lambda x: np.asarray(x)[:, :, None], record)  # one environment
            for host in self.rewards.hosts:
                found = host_columns.score_episode(host, as_block)
                columns |= {name: values[:, :, 0] for name, values in found.items()}
        return columns | self._score_episode(seeds, record)

    def over_seeds(
        self,
        f: Callable,
        name: str,
        shared: Sequence[int] = (),
        donate: bool = False,
        options: Any = None,
    ) -> Callable:
        """Jits a function of one seed's state for all seeds.

        Args:
            f: pure; its arguments are without a seed axis.
            name: under which its traces are counted.
            shared: positions of arguments that all seeds share.
            donate: whether the first argument's buffers may be reused.
            options: XLA compiler options.
        """

        def vmapped(*args):
            axes = tuple(None if i in shared else 0 for i in range(len(args)))
            return jax.vmap(f, in_axes=axes)(*args)

        return self._jit(vmapped, name, shared, donate, options)

    def place(self, seeds: SeedState) -> SeedState:
        """Puts restored seeds on the devices that they are trained on."""
        return devices.place(seeds, self.mesh)

    def _jit(
        self,
        f: Callable,
        name: str,
        shared: Sequence[int] = (),
        donate: bool = False,
        options: Any = None,
    ) -> Callable:
        f = devices.over_seeds(f, self.mesh, tuple(shared))

        def traced(*args):
            self.traces[name] += 1  # Python runs this when it traces, not when it runs
            return f(*args)

        options = devices.compiler_options() if options is None else options
        outer = jax.jit(traced, donate_argnums=0 if donate else (), compiler_options=options)
        return devices.WithOptions(traced, outer) if options else outer

    def _block(
        self, seeds: SeedState, env_steps: jax.Array, given: Mapping[str, Sequence[Program]]
    ) -> tuple[SeedState, jax.Array, dict[str, Any]]:
        config, learner = self.plan.config, self.plan.learner
        random = env_steps < config.random_steps
        seeds, block, extras, counts, before = self.collect(seeds, random)
        seeds, columns, components = given_columns.fill(
            self.rewards, self.env.spec.formal_view, self.mesh, seeds, before, block, given
        )
        seeds, block, means = self.insert(seeds, block, columns)
        env_steps = env_steps + config.block
        if learner.on_policy:
            seeds, losses = self.learn_on_policy(seeds, block, extras)
        else:
            updates = jnp.where(env_steps < config.random_steps, 0, config.updates)
            seeds, losses = self.learn(seeds, updates)
        return seeds, env_steps, {**counts, **means, **losses, "components": components}


def make_train(
    config: TrainingConfig,
    env: envs.TaskEnv,
    learner: Learner,
    rewards: Rewards,
    on: Sequence[Any] | None = None,
) -> Train:
    """Builds a run's functions.

    Args:
        config: sizes and schedule.
        env: one world.
        learner: what acts and is updated.
        rewards: where the reward comes from.
        on: devices to spread the seeds over; all by default.
    """
    mesh = devices.seed_mesh(config.seeds, on)
    worlds = TrainingWrapper(env, config.episode_steps or env.spec.horizon, stagger=True)
    of_rewards = (rewards.sources, rewards.columns, rewards.weights, rewards.watched)
    plan = Plan(config, env, worlds, learner, *of_rewards)
    check_hindsight(plan)
    return Train(plan, rewards, mesh)


def _insert(plan: Plan) -> Callable:
    """Scores a block and adds it to replay, for all seeds; only an on-policy learner needs it
    back."""

    def insert(seeds: SeedState, block: Any, given: dict[str, jax.Array]):
        block, means = jax.vmap(functools.partial(stages.score, plan))(seeds, block, given)
        seeds = seeds.replace(replay=replay.add_to_all(seeds.replay, block))
        return seeds, block if plan.learner.on_policy else None, means

    return insert


_SUMMED = ("episodes", "episode_successes", "nonfinite", "refused_rewards", "skipped_updates")


def _merge(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row per chunk: counts are summed, everything else averaged; leaves stay on device."""
    total = jax.tree.map(lambda *leaves: sum(leaves), *rows)
    mean = jax.tree.map(lambda leaf: leaf / len(rows), total)
    return {**mean, **{name: total[name] for name in _SUMMED if name in total}}
