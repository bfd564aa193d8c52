"""A run small enough for a test: every part of CoRe's loop, in a few thousand steps."""

from collections.abc import Mapping

from core_jax.runs.presets import make_config

TASK, POINT = "drawer-open", "point_world:Point"
TRAINING = {
    "task": TASK,
    "seeds": 2,
    "steps": 2_000,
    "envs": 10,
    "rollout": 5,
    "updates": 4,
    "random_steps": 500,
    "chunk": 250,
    "eval_every": 1_000,
    "eval_episodes": 2,
    "final_episodes": 3,
    "checkpoint_every": 500,
    "sac": {"hidden": [16, 16], "batch_size": 16},
}
CORE = {
    "residual": {"hidden": [16], "epochs": 3},
    "feedback": {
        "labels": 14, "labels_per_round": 4, "first_round": 1_000, "round_every": 250,
        "clip_length": 20, "window": 1_000, "critic_updates": 5,
    },
    "formal": {"refine_at": [1_250, 1_750], "candidates": 2},
    "scripted": {"kind": "oracle"},
}  # fmt: skip


def small_config(**values):
    """The small config with some values changed; groups are changed value by value.

    A method other than CoRe has the same training, and of its own settings what is given.
    """
    base = TRAINING | (CORE if values.get("method", "core") == "core" else {})
    merged = dict(base)
    for name, value in values.items():
        both = isinstance(value, Mapping) and isinstance(base.get(name), Mapping)
        merged[name] = {**base[name], **value} if both else value
    return make_config(**merged)
