"""The stages of training one seed, as pure functions of its state: collect, score, learn,
evaluate.

Their first argument is the run's `Plan`, or the part of it that they depend on. `collect`, `learn`
and `evaluate` are given some fields of the state only; `core_jax.training.train` says which, vmaps
the stages over seeds, jits them and spreads them over devices.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from core_jax.agents import evaluation, guard, replay
from core_jax.agents.learner import Rollout, with_values
from core_jax.agents.replay import Transition, Truth
from core_jax.reward_models.combine import combine
from core_jax.reward_models.source import RewardSource
from core_jax.training import packing, watching
from core_jax.training.plan import Acting, Learning, Plan, Playing
from core_jax.training.sampling import sample
from core_jax.training.state import EpisodeRecord, SeedState

LARGEST_REWARD = 1e6
"""Rewards beyond it are taken for faults: their squares overflow a critic's loss."""


def init(plan: Plan, key: jax.Array, values: Mapping[str, jax.Array]) -> SeedState:
    """A seed's state before the first step; `values` are settings of the learner of its own."""
    config, learner = plan.config, with_values(plan.learner, values)
    key, env_key, agent_key, source_key, carry_key = jax.random.split(key, 5)
    env_state = plan.acting.worlds.reset(jax.random.split(env_key, config.envs))
    example = _example(plan, env_state)
    keys = [source_key] + [jax.random.fold_in(source_key, i) for i in range(1, len(plan.sources))]
    return SeedState(
        key=key,
        env_state=env_state,
        carry=learner.init_carry(carry_key, config.envs),
        learner=learner.init(agent_key),
        replay=replay.init(example, config.replay_rows, config.envs),
        sources={s.name: s.init(k, example) for s, k in zip(plan.sources, keys, strict=False)},
        weights={name: jnp.float32(w) for name, w in plan.weights},
        values=dict(values),
        memory={c.name: c.empty(config.envs) for c in plan.watched},
    )


def collect(
    acting: Acting, seed: SeedState, random: jax.Array
) -> tuple[SeedState, Transition, dict[str, jax.Array], dict[str, jax.Array], Any]:
    """Acts and steps the worlds for a rollout.

    Args:
        acting: the worlds and what acts in them.
        seed: one seed.
        random: whether actions are uniform random ones [].

    Returns:
        The seed, a block of transitions `[K, N]` without reward columns, what the learner keeps of
        each action `[K, N]`, counts, and the snapshots before each step, or None if none are
        watched.
    """
    learner = with_values(acting.learner, seed.values)

    def body(carry, key):
        state, memory = carry
        action, memory, extras = learner.act(seed.learner, state.obs, memory, key, random)
        new = acting.worlds.step(state, action)
        step = Transition(
            obs=state.obs,
            action=action,
            next_obs=new.info["last_obs"],
            target=state.info["target"],
            snapshot=new.info["last_snapshot"],
            rewards={},
            truth=_truth(acting.dense_scale, new.metrics),
            discount=1.0 - (new.done - new.info["truncation"]),
            cut=new.done,
        )
        ended = (new.done, new.done * new.info["episode_success"], new.metrics["nonfinite"])
        before = watching.snapshots(acting.env, state, acting.count) if acting.watched else None
        return (new, memory), (step, extras, ended, before)

    key, act_key = jax.random.split(seed.key)
    (env_state, memory), (block, extras, (done, succeeded, broken), before) = packing.scan(
        body, (seed.env_state, seed.carry), jax.random.split(act_key, acting.rollout)
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


def insert(
    plan: Plan, seeds: SeedState, block: Transition, given: dict[str, jax.Array]
) -> tuple[SeedState, Transition | None, dict[str, Any]]:
    """Scores a block of each seed `[S, K, N]` and adds it to replay; an on-policy learner needs it
    back. See `score`."""
    block, means = jax.vmap(functools.partial(score, plan))(seeds, block, given)
    seeds = seeds.replace(replay=replay.add_to_all(seeds.replay, block))
    return seeds, block if plan.learner.on_policy else None, means


def learn(learning: Learning, seeds: SeedState, updates: jax.Array) -> tuple[SeedState, dict]:
    """`updates` gradient steps of an off-policy learner, for every seed `[S]`, on its replay.

    A seed whose learner is not finite after them keeps the learner from before, and the metric
    `skipped_updates` counts them; its other metrics are then 0."""
    count = seeds.key.shape[0]
    update = lambda values, *args: with_values(learning.learner, values).update(*args)
    at = lambda tree, i: jax.tree.map(lambda x: x[i], tree)
    split = jax.vmap(functools.partial(jax.random.split, num=3))
    stack = lambda trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)
    # On a CPU a few seeds side by side in one program keep the cores busier than products
    # with a batch axis, which XLA runs one after another; many would take long to compile.
    apart = jax.default_backend() == "cpu" and count <= 4

    def body(_, carry):
        learners, keys, total = carry
        keys, sample_keys, update_keys = jnp.moveaxis(split(keys), 1, 0)
        batches = jax.vmap(functools.partial(sample, learning))(seeds, sample_keys)
        if apart:
            own = lambda i: (at(batches, i), update_keys[i])
            each = [update(at(seeds.values, i), x, *own(i)) for i, x in enumerate(learners)]
            learners, metrics = tuple(x for x, _ in each), stack([m for _, m in each])
        else:
            learners, metrics = jax.vmap(update)(seeds.values, learners, batches, update_keys)
        return learners, keys, jax.tree.map(jnp.add, total, metrics)

    keys, update_keys = jnp.moveaxis(jax.vmap(jax.random.split)(seeds.key), 1, 0)
    total = {name: jnp.zeros(count) for name in learning.learner.metric_names}
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
    learning: Learning, seed: SeedState, block: Transition, extras: dict[str, jax.Array]
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
    update = with_values(learning.learner, seed.values).update
    state, metrics = update(seed.learner, rollout, update_key)
    return seed.replace(key=key, learner=state), metrics


def rescore(source: RewardSource, seed: SeedState) -> SeedState:
    """Scores all of replay anew with one source."""
    columns = source.rescore(seed.sources[source.name], seed.replay)
    rewards = {**seed.replay.data.rewards, **columns}
    return seed.replace(replay=seed.replay.replace(data=seed.replay.data._replace(rewards=rewards)))


def reset_value(learning: Learning, seed: SeedState) -> SeedState:
    """Fresh critics; the actor stays (PEBBLE, Lee et al. 2021)."""
    key, value_key = jax.random.split(seed.key)
    learner = with_values(learning.learner, seed.values)
    return seed.replace(key=key, learner=learner.reset_value(seed.learner, value_key))


def evaluate(
    playing: Playing, seed: SeedState, key: jax.Array
) -> tuple[evaluation.Episodes, EpisodeRecord]:
    """Plays episodes with the deterministic policy, and records the first."""
    params, env = playing.learner.policy(seed.learner), playing.env.nominal
    act = lambda obs, _: playing.learner.mode(params, obs)

    def record(state: Any, action: jax.Array) -> EpisodeRecord:
        return EpisodeRecord(
            next_obs=state.obs,
            action=action,
            target=state.info["target"],
            snapshot=env.snapshot(state.pipeline_state),
            truth=_truth(playing.dense_scale, state.metrics),
            cut=state.done,
        )

    return evaluation.rollout(
        env.reset, env.step, act, key, playing.episodes, env.spec.horizon, record
    )


def score_episode(
    sources: tuple[RewardSource, ...], seed: SeedState, record: EpisodeRecord
) -> dict[str, jax.Array]:
    """Columns `[T]` of the device sources for a recorded episode."""
    columns: dict[str, jax.Array] = {}
    for source in sources:
        columns |= source.score_episode(seed.sources[source.name], record)
    return columns


def _usable(columns: dict[str, jax.Array]) -> tuple[dict[str, jax.Array], jax.Array]:
    """Columns in which what could ruin a critic for good is 0: values that are not finite or larger
    than `LARGEST_REWARD`; and how many those were."""
    bad = {name: ~(jnp.abs(x) <= LARGEST_REWARD) for name, x in columns.items()}
    usable = {name: jnp.where(bad[name], 0.0, x) for name, x in columns.items()}
    return usable, sum((jnp.sum(x) for x in bad.values()), start=jnp.int32(0))


def _truth(dense_scale: float, metrics: Mapping[str, jax.Array]) -> Truth:
    return Truth(dense_scale * metrics["dense"], metrics["progress"], metrics["success"])


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
