"""Sub-tasks in order: a chain of image programs as one reward with state (VLM-CaR, Venuto et al.,
ICML 2024).

Every program sees every picture of an episode, but only the one of the present sub-task is listened
to, as if each sub-task were an option that its program ends. When it has fired in enough pictures,
the sub-task is done for good, its bonus is paid, and the next one is listened to from the next
picture on.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

Picture = UInt8[Array, "H W 3"]


class PictureProgram(Protocol):
    """A reward on pictures with state, such as `programs.Program`."""

    def init(self, frame: Picture) -> Any:
        """The state before an episode's first step, from its first picture."""
        ...

    def step(self, state: Any, frame: Picture) -> tuple[Any, Float[Array, ""]]:
        """The next state, and a number that is positive where the sub-task is done."""
        ...


class ChainState(NamedTuple):
    """What a chain keeps from picture to picture.

    Attributes:
        stage: how many sub-tasks are done.
        count: pictures in which the present one's program has fired.
        programs: the state of each program.
    """

    stage: Int[Array, ""]
    count: Int[Array, ""]
    programs: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Chain:
    """Sub-tasks in order.

    Attributes:
        programs: one for each.
        frames: pictures in which a program must fire until its sub-task is done.
    """

    programs: tuple[PictureProgram, ...]
    frames: int = 1

    def start(self, frame: Picture) -> ChainState:
        """The state at an episode's first picture, which is not scored."""
        states = tuple(program.init(frame) for program in self.programs)
        return ChainState(jnp.int32(0), jnp.int32(0), states)

    def advance(self, state: ChainState, frame: Picture) -> tuple[ChainState, Bool[Array, " K"]]:
        """The state after a picture, and which programs fired on it."""
        pairs = [p.step(s, frame) for p, s in zip(self.programs, state.programs, strict=True)]
        fired = jnp.stack([fires(value) for _, value in pairs])
        listened = jnp.arange(len(self.programs)) == state.stage
        count = state.count + jnp.any(fired & listened)
        done = count >= self.frames
        stage = state.stage + done
        return ChainState(stage, jnp.where(done, 0, count), tuple(s for s, _ in pairs)), fired


def fires(value: Float[Array, ...]) -> Bool[Array, ...]:
    """Whether a program's number says that its sub-task is done; never if it is not finite."""
    return jnp.isfinite(value) & (value > 0)


def bonus(before: Int[Array, ...], after: Int[Array, ...], each: float) -> Float[Array, ...]:
    """Reward of the sub-tasks that a step completed."""
    return each * (after - before).astype(jnp.float32)


def potential_difference(
    before: Int[Array, ...],
    after: Int[Array, ...],
    discount: Float[Array, ...],
    each: float,
    gamma: float,
) -> Float[Array, ...]:
    """Potential-based shaping, which keeps the optimal policy (Ng, Harada, Russell 1999).

    The potential is `each` for every sub-task that is done, and 0 where the world has ended, so
    that discounted sums over an episode depend on its start alone.

    Args:
        before, after: sub-tasks done before and after a step.
        discount: 0 where the world ended with this step, else 1.
        each: potential of a sub-task.
        gamma: the learner's discount.
    """
    return each * (gamma * discount * after - before)


def size_in_bytes(tree: Any) -> int:
    """Bytes of the arrays (or shapes) in a tree."""
    return sum(math.prod(x.shape) * np.dtype(x.dtype).itemsize for x in jax.tree.leaves(tree))


def pack(tree: Any, size: int) -> UInt8[Array, " size"]:
    """The arrays of a tree as bytes, padded with zeros; the inverse of `unpack`.

    Raises:
        ValueError: they take more than `size` bytes.
    """
    needed = size_in_bytes(tree)
    if needed > size:
        raise ValueError(f"{needed} bytes do not fit into {size}")
    parts = [_to_bytes(x) for x in jax.tree.leaves(tree)]
    return jnp.concatenate([*parts, jnp.zeros(size - needed, jnp.uint8)])


def unpack(packed: UInt8[Array, " size"], like: Any) -> Any:
    """The tree whose bytes these are.

    Args:
        packed: from `pack`.
        like: arrays or shapes of the tree.
    """
    leaves, structure = jax.tree.flatten(like)
    found, at = [], 0
    for leaf in leaves:
        size = size_in_bytes(leaf)
        found.append(_from_bytes(packed[at : at + size], leaf))
        at += size
    return structure.unflatten(found)


def _to_bytes(x: jax.Array) -> jax.Array:
    flat = x.reshape(-1)
    if x.dtype == jnp.bool_:
        return flat.astype(jnp.uint8)
    if x.dtype.itemsize == 1:
        return jax.lax.bitcast_convert_type(flat, jnp.uint8)
    return jax.lax.bitcast_convert_type(flat, jnp.uint8).reshape(-1)


def _from_bytes(part: jax.Array, like: Any) -> jax.Array:
    dtype = np.dtype(like.dtype)
    if dtype == np.bool_:
        return (part > 0).reshape(like.shape)
    if dtype.itemsize > 1:
        part = part.reshape(-1, dtype.itemsize)
    return jax.lax.bitcast_convert_type(part, dtype).reshape(like.shape)
