"""Pictures for whoever judges clips: rendered from snapshots, as PNG."""

from __future__ import annotations

import functools
import struct
import threading
import zlib

import jax
import numpy as np

from core_jax import envs
from core_jax.envs import rendering
from core_jax.training.reward_input import looking_options


class Studio:
    """Takes pictures of a task's snapshots; threads take turns, so that what trains meanwhile
    keeps its share of the processor.

    Args:
        env: whose snapshots.
        size: height and width, pixels.
        gripper: whether it is visible.
        shadows: whether there are any.
        batch: pictures rendered at once; the function is compiled for this number.
    """

    def __init__(self, env: envs.TaskEnv, size: int, gripper: bool, shadows: bool, batch: int):
        self._spec, self._batch, self._lock = env.spec, batch, threading.Lock()

        def draw(snapshot: jax.Array) -> jax.Array:
            # One ray a pixel: four cost four times as much, and show nothing more.
            scene = env.view(snapshot, gripper)
            return rendering.render(scene, env.spec.camera, size, size, 1, shadows)

        self._draw = jax.jit(jax.vmap(draw), compiler_options=looking_options())

    @property
    def start(self) -> bytes:
        """The task before anything was done, as PNG."""
        return self._ends[0]

    @property
    def goal(self) -> bytes:
        """The task when it is done, as PNG."""
        return self._ends[1]

    def take(self, snapshots: np.ndarray) -> list[bytes]:
        """A PNG of each snapshot [N, K]."""
        shots = []
        for i in range(0, len(snapshots), self._batch):
            some = snapshots[i : i + self._batch]
            padded = np.concatenate([some, np.repeat(some[-1:], self._batch - len(some), axis=0)])
            with self._lock:
                drawn = np.asarray(self._draw(padded.astype(np.float32)))
            shots += [to_png(picture) for picture in drawn[: len(some)]]
        return shots

    @functools.cached_property
    def _ends(self) -> list[bytes]:
        return self.take(np.array([self._spec.start, self._spec.goal]))


def to_png(picture: np.ndarray) -> bytes:
    """A picture uint8 [H, W, 3] as PNG, by one filter for all rows (each less the row above): a
    quarter of the time of choosing one for each row, and no larger for what is rendered here."""
    height, width, _ = picture.shape
    rows = picture.reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 2  # the filter's number
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 1)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
