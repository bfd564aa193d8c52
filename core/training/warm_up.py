"""Compiles a run's functions side by side while the host continues.

XLA releases Python's lock while it compiles, so on two cores the compilations of physics, learner
and evaluation overlap. Each function is called once on a copy of the fresh state and its result
is discarded; the real call then finds it compiled (and traced once).
"""

from __future__ import annotations

import threading

import jax
import jax.numpy as jnp

from core_jax.training.state import TrainState
from core_jax.training.train import Train


def start(train: Train, state: TrainState) -> list[threading.Thread]:
    """Starts the compilations that are not needed first; returns their threads."""
    seeds = jax.tree.map(jnp.copy, state.seeds)  # the real ones are donated to the first chunk
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds.key.shape[0]))
    jobs = [lambda: train.evaluate(seeds, keys)]
    if not train.plan.learner.on_policy:
        jobs.append(lambda: train.learn(jax.tree.map(jnp.copy, seeds), jnp.int32(0)))
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    return threads
