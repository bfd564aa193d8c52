"""What a run is made of, as data: a `Lane` per seed, and the functions that move lanes on.

Everything in a `Lane` has a leading seed axis S once it is in a `TrainState`.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import flax
import jax

from core_jax import envs
from core_jax.agents import evaluation, replay, sac
from core_jax.reward_models import preference
from core_jax.reward_models.combine import Weights


@flax.struct.dataclass
class Lane:
    """One seed's whole world: learner, replay, environments, residual reward, keys."""

    key: jax.Array
    env_state: Any  # brax State, leading axis N
    noise: jax.Array  # [N, A] exploration noise, correlated in time
    learner: sac.SACState
    replay: replay.ReplayState
    residual: preference.PreferenceState
    weights: Weights


@flax.struct.dataclass
class TrainState:
    """All seeds. `lanes` leaves have a leading axis S; `env_steps` counts one seed's steps."""

    lanes: Lane
    env_steps: jax.Array  # [] int32


class Film(NamedTuple):
    """What is kept of an evaluation's first episode, `[T, ...]`; fields as a transition's."""

    next_obs: jax.Array
    action: jax.Array
    target: jax.Array
    snapshot: jax.Array
    success: jax.Array


class Train(NamedTuple):
    """The functions of a run. All are pure; those marked * are jitted.

    init(keys [S] or one key) -> TrainState *
    train_chunk(state, formal) -> (TrainState, metrics): `config.chunk` environment steps; formal
        is one `FormalReward` per seed, or None where the method has none.
    collect(lanes, explore) -> (lanes, block, counts) *: act and step, a block's first stage
    insert(lanes, block, formal values) -> (lanes, means) *: its third stage, after scoring
    learn(lanes, updates) -> (lanes, metrics) *: its last stage
    evaluate(lanes, key) -> (Episodes [S, eval_episodes], Film [S, T] of the first) *
    residual_of(lanes, film [S, T]) -> residual reward [S, T] *
    fit(lanes, data, counts, keys) -> (lanes, metrics) *: residual reward on labels
    relabel_residual(lanes) -> lanes *
    relabel_formal(lanes, formal) -> lanes
    reset_critic(lanes) -> lanes *
    clips(lanes, key) -> Transition [S, 2 * labels_per_round, H, ...] *
    place(lanes) -> lanes: restored ones, on the devices that their seeds are spread over
    """

    env: envs.TaskEnv
    init: Callable[..., TrainState]
    train_chunk: Callable[..., tuple[TrainState, dict[str, Any]]]
    learn: Callable[..., tuple[Lane, dict[str, jax.Array]]]
    evaluate: Callable[..., tuple[evaluation.Episodes, Film]]
    residual_of: Callable[[Lane, Film], jax.Array]
    fit: Callable[..., tuple[Lane, dict[str, jax.Array]]]
    relabel_residual: Callable[[Lane], Lane]
    relabel_formal: Callable[..., Lane]
    reset_critic: Callable[[Lane], Lane]
    standardise: Callable[[Lane], Lane]
    clips: Callable[..., replay.Transition]
    collect: Callable[..., tuple[Lane, replay.Transition, dict[str, jax.Array]]]
    insert: Callable[..., tuple[Lane, dict[str, jax.Array]]]
    place: Callable[[Lane], Lane]
    traces: collections.Counter[str]  # how often each function was traced
