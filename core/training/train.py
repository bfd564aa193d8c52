"""Training as pure functions: `make_train(config)` gives `init` and `train_chunk`.

A chunk is blocks of: act and step the worlds (one jitted scan), score the new steps with the
formal reward (a small jitted function), add them to replay, update the learner (one jitted loop).
The formal reward is a stage of its own so that a new one recompiles neither physics nor SAC; all
stages are pure, so the whole chunk can also be traced into one program.

Everything in a `Lane` has a leading seed axis S and is vmapped over it, and spread over devices
where there are several (`core/devices.py`).
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from core_jax import envs, methods
from core_jax.agents import evaluation, replay, sac
from core_jax.envs.wrappers import TrainingWrapper
from core_jax.feedback import sampling as pairs
from core_jax.reward_models import preference
from core_jax.runs.config import Config
from core_jax.training import devices, rewards
from core_jax.training.reward_input import make_sight, see_block, see_replay
from core_jax.training.rewards import Formal, initial_weights, score
from core_jax.training.state import Film, Lane, Train, TrainState


def make_train(
    config: Config,
    env: envs.TaskEnv | None = None,
    on: Sequence[jax.Device] | None = None,
) -> Train:
    """Builds a run's functions.

    Args:
        config: a checked `Config`.
        env: the environment; made from the config by default.
        on: devices to spread the seeds over; all by default.
    """
    mesh = devices.seed_mesh(config.seeds, on)
    if env is None:
        env = envs.make(config.task, protocol=config.protocol)
    spec, sac_config = env.spec, config.sac
    sizes = (env.observation_size, env.action_size)
    worlds = TrainingWrapper(env, spec.horizon, stagger=True)
    sight = make_sight(config, env)
    model = sight.model
    length = config.feedback.clip_length
    reward_of = functools.partial(rewards.reward_of, limit=methods.get(config.method).formal_limit)

    def init_lane(key: jax.Array) -> Lane:
        key, env_key, agent_key, residual_key, noise_key = jax.random.split(key, 5)
        env_state = worlds.reset(jax.random.split(env_key, config.envs))
        info = env_state.info
        one = jax.tree.map(lambda x: x[0], (env_state.obs, info["target"], info["last_snapshot"]))
        zero = jnp.float32(0)
        example = replay.Transition(
            obs=one[0],
            action=jnp.zeros(env.action_size),
            next_obs=one[0],
            target=one[1],
            snapshot=one[2],
            **dict.fromkeys(replay.Transition._fields[5:], zero),
        )
        return Lane(
            key=key,
            env_state=env_state,
            noise=jax.random.normal(noise_key, (config.envs, env.action_size)),
            learner=sac.init(agent_key, *sizes, sac_config),
            replay=replay.init(example, config.replay_rows, config.envs),
            residual=model.init(residual_key, sight.frames(one[0], one[2])),
            weights=initial_weights(config),
        )

    def collect(lane: Lane, explore: jax.Array) -> tuple[Lane, replay.Transition]:
        """`rollout` vector steps: `[K, N]` transitions without rewards of their own."""

        def body(carry, key):
            state, noise = carry
            noise = sac.correlated_noise(noise, key, sac_config)
            policy = sac.act(lane.learner.actor, state.obs, noise, sac_config)
            uniform = 2.0 * jax.scipy.stats.norm.cdf(noise) - 1.0
            action = jnp.where(explore, uniform, policy)
            new = worlds.step(state, action)
            zero = jnp.zeros_like(new.reward)
            seen = replay.Transition(
                obs=state.obs,
                action=action,
                next_obs=new.info["last_obs"],
                target=state.info["target"],
                snapshot=new.info["last_snapshot"],
                formal=zero,
                residual=zero,
                dense=config.dense_scale * new.metrics["dense"],
                progress=new.metrics["progress"],
                success=new.metrics["success"],
                discount=1.0 - (new.done - new.info["truncation"]),
                cut=new.done,
            )
            ended = (new.done, new.done * new.info["episode_success"], new.metrics["nonfinite"])
            return (new, noise), (seen, ended)

        key, act_key = jax.random.split(lane.key)
        (env_state, noise), (block, (done, succeeded, broken)) = jax.lax.scan(
            body, (lane.env_state, lane.noise), jax.random.split(act_key, config.rollout)
        )
        counts = {
            "episodes": jnp.sum(done),
            "episode_successes": jnp.sum(succeeded),
            "nonfinite": jnp.sum(broken),
        }
        return lane.replace(key=key, env_state=env_state, noise=noise), block, counts

    def insert(lane: Lane, block: replay.Transition, formal: jax.Array) -> tuple[Lane, dict]:
        """Scores a block with the residual reward and adds it to replay."""
        learned = see_block(sight, lane.residual, lane.replay, block)
        block = block._replace(formal=formal, residual=learned)
        means = {k: jnp.mean(getattr(block, k)) for k in ("formal", "residual", "dense")}
        # Not to be taken for an evaluation's: the share of the steps of exploring policies.
        means["step_success"] = jnp.mean(block.success)
        means["step_progress"] = jnp.mean(block.progress)
        means["reward"] = jnp.mean(reward_of(lane.weights, block))
        return lane.replace(replay=replay.add(lane.replay, block)), means

    def sample(lane: Lane, key: jax.Array) -> sac.Batch:
        row, env_index = replay.sample_index(lane.replay, key, (sac_config.batch_size,))
        reward = functools.partial(reward_of, lane.weights)
        n, gamma = sac_config.n_step, sac_config.gamma
        return sac.Batch(*replay.gather_n_step(lane.replay, row, env_index, reward, n, gamma))

    def learn(lanes: Lane, updates: jax.Array) -> tuple[Lane, dict]:
        """`updates` SAC updates of every seed, on batches from its replay."""
        seeds = lanes.key.shape[0]
        update = functools.partial(sac.update, config=sac_config)
        at = lambda tree, i: jax.tree.map(lambda x: x[i], tree)
        stack = lambda trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)
        # On a CPU a few seeds side by side in one program keep the cores busier than products
        # with a batch axis, which XLA runs one after another; many would take long to compile.
        apart = jax.default_backend() == "cpu" and seeds <= 4

        def body(_, carry):
            learners, keys, total = carry
            keys, sample_keys, update_keys = jnp.moveaxis(jax.vmap(_split3)(keys), 1, 0)
            batches = jax.vmap(sample)(lanes, sample_keys)
            if apart:
                each = [update(x, at(batches, i), update_keys[i]) for i, x in enumerate(learners)]
                learners, metrics = tuple(x for x, _ in each), stack([m for _, m in each])
            else:
                learners, metrics = jax.vmap(update)(learners, batches, update_keys)
            return learners, keys, jax.tree.map(jnp.add, total, metrics)

        keys, update_keys = jnp.moveaxis(jax.vmap(jax.random.split)(lanes.key), 1, 0)
        names = ("critic_loss", "actor_loss", "q", "temperature", "entropy")
        learners = tuple(at(lanes.learner, i) for i in range(seeds)) if apart else lanes.learner
        start = (learners, update_keys, {name: jnp.zeros(seeds) for name in names})
        learners, _, total = jax.lax.fori_loop(0, updates, body, start)
        metrics = {k: v / jnp.maximum(updates, 1) for k, v in total.items()}
        return lanes.replace(key=keys, learner=stack(learners) if apart else learners), metrics

    def fit(lane: Lane, data: preference.Preferences, count, key) -> tuple[Lane, dict]:
        frames = [sight.frames(*x) for x in (data.frames_a, data.frames_b)]
        data = data._replace(frames_a=frames[0], frames_b=frames[1])
        residual, metrics = model.fit(lane.residual, data, count, key)
        return lane.replace(residual=residual), metrics

    def standardise(lane: Lane) -> Lane:
        """Sets the residual reward's frame scale from 4,096 steps of replay, if it has one."""
        if not sight.scaled:
            return lane
        key, sample_key = jax.random.split(lane.key)
        drawn = replay.gather(lane.replay, *replay.sample_index(lane.replay, sample_key, (4096,)))
        frames = sight.frames(drawn.next_obs, drawn.snapshot)
        return lane.replace(key=key, residual=model.standardise(lane.residual, frames))

    def relabel_residual(lane: Lane) -> Lane:
        learned = see_replay(sight, lane.residual, lane.replay, config.render_batch)
        data = lane.replay.data._replace(residual=learned)
        return lane.replace(replay=lane.replay.replace(data=data))

    def reset_critic(lane: Lane) -> Lane:
        key, critic_key = jax.random.split(lane.key)
        learner = sac.reset_critic(lane.learner, critic_key, *sizes, sac_config)
        return lane.replace(key=key, learner=learner)

    def evaluate(lane: Lane, key: jax.Array) -> tuple[evaluation.Episodes, Film]:
        mean = jnp.zeros((config.eval_episodes, env.action_size))
        actor = lane.learner.average_actor
        act = lambda obs, _: sac.act(actor, obs, mean, sac_config)
        return evaluation.rollout(
            env.reset, env.step, act, key, config.eval_episodes, spec.horizon, record
        )

    def record(state: Any, action: jax.Array) -> Film:
        return Film(
            next_obs=state.obs,
            action=action,
            target=state.info["target"],
            snapshot=env.snapshot(state.pipeline_state),
            success=state.metrics["success"],
        )

    def residual_of(lane: Lane, film: Film) -> jax.Array:
        return model.predict(lane.residual, sight.frames(film.next_obs, film.snapshot))

    def clips(lane: Lane, key: jax.Array) -> replay.Transition:
        asked = config.feedback
        count = pairs.pool_size(asked.pairs, asked.labels_per_round)
        window = asked.window // config.envs
        age = pairs.RECENT * window if asked.pairs == "recent" else None
        pool = replay.sample_clips(lane.replay, key, count, length, window, age)

        def members_returns() -> jax.Array:  # [E, C]
            seen = pool.next_obs[:, :: sight.every], pool.snapshot[:, :: sight.every]
            rewards = model.members(lane.residual, sight.frames(*seen))
            return sight.every * jnp.sum(rewards, axis=-1)

        fitted, key = lane.weights.residual > 0, jax.random.fold_in(key, 1)
        return pairs.choose(asked.pairs, pool, members_returns, fitted, key, asked.labels_per_round)

    traces: collections.Counter[str] = collections.Counter()

    def counted(
        f: Callable, name: str, donate: bool = False, shared: tuple = (), looks: bool = False
    ) -> Callable:
        """Jits a function of lanes; `shared` are the arguments without a seed axis, and it `looks`
        if it makes pictures."""
        f = devices.over_seeds(f, mesh, shared)

        def traced(*args):
            traces[name] += 1  # Python runs this when it traces, not when it runs
            return f(*args)

        options = sight.compiler_options if looks else None
        return jax.jit(traced, donate_argnums=0 if donate else (), compiler_options=options)

    def over_seeds(
        f: Callable, axes: Any = 0, donate: bool = False, looks: bool = False
    ) -> Callable:
        shared = () if axes == 0 else tuple(i for i, axis in enumerate(axes) if axis is None)
        return counted(jax.vmap(f, in_axes=axes), f.__name__, donate, shared, looks)

    jit_init = over_seeds(init_lane)
    jit_collect = over_seeds(collect, (0, None), donate=True)
    jit_insert = over_seeds(insert, donate=True, looks=True)
    jit_learn = counted(learn, "learn", donate=True, shared=(1,))

    def init(keys: jax.Array) -> TrainState:
        return TrainState(lanes=jit_init(jnp.atleast_1d(keys)), env_steps=jnp.int32(0))

    def train_chunk(
        state: TrainState, formal: Sequence[Formal] | None = None
    ) -> tuple[TrainState, dict[str, Any]]:
        lanes, env_steps, rows = state.lanes, state.env_steps, []
        for _ in range(config.chunk // config.block):
            explore = env_steps < config.random_steps
            lanes, block, counts = jit_collect(lanes, explore)
            value, components = score(formal, spec, block, mesh)
            lanes, means = jit_insert(lanes, block, value)
            env_steps = env_steps + config.block
            updates = jnp.where(env_steps < config.random_steps, 0, config.updates)
            lanes, losses = jit_learn(lanes, updates)
            rows.append({**counts, **means, **losses, "components": components})
        return TrainState(lanes, env_steps), _merge(rows)

    def relabel_formal(lanes: Lane, formal: Sequence[Formal]) -> Lane:
        value, _ = score(formal, spec, lanes.replay.data, mesh)
        data = lanes.replay.data._replace(formal=value)
        return lanes.replace(replay=lanes.replay.replace(data=data))

    return Train(
        env=env,
        init=init,
        train_chunk=train_chunk,
        learn=jit_learn,
        evaluate=over_seeds(evaluate),
        residual_of=over_seeds(residual_of, looks=True),
        fit=over_seeds(fit, donate=True, looks=True),
        relabel_residual=over_seeds(relabel_residual, donate=True, looks=True),
        relabel_formal=relabel_formal,
        reset_critic=over_seeds(reset_critic, donate=True),
        standardise=over_seeds(standardise, donate=True),
        clips=over_seeds(clips, looks=True),
        collect=jit_collect,
        insert=jit_insert,
        place=lambda lanes: devices.place(lanes, mesh),
        traces=traces,
    )


def _split3(key: jax.Array) -> jax.Array:
    return jax.random.split(key, 3)


def _merge(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row per chunk: counts are summed, everything else averaged; leaves stay on device."""
    summed = ("episodes", "episode_successes", "nonfinite")
    merged = {}
    for name in rows[0]:
        if name == "components":
            merged[name] = [
                {k: sum(r[name][i][k] for r in rows) / len(rows) for k in rows[0][name][i]}
                for i in range(len(rows[0][name]))
            ]
            continue
        total = sum(r[name] for r in rows)
        merged[name] = total if name in summed else total / len(rows)
    return merged
