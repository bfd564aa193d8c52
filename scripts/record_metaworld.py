"""Records how the original Meta-World behaves, so that the port can be fitted to it and tested.

Runs in a virtual environment with `metaworld==3.1.1 mujoco==3.3.0` and nothing of this project. It
writes numbers measured there (traces of the hand, resets, rewards), never files of Meta-World:

- `hand_held.npz`, `hand_fresh.npz`  free-motion traces of mocap target, hand and gripper, left
                    out of the fit, for tests/envs/test_parity.py
- `drawer_open.npz` pairs of observation and reward, resets, the hand at its two starts, its static
                    stiffness, the scripted expert
- with `--fit FILE` only the traces that scripts/fit_hand.py fits (too many to keep)

It prints what it measured; the last line is one JSON object.

Source: Meta-World 3.1.1, environment `drawer-open-v3`, reward version v2, goal fully observable.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.policies import ENV_POLICY_MAP

Arrays = dict[str, np.ndarray]
# Hand start and frozen reset vector of the `paper` protocol (values of CoRe's code).
PAPER_STARTS = {
    "soccer": ((0.0, 0.56, 0.05), (0.0, 0.65, 0.03, 0.0, 0.85, 0.0)),
    "sweep-into": ((0.0, 0.53, 0.05), (0.0, 0.65, 0.02, 0.0, 0.84, 0.02)),
    "drawer-open": ((0.0, 0.72, 0.15), (0.0, 0.9, 0.0)),
    "button-press-topdown": ((0.0, 0.65, 0.3), (0.0, 0.8, 0.115)),
    "dial-turn": ((0.0, 0.6, 0.15), (0.0, 0.7, 0.0)),
    "hammer": ((0.0, 0.45, 0.05), (0.0, 0.45, 0.03)),
    "peg-insert-side": ((0.1, 0.6, 0.05), (0.1, 0.6, 0.015, -0.3, 0.55, 0.0)),
}
FAR_AWAY = (5.0, 5.0, 0.0)  # where the drawer cannot be touched
DRAWER = (0.0, 0.9, 0.0)
LAGS = (3.0, 8.0, 20.0, 40.0)  # control steps: how smooth the random actions are
HAND_STARTS = {"random": (0.0, 0.6, 0.2), "paper": (0.0, 0.72, 0.15)}


def original_env(task: str, protocol: str) -> Any:
    """Builds the original environment with the reset of the given protocol."""
    env = ALL_V3_ENVIRONMENTS[f"{task}-v3"]()
    env._partially_observable = False
    env.__dict__.pop("sawyer_observation_space", None)  # cached for a hidden goal
    env._set_task_called = True
    env._freeze_rand_vec = False
    if protocol == "paper":
        hand, rand_vec = PAPER_STARTS[task]
        env.hand_init_pos = np.array(hand)
        env._freeze_rand_vec = True
        env._last_rand_vec = np.array(rand_vec)
    return env


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


def settled_hand(env: Any, start: tuple[float, ...]) -> Arrays:
    """The hand after a reset, and 5 s later: a slow swing of the elbow is still under way."""
    env.hand_init_pos = np.array(start)
    env.reset()
    mujoco.mj_forward(env.model, env.data)
    hand, d = env.data.body("hand").xpos.copy(), env.data
    out = {
        "target": np.array(start),
        "hand": hand,
        "init_tcp": env.init_tcp.copy(),
        "tcp_offset": env.tcp_center - hand,
        "fingers": d.qpos[7:9].copy(),
        "left_pad": d.body("leftpad").xpos - hand,
        "right_pad": d.body("rightpad").xpos - hand,
    }
    for _ in range(400):
        env.step(np.array([0, 0, 0, -1.0]))
    return {**out, "hand_after_5s": d.body("hand").xpos.copy()}


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


def reward_pairs(task: str, seed: int, count: int) -> Arrays:
    """Observations with the original's reward, from expert, noisy-expert and random behaviour."""
    env, policy = original_env(task, "random"), ENV_POLICY_MAP[f"{task}-v3"]()
    rng = np.random.default_rng(seed)
    keys = ("obs", "action", "reward", "success", "init_tcp", "target", "drawer", "slide")
    rows: dict[str, list] = {k: [] for k in keys}
    for episode in range(45):
        obs, _ = env.reset()
        noise = smooth_actions(rng, 120, 5.0, scale=(0.0, 0.5, 1.0)[episode % 3])
        for n in noise:
            expert = np.zeros(4) if episode % 3 == 2 else policy.get_action(obs)
            action = np.clip(expert + n, -1, 1).astype(np.float32)
            obs, reward, _, _, info = env.step(action)
            values = (obs, action, reward, info["success"], env.init_tcp, env._target_pos)
            for key, value in zip(keys, (*values, env.obj_init_pos, env.data.qpos[9]), strict=True):
                rows[key].append(np.array(value))
    pick = rng.choice(len(rows["obs"]), count, replace=False)
    return {k: np.array(v)[pick] for k, v in rows.items()}


def expert_run(task: str, episodes: int) -> Arrays:
    """First success step of the scripted expert (0: never) in random resets, and steps a second."""
    env, policy = original_env(task, "random"), ENV_POLICY_MAP[f"{task}-v3"]()
    first, drawers, targets, seconds, steps = [], [], [], 0.0, 0
    for _ in range(episodes):
        obs, _ = env.reset()
        drawers.append(env.obj_init_pos.copy())
        targets.append(env._target_pos.copy())
        first.append(0)
        for t in range(1, 201):
            action = policy.get_action(obs)
            clock = time.perf_counter()
            obs, _, _, _, info = env.step(action)
            seconds, steps = seconds + time.perf_counter() - clock, steps + 1
            if info["success"] and not first[-1]:
                first[-1] = t
    return {
        "first_success": np.array(first),
        "drawer": np.array(drawers),
        "target": np.array(targets),
        "steps_per_second": np.array(steps / seconds),
    }


def random_rate(task: str, steps: int = 3000) -> float:
    """Control steps per second of one process under random actions, the action drawing left out."""
    env = original_env(task, "random")
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (steps, 4))
    seconds = 0.0
    for i, action in enumerate(actions):
        if i % 450 == 0:
            env.reset()
        began = time.perf_counter()
        env.step(action)
        seconds += time.perf_counter() - began
    return steps / seconds


def main() -> None:
    """Records everything into the output folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="drawer-open", choices=sorted(PAPER_STARTS))
    parser.add_argument("--out", type=Path, default=Path("tests/data/metaworld"))
    parser.add_argument("--fit", type=Path, help="only write traces to fit the hand to, here")
    parser.add_argument("--fit-count", type=int, default=360)
    parser.add_argument("--rate", action="store_true", help="only print env steps per second")
    args = parser.parse_args()
    if args.rate:
        print(random_rate(args.task))
        return
    np.random.seed(0)  # Meta-World draws its resets from the global generator

    env = original_env(args.task, "random")
    if args.fit:
        fit = as_float32(stacked(fit_traces(env, seed=1, count=args.fit_count)))
        np.savez_compressed(args.fit, **{k: fit[k] for k in ("start", "target", "hand", "touch")})
        return
    args.out.mkdir(parents=True, exist_ok=True)
    held = stacked(held_traces(env, seed=2, count=4))
    np.savez_compressed(args.out / "hand_held.npz", **as_float32(held))
    # Variants of an earlier model were compared on `held`; these showed that it was not enough.
    fresh = stacked(held_traces(env, seed=20, count=8))
    np.savez_compressed(args.out / "hand_fresh.npz", **as_float32(fresh))

    hands = {name: settled_hand(env, at) for name, at in HAND_STARTS.items()}
    stiff = np.array([stiffness(env, newtons) for newtons in (10.0, 30.0, 50.0)])
    pairs = reward_pairs(args.task, seed=3, count=1000)
    expert = expert_run(args.task, 200)
    recorded = {f"pairs_{k}": v for k, v in pairs.items()}
    recorded |= {f"expert_{k}": v for k, v in expert.items()}
    recorded |= {f"hand_{name}_{k}": v for name, hand in hands.items() for k, v in hand.items()}
    recorded["stiffness"] = stiff
    name = args.task.replace("-", "_") + ".npz"
    np.savez_compressed(args.out / name, **as_float32(recorded))

    for start, values in hands.items():
        print(start, {k: np.round(v, 6).tolist() for k, v in values.items()})
    first = expert["first_success"]
    report = {
        "stiffness_n_per_m_at_10_30_50_n": np.round(stiff).tolist(),
        "expert_success": float(np.mean(first > 0)),
        "expert_first_success_mean": float(first[first > 0].mean()),
        "expert_first_success_max": int(first.max()),
        "steps_per_second": float(expert["steps_per_second"]),
        "pairs_success": float(pairs["success"].mean()),
    }
    print(json.dumps(report))


def stacked(traces: list[Arrays]) -> Arrays:
    """Stacks the traces' arrays along a new first axis."""
    return {k: np.stack([t[k] for t in traces]) for k in traces[0]}


def as_float32(arrays: Arrays) -> Arrays:
    """Casts to float32, which is what the port computes in."""
    return {k: np.asarray(v, np.float32) for k, v in arrays.items()}


if __name__ == "__main__":
    main()
