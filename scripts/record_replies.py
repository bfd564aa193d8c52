"""Writes the questions that a language model's recorded replies answer, and packs the replies.

`ask` writes the exact conversation of a kind of question and prints it; `pack` puts it and the
replies (text files, one each, in order) into the recording that `--model replay` reads. A
refinement question needs statistics of a run: here those of uniform random actions, so that a
recording can be made before any training. The reward it shows is the first initial reply that
compiles.

    python scripts/record_replies.py ask --task soccer --kind initial --question initial.json
    python scripts/record_replies.py ask --task soccer --kind refinement --question refinement.json
        --initial a.md b.md
    python scripts/record_replies.py pack --task soccer --initial a.md b.md --refinement c.md
        --question initial.json refinement.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp

import envs
from core.models.replay import REPLIES
from core.prompts import formal as prompts
from core.rewards import batch_function
from reward_models.formal import RewardError, compile_reward, extract_code

STEPS = 1_000  # random environment steps that a refinement question reports on
LANES = 10


def random_statistics(env: envs.TaskEnv, source: str) -> dict[str, list[float]]:
    """Score and component means over 10 stretches of a random policy's run."""
    reward = compile_reward(source)
    evaluate = batch_function(reward, env.spec.formal_view)
    state = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), LANES))

    def body(state, key):
        action = jax.random.uniform(key, (LANES, env.action_size), minval=-1.0, maxval=1.0)
        state = jax.vmap(env.step)(state, action)
        return state, (state.obs, action, state.info["target"], state.metrics["success"])

    run = jax.jit(lambda state, keys: jax.lax.scan(body, state, keys))
    series: dict[str, list[float]] = {"score": []}
    for i in range(10):
        keys = jax.random.split(jax.random.key(i + 1), STEPS // LANES // 10)
        state, (obs, action, target, success) = run(state, keys)
        series["score"].append(float(jnp.mean(jnp.max(success, axis=0))))
        _, means = evaluate(obs, action, target)
        for name in reward.component_names:
            series.setdefault(name, []).append(float(means[name]))
    return series


def conversation(task: str, kind: str, initial: list[str]) -> list[prompts.Message]:
    """The exact messages of a question."""
    env = envs.make(task, protocol="paper")
    if kind == "initial":
        return prompts.initial_messages(env.spec)
    for reply in initial:
        try:
            code = extract_code(reply)
            compile_reward(code)
        except RewardError:
            continue
        return prompts.feedback_messages(env.spec, code, STEPS, random_statistics(env, code))
    raise SystemExit("no initial reply compiles, so there is no reward to refine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("ask", "pack"))
    parser.add_argument("--task", required=True)
    parser.add_argument("--kind", choices=("initial", "refinement"), default="initial")
    parser.add_argument("--initial", nargs="*", default=[])
    parser.add_argument("--refinement", nargs="*", default=[])
    where = "JSON files: ask writes one, pack reads those of both kinds"
    parser.add_argument("--question", nargs="+", type=Path, required=True, help=where)
    args = parser.parse_args()
    initial = [Path(p).read_text() for p in args.initial]
    if args.what == "ask":
        messages = conversation(args.task, args.kind, initial)
        asked = {"kind": args.kind, "messages": [m._asdict() for m in messages]}
        args.question[0].write_text(json.dumps(asked, indent=1) + "\n")
        for message in messages:
            print(f"## {message.role}\n{message.content}")
        return
    # What was asked, not what would be asked today: statistics move with the environment.
    asked = {q["kind"]: q["messages"] for q in (json.loads(p.read_text()) for p in args.question)}
    recording = {"task": args.task}
    for kind, paths in (("initial", args.initial), ("refinement", args.refinement)):
        if kind not in asked:
            raise SystemExit(f"--question: none of the files holds the {kind} question")
        replies = [Path(p).read_text() for p in paths]
        recording[kind] = {"messages": asked[kind], "replies": replies}
    REPLIES.mkdir(exist_ok=True)
    path = REPLIES / f"{args.task}.json"
    path.write_text(json.dumps(recording, indent=1) + "\n")
    print(f"wrote {path.name}: {len(args.initial)} initial, {len(args.refinement)} refinement")


if __name__ == "__main__":
    main()
