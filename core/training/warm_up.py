"""Compiles a run's functions side by side while the host gets on.

XLA lets go of Python's lock while it compiles, so on two cores the compilations of physics, SAC
and evaluation overlap. Each function is called once on a copy of the fresh state and its result
is thrown away; the real call then finds it compiled (and traced once).
"""

from __future__ import annotations

import threading

import jax
import jax.numpy as jnp

from core_jax.runs.config import Config
from core_jax.training.state import Train, TrainState


def start(config: Config, train: Train, state: TrainState) -> list[threading.Thread]:
    """Starts the compilations that are not needed first; returns their threads."""
    lanes = jax.tree.map(jnp.copy, state.lanes)  # the real ones are donated to the first chunk
    keys = jax.vmap(jax.random.key)(jnp.arange(config.seeds))
    jobs = [
        lambda: train.evaluate(lanes, keys),
        lambda: train.learn(jax.tree.map(jnp.copy, lanes), jnp.int32(0)),
    ]
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    return threads
