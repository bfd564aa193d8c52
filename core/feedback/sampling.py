"""Which pairs of clips a teacher is asked about.

`uniform` is the paper's. `disagreement` and `entropy` draw a pool ten times as large and keep the
pairs over which the ensemble disagrees, or about which its members are least certain, as B-Pref
does (Lee et al. 2021). `recent` prefers clips of the newest policies. `quantiles` takes clips from
all quantiles of two reward columns, so that a round covers high, middling and low values of both.

Before the learned reward's first fit nothing is known of a pair: then `disagreement` and `entropy`
take the first pairs of the pool, which are uniform (as PEBBLE's first round is).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import chex
import jax
import jax.numpy as jnp

from core_jax.agents.replay import Transition

Rule = Literal["uniform", "disagreement", "entropy", "recent", "quantiles"]

OVERSAMPLE = 10  # pool per pair asked about (B-Pref)
RECENT = 0.25  # mean age of a clip under `recent`, as a part of the window, were it endless


def pool_size(rule: Rule, pairs: int) -> int:
    """Clips to draw for `pairs` questions."""
    return 2 * pairs * (1 if rule in ("uniform", "recent") else OVERSAMPLE)


def choose(
    rule: Rule,
    pool: Transition,
    members_returns: Callable[[], jax.Array],
    fitted: jax.Array,
    key: jax.Array,
    pairs: int,
) -> Transition:
    """The clips of `pairs` pairs out of a pool, `[2 * pairs, H, ...]`; clips 2i and 2i + 1 meet.

    Args:
        rule: how.
        pool: clips `[pool_size, H, ...]`.
        members_returns: gives each member's summed reward of each clip of the pool [E, pool_size];
            called if the rule needs it.
        fitted: whether the learned reward has been fitted [].
        key: for what is left to chance.
        pairs: how many.
    """
    if rule in ("uniform", "recent"):
        return pool
    if rule == "quantiles":
        returns = [jnp.sum(pool.rewards[name], axis=1) for name in sorted(pool.rewards)]
        chosen = across_quantiles(returns[0], returns[-1], key, pairs)
    else:
        returns = members_returns()
        measure = disagreement if rule == "disagreement" else entropy
        worth = measure(returns.reshape(returns.shape[0], -1, 2))
        chosen = best(jnp.where(fitted, worth, 0.0), alike(pool), pairs)
    return jax.tree.map(lambda x: x[chosen], pool)


def disagreement(returns: jax.Array) -> jax.Array:
    """Standard deviation over the members of P(B better) [P].

    Args:
        returns: each member's summed reward of both clips [E, P, 2].
    """
    return jnp.std(_p_second(returns), axis=0)


def entropy(returns: jax.Array) -> jax.Array:
    """Mean over the members of the entropy of their answer, in nats [P]; arguments as above."""
    p = _p_second(returns)
    return -jnp.mean(jax.scipy.special.xlogy(p, p) + jax.scipy.special.xlogy(1 - p, 1 - p), axis=0)


def alike(clips: Transition) -> jax.Array:
    """Whether the two clips of each pair look the same [P], from clips [2 * P, H, ...]."""
    obs = clips.next_obs
    return jnp.max(jnp.abs(obs[::2] - obs[1::2]), axis=(1, 2)) <= 1e-6


def best(worth: jax.Array, same: jax.Array, pairs: int) -> jax.Array:
    """The clips of the `pairs` worthiest pairs, as indices [2 * pairs] into the pool.

    Args:
        worth: of each pair of the pool [P].
        same: pairs that nobody can tell apart [P]; they come last.
    """
    chex.assert_equal_shape([worth, same])
    _, chosen = jax.lax.top_k(jnp.where(same, -jnp.inf, worth), pairs)
    return jnp.stack([2 * chosen, 2 * chosen + 1], axis=1).reshape(-1)


def across_quantiles(first: jax.Array, second: jax.Array, key: jax.Array, pairs: int) -> jax.Array:
    """Clips of `pairs` pairs as indices [2 * pairs] into a pool of C clips.

    Each pair is a clip from one of `pairs` equal bins of the first reward's ranking, every bin
    once, and one from a bin of the second's.

    Args:
        first, second: the clips' summed rewards [C]; C is a multiple of `pairs`.
        key: for the choice within a bin, and for who meets whom.
        pairs: how many.
    """
    chex.assert_equal_shape([first, second])
    chosen = []
    for values, key in zip((first, second), jax.random.split(key), strict=True):  # noqa: B020
        tie_key, pick_key, meet_key = jax.random.split(key, 3)
        # Rewards may be constant (none yet, or one that never pays): ties fall at random.
        ranking = jnp.lexsort((jax.random.uniform(tie_key, values.shape), values))
        bins = ranking.reshape(pairs, -1)
        picks = jax.random.randint(pick_key, (pairs, 1), 0, bins.shape[1])
        clips = jnp.take_along_axis(bins, picks, axis=1)[:, 0]
        chosen.append(jax.random.permutation(meet_key, clips))
    return jnp.stack(chosen, axis=1).reshape(-1)


def _p_second(returns: jax.Array) -> jax.Array:
    chex.assert_rank(returns, 3)
    return jax.nn.sigmoid(returns[..., 1] - returns[..., 0])
