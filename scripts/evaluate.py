"""Evaluates policies: `python scripts/evaluate.py RUN --episodes 50 --protocol random`, or one that
comes with the package: `python scripts/evaluate.py --policy drawer-open`.

The last line of stdout is one JSON object. Policies act deterministically; success is Meta-World's:
done at any step of the episode.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from core_jax import policies
from core_jax.runs import members, restore
from core_jax.runs.policy import load as load_policy
from core_jax.training import cache, devices
from core_jax.training.state import EpisodeRecord
from core_jax.visual import episodes as episode_sheets


def evaluate(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    policy: str | None = None,
    episodes: int = 50,
    protocol: str | None = None,
    seed: int = 0,
    video: Path | None = None,
) -> int:
    """Plays a run's policies and prints success, return and time to success for each seed.

    Args:
        run: the run's folder.
        policy: in place of a run, a policy that comes with the package, by its task's name, or a
            file that `export.py` wrote.
        episodes: episodes per seed.
        protocol: paper or random; the run's own by default.
        seed: of the evaluation's resets.
        video: show each seed's first episode, side by side: .gif, or .mp4 with the `video` extra.
    """
    devices.prepare_cpu(1)
    cache.enable()
    try:
        if episodes < 1:
            raise ValueError(f"--episodes must be at least 1, not {episodes}")
        if seed < 0:
            raise ValueError(f"--seed must be at least 0, not {seed}")
        if (run is None) == (policy is None):
            raise ValueError("give a run's folder or --policy, one of them")
        if policy is not None:
            if video:
                raise ValueError("--video needs a run: a policy alone has no rewards to show")
            found = of_policy(policy, episodes, protocol, seed)
        else:
            assert run is not None
            found = of_run(run, episodes, protocol, seed, video)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found))
    return 0


def of_policy(name: str, episodes: int, protocol: str | None, seed: int) -> dict[str, Any]:
    """Plays a policy of the package or of a file and returns what was found.

    Raises:
        ValueError: there is no such policy.
    """
    policy = load_policy(name if name.endswith(".npz") else policies.path(name))
    played = policy.evaluate(episodes, seed, protocol)._asdict()
    means = {k: round(float(np.mean(v)), 4) for k, v in played.items()}
    print(", ".join(f"{k} {v:.3f}" for k, v in means.items()))
    shown = {"policy": name, "task": policy.task, "protocol": protocol or policy.protocol}
    return {**shown, "episodes": episodes, **means}


def of_run(
    run: Path, episodes: int, protocol: str | None, seed: int, video: Path | None
) -> dict[str, Any]:
    """Plays a run's policies and returns what was found.

    Raises:
        ValueError: there is no run to play, or nothing of it to show.
    """
    if video:
        episode_sheets.check_video_path(video)
    restored = restore.load(run, protocol)
    if video and not restored.train.env.spec.has_pictures:
        raise ValueError(f"--video {video}: task {restored.config.task} has no pictures")
    config = restored.config
    played, record = play(restored, episodes, seed)
    means = {k: [round(float(x), 4) for x in v.mean(axis=1)] for k, v in played.items()}
    for s, member in enumerate(members.of(config)):
        shown = ", ".join(f"{k} {v[s]:.3f}" for k, v in means.items())
        own = "".join(f", {k} {v:g}" for k, v in member.values.items())
        print(f"seed {member.seed}{own}: {shown}")
    if video:
        write_video(restored, record, video)
        print(f"wrote {video}")
    return {
        "run": str(run),
        "task": config.task,
        "method": config.method,
        "protocol": protocol or config.protocol,
        "episodes": episodes,
        "env_steps": restored.env_steps,
        **means,
    }


def play(
    restored: restore.Restored, episodes: int, seed: int
) -> tuple[dict[str, np.ndarray], EpisodeRecord]:
    """Plays episodes.

    Args:
        restored: the run.
        episodes: of each of its S seeds.
        seed: of the resets.

    Returns:
        Each quantity of an episode [S, episodes], and a record of the first episode of each seed.
    """
    training, rounds = restored.config.training, []
    for i in range(-(-episodes // training.eval_episodes)):
        key = jax.random.key(10_000 + seed * 1_000 + i)
        keys = jax.random.split(key, len(members.of(restored.config)))
        rounds.append(jax.device_get(restored.train.evaluate(restored.seeds, keys)))
    each = zip(*(found for found, _ in rounds), strict=True)
    joined = [np.concatenate(x, axis=1)[:, :episodes] for x in each]
    return dict(zip(rounds[0][0]._fields, joined, strict=True)), rounds[0][1]


def write_video(restored: restore.Restored, record: EpisodeRecord, path: Path) -> None:
    """Writes the recorded episodes with their rewards."""
    train = restored.train
    columns: dict[str, Any] = train.score_record(restored.seeds, record, restored.programs)
    shown = episode_sheets.from_record(record, jax.device_get(columns))
    episode_sheets.video(train.env, shown, path)


if __name__ == "__main__":
    sys.exit(tyro.cli(evaluate))
