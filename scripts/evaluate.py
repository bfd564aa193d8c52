"""Evaluates a run's policies: `python scripts/evaluate.py RUN --episodes 50 --protocol random`.

The last line of stdout is one JSON object. Policies act deterministically; success is Meta-World's:
done at any step of the episode.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from core_jax.runs import restore
from core_jax.training import cache, devices
from core_jax.visual import episodes as film


def evaluate(
    run: Annotated[Path, tyro.conf.Positional],
    episodes: int = 50,
    protocol: str | None = None,
    seed: int = 0,
    video: Path | None = None,
) -> int:
    """Plays a run's policies and prints success, return and time to success for each seed.

    Args:
        run: the run's folder.
        episodes: episodes per seed.
        protocol: paper or random; the run's own by default.
        seed: of the evaluation's resets.
        video: film each seed's first episode, side by side: .gif, or .mp4 with the `video` extra.
    """
    devices.prepare_cpu(1)
    cache.enable()
    try:
        if video:
            film.check_path(video)
        restored = restore.load(run, protocol)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    config, batch = restored.config, restored.config.eval_episodes
    rounds = []
    for i in range(-(-episodes // batch)):
        keys = jax.random.split(jax.random.key(10_000 + seed * 1_000 + i), config.seeds)
        rounds.append(jax.device_get(restored.train.evaluate(restored.lanes, keys)))
    played = {k: np.concatenate([getattr(r, k) for r, _ in rounds], axis=1)[:, :episodes]
              for k in rounds[0][0]._fields}  # fmt: skip
    means = {k: [round(float(x), 4) for x in v.mean(axis=1)] for k, v in played.items()}
    for s in range(config.seeds):
        shown = ", ".join(f"{k} {v[s]:.3f}" for k, v in means.items())
        print(f"seed {config.seed + s}: {shown}")
    if video:
        reel = film.develop(
            restored.config, restored.train, restored.lanes, restored.formal, rounds[0][1]
        )
        film.video(restored.train.env, reel, video)
        print(f"wrote {video}")
    print(
        json.dumps(
            {
                "run": str(run),
                "task": config.task,
                "method": config.method,
                "protocol": protocol or config.protocol,
                "episodes": episodes,
                "env_steps": restored.env_steps,
                **means,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(evaluate))
