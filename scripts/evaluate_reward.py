"""Evaluates rewards on episodes of graded skill: `python scripts/evaluate_reward.py --task soccer`.

Scripted experts, from perfect to poor ones, are played under resets of their own; a reward's values
on their frames are compared with ground-truth progress and success. Which reward: `--judge` (this
project's large reward model, a file of one, a server, a chat model, ground truth with errors),
`--run RUN` (every reward column of a run: formal, residual, rating, image-text ...), `--formal
FILE` (reward code) or `--clip WEIGHTS` (similarity with a caption of the finished task). Writes
`index.html` and `measures.json` to --out; the last line of stdout is the measures as one JSON
object.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from annotated_types import Ge

from core_jax import envs, files
from core_jax.commands.reward_values import of_clip, of_formal, of_judge, of_run
from core_jax.models import ChatError
from core_jax.models.chat_config import ChatConfig
from core_jax.report import reward_quality
from core_jax.reward_models.large_reward.scripted import ScriptedJudgeConfig
from core_jax.training import cache, devices
from core_jax.visual import trajectories
from core_jax.visual.frames import FrameRenderer


@dataclasses.dataclass(frozen=True)
class Flags:
    """CoRe-JAX: how good is a reward?"""

    task: str = "drawer-open"
    """Whose episodes; with --run the run's task."""
    protocol: Literal["paper", "random"] = "random"
    """Of the resets."""
    episodes: Annotated[int, Ge(2)] = 40
    """Number of episodes."""
    every: Annotated[int, Ge(1)] = 10
    """Steps from one frame to the next."""
    seed: Annotated[int, Ge(0)] = 1_000
    """Of resets and errors; the package's model was trained on those of 0 to 9."""
    out: Path = Path("reward_evaluation")
    """Folder for the page."""
    judge: str | None = None
    """own; a file of train_reward_model.py; scripted; an http:// address of a server; gemini or
    openai."""
    run: Path | None = None
    """A run's folder: its reward columns."""
    formal: Path | None = None
    """A file of reward code, in CoRe's convention."""
    clip: str | None = None
    """`tiny`, or a folder of a CLIP checkpoint."""
    truth: ScriptedJudgeConfig = dataclasses.field(default_factory=ScriptedJudgeConfig)
    """The errors of --judge scripted."""
    chat: ChatConfig = dataclasses.field(default_factory=ChatConfig)
    """The chat model of --judge gemini or openai."""
    max_cost: float = 5.0
    """USD that a chat model may cost."""


def evaluate(flags: Flags) -> dict[str, Any]:
    """Plays, scores and writes the page; returns the measures.

    Raises:
        ValueError: not exactly one reward, or one that does not fit the task.
    """
    given = [n for n in ("judge", "run", "formal", "clip") if getattr(flags, n) is not None]
    if len(given) > 1:
        raise ValueError(f"give one of --judge, --run, --formal, --clip, not {', '.join(given)}")
    kind = given[0] if given else "judge"
    restored = None
    if flags.run is not None:
        from core_jax.runs import restore

        restored = restore.load(flags.run, flags.protocol)
        flags = dataclasses.replace(flags, task=restored.config.task)
    env = envs.make(flags.task, flags.protocol)
    played, deficit = trajectories.play(env, flags.episodes, flags.seed)
    steps = np.shape(played.progress)[1]
    chosen = [np.arange(min(flags.every, steps) - 1, steps, flags.every)] * flags.episodes
    size = 64
    renderer = FrameRenderer(env, size, True, False, 1, 16) if env.spec.has_pictures else None
    frames = trajectories.frames_of(played, deficit, chosen, renderer)
    if kind == "judge":
        rewards = of_judge(flags, env, frames)
    elif kind == "run":
        rewards = of_run(restored, played, frames)
    elif flags.formal is not None:
        rewards = of_formal(flags.formal, env, played, frames)
    else:
        rewards = of_clip(str(flags.clip), env, frames)
    found = {name: reward_quality.measures(one, frames) for name, one in rewards.items()}
    shown = getattr(flags, kind) or "own"
    title = f"{kind} {shown} on {flags.task} ({flags.protocol})"
    reward_quality.write_page(flags.out, title, rewards, found, frames)
    content = {"reward": f"{kind} {shown}", "task": flags.task, "protocol": flags.protocol,
               "episodes": flags.episodes, "seed": flags.seed, "measures": found}  # fmt: skip
    files.write_json(flags.out / "measures.json", content)
    return content


def main() -> int:
    """Runs the command; returns 2 for a bad flag or a model that does not answer."""
    devices.prepare_cpu(1)
    cache.enable()
    flags = tyro.cli(Flags, description=__doc__)
    try:
        found = evaluate(flags)
    except (ValueError, ChatError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name, row in found["measures"].items():
        shown = ", ".join(f"{k} {v}" for k, v in row.items() if k != "pairs" and v is not None)
        print(f"{name}: {shown}")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
