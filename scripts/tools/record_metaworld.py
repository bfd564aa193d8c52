"""Records how the original Meta-World behaves, so that the port can be fitted to it and tested.

Runs in a virtual environment with `metaworld==3.1.1 mujoco==3.3.0` and nothing of this project. It
writes numbers measured there, never files of Meta-World. `drawer_open.npz` and so on, one a task:

- `pairs_*`, `paper_pairs_*`  steps with all that the reward is computed from, the reward and the
  success, from expert, noisy-expert and random behaviour; protocol `random` and `paper`
- `paper_start_*`  the fixed reset of protocol `paper`
- `resets_*`  random resets, and the first-success step of the scripted expert (0: never)
- `hand_random_*`, `hand_paper_*`  the settled hand at its two starts
- `steps_per_second`  of one process under random actions

`--hand` writes `hand_held.npz` and `hand_fresh.npz` instead: free-motion traces of mocap target,
hand and gripper that are left out of the fit. `--fit FILE` writes the traces that
scripts/tools/fit_hand.py fits (too many to keep). `--swing FILE` plays a file's actions from
hammer's fixed start and writes `hammer_swing.npz`: actions, and the newest third of each
observation. The actions that are kept there are a learned policy's, which strikes the nail within
25 steps: fingers catch the handle in passing, and turn it straight. The last line of stdout is one
JSON object.

Source: Meta-World 3.1.1, `*-v3`, reward version v2, goal fully observable.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from metaworld_hand import Arrays, fit_traces, held_traces, smooth_actions, stacked, stiffness
from metaworld_original import TASKS, first_success, original_env, scripted_policy, summary

# What is moved at a reset. Nothing is in sweep-into.
FIXTURES = {
    "soccer": "goal_whole",
    "drawer-open": "drawer",
    "button-press-topdown": "box",
    "dial-turn": "dial",
    "hammer": "box",
    "peg-insert-side": "box",
}
KNOB_TO_PUSH = np.array([0.05, 0.02, 0.09])
ARM_JOINTS, FINGER_JOINTS, FREE_JOINT = 7, 2, 7


def reset(env: Any, task: str) -> tuple[np.ndarray, Arrays]:
    """Resets; returns the first observation and what rewards are measured from in this episode.

    `origin` is where the reward believes the object was. In dial-turn that is the place of the
    reset before: the original computes it from a body that it has moved but not yet forwarded.
    """
    obs, _ = env.reset()
    mujoco.mj_forward(env.model, env.data)
    frame = env._get_curr_obs_combined_no_goal()
    if task == "dial-turn":
        origin = env.dial_push_position - KNOB_TO_PUSH
    elif task in ("drawer-open", "button-press-topdown"):
        origin = frame[4:7]
    else:
        origin = env.obj_init_pos
    fixture = env.model.body(FIXTURES[task]).pos if task in FIXTURES else np.zeros(3)
    start = {
        "frame": frame,
        "origin": origin,
        "fixture": fixture,
        "target": env._target_pos,
        "init_tcp": env.init_tcp,
    }
    return obs, {k: np.array(v) for k, v in start.items()}


def reward_pairs(task: str, protocol: str, seed: int, count: int) -> Arrays:
    """Steps with the original's reward, from expert, noisy-expert and random behaviour."""
    env, policy = original_env(task, protocol), scripted_policy(task)
    rng = np.random.default_rng(seed)
    np.random.seed(seed)  # Meta-World draws its resets from the global generator
    rows: dict[str, list] = {}
    for episode in range(45 * count // 1000):
        obs, start = reset(env, task)
        for noise in smooth_actions(rng, 150, 5.0, scale=(0.0, 0.5, 1.0)[episode % 3]):
            expert = np.zeros(4) if episode % 3 == 2 else policy(obs)
            action = np.clip(expert + noise, -1, 1).astype(np.float32)
            obs, reward, _, _, info = env.step(action)
            body, qpos = env.data.body, env.data.qpos
            row = {
                "frame": obs[:18],
                "action": action,
                "reward": reward,
                "success": info["success"],
                "tcp": env.tcp_center,
                "left_pad": body("leftpad").xpos,
                "right_pad": body("rightpad").xpos,
                "fingers": qpos[ARM_JOINTS : ARM_JOINTS + FINGER_JOINTS],
                "joints": fixed_joints(env),
                **{k: start[k] for k in ("origin", "fixture", "target", "init_tcp")},
            }
            for key, value in row.items():
                rows.setdefault(key, []).append(np.array(value))
    pick = rng.choice(len(rows["reward"]), count, replace=False)
    return {k: np.array(v)[np.sort(pick)] for k, v in rows.items()}


def fixed_joints(env: Any) -> np.ndarray:
    """Values of the slides and hinges of the task; what moves freely is in the observation."""
    joints = env.data.qpos[ARM_JOINTS + FINGER_JOINTS :]
    return joints[FREE_JOINT:] if len(joints) >= FREE_JOINT else joints


def resets(task: str, seed: int, count: int) -> Arrays:
    """Where random resets put things, and when the scripted expert first succeeds from them."""
    env, policy = original_env(task, "random"), scripted_policy(task)
    np.random.seed(seed)
    drawn, starts, first = [], [], []
    for _ in range(count):
        obs, start = reset(env, task)
        drawn.append(env._last_rand_vec.copy())
        starts.append(start)
        first.append(first_success(env, policy, obs=obs))
    return {"drawn": np.array(drawn), "first_success": np.array(first), **stacked(starts)}


def settled_hand(task: str, protocol: str) -> Arrays:
    """The hand after a reset, and 5 s later: a slow swing of the elbow is still under way."""
    env = original_env(task, protocol)
    env.reset()
    mujoco.mj_forward(env.model, env.data)
    hand, data = env.data.body("hand").xpos.copy(), env.data
    out = {
        "target": np.array(env.hand_init_pos),
        "hand": hand,
        "init_tcp": env.init_tcp.copy(),
        "tcp_offset": env.tcp_center - hand,
        "fingers": data.qpos[ARM_JOINTS : ARM_JOINTS + FINGER_JOINTS].copy(),
        "left_pad": data.body("leftpad").xpos - hand,
        "right_pad": data.body("rightpad").xpos - hand,
    }
    for _ in range(400):
        env.step(np.array([0, 0, 0, -1.0]))
    return {**out, "hand_after_5s": data.body("hand").xpos.copy()}


def swing(actions: np.ndarray) -> Arrays:
    """What given actions [T, 4] do from hammer's fixed start."""
    env = original_env("hammer", "paper")
    env.reset()
    return {"action": actions, "frame": np.array([env.step(a)[0][:18] for a in actions])}


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


def record(task: str, out: Path) -> dict[str, Any]:
    """Writes a task's file and returns a few of its numbers."""
    pairs = reward_pairs(task, "random", seed=3, count=1000)
    paper = reward_pairs(task, "paper", seed=4, count=200)
    drawn = resets(task, seed=0, count=200)
    recorded = {f"pairs_{k}": v for k, v in pairs.items()}
    recorded |= {f"paper_pairs_{k}": v for k, v in paper.items()}
    recorded |= {f"resets_{k}": v for k, v in drawn.items()}
    start = reset(original_env(task, "paper"), task)[1]
    recorded |= {f"paper_start_{k}": v for k, v in start.items()}
    for protocol in ("random", "paper"):
        hand = settled_hand(task, protocol)
        recorded |= {f"hand_{protocol}_{k}": v for k, v in hand.items()}
        print(task, protocol, {k: np.round(v, 6).tolist() for k, v in hand.items()})
    report: dict[str, Any] = {}
    if task == "drawer-open":
        env = original_env(task, "random")
        recorded["stiffness"] = np.array([stiffness(env, n) for n in (10.0, 30.0, 50.0)])
        report["stiffness_n_per_m_at_10_30_50_n"] = np.round(recorded["stiffness"]).tolist()
    recorded["steps_per_second"] = np.array(random_rate(task))
    write(out / (task.replace("-", "_") + ".npz"), recorded)
    return {
        "task": task,
        **summary(drawn["first_success"].tolist()),
        "first_success_max": int(drawn["first_success"].max()),
        "steps_per_second": round(float(recorded["steps_per_second"])),
        "pairs_success": float(pairs["success"].mean()),
        "pairs_reward": [round(float(f(pairs["reward"])), 2) for f in (np.min, np.mean, np.max)],
        **report,
    }


def write(path: Path, arrays: Arrays) -> None:
    """Writes float32, which is what the port computes in."""
    np.savez_compressed(path, **{k: np.asarray(v, np.float32) for k, v in arrays.items()})


def main() -> None:
    """Records what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="drawer-open", choices=(*TASKS, "all"))
    parser.add_argument("--out", type=Path, default=Path("tests/data/metaworld"))
    parser.add_argument("--rate", action="store_true", help="only print env steps per second")
    parser.add_argument("--hand", action="store_true", help="only the traces that are tested")
    parser.add_argument("--swing", type=Path, help="only replay this file's actions in hammer")
    parser.add_argument("--fit", type=Path, help="only write traces to fit the hand to, here")
    parser.add_argument("--fit-count", type=int, default=360)
    args = parser.parse_args()
    tasks = TASKS if args.task == "all" else (args.task,)
    if args.rate:
        for task in tasks:
            print(random_rate(task))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    if args.swing:
        write(args.out / "hammer_swing.npz", swing(np.load(args.swing)["action"]))
        print(json.dumps({"swing": str(args.swing)}))
        return
    if args.fit or args.hand:
        np.random.seed(0)
        env = original_env("drawer-open", "random")
    if args.fit:
        fit = stacked(fit_traces(env, seed=1, count=args.fit_count))
        write(args.fit, {k: fit[k] for k in ("start", "target", "hand", "touch")})
        print(json.dumps({"fit": str(args.fit), "traces": args.fit_count}))
    elif args.hand:
        write(args.out / "hand_held.npz", stacked(held_traces(env, seed=2, count=4)))
        # Variants of an earlier model were compared on `held`; these showed it was not enough.
        write(args.out / "hand_fresh.npz", stacked(held_traces(env, seed=20, count=8)))
        print(json.dumps({"held": 4, "fresh": 8}))
    else:
        print(json.dumps([record(task, args.out) for task in tasks]))


if __name__ == "__main__":
    main()
