"""Records how panda-gym's robot and objects behave, so that the port can be tested against it.

Runs in a virtual environment with `panda-gym==3.0.7 pybullet==3.2.7` and nothing of this project,
and writes numbers measured there:

- `hand.npz`  traces of 50 actions without an object: `free_*` and `low_*` (also pressed on the
  table) with end-effector control, `joints_*` with joint control; actions, joint angles, position
  and velocity of the end effector after each action
- `push.npz`, `slide.npz`  episodes of a scripted hand with errors, played on through success:
  observations, goals, both rewards, success
- `coasting.npz`  cube and puck that were given a velocity, untouched
- `resets.npz`  places of object and goal at resets of each task

The last line of stdout is one JSON object. Source: panda-gym 3.0.7, `*-v3`.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

ARM, STEPS = 7, 50
NEUTRAL = np.array([0.0, 0.41, 0.0, -1.85, 0.0, 2.26, 0.79])
LOW, HIGH = np.array([-0.22, -0.22, 0.03]), np.array([0.22, 0.22, 0.32])
Arrays = dict[str, np.ndarray]


def make(name: str) -> Any:
    """Returns an environment without its time limit."""
    import gymnasium
    import panda_gym  # noqa: F401  (registers the environments)

    return gymnasium.make(name).unwrapped


def smooth(last: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the next of a series of random actions that are correlated in time."""
    return np.clip(0.8 * last + 0.6 * rng.uniform(-1.0, 1.0, last.shape), -1.0, 1.0)


def joints(env: Any) -> np.ndarray:
    """Returns the seven joint angles, rad."""
    return np.array([env.robot.get_joint_angle(i) for i in range(ARM)])


def touches(env: Any) -> bool:
    """Whether the robot touches anything."""
    client, body = env.sim.physics_client, env.sim._bodies_idx["panda"]
    return len(client.getContactPoints(body)) > 0


def apply(env: Any, action: np.ndarray) -> None:
    """One control step."""
    env.robot.set_action(action)
    env.sim.step()


def hand_trace(env: Any, rng: np.random.Generator, kind: str) -> Arrays | None:
    """Returns one trace without an object; None if the robot touched what it should not.

    Args:
        env: Reach, of the kind's control.
        rng: of the actions.
        kind: free, low or joints.
    """
    env.reset()
    action = np.zeros(env.action_space.shape)
    rows: dict[str, list] = {"action": [], "joints": [], "position": [], "velocity": []}
    for _ in range(STEPS):
        action = smooth(action, rng)
        played = action.copy()
        at = env.robot.get_ee_position()
        if kind == "joints":
            played = np.clip(played + 1.5 * (NEUTRAL - joints(env)), -1.0, 1.0)
        else:
            low = LOW - np.array([0.0, 0.0, 0.05 if kind == "low" else 0.0])
            played = np.where(at < low, np.abs(played), played)
            played = np.where(at > HIGH, -np.abs(played), played)
            if kind == "low":
                played[2] = np.clip(played[2] - 0.25, -1.0, 1.0)
        played = played.astype(np.float32)
        apply(env, played)
        if kind != "low" and touches(env):
            return None
        rows["action"].append(played)
        rows["joints"].append(joints(env))
        rows["position"].append(env.robot.get_ee_position())
        rows["velocity"].append(env.robot.get_ee_velocity())
    return {k: np.array(v, np.float32) for k, v in rows.items()}


def hand_traces(seed: int, counts: dict[str, int]) -> Arrays:
    """Returns the traces of each kind, stacked."""
    out: Arrays = {}
    for index, (kind, count) in enumerate(counts.items()):
        env = make("PandaReachJoints-v3" if kind == "joints" else "PandaReach-v3")
        rng, traces = np.random.default_rng([seed, index]), []
        env.reset(seed=seed)
        while len(traces) < count:
            trace = hand_trace(env, rng, kind)
            if trace is not None:
                traces.append(trace)
        out |= {f"{kind}_{k}": np.stack([t[k] for t in traces]) for k in traces[0]}
        env.close()
    return out


def pushing_action(obs: np.ndarray, goal: np.ndarray, gap: float, speed: float) -> np.ndarray:
    """Goes over the object to its far side, down, and pushes it to the goal.

    Args:
        obs: [18].
        goal: [3].
        gap: from the object's middle to where the hand goes down, m.
        speed: of the push, in units of the largest action.
    """
    hand, thing = obs[:3], obs[6:9]
    way = goal[:2] - thing[:2]
    way = way / max(float(np.linalg.norm(way)), 1e-6)
    apart = hand[:2] - thing[:2]
    along, across = float(apart @ way), float(apart @ np.array([-way[1], way[0]]))
    if along < -0.02 and abs(across) < 0.02 and hand[2] < 0.05:
        step = speed * way - 12.0 * across * np.array([-way[1], way[0]])
        return np.append(step, (0.015 - hand[2]) / 0.05)
    to = thing[:2] - gap * way
    off = to - hand[:2]
    if np.linalg.norm(off) < 0.015:
        return np.append(off / 0.05, (0.015 - hand[2]) / 0.04)
    height = 0.09 if np.linalg.norm(apart) < 0.12 else 0.05
    if hand[2] < 0.06 and np.linalg.norm(apart) < 0.09:
        return np.append(np.zeros(2), 1.0)
    return np.append(off / 0.04, (height - hand[2]) / 0.05)


def episode(env: Any, rng: np.random.Generator, noise: float, speed: float) -> Arrays:
    """Returns an episode of 50 steps, through success."""
    start, _ = env.reset()
    obs, goal = start["observation"], start["desired_goal"]
    rows: dict[str, list] = {k: [] for k in ("action", "sparse", "dense", "success")}
    seen, error = [obs], np.zeros(3)
    gap = 0.055 if "Push" in type(env.task).__name__ else 0.065
    for _ in range(STEPS):
        error = smooth(error, rng)
        action = np.clip(pushing_action(obs, goal, gap, speed) + noise * error, -1.0, 1.0)
        action = action.astype(np.float32)
        apply(env, action)
        after = env._get_obs()
        obs = after["observation"]
        at, to = after["achieved_goal"], after["desired_goal"]
        for kind in ("sparse", "dense"):
            env.task.reward_type = kind
            rows[kind].append(float(env.task.compute_reward(at, to, {})))
        rows["success"].append(bool(env.task.is_success(at, to)))
        rows["action"].append(action)
        seen.append(obs)
    return {"obs": np.array(seen), "goal": goal, **{k: np.array(v) for k, v in rows.items()}}


def episodes(name: str, seed: int, count: int, speeds: tuple[float, ...]) -> Arrays:
    """Returns episodes of growing errors, stacked."""
    env, rng = make(name), np.random.default_rng(seed)
    env.reset(seed=seed)
    played = [
        episode(env, rng, noise=0.6 * i / count, speed=speeds[i % len(speeds)])
        for i in range(count)
    ]
    env.close()
    return {k: np.stack([p[k] for p in played]).astype(np.float32) for k in played[0]}


def coasting(steps: int) -> Arrays:
    """Returns objects that slide on the table and turn, untouched."""
    out = {}
    for name, key, height in (("PandaPush-v3", "cube", 0.02), ("PandaSlide-v3", "puck", 0.0144)):
        env = make(name)
        client, body = env.sim.physics_client, env.sim._bodies_idx["object"]
        rows = []
        for speed, spin in ((0.25, 0.0), (0.5, 0.0), (1.0, 0.0), (0.5, 6.0), (0.0, 6.0)):
            env.reset(seed=0)
            env.sim.set_base_pose("object", np.array([-0.1, 0.1, height]), np.array([0, 0, 0, 1.0]))
            client.resetBaseVelocity(body, [speed, 0.0, 0.0], [0.0, 0.0, spin])
            track = []
            for _ in range(steps):
                apply(env, np.zeros(3))
                track.append(env._get_obs()["observation"][6:])
            rows.append(track)
        out[key] = np.array(rows, np.float32)
        env.close()
    return out


def resets(seed: int, count: int) -> Arrays:
    """Returns the first observations and goals of some resets."""
    out = {}
    for key in ("Reach", "Push", "Slide"):
        env = make(f"Panda{key}-v3")
        env.reset(seed=seed)
        starts = [env.reset()[0] for _ in range(count)]
        out[f"{key.lower()}_obs"] = np.array([s["observation"] for s in starts], np.float32)
        out[f"{key.lower()}_goal"] = np.array([s["desired_goal"] for s in starts], np.float32)
        env.close()
    return out


def steps_per_second(steps: int) -> float:
    """Returns environment steps per second of one process under random actions."""
    env = make("PandaPush-v3")
    env.reset(seed=0)
    began = time.perf_counter()
    for _ in range(steps):
        ended = env.step(env.action_space.sample())
        if ended[2] or ended[3]:
            env.reset()
    return steps / (time.perf_counter() - began)


def main() -> None:
    """Entry point; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("tests/data/panda"))
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    flags.out.mkdir(parents=True, exist_ok=True)
    recorded = {
        "hand": hand_traces(flags.seed, {"free": 16, "low": 8, "joints": 12}),
        "push": episodes("PandaPush-v3", flags.seed, 24, (1.0, 0.6)),
        "slide": episodes("PandaSlide-v3", flags.seed, 24, (1.0, 0.7)),
        "coasting": coasting(25),
        "resets": resets(flags.seed, 200),
    }
    for name, arrays in recorded.items():
        np.savez_compressed(flags.out / f"{name}.npz", **arrays)
    success = {k: float(recorded[k]["success"].max(axis=1).mean()) for k in ("push", "slide")}
    rate = round(steps_per_second(300), 1)
    print(json.dumps({"out": str(flags.out), "success": success, "steps_per_second": rate}))


if __name__ == "__main__":
    main()
