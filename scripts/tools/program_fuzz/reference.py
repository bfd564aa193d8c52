"""An image program run by Python itself, with OpenCV and NumPy: the values to agree with.

For trusted sources only (our own corpus and generated programs): the text is executed.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import io
import warnings
from typing import Any

import cv2
import numpy as np

from core_jax.reward_models.programs import entries

PATH = "frame.png"


class Raised(Exception):
    """Python raised before the first frame."""


def rewards(source: str, frames: np.ndarray) -> list[float]:
    """The reward of each frame of an episode; NaN where Python raises, which leaves no trace.

    Args:
        source: the program.
        frames: [T, H, W, 3] uint8 RGB.

    Raises:
        Raised: the program cannot be started.
    """
    now: dict[str, np.ndarray] = {}
    names = _loaded(source, now)
    entry = entries.find(source, ast.parse(source))
    by_path = "imread" in source
    state: Any = None
    kept: dict[str, Any] = {"first": frames[0], "previous": frames[0]}

    def given(role: str, frame: np.ndarray) -> Any:
        picture = frame if role == "current" else kept[role]
        if not by_path:
            return picture.copy()
        now[role] = picture
        return f"{role}/{PATH}"

    if entry.owner is not None:
        pictures = [given("first", frames[0]) for _ in entry.start_roles]
        by_reset = entry.start is not None and entry.start.name == "reset"
        try:
            state = names[entry.owner.name](*(() if by_reset else pictures))
            if by_reset:
                state.reset(*pictures)
        except Exception as error:
            raise Raised(str(error)) from None
    found = []
    for frame in frames:
        args = [given(role, frame) for role in entry.roles]
        found.append(_one(names, entry, state, args))
        if isinstance(found[-1], tuple):
            found[-1], state = found[-1]
        if found[-1] == found[-1]:
            kept["previous"] = frame
    return [float(one) for one in found]


def _one(names: dict, entry: entries.Entry, state: Any, args: list) -> Any:
    """The reward of one frame, and the object as it is then; NaN if Python raises."""
    after = copy.deepcopy(state)
    try:
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            if entry.owner is None:
                value = names[entry.function.name](*args)
            else:
                value = getattr(after, entry.function.name)(*args)
        value = value[0] if isinstance(value, tuple) and value else value
        number = float(value)
    except Exception:
        return float("nan")
    return number if entry.owner is None else (number, after)


def _loaded(source: str, now: dict[str, np.ndarray]) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "program"}

    def imread(path: str, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
        picture = np.ascontiguousarray(now[path.split("/")[0]][..., ::-1])
        return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if flags == 0 else picture

    original, cv2.imread = cv2.imread, imread
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(source, "<program>", "exec"), names)
    except Exception as error:
        raise Raised(str(error)) from None
    finally:
        cv2.imread = original
    if "cv2" in names:
        names["cv2"] = _Reading(imread)
    return names


class _Reading:
    """OpenCV whose `imread` gives the frame."""

    def __init__(self, imread: Any):
        self.imread = imread

    def __getattr__(self, name: str) -> Any:
        return getattr(cv2, name)

    def __deepcopy__(self, memo: dict) -> _Reading:
        return self
