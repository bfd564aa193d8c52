"""Compiles a run's functions side by side while the host continues.

XLA releases Python's lock while it compiles, so on two cores the compilations of physics, learner
and evaluation overlap. Functions are compiled for the shapes of the fresh state, without running
them and without a copy of it; the real call then finds them compiled (and traced once).
"""

from __future__ import annotations

import threading
from typing import Any

import jax
import jax.numpy as jnp

from core_jax.training.state import TrainState
from core_jax.training.train import Train


def start(train: Train, state: TrainState) -> list[threading.Thread]:
    """Starts the compilations that are not needed first; returns their threads."""
    # Shapes are taken here: the state itself is donated to the first chunk.
    seeds = jax.tree.map(_shape, state.seeds)
    keys = _shape(jax.vmap(jax.random.key)(jnp.arange(seeds.key.shape[0])))
    jobs: list[tuple[Any, tuple[Any, ...]]] = [(train.evaluate, (seeds, keys))]
    if not train.plan.learner.on_policy:
        jobs.append((train.learn_function, (seeds, jax.ShapeDtypeStruct((), jnp.int32))))
    compile_one = lambda function, arguments: function.lower(*arguments).compile()
    threads = [threading.Thread(target=compile_one, args=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    return threads


def _shape(x: jax.Array) -> jax.ShapeDtypeStruct:
    """An array without its values; where it is bound to devices, so is what is compiled for it."""
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding if x.committed else None)
