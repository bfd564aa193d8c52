"""The stages of training one seed, as pure functions of its state: collect, score, learn,
evaluate.

A `Plan` holds what does not change during a run. `core_jax.training.train` vmaps the stages over
seeds, jits them and spreads them over devices.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from core_jax import envs
from core_jax.agents import evaluation, guard, replay
from core_jax.agents.learner import Learner, Rollout, with_values
from core_jax.agents.replay import Transition, Truth
from core_jax.envs.wrappers import TrainingWrapper
from core_jax.reward_models.combine import combine
from core_jax.reward_models.source import RewardSource
from core_jax.training import packing, watching
from core_jax.training.config import TrainingConfig
from core_jax.training.sampling import sample
from core_jax.training.state import EpisodeRecord, SeedState

LARGEST_REWARD = 1e6
"""Rewards beyond it are taken for faults: their squares overflow a critic's loss."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the stages share.

    Attributes:
        config: sizes and schedule.
        env: one world.
        worlds: the same, vectorised with resets.
        learner: what acts and is updated.
        sources: device reward sources.
        columns: every reward column, also those that programs and host sources fill.
        weights: initial weight of each column that is part of the reward.
        watched: those columns that watch episodes.
    """

    config: TrainingConfig
    env: envs.TaskEnv
    worlds: TrainingWrapper
    learner: Learner
    sources: tuple[RewardSource, ...]
    columns: tuple[str, ...]
    weights: Mapping[str, float]
    watched: tuple[watching.WatchedColumn, ...] = ()


def init(plan: Plan, key: jax.Array, values: Mapping[str, jax.Array]) -> SeedState:
    """A seed's state before the first step; `values` are settings of the learner of its own."""
    config, learner = plan.config, with_values(plan.learner, values)
    key, env_key, agent_key, source_key, carry_key = jax.random.split(key, 5)
    env_state = plan.worlds.reset(jax.random.split(env_key, config.envs))
    example = _example(plan, env_state)
    keys = [source_key] + [jax.random.fold_in(source_key, i) for i in range(1, len(plan.sources))]
    return SeedState(
        key=key,
        env_state=env_state,
        carry=learner.init_carry(carry_key, config.envs),
        learner=learner.init(agent_key),
        replay=replay.init(example, config.replay_rows, config.envs),
        sources={s.name: s.init(k, example) for s, k in zip(plan.sources, keys, strict=False)},
        weights={name: jnp.float32(w) for name, w in plan.weights.items()},
        values=dict(values),
        memory={c.name: c.empty(config.envs) for c in plan.watched},
    )


def collect(
    plan: Plan, seed: SeedState, random: jax.Array
) -> tuple[SeedState, Transition, dict[str, jax.Array], dict[str, jax.Array], Any]:
    """Acts and steps the worlds for a rollout.

    Args:
        plan: the run's.
        seed: one seed.
        random: whether actions are uniform random ones [].

    Returns:
        The seed, a block of transitions `[K, N]` without rewards, what the learner keeps of each
        action `[K, N]`, counts, and the snapshots before each step, or None if none are watched.
    """
    learner, config = with_values(plan.learner, seed.values), plan.config

    def body(carry, key):
        state, memory = carry
        action, memory, extras = learner.act(seed.learner, state.obs, memory, key, random)
        new = plan.worlds.step(state, action)
        step = Transition(
            obs=state.obs,
            action=action,
            next_obs=new.info["last_obs"],
            target=state.info["target"],
            snapshot=new.info["last_snapshot"],
            rewards={name: jnp.zeros_like(new.reward) for name in plan.columns},
            truth=_truth(plan, new.metrics),
            discount=1.0 - (new.done - new.info["truncation"]),
            cut=new.done,
        )
        ended = (new.done, new.done * new.info["episode_success"], new.metrics["nonfinite"])
        before = watching.snapshots(plan.env, state, config.envs) if plan.watched else None
        return (new, memory), (step, extras, ended, before)

    key, act_key = jax.random.split(seed.key)
    (env_state, memory), (block, extras, (done, succeeded, broken), before) = packing.scan(
        body, (seed.env_state, seed.carry), jax.random.split(act_key, config.rollout)
    )
    counts = {"episodes": done, "episode_successes": succeeded, "nonfinite": broken}
    seed = seed.replace(key=key, env_state=env_state, carry=memory)
    return seed, block, extras, jax.tree.map(jnp.sum, counts), before


def score(
    plan: Plan, seed: SeedState, block: Transition, given: dict[str, jax.Array]
) -> tuple[Transition, dict[str, Any]]:
    """Scores a block with the device sources, before it is added to replay.

    Args:
        plan: the run's.
        seed: one seed.
        block: from `collect`.
        given: columns `[K, N]` from programs and host sources.

    Returns:
        The block with its rewards, and means for the metrics.
    """
    columns = dict(given)
    metrics: dict[str, Any] = {}
    for source in plan.sources:
        values, more = source.score(seed.sources[source.name], block, seed.replay)
        columns |= values
        metrics |= more
    columns, refused = _usable(columns)
    block = block._replace(rewards=columns)
    means = {
        "rewards": {name: jnp.mean(columns[name]) for name in plan.columns},
        "dense": jnp.mean(block.truth.dense),
        # Not to be taken for an evaluation's: the share of the steps of exploring policies.
        "step_success": jnp.mean(block.truth.success),
        "step_progress": jnp.mean(block.truth.progress),
        "reward": jnp.mean(combine(seed.weights, columns)),
        "refused_rewards": refused,
        **metrics,
    }
    return block, means


def learn(plan: Plan, seeds: SeedState, updates: jax.Array) -> tuple[SeedState, dict]:
    """`updates` gradient steps of an off-policy learner, for every seed `[S]`, on its replay.

    A seed whose learner is not finite after them keeps the learner from before, and the metric
    `skipped_updates` counts them; its other metrics are then 0."""
    count = seeds.key.shape[0]
    update = lambda values, *args: with_values(plan.learner, values).update(*args)
    at = lambda tree, i: jax.tree.map(lambda x: x[i], tree)
    split = jax.vmap(functools.partial(jax.random.split, num=3))
    stack = lambda trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)
    # On a CPU a few seeds side by side in one program keep the cores busier than products
    # with a batch axis, which XLA runs one after another; many would take long to compile.
    apart = jax.default_backend() == "cpu" and count <= 4

    def body(_, carry):
        learners, keys, total = carry
        keys, sample_keys, update_keys = jnp.moveaxis(split(keys), 1, 0)
        batches = jax.vmap(functools.partial(sample, plan))(seeds, sample_keys)
        if apart:
            own = lambda i: (at(batches, i), update_keys[i])
            each = [update(at(seeds.values, i), x, *own(i)) for i, x in enumerate(learners)]
            learners, metrics = tuple(x for x, _ in each), stack([m for _, m in each])
        else:
            learners, metrics = jax.vmap(update)(seeds.values, learners, batches, update_keys)
        return learners, keys, jax.tree.map(jnp.add, total, metrics)

    keys, update_keys = jnp.moveaxis(jax.vmap(jax.random.split)(seeds.key), 1, 0)
    total = {name: jnp.zeros(count) for name in plan.learner.metric_names}
    learners = tuple(at(seeds.learner, i) for i in range(count)) if apart else seeds.learner
    if jax.default_backend() == "cpu":
        learners, _, total = jax.lax.fori_loop(0, updates, body, (learners, update_keys, total))
        new = stack(learners) if apart else learners
        learners, taken = jax.vmap(guard.finite_or)(new, seeds.learner)
    else:
        learners, total, taken = packing.repeat(body, learners, update_keys, total, updates)
    metrics = {k: jnp.where(taken, v / jnp.maximum(updates, 1), 0.0) for k, v in total.items()}
    metrics["skipped_updates"] = jnp.where(taken, 0.0, updates)
    return seeds.replace(key=keys, learner=learners), metrics


def learn_on_policy(
    plan: Plan, seed: SeedState, block: Transition, extras: dict[str, jax.Array]
) -> tuple[SeedState, dict]:
    """One update of an on-policy learner on the block that its policy has just collected."""
    key, update_key = jax.random.split(seed.key)
    rollout = Rollout(
        obs=block.obs,
        action=block.action,
        reward=combine(seed.weights, block.rewards),
        next_obs=block.next_obs,
        discount=block.discount,
        cut=block.cut,
        extras=extras,
    )
    update = with_values(plan.learner, seed.values).update
    state, metrics = update(seed.learner, rollout, update_key)
    return seed.replace(key=key, learner=state), metrics


def rescore(plan: Plan, name: str, seed: SeedState) -> SeedState:
    """Scores all of replay anew with one source."""
    [source] = [s for s in plan.sources if s.name == name]
    columns = source.rescore(seed.sources[name], seed.replay)
    rewards = {**seed.replay.data.rewards, **columns}
    return seed.replace(replay=seed.replay.replace(data=seed.replay.data._replace(rewards=rewards)))


def reset_value(plan: Plan, seed: SeedState) -> SeedState:
    """Fresh critics; the actor stays (PEBBLE, Lee et al. 2021)."""
    key, value_key = jax.random.split(seed.key)
    learner = with_values(plan.learner, seed.values)
    return seed.replace(key=key, learner=learner.reset_value(seed.learner, value_key))


def evaluate(
    plan: Plan, seed: SeedState, key: jax.Array
) -> tuple[evaluation.Episodes, EpisodeRecord]:
    """Plays episodes with the deterministic policy, and records the first."""
    params, env, config = plan.learner.policy(seed.learner), plan.env.nominal, plan.config
    act = lambda obs, _: plan.learner.mode(params, obs)

    def record(state: Any, action: jax.Array) -> EpisodeRecord:
        return EpisodeRecord(
            next_obs=state.obs,
            action=action,
            target=state.info["target"],
            snapshot=env.snapshot(state.pipeline_state),
            truth=_truth(plan, state.metrics),
            cut=state.done,
        )

    return evaluation.rollout(
        env.reset, env.step, act, key, config.eval_episodes, env.spec.horizon, record
    )


def score_episode(plan: Plan, seed: SeedState, record: EpisodeRecord) -> dict[str, jax.Array]:
    """Columns `[T]` of the device sources for a recorded episode."""
    columns: dict[str, jax.Array] = {}
    for source in plan.sources:
        columns |= source.score_episode(seed.sources[source.name], record)
    return columns


def _usable(columns: dict[str, jax.Array]) -> tuple[dict[str, jax.Array], jax.Array]:
    """Columns in which what could ruin a critic for good is 0: values that are not finite or larger
    than `LARGEST_REWARD`; and how many those were."""
    bad = {name: ~(jnp.abs(x) <= LARGEST_REWARD) for name, x in columns.items()}
    usable = {name: jnp.where(bad[name], 0.0, x) for name, x in columns.items()}
    return usable, sum((jnp.sum(x) for x in bad.values()), start=jnp.int32(0))


def _truth(plan: Plan, metrics: Mapping[str, jax.Array]) -> Truth:
    dense = plan.config.dense_scale * metrics["dense"]
    return Truth(dense, metrics["progress"], metrics["success"])


def _example(plan: Plan, env_state: Any) -> Transition:
    """One transition, as an example of shapes and types."""
    info, first = env_state.info, lambda x: x[0]
    one = jax.tree.map(first, (env_state.obs, info["target"], info["last_snapshot"]))
    zero, spec = jnp.float32(0), plan.env.spec
    action = jnp.int32(0) if spec.discrete else jnp.zeros(spec.action_size)
    return Transition(
        obs=one[0],
        action=action,
        next_obs=one[0],
        target=one[1],
        snapshot=one[2],
        rewards={name: zero for name in plan.columns},
        truth=Truth(zero, zero, zero),
        discount=zero,
        cut=zero,
    )
