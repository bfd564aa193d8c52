"""The reward columns of a block that are filled between collecting and inserting it: by reward
code, by watchers of episodes and outside of the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax

from core_jax.training import devices, host_columns, programs, watching
from core_jax.training.state import SeedState


def fill(
    rewards: Any,
    formal_view: Any,
    mesh: Any,
    seeds: SeedState,
    before: Any,
    block: Any,
    given: Mapping[str, Sequence[Any]],
) -> tuple[SeedState, dict[str, jax.Array], list[dict[str, jax.Array]]]:
    """The seeds, with what watchers remember, the columns [S, T, N], and the components' means per
    seed.

    Args:
        rewards: the run's `train.Rewards`.
        formal_view: observation -> what reward code is called with.
        mesh: the devices that the seeds are spread over, if any.
        seeds: all.
        before: snapshots before each step [S, T, N, K], for watchers.
        block: of transitions [S, T, N].
        given: column -> one program, or watcher, for each seed.
    """
    columns: dict[str, jax.Array] = {}
    components: list[dict[str, jax.Array]] = [{} for _ in range(block.cut.shape[0])]
    memory = dict(seeds.memory)
    for column in rewards.programs:
        value, means = programs.score(column, given.get(column.name), formal_view, block, mesh)
        columns[column.name] = value
        components = [a | b for a, b in zip(components, means, strict=True)]
    for column in rewards.watched:
        name = column.name
        memory[name], columns[name], means = watching.score(
            column, given.get(name), memory[name], before, block, mesh
        )
        components = [a | b for a, b in zip(components, means, strict=True)]
    if rewards.hosts:
        on_host = jax.device_get(block)
        for host in rewards.hosts:
            columns |= devices.place(host_columns.score(host, on_host), mesh)
    return seeds.replace(memory=memory), columns, components
