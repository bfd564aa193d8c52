"""Writes the questions that a language model's recorded replies answer, and packs the replies.

`ask` writes the exact conversation of a kind of question and prints it; `pack` puts it and the
replies (text files, one each, in order) into the recording that `--model replay` reads. A
refinement question needs statistics of a run: here those of uniform random actions, so that a
recording can be made before any training. The reward it shows is the first initial reply that
compiles.

`--method eureka` or `text2reward` is that method's way of asking; text2reward has no refinement.

    python scripts/tools/record_replies.py ask --task soccer --kind initial --question initial.json
    python scripts/tools/record_replies.py ask --task soccer --kind refinement
        --question refinement.json --initial a.md b.md
    python scripts/tools/record_replies.py pack --task soccer --initial a.md b.md --refinement c.md
        --question initial.json refinement.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp

from core_jax import envs
from core_jax.envs.wrappers import TrainingWrapper
from core_jax.models.replay import recording
from core_jax.prompts import eureka, formal, text2reward
from core_jax.prompts.message import Message
from core_jax.reward_models.formal import FormalReward, RewardError, extract_code
from core_jax.training.programs import batch_function
from core_jax.writing.writer import reward_compiler

PROMPTS = {"core": formal, "eureka": eureka, "text2reward": text2reward}

STEPS = 1_000  # random environment steps that a refinement question reports on
ENVS = 10


def random_statistics(env: envs.TaskEnv, reward: FormalReward) -> dict[str, list[float]]:
    """Score and component means over 10 stretches of a random policy's run.

    Worlds start anew when an episode ends: SoftGym's episodes are shorter than the run.
    """
    evaluate = batch_function(reward, env.spec.formal_view)
    worlds = TrainingWrapper(env)
    state = worlds.reset(jax.random.split(jax.random.key(0), ENVS))

    def body(state, key):
        action = jax.random.uniform(key, (ENVS, env.action_size), minval=-1.0, maxval=1.0)
        target = state.info["target"]
        state = worlds.step(state, action)
        return state, (state.info["last_obs"], action, target, state.metrics["success"])

    run = jax.jit(lambda state, keys: jax.lax.scan(body, state, keys))
    series: dict[str, list[float]] = {"score": []}
    for i in range(10):
        keys = jax.random.split(jax.random.key(i + 1), STEPS // ENVS // 10)
        state, (obs, action, target, success) = run(state, keys)
        series["score"].append(float(jnp.mean(jnp.max(success, axis=0))))
        _, means = evaluate(obs, action, target)
        for name in reward.component_names:
            series.setdefault(name, []).append(float(means[name]))
    return series


def conversation(task: str, method: str, kind: str, initial: list[str]) -> list[Message]:
    """The exact messages of a question."""
    env = envs.make(task, protocol="paper")
    prompts, compile_reward = PROMPTS[method], reward_compiler(method, env)
    if kind == "initial":
        return prompts.initial_messages(env.spec)
    for reply in initial:
        try:
            reward = compile_reward(extract_code(reply))
        except RewardError:
            continue
        statistics = random_statistics(env, reward)
        return prompts.feedback_messages(env.spec, reward.source, STEPS, statistics)
    raise SystemExit("no initial reply compiles, so there is no reward to refine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("ask", "pack"))
    parser.add_argument("--task", required=True)
    parser.add_argument("--method", choices=tuple(PROMPTS), default="core")
    parser.add_argument("--kind", choices=("initial", "refinement"), default="initial")
    parser.add_argument("--initial", nargs="*", default=[])
    parser.add_argument("--refinement", nargs="*", default=[])
    where = "JSON files: ask writes one, pack reads those of both kinds"
    parser.add_argument("--question", nargs="+", type=Path, required=True, help=where)
    args = parser.parse_args()
    initial = [Path(p).read_text() for p in args.initial]
    if args.what == "ask":
        messages = conversation(args.task, args.method, args.kind, initial)
        asked = {"kind": args.kind, "messages": [m._asdict() for m in messages]}
        args.question[0].write_text(json.dumps(asked, indent=1) + "\n")
        for message in messages:
            print(f"## {message.role}\n{message.content}")
        print(json.dumps({"question": str(args.question[0]), "kind": args.kind}))
        return
    # What was asked, not what would be asked today: statistics move with the environment.
    asked = {q["kind"]: q["messages"] for q in (json.loads(p.read_text()) for p in args.question)}
    packed = {"task": args.task}
    for kind, paths in (("initial", args.initial), ("refinement", args.refinement)):
        if not paths and args.method == "text2reward":
            continue
        if kind not in asked:
            raise SystemExit(f"--question: none of the files holds the {kind} question")
        replies = [Path(p).read_text() for p in paths]
        packed[kind] = {"messages": asked[kind], "replies": replies}
    path = recording(args.task, args.method)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(packed, indent=1) + "\n")
    counts = {"initial": len(args.initial), "refinement": len(args.refinement)}
    print(json.dumps({"recording": path.name, "task": args.task, **counts}))


if __name__ == "__main__":
    main()
