"""Training as pure functions: `make_train` gives `init`, `train_chunk` and what a method needs.

A chunk is blocks of four stages: collect (act and step the worlds, one jitted scan), score by
reward programs and host sources, insert (score by device sources, add to replay), learn. Reward
programs are a stage of their own so that a new one recompiles neither physics nor learner. Every
stage is pure, has a leading seed axis S and is spread over devices where there are several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from core_jax import envs
from core_jax.agents import learner as learners
from core_jax.agents.learner import Learner
from core_jax.training import (
    devices,
    given_columns,
    host_columns,
    jitted,
    programs,
    stages,
    watching,
)
from core_jax.training.config import TrainingConfig
from core_jax.training.jitted import Jitted, Stage, of_each_seed
from core_jax.training.plan import Plan, Rewards
from core_jax.training.programs import Program
from core_jax.training.sampling import check_hindsight
from core_jax.training.state import EpisodeRecord, SeedState, TrainState


class Train:
    """The functions of a run: all pure. Those of physics and learner are shared with other runs of
    this process in which they are the same.

    Attributes:
        env: one world.
        plan: what does not change during a run.
        rewards: where the reward comes from.
        mesh: the devices that the seeds are spread over; None for one.
        collect, insert, learn_function, learn_on_policy, evaluate: the stages, jitted.
    """

    def __init__(self, plan: Plan, rewards: Rewards, mesh: Mesh | None):
        self.env, self.plan, self.rewards, self.mesh = plan.env, plan, rewards, mesh
        self._made: list[tuple[str, Jitted, int]] = []
        self._options = next((s.compiler_options for s in plan.sources if s.compiler_options), None)
        self._init = self.stage(stages.init, plan, (), changes=False).jitted
        self.collect = self.stage(stages.collect, plan.acting, _COLLECT, shared=(1,))
        self.insert = self.stage(stages.insert, plan, _INSERT, each=False, options=self._options)
        self.learn_function = self.stage(
            stages.learn,
            plan.learning,
            _LEARN + ("sources",) * (plan.learning.hindsight is not None),
            each=False,
            shared=(1,),
        )
        self.learn_on_policy = self.stage(
            stages.learn_on_policy, plan.learning, ("key", "learner", "weights", "values")
        )
        self.evaluate = self.stage(stages.evaluate, plan.playing, ("learner",), changes=False)
        self.reset_value = self.stage(
            stages.reset_value, plan.learning, ("key", "learner", "values")
        )
        self._score_episode = self.stage(
            stages.score_episode, plan.sources, ("sources",), changes=False, options=self._options
        )
        self._rescore: dict[str, Stage] = {}

    @property
    def traces(self) -> Counter[str]:
        """How often each function was traced since this run has it: one that another run traced for
        the same shapes need not be."""
        found: Counter[str] = Counter()
        for name, function, before in self._made:
            found[name] += function.traces - before
        return found

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

    def rescore_function(self, name: str) -> Stage:
        """What `rescore` calls for a source, jitted."""
        if name not in self._rescore:
            [source] = [s for s in self.plan.sources if s.name == name]
            fields, label = ("sources", "replay"), f"rescore_{name}"
            self._rescore[name] = self.stage(
                stages.rescore, source, fields, options=self._options, name=label
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
        options: Mapping[str, bool | int] | None = None,
    ) -> Jitted:
        """Jits a function of one seed's state for all seeds.

        Args:
            f: pure; its arguments are without a seed axis.
            name: under which its traces are counted.
            shared: positions of arguments that all seeds share.
            donate: whether the first argument's buffers may be reused.
            options: XLA compiler options.
        """

        chosen = None if options is None else tuple(options.items())
        made = Jitted(of_each_seed(f, shared), self.mesh, shared, donate, chosen)
        self._made.append((name, made, made.traces))
        return made

    def place(self, seeds: SeedState) -> SeedState:
        """Puts restored seeds on the devices that they are trained on."""
        return devices.place(seeds, self.mesh)

    def stage(
        self,
        f: Callable,
        part: Any,
        fields: tuple[str, ...],
        changes: bool = True,
        options: Mapping[str, bool | int] | None = None,
        name: str = "",
        **more: Any,
    ) -> Stage:
        """Jits a function for all seeds that runs of this process share where it is the same.

        Args:
            f: of a module; maps `part`, one seed's state and more to the state, or a tuple that
                begins with it, or (`changes` False) to anything.
            part: what `f` depends on, by value.
            fields: of the state that it is given; the others are None.
            changes: whether it returns the state; its buffers are then reused.
            options: XLA compiler options.
            name: under which its traces are counted; the function's by default.
            more: `each` and `shared` of `core_jax.training.jitted.stage`.
        """
        chosen = None if options is None else tuple(options.items())
        made = jitted.stage(f, part, self.mesh, donate=changes, options=chosen, **more)
        self._made.append((name or f.__name__, made, made.traces))
        return Stage(made, fields, changes)

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
    weights = tuple(rewards.weights.items())
    of_rewards = (rewards.sources, rewards.columns, weights, rewards.watched)
    plan = Plan(config, env, learner, *of_rewards)
    check_hindsight(plan)
    return Train(plan, rewards, mesh)


# Fields of the seeds' state that stages are given.
_COLLECT = ("key", "env_state", "carry", "learner", "values")
_INSERT = ("replay", "sources", "weights")
_LEARN = ("key", "learner", "replay", "weights", "values")
_SUMMED = ("episodes", "episode_successes", "nonfinite", "refused_rewards", "skipped_updates")


def _merge(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row per chunk: counts are summed, everything else averaged; leaves stay on device."""
    total = jax.tree.map(lambda *leaves: sum(leaves), *rows)
    mean = jax.tree.map(lambda leaf: leaf / len(rows), total)
    return {**mean, **{name: total[name] for name in _SUMMED if name in total}}
