"""State entropy as an intrinsic reward: how far a state is from those seen before.

PEBBLE (Lee et al. 2021) explores by it before the first question is asked: the reward of a state is
its distance to its k-th nearest neighbour among all states in replay, divided by a running standard
deviation.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from core_jax.reward_models.source import Columns, Metrics


def kth_distance(
    points: Float[Array, "points obs"],
    among: Float[Array, "others obs"],
    counts: Bool[Array, "... others"],
    k: int,
) -> Float[Array, " points"]:
    """Distance of each point to its k-th nearest neighbour; 0 where there are fewer.

    Args:
        points: whose distances.
        among: the neighbours.
        counts: which of them count, for all points or for each.
        k: 1 is the nearest.
    """
    square = (
        jnp.sum(points**2, axis=1)[:, None]
        + jnp.sum(among**2, axis=1)[None]
        - 2.0 * points @ among.T
    )
    square = jnp.where(counts, jnp.maximum(square, 0.0), jnp.inf)
    # Not top_k: XLA's sorts each row on a CPU, which takes a hundred times as long.
    rows = jnp.arange(points.shape[0])
    for _ in range(k - 1):
        square = square.at[rows, jnp.argmin(square, axis=1)].set(jnp.inf)
    nearest = jnp.min(square, axis=1)
    return jnp.sqrt(jnp.where(jnp.isfinite(nearest), nearest, 0.0))


@dataclasses.dataclass(frozen=True)
class StateEntropy:
    """The intrinsic reward as a source; its state is the distances' standard deviation.

    Attributes:
        name: of the source and of its column.
        neighbour: k.
        window: newest rows of replay that count as seen before.
        neighbours: most of those states that distances are measured to, evenly spaced; all of them
            would cost a hundred times as much as learning does.
    """

    name: str = "entropy"
    neighbour: int = 5
    window: int = 100
    neighbours: int = 1_000
    compiler_options: dict[str, bool | int] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.name,)

    def init(self, key: jax.Array, example: Any) -> jax.Array:
        """A standard deviation of 1."""
        del key, example
        return jnp.float32(1.0)

    def score(self, state: jax.Array, steps: Any, ring: Any = None) -> tuple[Columns, Metrics]:
        """Rewards `[T, N]` of steps by the states in replay before them."""
        shape = steps.cut.shape
        if ring is None:
            return {self.name: jnp.zeros(shape)}, {}
        seen, valid = self._seen(ring)
        chosen = self._chosen(len(valid))
        points = steps.next_obs.reshape(-1, steps.next_obs.shape[-1])
        distance = kth_distance(points, seen[chosen], valid[chosen], self.neighbour)
        return {self.name: (distance / state).reshape(shape)}, {}

    def rescore(self, state: jax.Array, ring: Any) -> Columns:
        """Rewards of the newest rows by each other; older rows keep theirs."""
        data, envs = ring.data, ring.data.cut.shape[1]
        distance, valid = self._distances(ring)
        distance = distance / state
        at = self._rows(ring)
        new = jnp.where(
            valid.reshape(-1, envs), distance.reshape(-1, envs), data.rewards[self.name][at]
        )
        return {self.name: data.rewards[self.name].at[at].set(new)}

    def scale(self, ring: Any) -> jax.Array:
        """The standard deviation of the distances between the newest states."""
        distance, valid = self._distances(ring)
        weight = valid / jnp.maximum(jnp.sum(valid), 1)
        mean = jnp.sum(weight * distance)
        return jnp.maximum(jnp.sqrt(jnp.sum(weight * (distance - mean) ** 2)), 1e-3)

    def score_episode(self, state: jax.Array, steps: Any) -> Columns:
        """Zeros: an episode on its own has no states before it."""
        del state
        return {self.name: jnp.zeros(steps.cut.shape)}

    def _distances(self, ring: Any) -> tuple[jax.Array, jax.Array]:
        """Of the newest states to each other, and which of them are states."""
        seen, valid = self._seen(ring)
        chosen = self._chosen(len(valid))
        others = jnp.arange(len(valid))[:, None] != chosen[None]  # not a state to itself
        return kth_distance(seen, seen[chosen], others & valid[chosen], self.neighbour), valid

    def _chosen(self, count: int) -> jax.Array:
        return jnp.arange(0, count, -(-count // self.neighbours))

    def _rows(self, ring: Any) -> jax.Array:
        rows = ring.data.cut.shape[0]
        return (ring.cursor - 1 - jnp.arange(min(self.window, rows))) % rows

    def _seen(self, ring: Any) -> tuple[jax.Array, jax.Array]:
        rows, envs = ring.data.cut.shape
        count = min(self.window, rows)
        obs = ring.data.next_obs[self._rows(ring)]
        valid = jnp.broadcast_to((jnp.arange(count) < ring.size)[:, None], (count, envs))
        return obs.reshape(count * envs, -1), valid.reshape(-1)
