"""Traces of the original's hand: what scripts/tools/fit_hand.py fits and the tests compare with.

Runs in a virtual environment with `metaworld==3.1.1 mujoco==3.3.0` and nothing of this project. The
hand is the same in all seven tasks; these are taken in drawer-open.
"""

from typing import Any

import mujoco
import numpy as np

Arrays = dict[str, np.ndarray]
FAR_AWAY = (5.0, 5.0, 0.0)  # where the drawer cannot be touched
DRAWER = (0.0, 0.9, 0.0)
LAGS = (3.0, 8.0, 20.0, 40.0)  # control steps: how smooth the random actions are
HAND_STARTS = {"random": (0.0, 0.6, 0.2), "paper": (0.0, 0.72, 0.15)}


def smooth_actions(rng: np.random.Generator, steps: int, lag: float, scale: float) -> np.ndarray:
    """Low-pass-filtered noise with standard deviation `scale` and a time constant in steps."""
    keep = np.exp(-1.0 / lag)
    noise = rng.standard_normal((steps + 200, 4)) * np.sqrt(1.0 - keep**2)
    value, out = np.zeros(4), []
    for n in noise:
        value = keep * value + n
        out.append(scale * value)
    return np.array(out[200:])


def opening(env: Any) -> float:
    gap = env.data.body("rightclaw").xpos - env.data.body("leftclaw").xpos
    return float(np.clip(np.linalg.norm(gap) / 0.1, 0.0, 1.0))


def touching(env: Any) -> bool:
    """Whether anything of the arm is in contact (fingers meeting each other do not count)."""
    names = {"rightclaw", "leftclaw", "rightpad", "leftpad", "hand"}
    for c in env.data.contact:
        bodies = [env.model.body(env.model.geom_bodyid[g]).name for g in (c.geom1, c.geom2)]
        if sum(b in names for b in bodies) == 1:
            return True
    return False


def place_drawer(env: Any, pos: tuple[float, ...]) -> None:
    env.model.body("drawer").pos = np.array(pos)
    mujoco.mj_forward(env.model, env.data)


def trace(
    env: Any, actions: np.ndarray, centre: np.ndarray, drawer: tuple[float, ...], pull: float = 4.0
) -> Arrays:
    """Plays actions, biased so that the target stays around a centre, from a reset."""
    env.reset()
    place_drawer(env, drawer)
    rows: dict[str, list] = {k: [] for k in ("action", "target", "hand", "opening", "touch")}
    start = env.data.body("hand").xpos.copy()
    for noise in actions:
        bias = pull * (centre - env.data.mocap_pos[0])
        action = np.clip(noise + np.append(bias, 0.0), -1, 1).astype(np.float32)
        env.step(action)
        rows["action"].append(action)
        rows["target"].append(env.data.mocap_pos[0].copy())
        rows["hand"].append(env.data.body("hand").xpos.copy())
        rows["opening"].append(opening(env))
        rows["touch"].append(touching(env))
    return {"start": start, **{k: np.array(v) for k, v in rows.items()}}


def fit_traces(env: Any, seed: int, count: int) -> list[Arrays]:
    """Episodes of every style all over the workspace, from both starts, the drawer out of the way.

    Smooth noise of several lags, the white noise that a learner explores with, and full-speed
    moves with stops between; half of them drawn to a centre, half free to run into the bounds.
    """
    rng = np.random.default_rng(seed)
    traces = []
    for i in range(count):
        style = i % 6
        if style < 4:
            actions = smooth_actions(rng, 500, LAGS[style], scale=1.0)
        elif style == 4:
            actions = rng.uniform(-1.0, 1.0, (500, 4))
        else:
            held = np.repeat(rng.uniform(-2.0, 2.0, (20, 4)), 25, axis=0)
            actions = held * np.repeat(rng.random(20) < 0.7, 25)[:, None]
        centre = rng.uniform([-0.3, 0.45, 0.1], [0.3, 0.95, 0.45])
        pull = 4.0 if rng.random() < 0.5 else 0.5
        env.hand_init_pos = np.array(HAND_STARTS[("random", "paper")[(i // 6) % 2]])
        traces.append(trace(env, actions, centre, FAR_AWAY, pull))
    env.hand_init_pos = np.array(HAND_STARTS["random"])
    return traces


def held_traces(env: Any, seed: int, count: int) -> list[Arrays]:
    """Smooth random episodes with the drawer in place that happen to touch nothing."""
    rng = np.random.default_rng(seed)
    traces: list[Arrays] = []
    while len(traces) < count:
        i = len(traces)
        actions = smooth_actions(rng, 500, LAGS[i % 4], scale=1.0)
        played = trace(env, actions, np.array([0.0, 0.6, (0.3, 0.35, 0.22, 0.3)[i % 4]]), DRAWER)
        if not played["touch"].any():
            traces.append(played)
    return traces


def stiffness(env: Any, newtons: float, at: tuple[float, ...] = (0.0, 0.72, 0.1)) -> np.ndarray:
    """Static stiffness of the hand, N/m per axis, near the drawer's handle."""
    env.hand_init_pos = np.array(at)
    hand, result = env.model.body("hand").id, []
    for axis in range(3):
        ends = []
        for sign in (-1, 1):
            env.reset()
            place_drawer(env, FAR_AWAY)
            for _ in range(400):
                env.data.xfrc_applied[hand, axis] = sign * newtons
                env.step(np.array([0, 0, 0, -1.0]))
            ends.append(env.data.body("hand").xpos[axis])
        env.data.xfrc_applied[:] = 0
        result.append(2 * newtons / (ends[1] - ends[0]))
    return np.array(result)


def stacked(traces: list[Arrays]) -> Arrays:
    """Stacks the traces' arrays along a new first axis."""
    return {k: np.stack([t[k] for t in traces]) for k in traces[0]}
