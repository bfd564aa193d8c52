"""A tree of arrays with a leading seed axis as one matrix per type, and back.

On an accelerator an elementwise operation on a hundred small arrays is a hundred kernels, on one
matrix it is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from core_jax.agents import guard

Packed = dict[str, jax.Array]


def repeat(
    body: Callable[[Any, tuple], tuple],
    learners: Any,
    keys: jax.Array,
    total: dict[str, jax.Array],
    count: jax.Array,
) -> tuple[Any, dict[str, jax.Array], jax.Array]:
    """Updates learners, packed from one update to the next.

    Args:
        body: `(i, (learners, keys, total)) -> (learners, keys, total)`, one update.
        learners: a tree of arrays `[S, ...]`.
        keys: of each seed `[S]`.
        total: sums of metrics `[S]`.
        count: of updates.

    Returns:
        The learners and the sums; and whether each seed's are finite `[S]`: a seed whose are not
        keeps those from before.
    """
    pack, unpack = packer((learners, total))

    def packed_body(i: Any, carry: tuple[Packed, jax.Array]) -> tuple[Packed, jax.Array]:
        packed, keys = carry
        learners, total = unpack(packed)
        learners, keys, total = body(i, (learners, keys, total))
        return pack((learners, total)), keys

    before = pack((learners, total))
    packed, _ = jax.lax.fori_loop(0, count, packed_body, (before, keys))
    packed, taken = jax.vmap(guard.finite_or)(packed, before)
    return *unpack(packed), taken


def scan(body: Callable[[Any, Any], tuple[Any, Any]], carry: Any, xs: jax.Array) -> tuple[Any, Any]:
    """`jax.lax.scan`, off the CPU with each step's results, a tree of arrays `[N, ...]`, written as
    one matrix per type."""
    if jax.default_backend() == "cpu":
        return jax.lax.scan(body, carry, xs)
    unpacks = []

    def packed_body(carry: Any, x: Any) -> tuple[Any, Packed]:
        carry, results = body(carry, x)
        pack, unpack = packer(results)
        unpacks.append(unpack)  # of every trace, all alike
        return carry, pack(results)

    carry, packed = jax.lax.scan(packed_body, carry, xs)
    return carry, jax.vmap(unpacks[-1])(packed)


def packer(example: Any) -> tuple[Callable[[Any], Packed], Callable[[Packed], Any]]:
    """Functions that pack trees like an example into matrices `[S, K]`, one for each type, and
    unpack them.

    Args:
        example: a tree of arrays `[S, ...]`.
    """
    leaves, structure = jax.tree.flatten(example)
    shapes = [leaf.shape[1:] for leaf in leaves]
    kinds = [str(leaf.dtype) for leaf in leaves]
    order = {kind: [i for i, k in enumerate(kinds) if k == kind] for kind in dict.fromkeys(kinds)}

    def pack(tree: Any) -> Packed:
        found = jax.tree.leaves(tree)
        flat = lambda i: found[i].reshape(found[i].shape[0], -1)
        return {k: jnp.concatenate([flat(i) for i in of], axis=1) for k, of in order.items()}

    def unpack(packed: Packed) -> Any:
        found: list[Any] = [None] * len(shapes)
        for kind, of in order.items():
            start = 0
            for i in of:
                size = math.prod(shapes[i])
                part = jax.lax.slice_in_dim(packed[kind], start, start + size, axis=1)
                found[i] = part.reshape(part.shape[0], *shapes[i])
                start += size
        return structure.unflatten(found)

    return pack, unpack
