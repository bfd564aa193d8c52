"""Captions for image-text models: what a picture shows when a task is done, and before that.

Goal captions of drawer-open, sweep-into, soccer and flatten-rope are those of RL-VLM-F's CLIP
baseline (Wang et al. 2024); the others have the same form.
"""

from __future__ import annotations

STATES: dict[str, tuple[str, str]] = {
    "button-press-topdown": ("the red button", "pressed down"),
    "dial-turn": ("the dial", "turned half way round"),
    "drawer-open": ("the drawer", "opened"),
    "flatten-rope": ("the blue rope", "straightened"),
    "fold-cloth": ("the cloth", "folded diagonally"),
    "hammer": ("the nail", "driven into the board"),
    "pass-water": ("the glass of water", "on the red circle"),
    "peg-insert-side": ("the green peg", "in the hole of the block"),
    "soccer": ("the ball", "in the goal"),
    "sweep-into": ("the green cube", "in the hole"),
}
"""Task -> the thing, and what it is when the task is done."""

LEVELS: tuple[tuple[str, ...], ...] = (
    ("{thing} is not {done}", "{thing} is not {done} yet"),
    ("{thing} is a little {done}", "{thing} is slightly {done}"),
    ("{thing} is half {done}", "{thing} is partly {done}"),
    ("{thing} is almost {done}", "{thing} is nearly {done}"),
    ("{thing} is {done}", "{thing} is completely {done}", "{thing} is fully {done}"),
)
"""Templates by level of progress, from nothing to done."""


def goal_caption(task: str, instruction: str) -> str:
    """What a picture shows when the task is done; the instruction itself for other tasks."""
    if task not in STATES:
        return instruction
    thing, done = STATES[task]
    return f"{thing} is {done}"


def graded_captions(task: str) -> tuple[tuple[str, ...], ...]:
    """Captions of each level of progress of a built-in task."""
    thing, done = STATES[task]
    return tuple(tuple(t.format(thing=thing, done=done) for t in level) for level in LEVELS)
