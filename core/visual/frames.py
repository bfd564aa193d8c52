"""`FrameRenderer`: renders snapshots to pictures, for sheets, videos, teachers and pages."""

from __future__ import annotations

import functools
import struct
import threading
import zlib
from collections.abc import Callable

import jax
import numpy as np

from core_jax import envs
from core_jax.envs import rendering
from core_jax.training.devices import rendering_options
from core_jax.training.shared import shared


class FrameRenderer:
    """Renders a task's snapshots in batches of one size, so that it is compiled once.

    Threads take turns, so that a training beside them keeps its share of the processor.

    Args:
        env: whose snapshots; its task must have pictures.
        size: height and width, pixels.
        gripper: whether it is visible.
        shadows: whether there are any.
        samples: rays per pixel along each side.
        batch: pictures rendered at once.
        camera: in place of the task's own.

    Raises:
        ValueError: the task has no pictures, or has no camera and one is given.
    """

    def __init__(
        self,
        env: envs.TaskEnv,
        size: int,
        gripper: bool = True,
        shadows: bool = True,
        samples: int = 2,
        batch: int = 16,
        camera: envs.Camera | None = None,
    ):
        if not env.spec.has_pictures:
            raise ValueError(f"task {env.spec.name} has no pictures")
        if camera is not None and env.spec.camera is None:
            raise ValueError(f"task {env.spec.name} is drawn without a camera: camera must be None")
        self.size = size
        self._spec, self._batch, self._lock = env.spec, batch, threading.Lock()
        self._draw = _drawing(env, size, gripper, shadows, samples, camera)

    def render(self, snapshots: np.ndarray) -> np.ndarray:
        """Pictures uint8 `[..., size, size, 3]` of snapshots `[..., K]`."""
        flat = np.asarray(snapshots, np.float32).reshape(-1, np.shape(snapshots)[-1])
        parts = []
        for i in range(0, len(flat), self._batch):
            some = flat[i : i + self._batch]
            padded = np.concatenate([some, np.repeat(some[-1:], self._batch - len(some), axis=0)])
            with self._lock:
                parts.append(np.asarray(self._draw(padded))[: len(some)])
        shape = (*np.shape(snapshots)[:-1], self.size, self.size, 3)
        return np.concatenate(parts).reshape(shape) if parts else np.zeros(shape, np.uint8)

    def png(self, snapshots: np.ndarray) -> list[bytes]:
        """A PNG of each snapshot `[N, K]`."""
        return [to_png(picture) for picture in self.render(snapshots)]

    @property
    def start(self) -> bytes:
        """The task before anything was done, as PNG."""
        return self._ends[0]

    @property
    def goal(self) -> bytes:
        """The task when it is done, as PNG."""
        return self._ends[1]

    @functools.cached_property
    def _ends(self) -> list[bytes]:
        return self.png(np.array([self._spec.start, self._spec.goal]))


@shared(8)
def _drawing(
    env: envs.TaskEnv,
    size: int,
    gripper: bool,
    shadows: bool,
    samples: int,
    camera: envs.Camera | None,
) -> Callable[..., jax.Array]:
    def draw(snapshot: jax.Array) -> jax.Array:
        if camera is None:
            return env.picture(snapshot, size, size, samples, shadows, gripper)
        scene = env.view(snapshot, gripper)
        return rendering.render(scene, camera, size, size, samples, shadows)

    return jax.jit(jax.vmap(draw), compiler_options=rendering_options())


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
