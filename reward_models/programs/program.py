"""`compile_program`: from untrusted Python text on pictures to a JAX reward with state.

The source defines either of
- a function of one picture (`reward(image)`), or of the first (`first`, `initial`, `start` in the
  parameter's name), the previous (`prev`, `last`) and the current one;
- a class whose entry method (`reward`, `check_and_progress`, `step`, ...) takes such pictures and
  whose attributes are kept from one frame to the next.

Pictures are given as RGB. A program that reads its argument with `cv2.imread`, as a path, gets
BGR, as OpenCV gives; one that takes the picture itself gets RGB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax

State = Any  # a pytree of arrays: what a program keeps between frames


@dataclass(frozen=True)
class Program:
    """A reward on pictures that can be jitted, vmapped and scanned.

    Attributes:
        source: the Python text; it and the size of the pictures make two programs equal.
        height, width: of the pictures, in pixels.
        name: of the function or class in the source.
        warnings: where Python may raise and what was dropped, one sentence each.
    """

    source: str
    height: int
    width: int
    name: str = field(compare=False, default="")
    warnings: tuple[str, ...] = field(compare=False, repr=False, default=())

    def init(self, frame: jax.Array) -> State:
        """The state before an episode's first step.

        Args:
            frame: [height, width, 3] uint8 RGB, the episode's first picture. A constructor or
                `reset` that takes a picture gets it; it is not scored.

        Returns:
            A pytree of arrays, of the same structure and shapes for every frame.

        Raises:
            ValueError: the picture has another shape or type.
        """
        raise NotImplementedError

    def step(self, state: State, frame: jax.Array) -> tuple[State, jax.Array]:
        """The reward of one picture.

        Args:
            state: from `init` or the previous `step`.
            frame: [height, width, 3] uint8 RGB.

        Returns:
            The state for the next picture and the 0-d float32 reward (a truth value is 0 or 1).
            Where the source, run by Python, would raise, the reward is NaN and the state stays.

        Raises:
            ValueError: the picture has another shape or type.
        """
        raise NotImplementedError


def compile_program(source: str, height: int, width: int) -> Program:
    """Check `source` and lower it to a reward on pictures of one size.

    Args:
        source: Python text that defines the function or class; see the module.
        height: of the pictures, in pixels.
        width: of the pictures, in pixels.

    Raises:
        RewardError: the text is no such program; the diagnostics say where, why and what to write
            instead.
        ValueError: the size is not positive, or too large.
    """
    raise NotImplementedError
