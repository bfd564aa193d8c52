"""Queries of random numbers, the same ones on every call."""

import numpy as np

from core_jax.feedback.queries import Clip, Pair, Single


def questions(count, offset=0.0, round=1):
    """Pairs of clips of five steps."""
    rng = np.random.default_rng(0)
    clips = [
        Clip(
            *(
                rng.random(s).astype(np.float32) + offset
                for s in ((5, 3), (5, 2), (5, 3), (5, 4), 5, 5)
            )
        )
        for _ in range(2 * count)
    ]
    return [Pair(clips[2 * i], clips[2 * i + 1], "task", 0, round) for i in range(count)]


def clip(seed, steps=1):
    """A clip of random numbers in [0, 1)."""
    rng = np.random.default_rng(seed)
    shapes = ((steps, 3), (steps, 2), (steps, 3), (steps, 4), steps, steps)
    return Clip(*(rng.random(s).astype(np.float32) for s in shapes))


def single(shown, asks="rating", classes=3):
    """A query about one clip."""
    return Single(shown, asks, classes, "task", 0, 5)
