"""Where the port leaves the original Meta-World: one policy's actions, played in both.

    python scripts/tools/divergence.py --original /path/to/python --policy hammer --out pictures

The policy acts in the port; its actions are then replayed in the original from the same start, one
after another, whatever happens there. Of each episode a line says whether either side succeeded and
at which step hand, gripper or object were first farther apart than their limits. Pictures show both
worlds around that step, drawn by one renderer: the port above, the original below. The other Python
has `metaworld==3.1.1 mujoco==3.3.0`. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from parity import Original
from PIL import Image

import core_jax
from core_jax import envs
from core_jax.training import cache, devices
from core_jax.visual.frames import FrameRenderer

LIMITS = {"hand": 0.01, "gripper": 0.1, "object": 0.02}  # m, share of the opening, m
AROUND = (-24, -12, -4, 0, 4, 12, 24, 48)  # steps of the pictures, from the first difference
# The original's reset vector, by the names of the port's state.
STARTS = {
    "soccer": ("origin", "fixture"),
    "sweep-into": ("origin", "target"),
    "peg-insert-side": ("origin", "fixture"),
    "hammer": ("origin",),
    "drawer-open": ("fixture",),
    "button-press-topdown": ("fixture",),
    "dial-turn": ("fixture",),
}


@dataclass(frozen=True)
class Options:
    """Command line.

    Attributes:
        original: a Python with metaworld==3.1.1 and mujoco==3.3.0 installed.
        policy: a task's trained policy by its name, an exported `.npz` file, or a run's folder.
        protocol: resets, `paper` or `random`.
        episodes: how many.
        seed: of the resets.
        steps: length of an episode, at most the task's horizon.
        out: folder for the pictures; none are made without it.
        size: height and width of a picture, pixels.
    """

    original: Path
    policy: str = "drawer-open"
    protocol: str = "random"
    episodes: int = 12
    seed: int = 0
    steps: int = 250
    out: Path | None = None
    size: int = 200


@dataclass(frozen=True)
class Played:
    """Episodes of one side.

    Attributes:
        obs: [N, T + 1, 39].
        snapshots: [N, T + 1, K], what a picture is made of.
        success: [N, T].
    """

    obs: np.ndarray
    snapshots: np.ndarray
    success: np.ndarray


def in_port(env: Any, act: Any, options: Options) -> tuple[Played, np.ndarray, np.ndarray]:
    """Plays the policy in the port; also the original's reset vectors and the actions [N, T, 4]."""
    reset, step = jax.jit(jax.vmap(env.reset)), jax.jit(jax.vmap(env.step))
    snapshot = jax.jit(jax.vmap(env.snapshot))
    state = reset(jax.random.split(jax.random.key(options.seed), options.episodes))
    parts = [getattr(state.pipeline_state, name) for name in STARTS[env.spec.name]]
    starts = np.concatenate([np.asarray(part, float) for part in parts], axis=-1)
    obs, snapshots = [state.obs], [snapshot(state.pipeline_state)]
    actions, success = [], []
    for _ in range(options.steps):
        action = jnp.clip(jnp.asarray(act(np.asarray(state.obs)), jnp.float32), -1.0, 1.0)
        state = step(state, action)
        actions.append(action)
        obs.append(state.obs)
        snapshots.append(snapshot(state.pipeline_state))
        success.append(state.metrics["success"] > 0)
    stack = lambda rows: np.stack([np.asarray(row) for row in rows], axis=1)
    return Played(stack(obs), stack(snapshots), stack(success)), starts, stack(actions)


def in_original(
    other: Original, env: Any, here: Played, starts: np.ndarray, actions: np.ndarray
) -> Played:
    """Replays the actions in the original."""
    found = [
        other.ask("replay", task=env.spec.name, protocol=env.protocol, start=start.tolist(),
                  actions=np.asarray(rows, float).tolist())
        for start, rows in zip(starts, actions, strict=True)
    ]  # fmt: skip
    obs = np.array([one["obs"] for one in found])
    qpos = np.array([one["qpos"] for one in found])  # two fingers, then the task's joints
    fingers, joints = qpos[..., :2], qpos[..., 2:]
    if env.spec.name == "hammer":  # the nail is the original's last joint and the port's first
        joints = np.roll(joints, 1, axis=-1)
    count = here.snapshots.shape[-1] - 8  # hand, fingers and fixture are 8 numbers
    snapshots = here.snapshots.copy()
    snapshots[..., :-3] = np.concatenate([obs[..., :3], fingers, joints[..., :count]], axis=-1)
    return Played(obs, snapshots, np.array([one["success"] for one in found]))


def distances(here: Played, there: Played) -> dict[str, np.ndarray]:
    """How far apart the two sides are at each step, [N, T + 1] each."""
    gap = here.obs - there.obs
    return {
        "hand": np.linalg.norm(gap[..., :3], axis=-1),
        "gripper": np.abs(gap[..., 3]),
        "object": np.linalg.norm(gap[..., 4:7], axis=-1),
    }


def first(flags: np.ndarray) -> int | None:
    """The first step that is true; None if there is none."""
    return int(np.argmax(flags)) if flags.any() else None


def episode(index: int, here: Played, there: Played, apart: dict[str, np.ndarray]) -> dict:
    """What became of one episode."""
    steps = {name: first(apart[name][index] > limit) for name, limit in LIMITS.items()}
    reached = [step for step in steps.values() if step is not None]
    success = [first(side.success[index]) for side in (here, there)]
    return {
        "episode": index,
        "success_port": None if success[0] is None else success[0] + 1,
        "success_original": None if success[1] is None else success[1] + 1,
        "first_difference": min(reached, default=None),
        "steps": steps,
        "largest": {name: round(float(apart[name][index].max()), 4) for name in LIMITS},
    }


def sheet(renderer: FrameRenderer, here: Played, there: Played, index: int, step: int) -> Any:
    """Pictures of both worlds around a step: the port above, the original below."""
    last = here.obs.shape[1] - 1
    steps = [min(max(step + shift, 0), last) for shift in AROUND]
    rows = [renderer.render(side.snapshots[index][steps]) for side in (here, there)]
    return Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows]))


def line(found: dict[str, Any]) -> str:
    """One episode as a line of the table."""
    shown = lambda value: "-" if value is None else str(value)
    steps = "".join(f"{shown(found['steps'][name]):>9}" for name in LIMITS)
    largest = "".join(f"{found['largest'][name]:>9.3f}" for name in LIMITS)
    success = f"{shown(found['success_port']):>8}{shown(found['success_original']):>10}"
    return f"{found['episode']:>7}{success}{steps}{largest}"


def main(options: Options) -> int:
    """Plays, compares, prints a line for each episode, and draws."""
    devices.prepare_cpu(1)
    cache.enable()
    try:
        policy = core_jax.load_policy(options.policy)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    task = policy.task
    if task not in STARTS:
        print(f"error: {task!r} is no task of Meta-World: {', '.join(STARTS)}", file=sys.stderr)
        return 2
    env = envs.make(task, protocol=options.protocol)
    here, starts, actions = in_port(env, policy, options)
    with Original(options.original) as other:
        there = in_original(other, env, here, starts, actions)
    apart = distances(here, there)
    names = "".join(f"{name:>9}" for name in LIMITS)
    print(f"{'episode':>7}{'port':>8}{'original':>10}{names}{names}   (first step, largest)")
    rows = [episode(index, here, there, apart) for index in range(options.episodes)]
    print("\n".join(map(line, rows)))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        renderer = FrameRenderer(env, options.size)
        for row in rows:
            step = row["first_difference"]
            if step is not None:
                path = options.out / f"{task}-{row['episode']}-step-{step}.png"
                sheet(renderer, here, there, row["episode"], step).save(path)
    print(json.dumps({"task": task, "protocol": options.protocol, "limits": LIMITS, "rows": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
