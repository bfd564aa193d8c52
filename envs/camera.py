"""`Camera`, apart from the renderer, so that a task can be described without JAX."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Camera:
    """A fixed pinhole camera in MuJoCo's convention (looks along its own -z).

    Attributes:
        pos: position, m, world frame.
        xyaxes: the camera's x axis and y axis in the world frame, not necessarily unit length.
        fovy: vertical field of view, degrees.
    """

    pos: tuple[float, float, float]
    xyaxes: tuple[float, float, float, float, float, float]
    fovy: float = 45.0

    @staticmethod
    def look_at(
        pos: tuple[float, float, float], at: tuple[float, float, float], fovy: float = 45.0
    ) -> Camera:
        """Returns a camera at `pos` with `at`, m, in the middle of its picture and z upwards."""
        forward = np.subtract(at, pos)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        up = np.cross(right, forward)
        right, up = right / np.linalg.norm(right), up / np.linalg.norm(up)
        x, y = [float(a) for a in right], [float(a) for a in up]
        return Camera(pos, (x[0], x[1], x[2], y[0], y[1], y[2]), fovy)
