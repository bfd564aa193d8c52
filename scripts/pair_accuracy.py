"""How often a run's rewards are right: `python scripts/pair_accuracy.py RUN --pairs 200`.

Pairs of clips are drawn uniformly from all of a run's replay; one that shares a frame with a clip
that was labelled is left out, and so is one whose clips are equally good. What is right is the
ground truth that the run's scripted teacher judges by. Three rewards are judged, each summed over a
clip: the residual one, looking at every frame, the formal one, and their mean. The last line of
stdout is one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from agents import replay
from core import cache, devices, restore
from core.labels import LabelStore
from core.models.scripted import Judge
from core.sight import make_sight

_AT_ONCE = 64  # pairs drawn at once


def main(run: Annotated[Path, tyro.conf.Positional], pairs: int = 200, seed: int = 0) -> int:
    """Prints the part of held-out pairs that each reward orders rightly, for every seed.

    Args:
        run: the run's folder.
        pairs: for each of the run's seeds.
        seed: of the draw.
    """
    devices.prepare_cpu(1)
    cache.enable()
    try:
        restored = restore.load(run)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    config = restored.config
    judge = config.scripted.parameters().judge
    labelled = _labelled(run)
    rows = [
        _accuracy(restored, s, labelled.get(config.seed + s, set()), pairs, seed, judge)
        for s in range(config.seeds)
    ]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for s, row in enumerate(rows):
        print(f"seed {config.seed + s}: " + ", ".join(f"{k} {v:.3f}" for k, v in row.items()))
    about = {"run": str(run), "task": config.task, "env_steps": restored.env_steps}
    print(json.dumps({**about, "pairs": pairs, "truth": judge, **columns}))
    return 0


def _accuracy(
    restored: restore.Restored, s: int, seen: set[bytes], pairs: int, seed: int, judge: Judge
) -> dict[str, float]:
    """One seed's row: accuracies of the residual reward, the formal one and their mean."""
    config = restored.config
    lane = jax.tree.map(lambda x: x[s], restored.lanes)
    sight = make_sight(config, restored.train.env)
    length = config.feedback.clip_length

    def draw(key: jax.Array) -> replay.Transition:
        window = lane.replay.data.cut.shape[0]
        clips = replay.sample_clips(lane.replay, key, 2 * _AT_ONCE, length, window)
        reward = sight.model.predict(lane.residual, sight.frames(clips.next_obs, clips.snapshot))
        return clips._replace(residual=reward)

    drawn = jax.jit(draw, compiler_options=sight.compiler_options)
    right: list[tuple[float, float, float]] = []
    for i in range(100 * -(-pairs // _AT_ONCE)):
        clips = jax.device_get(drawn(jax.random.fold_in(jax.random.key(seed), i)))
        truth = (clips.dense if judge == "reward" else clips.progress).sum(1, dtype=np.float64)
        formal = np.clip(clips.formal, -1, 1).sum(1)
        residual = clips.residual.sum(1)
        for a in range(0, 2 * _AT_ONCE, 2):
            held_out = not any(
                _name(frame) in seen for frame in clips.next_obs[a : a + 2].reshape(2 * length, -1)
            )
            if held_out and truth[a] != truth[a + 1]:
                gaps = (x[a + 1] - x[a] for x in (residual, formal, formal + residual))
                better = truth[a + 1] > truth[a]
                right.append(tuple(float((gap > 0) == better) for gap in gaps))
        if len(right) >= pairs:
            break
    else:
        raise SystemExit(f"error: {len(right)} pairs could be held out, not {pairs}")
    means = np.mean(right[:pairs], axis=0)
    return dict(zip(("residual", "formal", "both"), map(float, means), strict=True))


def _labelled(run: Path) -> dict[int, set[bytes]]:
    """Frames of labelled clips, by the seed they were shown to."""
    store, found = LabelStore(run / "labels.sqlite"), {}
    for asked in store.questions():
        q = asked.question
        frames = found.setdefault(q.seed, set())
        frames.update(_name(frame) for clip in (q.a, q.b) for frame in clip.next_obs)
    store.close()
    return found


def _name(frame: np.ndarray) -> bytes:
    return np.ascontiguousarray(frame, np.float32).tobytes()


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
