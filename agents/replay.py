"""Replay on the device: a ring buffer laid out `[rows, envs, ...]`, one row per vector step.

Time stays an axis, so a clip of consecutive steps and an n-step window are plain index
arithmetic, and adding a block of rows is one contiguous copy. A functional API in the manner of
flashbax: `init`, `add`, then index and gather.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct


class Truth(NamedTuple):
    """Ground truth of one step: read by baselines, scripted teachers and evaluation only."""

    dense: jax.Array  # [] the benchmark's dense reward, scaled
    progress: jax.Array  # [] 0 at reset, 1 at the goal
    success: jax.Array  # [] 0 or 1


class Transition(NamedTuple):
    """One environment step. Rewards are kept as columns and combined when a batch is drawn."""

    obs: jax.Array  # [O]
    action: jax.Array  # [A]
    next_obs: jax.Array  # [O] the true successor, also where the episode was cut
    target: jax.Array  # [G] the task's target
    snapshot: jax.Array  # [K] what a picture of the successor depends on
    rewards: dict[str, jax.Array]  # column name -> []
    truth: Truth
    discount: jax.Array  # [] 0 where the world ended, else 1
    cut: jax.Array  # [] 1 where the episode ended for whatever reason


class ReplayState(struct.PyTreeNode):
    """`data` leaves are `[rows, envs, ...]`; rows `cursor - size .. cursor - 1` (mod rows) hold
    steps, oldest first."""

    data: Transition
    cursor: jax.Array  # [] int32, where the next block goes
    size: jax.Array  # [] int32, filled rows


def init(example: Transition, rows: int, envs: int) -> ReplayState:
    """An empty buffer for `rows` vector steps of `envs` environments.

    Args:
        example: one transition (arrays or shape structs), without leading axes.
    """
    # zeros, not empty: a slot that was never written must not hold a NaN.
    data = jax.tree.map(lambda x: jnp.zeros((rows, envs, *x.shape), x.dtype), example)
    return ReplayState(data=data, cursor=jnp.int32(0), size=jnp.int32(0))


def add(state: ReplayState, block: Transition) -> ReplayState:
    """Appends a block `[K, envs, ...]`; K must divide the rows, so that no block wraps."""
    return _add(state, block, state.cursor, axis=0)


def add_to_all(states: ReplayState, blocks: Transition) -> ReplayState:
    """`add` for buffers side by side `[S, rows, envs, ...]` that are equally full: where all of
    them continue at one place, adding is a copy, and not a scatter."""
    return _add(states, blocks, states.cursor[0], axis=1)


def _add(state: ReplayState, block: Transition, cursor: jax.Array, axis: int) -> ReplayState:
    rows, length = state.data.cut.shape[axis], block.cut.shape[axis]
    if rows % length:
        raise ValueError(f"replay rows ({rows}) must be a multiple of the block length ({length})")
    data = jax.tree.map(
        lambda ring, new: jax.lax.dynamic_update_slice_in_dim(ring, new, cursor, axis=axis),
        state.data,
        block,
    )
    return ReplayState(
        data=data,
        cursor=(state.cursor + length) % rows,
        size=jnp.minimum(state.size + length, rows),
    )


def capacity(state: ReplayState) -> int:
    """Rows that the buffer can hold."""
    return state.data.cut.shape[0]


def sample_index(
    state: ReplayState, key: jax.Array, shape: tuple[int, ...]
) -> tuple[jax.Array, jax.Array]:
    """Uniform over the filled part: `(age-ordered row, env)`, each int32 of the given shape.

    Row 0 is the oldest filled row; `gather` turns it into a ring position.
    """
    row_key, env_key = jax.random.split(key)
    row = jax.random.randint(row_key, shape, 0, jnp.maximum(state.size, 1))
    env = jax.random.randint(env_key, shape, 0, state.data.cut.shape[1])
    return row, env


def gather(state: ReplayState, row: jax.Array, env: jax.Array) -> Transition:
    """The transitions at age-ordered rows and envs, `row.shape + [...]`."""
    rows, envs = state.data.cut.shape
    position = (state.cursor - state.size + row) % rows
    flat = position * envs + env
    return jax.tree.map(lambda x: x.reshape(rows * envs, *x.shape[2:])[flat], state.data)


class NStep(NamedTuple):
    """An n-step transition: the sum of discounted rewards and where to bootstrap."""

    obs: jax.Array
    action: jax.Array
    reward: jax.Array
    next_obs: jax.Array
    discount: jax.Array


def gather_n_step(
    state: ReplayState,
    row: jax.Array,
    env: jax.Array,
    reward_fn: Callable[[Transition], jax.Array],
    n: int,
    gamma: float,
    change: Callable[[Transition], Transition] | None = None,
) -> NStep:
    """n-step windows that start at `(row, env)`, each `[B]`.

    A window ends early at the end of an episode and at the newest row; it then bootstraps from
    the true successor of its last step, with gamma to the power of the steps it has. Only a world
    that ended (discount 0) does not bootstrap.

    Args:
        reward_fn: combines the reward columns of transitions (`Transition -> [...]`).
        change: what is made of transitions [..., B] before anything is read of them.
    """
    first = gather(state, row, env)
    first = first if change is None else change(first)
    if n == 1:
        discount = gamma * first.discount
        return NStep(first.obs, first.action, reward_fn(first), first.next_obs, discount)
    offsets = jnp.arange(n)[:, None]
    rows = row[None] + offsets
    window = gather(state, jnp.minimum(rows, state.size - 1), jnp.broadcast_to(env, rows.shape))
    window = window if change is None else change(window)
    ends = (window.cut > 0) | (rows >= state.size - 1)
    # A step counts while no earlier step of its window ended it.
    alive = jnp.cumsum(jnp.concatenate([jnp.zeros_like(ends[:1]), ends[:-1]]), axis=0) == 0
    reward = jnp.sum(jnp.where(alive, gamma**offsets * reward_fn(window), 0.0), axis=0)
    last = jnp.sum(alive, axis=0) - 1
    pick = lambda x: jnp.take_along_axis(x, last.reshape(1, -1, *[1] * (x.ndim - 2)), axis=0)[0]
    discount = gamma ** (last + 1) * pick(window.discount)
    return NStep(first.obs, first.action, reward, pick(window.next_obs), discount)


def sample_clips(
    state: ReplayState,
    key: jax.Array,
    count: int,
    length: int,
    window: int,
    age: float | None = None,
) -> Transition:
    """`count` clips of `length` consecutive steps of one episode, `[count, length, ...]`.

    Uniform over the last `window` rows; with an `age`, the probability of a row falls with its age
    by a factor of e every `age` rows. A draw that crosses the end of an episode is moved to the
    steps right after that end, or right before it where the buffer ends first; so that every clip
    is whole, an episode must be at least `length` steps and the buffer hold `2 * length` rows.
    """
    envs = state.data.cut.shape[1]
    row_key, env_key = jax.random.split(key)
    newest = state.size - length  # last row at which a clip can start
    oldest = jnp.maximum(jnp.minimum(state.size - window, newest), 0)
    newest = jnp.maximum(newest, 0)
    if age is None:
        start = jax.random.randint(row_key, (count,), oldest, newest + 1)
    else:  # the inverse of the distribution function of an exponential cut at the window's end
        rows = newest - oldest + 1
        drawn = jax.random.uniform(row_key, (count,)) * -jnp.expm1(-rows / age)
        old = jnp.floor(-age * jnp.log1p(-drawn)).astype(jnp.int32)
        start = newest - jnp.minimum(old, rows - 1)
    env = jax.random.randint(env_key, (count,), 0, envs)
    steps = jnp.arange(length)

    def cut_of(start: jax.Array) -> jax.Array:
        rows, envs = state.data.cut.shape
        position = (state.cursor - state.size + start[:, None] + steps[:-1]) % rows
        return state.data.cut.reshape(-1)[position * envs + env[:, None]]

    if length > 1:
        start = _within_episodes(cut_of(start) > 0, start, newest, length)
    return gather(state, start[:, None] + steps, jnp.broadcast_to(env[:, None], (count, length)))


def _within_episodes(cut: jax.Array, start: jax.Array, newest: jax.Array, length: int) -> jax.Array:
    """Starts of clips that cross the end of an episode, moved to right after that end, or right
    before it where the buffer ends first.

    Args:
        cut: whether an episode ends at each step of a clip but its last [count, length - 1].
        start: of each clip, as an age-ordered row [count].
        newest: last row at which a clip can start [].
        length: of a clip.
    """
    crosses = jnp.any(cut, axis=1)
    after = start + jnp.argmax(cut, axis=1) + 1
    before = after - length
    moved = jnp.where(after <= newest, after, jnp.maximum(before, 0))
    return jnp.where(crosses, moved, start)
